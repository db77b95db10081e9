//! Where wallets lie: dense slots of one cache line each, found by number.

use ledger::ids::{At, FestivalId, TillId, WalletNumber};

use crate::index::Index;
use crate::paged::Paged;
use crate::table::hash_of;
use crate::tag::Standing;

/// The money in a wallet, in minor units of its festival's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Balances {
    /// Paid in; refundable.
    pub paid: i64,
    /// Bonus; never refunded.
    pub bonus: i64,
    /// Deposits on cups and the like.
    pub deposit: i64,
}

impl Balances {
    /// All purses together: what the terminal shows.
    pub const fn total(&self) -> i64 {
        self.paid + self.bonus + self.deposit
    }

    /// L2: no purse is below zero. There is no documented way to go below yet.
    #[inline]
    pub(crate) const fn are_above_their_floors(&self) -> bool {
        // The sign of all three together.
        self.paid | self.bonus | self.deposit >= 0
    }
}

pub(crate) mod flag {
    /// Opened: without it the slot only holds burned ids.
    pub(crate) const OPEN: u8 = 1;
    /// Kept from acting after repeated panics.
    pub(crate) const QUARANTINED: u8 = 2;
    /// Its first tag may not pay.
    pub(crate) const BLOCKED: u8 = 4;
    /// Its first tag pays no more.
    pub(crate) const REPLACED: u8 = 8;
    /// Has an allowance, or what is left of one.
    pub(crate) const ALLOWANCE: u8 = 0x80;
}

/// One wallet: 64 bytes, one cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Wallet {
    pub(crate) number: u64,
    pub(crate) check: u64,
    pub(crate) balances: Balances,
    /// Index of the newest chunk of remembered ids; meaningless while `remembered` is 0.
    pub(crate) last_chunk: u32,
    pub(crate) remembered: u32,
    pub(crate) festival: u16,
    pub(crate) flags: u8,
    /// The last purchase, for "they charge twice": till, amount, second. Till 0 = none.
    pub(crate) last_till: u32,
    pub(crate) last_amount: u32,
    pub(crate) last_second: u32,
}

impl Wallet {
    pub(crate) const EMPTY: Self = Self {
        number: 0,
        check: 0,
        balances: Balances { paid: 0, bonus: 0, deposit: 0 },
        last_chunk: 0,
        remembered: 0,
        festival: 0,
        flags: 0,
        last_till: 0,
        last_amount: 0,
        last_second: 0,
    };

    /// The purses.
    pub const fn balances(&self) -> Balances {
        self.balances
    }

    /// Whether it was opened; else it only holds burned ids.
    pub const fn is_open(&self) -> bool {
        self.flags & flag::OPEN != 0
    }

    /// Whether it is kept from acting.
    pub const fn is_quarantined(&self) -> bool {
        self.flags & flag::QUARANTINED != 0
    }

    /// Whether another wallet keeps it in money: what that comes to stands beside the slots.
    #[inline]
    pub(crate) const fn has_allowance(&self) -> bool {
        self.flags & flag::ALLOWANCE != 0
    }

    /// It has an allowance from here on, or no longer.
    pub(crate) fn set_allowance(&mut self, has: bool) {
        self.flags = if has { self.flags | flag::ALLOWANCE } else { self.flags & !flag::ALLOWANCE };
    }

    /// The festival it belongs to.
    pub const fn festival(&self) -> FestivalId {
        FestivalId(self.festival)
    }

    /// Its number.
    pub(crate) fn number(&self) -> WalletNumber {
        WalletNumber::new(self.number).unwrap_or_else(|| unreachable!("slots are made by number"))
    }

    /// What its first tag may do.
    pub(crate) const fn standing(&self) -> Standing {
        if self.flags & flag::REPLACED != 0 {
            Standing::Replaced
        } else if self.flags & flag::BLOCKED != 0 {
            Standing::Blocked
        } else {
            Standing::Active
        }
    }

    /// What its first tag may do from here on.
    pub(crate) fn set_standing(&mut self, standing: Standing) {
        let flags = match standing {
            Standing::Active => 0,
            Standing::Blocked => flag::BLOCKED,
            Standing::Replaced => flag::REPLACED,
        };
        self.flags = self.flags & !(flag::BLOCKED | flag::REPLACED) | flags;
    }

    /// It may act from here on.
    pub(crate) fn open(&mut self, festival: FestivalId) {
        self.festival = festival.0;
        self.flags |= flag::OPEN;
    }

    /// Its opening was taken back.
    pub(crate) fn close(&mut self) {
        self.flags &= !flag::OPEN;
    }

    /// Keeps it from acting, or lets it act again.
    pub(crate) fn set_quarantined(&mut self, quarantined: bool) {
        self.flags =
            if quarantined { self.flags | flag::QUARANTINED } else { self.flags & !flag::QUARANTINED };
    }

    /// Changes the purse that `posting` names.
    #[inline]
    pub(crate) fn post(&mut self, posting: &ledger::entry::Posting) {
        self.balances.post(posting);
    }

