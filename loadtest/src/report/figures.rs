//! Owns: every figure of a report, computed from the raw log and from nothing else.
//! Must never: read a clock, the machine or an earlier report: the same log gives the same figures, byte for byte.
//! Laws: none.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::bars::table::{BarLine, bar_lines};
use crate::error::Result;
use crate::lanes::PREPARE;
use crate::machine::MachineFacts;
use crate::num::{SECOND_NS, micros, per_second, percent, to_f64};
use crate::pacing;
use crate::rawlog::{Role, Run, RunLane};
use crate::stats::{Counts, DECLINED, Interval, REFUSED, Spread, UNKNOWN, histogram, quantile, spread};

/// Everything a report says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Format of the raw log it was computed from.
    pub format: u32,
    /// `bars`, `limits` or the name of a profile.
    pub kind: String,
    /// The title.
    pub title: String,
    /// The command that was run.
    pub command: String,
    /// What was asked for.
    pub parameters: BTreeMap<String, String>,
    /// The machine.
    pub machine: MachineFacts,
    /// The table of bars; empty for other runs.
    pub bars: Vec<BarLine>,
    /// Each lane over its runs, in the order in which they first ran; empty for bars, whose table says the same.
    #[serde(default)]
    pub over_runs: Vec<LaneSpread>,
    /// All lanes, in the order in which they ran.
    pub lanes: Vec<LaneFigures>,
    /// Whether `fanfare verify` accepted the journal: by name, with what it said.
    pub journal: BTreeMap<String, JournalFigures>,
    /// Whether the figures may be used.
    pub valid: bool,
}

impl Report {
    /// Whether anything was run more than once.
    pub fn has_several_runs(&self) -> bool {
        self.over_runs.iter().any(|lane| lane.runs > 1)
    }
}

/// What `fanfare verify --json` said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalFigures {
    /// It ended with success.
    pub verified: bool,
    /// Its own words.
    pub said: serde_json::Value,
}

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half are faster.
    pub p50: f64,
    /// Nine of ten are faster.
    pub p90: f64,
    /// 99 of 100 are faster.
    pub p99: f64,
    /// 999 of 1,000 are faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

impl Latency {
    /// The percentiles of a histogram of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |share| micros(quantile(histogram, share));
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

/// Answers with one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeFigures {
    /// Name of the class.
    pub class: String,
    /// Number of the code.
    pub code: u16,
    /// Name of the code.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// One moment of a plot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The middle of the interval, in seconds from the lane's start.
    pub seconds: f64,
    /// Requests sent a second.
    pub sent_per_second: f64,
    /// Answers a second.
    pub per_second: f64,
    /// Latency in the interval.
    pub latency_us: Latency,
    /// Declines in the interval.
    pub declines: u64,
    /// Refusals in the interval.
    pub refusals: u64,
}

/// The figures of one lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneFigures {
    /// Which figure it belongs to.
    pub name: String,
    /// Which part of it.
    pub part: String,
    /// Server or limit.
    pub role: Role,
    /// Which run, from 1.
    pub run: u32,
    /// What was done.
    pub what: String,
    /// How long it was measured.
    pub seconds: f64,
    /// Requests sent.
    pub sent: u64,
    /// Answers.
    pub answered: u64,
    /// Answers a second.
    pub per_second: f64,
    /// What an open loop intended, a second.
    pub target_per_second: Option<f64>,
    /// Latency over the whole lane.
    pub latency_us: Latency,
    /// 99th percentile of the send lag; absent in a closed loop.
    pub send_lag_p99_us: Option<f64>,
    /// Time the host took from this machine.
    pub steal_percent: f64,
    /// Time in which no processor did anything.
    pub idle_percent: f64,
    /// Recorded noes.
    pub declines: u64,
    /// Noes without a record.
    pub refusals: u64,
    /// Answers that were neither yes nor no.
    pub unknowns: u64,
    /// All answers by code.
    pub codes: Vec<CodeFigures>,
    /// Single measurements.
    pub values: BTreeMap<String, f64>,
    /// Why the figures must not be used; empty: they may.
    pub invalid: Vec<String>,
    /// The lane over time.
    pub over_time: Vec<Point>,
}

