//! Owns: tests of the verdicts: what is reached, missed, invalid and missing, from scripted figures.
//! Must never: measure anything.
//! Laws: none.

use std::collections::BTreeMap;

use super::{BarLine, Status, bar_lines};
use crate::rawlog::Role;
use crate::report::figures::{LaneFigures, Latency};

fn lane(name: &str, part: &str, run: u32) -> LaneFigures {
    LaneFigures {
        name: name.to_owned(),
        part: part.to_owned(),
        role: if part == "server" { Role::Measured } else { Role::Limit },
        run,
        what: String::new(),
        seconds: 1.0,
        sent: 0,
        answered: 0,
        per_second: 0.0,
        target_per_second: None,
        latency_us: Latency { p50: 0.0, p90: 0.0, p99: 0.0, p999: 0.0, max: 0.0 },
        send_lag_p99_us: None,
        steal_percent: 0.5,
        idle_percent: 0.0,
        declines: 0,
        refusals: 0,
        unknowns: 0,
        codes: Vec::new(),
        values: BTreeMap::new(),
        invalid: Vec::new(),
        over_time: Vec::new(),
    }
}

fn rate(name: &str, part: &str, run: u32, per_second: f64) -> LaneFigures {
    LaneFigures { per_second, ..lane(name, part, run) }
}

fn p50(name: &str, part: &str, run: u32, micros: f64) -> LaneFigures {
    let mut timed = lane(name, part, run);
    timed.latency_us.p50 = micros;
    timed
}

fn only(lanes: &[LaneFigures]) -> BarLine {
    let judged = bar_lines(lanes);
    assert_eq!(judged.len(), 1, "{judged:?}");
    judged[0].clone()
}

#[test]
fn a_ratio_is_the_median_of_pairs_measured_side_by_side() {
    // The machine halves its speed for run 2: both lanes feel it, the pair does not.
    let pairs: Vec<_> = [(100.0, 120.0), (50.0, 60.0), (90.0, 120.0)]
        .iter()
        .zip(1..)
        .flat_map(|((server, echo), run)| {
            [rate("taps-4096", "echo", run, *echo), rate("taps-4096", "server", run, *server)]
        })
        .collect();
    let line = only(&pairs);
    assert_eq!((line.status, line.runs), (Status::Ok, 3));
    assert!((line.ratio.unwrap().median - 100.0 / 120.0).abs() < 1e-9);
    assert!((line.value.unwrap().median - 90.0).abs() < 1e-9);
    assert_eq!(line.stretch, Some(false));
}

#[test]
fn a_missed_bar_is_short_and_says_by_how_much() {
    let line = only(&[rate("taps-64", "echo", 1, 100.0), rate("taps-64", "server", 1, 40.0)]);
    assert_eq!(line.status, Status::Short);
    assert!((line.of_bar - 0.8).abs() < 1e-9);
}

#[test]
fn lone_adds_the_two_limits_and_less_is_better() {
    let of = |server| {
        [p50("lone", "disk", 1, 90.0), p50("lone", "echo", 1, 60.0), p50("lone", "server", 1, server)]
    };
    let line = only(&of(120.0));
    assert_eq!((line.status, line.stretch), (Status::Ok, Some(true)));
    assert!((line.limit.unwrap().median - 150.0).abs() < 1e-9);
    assert_eq!(only(&of(151.0)).status, Status::Short);
}

#[test]
fn an_absolute_rate_shrinks_with_a_slow_machine_and_says_so() {
    let lanes = |echo| [rate("bulk", "echo-64", 1, echo), rate("bulk", "server", 1, 800_000.0)];
    let slow = only(&lanes(70_000.0));
    assert_eq!(slow.status, Status::Ok);
    assert!(slow.bar.contains("750000"), "{}", slow.bar);
    assert!(slow.notes[0].contains("scaled to 50 %"), "{:?}", slow.notes);
    assert_eq!(only(&lanes(200_000.0)).status, Status::Short, "a fast machine does not raise the bar either");
    assert!(only(&lanes(200_000.0)).notes.is_empty());
    assert!(only(&lanes(70_000.0)[1..]).notes[0].contains("not scaled"));
}

/// The table's echo says nothing of the disk: a server at half of its echo may be at all of its disk.
#[test]
fn the_disk_with_the_servers_writes_stands_beside_each_bar() {
    let disk = |run, bytes, micros| {
        let mut lane = p50("taps-64", "same-writes-server", run, micros);
        lane.values.insert("write_bytes".to_owned(), bytes);
        lane.target_per_second = Some(9_000.0);
        lane
    };
    let mut lanes = Vec::new();
    for (run, bytes, p50) in [(1, 8_192.0, 90.0), (2, 12_288.0, 110.0), (3, 8_192.0, 100.0)] {
        lanes.extend([
            rate("taps-64", "echo", run, 10.0),
            rate("taps-64", "server", run, 9.0),
            disk(run, bytes, p50),
        ]);
    }
    let line = only(&lanes);
    let beside = line.disk.unwrap();
    assert_eq!((beside.write_bytes.median, beside.p50_us.min, beside.p50_us.max), (8_192.0, 90.0, 110.0));
    assert_eq!(line.status, Status::Ok, "it is beside the bar, not part of its verdict");
    let words = crate::report::text::disk_beside(&beside);
    assert!(words.contains("8,192 bytes at 9000/s") && words.contains("100 us (90 us..110 us)"), "{words}");
    lanes.retain(|lane| !lane.part.starts_with("same-writes"));
    assert_eq!(only(&lanes).disk, None);
}

