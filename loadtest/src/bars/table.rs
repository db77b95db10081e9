//! Owns: the table of bars and the verdict on each, computed from the figures of their lanes.
//! Must never: look at anything but figures; a missing lane makes a bar `missing`, never `ok`.
//! Laws: none.

use serde::{Deserialize, Serialize};

use crate::lanes::{READ_SECONDS, SAME_WRITES, WRITE_BYTES};
use crate::num::ratio;
use crate::report::figures::LaneFigures;
use crate::stats::{Spread, spread};

/// Echo round trips a second over 64 connections on the machine for which absolute bars are written.
pub const REFERENCE_ECHO: f64 = 140_000.0;

/// Bytes of a wallet's slot, by the layout that the server documents.
const WALLET_BYTES: f64 = 64.0;

/// Bytes of an id that a wallet remembers, by the same.
const ID_BYTES: f64 = 24.0;

/// Which way is better, and what is compared with the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// The value must be at least the bar; the bar shrinks with the machine's echo.
    RateAtLeast,
    /// The value must be at most the bar.
    AtMost,
    /// Value over limit must be at least the bar.
    RatioAtLeast,
    /// Value over limit must be at most the bar.
    RatioAtMost,
    /// Nothing must be reached: the value is shown, not judged.
    Figure,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct BarSpec {
    /// Name of the line.
    pub name: &'static str,
    /// Name of the lanes that measure it.
    pub lanes: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// Unit of value and limit.
    pub unit: &'static str,
    compare: Compare,
    /// What must be reached; of a figure: nothing, 0.
    pub bar: f64,
    /// What would be better still.
    pub stretch: Option<f64>,
    value: fn(&RunLanes<'_>) -> Option<f64>,
    limit: fn(&RunLanes<'_>) -> Option<f64>,
}

/// The lanes of one bar in one run.
pub struct RunLanes<'a> {
    lanes: Vec<&'a LaneFigures>,
}

impl RunLanes<'_> {
    fn part(&self, part: &str) -> Option<&LaneFigures> {
        self.lanes.iter().find(|lane| lane.part == part).copied()
    }

    fn value(&self, part: &str, name: &str) -> Option<f64> {
        self.part(part)?.values.get(name).copied()
    }
}

fn server_rate(run: &RunLanes<'_>) -> Option<f64> {
    Some(run.part("server")?.per_second)
}

fn echo_rate(run: &RunLanes<'_>) -> Option<f64> {
    Some(run.part("echo")?.per_second)
}

/// Nothing simpler that the machine could be asked for is the same work: channels, adoption and revocation are the
/// server's own.
fn none(_: &RunLanes<'_>) -> Option<f64> {
    None
}

