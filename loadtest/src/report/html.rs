//! Owns: the page of a report: one file, no scripts, nothing loaded from elsewhere, readable in light and dark.
//! Must never: say more than the figures; hide an invalid run.
//! Laws: none.

use std::fmt::Write as _;

use super::figures::{JournalFigures, LaneFigures, LaneSpread, Report};
use super::plots;
use super::svg::escape;
use super::text::{in_unit, micros, number, whole};
use crate::bars::table::{BarLine, Status};
use crate::rawlog::Role;
use crate::stats::Spread;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn page(report: &Report) -> String {
    let mut out = String::with_capacity(1 << 16);
    // Writing to a string can't fail, here and below.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{0}</title><style>{STYLE}</style></head><body><main>\n<header><h1>{0}</h1>",
        escape(&report.title)
    );
    let _ = writeln!(out, "<p class=\"sub\">{}</p></header>", escape(&subtitle(report)));
    verdict(&mut out, report);
    if report.bars.is_empty() {
        profile(&mut out, report);
    } else {
        bars(&mut out, report);
    }
    over_runs(&mut out, report);
    journal(&mut out, report);
    lanes(&mut out, report);
    facts(&mut out, report);
    out.push_str("</main></body></html>\n");
    out
}

fn subtitle(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "{} | commit {} | {} cores, {}",
        utc(machine.began_unix),
        machine.commit,
        machine.cores,
        machine.cpu
    )
}

/// Seconds since the epoch as a date and time in UTC.
fn utc(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Days since 1 March of the year 0, in eras of 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year_of_era + era * 400 + carry;
    format!("{year}-{month:02}-{date:02} {:02}:{:02} UTC", second / 3_600, second % 3_600 / 60)
}

fn card(out: &mut String, value: &str, name: &str, note: &str, kind: &str) {
    let _ = write!(
        out,
        "<div class=\"card {kind}\"><div class=\"big\">{}</div><div class=\"what\">{}</div>\
         <div class=\"note\">{}</div></div>",
        escape(value),
        escape(name),
        escape(note)
    );
}

fn verdict(out: &mut String, report: &Report) {
    out.push_str("<section class=\"cards\">");
    if let Some(lane) = main_lane(report) {
        figures_of(out, report, lane);
    }
    if !report.bars.is_empty() {
        let bars = report.bars.iter().filter(|line| line.status != Status::Figure).count();
        let ok = report.bars.iter().filter(|line| line.status == Status::Ok).count();
        let stretch = report.bars.iter().filter(|line| line.stretch == Some(true)).count();
        let kind = if ok == bars { "good" } else { "bad" };
        card(out, &format!("{ok} of {bars}"), "bars reached", &format!("{stretch} stretch"), kind);
    }
    if !report.journal.is_empty() {
        let yes = report.journal.values().all(|journal| journal.verified);
        let (word, kind) = if yes { ("yes", "good") } else { ("NO", "bad") };
        card(out, word, "journal verified", "every record re-read, chain and sums recomputed", kind);
    }
    let (word, note, kind) = if report.valid {
        ("valid", "the tester kept its plan; no unplanned no", "good")
    } else {
        ("INVALID", "see the reasons below; don't use the figures", "bad")
    };
    card(out, word, "this run", note, kind);
    out.push_str("</section>\n");
}

/// The lane that a profile's report is about, over its runs: the server's, under the profile's own name.
fn main_lane(report: &Report) -> Option<&LaneSpread> {
    report.over_runs.iter().find(|lane| lane.role == Role::Measured && lane.name == report.kind)
}

/// The runs of the lane that a profile's report is about.
fn main_runs(report: &Report) -> impl DoubleEndedIterator<Item = &LaneFigures> {
    report.lanes.iter().filter(|lane| lane.role == Role::Measured && lane.name == report.kind)
}

