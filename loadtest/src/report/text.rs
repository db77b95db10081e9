//! Owns: figures in words: counts, rates, times, and the report as lines for a terminal.
//! Must never: round so that a missed bar looks reached (ratios keep three digits).
//! Laws: none.

use std::fmt::Write as _;

use super::figures::Report;
use crate::bars::table::{BarLine, DiskBeside};
use crate::lanes::{SAME_WRITES, WRITE_BYTES};
use crate::num::to_u64;
use crate::pacing;
use crate::rawlog::Role;
use crate::stats::Spread;

/// A count or rate: 950, 12.3 K, 1.85 M.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{:.2} G", value / 1e9),
        size if size >= 1e6 => format!("{:.2} M", value / 1e6),
        size if size >= 1e4 => format!("{:.1} K", value / 1e3),
        size if size >= 100.0 || value.fract().abs() < 1e-9 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number with its thousands set apart: 98,345.
pub fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time given in microseconds: 85 us, 1.20 ms, 3.4 s.
pub fn micros(value: f64) -> String {
    match value {
        size if size >= 1e6 => format!("{:.2} s", value / 1e6),
        size if size >= 1e4 => format!("{:.1} ms", value / 1e3),
        size if size >= 1e3 => format!("{:.2} ms", value / 1e3),
        _ => format!("{value:.0} us"),
    }
}

/// A figure in the unit of its bar.
pub fn in_unit(value: f64, unit: &str) -> String {
    match unit {
        "us" => micros(value),
        "ms" => micros(value * 1_000.0),
        "bytes" => format!("{value:.1} B"),
        _ => format!("{}/s", number(value)),
    }
}

/// The report for a terminal.
pub fn summary(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    // Writing to a string can't fail, here and below.
    let _ = writeln!(
        out,
        "{} | commit {} | {} cores {} | kernel {} | {} on {}",
        report.title,
        machine.commit,
        machine.cores,
        machine.cpu,
        machine.kernel,
        machine.mount.kind,
        machine.mount.point
    );
    if report.bars.is_empty() {
        lanes(&mut out, report);
        over_runs(&mut out, report);
    } else {
        bars(&mut out, report);
    }
    if !report.valid {
        let reasons: Vec<&str> =
            report.lanes.iter().flat_map(|lane| &lane.invalid).map(String::as_str).collect();
        let _ = writeln!(out, "{}", what_to_do(&reasons));
    }
    for (name, journal) in &report.journal {
        let word = if journal.verified { "verified" } else { "NOT VERIFIED" };
        let _ = writeln!(out, "journal ({name}): {word}");
    }
    out
}

/// An invalid run in words: what must not be used, and how to get a run that may be.
pub fn what_to_do(reasons: &[&str]) -> String {
    let mut text = "INVALID: don't use these figures.".to_owned();
    if reasons.iter().any(|reason| reason.contains(pacing::OWN_PLAN)) {
        text += " The tester was late itself: it shares its processors with the server and with whatever else runs. \
                 End other programs, or ask for less at a time: a longer run (--seconds), fewer taps (--day-taps, --rate).";
    }
    if reasons.iter().any(|reason| !reason.contains(pacing::OWN_PLAN)) {
        text += " There were noes that were not planned: their codes stand at their lane, what to do about each in the \
                 protocol's tables (gateway/wire/SPEC.md); `busy` means that more was asked than the server takes.";
    }
    text
}

fn bars(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "{:<16} {:>12} {:>12} {:>7}  {:<26} {:>6}  result",
        "bar", "value", "limit", "ratio", "must be", "steal"
    );
    for line in &report.bars {
        let word = |spread: Option<Spread>| {
            spread.map_or_else(|| "-".to_owned(), |spread| in_unit(spread.median, &line.unit))
        };
        let ratio = line.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.3}", ratio.median));
        let stretch = if line.stretch == Some(true) { " (stretch too)" } else { "" };
        let _ = writeln!(
            out,
            "{:<16} {:>12} {:>12} {ratio:>7}  {:<26} {:>5.1}%  {}{stretch}",
            line.name,
            word(line.value),
            word(line.limit),
            line.bar,
            line.steal_percent,
            line.status.word(),
        );
        let _ = writeln!(out, "    {}", spreads(line));
        if let Some(disk) = &line.disk {
            let _ = writeln!(out, "    {}", disk_beside(disk));
        }
        for note in &line.notes {
            let _ = writeln!(out, "    {note}");
        }
    }
}

