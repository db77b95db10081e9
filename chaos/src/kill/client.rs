//! A terminal's connection with a blocking socket: connects, says hello, sends frames of requests, gives
//! what comes back. Knows the wire format only.
//! Must never: send anything again by itself, or take a broken connection for an answer.
//! Laws: L12 (a connection that says nothing for too long is given up).

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wire::{Answer, FromServer, Hello, RequestsWriter, WireError};

/// The festival of every breaker.
pub const FESTIVAL: u16 = 1;
/// How long a connection may say nothing while it owes something: recovery included.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes taken from the socket at once.
const CHUNK: usize = 64 * 1024;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub enum LinkEnd {
    /// It broke, or the server closed it: what was sent may or may not have happened.
    #[error("the connection ended: {0}")]
    Broken(#[from] io::Error),
    /// The server closed it and said why.
    #[error("the server ended the connection with code {code}: {text}")]
    Fault {
        /// A refusal's code.
        code: u16,
        /// For a technician.
        text: String,
    },
    /// It said something that is not of the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(#[from] WireError),
}

/// A welcomed connection.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    came: Vec<u8>,
    out: Vec<u8>,
}

impl Link {
    /// Connects and waits for the welcome.
    pub fn open(server: SocketAddr, device: u32) -> Result<Self, LinkEnd> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut link = Self { stream, came: Vec::new(), out: Vec::new() };
        Hello::new(FESTIVAL, device).push(&mut link.out)?;
        link.stream.write_all(&link.out)?;
        let mut welcomed = false;
        while !welcomed {
            link.read()?;
            welcomed = link.frames(&mut Vec::new())?;
        }
        Ok(link)
    }

    /// Sends one frame that `write` fills.
    pub fn send(&mut self, write: impl FnOnce(&mut RequestsWriter<'_>)) -> Result<(), LinkEnd> {
        self.out.clear();
        let mut frame = RequestsWriter::begin(&mut self.out);
        write(&mut frame);
        frame.finish()?;
        Ok(self.stream.write_all(&self.out)?)
    }

    /// Waits for at least one answer, and takes what has come.
    pub fn receive(&mut self, answers: &mut Vec<Answer>) -> Result<(), LinkEnd> {
        while answers.is_empty() {
            self.read()?;
            self.frames(answers)?;
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let length = self.came.len();
        self.came.resize(length + CHUNK, 0);
        let read = self.stream.read(&mut self.came[length..]);
        self.came.truncate(length + read.as_ref().map_or(0, |read| *read));
        match read? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Takes the whole frames that have come; whether a welcome was among them.
    fn frames(&mut self, answers: &mut Vec<Answer>) -> Result<bool, LinkEnd> {
        let (mut taken, mut welcomed) = (0, false);
        while let Some(frame) = wire::split_frame(&self.came[taken..])? {
            taken += frame.size();
            match FromServer::parse(&frame)? {
                FromServer::Welcome(_) => welcomed = true,
                FromServer::Answers(many) => {
                    for answer in many {
                        answers.push(answer?);
                    }
                }
                FromServer::Statement(statement) => answers.push(statement.answer),
                FromServer::Fault(fault) => {
                    return Err(LinkEnd::Fault { code: fault.code, text: fault.text.to_owned() });
                }
                // The close that follows ends the connection.
                FromServer::Goodbye
                | FromServer::Pong(_)
                | FromServer::Notice(_)
                | FromServer::Configuration(_) => {}
            }
        }
        self.came.drain(..taken);
        Ok(welcomed)
    }
}