/// The table. Order is the order of the issue.
pub const BARS: [BarSpec; 18] = [
    BarSpec {
        name: "bulk",
        lanes: "bulk",
        what: "4 connections, frames of 2,000 one-line purchases, 2 frames in flight",
        unit: "purchases/s",
        compare: Compare::RateAtLeast,
        bar: 1_500_000.0,
        stretch: Some(3_000_000.0),
        value: server_rate,
        limit: echo_rate,
    },
    BarSpec {
        name: "bulk-one",
        lanes: "bulk-one",
        what: "1 connection, one frame of 1,000 in flight",
        unit: "purchases/s",
        compare: Compare::RateAtLeast,
        bar: 700_000.0,
        stretch: Some(1_500_000.0),
        value: server_rate,
        limit: echo_rate,
    },
    BarSpec {
        name: "taps-4096",
        lanes: "taps-4096",
        what: "4,096 connections, one tap in flight each, against TCP echo with the same",
        unit: "taps/s",
        compare: Compare::RatioAtLeast,
        bar: 0.8,
        stretch: Some(1.0),
        value: server_rate,
        limit: echo_rate,
    },
    BarSpec {
        name: "taps-64",
        lanes: "taps-64",
        what: "64 connections, one tap in flight each, against TCP echo with the same",
        unit: "taps/s",
        compare: Compare::RatioAtLeast,
        bar: 0.5,
        stretch: Some(0.65),
        value: server_rate,
        limit: echo_rate,
    },
    BarSpec {
        name: "lone",
        lanes: "lone",
        what: "one terminal, p50, against p50 of a bare 4 KiB append + flush plus p50 of a lone echo",
        unit: "us",
        compare: Compare::RatioAtMost,
        bar: 1.0,
        stretch: Some(0.85),
        value: |run| Some(run.part("server")?.latency_us.p50),
        limit: |run| Some(run.part("disk")?.latency_us.p50 + run.part("echo")?.latency_us.p50),
    },
    BarSpec {
        name: "open-2000 p50",
        lanes: "open-2000",
        what: "open loop, 2,000/s over 500 connections, against echo with append + flush at the same rate",
        unit: "us",
        compare: Compare::RatioAtMost,
        bar: 2.0,
        stretch: Some(1.5),
        value: |run| Some(run.part("server")?.latency_us.p50),
        limit: |run| Some(run.part("echo-flush")?.latency_us.p50),
    },
    BarSpec {
        name: "open-2000 p99",
        lanes: "open-2000",
        what: "the same, 99th percentile",
        unit: "us",
        compare: Compare::RatioAtMost,
        bar: 3.0,
        stretch: Some(1.5),
        value: |run| Some(run.part("server")?.latency_us.p99),
        limit: |run| Some(run.part("echo-flush")?.latency_us.p99),
    },
    BarSpec {
        name: "open-2000 p99.9",
        lanes: "open-2000",
        what: "the same, 99.9th percentile",
        unit: "us",
        compare: Compare::RatioAtMost,
        bar: 2.0,
        stretch: Some(1.5),
        value: |run| Some(run.part("server")?.latency_us.p999),
        limit: |run| Some(run.part("echo-flush")?.latency_us.p999),
    },
    BarSpec {
        name: "flat",
        lanes: "flat",
        what: "second 10 million records against the first: its limit is the server's own first half",
        unit: "purchases/s",
        compare: Compare::RatioAtLeast,
        bar: 0.9,
        stretch: None,
        value: |run| Some(run.part("second")?.per_second),
        limit: |run| Some(run.part("first")?.per_second),
    },
    BarSpec {
        name: "memory",
        lanes: "memory",
        what: "resident memory of the server per wallet, 500K wallets, 22 remembered ids each, against what their layout \
               needs at least",
        unit: "bytes",
        compare: Compare::AtMost,
        bar: 750.0,
        stretch: Some(700.0),
        value: |run| Some(ratio(run.value("server", "resident_bytes")?, run.value("server", "wallets")?)),
        limit: |run| Some(WALLET_BYTES + ID_BYTES * run.value("server", "remembered_ids")?),
    },
    BarSpec {
        name: "journal",
        lanes: "journal",
        what: "canonical bytes per purchase with three lines, full blocks; device bytes beside",
        unit: "bytes",
        compare: Compare::AtMost,
        bar: 200.0,
        stretch: Some(150.0),
        value: |run| Some(ratio(run.value("server", "canonical_bytes")?, run.value("server", "purchases")?)),
        limit: |run| Some(ratio(run.value("server", "device_bytes")?, run.value("server", "purchases")?)),
    },
    BarSpec {
        name: "replay",
        lanes: "replay",
        what: "full replay from empty, warm cache, chain verified, against reading and hashing as many bytes",
        unit: "records/s",
        compare: Compare::RateAtLeast,
        bar: 1_500_000.0,
        stretch: Some(3_000_000.0),
        value: |run| Some(ratio(run.value("server", "records")?, run.value("server", "replay_seconds")?)),
        limit: |run| Some(ratio(run.value("server", "records")?, run.value("read-and-hash", READ_SECONDS)?)),
    },
    BarSpec {
        name: "transfers",
        lanes: "transfers",
        what: "4 connections, frames of 500 between random wallets, counted once durable on both sides",
        unit: "transfers/s",
        compare: Compare::Figure,
        bar: 0.0,
        stretch: None,
        value: |run| Some(ratio(run.value("server", "transfers")?, run.value("server", "settled_seconds")?)),
        limit: none,
    },
    BarSpec {
        name: "channels",
        lanes: "transfers",
        what: "state of the channels between all shards at rest, after those transfers",
        unit: "bytes",
        compare: Compare::AtMost,
        bar: 1_048_576.0,
        stretch: None,
        value: |run| run.value("server", "channel_bytes"),
        limit: none,
    },
    BarSpec {
        name: "mixed",
        lanes: "mixed",
        what: "64 connections, one tap in flight each, 1 % of them transfers: its limit is the server itself without them",
        unit: "taps/s",
        compare: Compare::RatioAtLeast,
        bar: 0.9,
        stretch: None,
        value: server_rate,
        limit: |run| Some(run.part("none")?.per_second),
    },
    BarSpec {
        name: "adopt",
        lanes: "adopt",
        what: "`fanfare festival apply` of another price until every shard has adopted it, at 2,000 taps/s",
        unit: "ms",
        compare: Compare::AtMost,
        bar: 1_000.0,
        stretch: None,
        value: |run| run.value("server", "adopted_ms"),
        limit: none,
    },
    BarSpec {
        name: "adopt-full",
        lanes: "adopt-full",
        what: "the same of a revoked device, beside 4,096 connections, one tap in flight each, as hard as it goes",
        unit: "ms",
        compare: Compare::AtMost,
        bar: 1_000.0,
        stretch: None,
        value: |run| run.value("server", "adopted_ms"),
        limit: none,
    },
    BarSpec {
        name: "revoke",
        lanes: "adopt-full",
        what: "from that apply until the device, on a connection that was open before, is refused by every shard",
        unit: "ms",
        compare: Compare::AtMost,
        bar: 1_000.0,
        stretch: None,
        value: |run| run.value("server", "revoked_ms"),
        limit: none,
    },
];

