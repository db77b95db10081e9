//! Owns: one connection of the swarm, which may break and come back: socket, bytes not yet sent or not yet whole.
//! Must never: block; keep bytes of a broken connection for the next one.
//! Laws: L12 (it pauses between attempts; nobody is asked for more while bytes wait to be sent).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use wire::limits::{RESEND_FIRST_MS, RESEND_LONGEST_MS};

use super::ClientError;
use super::terminal::Terminal;

/// How far a connection is.
#[derive(Debug)]
pub enum State {
    /// No connection; the next attempt is not before this time.
    Down(u64),
    /// Asked the system to connect.
    Connecting(TcpStream),
    /// Bytes flow.
    Up(TcpStream),
}

/// What reading found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// So many bytes.
    Bytes(usize),
    /// None at present.
    Nothing,
    /// The connection is over.
    End,
}

/// One terminal and its connection.
#[derive(Debug)]
pub struct Link {
    /// The terminal.
    pub terminal: Terminal,
    /// How far the connection is.
    pub state: State,
    /// Bytes that are not a whole frame yet.
    pub input: Vec<u8>,
    /// Bytes to send; the front part may have left.
    pub output: Vec<u8>,
    /// Whether the poller was asked to tell when there is room to write.
    pub wants_room: bool,
    flushed: usize,
    attempts: u32,
}

impl Link {
    /// A terminal that is not connected yet.
    pub fn new(terminal: Terminal) -> Self {
        let (input, output) = (Vec::new(), Vec::with_capacity(256));
        Self { terminal, state: State::Down(0), input, output, wants_room: false, flushed: 0, attempts: 0 }
    }

    /// Whether an attempt to connect is due.
    pub fn may_connect(&self, now_ns: u64) -> bool {
        matches!(self.state, State::Down(until) if until <= now_ns)
    }

    /// The socket, while there is one.
    pub fn socket(&self) -> Option<&TcpStream> {
        match &self.state {
            State::Down(_) => None,
            State::Connecting(stream) | State::Up(stream) => Some(stream),
        }
    }

    /// Asks the system to connect, without waiting for it. False when it says no at once.
    pub fn connect(&mut self, address: &SocketAddr) -> Result<bool, ClientError> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)
            .map_err(|errno| system("open a socket", &errno))?;
        match rustix::net::connect(&socket, address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(Errno::CONNREFUSED | Errno::CONNRESET | Errno::AGAIN | Errno::TIMEDOUT) => return Ok(false),
            Err(errno) => return Err(system("connect to the server", &errno)),
        }
        self.state = State::Connecting(TcpStream::from(socket));
        Ok(true)
    }

    /// The system has news about an attempt: says hello, or false when it failed.
    pub fn connected(&mut self, now_ns: u64) -> Result<bool, ClientError> {
        let State::Connecting(stream) = std::mem::replace(&mut self.state, State::Down(0)) else {
            return Ok(true);
        };
        let failed = stream.take_error().map_err(|error| system("ask for a socket's state", &error))?;
        if failed.is_some() || stream.set_nodelay(true).is_err() {
            return Ok(false);
        }
        self.state = State::Up(stream);
        self.terminal.connected(now_ns, &mut self.output)?;
        Ok(true)
    }

    /// It has been welcomed: the next pause is a short one again.
    pub fn welcomed(&mut self) {
        self.attempts = 0;
    }

    /// The connection is gone. The next attempt is after a pause that doubles, and as much again by chance, so that
    /// thousands of terminals do not come back in one moment.
    pub fn broken(&mut self, now_ns: u64, chance: &mut fastrand::Rng) {
        let doubled = RESEND_FIRST_MS.saturating_mul(1 << self.attempts.min(10)).min(RESEND_LONGEST_MS);
        let pause_ms = u64::from(doubled) + chance.u64(0..=u64::from(doubled));
        self.state = State::Down(now_ns.saturating_add(pause_ms * 1_000_000));
        self.attempts = self.attempts.saturating_add(1);
        self.terminal.disconnected();
        self.input.clear();
        self.output.clear();
        (self.flushed, self.wants_room) = (0, false);
    }

    /// Whether bytes wait for room in the socket.
    pub fn has_output(&self) -> bool {
        self.flushed < self.output.len()
    }

    /// Sends what the socket takes; false when the connection is over.
    pub fn flush(&mut self) -> bool {
        let State::Up(stream) = &mut self.state else { return true };
        while let Some(rest) = self.output.get(self.flushed..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(sent) if sent > 0 => self.flushed += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return false,
            }
        }
        self.output.clear();
        self.flushed = 0;
        true
    }

    /// Reads once.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Got {
        let State::Up(stream) = &mut self.state else { return Got::Nothing };
        match stream.read(buffer) {
            Ok(0) => Got::End,
            Ok(length) => Got::Bytes(length),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Got::Nothing
            }
            Err(_) => Got::End,
        }
    }
}

/// An error of the system, in the client's words.
pub fn system(what: &'static str, problem: &impl std::fmt::Display) -> ClientError {
    ClientError::System { what, problem: problem.to_string() }
}
