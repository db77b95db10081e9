//! Sums of postings: per kind and currency, and per account where there are few (L1). What a vendor is
//! owed lies in as many stripes as there are shards: each is summed by itself, or a debt of one would not
//! show behind the sales of the others (L2).

use std::collections::BTreeMap;

use super::table::Table;
use crate::account::{Account, AccountKind};
use crate::entry::Posting;
use crate::ids::ShardId;
use crate::money::Currency;

/// Everything posted to the accounts of one kind in one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The kind.
    pub kind: AccountKind,
    /// The currency.
    pub currency: Currency,
    /// Sum of all debits, minor units.
    pub debits: i128,
    /// Sum of all credits as a positive number, minor units.
    pub credits: i128,
}

impl Total {
    /// Debits less credits: positive for assets and expenses, negative for liabilities and income.
    pub const fn balance(&self) -> i128 {
        self.debits - self.credits
    }
}

/// The sums.
#[derive(Clone, Debug, Default)]
pub(super) struct Balances {
    totals: Vec<Total>,
    /// All accounts but vendors' sales, and but purses: those lie in the table of wallets.
    accounts: Table<Account, i128>,
    /// Vendors' sales.
    stripes: Table<(ShardId, Account), i128>,
}

impl Balances {
    /// Adds a posting of a shard. Answers with what the account holds then, if it is no purse; of a vendor's
    /// sales, what the stripe of that shard does.
    pub(super) fn post(&mut self, shard: ShardId, posting: &Posting) -> Option<i128> {
        let Account { kind, currency, .. } = posting.account;
        let known = self.totals.iter().position(|total| total.kind == kind && total.currency == currency);
        let index = known.unwrap_or_else(|| {
            self.totals.push(Total { kind, currency, debits: 0, credits: 0 });
            self.totals.len() - 1
        });
        let minor = i128::from(posting.minor);
        if let Some(total) = self.totals.get_mut(index) {
            if minor > 0 {
                total.debits += minor;
            } else {
                total.credits -= minor;
            }
        }
        if kind.is_purse() {
            return None;
        }
        let balance = match kind {
            AccountKind::VendorSales => self.stripes.entry((shard, posting.account)).or_insert(0),
            _ => self.accounts.entry(posting.account).or_insert(0),
        };
        *balance += minor;
        Some(*balance)
    }

    /// Per kind and currency, in order.
    pub(super) fn totals(&self) -> Vec<Total> {
        let mut totals = self.totals.clone();
        totals.sort_unstable_by_key(|total| (total.currency, total.kind));
        totals
    }

    /// Per account, purses left out, in order.
    pub(super) fn accounts(&self) -> Vec<(Account, i128)> {
        let mut accounts: BTreeMap<_, _> =
            self.accounts.iter().map(|(account, sum)| (*account, *sum)).collect();
        for ((_, account), sum) in &self.stripes {
            *accounts.entry(*account).or_insert(0) += sum;
        }
        accounts.into_iter().collect()
    }

    /// The stripes that hold less than nothing and by how much, by vendor and shard.
    pub(super) fn in_debt(&self) -> Vec<(ShardId, Account, i128)> {
        let stripes = self.stripes.iter().map(|((shard, account), sum)| (*shard, *account, *sum));
        let mut debts: Vec<_> = stripes.filter(|(_, _, sum)| *sum > 0).collect();
        debts.sort_unstable_by_key(|(shard, account, _)| (*account, *shard));
        debts
    }

    /// Currencies whose balances do not sum to zero, with what is left.
    pub(super) fn unbalanced(&self) -> Vec<(Currency, i128)> {
        let mut sums = Vec::<(Currency, i128)>::new();
        for total in self.totals() {
            match sums.last_mut() {
                Some((currency, sum)) if *currency == total.currency => *sum += total.balance(),
                _ => sums.push((total.currency, total.balance())),
            }
        }
        sums.retain(|(_, sum)| *sum != 0);
        sums
    }
}
