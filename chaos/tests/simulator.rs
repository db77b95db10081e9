//! Slices of the simulator: a few seeds with every law, and twins that must not differ.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

use chaos::world::tally::{Row, Tally};
use chaos::{sim, world};

#[test]
fn every_law_holds_whatever_fails() {
    sim::quiet_poison();
    let mut tally = Tally::default();
    for seed in 1..=12 {
        let report = world::run(seed, false);
        assert_eq!(report.violation.map(|violation| violation.to_string()), None, "seed {seed}");
        tally.merge(&report.tally);
    }
    let faults = [Row::Crash, Row::Kill, Row::FlushFailed, Row::TornTail, Row::Reopened];
    let bands = [Row::BandTaken, Row::BandInPlace, Row::BandToNobody, Row::BandUnderWay, Row::BandPays];
    for row in faults.into_iter().chain(bands).chain([Row::Retried, Row::Unknown]) {
        assert!(tally.of(row) > 0, "{row:?} was never hit:\n{tally}");
    }
}

#[test]
fn the_same_seed_twice_is_the_same_run() {
    sim::quiet_poison();
    for seed in [3, 21] {
        let (one, other) = (world::run(seed, true), world::run(seed, true));
        let differs = one.kept.iter().zip(&other.kept).find(|(one, other)| one != other);
        assert_eq!((differs, one.lines, one.trace), (None, other.lines, other.trace), "seed {seed}");
        assert_eq!(one.tally, other.tally);
        assert!(one.lines > 1_000);
    }
    assert_ne!(world::run(3, false).trace, world::run(4, false).trace);
}

/// A seed that fails elsewhere could not be looked at here: within one process addresses, the seeds of tables and
/// what earlier runs left behind are the same, between two they are not.
#[test]
fn the_same_seed_in_two_processes_is_the_same_run_byte_for_byte() {
    let run = |seed: &str| {
        let arguments = ["sim", "--seeds", "1", "--trace", "--seed", seed];
        let told = Command::new(env!("CARGO_BIN_EXE_chaos")).args(arguments).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let text = String::from_utf8(told.stdout).unwrap();
        // The last lines tell how long it took.
        let (lines, rest) = text.split_once(&format!("seed {seed} trace ")).unwrap();
        (lines.to_owned(), rest.lines().next().unwrap().to_owned())
    };
    let (one, other) = (run("7"), run("7"));
    assert!(one.0.lines().count() > 1_000);
    let differs = one.0.lines().zip(other.0.lines()).find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(one, other);
    assert_ne!(run("8"), one);
}