/// The cards of a profile: medians, and how far apart several runs were.
fn figures_of(out: &mut String, report: &Report, lane: &LaneSpread) {
    let sum = |of: fn(&LaneFigures) -> u64| main_runs(report).map(of).sum::<u64>();
    let runs = if lane.runs > 1 { format!(" in {} runs", lane.runs) } else { String::new() };
    let apart = |spread: &Spread, word: fn(f64) -> String| {
        if lane.runs < 2 {
            return String::new();
        }
        format!("; {} to {}{runs}", word(spread.min), word(spread.max))
    };
    let (answered, sent) = (sum(|lane| lane.answered), sum(|lane| lane.sent));
    card(out, &whole(answered), "taps answered", &format!("of {} sent{runs}", whole(sent)), "");
    let rate = |rate: f64| format!("{}/s", number(rate));
    let mean = format!("mean {}{}", rate(lane.per_second.median), apart(&lane.per_second, rate));
    card(out, &rate(lane.busiest_per_second.median), "busiest moment", &mean, "");
    let half = format!("half are faster{}", apart(&lane.p50_us, micros));
    card(out, &micros(lane.p50_us.median), "a typical tap", &half, "");
    let (p99, p999) = (&lane.p99_us, &lane.p999_us);
    let slowest = format!("99.9 %: {}{}", micros(p999.median), apart(p999, micros));
    card(out, &micros(p99.median), &format!("99 of 100 taps{}", apart(p99, micros)), &slowest, "");
}

fn figure(out: &mut String, title: &str, explanation: &str, drawing: &str) {
    if !drawing.is_empty() {
        let _ = writeln!(
            out,
            "<figure><h2>{}</h2>{drawing}<figcaption>{}</figcaption></figure>",
            escape(title),
            escape(explanation)
        );
    }
}

fn profile(out: &mut String, report: &Report) {
    let Some(lane) = main_runs(report).next_back() else { return };
    let _ = writeln!(out, "<p class=\"lead\">{}</p>", escape(&lane.what));
    if lane.run > 1 {
        let _ =
            writeln!(out, "<p class=\"note\">What is drawn over time is the last of {} runs.</p>", lane.run);
    }
    figure(
        out,
        "Throughput",
        "Taps sent by the terminals and answered by the server. Answered means: decided, written and flushed to disk.",
        &plots::throughput(lane),
    );
    figure(
        out,
        "Latency",
        "Measured from the moment a tap was meant to happen, so that a stall of the server is not hidden by a tester \
         that waits politely.",
        &plots::latency(lane),
    );
    figure(
        out,
        "Declines and refusals",
        "A decline is a decided no that stays on record (too little money, a sale that looks repeated). A refusal \
         leaves no record and may be sent again.",
        &plots::noes(lane),
    );
    figure(
        out,
        "How much: beside the machine's own limits",
        "The same client loop over as many connections against a server that only echoes, and what the disk does with \
         our writes one after another, measured in the same run.",
        &plots::rates_beside_limits(report, &lane.name),
    );
    figure(
        out,
        "How fast: beside the machine's own limits",
        "The time of one tap, beside what the machine needs for the same without a decision and a record.",
        &plots::times_beside_limits(report, &lane.name),
    );
}

fn word(spread: Option<Spread>, unit: &str) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| in_unit(spread.median, unit))
}

fn range(spread: Option<Spread>, unit: &str) -> String {
    spread.map_or_else(String::new, |spread| {
        format!("{} to {}", in_unit(spread.min, unit), in_unit(spread.max, unit))
    })
}

fn bars(out: &mut String, report: &Report) {
    out.push_str(
        "<section><h2>Bars</h2><div class=\"scroll\"><table><thead><tr><th>bar</th><th>value</th><th>limit</th>\
         <th>ratio</th><th>must be</th><th>steal</th><th>runs</th><th>result</th></tr></thead><tbody>",
    );
    for line in &report.bars {
        bar_row(out, line);
    }
    out.push_str(
        "</tbody></table></div><p class=\"note\">Medians; under them smallest and largest. A ratio is the median of \
         pairs measured side by side in the same run.</p></section>\n",
    );
    for (name, drawing) in plots::bar_pairs(report) {
        figure(out, &name, "Median of the runs beside the limit that the table names.", &drawing);
    }
}

