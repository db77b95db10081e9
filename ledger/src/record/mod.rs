//! The record: what an actor decided. The record is the event: who, when, what, under which
//! configuration, and its postings, explicitly. What is not in it cannot be settled, audited or
//! explained later.

mod body;
mod body_codec;
mod codec;
mod envelope;
pub mod leb;
mod message;
mod sample;

pub use body::{Body, Genesis, Kind, Line, Lines, Tax, Taxes, Tender};
pub use codec::{CodecError, Prologue, decode, encode};
pub use envelope::{Envelope, Mode, Rare};
pub use message::{Mail, Message, Sent, Taken};
pub use sample::{sample, sample_of};

use crate::entry::Entry;
use crate::ids::At;

/// Largest encoded record: a configuration part of 64 KiB and its envelope.
pub const MAX_RECORD_BYTES: usize = 65 * 1024;

/// The code of a decided no. The numbers and their meanings belong to `actors::codes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeclineCode(pub std::num::NonZeroU8);

/// What an actor decided, with everything that decision read beyond its state and configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ledger time of the decision; never falls within a shard.
    pub at: At,
    /// Who asked, where, under which versions.
    pub envelope: Envelope,
    /// What it is about.
    pub body: Body,
    /// Set when the decision was a no: then nothing moved.
    pub decline: Option<DeclineCode>,
    /// The money that moved; empty for facts that move none.
    pub entry: Entry,
}

impl Record {
    /// A record that moves no money and names nobody: facts about the shard itself.
    pub fn fact(at: At, versions: Envelope, body: Body) -> Self {
        Self { at, envelope: versions, body, decline: None, entry: Entry::none() }
    }
}
