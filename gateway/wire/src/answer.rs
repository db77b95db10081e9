//! Owns: the 32-byte answer, the frame of answers, the statement with its movements.
//! Must never: allocate while reading; carry anything that differs between first answer and retry, `come back`
//! and the command's echo aside.
//! Laws: L4 (an answer consists of what a wallet remembers), L10 (position says which record justifies it).

use crate::bytes::{i64_at, put, u8_at, u16_at, u32_at, u64_at};
use crate::codes::{Class, DONE, Decline, Read, Refusal, UNKNOWN_RESEND};
use crate::error::WireError;
use crate::frame::{FrameKind, FrameWriter};
use crate::id::{Position, RequestId};
use crate::limits::{ANSWER, MAX_MOVEMENTS, MOVEMENT};

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The id of the request; for cancel and lookup the id in question.
    pub id: RequestId,
    /// The command byte of the request answered, whatever it was.
    pub command: u8,
    /// What kind of answer.
    pub class: Class,
    /// Which one of its class.
    pub code: u16,
    /// `busy` only: come back after so many milliseconds; else 0.
    pub come_back_ms: u32,
    /// The record that holds the decision; none for refusals and `unknown`.
    pub position: Position,
    /// The wallet's balance after it, in minor units; 0 for refusals and `unknown`.
    pub balance: i64,
}

/// What an answer says, for a program to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened. For a cancel: nothing of the id stands any more.
    Applied,
    /// A decided no.
    Declined(Decline),
    /// A no without a record.
    Refused(Refusal),
    /// Neither yes nor no: send the same id again.
    Unknown,
    /// Something read.
    Read(Read),
    /// A code newer than this crate: act on its class.
    Other(Class, u16),
}

impl Answer {
    /// `applied, done`.
    pub fn applied(id: RequestId, command: u8, position: Position, balance: i64) -> Self {
        Self { id, command, class: Class::Applied, code: DONE, come_back_ms: 0, position, balance }
    }

    /// A decline.
    pub fn declined(id: RequestId, command: u8, why: Decline, position: Position, balance: i64) -> Self {
        let code = why.number();
        Self { id, command, class: Class::Declined, code, come_back_ms: 0, position, balance }
    }

    /// A refusal.
    pub fn refused(id: RequestId, command: u8, why: Refusal) -> Self {
        let code = why.number();
        let position = Position::NONE;
        Self { id, command, class: Class::Refused, code, come_back_ms: 0, position, balance: 0 }
    }

    /// `busy`, with when to come back.
    pub fn busy(id: RequestId, command: u8, come_back_ms: u32) -> Self {
        Self { come_back_ms, ..Self::refused(id, command, Refusal::Busy) }
    }

    /// `unknown, resend`.
    pub fn unknown(id: RequestId, command: u8) -> Self {
        let position = Position::NONE;
        let class = Class::Unknown;
        Self { id, command, class, code: UNKNOWN_RESEND, come_back_ms: 0, position, balance: 0 }
    }

    /// Something read.
    pub fn read(id: RequestId, command: u8, what: Read, position: Position, balance: i64) -> Self {
        let code = what.number();
        Self { id, command, class: Class::Read, code, come_back_ms: 0, position, balance }
    }

    /// What it says.
    #[inline]
    pub fn outcome(&self) -> Outcome {
        let other = Outcome::Other(self.class, self.code);
        match self.class {
            // The code of an applied cancel says what the id's outcome is now; applied it is all the same.
            Class::Applied => Outcome::Applied,
            Class::Declined => Decline::from_u16(self.code).map_or(other, Outcome::Declined),
            Class::Refused => Refusal::from_u16(self.code).map_or(other, Outcome::Refused),
            Class::Unknown => Outcome::Unknown,
            Class::Read => Read::from_u16(self.code).map_or(other, Outcome::Read),
        }
    }

    /// The 32 bytes on the wire.
    #[inline]
    pub fn encode(&self) -> [u8; ANSWER] {
        let mut bytes = [0; ANSWER];
        put::<0, 8, ANSWER>(&mut bytes, self.id.raw().to_le_bytes());
        put::<8, 2, ANSWER>(&mut bytes, [self.command, self.class.number()]);
        put::<10, 2, ANSWER>(&mut bytes, self.code.to_le_bytes());
        put::<12, 4, ANSWER>(&mut bytes, self.come_back_ms.to_le_bytes());
        put::<16, 8, ANSWER>(&mut bytes, self.position.raw().to_le_bytes());
        put::<24, 8, ANSWER>(&mut bytes, self.balance.to_le_bytes());
        bytes
    }

