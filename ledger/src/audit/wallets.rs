//! What every wallet holds, from the postings alone (L2), and whether it was opened.

use super::table::Table;
use crate::account::AccountKind;
use crate::ids::WalletNumber;
use crate::money::{BALANCE_LIMIT, Currency};

/// A wallet as its records make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Its number.
    pub number: WalletNumber,
    /// What it can spend: paid in, bonus, deposit, in minor units.
    pub purses: [i64; 3],
    /// What of it is held for sales to come, in minor units.
    pub held: i64,
    /// Its festival, once it was opened.
    pub festival: u16,
    /// Whether it is open now.
    pub open: bool,
    /// Whether it ever was.
    pub ever_opened: bool,
    /// The second half of its first tag's hash, once a record has said it.
    pub(super) check: Option<u64>,
}

impl Wallet {
    /// All purses together, and what is held.
    pub const fn total(&self) -> i64 {
        let [paid, bonus, deposit] = self.purses;
        paid.saturating_add(bonus).saturating_add(deposit).saturating_add(self.held)
    }

    /// Posts to the purse of `kind`. Answers why it may not, the first time it may not: what
    /// follows from one broken record is not its own fault.
    pub(super) fn post(&mut self, kind: AccountKind, minor: i64) -> Option<String> {
        let purse = match kind {
            AccountKind::WalletPaid => &mut self.purses[0],
            AccountKind::WalletBonus => &mut self.purses[1],
            AccountKind::WalletDeposit => &mut self.purses[2],
            AccountKind::WalletHeld => &mut self.held,
            _ => return None,
        };
        let before = *purse;
        // A purse is a liability: a debit takes money out of it.
        *purse = before.saturating_sub(minor);
        let within = 0..BALANCE_LIMIT;
        if within.contains(purse) || !within.contains(&before) {
            return None;
        }
        Some(format!("{} of wallet {} goes from {before} to {purse}", kind.name(), self.number))
    }

    /// Keeps or compares the second half of the first tag's hash; `false` if it is another tag's.
    pub(super) fn has_check(&mut self, check: u64) -> bool {
        *self.check.get_or_insert(check) == check
    }
}

/// All wallets, by an index that is dense and never changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Wallets {
    index: Table<u64, u32>,
    pub(super) all: Vec<Wallet>,
    /// The one currency of each festival, by its first movement.
    currencies: Vec<(u16, Currency)>,
}

impl Wallets {
    /// Reads something of each wallet that is known; see `History::warm`.
    pub(super) fn warm(&self, numbers: impl Iterator<Item = WalletNumber>) -> usize {
        let indices = numbers.filter_map(|number| self.index.get(&number.get()));
        let indices: smallvec::SmallVec<[u32; 32]> = indices.copied().collect();
        indices
            .iter()
            .filter(|index| self.all.get(**index as usize).is_some_and(|wallet| wallet.open))
            .count()
    }

    /// The index of this wallet, which comes into being if it is new. `None` beyond 2^32 wallets.
    pub(super) fn index_of(&mut self, number: WalletNumber) -> Option<u32> {
        let next = u32::try_from(self.all.len()).ok()?;
        let index = *self.index.entry(number.get()).or_insert(next);
        if index == next {
            let purses = [0; 3];
            self.all.push(Wallet {
                number,
                purses,
                held: 0,
                festival: 0,
                open: false,
                ever_opened: false,
                check: None,
            });
        }
        Some(index)
    }

    pub(super) fn at(&mut self, index: u32) -> Option<&mut Wallet> {
        self.all.get_mut(index as usize)
    }

    pub(super) fn number(&self, index: u32) -> Option<WalletNumber> {
        self.all.get(index as usize).map(|wallet| wallet.number)
    }

    /// The currency of a festival; the first one asked about is the one.
    pub(super) fn currency_of(&mut self, festival: u16, first: Currency) -> Currency {
        if let Some((_, currency)) = self.currencies.iter().find(|(known, _)| *known == festival) {
            return *currency;
        }
        self.currencies.push((festival, first));
        first
    }
}
