//! An amount of one currency. Arithmetic is checked; two currencies never mix.

use std::fmt;

use thiserror::Error;

use super::Currency;

/// Why an amount could not be computed or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// The result does not fit 64 bits of minor units.
    #[error("amount overflows 64 bits of minor units")]
    Overflow,
    /// An operation met two currencies.
    #[error("currencies differ: {0} and {1}")]
    CurrenciesDiffer(Currency, Currency),
    /// A decimal text is not an amount of this currency.
    #[error("not an amount of {currency}: write a decimal number with at most {digits} decimals")]
    NotAnAmount {
        /// The currency that was asked for.
        currency: Currency,
        /// How many decimals it has.
        digits: u32,
    },
}

/// Integer minor units of a currency (1050 of EUR = 10.50 euro). May be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Amount {
    minor: i64,
    currency: Currency,
}

impl Amount {
    /// `minor` units of `currency`.
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Reads a decimal text (`"10.50"`) exactly; more decimals than the currency has are refused.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let error = MoneyError::NotAnAmount { currency, digits: currency.exponent() };
        let decimal = rust_decimal::Decimal::from_str_exact(text).map_err(|_| error)?;
        let scaled = currency_scale(currency)
            .and_then(|scale| decimal.checked_mul(scale))
            .ok_or(MoneyError::Overflow)?;
        if !scaled.fract().is_zero() {
            return Err(error);
        }
        i64::try_from(scaled.trunc()).map(|minor| Self { minor, currency }).map_err(|_| MoneyError::Overflow)
    }

    /// The number of minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Sum of two amounts of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrenciesDiffer(self.currency, other.currency));
        }
        self.minor.checked_add(other.minor).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// The same amount with the other sign.
    pub fn checked_neg(self) -> Result<Self, MoneyError> {
        self.minor.checked_neg().map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }

    /// This amount `count` times.
    pub fn checked_times(self, count: i64) -> Result<Self, MoneyError> {
        self.minor.checked_mul(count).map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }
}

fn currency_scale(currency: Currency) -> Option<rust_decimal::Decimal> {
    10_i64.checked_pow(currency.exponent()).map(rust_decimal::Decimal::from)
}

impl fmt::Display for Amount {
    /// `10.50 EUR`: plain digits, for operators and logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.currency.exponent() as usize;
        let sign = if self.minor < 0 { "-" } else { "" };
        let scale = 10_u64.pow(self.currency.exponent());
        let magnitude = self.minor.unsigned_abs();
        if digits == 0 {
            return write!(f, "{sign}{magnitude} {}", self.currency);
        }
        write!(f, "{sign}{}.{:0digits$} {}", magnitude / scale, magnitude % scale, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(alpha: &str) -> Currency {
        Currency::from_alpha(alpha).unwrap()
    }

    #[test]
    fn text_and_minor_units_agree() {
        for (text, alpha, minor, shown) in [
            ("10.50", "EUR", 1050, "10.50 EUR"),
            ("-0.05", "EUR", -5, "-0.05 EUR"),
            ("7", "JPY", 7, "7 JPY"),
            ("1.234", "BHD", 1234, "1.234 BHD"),
            ("3", "EUR", 300, "3.00 EUR"),
        ] {
            let amount = Amount::parse(text, currency(alpha)).unwrap();
            assert_eq!((amount.minor(), amount.to_string().as_str()), (minor, shown));
        }
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for (text, alpha) in [("1.005", "EUR"), ("1.5", "JPY"), ("1e3", "EUR"), ("", "EUR"), ("ten", "EUR")] {
            assert!(Amount::parse(text, currency(alpha)).is_err(), "{text}");
        }
        assert_eq!(Amount::parse("92233720368547758.08", Currency::EUR), Err(MoneyError::Overflow));
    }

    #[test]
    fn arithmetic_is_checked_and_never_mixes() {
        let max = Amount::new(i64::MAX, Currency::EUR);
        let min = Amount::new(i64::MIN, Currency::EUR);
        let yen = Amount::new(1, currency("JPY"));
        assert_eq!(max.checked_add(Amount::new(1, Currency::EUR)), Err(MoneyError::Overflow));
        assert_eq!(min.checked_neg(), Err(MoneyError::Overflow));
        assert_eq!(max.checked_times(2), Err(MoneyError::Overflow));
        assert_eq!(max.checked_add(yen), Err(MoneyError::CurrenciesDiffer(Currency::EUR, currency("JPY"))));
        assert_eq!(min.to_string(), "-92233720368547758.08 EUR");
    }
}
