//! Currencies by their ISO 4217 numeric code; exponents and names come from rusty-money's table.

use std::fmt;

use rusty_money::iso;

/// An ISO 4217 currency. Only codes of the table can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u16);

impl Currency {
    /// The euro, for examples and tests.
    pub const EUR: Self = Self(978);

    /// By numeric code (978 = euro); `None` if ISO 4217 does not have it.
    pub fn from_numeric(code: u16) -> Option<Self> {
        lookup(code).map(|_| Self(code))
    }

    /// By alphabetic code (`"EUR"`, upper case); `None` if ISO 4217 does not have it.
    pub fn from_alpha(code: &str) -> Option<Self> {
        iso::find(code)?.iso_numeric_code.parse().ok().map(Self)
    }

    /// The numeric code, as it stands in records and on the wire.
    pub const fn numeric(self) -> u16 {
        self.0
    }

    /// How many decimal digits a minor unit stands below the major one (EUR 2, JPY 0, BHD 3).
    pub fn exponent(self) -> u32 {
        lookup(self.0).map_or(0, |entry| entry.exponent)
    }

    /// The alphabetic code.
    pub fn alpha(self) -> &'static str {
        lookup(self.0).map_or("", |entry| entry.iso_alpha_code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha())
    }
}

fn lookup(code: u16) -> Option<&'static iso::Currency> {
    iso::find_by_num_code(&format!("{code:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_those_of_iso_4217() {
        // code, numeric, exponent: one of each exponent, and the ones people get wrong.
        let table = [
            ("EUR", 978, 2),
            ("JPY", 392, 0),
            ("BHD", 48, 3),
            ("CHF", 756, 2),
            ("CLF", 990, 4),
            ("ISK", 352, 0),
        ];
        for (alpha, numeric, exponent) in table {
            let currency = Currency::from_alpha(alpha).unwrap();
            assert_eq!((currency.numeric(), currency.exponent()), (numeric, exponent), "{alpha}");
            assert_eq!(Currency::from_numeric(numeric), Some(currency));
            assert_eq!(currency.to_string(), alpha);
        }
    }

    #[test]
    fn what_iso_does_not_have_cannot_be_built() {
        assert_eq!(Currency::from_numeric(0), None);
        assert_eq!(Currency::from_alpha("eur"), None);
        assert_eq!(Currency::from_alpha("XYZ"), None);
    }
}
