//! What is left of an allowance and cannot be taken where it came from: the giver's shard panics on it and
//! sends it back as a dead letter. It stays the giver's, and goes back later.

use actors::answer::Verdict;
use actors::channels::Outbox;
use actors::codes::Outcome;
use actors::command::Command;
use actors::mail::Receipt;
use ledger::audit::{Auditor, Rule};

use crate::allowances::{CHILD, both_paid, next_between, settle_both, two_shards};
use crate::world::{self, World, close};

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

#[test]
fn what_could_not_be_taken_back_goes_back_again_an_hour_later() {
    // A defect met the giver's shard as 20.00 came home: they came to the child again, and stayed there.
    let mut worlds = two_shards();
    assert_eq!(worlds[0].tap(world::DESK, 6, 1, world::allow(CHILD, 2_000, 100)), APPLIED);
    settle_both(&mut worlds);
    assert_eq!(worlds[1].tap(world::DESK, 3, CHILD, world::cash(500)), APPLIED);
    close(&mut worlds[1]);
    for failure in 1..=3 {
        assert_eq!(worlds[1].fire(), 1);
        bury(&mut worlds);
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (18_000, 2_500), "failure {failure}");
        assert_eq!(worlds[1].fire(), 0, "between the two for ever");
        worlds[1].pass_seconds(3_600);
    }
    settle_both(&mut worlds);
    assert_eq!(both_paid(&worlds), (20_000, 500));
    check_audit(&worlds);
}

/// The shard of the parent panics on the next message for it, and sends it back.
fn bury(worlds: &mut [World; 2]) {
    let (from, to, number, message) = next_between(worlds).unwrap();
    assert_eq!((from, to), (1, 0));
    let (at, sender) = (worlds[0].state.ledger_time(worlds[0].clock), worlds[1].state.shard());
    let Receipt::Record(buried) = worlds[0].state.dead_letter(at, sender, number, &message) else { panic!() };
    worlds[0].push(buried);
}

/// An allowance of 20.00 has ended, and what was left of it, all, is on its way back to the parent.
fn on_its_way_back(own: i64) -> [World; 2] {
    let mut worlds = two_shards();
    assert_eq!(worlds[0].tap(world::DESK, 6, 1, world::allow(CHILD, 2_000, 100)), APPLIED);
    settle_both(&mut worlds);
    if own > 0 {
        assert_eq!(worlds[1].tap(world::DESK, 3, CHILD, world::cash(own)), APPLIED);
    }
    assert_eq!(worlds[0].tap(world::DESK, 7, 1, world::allow(CHILD, 0, 0)), APPLIED);
    deliver_between(&mut worlds);
    assert_eq!(worlds[1].fire(), 1);
    worlds
}

/// It comes to the child again; then more than an hour passes.
fn settle_for_an_hour(worlds: &mut [World; 2]) {
    settle_both(worlds);
    worlds[1].pass_seconds(3_600);
    settle_both(worlds);
    check_audit(worlds);
}

#[test]
fn what_comes_back_to_an_allowance_that_was_set_again_is_part_of_it() {
    let mut worlds = on_its_way_back(2_000);
    assert_eq!(worlds[0].tap(world::DESK, 8, 1, world::allow(CHILD, 100, 0)), APPLIED);
    deliver_between(&mut worlds);
    bury(&mut worlds);
    settle_for_an_hour(&mut worlds);
    assert_eq!(both_paid(&worlds), (17_900, 4_100), "it goes on");
    assert_eq!(worlds[0].tap(world::DESK, 12, 1, world::allow(CHILD, 0, 0)), APPLIED);
    settle_for_an_hour(&mut worlds);
    assert_eq!(both_paid(&worlds), (20_000, 2_000));
}

#[test]
fn what_comes_back_to_a_closed_festival_goes_back_though_the_allowance_stood() {
    let mut worlds = on_its_way_back(0);
    assert_eq!(worlds[0].tap(world::DESK, 8, 1, world::allow(CHILD, 333, 0)), APPLIED);
    deliver_between(&mut worlds);
    // It is spent, so that closing has nothing to end.
    assert_eq!(worlds[1].tap(world::BAR, 1, CHILD, world::buy(5, 1)), APPLIED);
    close(&mut worlds[1]);
    bury(&mut worlds);
    settle_for_an_hour(&mut worlds);
    assert_eq!(both_paid(&worlds), (20_000 - 333, 0));
}

#[test]
fn what_comes_back_under_another_giver_stays_with_the_child() {
    // A stranger who gave 3.00 was given back 23.00 of the parent's.
    let mut worlds = on_its_way_back(2_000);
    bury(&mut worlds);
    assert_eq!(worlds[1].tap(world::DESK, 9, 1_003, Command::Open), APPLIED);
    assert_eq!(worlds[1].tap(world::DESK, 10, 1_003, world::cash(1_000)), APPLIED);
    assert_eq!(worlds[1].tap(world::DESK, 11, 1_003, world::allow(CHILD, 300, 0)), APPLIED);
    own_mail(&mut worlds[1]);
    settle_for_an_hour(&mut worlds);
    assert_eq!(both_paid(&worlds), (18_000, 4_300));
    assert_eq!(worlds[1].tap(world::DESK, 12, 1_003, world::allow(CHILD, 0, 0)), APPLIED);
    own_mail(&mut worlds[1]);
    assert_eq!(worlds[1].fire(), 1);
    own_mail(&mut worlds[1]);
    settle_for_an_hour(&mut worlds);
    assert_eq!(both_paid(&worlds), (18_000, 4_000));
}

#[test]
fn what_is_kept_to_be_claimed_is_not_taken_from_the_child_as_well() {
    // Twenty euros that a child had paid in itself went to the parent, and twenty more could be claimed.
    let mut worlds = on_its_way_back(2_000);
    bury(&mut worlds);
    // Its return cannot be decided either.
    let (_, _, number, back) = next_between(&worlds).unwrap();
    let (at, sender) = (worlds[1].state.ledger_time(worlds[1].clock), worlds[0].state.shard());
    let Receipt::Record(kept) = worlds[1].state.dead_letter(at, sender, number, &back) else { panic!() };
    worlds[1].push(kept);
    settle_for_an_hour(&mut worlds);
    assert_eq!(both_paid(&worlds), (18_000, 2_000));
}

/// What the auditor says of both shards' histories; it knows nothing of how they decide.
fn check_audit(worlds: &[World; 2]) {
    let mut auditor = Auditor::new(&[]);
    for world in worlds {
        crate::audit::audit(&mut auditor, world);
    }
    let report = auditor.finish();
    let broken: Vec<_> = report.findings.iter().filter(|found| found.rule != Rule::Missing).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The next message between the two arrives.
fn deliver_between(worlds: &mut [World; 2]) {
    let (from, to, number, message) = next_between(worlds).unwrap();
    let (at, sender) = (worlds[to].state.ledger_time(worlds[to].clock), worlds[from].state.shard());
    let Receipt::Record(record) = worlds[to].state.receive(at, sender, number, &message) else { panic!() };
    worlds[to].push(record);
}

/// What a shard sent to itself arrives.
fn own_mail(world: &mut World) {
    let shard = world.state.shard();
    let outbox = world.state.channels().outbox(shard).into_iter().flat_map(Outbox::waiting);
    let sent: Vec<_> = outbox.map(|waiting| (waiting.number, waiting.message.clone())).collect();
    for (number, message) in sent {
        let at = world.state.ledger_time(world.clock);
        if let Receipt::Record(record) = world.state.receive(at, shard, number, &message) {
            world.push(record);
        }
    }
}