    /// Whether a purchase of `amount` at `till` looks like the last one once more.
    pub(crate) fn repeats_last(&self, till: TillId, amount: i64, at: At, window_seconds: u32) -> bool {
        let since = at.seconds() - i64::from(self.last_second);
        self.last_till == till.get()
            && i64::from(self.last_amount) == amount
            && (0..i64::from(window_seconds)).contains(&since)
    }

    /// Keeps the last purchase in mind. An amount or time beyond 32 bits is kept as none: such
    /// amounts are above every festival's largest, such times after the year 2106.
    pub(crate) fn note_purchase(&mut self, till: Option<TillId>, amount: i64, at: At) {
        let noted = (u32::try_from(amount), u32::try_from(at.seconds()));
        let (till, amount, second) = match (till, noted) {
            (Some(till), (Ok(amount), Ok(second))) => (till.get(), amount, second),
            _ => (0, 0, 0),
        };
        (self.last_till, self.last_amount, self.last_second) = (till, amount, second);
    }

    /// A sale of `amount` was taken back: if the last purchase was of that amount, the sale may be
    /// rung up again. Taking back anything else (a top-up, an older sale) forgets nothing.
    pub(crate) fn forget_purchase(&mut self, amount: i64) {
        if i64::from(self.last_amount) == amount {
            (self.last_till, self.last_amount, self.last_second) = (0, 0, 0);
        }
    }
}

/// The wallets of a shard.
#[derive(Clone, Debug, Default)]
pub struct Slots {
    /// Slot numbers by the hash of the wallet's number, which lies in the slot itself.
    index: Index,
    slots: Paged<Wallet>,
}

impl Slots {
    /// The slot of this wallet, if it ever came into being.
    #[inline]
    pub(crate) fn find(&self, number: WalletNumber) -> Option<u32> {
        let number = number.get();
        self.index.find(hash_of(number), |slot| self.slots[slot].number == number)
    }

    /// Asks the processor for the line of the index that names this wallet's slot.
    #[inline]
    pub(crate) fn prefetch_index(&self, number: WalletNumber) {
        self.index.prefetch(hash_of(number.get()));
    }

    /// The slot where this wallet most likely lies, found without touching any slot: for
    /// prefetching only.
    #[inline]
    pub(crate) fn guess(&self, number: WalletNumber) -> Option<u32> {
        self.index.find(hash_of(number.get()), |_| true)
    }

    /// The wallet in a slot.
    #[inline]
    pub(crate) fn at(&self, slot: u32) -> &Wallet {
        &self.slots[slot]
    }

    /// The wallet in a slot, to be changed by `apply`.
    #[inline]
    pub(crate) fn at_mut(&mut self, slot: u32) -> &mut Wallet {
        &mut self.slots[slot]
    }

    /// The wallet of this number; comes into being, not yet opened, if there is none.
    pub(crate) fn find_or_create(&mut self, number: WalletNumber, check: u64) -> u32 {
        if let Some(slot) = self.find(number) {
            return slot;
        }
        let slot = self.slots.push(Wallet { number: number.get(), check, ..Wallet::EMPTY });
        let (index, slots) = (&mut self.index, &self.slots);
        index.push(hash_of(number.get()), |slot| hash_of(slots[slot].number));
        slot
    }

    /// How many came into being.
    pub fn len(&self) -> usize {
        self.slots.len() as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.len() == 0
    }

    /// All wallets by rising number.
    pub(crate) fn sorted(&self) -> Vec<&Wallet> {
        let mut all: Vec<_> = self.slots.iter().collect();
        all.sort_unstable_by_key(|wallet| wallet.number);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_is_one_cache_line() {
        assert_eq!((size_of::<Wallet>(), align_of::<Wallet>()), (64, 64));
    }

    #[test]
    fn only_the_same_till_and_amount_within_the_window_repeat() {
        let till = TillId::new(5).unwrap();
        let mut wallet = Wallet::EMPTY;
        assert!(!wallet.repeats_last(till, 600, At(0), 20));
        wallet.note_purchase(Some(till), 600, At(100_900_000));
        // at (microseconds), amount, till, repeats
        for (at, amount, till_number, repeats) in [
            (100_900_000, 600, 5, true),
            (119_999_999, 600, 5, true),
            (120_000_000, 600, 5, false),
            (101_000_000, 601, 5, false),
            (101_000_000, 600, 6, false),
            (99_000_000, 600, 5, false),
        ] {
            let till = TillId::new(till_number).unwrap();
            assert_eq!(wallet.repeats_last(till, amount, At(at), 20), repeats, "{at} {amount} {till}");
        }
        wallet.forget_purchase(650);
        assert!(wallet.repeats_last(till, 600, At(100_900_000), 20));
        wallet.forget_purchase(600);
        assert!(!wallet.repeats_last(till, 600, At(100_900_000), 20));
    }
}