impl LaneFigures {
    /// Whether the two are runs of one lane.
    fn is_of(&self, other: &Self) -> bool {
        (&self.name, &self.part, self.role) == (&other.name, &other.part, other.role)
    }

    /// Answers a second in its busiest interval.
    pub fn busiest(&self) -> f64 {
        self.over_time.iter().map(|point| point.per_second).fold(0.0, f64::max)
    }
}

/// The figures of one lane over all runs of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneSpread {
    /// Which figure it belongs to.
    pub name: String,
    /// Which part of it.
    pub part: String,
    /// Server or limit.
    pub role: Role,
    /// How many runs.
    pub runs: u32,
    /// Whether it was asked at a rate of its own, however fast it was answered.
    pub open: bool,
    /// Answers a second.
    pub per_second: Spread,
    /// Answers a second in the busiest interval of each run.
    pub busiest_per_second: Spread,
    /// Half are faster, in microseconds.
    pub p50_us: Spread,
    /// 99 of 100 are faster.
    pub p99_us: Spread,
    /// 999 of 1,000 are faster.
    pub p999_us: Spread,
    /// The largest steal of any run, in per cent.
    pub steal_percent: f64,
}

impl LaneSpread {
    /// Over all runs of the lane that `first` is one of.
    fn of(first: &LaneFigures, lanes: &[LaneFigures]) -> Option<Self> {
        let mine: Vec<&LaneFigures> = lanes.iter().filter(|lane| lane.is_of(first)).collect();
        let over = |figure: fn(&LaneFigures) -> f64| {
            spread(&mine.iter().map(|lane| figure(lane)).collect::<Vec<_>>())
        };
        Some(Self {
            name: first.name.clone(),
            part: first.part.clone(),
            role: first.role,
            runs: u32::try_from(mine.len()).unwrap_or(u32::MAX),
            open: first.target_per_second.is_some(),
            per_second: over(|lane| lane.per_second)?,
            busiest_per_second: over(LaneFigures::busiest)?,
            p50_us: over(|lane| lane.latency_us.p50)?,
            p99_us: over(|lane| lane.latency_us.p99)?,
            p999_us: over(|lane| lane.latency_us.p999)?,
            steal_percent: mine.iter().map(|lane| lane.steal_percent).fold(0.0, f64::max),
        })
    }
}

/// Opening the wallets and filling them is no figure.
fn over_runs(lanes: &[LaneFigures]) -> Vec<LaneSpread> {
    let mut firsts: Vec<&LaneFigures> = Vec::new();
    for lane in lanes.iter().filter(|lane| lane.name != PREPARE) {
        if !firsts.iter().any(|first| first.is_of(lane)) {
            firsts.push(lane);
        }
    }
    firsts.into_iter().filter_map(|first| LaneSpread::of(first, lanes)).collect()
}

/// Computes the report of a run.
pub fn compute(run: &Run) -> Result<Report> {
    let lanes = run.lanes.iter().map(lane_figures).collect::<Result<Vec<_>>>()?;
    let journal = run.verified.iter().map(|(name, said)| (name.clone(), journal_figures(said))).collect();
    let of_bars = run.facts.kind == "bars";
    let bars = if of_bars { bar_lines(&lanes) } else { Vec::new() };
    let over_runs = if of_bars { Vec::new() } else { over_runs(&lanes) };
    let valid = lanes.iter().all(|lane| lane.invalid.is_empty());
    Ok(Report {
        format: run.facts.format,
        kind: run.facts.kind.clone(),
        title: run.facts.title.clone(),
        command: run.facts.command.clone(),
        parameters: run.facts.parameters.clone(),
        machine: run.facts.machine.clone(),
        bars,
        over_runs,
        lanes,
        journal,
        valid,
    })
}

fn journal_figures(said: &serde_json::Value) -> JournalFigures {
    let verified = said.get("exit").and_then(serde_json::Value::as_i64) == Some(0);
    let mut said = said.get("said").cloned().unwrap_or_default();
    if let Some(said) = said.as_object_mut() {
        // Thousands of stripes and the shards' hashes: they stay in the raw log.
        said.remove("accounts");
        said.remove("states");
    }
    JournalFigures { verified, said }
}

