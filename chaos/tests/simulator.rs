//! Slices of the simulator: a few seeds with every law, and twins that must not differ.
#![allow(clippy::unwrap_used, reason = "tests")]

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
    for row in
        [Row::Crash, Row::Kill, Row::FlushFailed, Row::TornTail, Row::Reopened, Row::Retried, Row::Unknown]
    {
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
