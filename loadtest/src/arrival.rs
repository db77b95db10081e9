//! Owns: when 500,000 people buy: the curve of a festival day, its breaks between headliners, and its compression.
//! Must never: change how many taps a window holds when it is compressed; only the time between them shrinks.
//! Laws: none.

use crate::num::{SECOND_NS, count, to_f64, to_u64};

/// First hour of the day's curve: doors.
pub const DAY_FROM_HOUR: f64 = 12.0;

/// Last hour of the day's curve.
pub const DAY_TO_HOUR: f64 = 24.0;

/// The hour with the most taps: it holds the break before the last headliner.
pub const PEAK_HOUR: (f64, f64) = (21.0, 22.0);

/// Breaks between headliners, in hours: everybody goes to the bar at once.
const BREAKS: [f64; 3] = [17.5, 19.5, 21.5];

/// Steps in which a window's curve is summed up.
const STEPS: u32 = 8_192;

/// How busy the bars are at an hour of the day, relative to the quietest time. Lunch, dinner, and a burst at each
/// break that lifts the minute to about three times its hour's mean, as festival figures say.
pub fn day_density(hour: f64) -> f64 {
    let hump = |at: f64, width: f64, height: f64| height * (-((hour - at) / width).powi(2) / 2.0).exp();
    let bursts: f64 = BREAKS.iter().map(|at| hump(*at, 0.06, 5.4)).sum();
    0.4 + hump(13.0, 0.7, 0.5) + hump(19.5, 1.9, 1.0) + hump(21.5, 0.8, 0.5) + bursts
}

/// The part of the day between two hours, as a share of all its taps.
pub fn share_of_day(from: f64, to: f64) -> f64 {
    integral(from, to) / integral(DAY_FROM_HOUR, DAY_TO_HOUR)
}

fn integral(from: f64, to: f64) -> f64 {
    let step = (to - from) / f64::from(STEPS);
    (0..STEPS).map(|n| day_density(from + (f64::from(n) + 0.5) * step) * step).sum()
}

/// Intended starts of a planned number of taps along a density.
#[derive(Debug, Clone)]
pub struct Curve {
    total: u64,
    length_ns: u64,
    // Share of all taps before the end of each step; rises to 1.
    cumulative: Vec<f64>,
}

impl Curve {
    /// `total` taps between two hours of the day, run in `length_ns` instead.
    pub fn of_day(from: f64, to: f64, total: u64, length_ns: u64) -> Self {
        let step = (to - from) / f64::from(STEPS);
        Self::along(|part| day_density(from + part * step * f64::from(STEPS)), total, length_ns)
    }

    /// `total` starts over `length_ns` along a density over 0 to 1.
    pub fn along(density: impl Fn(f64) -> f64, total: u64, length_ns: u64) -> Self {
        let weights: Vec<f64> =
            (0..STEPS).map(|n| density((f64::from(n) + 0.5) / f64::from(STEPS)).max(0.0)).collect();
        let whole: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let cumulative = weights
            .iter()
            .map(|weight| {
                sum += if whole > 0.0 { weight / whole } else { 1.0 / f64::from(STEPS) };
                sum
            })
            .collect();
        Self { total, length_ns, cumulative }
    }

    /// Starts of the whole curve.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When the curve ends, in nanoseconds from its start.
    pub fn length_ns(&self) -> u64 {
        self.length_ns
    }

    /// When start number `number` (from 0) is meant, in nanoseconds from the beginning. Never falls with the number.
    pub fn moment(&self, number: u64) -> u64 {
        let share = (to_f64(number) + 0.5) / to_f64(self.total.max(1));
        let step = self.cumulative.partition_point(|sum| *sum < share).min(self.cumulative.len() - 1);
        let before = step.checked_sub(1).map_or(0.0, |index| self.cumulative[index]);
        let within = (share - before) / (self.cumulative[step] - before).max(f64::MIN_POSITIVE);
        let part = (to_f64(count(step)) + within.clamp(0.0, 1.0)) / f64::from(STEPS);
        to_u64(part * to_f64(self.length_ns)).min(self.length_ns)
    }

