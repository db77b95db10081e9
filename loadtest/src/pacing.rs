//! Owns: the open loop: when each request is meant to leave, and whether the tester itself kept up.
//! Must never: shift the plan when the server is slow: latency counts from the intended start, or a stall would
//! hide the requests it delayed.
//! Laws: none.

use hdrhistogram::Histogram;

use crate::arrival::Curve;
use crate::num::{MILLI_NS, SECOND_NS, percent, ratio, to_f64, to_u64};

/// The send lag whose 99th percentile makes a run invalid: past it we measured ourselves.
pub const LAG_P99_LIMIT_NS: u64 = MILLI_NS;

/// The words by which a reader of the reasons knows that the tester was the slow one.
pub const OWN_PLAN: &str = "the tester did not keep its own plan";

/// Unplanned refusals, in per cent of all answers, above which an open-loop run is invalid.
pub const REFUSALS_LIMIT_PERCENT: f64 = 0.1;

/// Share of its rate, in per cent, that a load beside another figure must keep.
pub const RATE_LEAST_PERCENT: f64 = 98.0;

/// When requests are meant to leave.
#[derive(Debug, Clone)]
pub enum Plan {
    /// Evenly, so many in a second, for so long.
    Even {
        /// Requests a second.
        rate: f64,
        /// Length in nanoseconds.
        length_ns: u64,
    },
    /// Along a curve.
    Along(Curve),
}

/// Hands out the intended starts one after another.
#[derive(Debug, Clone)]
pub struct Schedule {
    plan: Plan,
    began: u64,
    next: u64,
    planned: u64,
}

impl Schedule {
    /// Starts a plan at a moment of the run's clock.
    pub fn start(plan: Plan, began: u64) -> Self {
        let planned = match &plan {
            Plan::Even { rate, length_ns } => to_u64(rate * to_f64(*length_ns) / to_f64(SECOND_NS)),
            Plan::Along(curve) => curve.total(),
        };
        Self { plan, began, next: 0, planned }
    }

    /// Requests of the whole plan.
    pub fn planned(&self) -> u64 {
        self.planned
    }

    /// Requests whose start was handed out.
    pub fn started(&self) -> u64 {
        self.next
    }

    /// The intended start of the next request; none when the plan is done.
    pub fn peek(&self) -> Option<u64> {
        (self.next < self.planned).then(|| self.began.saturating_add(self.offset(self.next)))
    }

    /// Takes the next request if it is due, with its intended start.
    pub fn due(&mut self, now: u64) -> Option<u64> {
        let intended = self.peek().filter(|intended| *intended <= now)?;
        self.next += 1;
        Some(intended)
    }

    fn offset(&self, number: u64) -> u64 {
        match &self.plan {
            Plan::Even { rate, .. } => to_u64(to_f64(number) * to_f64(SECOND_NS) / rate),
            Plan::Along(curve) => curve.moment(number),
        }
    }
}

/// Why a run's figures must not be used. Empty: they may.
pub fn invalid_reasons(send_lag: &Histogram<u64>, refusals: u64, answered: u64) -> Vec<String> {
    let mut reasons = Vec::new();
    let lag = if send_lag.is_empty() { 0 } else { send_lag.value_at_quantile(0.99) };
    if lag > LAG_P99_LIMIT_NS {
        reasons
            .push(format!("send lag p99 {:.2} ms is over 1 ms: {OWN_PLAN}", to_f64(lag) / to_f64(MILLI_NS)));
    }
    let share = percent(refusals, answered);
    if share > REFUSALS_LIMIT_PERCENT {
        reasons
            .push(format!("{share:.2} % of the answers were unplanned refusals; at most 0.1 % are accepted"));
    }
    reasons
}

/// Why a load that only had to keep a rate beside another figure did not.
pub fn rate_lost(target: f64, reached: f64) -> Option<String> {
    let percent = 100.0 * ratio(reached, target);
    (percent < RATE_LEAST_PERCENT)
        .then(|| format!("the load beside it reached {reached:.0}/s of {target:.0}/s: less than 98 %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(rate: f64, seconds: u64) -> Schedule {
        Schedule::start(Plan::Even { rate, length_ns: seconds * SECOND_NS }, 1_000)
    }

    #[test]
    fn starts_are_evenly_spread_and_do_not_drift() {
        let mut schedule = even(3.0, 1_000);
        assert_eq!(schedule.planned(), 3_000);
        let mut last = 0;
        let mut handed = 0;
        while let Some(intended) = schedule.due(u64::MAX) {
            assert_eq!(intended, 1_000 + to_u64(to_f64(handed) * 1e9 / 3.0));
            assert!(intended >= last);
            last = intended;
            handed += 1;
        }
        assert_eq!(handed, 3_000);
        assert!(schedule.peek().is_none());
    }

    /// A tester that waits for a stalled server and then goes on from there would report 1 slow request of 100
    /// where customers saw 50: the plan must still hand out every start that passed during the stall.
    #[test]
    fn a_stall_does_not_move_the_intended_starts() {
        let mut schedule = even(100.0, 1);
        for _ in 0..50 {
            assert!(schedule.due(1_000 + SECOND_NS / 2).is_some());
        }
        let after_stall = 1_000 + SECOND_NS;
        let mut late = Vec::new();
        while let Some(intended) = schedule.due(after_stall) {
            late.push(after_stall - intended);
        }
        assert_eq!(late.len(), 50);
        assert_eq!(late[0], SECOND_NS / 2);
        assert_eq!(late[49], SECOND_NS / 100);
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let mut schedule = even(10.0, 1);
        assert_eq!(schedule.due(999), None);
        assert_eq!(schedule.due(1_000), Some(1_000));
        assert_eq!(schedule.due(1_000 + SECOND_NS / 10 - 1), None);
        assert_eq!(schedule.started(), 1);
    }

    #[test]
    fn lag_and_refusals_make_a_run_invalid_and_it_says_why() {
        let mut lag = Histogram::<u64>::new_with_bounds(1, 60 * SECOND_NS, 3).unwrap();
        assert!(invalid_reasons(&lag, 0, 0).is_empty());
        lag.record_n(900_000, 990).unwrap();
        lag.record_n(5_000_000, 10).unwrap();
        assert!(invalid_reasons(&lag, 1, 1_000).is_empty(), "0.1 % is still accepted");
        lag.record_n(5_000_000, 5).unwrap();
        let reasons = invalid_reasons(&lag, 11, 1_000);
        assert_eq!(reasons.len(), 2);
        assert!(reasons[0].contains("send lag p99 5.00 ms"), "{reasons:?}");
        assert!(reasons[1].contains("1.10 %"), "{reasons:?}");
    }
    #[test]
    fn a_load_beside_a_figure_must_keep_its_rate() {
        assert_eq!(rate_lost(2_000.0, 1_960.0), None);
        assert!(rate_lost(2_000.0, 1_959.0).unwrap().contains("1959/s of 2000/s"));
    }
}
