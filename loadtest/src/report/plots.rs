//! Owns: which plots a report shows and what is in them.
//! Must never: compute a figure: it draws what is in the report.
//! Laws: none.

use super::figures::{LaneFigures, LaneSpread, Point, Report};
use super::svg::{Bar, Labels, Scale, Series, bars, lines};
use super::text::{in_unit, micros, number};
use crate::lanes::SAME_WRITES;
use crate::num::to_f64;
use crate::rawlog::Role;

fn per_second(value: f64) -> String {
    number(value)
}

fn series(lane: &LaneFigures, name: &str, colour: u8, dashed: bool, pick: impl Fn(&Point) -> f64) -> Series {
    let points = lane.over_time.iter().map(|point| (point.seconds, pick(point))).collect();
    Series { name: name.to_owned(), colour, dashed, points }
}

/// Answers a second over time, with what was sent in an open loop.
pub fn throughput(lane: &LaneFigures) -> String {
    let mut all = vec![series(lane, "answered", 1, false, |point| point.per_second)];
    if lane.target_per_second.is_some() {
        all.insert(0, series(lane, "sent", 2, true, |point| point.sent_per_second));
    }
    let values = lane.over_time.iter().flat_map(|point| [point.per_second, point.sent_per_second]);
    let labels = Labels { title: "Throughput over time", x: "seconds", y: "taps per second" };
    lines(&labels, Scale::linear(values, per_second), &all)
}

/// Percentiles of the latency over time.
pub fn latency(lane: &LaneFigures) -> String {
    let all = [
        series(lane, "p50", 1, false, |point| point.latency_us.p50),
        series(lane, "p99", 2, false, |point| point.latency_us.p99),
        series(lane, "p99.9", 3, false, |point| point.latency_us.p999),
    ];
    // An interval without answers has no latency; a line through zero would claim one.
    let all = all.map(|mut line| {
        line.points.retain(|(_, value)| *value > 0.0);
        line
    });
    let values: Vec<f64> = all.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value)).collect();
    let labels =
        Labels { title: "Latency over time", x: "seconds", y: "from the intended tap to the answer (log)" };
    lines(&labels, Scale::log(values.into_iter(), micros), &all)
}

/// Declines and refusals by reason.
pub fn noes(lane: &LaneFigures) -> String {
    let no = |code: &&super::figures::CodeFigures| code.class != "applied" && code.class != "read";
    let mut codes: Vec<_> = lane.codes.iter().filter(no).collect();
    codes.sort_by_key(|code| std::cmp::Reverse(code.count));
    let bar = |code: &super::figures::CodeFigures| Bar {
        name: code.name.replace('_', " "),
        value: to_f64(code.count),
        words: format!("{} {}", code.count, code.class),
        colour: if code.class == "declined" { 2 } else { 4 },
    };
    let all: Vec<Bar> = codes.into_iter().map(bar).collect();
    bars("Declines and refusals by reason", &all)
}

/// What the machine could do beside what the server did: answers a second, the median of the runs. In an open loop the
/// server does what it is asked, so its busiest moment is shown.
pub fn rates_beside_limits(report: &Report, name: &str) -> String {
    let bar = |lane: &LaneSpread| {
        let (value, what) =
            if lane.open { (lane.busiest_per_second, "busiest moment ") } else { (lane.per_second, "") };
        Bar {
            name: lane_name(lane),
            value: value.median,
            words: format!("{what}{}/s", number(value.median)),
            colour: colour(lane),
        }
    };
    let shown = |lane: &&LaneSpread| {
        lane.name == name && lane.p50_us.max > 0.0 && (lane.role == Role::Measured || !lane.open)
    };
    let all: Vec<Bar> = report.over_runs.iter().filter(shown).map(bar).collect();
    bars("Rates beside the machine's own limits", &all)
}

/// The same for the time one tap takes: p50 and p99 of each lane.
pub fn times_beside_limits(report: &Report, name: &str) -> String {
    let mut all = Vec::new();
    let asked_at_a_rate =
        report.over_runs.iter().any(|lane| lane.name == name && lane.role == Role::Measured && lane.open);
    // Times at full speed say nothing about times at a lower rate: only the disk's stand beside an open loop.
    let comparable = |lane: &LaneSpread| !asked_at_a_rate || lane.open || lane.part == "append-4k";
    let mine = report.over_runs.iter().filter(|lane| lane.name == name && lane.p50_us.max > 0.0);
    for lane in mine.filter(|lane| comparable(lane)) {
        for (what, value) in [("p50", lane.p50_us.median), ("p99", lane.p99_us.median)] {
            all.push(Bar {
                name: format!("{} {what}", lane_name(lane)),
                value,
                words: micros(value),
                colour: colour(lane),
            });
        }
    }
    bars("Times beside the machine's own limits", &all)
}

fn colour(lane: &LaneSpread) -> u8 {
    if lane.role == Role::Limit { 5 } else { 1 }
}

fn lane_name(lane: &LaneSpread) -> String {
    let name = match (lane.role, lane.part.as_str()) {
        (Role::Measured, _) => "Fanfare",
        (Role::Limit, "echo") => "bare echo",
        (Role::Limit, "echo-flush") => "echo + disk, same rate",
        (Role::Limit, "append-4k") => "disk: 4 KiB append + flush",
        (Role::Limit, part) if part.starts_with(SAME_WRITES) => "disk: the server's sizes and rate",
        (Role::Limit, other) => other,
    };
    name.to_owned()
}

/// Each bar beside its limit, in its own unit.
pub fn bar_pairs(report: &Report) -> Vec<(String, String)> {
    let pair = |line: &super::super::bars::table::BarLine| {
        let (value, limit) = (line.value?, line.limit?);
        let bar = |name: &str, value: f64, colour| Bar {
            name: name.to_owned(),
            value,
            words: in_unit(value, &line.unit),
            colour,
        };
        let drawn = [bar("Fanfare", value.median, 1), bar("limit", limit.median, 5)];
        Some((line.name.clone(), bars(&line.name, &drawn)))
    };
    report.bars.iter().filter_map(pair).collect()
}
