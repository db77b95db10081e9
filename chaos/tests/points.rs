//! A slice of the crash points: every 41st call of a short scenario, each in several ways. A sale that
//! was acknowledged before the power went must be there afterwards, at whatever call it went.
#![allow(clippy::unwrap_used, reason = "tests")]

use chaos::points::{self, Points};
use chaos::world::tally::Row;
use ledger::journal::embedded::SimKind;

#[test]
fn every_law_holds_at_any_call_of_the_disk() {
    let outcome = points::all(&Points { stride: 41, subsets: 3, steps: 800 });
    assert_eq!(outcome.broken, None);
    assert!(outcome.runs >= 20 && outcome.calls.contains_key(&SimKind::Sync), "{outcome:?}");
    assert!(outcome.tally.of(Row::CrashMidCall) >= 10, "{outcome:?}");
}
