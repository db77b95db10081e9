//! What crosses the boundary to the gateway: a batch of jobs down, a batch of answers up.

use actors::answer::{Answer, Statement};
use actors::command::Request;
use ledger::ids::WalletNumber;

/// Microseconds of a clock that never steps; its zero is arbitrary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub u64);

/// Both clocks, read once per turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Wall clock: may step; only ledger time is made of it.
    pub wall: ledger::ids::At,
    /// Never steps: deadlines are counted by it.
    pub mono: Mono,
}

/// Where an answer goes: opaque to the engine but for the loop that owns the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reply {
    /// The loop that the request came in by.
    pub home: u16,
    /// Whatever that loop needs to find the connection.
    pub token: u64,
}

/// Who waits for whom: taps of customers standing at a bar are never behind an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Someone is standing there.
    Live,
    /// Uploads and bulk.
    Backlog,
}

/// One request on its way to its actor.
#[derive(Clone, Debug)]
pub struct Job {
    /// Where the answer goes.
    pub reply: Reply,
    /// When its sender stops waiting; `None` if it did not say.
    pub deadline: Option<Mono>,
    /// Which lane of the mailbox.
    pub lane: Lane,
    /// How often one actor sent it on to another.
    pub ways: u8,
    /// What is asked.
    pub request: Request,
}

impl Job {
    /// The actor it is for.
    pub fn actor(&self) -> WalletNumber {
        self.request.actor()
    }
}

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// One answer.
    Answer(Answer),
    /// A balance with its last movements.
    Statement(Box<Statement>),
}

impl Message {
    /// The answer in it.
    pub fn answer(&self) -> &Answer {
        match self {
            Self::Answer(answer) => answer,
            Self::Statement(statement) => &statement.answer,
        }
    }
}

/// An answer that may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where it goes.
    pub reply: Reply,
    /// What it says.
    pub message: Message,
}
