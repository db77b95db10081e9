//! How many jobs each actor has waiting, exactly and at a bounded cost: an array of buckets for all,
//! and a table for the actors of those buckets that were full (L12).

use std::collections::HashMap;

use ledger::ids::WalletNumber;

use crate::limits::ACTOR_JOBS;

/// Buckets of the count: few enough that those of all shards stay in the processor's cache, and in a full
/// mailbox a bucket still has far fewer jobs than one actor may have. An actor shares its bucket with others:
/// only the actors of a bucket that was full are counted one by one.
const BUCKETS: usize = 1 << 10;

/// In a bucket: its actors are counted one by one. The rest is how many jobs it has, which is below
/// this by far: a mailbox is bounded, and so is what is set aside.
const CROWDED: u16 = 1 << 15;

/// See the module.
#[derive(Debug)]
pub(super) struct ActorCounts {
    buckets: Box<[u16; BUCKETS]>,
    /// Jobs of each actor of the crowded buckets. Never iterated, so its order shows nowhere.
    crowd: HashMap<u64, u16>,
}

impl ActorCounts {
    pub(super) fn new() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), crowd: HashMap::new() }
    }

    /// One more job of `actor` waits.
    pub(super) fn add(&mut self, actor: WalletNumber) {
        let bucket = &mut self.buckets[bucket(actor)];
        if *bucket & !CROWDED < CROWDED - 1 {
            *bucket += 1;
        }
        if *bucket & CROWDED != 0 {
            *self.crowd.entry(actor.get()).or_default() += 1;
        }
    }

    /// A job of `actor` waits no longer.
    pub(super) fn remove(&mut self, actor: WalletNumber) {
        let bucket = &mut self.buckets[bucket(actor)];
        if *bucket & !CROWDED != 0 {
            *bucket -= 1;
        }
        if *bucket & CROWDED == 0 {
            return;
        }
        if let Some(jobs) = self.crowd.get_mut(&actor.get()) {
            *jobs -= 1;
            if *jobs == 0 {
                self.crowd.remove(&actor.get());
            }
        }
        if *bucket == CROWDED {
            *bucket = 0;
        }
    }

    /// Whether `actor` may have no further job. Looks through `waiting`, which names the actor of
    /// every job counted here, only when its bucket has become full since it was last empty: at
    /// least as many jobs as one actor may have came in between.
    pub(super) fn is_full(
        &mut self,
        actor: WalletNumber,
        waiting: impl Iterator<Item = WalletNumber>,
    ) -> bool {
        let place = bucket(actor);
        let jobs = self.buckets[place];
        if usize::from(jobs & !CROWDED) < ACTOR_JOBS {
            return false;
        }
        if jobs & CROWDED == 0 {
            for other in waiting.filter(|other| bucket(*other) == place) {
                *self.crowd.entry(other.get()).or_default() += 1;
            }
            self.buckets[place] |= CROWDED;
        }
        self.crowd.get(&actor.get()).is_some_and(|jobs| usize::from(*jobs) >= ACTOR_JOBS)
    }
}

/// Numbers of one shard are equal modulo the number of shards: take the bits above.
fn bucket(actor: WalletNumber) -> usize {
    (actor.get() >> 16) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn actor(number: u64) -> WalletNumber {
        WalletNumber::new(number).unwrap()
    }

    #[test]
    fn a_neighbour_in_a_full_bucket_costs_one_look_and_is_not_taken_for_full() {
        // A broken terminal hammering one band made every tap of a few other bands look through the
        // whole queue of the shard, and the loop fell behind for everybody.
        let (hammered, neighbour) = (actor(1), actor(2));
        let mut counts = ActorCounts::new();
        let mut waiting = Vec::new();
        let looked = Cell::new(0);
        for round in 0..3 {
            for _ in 0..ACTOR_JOBS {
                counts.add(hammered);
                waiting.push(hammered);
            }
            let asked = |counts: &mut ActorCounts, who: WalletNumber| {
                let each = waiting.iter().copied().inspect(|_| looked.set(looked.get() + 1));
                counts.is_full(who, each)
            };
            for _ in 0..1_000 {
                assert!(asked(&mut counts, hammered));
                assert!(!asked(&mut counts, neighbour));
                counts.add(neighbour);
                counts.remove(neighbour);
            }
            assert_eq!(looked.get(), (round + 1) * ACTOR_JOBS);
            waiting.drain(..).for_each(|job| counts.remove(job));
            assert!(counts.crowd.is_empty());
            assert!(counts.buckets.iter().all(|bucket| *bucket == 0));
        }
    }

    #[test]
    fn counts_are_those_of_a_plain_list() {
        // A band whose count drifted: refused for ever, or let through without a limit.
        let mut counts = ActorCounts::new();
        let mut list: Vec<WalletNumber> = Vec::new();
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200_000 {
            // Few actors, two buckets, and phases in which the list grows or shrinks.
            let who = actor(rng.u64(1..5) | rng.u64(0..2) << 16);
            let growing = rng.u32(0..100) < if list.len() < 300 { 70 } else { 30 };
            if growing {
                let jobs = list.iter().filter(|job| **job == who).count();
                let full = counts.is_full(who, list.iter().copied());
                assert_eq!(full, jobs >= ACTOR_JOBS);
                if !full {
                    counts.add(who);
                    list.push(who);
                }
            } else if !list.is_empty() {
                counts.remove(list.swap_remove(rng.usize(0..list.len())));
            }
        }
    }
}
