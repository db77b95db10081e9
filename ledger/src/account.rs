//! Accounts: what can be debited and credited, and how low each may go.

use std::fmt;

use crate::money::Currency;

/// What an account is for. The number stands in records and never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AccountKind {
    /// Wallet purse: money paid in, refundable. A liability.
    WalletPaid = 1,
    /// Wallet purse: bonus money, has a funder, never refunded. A liability.
    WalletBonus = 2,
    /// Wallet purse: deposits on cups and the like. A liability.
    WalletDeposit = 3,
    /// Money of a wallet that an authorisation holds until it is captured, released or expires. A liability.
    WalletHeld = 4,
    /// What a vendor is owed for its sales; one stripe per shard. A liability.
    VendorSales = 16,
    /// Cash in a till's drawer; one stripe per shard. An asset.
    CashDrawer = 17,
    /// Who pays for bonus money; one stripe per shard. An expense.
    BonusFunder = 18,
    /// A vendor's home account, where stripes are swept to. A liability.
    VendorHome = 19,
    /// Money at the payment service provider. An asset.
    Psp = 20,
    /// Fees earned. Income.
    Fee = 21,
    /// Position in a currency. An asset or a liability.
    FxPosition = 22,
    /// What rounding left over. Income or expense.
    Rounding = 23,
    /// Balances never claimed. Income.
    Breakage = 24,
    /// Valid offline sales beyond a wallet's funds. An asset.
    OfflineOverdraft = 25,
    /// Money on its way between shards; zero at rest.
    Transit = 26,
    /// Money returned to a closed wallet. A liability.
    Unclaimed = 27,
    /// Payouts decided and not yet made. A liability.
    PayoutsDue = 28,
}

impl AccountKind {
    /// Every kind, for tables and totals.
    pub const ALL: [Self; 17] = [
        Self::WalletPaid,
        Self::WalletBonus,
        Self::WalletDeposit,
        Self::WalletHeld,
        Self::VendorSales,
        Self::CashDrawer,
        Self::BonusFunder,
        Self::VendorHome,
        Self::Psp,
        Self::Fee,
        Self::FxPosition,
        Self::Rounding,
        Self::Breakage,
        Self::OfflineOverdraft,
        Self::Transit,
        Self::Unclaimed,
        Self::PayoutsDue,
    ];

    /// The kind of this number; `None` for one this level does not know.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Name in totals, metrics and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WalletPaid => "wallet paid",
            Self::WalletBonus => "wallet bonus",
            Self::WalletDeposit => "wallet deposit",
            Self::WalletHeld => "wallet held",
            Self::VendorSales => "vendor sales",
            Self::CashDrawer => "cash drawer",
            Self::BonusFunder => "bonus funder",
            Self::VendorHome => "vendor home",
            Self::Psp => "psp",
            Self::Fee => "fee",
            Self::FxPosition => "fx position",
            Self::Rounding => "rounding",
            Self::Breakage => "breakage",
            Self::OfflineOverdraft => "offline overdraft",
            Self::Transit => "transit",
            Self::Unclaimed => "unclaimed",
            Self::PayoutsDue => "payouts due",
        }
    }

    /// L2: whether the holder's side of this account may not fall below zero. Such an account has
    /// exactly one owning actor; all others are stripes on which nothing is decided.
    pub const fn has_floor(self) -> bool {
        self.is_purse() || matches!(self, Self::VendorHome)
    }

    /// Whether the account is a purse of a wallet, what is held of it included.
    pub const fn is_purse(self) -> bool {
        matches!(self, Self::WalletPaid | Self::WalletBonus | Self::WalletDeposit | Self::WalletHeld)
    }
}

/// One account: its kind, whose it is (a wallet number, a vendor, a till ...) and its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    /// What it is for.
    pub kind: AccountKind,
    /// The currency it is kept in.
    pub currency: Currency,
    /// The owner's number; 0 where the kind has one account only.
    pub owner: u64,
}

impl Account {
    /// The account of `kind` that `owner` has in `currency`.
    pub const fn new(kind: AccountKind, owner: u64, currency: Currency) -> Self {
        Self { kind, currency, owner }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind.is_purse() {
            return write!(f, "{} {:016x} {}", self.kind.name(), self.owner, self.currency);
        }
        write!(f, "{} {} {}", self.kind.name(), self.owner, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_kinds_one_to_one() {
        for kind in AccountKind::ALL {
            assert_eq!(AccountKind::from_number(kind as u8), Some(kind));
        }
        assert_eq!((0..=u8::MAX).filter_map(AccountKind::from_number).count(), AccountKind::ALL.len());
    }
}
