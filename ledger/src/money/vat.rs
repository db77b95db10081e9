//! Value-added tax: a rate, and how a gross price splits into base and tax.

use std::fmt;

use rust_decimal::Decimal;

/// A VAT rate in hundredths of a per cent (550 = 5.5 %), at most 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VatRate(u16);

impl VatRate {
    /// 100 %: no rate is higher.
    pub const MAX: u16 = 10_000;

    /// From hundredths of a per cent; `None` above 100 %.
    pub const fn new(hundredths: u16) -> Option<Self> {
        if hundredths > Self::MAX { None } else { Some(Self(hundredths)) }
    }

    /// From a percentage as written in a festival file (`"5.5"`); `None` if not exact or not 0 to 100.
    pub fn parse(percent: &str) -> Option<Self> {
        let hundredths = Decimal::from_str_exact(percent).ok()?.checked_mul(Decimal::ONE_HUNDRED)?;
        if !hundredths.fract().is_zero() {
            return None;
        }
        u16::try_from(hundredths.trunc()).ok().and_then(Self::new)
    }

    /// Hundredths of a per cent.
    pub const fn hundredths(self) -> u16 {
        self.0
    }

    /// Splits a gross amount (tax included) into base and tax: the base is rounded half to even,
    /// once, and the tax is the rest, so the two always add up to the gross.
    pub fn split(self, gross: i64) -> (i64, i64) {
        let hundred_and_rate = 10_000 + i64::from(self.0);
        // The whole multiples of it need no rounding, and the rest is small. The base lies between 0 and the
        // gross, so wrapping on the way there does not show.
        let (whole, rest) = (gross.div_euclid(hundred_and_rate), gross.rem_euclid(hundred_and_rate));
        let base = whole.wrapping_mul(10_000).wrapping_add(div_half_even(rest * 10_000, hundred_and_rate));
        (base, gross - base)
    }
}

/// `numerator / denominator` rounded half to even. `denominator` is positive.
fn div_half_even(numerator: i64, denominator: i64) -> i64 {
    let floor = numerator.div_euclid(denominator);
    match (numerator.rem_euclid(denominator) * 2).cmp(&denominator) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + (floor & 1),
    }
}

impl fmt::Display for VatRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", Decimal::new(i64::from(self.0), 2).normalize())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gross_price_splits_without_losing_a_cent() {
        // rate, gross, base, tax
        for (percent, gross, base, tax) in [
            ("20", 600, 500, 100),
            ("5.5", 350, 332, 18),
            ("10", 1, 1, 0),
            ("0", 999, 999, 0),
            ("100", 3, 2, 1),
        ] {
            let rate = VatRate::parse(percent).unwrap();
            assert_eq!(rate.split(gross), (base, tax), "{percent} % of {gross}");
        }
    }

    proptest! {
        /// Another base in the auditor's books than on the receipt: the organiser pays the difference.
        #[test]
        fn it_is_the_quotient_of_twice_as_many_bits(gross: i64, hundredths in 0..=VatRate::MAX) {
            let rate = VatRate::new(hundredths).unwrap();
            let (numerator, denominator) = (i128::from(gross) * 10_000, 10_000 + i128::from(hundredths));
            let (floor, twice) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator) * 2);
            let up = twice > denominator || twice == denominator && floor % 2 != 0;
            let base = i64::try_from(floor + i128::from(up)).unwrap();
            prop_assert_eq!(rate.split(gross), (base, gross - base));
        }
    }

    #[test]
    fn half_goes_to_even() {
        assert_eq!(
            [div_half_even(1, 2), div_half_even(3, 2), div_half_even(5, 2), div_half_even(-1, 2)],
            [0, 2, 2, 0]
        );
    }

    #[test]
    fn rates_are_exact_or_refused() {
        assert_eq!(VatRate::parse("5.5").map(VatRate::hundredths), Some(550));
        assert_eq!(VatRate::parse("5.555"), None);
        assert_eq!(VatRate::parse("100.01"), None);
        assert_eq!(VatRate::parse("-1"), None);
        assert_eq!(VatRate::parse("5.5").unwrap().to_string(), "5.5 %");
    }
}
