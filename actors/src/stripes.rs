//! Stripes: this shard's part of accounts that belong to no single actor (vendors, drawers ...).
//! Nothing is decided on them, so a sale never waits for its vendor.

use ledger::account::Account;
use ledger::entry::Posting;

use crate::table::Table;

/// Balances of the shard's stripes; a positive one is a debit balance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stripes(Table<Account, i64>);

impl Stripes {
    /// Adds a posting. No festival turns over 2^63 minor units; saturating keeps `apply` total,
    /// and the auditor, who sums in 128 bits, would name the difference.
    #[inline]
    pub(crate) fn post(&mut self, posting: &Posting) {
        let balance = self.0.entry(posting.account).or_insert(0);
        *balance = balance.saturating_add(posting.minor);
    }

    /// All stripes in the order of their accounts.
    pub(crate) fn sorted(&self) -> Vec<(Account, i64)> {
        let mut all: Vec<_> = self.0.iter().map(|(account, balance)| (*account, *balance)).collect();
        all.sort_unstable();
        all
    }
}
