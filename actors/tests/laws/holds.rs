//! Money held for a sale to come: where it comes from, where it goes, and that time alone changes nothing.
//! Each test begins with what a guest or a vendor would have lost.

use actors::answer::Verdict;
use actors::codes::{Decline, Outcome};
use actors::command::Command;
use actors::festival::{Purse, Standing};
use ledger::account::AccountKind;
use ledger::record::Body;

use crate::world::{self, Reply, World};

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

/// Band 1 is open and holds 20.00 paid in and 5.00 bonus; bonus is spent first.
fn prepared() -> World {
    let mut world = World::new();
    world.tap(world::DESK, 1, 1, Command::Open);
    world.tap(world::DESK, 2, 1, world::cash(2_000));
    assert_eq!(world.tap(world::SUPERVISOR, 1, 1, world::bonus(500)), APPLIED);
    world
}

/// 10.00 held by the bar under its id 1: 5.00 bonus and 5.00 paid in.
fn held(seconds: u32) -> World {
    let mut world = prepared();
    assert_eq!(world.tap(world::BAR, 1, 1, world::hold(1_000, seconds)), APPLIED);
    assert_eq!(world.purses(1), Some([1_500, 0, 0]));
    world
}

fn one_beer() -> Command {
    world::capture(world::id(world::BAR, 1), &[world::line(1, 1, 650)])
}

fn held_by(world: &World) -> i64 {
    world.state.held(world::wallet(1))
}

/// What vendor 1 is owed here.
fn owed(world: &World) -> i64 {
    let stripes = world.state.stripes();
    let sales = stripes.iter().find(|(account, _)| account.kind == AccountKind::VendorSales);
    sales.map_or(0, |(_, minor)| -minor)
}

#[test]
fn what_is_held_cannot_be_spent_twice_and_a_statement_shows_what_can_be_spent() {
    // The deposit for a rented tent was drunk before the tent came back.
    let mut world = held(3_600);
    assert_eq!(
        world.tap(world::OTHER_BAR, 1, 1, world::buy(3, 2)),
        Verdict::Declined(Decline::InsufficientFunds)
    );
    let request = world::request(&world.keys, world::BAR, 2, 1, Command::Balance);
    let Reply::Statement(statement) = world.ask(&request) else { panic!("no statement") };
    assert_eq!(statement.answer.balance, 1_500);
    assert_eq!(held_by(&world), 1_000);
}

#[test]
fn a_capture_sells_in_the_purse_order_and_gives_the_rest_back_at_once() {
    // The guest saw a third of the deposit only days later.
    let mut world = held(3_600);
    assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
    // 5.00 bonus and 1.50 paid in are sold, 3.50 paid in come back.
    assert_eq!((world.purses(1), held_by(&world), owed(&world)), (Some([1_850, 0, 0]), 0, 650));
    let Some(Body::Captured { from, .. }) = world.history.last().map(|record| record.body.clone()) else {
        panic!("no capture was booked")
    };
    assert_eq!(from, [150, 500, 0]);
}

#[test]
fn a_capture_of_all_of_it_leaves_nothing_held() {
    let mut world = prepared();
    assert_eq!(world.tap(world::BAR, 1, 1, world::hold(650, 60)), APPLIED);
    assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
    assert_eq!((world.purses(1), held_by(&world), owed(&world)), (Some([1_850, 0, 0]), 0, 650));
}

#[test]
fn a_purse_that_a_newer_configuration_no_longer_spends_is_captured_all_the_same() {
    // The festival took bonus money out of the order; the vendor could not charge for what was drunk.
    let mut world = held(3_600);
    world.change(|settings, _| settings.purse_order = std::iter::once(Purse::Paid).collect());
    assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
    // All 5.00 paid in and 1.50 of the bonus.
    assert_eq!((world.purses(1), held_by(&world)), (Some([1_500, 350, 0]), 0));
}