/// The verdict on a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Reached.
    Ok,
    /// Missed.
    Short,
    /// Measured, but the figures must not be used.
    Invalid,
    /// A lane it needs was not measured.
    Missing,
    /// Measured; there is no bar to reach.
    Figure,
}

impl Status {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Short => "short",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::Figure => "figure",
        }
    }

    /// Whether nothing is wrong: the bar is reached, or there is none.
    pub fn good(self) -> bool {
        matches!(self, Self::Ok | Self::Figure)
    }
}

/// What the disk alone needs for the writes of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DiskBeside {
    /// Bytes of an append: the server's mean.
    pub write_bytes: Spread,
    /// Appends a second: the server's mean.
    pub per_second: Spread,
    /// Time of an append with its flush, from its intended start, in microseconds: half are faster.
    pub p50_us: Spread,
    /// 99 of 100 are faster.
    pub p99_us: Spread,
}

impl DiskBeside {
    /// From all lanes of a bar; none when it has no such lane.
    fn of(lanes: &[&LaneFigures]) -> Option<Self> {
        let over = |figure: fn(&LaneFigures) -> Option<f64>| {
            let mine = lanes.iter().filter(|lane| lane.part.starts_with(SAME_WRITES));
            spread(&mine.filter_map(|lane| figure(lane)).collect::<Vec<_>>())
        };
        Some(Self {
            write_bytes: over(|lane| lane.values.get(WRITE_BYTES).copied())?,
            per_second: over(|lane| lane.target_per_second)?,
            p50_us: over(|lane| Some(lane.latency_us.p50))?,
            p99_us: over(|lane| Some(lane.latency_us.p99))?,
        })
    }
}

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BarLine {
    /// Name of the line.
    pub name: String,
    /// What was measured.
    pub what: String,
    /// Unit of value and limit.
    pub unit: String,
    /// Over the runs.
    pub value: Option<Spread>,
    /// What stands beside it, over the same runs: the machine's own figure where there is one, else what `what` names;
    /// none where nothing simpler is the same work.
    pub limit: Option<Spread>,
    /// Value over limit, each run by itself: the median of pairs measured side by side, not the quotient of two
    /// medians, because machines drift between runs.
    pub ratio: Option<Spread>,
    /// The disk, appending and flushing as much at a time and as often as the server's journal did.
    #[serde(default)]
    pub disk: Option<DiskBeside>,
    /// What was to be reached, in words.
    pub bar: String,
    /// What is compared with the bar, over the bar: above 1 is better for a least, worse for a most.
    pub of_bar: f64,
    /// Whether the stretch was reached too.
    pub stretch: Option<bool>,
    /// The largest steal of any lane of it, in per cent.
    pub steal_percent: f64,
    /// Runs.
    pub runs: u32,
    /// The verdict.
    pub status: Status,
    /// Why it is invalid, or how the bar was scaled.
    pub notes: Vec<String>,
}

/// Judges every bar of which at least one lane was measured.
pub fn bar_lines(lanes: &[LaneFigures]) -> Vec<BarLine> {
    let measured = |spec: &&BarSpec| lanes.iter().any(|lane| lane.name == spec.lanes);
    BARS.iter().filter(measured).map(|spec| bar_line(spec, lanes)).collect()
}

