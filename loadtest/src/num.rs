//! Owns: the few conversions between counts, nanoseconds and the fractions that a report prints.
//! Must never: touch an amount of money (amounts stay integers, in the wire's own type).
//! Laws: none; every rounding of a figure happens here, so that a recomputed report rounds the same way.

use std::time::Duration;

/// Nanoseconds in one second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds in one millisecond.
pub const MILLI_NS: u64 = 1_000_000;

/// A count as a fraction's part. Counts of a run stay far below 2^53, where this is exact.
#[allow(clippy::cast_precision_loss, reason = "counts and nanoseconds of one run are below 2^53")]
pub fn to_f64(value: u64) -> f64 {
    value as f64
}

/// A fraction rounded to the nearest whole number; negative and undefined ones are 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is meant")]
pub fn to_u64(value: f64) -> u64 {
    value.round() as u64
}

/// A duration in whole nanoseconds; after 584 years it stays at the largest.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How many per second, 0 when no time passed.
pub fn per_second(count: u64, ns: u64) -> f64 {
    if ns == 0 { 0.0 } else { to_f64(count) / (to_f64(ns) / to_f64(SECOND_NS)) }
}

/// One number over another, 0 when there is nothing to divide by.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// A share in per cent.
pub fn percent(part: u64, whole: u64) -> f64 {
    100.0 * ratio(to_f64(part), to_f64(whole))
}

/// Nanoseconds as microseconds.
pub fn micros(ns: u64) -> f64 {
    to_f64(ns) / 1_000.0
}

/// A length in memory as a wire or file count.
pub fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// An index from a number that is known to be small; on a machine where it does not fit it is the largest.
pub fn index(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_over_nothing_is_nothing() {
        assert!(per_second(5, 0).abs() < f64::EPSILON);
        assert!(ratio(1.0, 0.0).abs() < f64::EPSILON);
        assert!(percent(1, 0).abs() < f64::EPSILON);
    }

    #[test]
    fn rates_shares_and_rounding() {
        assert!((per_second(500, SECOND_NS / 2) - 1_000.0).abs() < 1e-9);
        assert!((percent(1, 4) - 25.0).abs() < 1e-9);
        assert_eq!(to_u64(2.5), 3);
        assert_eq!(to_u64(-1.0), 0);
        assert_eq!(to_u64(f64::NAN), 0);
        assert_eq!(nanos(Duration::from_micros(3)), 3_000);
        assert!((micros(1_500) - 1.5).abs() < 1e-9);
    }
}
