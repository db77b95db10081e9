//! L6: replaying the durable log from empty, with the code of the real store, gives the state that
//! the shadow reached frame by frame, and the one that a live shard has when all it shows is durable.

use std::sync::Arc;

use actors::replay::apply_block;
use actors::shard_state::ShardState;
use ledger::block::Head;
use ledger::ids::ShardId;
use ledger::journal::embedded::{Log, LogConfig, SimDisk};
use ledger::law::Law;

use super::shadow::Shadow;
use super::{Verdict, Violation};

/// What a full replay found.
pub struct Replayed {
    /// The shards.
    pub states: Vec<ShardState>,
    /// Their heads.
    pub heads: Vec<Head>,
}

/// Opens the image of a disk as a start would, and replays all of it.
pub fn from_image(image: &SimDisk, shards: u16) -> Result<Replayed, Violation> {
    let mut states: Vec<_> = (0..shards).map(|shard| ShardState::new(ShardId(shard))).collect();
    let config = LogConfig::small(Arc::new(|| 0));
    let mut visit = |block: ledger::block::Block<'_>| {
        if let Some(state) = states.get_mut(usize::from(block.header.shard.0)) {
            // A block that does not apply shows as a difference below.
            let _same_as_shadow = apply_block(state, &block);
        }
        Ok(())
    };
    let opened = Log::open(Arc::new(image.clone()), config, &mut visit);
    let (_, opened) = opened
        .map_err(|error| Violation::new(Law::Replay, format!("what is durable cannot be opened: {error}")))?;
    let mut heads = opened.heads;
    heads.resize(usize::from(shards), Head::default());
    Ok(Replayed { states, heads })
}

/// Whether a full replay gives what the shadow holds.
pub fn same(replayed: &Replayed, shadow: &Shadow) -> Verdict {
    for (shard, (mine, theirs)) in shadow.heads().iter().zip(&replayed.heads).enumerate() {
        if mine != theirs {
            let what = format!("shard {shard} ends at {mine:?} when followed, at {theirs:?} when replayed");
            return Err(Violation::new(Law::Replay, what));
        }
    }
    shadow.states().iter().zip(&replayed.states).try_for_each(|(mine, theirs)| digests(mine, theirs))
}

/// A live state that shows exactly what is durable; one that is ahead cannot be compared.
pub fn live(state: &ShardState, shadow: &Shadow) -> Result<bool, Violation> {
    let replica = &shadow.states()[usize::from(state.shard().0)];
    if state.next_record() != replica.next_record() {
        return Ok(false);
    }
    digests(replica, state).map(|()| true)
}

fn digests(mine: &ShardState, theirs: &ShardState) -> Verdict {
    if mine.digest() == theirs.digest() {
        return Ok(());
    }
    let what = format!("shard {} at record {}: digests differ", mine.shard(), mine.next_record());
    Err(Violation::new(Law::Replay, what))
}

#[cfg(test)]
mod tests {
    use ledger::ids::{At, Epoch, RecordNumber};
    use ledger::record::{Body, Envelope, Record};

    use super::*;

    #[test]
    fn a_state_that_applied_something_else_is_named() {
        let record =
            |epoch| Record::fact(At(1), Envelope::default(), Body::EpochOpened { epoch: Epoch(epoch) });
        let mut shadow = Shadow::new(1);
        shadow.apply(ShardId(0), 0, &record(1));
        let mut state = ShardState::new(ShardId(0));
        state.apply(RecordNumber(0), &record(2));
        assert_eq!(live(&state, &shadow).unwrap_err().law, Law::Replay);
        let mut state = ShardState::new(ShardId(0));
        state.apply(RecordNumber(0), &record(1));
        assert_eq!(live(&state, &shadow), Ok(true));
        let heads = vec![Head { next_seq: 1, ..Head::default() }];
        let replayed = Replayed { states: vec![state], heads };
        assert_eq!(same(&replayed, &shadow).unwrap_err().law, Law::Replay, "heads differ");
    }
}
