//! Owns: the echo server: it speaks just enough of the protocol to be driven by the very same client loop, answers
//! each request at once in an answer's size, and on demand appends and flushes before it answers.
//! Must never: do more than a socket's round trip needs (and the append, where asked): it is the machine's limit.
//! Laws: none.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use wire::limits::{ANSWER, REQUEST_HEAD};
use wire::{ConnectionLimits, Frame, FrameKind, FrameWriter, Hello, Roles, Welcome, split_frame};

use super::disk::AppendFile;
use crate::error::{LoadError, Result};
use crate::num::{count, index};

const LISTENER: u64 = u64::MAX;
const READ_SIZE: usize = 256 << 10;

/// Bytes that one request costs the journal, about: what the appending echo writes for each.
pub const RECORD_BYTES: usize = 120;

#[derive(Debug)]
struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    flushed: usize,
    wants_room: bool,
}

/// A server that echoes.
#[derive(Debug)]
pub struct EchoServer {
    listener: TcpListener,
    poller: rustix::fd::OwnedFd,
    // Places of gone peers stay empty: a run connects once.
    peers: Vec<Option<Peer>>,
    alive: usize,
    append: Option<AppendFile>,
    // Requests of this round whose answers wait for the flush.
    round: usize,
    buffer: Vec<u8>,
}

impl EchoServer {
    /// Listens on a free port of the loopback.
    pub fn bind(append: Option<AppendFile>) -> Result<Self> {
        let listener =
            TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).map_err(LoadError::system("listen"))?;
        listener.set_nonblocking(true).map_err(LoadError::system("listen"))?;
        let poller =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(LoadError::call("create a poller"))?;
        epoll::add(&poller, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)
            .map_err(LoadError::call("watch the listener"))?;
        let (peers, buffer) = (Vec::new(), vec![0; READ_SIZE]);
        Ok(Self { listener, poller, peers, alive: 0, append, round: 0, buffer })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(LoadError::system("listen"))
    }

    /// Serves until the last of its terminals has gone.
    pub fn serve(&mut self) -> Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(1_024);
        let mut touched = Vec::new();
        while self.peers.is_empty() || self.alive > 0 {
            events.clear();
            match epoll::wait(&self.poller, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(LoadError::call("wait for events")(errno)),
            }
            touched.clear();
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    place => {
                        self.receive(index(place));
                        // Without an append the answer leaves at once, as in any echo.
                        match self.append {
                            None => self.flush(index(place))?,
                            Some(_) => touched.push(index(place)),
                        }
                    }
                }
            }
            if let Some(file) = self.append.as_mut().filter(|_| self.round > 0) {
                file.append(self.round * RECORD_BYTES)?;
                self.round = 0;
            }
            for place in &touched {
                self.flush(*place)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(source) => return Err(LoadError::System { what: "accept a connection", source }),
            };
            let set_up = |stream: &TcpStream| {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)
            };
            set_up(&stream).map_err(LoadError::system("set up a connection"))?;
            let data = epoll::EventData::new_u64(count(self.peers.len()));
            epoll::add(&self.poller, &stream, data, epoll::EventFlags::IN)
                .map_err(LoadError::call("watch a connection"))?;
            let (input, output) = (Vec::new(), Vec::new());
            self.peers.push(Some(Peer { stream, input, output, flushed: 0, wants_room: false }));
            self.alive += 1;
        }
    }

    fn receive(&mut self, place: usize) {
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else { return };
        match peer.stream.read(&mut self.buffer) {
            Ok(0) => self.forget(place),
            Ok(length) => {
                peer.input.extend_from_slice(self.buffer.get(..length).unwrap_or_default());
                match peer.answer_whole_frames() {
                    Some(requests) => self.round += requests,
                    None => self.forget(place),
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.forget(place),
        }
    }

    fn forget(&mut self, place: usize) {
        if self.peers.get_mut(place).and_then(Option::take).is_some() {
            self.alive -= 1;
        }
    }

    fn flush(&mut self, place: usize) -> Result<()> {
        let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else { return Ok(()) };
        if !peer.flush() {
            self.forget(place);
            return Ok(());
        }
        let wants_room = peer.flushed < peer.output.len();
        if wants_room != peer.wants_room {
            peer.wants_room = wants_room;
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, wants_room);
            epoll::modify(&self.poller, &peer.stream, epoll::EventData::new_u64(count(place)), flags)
                .map_err(LoadError::call("watch a connection"))?;
        }
        Ok(())
    }
}

impl Peer {
    /// Answers the whole frames of the input; none when they are not of the protocol.
    fn answer_whole_frames(&mut self) -> Option<usize> {
        let (mut used, mut requests) = (0, 0);
        while let Some(frame) = split_frame(self.input.get(used..)?).ok()? {
            used += frame.size();
            match frame.header.kind {
                FrameKind::Requests => requests += echo(&frame, &mut self.output)?,
                FrameKind::Hello => welcome(&frame, &mut self.output)?,
                FrameKind::Ping => wire::push_empty(&mut self.output, FrameKind::Pong, frame.header.cookie),
                _ => return None,
            }
        }
        self.input.drain(..used);
        Some(requests)
    }

    /// Sends what the socket takes; false when the terminal has gone.
    fn flush(&mut self) -> bool {
        while let Some(rest) = self.output.get(self.flushed..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
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
}

fn welcome(frame: &Frame<'_>, out: &mut Vec<u8>) -> Option<()> {
    let hello = Hello::parse(frame.body).ok()?;
    let welcome = Welcome {
        version: hello.version,
        roles: Roles::SELL,
        configuration: 0,
        server_time: 0,
        incarnation: 0,
        highest_counter: 0,
        ledger: [0; 16],
        till: 1,
        limits: ConnectionLimits::default(),
        currency: 978,
        exponent: 2,
    };
    welcome.push(out).ok()
}

/// One answer of the right size for each request: its id and command, and "applied".
fn echo(frame: &Frame<'_>, out: &mut Vec<u8>) -> Option<usize> {
    let mut answers = FrameWriter::begin(out, FrameKind::Answers, 0);
    let mut rest = frame.body;
    for _ in 0..frame.header.count {
        let head: &[u8; REQUEST_HEAD] = rest.first_chunk()?;
        let length = u16::from_le_bytes([head[0], head[1]]);
        let mut answer = [0; ANSWER];
        answer[..8].copy_from_slice(&head[8..16]);
        answer[8] = head[2];
        answers.body().extend_from_slice(&answer);
        rest = rest.get(usize::from(length).max(REQUEST_HEAD)..)?;
    }
    answers.finish(frame.header.count).ok()?;
    Some(usize::from(frame.header.count))
}
