//! A panic harms only the command that caused it: its neighbours are answered, the shard comes
//! back from its journal, the repeated offender is quarantined by name. Runs in a build with the
//! `mutants` feature, where a request can be made to panic at a chosen place.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use engine::core::Core;
use engine::job::Told;
use ledger::journal::memory::{Door, Memory};
use ledger::mutant::{POISON_APPLY, POISON_DECIDE};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const INTERNAL: Verdict = Verdict::Refused(Refusal::Internal);

fn poisoned(counter: u64, band: u8, poison: u32) -> actors::command::Request {
    let mut request = buy(counter, band, 1);
    request.tag_counter = std::num::NonZeroU32::new(poison);
    request
}

fn two_wallets() -> (Memory, Core<Door>) {
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    let requests = [open(1, 1), top_up(2, 1, 5_000), open(3, 2), top_up(4, 2, 5_000)];
    submit(&mut core, requests);
    assert_eq!(settle(&mut core, 1).len(), 4);
    (memory, core)
}

fn verdict(told: &[Told], token: u64) -> Verdict {
    told.iter().find(|told| told.reply.token == token).unwrap().message.answer().verdict
}

#[test]
fn a_panicking_decision_is_refused_and_its_neighbours_are_answered() {
    // One request that trips a defect stopped the sales of a whole shard.
    let (_memory, mut core) = two_wallets();
    submit(&mut core, [buy(1, 1, 1), poisoned(2, 1, POISON_DECIDE), buy(3, 2, 1)]);
    let told = settle(&mut core, 2);
    assert_eq!([verdict(&told, 0), verdict(&told, 1), verdict(&told, 2)], [APPLIED, INTERNAL, APPLIED]);
    assert_eq!((core.counters().panics, core.counters().rebuilds), (1, 0));
}

#[test]
fn a_shard_whose_state_broke_is_rebuilt_from_its_journal() {
    // State half changed by a record that was never stored.
    let (memory, mut core) = two_wallets();
    submit(&mut core, [buy(1, 1, 1), poisoned(2, 1, POISON_APPLY), buy(3, 2, 1)]);
    let told = settle(&mut core, 2);
    // The first was decided but never stored: nobody is told yes or no.
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [Verdict::Unknown, INTERNAL]);
    assert_eq!(verdict(&told, 2), Verdict::Refused(Refusal::Busy));
    let asked = core.take_rebuilds();
    assert_eq!(asked.len(), 1);
    core.install(engine::recovery::rebuild(&memory, asked[0]).unwrap());
    submit(&mut core, [buy(1, 1, 1), buy(3, 2, 1)]);
    let told = settle(&mut core, 3);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [APPLIED, APPLIED]);
    assert_eq!(told[0].message.answer().balance, 5_000 - BEER);
    assert_eq!(core.counters().rebuilds, 1);
}

#[test]
fn an_actor_that_keeps_panicking_is_quarantined_by_name() {
    let (memory, mut core) = two_wallets();
    for counter in 1..=3 {
        submit(&mut core, [poisoned(counter, 1, POISON_DECIDE)]);
        assert_eq!(verdict(&settle(&mut core, counter), 0), INTERNAL);
    }
    submit(&mut core, [buy(4, 1, 1), buy(5, 2, 1)]);
    let told = settle(&mut core, 5);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [Verdict::Refused(Refusal::Quarantined), APPLIED]);
    // It is a record: a restart does not lift it.
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [buy(4, 1, 1)]);
    assert_eq!(verdict(&settle(&mut core, 6), 0), Verdict::Refused(Refusal::Quarantined));
}
