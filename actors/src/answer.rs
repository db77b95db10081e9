//! What a terminal is told. An answer consists of what a wallet remembers of the id, so that a
//! retry gets the first answer byte for byte without a stored copy of it.

use ledger::ids::{RecordNumber, RequestId, ShardId};
use smallvec::SmallVec;

use crate::codes::{Decline, Outcome, Refusal};
use crate::command::Request;

/// Which kind of answer, and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It took effect. For a cancel: what the id's outcome is now.
    Applied(Outcome),
    /// A decided no.
    Declined(Decline),
    /// A no without a record.
    Refused(Refusal),
    /// Nothing is said of it: the same id is to be sent again.
    Unknown,
    /// A balance was read.
    Balance,
    /// The id was never seen on this wallet; that closes nothing.
    NeverSeen,
}

/// An answer to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request's id.
    pub id: RequestId,
    /// The number of the command that is answered.
    pub command: u8,
    /// What it came to.
    pub verdict: Verdict,
    /// The shard that decided.
    pub shard: ShardId,
    /// Where the record is; 0 where there is none.
    pub record: RecordNumber,
    /// Minor units in the wallet afterwards; 0 where none was looked at.
    pub balance: i64,
}

impl Answer {
    /// A no without a record, from someone who looked at no wallet.
    pub fn refused(request: &Request, shard: ShardId, refusal: Refusal) -> Self {
        let verdict = Verdict::Refused(refusal);
        Self {
            id: request.id,
            command: request.command.number(),
            verdict,
            shard,
            record: RecordNumber(0),
            balance: 0,
        }
    }
}

/// One remembered movement of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The request.
    pub id: RequestId,
    /// What it came to.
    pub outcome: Outcome,
    /// Where its record is.
    pub record: RecordNumber,
    /// Minor units in the wallet after it.
    pub balance: i64,
}

/// A balance and the last movements, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The balance now.
    pub answer: Answer,
    /// At most [`Statement::MOVEMENTS`].
    pub movements: SmallVec<[Movement; 2]>,
}

impl Statement {
    /// How many movements a statement shows.
    pub const MOVEMENTS: usize = 8;
}
