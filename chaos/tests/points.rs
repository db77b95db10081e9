//! A slice of the crash points: every 41st call of a short scenario, each in several ways. A sale that
//! was acknowledged before the power went must be there afterwards, at whatever call it went.
#![allow(clippy::unwrap_used, reason = "tests")]

use chaos::points::{self, Points, change, founding, race};
use chaos::world::Blow;
use chaos::world::tally::Row;
use ledger::journal::embedded::{SimFault, SimKind};

#[test]
fn every_law_holds_at_any_call_of_the_disk() {
    let outcome = points::all(&Points { stride: 41, subsets: 3, steps: 800 });
    assert_eq!(outcome.broken, None);
    assert!(outcome.runs >= 20 && outcome.calls.contains_key(&SimKind::Sync), "{outcome:?}");
    assert!(outcome.tally.of(Row::CrashMidCall) >= 10, "{outcome:?}");
}

/// Few calls: every one of them.
#[test]
fn a_founding_cut_at_any_call_leaves_a_whole_ledger_or_none() {
    let blows =
        || (0..4).map(Blow::Crash).chain([Blow::Fails(SimFault::Io), Blow::Fails(SimFault::Full)]).collect();
    let founded = founding::all(1, blows);
    assert_eq!(founded.broken, None);
    assert_eq!(founded.runs, founded.calls * 6);
    assert!(founded.calls >= 20 && founded.whole >= 4 && founded.nothing >= 20, "{founded:?}");
}

/// Two desks, one band: whenever the power goes, one of them has won and the band pays from one wallet.
#[test]
fn a_pairing_race_cut_at_any_call_has_one_winner() {
    let raced = race::all(2).unwrap();
    assert!(raced.lost >= 10, "{raced:?}");
}

/// The server stopped in the middle of a change: one bar sold at yesterday's prices for ever, or the
/// organiser was told of a stop that nobody had heard of after the night.
#[test]
fn a_change_of_the_configuration_cut_at_any_call_reaches_every_shard_and_never_goes_back() {
    let changed = change::all(1, 4);
    assert_eq!(changed.broken, None);
    assert!(changed.calls >= 10 && changed.adopted > 0 && changed.apart > 0, "{changed:?}");
    assert!(changed.adopted < changed.runs, "{changed:?}");
}