    /// Reads 32 bytes; `index` is for the error only. Fails on a class that this version does not know.
    #[inline]
    pub fn decode(bytes: &[u8; ANSWER], index: u16) -> Result<Self, WireError> {
        let found = u8_at::<9, _>(bytes);
        Ok(Self {
            id: RequestId::from_raw(u64_at::<0, _>(bytes)),
            command: u8_at::<8, _>(bytes),
            class: Class::from_u8(found).ok_or(WireError::UnknownClass { index, found })?,
            code: u16_at::<10, _>(bytes),
            come_back_ms: u32_at::<12, _>(bytes),
            position: Position::from_raw(u64_at::<16, _>(bytes)),
            balance: i64_at::<24, _>(bytes),
        })
    }
}

/// The answers of one frame.
#[derive(Debug, Clone)]
pub struct Answers<'a> {
    rest: std::slice::Iter<'a, [u8; ANSWER]>,
    index: u16,
}

/// The `count` answers in `body`; fails when they are not all there.
pub fn answers(body: &[u8], count: u16) -> Result<Answers<'_>, WireError> {
    let need = usize::from(count) * ANSWER;
    let all = body.as_chunks::<ANSWER>().0.get(..usize::from(count));
    let all = all.ok_or(WireError::BodyTooShort { kind: FrameKind::Answers, length: body.len(), need })?;
    Ok(Answers { rest: all.iter(), index: 0 })
}

impl Iterator for Answers<'_> {
    type Item = Result<Answer, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let answer = Answer::decode(self.rest.next()?, self.index);
        self.index = self.index.saturating_add(1);
        Some(answer)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl ExactSizeIterator for Answers<'_> {}

/// Appends one frame with these answers: at most 32,768 fit, a server sends no more than a frame of requests asks.
pub fn push_answers(out: &mut Vec<u8>, answers: &[Answer]) -> Result<(), WireError> {
    let kind = FrameKind::Answers;
    let Ok(count) = u16::try_from(answers.len()) else {
        return Err(WireError::TooMany { kind, count: u16::MAX, limit: u16::MAX });
    };
    let mut frame = FrameWriter::begin(out, kind, 0);
    for answer in answers {
        frame.body().extend_from_slice(&answer.encode());
    }
    frame.finish(count)
}

/// One earlier decision on a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// The id of the request.
    pub id: RequestId,
    /// How it ended.
    pub class: Class,
    /// Which code.
    pub code: u16,
    /// Its record.
    pub position: Position,
    /// The balance after it, in minor units.
    pub balance: i64,
}

impl Movement {
    fn answer(&self) -> Answer {
        Answer {
            id: self.id,
            command: 0,
            class: self.class,
            code: self.code,
            come_back_ms: 0,
            position: self.position,
            balance: self.balance,
        }
    }
}

/// A statement as received: the answer and the movements, newest first.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// The answer to the `balance` request.
    pub answer: Answer,
    movements: &'a [[u8; MOVEMENT]],
}

impl<'a> Statement<'a> {
    /// Reads a statement of `count` movements.
    pub fn parse(body: &'a [u8], count: u16) -> Result<Self, WireError> {
        let kind = FrameKind::Statement;
        if count > MAX_MOVEMENTS {
            return Err(WireError::TooMany { kind, count, limit: MAX_MOVEMENTS });
        }
        let need = ANSWER + usize::from(count) * MOVEMENT;
        let short = WireError::BodyTooShort { kind, length: body.len(), need };
        let (answer, rest) = body.split_first_chunk::<ANSWER>().ok_or(short)?;
        let movements = rest.as_chunks::<MOVEMENT>().0.get(..usize::from(count)).ok_or(short)?;
        for (index, movement) in (1..).zip(movements) {
            Answer::decode(movement, index)?;
        }
        Ok(Self { answer: Answer::decode(answer, 0)?, movements })
    }

    /// The movements, newest first, at most 8.
    pub fn movements(&self) -> impl Iterator<Item = Movement> + 'a {
        // `parse` has read them all once: none is left out here.
        self.movements.iter().filter_map(|bytes| {
            let answer = Answer::decode(bytes, 0).ok()?;
            Some(Movement {
                id: answer.id,
                class: answer.class,
                code: answer.code,
                position: answer.position,
                balance: answer.balance,
            })
        })
    }
}

/// Appends a statement frame; movements past the first 8 are left out.
pub fn push_statement(out: &mut Vec<u8>, answer: &Answer, movements: &[Movement]) -> Result<(), WireError> {
    let mut frame = FrameWriter::begin(out, FrameKind::Statement, 0);
    frame.body().extend_from_slice(&answer.encode());
    let mut count = 0;
    for movement in movements.iter().take(usize::from(MAX_MOVEMENTS)) {
        frame.body().extend_from_slice(&movement.answer().encode());
        count += 1;
    }
    frame.finish(count)
}
