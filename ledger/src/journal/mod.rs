//! The journal's contract. A journal is a state machine, not a blocking call: blocks and look-ups
//! are handed over, what became of them comes back as events. `conformance` holds the suite
//! that every store passes.
//!
//! What a store promises (L3, L7, L8):
//! - It MUST return from [`Journal::submit`] at once, and MUST NOT report a block confirmed before
//!   it would be read back after any crash.
//! - It MUST confirm the blocks of one shard in order. There is at most one of a shard in flight.
//! - It MUST NOT confirm a block that does not continue the shard's last confirmed one: somebody
//!   else has written since, so such a block ends in [`Event::Fenced`].
//! - After [`Event::Dead`] it MUST NOT report anything any more: what was in flight is known only
//!   after the store was opened anew.
//! - A block it took MUST NOT meet a full disk: [`Journal::room`] says beforehand.
//! - What is unknown (a time-out) stays inside the store until it is definite.

use std::sync::Arc;

use thiserror::Error;

pub mod conformance;
pub mod embedded;
pub mod memory;

use crate::block::{Block, BlockError, Draft, Head, Header};
use crate::ids::{RecordNumber, ShardId};
use crate::record::Record;

/// Called when an event was put into an inbox by another thread than its owner's. It must not call
/// back into the journal, only see to it that the owner asks for its events.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What became of something handed to the journal.
#[derive(Debug)]
pub enum Event {
    /// The block is stored for good. Its draft comes back to be filled again.
    Confirmed {
        /// The shard's head now: this block.
        head: Head,
        /// The buffer, still holding the block, to be filled again.
        draft: Box<Draft>,
    },
    /// The shard has another owner: nothing in flight of it was stored, nothing more will be.
    Fenced {
        /// The shard that was lost.
        shard: ShardId,
    },
    /// The store ended its life: the fate of what was in flight is not known.
    Dead {
        /// What ended it, for the operator.
        cause: String,
    },
    /// A look-up by position is done.
    Fetched {
        /// As given with the look-up.
        lookup: Lookup,
        /// The record, or why it could not be had.
        record: Result<Box<Record>, FetchError>,
    },
}

/// A look-up of one record by its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The shard whose record it is.
    pub shard: ShardId,
    /// Its number; the caller asks for confirmed records only.
    pub number: RecordNumber,
    /// Comes back with the answer.
    pub token: u64,
}

/// Why a record could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    /// No confirmed block holds this number.
    #[error("no confirmed record has this number")]
    NoSuchRecord,
    /// It could not be read; retryable.
    #[error("could not be read: {0}")]
    Unreadable(String),
    /// Too many look-ups wait; retryable.
    #[error("too many look-ups wait")]
    Busy,
}

/// Why a block was not taken. Nothing of it was or will be stored; the draft comes back.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// No room for it: the caller should have asked [`Journal::room`].
    #[error("no room")]
    Full(Box<Draft>),
    /// The store is dead.
    #[error("the store is dead")]
    Dead(Box<Draft>),
}

/// One loop's door to the journal. Several may exist at a time, for different shards of one store.
pub trait Journal {
    /// Hands over the next block of a shard. Never waits for the disk.
    fn submit(&mut self, draft: Box<Draft>) -> Result<(), SubmitError>;

    /// Bytes of sealed blocks that can still be taken before the disk is full. Callers keep room
    /// for all blocks in flight and filling, and 1 MiB for control records.
    fn room(&self) -> u64;

    /// Asks for a record by position.
    fn fetch(&mut self, lookup: Lookup);

    /// Gives the store the chance to write what is ready on the caller's thread. `eager` says that
    /// the caller has nothing else to do until the blocks are confirmed.
    fn commit(&mut self, eager: bool);

    /// Appends what has happened since the last call.
    fn events(&mut self, out: &mut Vec<Event>);

    /// Takes back a block of `shard` that the store has not begun to write. Afterwards nothing
    /// of the shard is waiting; `true` if a block may be half-way and its event will still come.
    fn withdraw(&mut self, shard: ShardId) -> bool;
}

/// Why a journal could not be read back.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The files could not be read.
    #[error("could not read the journal: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Stored bytes are not what was written.
    #[error("damaged at {place}: {what}")]
    Damaged {
        /// Where, in the store's own terms (segment and offset, shard and block).
        place: String,
        /// What was found.
        what: String,
    },
}

/// Reads confirmed blocks back, on a thread that may wait.
pub trait Replay {
    /// Calls `visit` for each confirmed block in the order of the store, every payload checked
    /// against its hash and every block against the chain (L7). With `only`, just that shard's
    /// blocks; then up to that shard's confirmed head at the time of the call. Gives the heads, by
    /// shard number, of the shards it visited; others hold the empty head.
    fn replay(
        &self,
        only: Option<ShardId>,
        visit: &mut dyn FnMut(Block<'_>) -> Result<(), ReplayError>,
    ) -> Result<Vec<Head>, ReplayError>;
}

/// The head of `shard` in heads by shard number.
pub(crate) fn head_of(heads: &[Head], shard: ShardId) -> Head {
    heads.get(usize::from(shard.0)).copied().unwrap_or_default()
}

/// Sets the head of `shard`. The table grows to at most 65,536 heads: a shard's number is a `u16`.
pub(crate) fn set_head(heads: &mut Vec<Head>, shard: ShardId, head: Head) {
    let at = usize::from(shard.0);
    if heads.len() <= at {
        heads.resize(at + 1, Head::default());
    }
    heads[at] = head;
}

/// L7: moves the shard's head to the block of `header`, if that continues it.
pub(crate) fn advance(heads: &mut Vec<Head>, header: &Header) -> Result<(), BlockError> {
    header.continues(&head_of(heads, header.shard))?;
    set_head(heads, header.shard, header.head());
    Ok(())
}