fn bar_row(out: &mut String, line: &BarLine) {
    let ratio = line.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{:.3}", ratio.median));
    let kind = match line.status {
        Status::Ok => "good",
        Status::Figure => "",
        Status::Short | Status::Invalid | Status::Missing => "bad",
    };
    let stretch = if line.stretch == Some(true) { " + stretch" } else { "" };
    let _ = write!(
        out,
        "<tr><td><b>{}</b><div class=\"note\">{}</div></td><td>{}<div class=\"note\">{}</div></td>\
         <td>{}<div class=\"note\">{}</div></td><td>{ratio}</td><td>{}</td><td>{:.1} %</td><td>{}</td>\
         <td><span class=\"chip {kind}\">{}{stretch}</span></td></tr>",
        escape(&line.name),
        escape(&line.what),
        word(line.value, &line.unit),
        range(line.value, &line.unit),
        word(line.limit, &line.unit),
        range(line.limit, &line.unit),
        escape(&line.bar),
        line.steal_percent,
        line.runs,
        line.status.word()
    );
    let disk = line.disk.as_ref().map(super::text::disk_beside);
    for note in disk.iter().chain(&line.notes) {
        let _ = write!(out, "<tr class=\"under\"><td colspan=\"8\">{}</td></tr>", escape(note));
    }
}

/// Each lane over its runs, where there were several.
fn over_runs(out: &mut String, report: &Report) {
    if !report.has_several_runs() {
        return;
    }
    out.push_str(
        "<section><h2>Over the runs</h2><div class=\"scroll\"><table class=\"small\"><thead><tr><th>lane</th>\
         <th>runs</th><th>per second</th><th>p50</th><th>p99</th><th>p99.9</th><th>steal</th></tr></thead><tbody>",
    );
    for lane in &report.over_runs {
        let limit = if lane.role == Role::Limit { " <span class=\"chip\">limit</span>" } else { "" };
        let _ = write!(
            out,
            "<tr><td><b>{}</b> {}{limit}</td><td>{}</td>",
            escape(&lane.name),
            escape(&lane.part),
            lane.runs
        );
        let rate = Some(lane.per_second);
        let _ = write!(
            out,
            "<td>{}<div class=\"note\">{}</div></td>",
            word(rate, "taps/s"),
            range(rate, "taps/s")
        );
        for time in [lane.p50_us, lane.p99_us, lane.p999_us].map(Some) {
            let _ =
                write!(out, "<td>{}<div class=\"note\">{}</div></td>", word(time, "us"), range(time, "us"));
        }
        let _ = write!(out, "<td>{:.1} %</td></tr>", lane.steal_percent);
    }
    out.push_str(
        "</tbody></table></div><p class=\"note\">Medians; under them smallest and largest. The limits were \
         measured before each run.</p></section>\n",
    );
}

fn journal(out: &mut String, report: &Report) {
    for (name, journal) in &report.journal {
        let (word, kind) = if journal.verified { ("verified", "good") } else { ("NOT VERIFIED", "bad") };
        let _ = write!(
            out,
            "<section><h2>Journal: {} <span class=\"chip {kind}\">{word}</span></h2><p>Read back from the files alone \
             after the run: hash chain, conservation of money, floors, each request once.</p>",
            escape(name)
        );
        totals(out, journal);
        let _ = writeln!(
            out,
            "<details><summary>What the verifier said</summary><pre>{}</pre></details></section>",
            escape(&serde_json::to_string_pretty(&journal.said).unwrap_or_default())
        );
    }
}

/// The sums per kind of account, as the verifier gives them in minor units.
fn totals(out: &mut String, journal: &JournalFigures) {
    let Some(totals) = journal.said.get("totals").and_then(serde_json::Value::as_array) else { return };
    out.push_str(
        "<div class=\"scroll\"><table class=\"small\"><thead><tr><th>kind of account</th><th>currency</th>\
         <th class=\"right\">debits</th><th class=\"right\">credits</th><th class=\"right\">balance</th></tr></thead>\
         <tbody>",
    );
    for total in totals {
        let text = |name: &str| total.get(name).and_then(serde_json::Value::as_str).unwrap_or("-");
        let _ = write!(out, "<tr><td>{}</td><td>{}</td>", escape(text("kind")), escape(text("currency")));
        for name in ["debits", "credits", "balance"] {
            let minor = total.get(name).map_or_else(|| "-".to_owned(), minor_units);
            let _ = write!(out, "<td class=\"right\">{}</td>", escape(&minor));
        }
        out.push_str("</tr>");
    }
    out.push_str(
        "</tbody></table></div><p class=\"note\">Minor units (cents); the balances sum to zero.</p>",
    );
}

fn minor_units(value: &serde_json::Value) -> String {
    match value.as_i64() {
        Some(minor) if minor < 0 => format!("-{}", whole(minor.unsigned_abs())),
        Some(minor) => whole(minor.unsigned_abs()),
        None => value.as_str().unwrap_or("-").to_owned(),
    }
}

