//! Money: integer minor units that know their currency, and the rates applied to them.

mod amount;
mod currency;
mod vat;

pub use amount::{Amount, MoneyError};
pub use currency::Currency;
pub use vat::VatRate;

/// No balance reaches this many minor units (2^39): it is kept in five bytes.
pub const BALANCE_LIMIT: i64 = 1 << 39;
