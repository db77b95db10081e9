//! L12: everything has a limit. Between two turns of a core nothing leaves a mailbox, so what it took
//! in and did not refuse is what waits there: at most 64 of any one actor, and 8,192 of a shard. What a
//! shard really holds is looked at after every step: jobs of parcels from other cores, jobs set aside
//! for their evidence and jobs that are to be sent on come to it without a batch of its own.

use std::collections::BTreeMap;

use engine::core::Held;
use engine::limits::{ACTOR_JOBS, MAILBOX_BYTES, MAILBOX_JOBS, PARKED_JOBS};
use ledger::law::Law;

use super::{Verdict, Violation};

/// Jobs taken by each core since its last turn.
#[derive(Clone, Debug, Default)]
pub struct Bounded {
    actors: BTreeMap<u64, usize>,
    shards: BTreeMap<u16, usize>,
    tokens: BTreeMap<u64, (u64, u16)>,
}

impl Bounded {
    /// A job of an actor was handed to the core that runs its shard.
    pub fn took(&mut self, token: u64, actor: u64, shard: u16) {
        *self.actors.entry(actor).or_default() += 1;
        *self.shards.entry(shard).or_default() += 1;
        self.tokens.insert(token, (actor, shard));
    }

    /// A job was refused.
    pub fn refused(&mut self, token: u64) {
        if let Some((actor, shard)) = self.tokens.remove(&token) {
            *self.actors.entry(actor).or_default() -= 1;
            *self.shards.entry(shard).or_default() -= 1;
        }
    }

    /// After a batch was handed over and its refusals were counted.
    pub fn check(&self) -> Verdict {
        let actor = self.actors.iter().find(|(_, jobs)| **jobs > ACTOR_JOBS);
        if let Some((actor, jobs)) = actor {
            let what = format!("wallet {actor:016x} holds {jobs} jobs of its shard's queue");
            return Err(Violation::new(Law::Bounded, what));
        }
        let shard = self.shards.iter().find(|(_, jobs)| **jobs > MAILBOX_JOBS);
        shard.map_or(Ok(()), |(shard, jobs)| {
            Err(Violation::new(Law::Bounded, format!("shard {shard} holds {jobs} jobs")))
        })
    }

    /// The core turned: what waited may have been decided.
    pub fn turned(&mut self) {
        *self = Self::default();
    }
}

/// What a shard holds at any moment.
pub fn held(shard: u16, held: Held) -> Verdict {
    let Held { mailbox, bytes, parked, elsewhere } = held;
    let full = mailbox > MAILBOX_JOBS || bytes > MAILBOX_BYTES;
    if full || parked > PARKED_JOBS || elsewhere > PARKED_JOBS {
        let what = format!(
            "shard {shard} holds {mailbox} jobs with {bytes} bytes, {parked} that wait for evidence and \
             {elsewhere} to be sent on"
        );
        return Err(Violation::new(Law::Bounded, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_65th_job_of_one_actor_must_be_refused() {
        let mut bounded = Bounded::default();
        (0..65).for_each(|token| bounded.took(token, 7, 0));
        assert_eq!(bounded.check().unwrap_err().law, Law::Bounded);
        bounded.refused(64);
        assert_eq!(bounded.check(), Ok(()));
    }

    #[test]
    fn what_a_shard_holds_has_a_limit_wherever_it_came_from() {
        let most =
            Held { mailbox: MAILBOX_JOBS, bytes: MAILBOX_BYTES, parked: PARKED_JOBS, elsewhere: PARKED_JOBS };
        assert_eq!(held(0, most), Ok(()));
        for more in [
            Held { mailbox: MAILBOX_JOBS + 1, ..most },
            Held { bytes: MAILBOX_BYTES + 1, ..most },
            Held { parked: PARKED_JOBS + 1, ..most },
            Held { elsewhere: PARKED_JOBS + 1, ..most },
        ] {
            assert_eq!(held(0, more).unwrap_err().law, Law::Bounded);
        }
    }
}
