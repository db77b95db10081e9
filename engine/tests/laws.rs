//! The counters of the laws, as a server in production keeps them: each is made to rise by a wrong line, or
//! by what must never happen around the engine. An alarm that cannot ring guards nobody. Runs in a build with
//! the `mutants` feature, where laws are broken on purpose and only counted.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::{Mutex, PoisonError};

use actors::command::{AskedLine, Command, Request};
use engine::core::Core;
use engine::limits::SWEEP_MICROS;
use engine::recovery;
use ledger::block::Draft;
use ledger::ids::{Epoch, Office, ShardId, VendorId};
use ledger::journal::Journal as _;
use ledger::journal::memory::{Door, Memory};
use ledger::law::Law;
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Envelope, Record, Tender};
use support::*;

/// The mutant and the counts are those of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Whether `law` is counted as broken while `requests` are decided by a build with `mutant`, one after the
/// other, on a wallet that holds 50.00; and nothing is without it.
fn rings(law: Law, mutant: Mutant, requests: &[Request]) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for chosen in [None, Some(mutant)] {
        let (_memory, mut core) = funded();
        let before = Law::ALL.map(Law::broken);
        mutant::choose(chosen);
        for request in requests {
            submit(&mut core, [request.clone()]);
            settle(&mut core, 2);
        }
        mutant::choose(None);
        let rung: Vec<Law> = Law::ALL
            .into_iter()
            .zip(before)
            .filter(|(law, before)| law.broken() > *before)
            .map(|(law, _)| law)
            .collect();
        match chosen {
            None => assert_eq!(rung, [], "without a mutant"),
            Some(mutant) => assert!(rung.contains(&law), "{}: {rung:?}", mutant.name()),
        }
    }
}

fn funded() -> (Memory, Core<Door>) {
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1), top_up(2, 1, 5_000)]);
    assert_eq!(settle(&mut core, 1).len(), 2);
    (memory, core)
}

#[test]
fn a_sale_beyond_the_purses_is_counted() {
    // Beer for money that nobody has, all evening, and a green light above it.
    rings(Law::Floors, Mutant::FloorUnchecked, &[buy(1, 1, 20)]);
}

#[test]
fn a_payout_beyond_what_came_home_is_counted() {
    // The organiser's money, paid out to a vendor.
    let office = Office::Vendor(VendorId::new(1).unwrap()).number();
    let mut payout = request(OFFICE, 1, 0, Command::PayOut { amount: 100_000 });
    payout.tag = actors::address::Tag { number: office.as_tag(), check: 0 };
    payout.content = keys().content(&payout);
    rings(Law::Floors, Mutant::HomeOverdrawn, &[payout]);
}

#[test]
fn a_sweep_beyond_its_stripe_is_counted() {
    // A vendor's home that holds what nobody ever paid, and pays it out.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for (chosen, rung) in [(None, 0), (Some(Mutant::SweepBeyondStripe), 1)] {
        let (_memory, mut core) = funded();
        submit(&mut core, [buy(1, 1, 1)]);
        settle(&mut core, 2);
        let before = Law::Floors.broken();
        mutant::choose(chosen);
        for tick in 1..=24 {
            settle(&mut core, tick * SWEEP_MICROS / 12);
        }
        mutant::choose(None);
        assert!(core.counters().swept > 0);
        assert_eq!(Law::Floors.broken() - before, rung, "{chosen:?}");
    }
}

#[test]
fn a_capture_beyond_the_purses_is_counted() {
    // All of the money held for seven beers, and a bill of nine.
    let beers = |quantity: u16| i64::from(quantity) * BEER;
    let held = request(SELLER, 1, 1, Command::Authorise { amount: beers(7), seconds: 600 });
    let lines = [AskedLine { item: 1, quantity: 9, unit_price: u32::try_from(BEER).unwrap() }];
    let capture = Command::Capture { hold: held.id, lines: lines.into_iter().collect(), amount: beers(9) };
    rings(Law::Floors, Mutant::CaptureAboveHold, &[held, request(SELLER, 2, 1, capture)]);
}

#[test]
fn a_request_that_takes_effect_twice_is_counted() {
    // One tap, charged at every resend; far apart, and one on the other.
    let sale = buy(3, 1, 1);
    rings(Law::ExactlyOnce, Mutant::KnownIdDecidedAgain, &[sale.clone(), sale.clone()]);
    let between = (10..30).map(|counter| {
        request(DESK, counter, 1, Command::TopUp { tender: ledger::record::Tender::Cash, amount: 100 })
    });
    let apart: Vec<_> = std::iter::once(sale.clone()).chain(between).chain([sale]).collect();
    rings(Law::ExactlyOnce, Mutant::KnownIdDecidedAgain, &apart);
}

#[test]
fn a_device_that_acts_without_the_role_is_counted() {
    // A bar's terminal that fills its friends' bands.
    let top_up = request(SELLER, 1, 1, Command::TopUp { tender: Tender::Cash, amount: 5_000 });
    rings(Law::Isolation, Mutant::RoleUnchecked, &[top_up]);
}

#[test]
fn a_request_taken_back_by_another_device_is_counted() {
    // A sale of one bar, cancelled by the next one.
    let mut cancel = request(DESK, 1, 1, Command::Cancel);
    cancel.id = buy(5, 1, 1).id;
    rings(Law::Isolation, Mutant::CancelFromAnyDevice, &[buy(5, 1, 1), cancel]);
}

#[test]
fn a_later_start_that_wrote_to_the_same_shard_is_counted() {
    // Two servers on one ledger, each selling what the other had sold.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (memory, mut core) = funded();
    let before = Law::OneWriter.broken();
    core.install(recovery::rebuild(&memory, ShardId(0)).unwrap());
    assert_eq!(Law::OneWriter.broken(), before);
    let (head, state) = core.inspect(ShardId(0)).unwrap();
    let state = state.unwrap();
    let (at, epoch) = (state.last_at(), Epoch(state.epoch().0 + 1));
    let mut draft = Box::new(Draft::new(state.genesis().unwrap().ledger, ShardId(0), epoch));
    draft.begin(state.prologue(at));
    draft.push(&Record::fact(at, Envelope::default(), Body::EpochOpened { epoch }));
    draft.place(head);
    let mut door = memory.door(None);
    door.submit(draft).unwrap();
    door.commit(true);
    core.install(recovery::rebuild(&memory, ShardId(0)).unwrap());
    assert_eq!(Law::OneWriter.broken(), before + 1);
}