    /// The largest rate of any step, in starts a second.
    pub fn peak_rate(&self) -> f64 {
        let mut before = 0.0;
        let mut peak: f64 = 0.0;
        for sum in &self.cumulative {
            peak = peak.max(sum - before);
            before = *sum;
        }
        let step_seconds = to_f64(self.length_ns) / to_f64(SECOND_NS) / f64::from(STEPS);
        peak * to_f64(self.total) / step_seconds.max(f64::MIN_POSITIVE)
    }

    /// The mean rate, in starts a second.
    pub fn mean_rate(&self) -> f64 {
        crate::num::per_second(self.total, self.length_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts_in(curve: &Curve, from: f64, to: f64) -> u64 {
        let inside = |number: &u64| {
            let part = to_f64(curve.moment(*number)) / to_f64(curve.length_ns());
            part >= from && part < to
        };
        count((0..curve.total()).filter(inside).count())
    }

    #[test]
    fn the_curve_integrates_to_the_planned_total_and_never_falls() {
        let curve = Curve::of_day(DAY_FROM_HOUR, DAY_TO_HOUR, 100_000, 60 * SECOND_NS);
        let moments: Vec<u64> = (0..curve.total()).map(|number| curve.moment(number)).collect();
        assert_eq!(moments.len(), 100_000);
        assert!(moments.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(moments.iter().all(|moment| *moment <= 60 * SECOND_NS));
        assert_eq!(starts_in(&curve, 0.0, 1.1), 100_000);
    }

    #[test]
    fn each_part_holds_its_share_of_the_density() {
        let curve = Curve::of_day(DAY_FROM_HOUR, DAY_TO_HOUR, 120_000, 40 * SECOND_NS);
        for part in 0..12_u32 {
            let hour = DAY_FROM_HOUR + f64::from(part);
            let expected = share_of_day(hour, hour + 1.0) * 120_000.0;
            let found = to_f64(starts_in(&curve, f64::from(part) / 12.0, f64::from(part + 1) / 12.0));
            assert!((found - expected).abs() < 30.0, "hour {hour}: {found} instead of {expected}");
        }
    }

    #[test]
    fn the_peak_hour_holds_about_a_fifth_and_its_minute_about_three_times_its_mean() {
        let share = share_of_day(PEAK_HOUR.0, PEAK_HOUR.1);
        assert!((0.15..0.25).contains(&share), "share {share}");
        let hour = Curve::of_day(PEAK_HOUR.0, PEAK_HOUR.1, 1_000_000, 3_600 * SECOND_NS);
        let over = hour.peak_rate() / hour.mean_rate();
        assert!((2.5..3.5).contains(&over), "peak over mean {over}");
    }

    #[test]
    fn compression_changes_the_rate_and_not_the_total() {
        let long = Curve::of_day(18.0, 22.0, 10_000, 400 * SECOND_NS);
        let short = Curve::of_day(18.0, 22.0, 10_000, 4 * SECOND_NS);
        assert_eq!(long.total(), short.total());
        assert!((short.peak_rate() / long.peak_rate() - 100.0).abs() < 1e-6);
        for number in [0, 1, 5_000, 9_999] {
            assert!(long.moment(number).abs_diff(short.moment(number) * 100) <= 100);
        }
    }

    #[test]
    fn a_density_of_nothing_is_even_and_an_empty_curve_is_empty() {
        let flat = Curve::along(|_| 0.0, 10, 10 * SECOND_NS);
        assert!(flat.moment(5).abs_diff(5_500_000_000) < 1_000);
        assert_eq!(Curve::along(|_| 1.0, 0, SECOND_NS).total(), 0);
    }
}
