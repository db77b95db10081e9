//! L1: in every currency the postings of every record sum to zero, so all balances do; and what the
//! actors hold, stripes included, is exactly what the postings say.

use std::collections::BTreeMap;

use ledger::account::{Account, AccountKind};
use ledger::entry::Posting;
use ledger::ids::ShardId;
use ledger::law::Law;
use ledger::record::{Body, Line};

use super::shadow::Shadow;
use super::{Seen, Verdict, Violation};

/// Sums of all durable postings.
#[derive(Clone, Debug, Default)]
pub struct Conservation {
    /// By shard and account; purses are summed by the book.
    stripes: BTreeMap<(u16, Account), i128>,
    /// By the number of the currency.
    totals: BTreeMap<u16, i128>,
}

impl Conservation {
    /// Adds a record.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        self.post(seen.shard.0, seen.record.entry.postings());
        let place = || format!("shard {} record {}", seen.shard, seen.number);
        if let Body::Purchased { lines, taxes, .. } | Body::Captured { lines, taxes, .. } = &seen.record.body
            && seen.record.decline.is_none()
        {
            let gross: i64 = lines.iter().map(Line::gross).sum();
            let taxed: i64 = taxes.iter().map(|tax| tax.base + tax.tax).sum();
            let vendors = |posting: &&Posting| posting.account.kind == AccountKind::VendorSales;
            let vendors = seen.record.entry.postings().iter().filter(vendors);
            let sold: i64 = -vendors.map(|posting| posting.minor).sum::<i64>();
            if gross != taxed || gross != sold {
                let what = format!("{}: lines {gross}, base and tax {taxed}, posted {sold}", place());
                return Err(Violation::new(Law::Conservation, what));
            }
        }
        self.balanced().map_err(|what| Violation::new(Law::Conservation, format!("{}: {what}", place())))
    }

    fn post(&mut self, shard: u16, postings: &[Posting]) {
        for posting in postings {
            let minor = i128::from(posting.minor);
            *self.totals.entry(posting.account.currency.numeric()).or_default() += minor;
            if !posting.account.kind.is_purse() {
                *self.stripes.entry((shard, posting.account)).or_default() += minor;
            }
        }
    }

    /// What stands on the holder's side of a stripe of a shard.
    pub fn held(&self, shard: ShardId, account: Account) -> i128 {
        -self.stripes.get(&(shard.0, account)).copied().unwrap_or_default()
    }

    fn balanced(&self) -> Result<(), String> {
        let off = self.totals.iter().find(|(_, total)| **total != 0);
        off.map_or(Ok(()), |(currency, total)| Err(format!("currency {currency} sums to {total}")))
    }

    /// Whether the replica's stripes hold what was posted to them.
    pub fn stripes(&self, shadow: &Shadow) -> Verdict {
        let mut held = BTreeMap::new();
        for state in shadow.states() {
            for (account, balance) in state.stripes() {
                held.insert((state.shard().0, account), i128::from(balance));
            }
        }
        if held == self.stripes {
            return Ok(());
        }
        let differs = self.stripes.iter().find(|(key, posted)| held.get(key) != Some(posted));
        let what = differs.map_or("a stripe nobody posted to".to_owned(), |((shard, account), posted)| {
            format!("shard {shard}: {account} was posted {posted}, holds {:?}", held.get(&(*shard, *account)))
        });
        Err(Violation::new(Law::Conservation, what))
    }
}

#[cfg(test)]
mod tests {
    use ledger::money::Currency;

    use super::*;

    #[test]
    fn a_leg_that_is_missing_and_a_stripe_that_differs_are_named() {
        let account = Account::new(AccountKind::VendorSales, 1, Currency::EUR);
        let mut sums = Conservation::default();
        sums.post(0, &[Posting { account, minor: 5 }, Posting { account, minor: -5 }]);
        assert_eq!(sums.balanced(), Ok(()));
        sums.post(0, &[Posting { account, minor: -5 }]);
        assert!(sums.balanced().is_err());
        assert_eq!(sums.stripes(&Shadow::new(1)).unwrap_err().law, Law::Conservation);
    }
}
