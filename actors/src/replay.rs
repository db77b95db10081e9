//! Reading a shard's history: the same `apply` that live traffic uses, over stored blocks; and
//! deciding a record once more, for `explain`.

use ledger::block::{Block, BlockError};
use ledger::ids::{Office, RecordNumber};
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Message, Record};

use crate::command::Request;
use crate::mail::Receipt;
use crate::shard_state::{Decision, Evidence, Now, ShardState};

/// Records applied together: enough to hide a cache miss behind the others.
const SLICE: usize = 32;

/// Applies every record of `block`, which the caller has checked to continue the shard's chain.
pub fn apply_block(state: &mut ShardState, block: &Block<'_>) -> Result<(), BlockError> {
    apply_block_to(state, block, &mut RecordNumber(0))
}

/// The same; `last` is the number of the record taken up last, for whoever catches a panic in it.
pub fn apply_block_to(
    state: &mut ShardState,
    block: &Block<'_>,
    last: &mut RecordNumber,
) -> Result<(), BlockError> {
    *last = block.header.first;
    let mut slice = Vec::with_capacity(SLICE);
    let read = block.each_record(|number, record| {
        slice.push((number, record));
        if slice.len() == SLICE {
            apply_slice(state, &mut slice, last);
        }
    });
    apply_slice(state, &mut slice, last);
    if mutant::on(Mutant::TimersForgotten) {
        state.forget_timers();
    }
    read
}

/// Asks for the memory that a few records will touch, then applies them in order.
fn apply_slice(state: &mut ShardState, slice: &mut Vec<(RecordNumber, Record)>, last: &mut RecordNumber) {
    let wallets = || slice.iter().filter_map(|(_, record)| record.envelope.wallet);
    wallets().for_each(|wallet| state.prefetch_index(wallet));
    wallets().for_each(|wallet| state.prefetch_slot(wallet));
    wallets().for_each(|wallet| state.prefetch_memory(wallet));
    for (number, mut record) in slice.drain(..) {
        if mutant::on(Mutant::VersionFallsBack) {
            forget_adoption(state, &mut record);
        }
        *last = number;
        mutant::trip_replay(record.envelope.tag_counter);
        state.apply(number, &record);
    }
}

/// A mutant: of all adoptions only the first is read back.
fn forget_adoption(state: &ShardState, record: &mut Record) {
    let (Body::ConfigurationAdopted { hash, .. }
    | Body::Delivered { message: Message::ConfigurationOrder { hash, .. } }) = &mut record.body
    else {
        return;
    };
    if state.adopted().is_some() {
        *hash = [0; 32];
    }
}

/// Decides the request behind `record` again, on the state before it. `None` for a record that no
/// request caused. What comes back must equal the record.
pub fn decide_again(
    state: &ShardState,
    record: &Record,
    evidence: Option<(RecordNumber, &Record)>,
) -> Option<Decision> {
    let adopted = state.adopted()?;
    let envelope = &record.envelope;
    let check = match (envelope.tag, &record.body) {
        (None, Body::WalletOpened { check, .. } | Body::Burned { check } | Body::TagPaired { check, .. }) => {
            *check
        }
        (tag, _) => {
            let wallet = envelope.wallet?;
            // An office comes into being with its first request; it has no tag to check.
            state.tag_check(wallet, tag).or(Office::of(wallet).map(|_| 0))?
        }
    };
    let request = Request::of_record(record, adopted.festival.id, check)?;
    let evidence = evidence.map(|(position, record)| Evidence { position, record });
    Some(state.decide(&Now { at: record.at, late: false, evidence }, &request))
}

/// What comes of deciding again what no request caused.
#[derive(Clone, Debug)]
pub enum Unasked {
    /// This record.
    Record(Box<Record>),
    /// None.
    Nothing,
    /// No actor decides records of this kind: the engine writes them.
    Undecided,
}

/// Decides a message, a timer that was due, a sweep or what the office tells again, on the state before
/// `record`. What comes back must equal the record.
pub fn decide_unasked(state: &ShardState, record: &Record) -> Unasked {
    let mail = record.envelope.mail.as_deref();
    let again = match &record.body {
        Body::Delivered { message } | Body::DeadLettered { message } => {
            let Some(taken) = mail.and_then(|mail| mail.taken) else { return Unasked::Nothing };
            let receipt = match state.receive(record.at, taken.from, taken.number, message) {
                // It made this build's forerunner panic, or its actor was not there.
                Receipt::Record(other) if other.body.kind() != record.body.kind() => {
                    state.dead_letter(record.at, taken.from, taken.number, message)
                }
                receipt => receipt,
            };
            if let Receipt::Record(again) = receipt { Some(again) } else { None }
        }
        Body::HoldExpired { .. } | Body::AllowanceReturned { .. } => due_again(state, record),
        Body::Swept { vendor, .. } => {
            let mut swept = state.sweep(record.at, None);
            while let Some((other, _)) = swept.as_ref().filter(|(other, _)| other != vendor) {
                swept = state.sweep(record.at, Some(*other));
            }
            swept.and_then(|(_, record)| record)
        }
        Body::Told => state.spread(record.at),
        _ => return Unasked::Undecided,
    };
    again.map_or(Unasked::Nothing, |record| Unasked::Record(Box::new(record)))
}

/// The record of the timer that `record` is of, if one is due and comes to it; else of the first one due.
fn due_again(state: &ShardState, record: &Record) -> Option<Record> {
    let mut timer = state.due(record.at, None);
    let mut first = None;
    while let Some(due) = timer {
        let fired = state.fire(record.at, due);
        if fired.as_ref() == Some(record) {
            return fired;
        }
        first = first.or(fired);
        timer = state.due(record.at, Some(due));
    }
    first
}
