//! Owns: from a whole frame to what it says, for both sides.
//! Must never: copy a body.
//! Laws: L12.

use crate::answer::{Answers, Statement, answers};
use crate::error::WireError;
use crate::fetch::{Fetch, Slice};
use crate::frame::{Frame, FrameKind};
use crate::request::{Requests, requests};
use crate::session::{Fault, Hello, Notice, Welcome};

/// What a terminal sent.
#[derive(Debug, Clone)]
pub enum FromTerminal<'a> {
    /// Its first frame.
    Hello(Hello),
    /// Requests whose lengths have been checked.
    Requests(Requests<'a>),
    /// A ping with its cookie.
    Ping(u64),
    /// It wants a slice of the configuration.
    Fetch(Fetch),
    /// It sends no more.
    Goodbye,
}

impl<'a> FromTerminal<'a> {
    /// Reads a frame on the server's side.
    #[inline]
    pub fn parse(frame: &Frame<'a>) -> Result<Self, WireError> {
        match frame.header.kind {
            FrameKind::Requests => requests(frame.body, frame.header.count).map(Self::Requests),
            FrameKind::Hello => Hello::parse(frame.body).map(Self::Hello),
            FrameKind::Ping => Ok(Self::Ping(frame.header.cookie)),
            FrameKind::Fetch => Fetch::parse(frame.body).map(Self::Fetch),
            FrameKind::Goodbye => Ok(Self::Goodbye),
            kind => Err(WireError::Unexpected { kind }),
        }
    }
}

/// What a server sent.
#[derive(Debug, Clone)]
pub enum FromServer<'a> {
    /// The answer to the hello.
    Welcome(Welcome),
    /// Answers, in any order.
    Answers(Answers<'a>),
    /// The answer to a ping, with its cookie.
    Pong(u64),
    /// Everything is answered; the server closes.
    Goodbye,
    /// The answer to a `balance`.
    Statement(Statement<'a>),
    /// Something nobody asked for.
    Notice(Notice),
    /// A slice of the configuration.
    Configuration(Slice<'a>),
    /// The connection is over.
    Fault(Fault<'a>),
}

impl<'a> FromServer<'a> {
    /// Reads a frame on the terminal's side.
    #[inline]
    pub fn parse(frame: &Frame<'a>) -> Result<Self, WireError> {
        match frame.header.kind {
            FrameKind::Answers => answers(frame.body, frame.header.count).map(Self::Answers),
            FrameKind::Statement => Statement::parse(frame.body, frame.header.count).map(Self::Statement),
            FrameKind::Welcome => Welcome::parse(frame.body).map(Self::Welcome),
            FrameKind::Pong => Ok(Self::Pong(frame.header.cookie)),
            FrameKind::ServerGoodbye => Ok(Self::Goodbye),
            FrameKind::Notice => Notice::parse(frame.body).map(Self::Notice),
            FrameKind::Configuration => Slice::parse(frame.body).map(Self::Configuration),
            FrameKind::Fault => Fault::parse(frame.body).map(Self::Fault),
            kind => Err(WireError::Unexpected { kind }),
        }
    }
}