#[test]
fn void_and_cancel_of_a_capture_put_back_what_it_sold_where_it_came_from() {
    // Bonus money came back as money that can be paid out; or the hold came to life again.
    for cancelled in [true, false] {
        let mut world = held(3_600);
        assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
        if cancelled {
            let verdict = world.tap(world::BAR, 2, 1, Command::Cancel);
            assert_eq!(verdict, Verdict::Applied(Outcome::Declined(Decline::Cancelled)));
        } else {
            let sale = world::id(world::BAR, 2);
            assert_eq!(world.tap(world::DESK, 3, 1, Command::Void { sale }), APPLIED);
        }
        assert_eq!((world.purses(1), held_by(&world), owed(&world)), (Some([2_000, 500, 0]), 0, 0));
        assert_eq!(world.tap(world::BAR, 3, 1, one_beer()), Verdict::Declined(Decline::HoldEnded));
        crate::audit::check_audit(&world);
    }
}

#[test]
fn a_cancelled_authorisation_gives_back_and_its_timer_with_it() {
    let mut world = held(60);
    let cancelled = Verdict::Applied(Outcome::Declined(Decline::Cancelled));
    assert_eq!(world.tap(world::BAR, 1, 1, Command::Cancel), cancelled);
    assert_eq!((world.purses(1), held_by(&world)), (Some([2_000, 500, 0]), 0));
    world.pass_seconds(60);
    assert_eq!((world.state.next_due(), world.fire()), (None, 0));
}

#[test]
fn time_alone_changes_nothing_and_a_capture_before_the_expiry_record_is_in_time() {
    // The barman charged at the last second, and the record of the expiry was not written yet.
    let mut world = held(60);
    world.pass_seconds(61);
    let digest = world.state.digest();
    let at = world.state.ledger_time(world.clock);
    assert!(world.state.due(at, None).and_then(|timer| world.state.fire(at, timer)).is_some());
    assert_eq!((world.state.digest(), held_by(&world)), (digest, 1_000));
    assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
    assert_eq!((world.fire(), owed(&world)), (0, 650));
}

#[test]
fn what_nobody_captures_comes_back_when_its_time_is_up_and_not_before() {
    let mut world = held(60);
    world.pass_seconds(59);
    assert_eq!((world.fire(), held_by(&world)), (0, 1_000));
    world.pass_seconds(1);
    assert_eq!((world.fire(), held_by(&world)), (1, 0));
    assert_eq!(world.purses(1), Some([2_000, 500, 0]));
    // A retry of the authorisation gets its first answer all the same.
    assert_eq!(world.tap(world::BAR, 1, 1, world::hold(1_000, 60)), APPLIED);
    crate::audit::check_audit(&world);
}

#[test]
fn expired_money_comes_back_to_a_full_and_quarantined_wallet() {
    // Kept apart for a person to look at, the wallet lost what was held.
    let mut world = held(60);
    assert_eq!(world.tap(world::DESK, 3, 1, world::cash(15_000)), APPLIED);
    assert_eq!(world.tap(world::DESK, 4, 1, world::cash(world::CAP - 17_500)), APPLIED);
    world.quarantine(1, true);
    world.pass_seconds(60);
    assert_eq!((world.fire(), held_by(&world)), (1, 0));
    assert_eq!(world.purses(1), Some([world::CAP - 500, 500, 0]));
}

#[test]
fn what_was_held_with_a_band_that_is_lost_since_is_still_charged() {
    // The guest reported the band lost in the morning, and the night's tab was never paid.
    let mut world = held(3_600);
    assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), APPLIED);
    assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
    assert_eq!((held_by(&world), owed(&world)), (0, 650));
}

#[test]
fn timers_survive_a_restart() {
    // After a power cut nobody gave the deposits back.
    let mut world = held(60);
    world.state = world.replayed(&mut |_, _| {});
    world.pass_seconds(60);
    assert_eq!((world.fire(), held_by(&world)), (1, 0));
}

#[test]
fn a_hold_outlives_the_pause_of_the_festival() {
    // The ground was cleared for a storm; what had been drunk before could not be charged any more.
    for standing in [Standing::Paused, Standing::Closed] {
        let mut world = held(3_600);
        world.change(|settings, lists| {
            settings.standing = standing;
            lists.vendors[0].stopped = true;
        });
        assert_eq!(world.tap(world::BAR, 2, 1, one_beer()), APPLIED);
        let mut world = held(3_600);
        world.change(|settings, _| settings.standing = standing);
        let release = Command::ReleaseHold { hold: world::id(world::BAR, 1) };
        assert_eq!(world.tap(world::BAR, 2, 1, release), APPLIED);
        assert_eq!(world.purses(1), Some([2_000, 500, 0]));
    }
}
