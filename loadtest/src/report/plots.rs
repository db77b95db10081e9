//! Owns: which plots a report shows and what is in them.
//! Must never: compute a figure: it draws what is in the report.
//! Laws: none.

use super::figures::{LaneFigures, Point, Report};
use super::svg::{Bar, Labels, Scale, Series, bars, lines};
use super::text::{in_unit, micros, number};
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

/// The server's figure and the machine's own limits for the same figure, one below another.
pub fn beside_limits(report: &Report, name: &str) -> String {
    let bar = |lane: &LaneFigures| Bar {
        name: if lane.role == Role::Limit { format!("limit: {}", lane.part) } else { "Fanfare".to_owned() },
        value: lane.per_second,
        words: format!("{}/s, p99 {}", number(lane.per_second), micros(lane.latency_us.p99)),
        colour: if lane.role == Role::Limit { 5 } else { 1 },
    };
    let all: Vec<Bar> =
        report.lanes.iter().filter(|lane| lane.name == name && lane.answered > 0).map(bar).collect();
    bars("Beside the machine's own limits", &all)
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