fn lanes(out: &mut String, report: &Report) {
    out.push_str(
        "<section><h2>All lanes</h2><div class=\"scroll\"><table class=\"small\"><thead><tr><th>lane</th><th>run</th>\
         <th>seconds</th><th>per second</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th>\
         <th>declined</th><th>refused</th><th>steal</th></tr></thead><tbody>",
    );
    for lane in &report.lanes {
        let latency = &lane.latency_us;
        let _ = write!(
            out,
            "<tr><td><b>{}</b> {}{}<div class=\"note\">{}</div></td><td>{}</td><td>{:.1}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.1} %</td></tr>",
            escape(&lane.name),
            escape(&lane.part),
            if lane.role == Role::Limit { " <span class=\"chip\">limit</span>" } else { "" },
            escape(&lane.what),
            lane.run,
            lane.seconds,
            number(lane.per_second),
            micros(latency.p50),
            micros(latency.p90),
            micros(latency.p99),
            micros(latency.p999),
            micros(latency.max),
            lane.declines,
            lane.refusals,
            lane.steal_percent
        );
        for reason in &lane.invalid {
            let _ =
                write!(out, "<tr class=\"under\"><td colspan=\"12\">INVALID: {}</td></tr>", escape(reason));
        }
    }
    out.push_str("</tbody></table></div></section>\n");
}

