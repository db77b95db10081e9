//! Double entry: postings that balance. An [`Entry`] that does not balance per currency cannot be
//! built (L1), so nothing downstream has to check it again.

use smallvec::SmallVec;
use thiserror::Error;

use crate::account::Account;
use crate::money::Currency;

/// One line of an entry. Positive minor units are a debit, negative ones a credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account debited or credited.
    pub account: Account,
    /// Minor units of the account's currency; never zero.
    pub minor: i64,
}

/// Why postings do not make an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryError {
    /// Debits and credits of a currency differ.
    #[error("postings in {0} do not sum to zero")]
    Unbalanced(Currency),
    /// A posting of zero says nothing and is not canonical.
    #[error("a posting of zero")]
    Zero,
    /// The sum does not fit 64 bits.
    #[error("postings overflow")]
    Overflow,
    /// More postings than a record may hold.
    #[error("more than {} postings", Entry::MAX_POSTINGS)]
    TooMany,
}

/// Postings whose debits equal their credits in every currency. Empty for facts that move no money.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Entry(SmallVec<[Posting; 3]>);

impl Entry {
    /// The largest entry: both legs of every purse, a sale's vendors, fees and rounding fit well.
    pub const MAX_POSTINGS: usize = 64;

    /// No movement.
    pub fn none() -> Self {
        Self(SmallVec::new())
    }

    /// The entry made of `postings`, if they balance.
    pub fn new(postings: impl IntoIterator<Item = Posting>) -> Result<Self, EntryError> {
        let mut kept = SmallVec::new();
        for posting in postings {
            if kept.len() == Self::MAX_POSTINGS {
                return Err(EntryError::TooMany);
            }
            kept.push(posting);
        }
        check_balanced(&kept)?;
        Ok(Self(kept))
    }

    /// The postings, in the order they were given.
    pub fn postings(&self) -> &[Posting] {
        &self.0
    }

    /// Whether debits equal credits in every currency: always, since it was built (L1).
    pub fn balances(&self) -> bool {
        check_balanced(&self.0).is_ok()
    }

    /// Whether no money moves.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entry that takes this one back: every posting with the other sign.
    pub fn reversed(&self) -> Result<Self, EntryError> {
        let mut turned = SmallVec::new();
        for posting in &self.0 {
            let minor = posting.minor.checked_neg().ok_or(EntryError::Overflow)?;
            turned.push(Posting { minor, ..*posting });
        }
        Ok(Self(turned))
    }
}

fn check_balanced(postings: &[Posting]) -> Result<(), EntryError> {
    let Some(first) = postings.first() else { return Ok(()) };
    let currency = first.account.currency;
    let (mut sum, mut same, mut zero) = (0_i128, true, false);
    for posting in postings {
        sum += i128::from(posting.minor);
        same &= posting.account.currency == currency;
        zero |= posting.minor == 0;
    }
    match (zero, same) {
        (true, _) => Err(EntryError::Zero),
        (false, true) if sum != 0 => Err(EntryError::Unbalanced(currency)),
        (false, true) => Ok(()),
        (false, false) => check_each_currency(postings),
    }
}

fn check_each_currency(postings: &[Posting]) -> Result<(), EntryError> {
    for (index, first) in postings.iter().enumerate() {
        let currency = first.account.currency;
        if postings[..index].iter().any(|earlier| earlier.account.currency == currency) {
            continue;
        }
        let same = postings[index..].iter().filter(|posting| posting.account.currency == currency);
        let sum = same.map(|posting| i128::from(posting.minor)).sum::<i128>();
        if sum != 0 {
            return Err(EntryError::Unbalanced(currency));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::account::AccountKind;

    fn posting(kind: AccountKind, currency: &str, minor: i64) -> Posting {
        let currency = Currency::from_alpha(currency).unwrap();
        Posting { account: Account::new(kind, 1, currency), minor }
    }

    #[test]
    fn each_currency_must_balance_on_its_own() {
        let paid = AccountKind::WalletPaid;
        let sales = AccountKind::VendorSales;
        assert!(Entry::new([posting(paid, "EUR", 5), posting(sales, "EUR", -5)]).is_ok());
        assert_eq!(
            Entry::new([posting(paid, "EUR", 5), posting(sales, "CHF", -5)]),
            Err(EntryError::Unbalanced(Currency::EUR))
        );
        assert_eq!(Entry::new([posting(paid, "EUR", 0)]), Err(EntryError::Zero));
        assert!(Entry::new([]).unwrap().is_empty());
    }

    #[test]
    fn sums_beyond_64_bits_do_not_wrap_into_balance() {
        let paid = AccountKind::WalletPaid;
        let postings =
            [posting(paid, "EUR", i64::MAX), posting(paid, "EUR", i64::MAX), posting(paid, "EUR", 2)];
        assert_eq!(Entry::new(postings), Err(EntryError::Unbalanced(Currency::EUR)));
    }

    proptest! {
        #[test]
        fn an_entry_exists_exactly_when_it_balances(minors in proptest::collection::vec(-3_i64..=3, 0..6)) {
            let postings: Vec<_> = minors.iter().map(|minor| posting(AccountKind::Fee, "EUR", *minor)).collect();
            let balances = minors.iter().sum::<i64>() == 0 && !minors.contains(&0);
            prop_assert_eq!(Entry::new(postings).is_ok(), balances);
        }
    }
}
