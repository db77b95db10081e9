//! The laws of the system by id. Where code can see one broken it says so here: a debug build
//! panics, a release build counts, and the count is a metric that must stay zero.

use std::sync::atomic::{AtomicU64, Ordering};

/// What always holds. The text of each is in `ARCHITECTURE.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Law {
    /// L1: postings sum to zero in every currency.
    Conservation = 1,
    /// L2: no account passes its floor.
    Floors = 2,
    /// L3: no answer before its record is durable.
    DurableBeforeTold = 3,
    /// L4: a request id takes effect at most once.
    ExactlyOnce = 4,
    /// L5: a movement between shards completes or is reversed.
    WholeOrNothing = 5,
    /// L6: replay gives the live state.
    Replay = 6,
    /// L7: every block carries the hash of the one before.
    Chain = 7,
    /// L8: a shard has one owner.
    OneWriter = 8,
    /// L9: what happens to one wallet is one line of history.
    Order = 9,
    /// L10: nothing shown could still be lost.
    NoLooseTalk = 10,
    /// L11: offline exposure is bounded.
    OfflineExposure = 11,
    /// L12: everything has a limit.
    Bounded = 12,
    /// L13: a device acts only in its festival and its roles.
    Isolation = 13,
}

impl Law {
    /// Every law.
    pub const ALL: [Self; 13] = [
        Self::Conservation,
        Self::Floors,
        Self::DurableBeforeTold,
        Self::ExactlyOnce,
        Self::WholeOrNothing,
        Self::Replay,
        Self::Chain,
        Self::OneWriter,
        Self::Order,
        Self::NoLooseTalk,
        Self::OfflineExposure,
        Self::Bounded,
        Self::Isolation,
    ];

    /// Those that running code evaluates, and whose counts therefore say something. Each is looked at where
    /// what it speaks of is at hand anyway: a tap pays a comparison or two, no look-up. The others are judged
    /// by tests, by the simulator and by the auditor:
    /// - L5: no shard sees both ends of a channel, and that a movement is complete is never true of one
    ///   moment. What can be seen of it is a measure and no law: how old the oldest message on its way is,
    ///   and what is unclaimed.
    /// - L11: nothing is sold offline yet.
    pub const WIRED: [Self; 11] = [
        Self::Conservation,
        Self::Floors,
        Self::DurableBeforeTold,
        Self::ExactlyOnce,
        Self::Replay,
        Self::Chain,
        Self::OneWriter,
        Self::Order,
        Self::NoLooseTalk,
        Self::Bounded,
        Self::Isolation,
    ];

    /// `L1` to `L13`.
    pub fn id(self) -> String {
        format!("L{}", self as u8)
    }

    /// How often this process saw it broken. Anything but zero is an alarm.
    pub fn broken(self) -> u64 {
        BROKEN[self as usize].load(Ordering::Relaxed)
    }

    /// Says that the law must hold here: counts, and in a debug build panics, if it does not.
    #[inline]
    pub fn holds(self, held: bool) {
        if !held {
            self.count_broken();
        }
    }

    #[cold]
    fn count_broken(self) {
        BROKEN[self as usize].fetch_add(1, Ordering::Relaxed);
        debug_assert!(Self::may_break(), "{} is broken", self.id());
    }

    /// In a build with mutants laws are broken on purpose: there they are only counted.
    const fn may_break() -> bool {
        cfg!(feature = "mutants")
    }
}

static BROKEN: [AtomicU64; 14] = [const { AtomicU64::new(0) }; 14];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_documents() {
        let ids: Vec<_> = Law::ALL.iter().map(|law| law.id()).collect();
        assert_eq!((ids.len(), ids[0].as_str(), ids[12].as_str()), (13, "L1", "L13"));
    }
}
