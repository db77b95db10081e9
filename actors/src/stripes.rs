//! Stripes: this shard's part of accounts that belong to no single actor (vendors, drawers ...).
//! Nothing is decided on them, so a sale never waits for its vendor. The exception lies here too: a
//! vendor's home account, which has one owner, the vendor's office in the home's shard.

use ledger::account::{Account, AccountKind};
use ledger::entry::Posting;
use ledger::ids::VendorId;
use ledger::law::Law;
use ledger::money::Currency;

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
        // Of all that lies here only a vendor's home has a floor; a vendor's stripe has one for its sweep.
        Law::Floors.holds(*balance <= 0 || posting.account.kind != AccountKind::VendorHome);
    }

    /// What stands on the holder's side of an account here; 0 if nothing was ever posted to it.
    pub(crate) fn held(&self, account: &Account) -> i64 {
        self.0.get(account).map_or(0, |minor| minor.saturating_neg())
    }

    /// Whether a sweep that posted this left its vendor's stripe at nothing or above. A void may leave it below.
    pub(crate) fn are_not_overdrawn_by(&self, swept: &[Posting]) -> bool {
        let mut sales = swept.iter().filter(|posting| posting.account.kind == AccountKind::VendorSales);
        sales.all(|posting| self.held(&posting.account) >= 0)
    }

    /// What vendors are owed here: the stripe of the next vendor after `after`.
    pub(crate) fn next_vendor(&self, after: Option<VendorId>) -> Option<(VendorId, Currency, i64)> {
        let sales = self.0.iter().filter(|(account, _)| account.kind == AccountKind::VendorSales);
        let vendors = sales.filter_map(|(account, minor)| {
            let vendor = VendorId::new(u32::try_from(account.owner).ok()?)?;
            Some((vendor, account.currency, *minor))
        });
        vendors.filter(|(vendor, ..)| Some(*vendor) > after).min_by_key(|(vendor, ..)| *vendor)
    }

    /// All stripes in the order of their accounts.
    pub(crate) fn sorted(&self) -> Vec<(Account, i64)> {
        let mut all: Vec<_> = self.0.iter().map(|(account, balance)| (*account, *balance)).collect();
        all.sort_unstable();
        all
    }
}
