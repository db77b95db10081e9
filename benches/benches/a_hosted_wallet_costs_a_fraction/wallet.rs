//! The small wallet that every lane runs: a balance, a spent total, the last ids, and one decision.
//! Small on purpose: what the lanes differ in is the hosting, not the wallet.

use std::sync::atomic::{AtomicU64, Ordering};

/// A purchase on its way to a wallet.
#[derive(Clone, Copy)]
pub(crate) struct Tap {
    id: u64,
    amount: i64,
}

/// The wallet.
pub(crate) struct Wallet {
    balance: i64,
    spent: i64,
    last_ids: [u64; 4],
}

impl Default for Wallet {
    fn default() -> Self {
        Self { balance: 5_000, spent: 0, last_ids: [0; 4] }
    }
}

impl Wallet {
    /// Decides and applies; whether the money moved.
    pub(crate) fn handle(&mut self, tap: Tap) -> bool {
        let applied = tap.amount <= self.balance && !self.last_ids.contains(&tap.id);
        if applied {
            self.balance -= tap.amount;
            self.spent += tap.amount;
            self.last_ids.rotate_right(1);
            self.last_ids[0] = tap.id;
        }
        applied
    }
}

/// What became of the messages of a lane.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) applied: u64,
    pub(crate) declined: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, applied: bool) {
        self.applied += u64::from(applied);
        self.declined += u64::from(!applied);
    }
}

/// A tally that a thread counts up and another one watches.
#[derive(Default)]
pub(crate) struct Counters {
    applied: AtomicU64,
    declined: AtomicU64,
}

/// Messages that a sender may be ahead: enough to keep any lane busy, not enough to measure memory.
const AHEAD: u64 = 65_536;

impl Counters {
    pub(crate) fn count(&self, applied: bool) {
        let counter = if applied { &self.applied } else { &self.declined };
        counter.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            applied: self.applied.load(Ordering::Acquire),
            declined: self.declined.load(Ordering::Acquire),
        }
    }

    /// Waits until all but `left` of `sent` messages are handled.
    fn wait(&self, sent: u64, left: u64) {
        let handled = || {
            let Tally { applied, declined } = self.tally();
            applied + declined
        };
        while handled() + left < sent {
            std::thread::yield_now();
        }
    }
}

/// The taps of every lane: the same wallets in the same order.
pub(crate) fn taps(size: crate::Size) -> impl Iterator<Item = (usize, Tap)> {
    let mut random = fastrand::Rng::with_seed(3);
    (1..=size.messages).map(move |id| {
        let wallet = random.u32(0..size.wallets) as usize;
        (wallet, Tap { id, amount: i64::from(random.u16(1..1_000)) })
    })
}

/// Sends every tap and waits for the last, never more than a bounded number ahead.
pub(crate) fn drive(size: crate::Size, counters: &Counters, send: impl Fn(usize, Tap)) -> Tally {
    let mut count = 0;
    for (wallet, tap) in taps(size) {
        send(wallet, tap);
        count += 1;
        if count % 1_024 == 0 {
            counters.wait(count, AHEAD);
        }
    }
    counters.wait(count, 0);
    counters.tally()
}
