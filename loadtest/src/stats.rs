//! Owns: what a run counts and times: answers by class and code, latency and send lag per interval, spread over runs.
//! Must never: mix declines with refusals, or drop a latency because it is large.
//! Laws: none.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::error::{LoadError, Result};
use crate::num::SECOND_NS;

/// Longest latency that is told apart, in nanoseconds: 2 minutes. A longer one counts as this.
pub const LONGEST_NS: u64 = 120 * SECOND_NS;

const CLASSES: usize = 5;
const CODES: usize = 256;

/// The class of an answer: it happened.
pub const APPLIED: u8 = 0;
/// The class of an answer: a decided no, recorded.
pub const DECLINED: u8 = 1;
/// The class of an answer: a no without a record.
pub const REFUSED: u8 = 2;
/// The class of an answer: neither yes nor no.
pub const UNKNOWN: u8 = 3;
/// The class of an answer: something read.
pub const READ: u8 = 4;

/// A histogram of nanoseconds with three significant digits, values to two minutes.
pub fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3)
        .map_err(|error| LoadError::Arguments(format!("no histogram: {error}")))
}

/// The value below which a share of all values lie; 0 for an empty histogram.
pub fn quantile(histogram: &Histogram<u64>, share: f64) -> u64 {
    if histogram.is_empty() { 0 } else { histogram.value_at_quantile(share) }
}

/// Answers by class and code, in a flat table so that counting costs one addition.
#[derive(Clone, PartialEq, Eq)]
pub struct Counts {
    table: Vec<u64>,
}

/// One line of a count: how many answers of a class had a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeCount {
    /// Class of the answer.
    pub class: u8,
    /// Its code.
    pub code: u16,
    /// How many.
    pub count: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { table: vec![0; CLASSES * CODES] }
    }
}

impl Counts {
    /// Counts answers of one kind. A class or code outside the protocol is counted under the last place of its
    /// table, never lost.
    pub fn add(&mut self, class: u8, code: u16, times: u64) {
        let class = usize::from(class).min(CLASSES - 1);
        let code = usize::from(code).min(CODES - 1);
        if let Some(place) = self.table.get_mut(class * CODES + code) {
            *place += times;
        }
    }

    /// Adds another table.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.table.iter_mut().zip(&other.table) {
            *mine += theirs;
        }
    }

    /// Answers of one class.
    pub fn of_class(&self, class: u8) -> u64 {
        let from = usize::from(class) * CODES;
        self.table.get(from..from + CODES).map_or(0, |codes| codes.iter().sum())
    }

    /// Answers with one code of one class.
    pub fn of(&self, class: u8, code: u16) -> u64 {
        self.table.get(usize::from(class) * CODES + usize::from(code)).copied().unwrap_or(0)
    }

    /// All answers.
    pub fn total(&self) -> u64 {
        self.table.iter().sum()
    }

    /// The lines that are not zero, by class and code.
    pub fn lines(&self) -> Vec<CodeCount> {
        let line = |(place, count): (usize, &u64)| CodeCount {
            class: u8::try_from(place / CODES).unwrap_or(u8::MAX),
            code: u16::try_from(place % CODES).unwrap_or(u16::MAX),
            count: *count,
        };
        self.table.iter().enumerate().filter(|(_, count)| **count > 0).map(line).collect()
    }

    /// The table with these lines.
    pub fn from_lines(lines: &[CodeCount]) -> Self {
        let mut counts = Self::default();
        for line in lines {
            counts.add(line.class, line.code, line.count);
        }
        counts
    }
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

/// One stretch of a run.
#[derive(Debug, Clone)]
pub struct Interval {
    /// Start on the run's clock.
    pub began_ns: u64,
    /// End on the run's clock.
    pub ended_ns: u64,
    /// Requests sent.
    pub sent: u64,
    /// Answers by class and code.
    pub counts: Counts,
    /// From the intended start (open loop) or the send (closed loop) to the answer.
    pub latency: Histogram<u64>,
    /// From the intended start to the send; empty in a closed loop.
    pub lag: Histogram<u64>,
}

/// Collects a run interval by interval.
#[derive(Debug)]
pub struct Recorder {
    length_ns: u64,
    empty: Histogram<u64>,
    current: Interval,
    done: Vec<Interval>,
}

impl Recorder {
    /// Starts recording at a moment; intervals are `length_ns` long.
    pub fn start(began_ns: u64, length_ns: u64) -> Result<Self> {
        let empty = histogram()?;
        let current = Self::blank(&empty, began_ns);
        Ok(Self { length_ns: length_ns.max(1), empty, current, done: Vec::new() })
    }

    fn blank(empty: &Histogram<u64>, began_ns: u64) -> Interval {
        Interval {
            began_ns,
            ended_ns: began_ns,
            sent: 0,
            counts: Counts::default(),
            latency: empty.clone(),
            lag: empty.clone(),
        }
    }