#[test]
fn one_invalid_lane_makes_the_bar_invalid_however_fast() {
    let mut echo = rate("taps-64", "echo", 1, 1.0);
    echo.invalid.push("1 declines".to_owned());
    let line = only(&[echo, rate("taps-64", "server", 1, 99.0)]);
    assert_eq!(line.status, Status::Invalid);
    assert!(line.notes[0].starts_with("run 1 echo: 1 declines"));
}

#[test]
fn a_run_without_its_limit_is_missing_not_ok() {
    assert_eq!(only(&[rate("taps-64", "server", 1, 9.0)]).status, Status::Missing);
    let two = [
        rate("taps-64", "echo", 1, 10.0),
        rate("taps-64", "server", 1, 9.0),
        rate("taps-64", "echo", 2, 10.0),
    ];
    assert_eq!(only(&two).status, Status::Missing);
}

#[test]
fn open_loop_is_three_lines_of_the_same_lanes() {
    let open = |part: &str, p50, p99, p999| LaneFigures {
        latency_us: Latency { p50, p90: 0.0, p99, p999, max: 0.0 },
        ..lane("open-2000", part, 1)
    };
    let lines =
        bar_lines(&[open("echo-flush", 100.0, 200.0, 1_000.0), open("server", 150.0, 601.0, 1_900.0)]);
    let found: Vec<_> = lines.iter().map(|line| (line.name.as_str(), line.status)).collect();
    let expected =
        [("open-2000 p50", Status::Ok), ("open-2000 p99", Status::Short), ("open-2000 p99.9", Status::Ok)];
    assert_eq!(found, expected);
}

#[test]
fn bytes_are_divided_by_what_they_hold() {
    let mut memory = lane("memory", "server", 1);
    memory.values.insert("resident_bytes".to_owned(), 350_000_000.0);
    memory.values.insert("wallets".to_owned(), 500_000.0);
    memory.values.insert("remembered_ids".to_owned(), 22.0);
    let line = only(std::slice::from_ref(&memory));
    assert_eq!((line.status, line.stretch), (Status::Ok, Some(true)));
    assert!((line.value.unwrap().median - 700.0).abs() < 1e-9);
    assert!((line.limit.unwrap().median - 592.0).abs() < 1e-9, "a slot of 64 bytes and 22 ids of 24");
    memory.values.remove("wallets");
    assert_eq!(only(&[memory]).status, Status::Missing);
}

/// A replay had nothing beside it: whether it was the disk, the hash or the server that took the time nobody could tell.
#[test]
fn a_replay_stands_beside_reading_and_hashing_as_much() {
    let value = |part, name: &str, value| {
        let mut lane = lane("replay", part, 1);
        lane.values.insert(name.to_owned(), value);
        lane
    };
    let mut server = value("server", "records", 9e6);
    server.values.insert("replay_seconds".to_owned(), 3.0);
    let lanes =
        [rate("replay", "echo-64", 1, 140_000.0), value("read-and-hash", "read_seconds", 0.5), server];
    let line = only(&lanes);
    assert_eq!(line.status, Status::Ok);
    assert!(
        (line.value.unwrap().median - 3e6).abs() < 1e-3 && (line.limit.unwrap().median - 18e6).abs() < 1e-3
    );
    assert!((line.ratio.unwrap().median - 1.0 / 6.0).abs() < 1e-9);
}

/// A figure without a bar that read "ok" would have passed for a bar that was reached.
#[test]
fn a_figure_is_shown_and_not_judged() {
    let mut lane = lane("transfers", "server", 1);
    lane.values = [("transfers", 900.0), ("settled_seconds", 1.5), ("channel_bytes", 1_048_577.0)]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
    let of = |lines: Vec<BarLine>| lines.into_iter().map(|line| (line.name, line.status)).collect::<Vec<_>>();
    let found = bar_lines(std::slice::from_ref(&lane));
    assert!((found[0].value.unwrap().median - 600.0).abs() < 1e-9);
    assert_eq!((found[0].of_bar, found[0].stretch), (0.0, None));
    let expected = [("transfers".to_owned(), Status::Figure), ("channels".to_owned(), Status::Short)];
    assert_eq!(of(found), expected);
    lane.values.remove("settled_seconds");
    lane.invalid.push("1 declines".to_owned());
    let expected = [("transfers".to_owned(), Status::Missing), ("channels".to_owned(), Status::Invalid)];
    assert_eq!(of(bar_lines(&[lane])), expected);
    assert!(Status::Figure.good() && Status::Ok.good());
    assert!(![Status::Short, Status::Invalid, Status::Missing].iter().any(|status| status.good()));
}