fn bar_line(spec: &BarSpec, lanes: &[LaneFigures]) -> BarLine {
    let mine: Vec<&LaneFigures> = lanes.iter().filter(|lane| lane.name == spec.lanes).collect();
    let mut numbers: Vec<u32> = mine.iter().map(|lane| lane.run).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let runs: Vec<RunLanes<'_>> = numbers
        .iter()
        .map(|run| RunLanes { lanes: mine.iter().filter(|lane| lane.run == *run).copied().collect() })
        .collect();
    let values: Vec<f64> = runs.iter().filter_map(spec.value).collect();
    let limits: Vec<f64> = runs.iter().filter_map(spec.limit).collect();
    let pair = |run| Some(ratio((spec.value)(run)?, (spec.limit)(run)?));
    let ratios: Vec<f64> = runs.iter().filter_map(pair).collect();
    let (mut needed, mut notes) = (spec.bar, Vec::new());
    let mut stretch_needed = spec.stretch;
    if spec.compare == Compare::RateAtLeast {
        let scale = echo_scale(&mine, &mut notes);
        needed *= scale;
        stretch_needed = stretch_needed.map(|stretch| stretch * scale);
    }
    for lane in &mine {
        let told = |reason: &String| format!("run {} {}: {reason}", lane.run, lane.part);
        notes.extend(lane.invalid.iter().map(told));
    }
    let judged = match spec.compare {
        Compare::RatioAtLeast | Compare::RatioAtMost => spread(&ratios),
        _ => spread(&values),
    };
    let judged = judged.map(|judged| judged.median).filter(|_| values.len() == runs.len());
    BarLine {
        name: spec.name.to_owned(),
        what: spec.what.to_owned(),
        unit: spec.unit.to_owned(),
        value: spread(&values),
        limit: spread(&limits),
        ratio: spread(&ratios),
        disk: DiskBeside::of(&mine),
        bar: spec.words(needed),
        of_bar: ratio(judged.unwrap_or(0.0), needed),
        stretch: judged.zip(stretch_needed).map(|(judged, stretch)| spec.reached(judged, stretch)),
        steal_percent: mine.iter().map(|lane| lane.steal_percent).fold(0.0, f64::max),
        runs: u32::try_from(runs.len()).unwrap_or(u32::MAX),
        status: spec.status(judged, needed, mine.iter().any(|lane| !lane.invalid.is_empty())),
        notes,
    }
}

/// Absolute rates hold on a machine whose echo reads the reference or more; on a slower one they shrink with it.
fn echo_scale(lanes: &[&LaneFigures], notes: &mut Vec<String>) -> f64 {
    let echoes: Vec<f64> =
        lanes.iter().filter(|lane| lane.part == "echo-64").map(|lane| lane.per_second).collect();
    let Some(echo) = spread(&echoes) else {
        notes.push("not scaled: echo at 64 connections was not measured in these runs".to_owned());
        return 1.0;
    };
    let scale = (echo.median / REFERENCE_ECHO).min(1.0);
    if scale < 1.0 {
        notes.push(format!(
            "bar scaled to {:.0} % : echo at 64 connections reads {:.0}/s here, the bar is written for {REFERENCE_ECHO:.0}/s",
            scale * 100.0,
            echo.median
        ));
    }
    scale
}

impl BarSpec {
    fn reached(&self, judged: f64, needed: f64) -> bool {
        match self.compare {
            Compare::RateAtLeast | Compare::RatioAtLeast => judged >= needed,
            Compare::AtMost | Compare::RatioAtMost => judged <= needed,
            Compare::Figure => true,
        }
    }

    fn status(&self, judged: Option<f64>, needed: f64, invalid: bool) -> Status {
        match judged {
            None => Status::Missing,
            Some(_) if invalid => Status::Invalid,
            Some(_) if self.compare == Compare::Figure => Status::Figure,
            Some(judged) if self.reached(judged, needed) => Status::Ok,
            Some(_) => Status::Short,
        }
    }

    fn words(&self, needed: f64) -> String {
        match self.compare {
            Compare::RateAtLeast => format!(">= {needed:.0} {}", self.unit),
            Compare::AtMost => format!("<= {needed:.0} {}", self.unit),
            Compare::RatioAtLeast => format!(">= {needed:.2} x limit"),
            Compare::RatioAtMost => format!("<= {needed:.2} x limit"),
            Compare::Figure => "a figure, no bar".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
