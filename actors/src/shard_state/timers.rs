//! Timers: what a shard is to look at again, and when. An index in the shard's state, kept whether or
//! not anybody asks for the actor: records set and stop timers, so a shard that comes back from its
//! journal has the same ones. A timer that is due changes nothing by itself; the record decided about
//! it does (`due.rs`).

use std::collections::BTreeMap;

use ledger::ids::At;

/// One timer: when it is due, and a number that no other timer of its shard ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    /// From then on it is due.
    pub due: At,
    /// Its number.
    pub number: u64,
}

/// The timers of a shard by the moment they are due, each with what it is for.
#[derive(Clone, Debug)]
pub(crate) struct Timers<T> {
    set: u64,
    waiting: BTreeMap<Timer, T>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { set: 0, waiting: BTreeMap::new() }
    }
}

impl<T> Timers<T> {
    /// Sets a timer; whoever may stop it keeps what comes back.
    pub(crate) fn set(&mut self, due: At, task: T) -> Timer {
        self.set += 1;
        let timer = Timer { due, number: self.set };
        self.waiting.insert(timer, task);
        timer
    }

    /// Its moment will not come, or has been used.
    pub(crate) fn stop(&mut self, timer: Timer) {
        self.waiting.remove(&timer);
    }

    /// The first timer behind `after`, or of all.
    pub(crate) fn next(&self, after: Option<Timer>) -> Option<(Timer, &T)> {
        let (timer, task) = match after {
            Some(after) => {
                self.waiting.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded)).next()
            }
            None => self.waiting.first_key_value(),
        }?;
        Some((*timer, task))
    }

    /// What this one is for, if it still waits.
    pub(crate) fn task(&self, timer: Timer) -> Option<&T> {
        self.waiting.get(&timer)
    }

    /// A mutant: none waits any more.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
    }

    /// How many were ever set: the next one's number follows from it.
    pub(crate) const fn ever_set(&self) -> u64 {
        self.set
    }

    /// All that wait, by the moment they are due.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Timer, &T)> {
        self.waiting.iter().map(|(timer, task)| (*timer, task))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_by_their_moment_and_then_in_the_order_they_were_set() {
        let mut timers = Timers::default();
        let late = timers.set(At(20), "late");
        let first = timers.set(At(10), "first");
        let second = timers.set(At(10), "second");
        let order = |timers: &Timers<&'static str>| timers.iter().map(|(_, task)| *task).collect::<Vec<_>>();
        assert_eq!(order(&timers), ["first", "second", "late"]);
        assert_eq!(timers.next(None), Some((first, &"first")));
        assert_eq!(timers.next(Some(first)), Some((second, &"second")));
        timers.stop(second);
        assert_eq!((timers.task(first), timers.task(second)), (Some(&"first"), None));
        assert_eq!(timers.next(Some(first)), Some((late, &"late")));
        assert_eq!(timers.next(Some(late)), None);
        // A number is never used again, so what stopped a timer once cannot stop a later one.
        assert_eq!(timers.set(At(10), "third").number, 4);
    }
}
