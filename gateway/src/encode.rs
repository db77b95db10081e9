//! Owns: from what the engine tells to the bytes of answer and statement frames.
//! Must never: add to an answer anything that a retry would not get again (`come back` aside).
//! Laws: L4 (byte for byte).

use actors::answer::{Answer, Movement, Statement, Verdict};
use actors::codes::{Outcome, Refusal};
use engine::job::{Message, Told};
use engine::limits::BUSY_RETRY_MS;
use ledger::ids::{RecordNumber, ShardId};
use wire::codes::{DONE, UNKNOWN_RESEND};
use wire::limits::MAX_REQUESTS_IN_FRAME;
use wire::{Class, FrameKind, FrameWriter, Position, Read, RequestId, WireError};

/// The end of a chain of answers.
pub(crate) const END: u32 = u32::MAX;

/// What a chain of answers held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Answers and statements.
    pub(crate) count: u32,
    /// Declines among them.
    pub(crate) declined: u32,
    /// Highest counter of an id that has a record; 0 is none.
    pub(crate) highest: u64,
}

/// Appends the answers of one connection as frames. They lie in `told`, linked by `next` from
/// `first` on.
pub(crate) fn chain(out: &mut Vec<u8>, told: &[Told], next: &[u32], first: u32) -> Result<Chain, WireError> {
    let mut sums = Chain::default();
    let mut at = first;
    while let Some(current) = told.get(at as usize) {
        match &current.message {
            Message::Answer(_) => at = run(out, told, next, at, &mut sums)?,
            Message::Statement(statement) => {
                push_statement(out, statement)?;
                sums.count += 1;
                at = follow(next, at);
            }
        }
    }
    Ok(sums)
}

fn follow(next: &[u32], at: u32) -> u32 {
    next.get(at as usize).copied().unwrap_or(END)
}

/// One frame of answers: up to the next statement, or as many as a frame may hold. Returns where
/// the chain goes on.
fn run(
    out: &mut Vec<u8>,
    told: &[Told],
    next: &[u32],
    first: u32,
    sums: &mut Chain,
) -> Result<u32, WireError> {
    let mut frame = FrameWriter::begin(out, FrameKind::Answers, 0);
    let (mut at, mut count) = (first, 0_u16);
    while count < MAX_REQUESTS_IN_FRAME
        && let Some(Told { message: Message::Answer(said), .. }) = told.get(at as usize)
    {
        frame.body().extend_from_slice(&answer(said).encode());
        note(said, sums);
        count += 1;
        at = follow(next, at);
    }
    frame.finish(count)?;
    Ok(at)
}

/// What the answer says about its device.
fn note(said: &Answer, sums: &mut Chain) {
    sums.count += 1;
    sums.declined += u32::from(matches!(said.verdict, Verdict::Declined(_)));
    if matches!(said.verdict, Verdict::Applied(_) | Verdict::Declined(_)) {
        sums.highest = sums.highest.max(said.id.counter());
    }
}

fn push_statement(out: &mut Vec<u8>, statement: &Statement) -> Result<(), WireError> {
    let shard = statement.answer.shard;
    let movements: Vec<_> = statement.movements.iter().map(|said| movement(shard, said)).collect();
    wire::push_statement(out, &answer(&statement.answer), &movements)
}

/// An answer as it stands on the wire.
#[inline]
pub(crate) fn answer(said: &Answer) -> wire::Answer {
    let (class, code) = verdict(said.verdict);
    let busy = said.verdict == Verdict::Refused(Refusal::Busy);
    wire::Answer {
        id: RequestId::from_raw(said.id.get()),
        command: said.command,
        class,
        code,
        come_back_ms: if busy { BUSY_RETRY_MS } else { 0 },
        position: position(said.shard, said.record),
        balance: said.balance,
    }
}

fn movement(shard: ShardId, said: &Movement) -> wire::Movement {
    let (class, code) = match said.outcome {
        Outcome::Applied => (Class::Applied, DONE),
        Outcome::Declined(decline) => (Class::Declined, decline.number().into()),
    };
    let id = RequestId::from_raw(said.id.get());
    wire::Movement { id, class, code, position: position(shard, said.record), balance: said.balance }
}

#[inline]
fn verdict(verdict: Verdict) -> (Class, u16) {
    match verdict {
        Verdict::Applied(outcome) => (Class::Applied, outcome.number().into()),
        Verdict::Declined(decline) => (Class::Declined, decline.number().into()),
        Verdict::Refused(refusal) => (Class::Refused, refusal.number().into()),
        Verdict::Unknown => (Class::Unknown, UNKNOWN_RESEND),
        Verdict::Balance => (Class::Read, Read::Balance.number()),
        Verdict::NeverSeen => (Class::Read, Read::NeverSeen.number()),
    }
}

/// Record 0 of a shard says which ledger it is; no request has it, so it stands for "none".
#[inline]
fn position(shard: ShardId, record: RecordNumber) -> Position {
    if record == RecordNumber(0) {
        return Position::NONE;
    }
    Position::new(shard.0, record.0).unwrap_or(Position::NONE)
}
