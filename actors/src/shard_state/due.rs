//! What is decided when a timer is due. A due timer is a command without a sender: it reads the state
//! and makes a record, and only that record changes anything. So whatever was ordered before the record
//! was in time, even if the moment had passed.

use ledger::ids::{At, RequestId, WalletNumber};
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Envelope, Record};

use super::ShardState;
use super::timers::Timer;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Nobody captured what a wallet holds.
    Expire {
        /// The wallet.
        wallet: WalletNumber,
        /// The request that had it held.
        hold: RequestId,
    },
    /// What is left of an allowance is to go back.
    GiveBack {
        /// Who had it.
        child: WalletNumber,
    },
}

impl ShardState {
    /// A mutant: the timers that wait are lost.
    pub(crate) fn forget_timers(&mut self) {
        self.timers.forget();
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<At> {
        let early = mutant::on(Mutant::TimerBeforeItsTime);
        self.timers.next(None).map(|(timer, _)| if early { At(i64::MIN) } else { timer.due })
    }

    /// The first timer behind `after` that is due at `at`.
    pub fn due(&self, at: At, after: Option<Timer>) -> Option<Timer> {
        let early = mutant::on(Mutant::TimerBeforeItsTime);
        self.timers.next(after).map(|(timer, _)| timer).filter(|timer| timer.due <= at || early)
    }

    /// The record of a timer that is due. One without a record has nothing to say yet: it stays, and is
    /// asked again later. Each counts on the one before, so each record is to be applied before the next
    /// is asked for. Reads and changes nothing.
    pub fn fire(&self, at: At, timer: Timer) -> Option<Record> {
        match *self.timers.task(timer)? {
            Task::Expire { wallet, hold } => self.expire(at, wallet, hold),
            Task::GiveBack { child } => self.give_back(at, child),
        }
    }

    /// All that was held goes back to its purses: whatever the cap, blocked or not.
    fn expire(&self, at: At, wallet: WalletNumber, hold: RequestId) -> Option<Record> {
        let currency = self.adopted()?.festival.currency;
        let entry = self.holds.find(wallet.get(), hold)?.given_back(wallet.get(), currency)?;
        let version = self.adopted().map(|adopted| adopted.version);
        let envelope = Envelope {
            wallet: Some(wallet),
            configuration: version,
            catalogue: version,
            policy: version,
            ..Envelope::default()
        };
        Some(Record { at, envelope, body: Body::HoldExpired { hold }, decline: None, entry })
    }
}