fn lane_figures(lane: &RunLane) -> Result<LaneFigures> {
    let facts = &lane.facts;
    let (mut latency, mut lag) = (histogram()?, histogram()?);
    let mut counts = Counts::default();
    for interval in &lane.intervals {
        // Same bounds everywhere, so adding can't fail; a log with other bounds was refused when it was read.
        let _ = latency.add(&interval.latency);
        let _ = lag.add(&interval.lag);
        counts.merge(&interval.counts);
    }
    let length = facts.ended_ns.saturating_sub(facts.began_ns);
    Ok(LaneFigures {
        name: facts.name.clone(),
        part: facts.part.clone(),
        role: facts.role,
        run: facts.run,
        what: facts.what.clone(),
        seconds: to_f64(length) / to_f64(SECOND_NS),
        sent: lane.intervals.iter().map(|interval| interval.sent).sum(),
        answered: counts.total(),
        per_second: per_second(counts.total(), length),
        target_per_second: facts.target_rate,
        latency_us: Latency::of(&latency),
        send_lag_p99_us: facts.target_rate.map(|_| micros(quantile(&lag, 0.99))),
        steal_percent: facts.cpu.steal_percent(),
        idle_percent: percent(facts.cpu.idle, facts.cpu.total),
        declines: counts.of_class(DECLINED),
        refusals: counts.of_class(REFUSED),
        unknowns: counts.of_class(UNKNOWN),
        codes: code_figures(&counts),
        values: facts.values.clone(),
        invalid: invalid_reasons(lane, &counts, &lag),
        over_time: lane.intervals.iter().map(|interval| point(interval, facts.began_ns)).collect(),
    })
}

/// Where declines are not planned none may come, nor a refusal; an open loop must have kept its plan in any case, or
/// its rate where its latencies are no figure.
fn invalid_reasons(lane: &RunLane, counts: &Counts, lag: &Histogram<u64>) -> Vec<String> {
    let mut reasons = lane.facts.invalid.clone();
    let (declines, refusals) =
        (counts.of_class(DECLINED), counts.of_class(REFUSED) + counts.of_class(UNKNOWN));
    if lane.facts.declines_planned {
        let busy = counts.of(REFUSED, wire::Refusal::Busy.number());
        let planned = if lane.facts.busy_planned { busy } else { 0 };
        reasons.extend(pacing::invalid_reasons(lag, refusals - planned, counts.total()));
        return reasons;
    }
    if lane.facts.load_beside {
        let length = lane.facts.ended_ns.saturating_sub(lane.facts.began_ns);
        let reached = per_second(counts.total(), length);
        reasons.extend(lane.facts.target_rate.and_then(|target| pacing::rate_lost(target, reached)));
    } else {
        reasons.extend(pacing::invalid_reasons(lag, 0, counts.total()));
    }
    if declines + refusals > 0 {
        reasons.push(format!("{declines} declines and {refusals} refusals; this lane accepts none"));
    }
    reasons
}

fn code_figures(counts: &Counts) -> Vec<CodeFigures> {
    let figures = |line: crate::stats::CodeCount| CodeFigures {
        class: super::names::class_name(line.class).to_owned(),
        code: line.code,
        name: super::names::code_name(line.code).to_owned(),
        count: line.count,
    };
    counts.lines().into_iter().map(figures).collect()
}

fn point(interval: &Interval, began_ns: u64) -> Point {
    let length = interval.ended_ns - interval.began_ns;
    let middle = interval.began_ns.saturating_sub(began_ns) + length / 2;
    Point {
        seconds: to_f64(middle) / to_f64(SECOND_NS),
        sent_per_second: per_second(interval.sent, length),
        per_second: per_second(interval.counts.total(), length),
        latency_us: Latency::of(&interval.latency),
        declines: interval.counts.of_class(DECLINED),
        refusals: interval.counts.of_class(REFUSED),
    }
}