    /// Forgets everything so far: what came before was warming up.
    pub fn restart(&mut self, now: u64) {
        self.done.clear();
        self.current = Self::blank(&self.empty, now);
    }

    /// Closes the interval when its time is over. Call once per turn of the loop.
    pub fn turn(&mut self, now: u64) {
        while now >= self.current.began_ns.saturating_add(self.length_ns) {
            self.close(self.current.began_ns + self.length_ns);
        }
    }

    fn close(&mut self, end: u64) {
        self.current.ended_ns = end;
        let next = Self::blank(&self.empty, end);
        self.done.push(std::mem::replace(&mut self.current, next));
    }

    /// Requests left.
    pub fn sent(&mut self, requests: u64) {
        self.current.sent += requests;
    }

    /// Requests left later than intended, by so much.
    pub fn lagged(&mut self, lag_ns: u64, requests: u64) {
        self.current.lag.saturating_record_n(lag_ns.max(1), requests);
    }

    /// Answers of one kind came, all after the same time.
    pub fn answered(&mut self, class: u8, code: u16, latency_ns: u64, answers: u64) {
        self.current.counts.add(class, code, answers);
        self.current.latency.saturating_record_n(latency_ns.max(1), answers);
    }

    /// Answers so far, of all intervals.
    pub fn answers(&self) -> u64 {
        self.done.iter().map(|interval| interval.counts.total()).sum::<u64>() + self.current.counts.total()
    }

    /// The counts of everything so far.
    pub fn counts(&self) -> Counts {
        let mut sum = self.current.counts.clone();
        for interval in &self.done {
            sum.merge(&interval.counts);
        }
        sum
    }

    /// Ends the recording; the last interval may be shorter than the others.
    pub fn finish(mut self, now: u64) -> Vec<Interval> {
        self.turn(now);
        if now > self.current.began_ns && (self.current.counts.total() > 0 || self.current.sent > 0) {
            self.close(now);
        }
        self.done
    }
}

/// The middle and the ends of a figure over several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle run; the mean of the two middle ones when their number is even.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Median and ends; none without values.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    let median = if sorted.len().is_multiple_of(2) {
        f64::midpoint(*sorted.get(half.checked_sub(1)?)?, upper)
    } else {
        upper
    };
    Some(Spread { median, min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declines_and_refusals_are_counted_apart_and_nothing_is_lost() {
        let mut counts = Counts::default();
        counts.add(APPLIED, 0, 10);
        counts.add(APPLIED, 4, 2);
        counts.add(DECLINED, 4, 3);
        counts.add(REFUSED, 74, 1);
        counts.add(9, 9_999, 1);
        assert_eq!((counts.of_class(APPLIED), counts.of(APPLIED, 4)), (12, 2));
        assert_eq!((counts.of_class(DECLINED), counts.of_class(REFUSED)), (3, 1));
        assert_eq!(counts.total(), 17);
        assert_eq!(Counts::from_lines(&counts.lines()), counts);
        let mut twice = counts.clone();
        twice.merge(&counts);
        assert_eq!(twice.total(), 34);
    }

    #[test]
    fn intervals_hold_what_happened_in_them() {
        let mut recorder = Recorder::start(1_000, 100).unwrap();
        recorder.sent(1);
        recorder.answered(APPLIED, 0, 50, 1);
        recorder.turn(1_099);
        recorder.answered(DECLINED, 1, 60, 2);
        recorder.turn(1_250);
        recorder.answered(APPLIED, 0, 70, 4);
        recorder.lagged(5, 4);
        assert_eq!(recorder.answers(), 7);
        let intervals = recorder.finish(1_260);
        let bounds: Vec<_> = intervals.iter().map(|i| (i.began_ns, i.ended_ns, i.counts.total())).collect();
        assert_eq!(bounds, [(1_000, 1_100, 3), (1_100, 1_200, 0), (1_200, 1_260, 4)]);
        assert_eq!(intervals[2].lag.len(), 4);
        assert_eq!(intervals[0].latency.max(), 60);
    }

    #[test]
    fn warming_up_is_forgotten() {
        let mut recorder = Recorder::start(0, 10).unwrap();
        recorder.answered(APPLIED, 0, 5, 100);
        recorder.turn(25);
        recorder.restart(25);
        recorder.answered(APPLIED, 0, 5, 1);
        assert_eq!(recorder.counts().total(), 1);
        assert_eq!(recorder.finish(30).len(), 1);
    }

    #[test]
    fn a_very_long_latency_is_kept_as_the_longest() {
        let mut recorder = Recorder::start(0, 10).unwrap();
        recorder.answered(APPLIED, 0, u64::MAX, 1);
        let intervals = recorder.finish(5);
        assert!(quantile(&intervals[0].latency, 1.0) >= LONGEST_NS);
        assert_eq!(quantile(&histogram().unwrap(), 0.5), 0);
    }

    #[test]
    fn medians_of_odd_even_and_no_runs() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }
}
