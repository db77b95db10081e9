//! L6 at every step: what a live shard shows when a step of it has ended is what a replay gives at that record.
//! A live shard runs ahead of the disk, so its digest is kept until the replica, which is fed with durable
//! records one by one, has come as far. What was never durable is forgotten with the state that showed it.

use std::collections::{BTreeMap, VecDeque};

use actors::shard_state::ShardState;
use ledger::ids::ShardId;
use ledger::law::Law;

use super::{Verdict, Violation};

/// What one shard showed and is not durable yet.
#[derive(Clone, Debug, Default)]
struct Shown {
    /// Where it was when it was last looked at.
    last: u64,
    /// Its digests, each before the record of that number; rising.
    ahead: VecDeque<(u64, [u8; 32])>,
}

/// All shards.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    shards: BTreeMap<u16, Shown>,
    compared: u64,
}

impl Steps {
    /// A step of a shard has ended and it shows `state`, or none while it is rebuilt; `replica` is what of it is
    /// durable. `false` if it stands where it stood.
    pub fn shows(
        &mut self,
        state: Option<&ShardState>,
        shard: ShardId,
        replica: &ShardState,
    ) -> Result<bool, Violation> {
        let Some(state) = state else {
            self.shards.remove(&shard.0);
            return Ok(false);
        };
        let (next, durable) = (state.next_record().0, replica.next_record().0);
        let shown = self.shards.entry(shard.0).or_default();
        if next == shown.last {
            return Ok(false);
        }
        if next < shown.last {
            // A state that was dropped and is back, all between two looks.
            shown.ahead.clear();
        }
        shown.last = next;
        if next == durable {
            same(shard, next, state.digest(), replica.digest())?;
            self.compared += 1;
        } else if next > durable {
            shown.ahead.push_back((next, state.digest()));
        }
        Ok(true)
    }

    /// One more record of a shard is durable, and applied to `replica`.
    pub fn durable(&mut self, replica: &ShardState) -> Verdict {
        let next = replica.next_record().0;
        let Some(shown) = self.shards.get_mut(&replica.shard().0) else { return Ok(()) };
        while let Some((record, digest)) = shown.ahead.front().copied().filter(|(record, _)| *record <= next)
        {
            shown.ahead.pop_front();
            if record == next {
                same(replica.shard(), next, digest, replica.digest())?;
                self.compared += 1;
            }
        }
        Ok(())
    }

    /// The process is gone, and what it showed beyond what is durable with it.
    pub fn forget(&mut self) {
        self.shards.clear();
    }

    /// Comparisons so far.
    pub const fn compared(&self) -> u64 {
        self.compared
    }
}

fn same(shard: ShardId, next: u64, live: [u8; 32], replayed: [u8; 32]) -> Verdict {
    if live == replayed {
        return Ok(());
    }
    let what = format!("shard {shard} showed another state before record {next} than its replay gives");
    Err(Violation::new(Law::Replay, what))
}

#[cfg(test)]
mod tests {
    use ledger::ids::{At, Epoch};
    use ledger::record::{Body, Envelope, Record};

    use super::*;

    const SHARD: ShardId = ShardId(0);

    /// Applies so many openings, by their epochs.
    fn state(epochs: &[u32]) -> ShardState {
        let mut state = ShardState::new(SHARD);
        for epoch in epochs {
            apply(&mut state, *epoch);
        }
        state
    }

    fn apply(state: &mut ShardState, epoch: u32) {
        let body = Body::EpochOpened { epoch: Epoch(epoch) };
        let number = state.next_record();
        state.apply(number, &Record::fact(At(1), Envelope::default(), body));
    }

    /// The replica follows by these records.
    fn follow(steps: &mut Steps, replica: &mut ShardState, epochs: &[u32]) -> Verdict {
        epochs.iter().try_for_each(|epoch| {
            apply(replica, *epoch);
            steps.durable(replica)
        })
    }

    /// A live shard that had gone astray was compared at every 64th answer, and was right again by then.
    #[test]
    fn a_step_that_showed_something_else_is_named_when_it_is_durable_and_not_before() {
        let (mut steps, mut replica) = (Steps::default(), state(&[1]));
        assert_eq!(steps.shows(Some(&state(&[1, 2])), SHARD, &replica), Ok(true));
        assert_eq!(
            steps.shows(Some(&state(&[1, 2])), SHARD, &replica),
            Ok(false),
            "it stands where it stood"
        );
        assert_eq!(steps.shows(Some(&state(&[1, 2, 9, 4])), SHARD, &replica), Ok(true));
        assert_eq!(follow(&mut steps, &mut replica, &[2, 3]), Ok(()));
        assert_eq!(steps.compared(), 1);
        assert_eq!(follow(&mut steps, &mut replica, &[5]).unwrap_err().law, Law::Replay);
        let broken = steps.shows(Some(&state(&[1, 2, 3, 5, 7])), SHARD, &state(&[1, 2, 3, 5, 6]));
        assert_eq!(broken.unwrap_err().law, Law::Replay, "nothing of it was ahead");
    }

    /// A block that a fence threw away says nothing of the one that took its place.
    #[test]
    fn what_was_dropped_is_not_compared() {
        for end in 0..3 {
            let (mut steps, mut replica) = (Steps::default(), state(&[1]));
            assert_eq!(steps.shows(Some(&state(&[1, 2, 3])), SHARD, &replica), Ok(true));
            match end {
                0 => assert_eq!(steps.shows(None, SHARD, &replica), Ok(false)),
                1 => steps.forget(),
                _ => assert_eq!(steps.shows(Some(&state(&[1, 7])), SHARD, &replica), Ok(true)),
            }
            assert_eq!(follow(&mut steps, &mut replica, &[7, 8]), Ok(()), "{end}");
        }
    }
}
