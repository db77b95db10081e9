//! A slice of the crash points: every 41st call of a crowd, and each one of a few scripts, in several ways. A sale that
//! was acknowledged before the power went must be there afterwards, at whatever call it went.
#![allow(clippy::unwrap_used, reason = "tests")]

use chaos::points::{self, Outcome, Points, change, founding, race, scripts};
use chaos::world::Blow;
use chaos::world::script::Script;
use chaos::world::tally::Row;
use ledger::journal::embedded::{SimFault, SimKind};

#[test]
fn every_law_holds_at_any_call_of_the_disk() {
    let outcome = points::play(&Points { stride: 41, subsets: 3, steps: 800 }, &scripts::crowd());
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

/// All calls of a script, each cut in two ways and failing in two more.
fn cut(script: &Script) -> Outcome {
    let outcome = points::play(&Points { subsets: 2, ..Points::default() }, script);
    assert_eq!(outcome.broken, None);
    let lost = outcome.tally.of(Row::CrashMidCall);
    assert_eq!(outcome.runs, outcome.calls.values().sum::<u64>() * 4);
    assert!(lost * 2 >= outcome.runs && outcome.calls.contains_key(&SimKind::Sync), "{outcome:?}");
    outcome
}

/// The power went while money was held: it stayed held for ever, or was there to be spent twice.
#[test]
fn one_holds_life_cut_at_any_call_comes_to_its_end() {
    let outcome = cut(&scripts::holds().unwrap());
    assert!(outcome.tally.of(Row::Expired) > 0, "its end was not seen: {outcome:?}");
}

/// The power went between two wallets: a friend was sent money that neither of them had afterwards, or
/// that both had.
#[test]
fn a_transfer_cut_at_any_call_arrives_or_comes_back_whole() {
    cut(&scripts::transfers().unwrap());
}

/// The power went while a bar's takings went home: the bar was paid less than it had sold, or twice.
#[test]
fn a_sweep_and_a_payout_cut_at_any_call_pay_the_vendor_once() {
    cut(&scripts::payout().unwrap());
}

/// The power went while a child's band was filled up: the parent paid and the child stood hungry, or
/// the parent paid again.
#[test]
fn an_allowance_cut_at_any_call_is_filled_up_once() {
    cut(&scripts::allowance().unwrap());
}