/// Smallest and largest of the runs.
fn spreads(line: &BarLine) -> String {
    let of = |name: &str, spread: Option<Spread>, word: &dyn Fn(f64) -> String| {
        spread.map(|spread| format!("{name} {}..{}", word(spread.min), word(spread.max)))
    };
    let unit = |value: f64| in_unit(value, &line.unit);
    let parts = [
        of("value", line.value, &unit),
        of("limit", line.limit, &unit),
        of("ratio", line.ratio, &|value| format!("{value:.3}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let runs = if line.runs == 1 { "run" } else { "runs" };
    format!("{} {runs}: {}", line.runs, parts.join(", "))
}

/// Median of the runs, with the smallest and the largest.
fn ranged(spread: &Spread, word: impl Fn(f64) -> String) -> String {
    format!("{} ({}..{})", word(spread.median), word(spread.min), word(spread.max))
}

/// What the disk alone needs for the writes of a figure, in words.
pub fn disk_beside(disk: &DiskBeside) -> String {
    let range = |spread: &Spread| ranged(spread, micros);
    format!(
        "beside it the disk alone, append + flush of {} bytes at {}/s as the server wrote: p50 {}, p99 {}",
        whole(to_u64(disk.write_bytes.median)),
        number(disk.per_second.median),
        range(&disk.p50_us),
        range(&disk.p99_us)
    )
}

fn lanes(out: &mut String, report: &Report) {
    let _ = writeln!(
        out,
        "{:<34} {:>3} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>6}",
        "lane", "run", "per second", "p50", "p90", "p99", "p99.9", "max", "steal"
    );
    for lane in &report.lanes {
        let role = if lane.role == Role::Limit { " (limit)" } else { "" };
        let latency = &lane.latency_us;
        let _ = writeln!(
            out,
            "{:<34} {:>3} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>5.1}%",
            format!("{} {}{role}", lane.name, lane.part),
            lane.run,
            number(lane.per_second),
            micros(latency.p50),
            micros(latency.p90),
            micros(latency.p99),
            micros(latency.p999),
            micros(latency.max),
            lane.steal_percent
        );
        if let Some(bytes) = lane.values.get(WRITE_BYTES).filter(|_| lane.part.starts_with(SAME_WRITES)) {
            let rate = number(lane.target_per_second.unwrap_or_default());
            let bytes = whole(to_u64(*bytes));
            let _ = writeln!(out, "    append + flush of {bytes} bytes at {rate}/s, as the server wrote");
        }
        for code in lane.codes.iter().filter(|code| code.class != "applied") {
            let _ = writeln!(out, "    {} {}: {}", code.class, code.name, code.count);
        }
        for reason in &lane.invalid {
            let _ = writeln!(out, "    INVALID: {reason}");
        }
    }
}

/// Each lane over its runs, where there were several.
fn over_runs(out: &mut String, report: &Report) {
    if !report.has_several_runs() {
        return;
    }
    let _ = writeln!(
        out,
        "{:<34} {:>4} {:>27} {:>27} {:>27} {:>27} {:>6}",
        "median (smallest..largest)", "runs", "per second", "p50", "p99", "p99.9", "steal"
    );
    for lane in &report.over_runs {
        let role = if lane.role == Role::Limit { " (limit)" } else { "" };
        let _ = writeln!(
            out,
            "{:<34} {:>4} {:>27} {:>27} {:>27} {:>27} {:>5.1}%",
            format!("{} {}{role}", lane.name, lane.part),
            lane.runs,
            ranged(&lane.per_second, number),
            ranged(&lane.p50_us, micros),
            ranged(&lane.p99_us, micros),
            ranged(&lane.p999_us, micros),
            lane.steal_percent
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_run_says_what_to_do() {
        let late = format!("send lag p99 1.40 ms is over 1 ms: {}", pacing::OWN_PLAN);
        let (late, noes) =
            (what_to_do(&[&late]), what_to_do(&["3 declines and 0 refusals; this lane accepts none"]));
        assert!(late.contains("--seconds") && !late.contains("codes"), "{late}");
        assert!(noes.contains("codes") && !noes.contains("--seconds"), "{noes}");
    }

    #[test]
    fn figures_in_words() {
        assert_eq!(
            [0, 999, 1_000, 98_345, 12_345_678].map(whole),
            ["0", "999", "1,000", "98,345", "12,345,678"]
        );
        assert_eq!(
            [950.0, 0.5, 12_345.0, 1_850_000.0, 3e9].map(number),
            ["950", "0.50", "12.3 K", "1.85 M", "3.00 G"]
        );
        assert_eq!(
            [85.4, 1_200.0, 45_000.0, 3_400_000.0].map(micros),
            ["85 us", "1.20 ms", "45.0 ms", "3.40 s"]
        );
        assert_eq!(in_unit(120.0, "bytes"), "120.0 B");
        assert_eq!(in_unit(99_000.0, "taps/s"), "99.0 K/s");
        assert_eq!(in_unit(0.099, "ms"), in_unit(99.0, "us"));
    }
}
