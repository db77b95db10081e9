//! Reading a shard's history: the same `apply` that live traffic uses, over stored blocks; and
//! deciding a recorded request once more, for `explain`.

use ledger::block::{Block, BlockError};
use ledger::ids::RecordNumber;
use ledger::record::{Body, Record};

use crate::command::Request;
use crate::shard_state::{Decision, Evidence, Now, ShardState};

/// Records applied together: enough to hide a cache miss behind the others.
const SLICE: usize = 32;

/// Applies every record of `block`, which the caller has checked to continue the shard's chain.
pub fn apply_block(state: &mut ShardState, block: &Block<'_>) -> Result<(), BlockError> {
    let mut slice = Vec::with_capacity(SLICE);
    let read = block.each_record(|number, record| {
        slice.push((number, record));
        if slice.len() == SLICE {
            apply_slice(state, &mut slice);
        }
    });
    apply_slice(state, &mut slice);
    read
}

/// Asks for the memory that a few records will touch, then applies them in order.
fn apply_slice(state: &mut ShardState, slice: &mut Vec<(RecordNumber, Record)>) {
    let mut slots = [None; SLICE];
    for (slot, (_, record)) in slots.iter_mut().zip(&*slice) {
        *slot = record.envelope.wallet.and_then(|wallet| state.prefetch_slot(wallet));
    }
    for slot in slots.into_iter().flatten() {
        state.prefetch_memory(slot);
    }
    for (number, record) in slice.drain(..) {
        state.apply(number, &record);
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
        (tag, _) => state.tag_check(envelope.wallet?, tag)?,
    };
    let request = Request::of_record(record, adopted.festival.id, check)?;
    let evidence = evidence.map(|(position, record)| Evidence { position, record });
    Some(state.decide(&Now { at: record.at, late: false, evidence }, &request))
}