fn facts(out: &mut String, report: &Report) {
    let machine = &report.machine;
    let mut rows = vec![
        ("command".to_owned(), report.command.clone()),
        ("commit".to_owned(), machine.commit.clone()),
        ("kernel".to_owned(), machine.kernel.clone()),
        ("processor".to_owned(), format!("{} x {}", machine.cores, machine.cpu)),
        ("memory".to_owned(), format!("{}B", number(crate::num::to_f64(machine.memory_bytes)))),
        (
            "data on".to_owned(),
            format!(
                "{} {} ({}), {}",
                machine.mount.kind, machine.mount.point, machine.mount.device, machine.mount.options
            ),
        ),
    ];
    rows.extend(report.parameters.iter().map(|(name, value)| (name.clone(), value.clone())));
    out.push_str("<section><h2>How it was measured</h2><table class=\"facts\"><tbody>");
    for (name, value) in rows {
        let _ = write!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(&name), escape(&value));
    }
    out.push_str(
        "</tbody></table><p class=\"note\">Every figure on this page is computed from the raw log beside it; \
         <code>loadtest report verify DIR</code> recomputes all of them and names any that differ. Client and server \
         share this machine. A flush is acknowledged by this host; no claim about power loss is made.</p></section>\n",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rawlog::tests::{facts, intervals, lane};
    use crate::rawlog::{RunWriter, read};
    use crate::report::compute;

    /// The page of a small run of the profile, from its raw log.
    fn festival() -> String {
        let dir = tempfile::tempdir().unwrap();
        let log = RunWriter::create(dir.path(), &facts("festival")).unwrap();
        for part in ["echo", "append-4k"] {
            log.lane(&lane("festival", part, Role::Limit, 1), &intervals()).unwrap();
        }
        let mut measured = lane("festival", "server", Role::Measured, 1);
        measured.declines_planned = true;
        log.lane(&measured, &intervals()).unwrap();
        log.verify("festival", "{\"exit\": 0, \"said\": {\"records\": 12}}").unwrap();
        page(&compute(&read(dir.path()).unwrap()).unwrap())
    }

    /// Three runs that were far apart, of which the page showed the last and nothing of the others, looked like one
    /// figure that could be relied on.
    #[test]
    fn several_runs_are_shown_by_their_median_and_how_far_they_were_apart() {
        let dir = tempfile::tempdir().unwrap();
        let log = RunWriter::create(dir.path(), &facts("taps")).unwrap();
        for (run, answers) in [(1, 100), (2, 900), (3, 300)] {
            for (part, role) in [("echo", Role::Limit), ("server", Role::Measured)] {
                let mut recorder = crate::stats::Recorder::start(0, 1_000).unwrap();
                recorder.sent(answers);
                recorder.answered(crate::stats::APPLIED, 0, answers * 1_000, answers);
                log.lane(&lane("taps", part, role, run), &recorder.finish(1_000)).unwrap();
            }
        }
        let report = compute(&read(dir.path()).unwrap()).unwrap();
        assert_eq!(report.lanes.len(), 6, "every run is kept");
        let over: Vec<_> = report.over_runs.iter().map(|lane| (lane.part.as_str(), lane.runs)).collect();
        assert_eq!(over, [("echo", 3), ("server", 3)]);
        let server = &report.over_runs[1];
        // 100, 300 and 900 answers in 3 microseconds.
        let rate = server.per_second;
        assert!((rate.median - 1e8).abs() < 1.0 && (rate.min * 9.0 - rate.max).abs() < 1.0, "{rate:?}");
        let close = |value: f64, micros: f64| (value - micros).abs() < micros / 100.0;
        let p50 = server.p50_us;
        assert!(close(p50.median, 300.0) && close(p50.min, 100.0) && close(p50.max, 900.0), "{p50:?}");

        let text = crate::report::text::summary(&report);
        let line = text.lines().find(|line| line.starts_with("taps server") && line.contains(".."));
        assert!(line.is_some_and(|line| line.contains("300 us (100 us..900 us)")), "{text}");
        let page = page(&report);
        let section =
            page.split("<h2>Over the runs</h2>").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(section.contains("300 us<div class=\"note\">100 us to 900 us</div>"), "{section}");
        let card = page.split("a typical tap").nth(1).unwrap();
        assert!(
            card.starts_with("</div><div class=\"note\">half are faster; 100 us to 900 us in 3 runs"),
            "{card}"
        );
        assert!(page.contains("<div class=\"note\">of 1,300 sent in 3 runs</div>"));
        let figure = figure_of(&page, "How fast: beside the machine's own limits");
        assert_eq!(figure.matches("Fanfare p50").count(), 1, "one bar, not one for each run");
        assert!(!festival().contains("Over the runs"), "one run has no spread");
    }

    /// The figure with this heading, which must be there.
    fn figure_of<'a>(page: &'a str, title: &str) -> &'a str {
        let found = page.split(&format!("<figure><h2>{}</h2>", escape(title))).nth(1);
        found.unwrap_or_else(|| panic!("no figure {title}")).split("</figure>").next().unwrap()
    }

    /// The page that an organiser is shown could lose its plots and nothing but a person would have noticed.
    #[test]
    fn the_page_of_a_profile_has_its_plots_and_the_verdict_on_the_journal() {
        let page = festival();
        for (title, label, words) in [
            ("Throughput", "Throughput over time", &["answered", "taps per second"][..]),
            ("Latency", "Latency over time", &["p50", "p99", "p99.9", "seconds"]),
            (
                "Declines and refusals",
                "Declines and refusals by reason",
                &["insufficient funds", "30 declined"],
            ),
            (
                "How much: beside the machine's own limits",
                "Rates beside the machine's own limits",
                &["Fanfare", "bare echo", "disk: 4 KiB append + flush"],
            ),
            (
                "How fast: beside the machine's own limits",
                "Times beside the machine's own limits",
                &["Fanfare p50", "bare echo p99", "disk: 4 KiB append + flush p99"],
            ),
        ] {
            let figure = figure_of(&page, title);
            assert!(figure.contains("<svg") && figure.contains(&escape(label)), "{title}: {figure}");
            assert!(words.iter().all(|word| figure.contains(word)), "{title}: {figure}");
        }
        for (title, lines) in [("Throughput", 1), ("Latency", 3)] {
            let drawn = |line: &u32| figure_of(&page, title).contains(&format!("<path class=\"line c{line}"));
            assert!((1..=lines).all(|line| drawn(&line)) && !drawn(&(lines + 1)), "{title}");
        }
        assert!(page.contains("<div class=\"big\">yes</div><div class=\"what\">journal verified</div>"));
        assert!(page.contains("Journal: festival <span class=\"chip good\">verified</span>"));
    }

    /// A report is sent by mail and opened years later: it must be whole without a network.
    #[test]
    fn the_page_loads_nothing_and_runs_nothing() {
        let page = festival().to_lowercase();
        for load in
            ["<script", "src=", "url(", "<link", "http://", "https://", "@import", "<iframe", "onload"]
        {
            assert!(!page.contains(load), "the page holds {load}");
        }
    }

    #[test]
    fn dates_are_right_over_leap_days() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_709_251_200), "2024-03-01 00:00 UTC");
        assert_eq!(utc(1_798_761_599), "2026-12-31 23:59 UTC");
    }
}
