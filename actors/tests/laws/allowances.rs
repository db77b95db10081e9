//! Allowances: a child is filled up once for every time it falls below the mark, whatever the way between
//! loses, doubles and mixes up; what is left goes back; nothing of it is lost or made. All wallets live in
//! one shard, so both ends of every channel are here.

use actors::answer::Verdict;
use actors::channels::{Outbox, WINDOW};
use actors::codes::{Decline, Outcome, Refusal};
use actors::command::Command;
use actors::festival::Standing;
use actors::mail::Receipt;
use ledger::account::AccountKind;
use ledger::ids::ShardId;
use ledger::record::{Body, Message, Record};
use proptest::prelude::*;

use crate::allowance_model::check_asking;
use crate::world::{self, World, close};

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

/// Messages on their way, by number.
fn on_the_way(world: &World) -> Vec<(u64, Message)> {
    let taken = world.state.channels().taken_from(world::SHARD);
    let outbox = world.state.channels().outbox(world::SHARD).into_iter();
    let waiting = outbox.flat_map(Outbox::waiting).filter(|waiting| waiting.number > taken);
    waiting.map(|waiting| (waiting.number, waiting.message.clone())).collect()
}

fn deliver(world: &mut World, number: u64, message: &Message) -> Option<Record> {
    let at = world.state.ledger_time(world.clock);
    let Receipt::Record(record) = world.state.receive(at, world::SHARD, number, message) else { return None };
    world.push(record.clone());
    Some(record)
}

fn deliver_next(world: &mut World) -> Option<Record> {
    let (number, message) = on_the_way(world).first()?.clone();
    deliver(world, number, &message)
}

/// Everything arrives, and every timer that has something to say says it.
fn settle(world: &mut World) {
    loop {
        while deliver_next(world).is_some() {}
        let at = world.state.ledger_time(world.clock);
        let mut after = None;
        let mut fired = false;
        while let Some(timer) = world.state.due(at, after) {
            after = Some(timer);
            if let Some(record) = world.state.fire(at, timer) {
                world.push(record);
                fired = true;
            }
        }
        if !fired {
            return;
        }
    }
}

fn paid(world: &World, band: u32) -> i64 {
    world.purses(band).map_or(0, |purses| purses[0])
}

fn stripe(world: &World, kind: AccountKind) -> i64 {
    let stripes = world.state.stripes();
    stripes.iter().filter(|(account, _)| account.kind == kind).map(|(_, minor)| -minor).sum()
}

/// A parent (band 1) with 200.00, and two children.
fn family() -> World {
    let mut world = World::new();
    for band in 1..=3 {
        assert_eq!(world.tap(world::DESK, band.into(), band, Command::Open), APPLIED);
    }
    for counter in [4, 5] {
        assert_eq!(world.tap(world::DESK, counter, 1, world::cash(10_000)), APPLIED);
    }
    world
}

/// What happens to an allowance, given how it is ended and how its child buys.
type Case = (&'static str, fn(&mut World, &dyn Fn(&mut World), &dyn Fn(&mut World, u64, u16)));

/// Band 1 gives band 2 an allowance of 20.00.
fn given_twenty(world: &mut World) {
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 700)), APPLIED);
    settle(world);
}

fn voided(sale: u64) -> Command {
    Command::Void { sale: world::id(world::BAR, sale) }
}

fn asks(world: &World) -> usize {
    let sent =
        world.history.iter().flat_map(|record| record.envelope.mail.iter().flat_map(|mail| &mail.sent));
    sent.filter(|sent| matches!(sent.message, Message::AllowanceAsked { .. })).count()
}

#[test]
fn a_child_is_filled_up_when_it_falls_below_the_mark_and_gives_back_what_is_left() {
    // A child with an empty band at the far end of the ground, and a parent who paid twice for one filling.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 700)), APPLIED);
    assert_eq!((paid(&world, 1), paid(&world, 2)), (18_000, 0));
    settle(&mut world);
    assert_eq!(paid(&world, 2), 2_000);
    // 7.00 are left, which is not below the mark; one more sale is, and the next one asks nothing more.
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(1, 2)), APPLIED);
    assert_eq!((asks(&world), paid(&world, 2)), (0, 700));
    assert_eq!(world.tap(world::BAR, 2, 2, world::buy(2, 1)), APPLIED);
    assert_eq!((asks(&world), paid(&world, 2)), (1, 300));
    settle(&mut world);
    assert_eq!((paid(&world, 1), paid(&world, 2)), (16_300, 2_000));
    // What the child pays in itself is spent first, and stays the child's.
    assert_eq!(world.tap(world::DESK, 7, 2, world::cash(1_000)), APPLIED);
    assert_eq!(world.tap(world::BAR, 4, 2, world::buy(1, 1)), APPLIED);
    assert_eq!(world.tap(world::DESK, 8, 1, world::allow(2, 0, 0)), APPLIED);
    settle(&mut world);
    assert_eq!((paid(&world, 1), paid(&world, 2)), (18_300, 350));
    assert_eq!(stripe(&world, AccountKind::Transit), 0);
    assert_eq!(world.tap(world::BAR, 5, 2, world::buy(5, 1)), APPLIED);
    assert_eq!(asks(&world), 1, "it has ended");
    crate::audit::check_audit(&world);
}

#[test]
fn a_parent_without_money_is_asked_again_by_the_next_sale() {
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 1_900)), APPLIED);
    settle(&mut world);
    assert_eq!(world.tap(world::DESK, 7, 1, world::pay(3, 18_000)), APPLIED);
    for (counter, expected) in [(1, 1), (2, 2)] {
        assert_eq!(world.tap(world::BAR, counter, 2, world::buy(2, 1)), APPLIED);
        assert_eq!(asks(&world), expected);
        settle(&mut world);
        world.pass_seconds(60);
    }
    assert_eq!((paid(&world, 1), paid(&world, 2)), (0, 1_200));
    crate::audit::check_audit(&world);
}

#[test]
fn the_end_of_the_festival_brings_everything_back_at_once() {
    let mut world = family();
    for (counter, child) in [(6, 2), (7, 3)] {
        assert_eq!(world.tap(world::DESK, counter, 1, world::allow(child, 3_000, 100)), APPLIED);
    }
    settle(&mut world);
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(1, 1)), APPLIED);
    close(&mut world);
    settle(&mut world);
    assert_eq!((paid(&world, 1), paid(&world, 2), paid(&world, 3)), (20_000 - 650, 0, 0));
    assert_eq!(stripe(&world, AccountKind::Transit), 0);
    crate::audit::check_audit(&world);
}

#[test]
fn a_child_has_one_allowance_and_a_second_ones_money_comes_back() {
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 100)), APPLIED);
    settle(&mut world);
    assert_eq!(world.tap(world::DESK, 7, 3, world::cash(5_000)), APPLIED);
    assert_eq!(world.tap(world::DESK, 8, 3, world::allow(2, 1_000, 100)), APPLIED);
    settle(&mut world);
    assert_eq!((paid(&world, 2), paid(&world, 3)), (2_000, 5_000));
    // It came back, so there is none to be ended, and the child still asks its own parent.
    assert_eq!(world.tap(world::DESK, 9, 3, world::allow(2, 0, 0)), Verdict::Declined(Decline::NoAllowance));
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(1, 3)), APPLIED);
    settle(&mut world);
    assert_eq!((paid(&world, 1), paid(&world, 2)), (20_000 - 2_000 - 1_950, 2_000));
    crate::audit::check_audit(&world);
}

#[test]
fn an_opening_is_not_taken_back_under_money_that_a_message_brought() {
    // The wallet was closed with another guest's money in it, which nobody could spend or claim.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::pay(2, 500)), APPLIED);
    settle(&mut world);
    assert_eq!(world.tap(world::DESK, 2, 2, Command::Cancel), Verdict::Declined(Decline::WalletInUse));
    crate::audit::check_audit(&world);
}

/// The parent's shard and the child's: band 1 with 200.00, and band 1,002 with nothing.
pub(crate) fn two_shards() -> [World; 2] {
    let mut far = World::in_shard(ShardId(world::SHARD.0 + 1));
    assert_eq!(far.tap(world::DESK, 2, CHILD, Command::Open), APPLIED);
    [family(), far]
}

pub(crate) const CHILD: u32 = 1_002;

/// Every message between the two arrives; whether there was any.
fn exchange(worlds: &mut [World; 2]) -> bool {
    let mut any = false;
    while let Some((from, to, number, message)) = next_between(worlds) {
        let at = worlds[to].state.ledger_time(worlds[to].clock);
        let sender = worlds[from].state.shard();
        let Receipt::Record(record) = worlds[to].state.receive(at, sender, number, &message) else {
            panic!("message {number} was not taken");
        };
        worlds[to].push(record);
        any = true;
    }
    any
}

pub(crate) fn next_between(worlds: &[World; 2]) -> Option<(usize, usize, u64, Message)> {
    [(0, 1), (1, 0)].into_iter().find_map(|(from, to)| {
        let taken = worlds[to].state.channels().taken_from(worlds[from].state.shard());
        let outbox = worlds[from].state.channels().outbox(worlds[to].state.shard())?;
        let next = outbox.waiting().find(|waiting| waiting.number > taken)?;
        Some((from, to, next.number, next.message.clone()))
    })
}

/// Messages and timers of both shards, until there is nothing more to say; then both histories are
/// looked through: nothing is on its way, and no allowance stands where the festival is closed.
pub(crate) fn settle_both(worlds: &mut [World; 2]) {
    while exchange(worlds) || worlds.iter_mut().map(World::fire).sum::<usize>() > 0 {}
    let transit: i64 = worlds.iter().map(|world| stripe(world, AccountKind::Transit)).sum();
    assert_eq!(transit, 0, "the two halves of a way");
    for world in worlds {
        check_asking(&world.history);
        let history = &world.history;
        let replayed = world.replayed(&mut |state, record| {
            crate::programs::check_decided_again(state, record, history);
        });
        assert_eq!(replayed.digest(), world.state.digest());
        let closed = world.state.adopted().unwrap().festival.standing == Standing::Closed;
        assert_eq!(world.state.kept_in_money().count() * usize::from(closed), 0);
    }
}

pub(crate) fn both_paid([near, far]: &[World; 2]) -> (i64, i64) {
    (paid(near, 1), paid(far, CHILD))
}

#[test]
fn money_on_its_way_while_the_festival_closes_comes_back() {
    // The first filling arrived in a shard that had just closed: the parent's 20.00 stayed with the child.
    let mut worlds = two_shards();
    assert_eq!(worlds[0].tap(world::DESK, 6, 1, world::allow(CHILD, 2_000, 700)), APPLIED);
    close(&mut worlds[1]);
    settle_both(&mut worlds);
    assert_eq!(both_paid(&worlds), (20_000, 0));

    // And so did a filling that the child had asked for, and a change of the terms.
    for change in [false, true] {
        let mut worlds = two_shards();
        assert_eq!(worlds[0].tap(world::DESK, 6, 1, world::allow(CHILD, 2_000, 700)), APPLIED);
        settle_both(&mut worlds);
        if change {
            assert_eq!(worlds[0].tap(world::DESK, 7, 1, world::allow(CHILD, 3_000, 900)), APPLIED);
            close(&mut worlds[1]);
            worlds[1].fire();
        } else {
            assert_eq!(worlds[1].tap(world::BAR, 1, CHILD, world::buy(1, 3)), APPLIED);
            let (from, to, number, asked) = next_between(&worlds).unwrap();
            let (at, sender) = (worlds[to].state.ledger_time(worlds[to].clock), worlds[from].state.shard());
            let Receipt::Record(filled) = worlds[to].state.receive(at, sender, number, &asked) else {
                panic!()
            };
            worlds[to].push(filled);
            close(&mut worlds[1]);
        }
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (if change { 20_000 } else { 20_000 - 1_950 }, 0), "change {change}");
        close(&mut worlds[0]);
        settle_both(&mut worlds);
    }
}

#[test]
fn what_was_held_goes_back_when_its_hold_ends() {
    // A deposit for a cup was open when the festival closed: the parent's money stayed with the child.
    for released in [true, false] {
        let mut worlds = two_shards();
        assert_eq!(worlds[0].tap(world::DESK, 6, 1, world::allow(CHILD, 2_000, 100)), APPLIED);
        settle_both(&mut worlds);
        assert_eq!(worlds[1].tap(world::BAR, 1, CHILD, world::hold(1_500, 600)), APPLIED);
        close(&mut worlds[1]);
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (18_500, 0));
        if released {
            let release = Command::ReleaseHold { hold: world::id(world::BAR, 1) };
            assert_eq!(worlds[1].tap(world::BAR, 2, CHILD, release), APPLIED);
        } else {
            worlds[1].pass_seconds(601);
        }
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (20_000, 0));
    }
}

#[test]
fn what_goes_back_is_taken_whatever_the_cap_and_from_a_child_that_gives_too() {
    // The parent had topped up to the cap meanwhile, or was quarantined: what went back was declined, came
    // to the child again and was forgotten there.
    for quarantined in [false, true] {
        let mut worlds = two_shards();
        assert_eq!(worlds[0].tap(world::DESK, 6, 1, world::allow(CHILD, 2_000, 100)), APPLIED);
        settle_both(&mut worlds);
        assert_eq!(worlds[1].tap(world::DESK, 3, CHILD, world::allow(1, 500, 100)), APPLIED);
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (18_500, 1_500));
        assert_eq!(worlds[0].tap(world::DESK, 7, 1, world::cash(world::CAP - 18_500)), APPLIED);
        assert_eq!(worlds[0].tap(world::DESK, 8, 1, world::allow(CHILD, 0, 0)), APPLIED);
        worlds[0].quarantine(1, quarantined);
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (world::CAP + 1_500, 0));
        // What the child gives its parent still stands, and its money is still the child's.
        worlds[0].quarantine(1, false);
        assert_eq!(worlds[1].tap(world::DESK, 4, CHILD, world::allow(1, 0, 0)), APPLIED);
        settle_both(&mut worlds);
        assert_eq!(both_paid(&worlds), (world::CAP + 1_000, 500));
    }
}

#[test]
fn what_was_not_spent_after_all_is_the_parents_still() {
    // A child bought for twenty euros, the till gave up, and the parent's twenty had become the child's own.
    let sell = |world: &mut World, counter, lines| {
        assert_eq!(world.tap(world::BAR, counter, 2, world::buy(2, lines)), APPLIED);
    };
    let end = |world: &mut World| {
        assert_eq!(world.tap(world::DESK, 7, 1, world::allow(2, 0, 0)), APPLIED);
        settle(world);
    };
    let cases: [Case; 7] = [
        ("cancelled", |world, end, sell| {
            sell(world, 1, 5);
            world.tap(world::BAR, 1, 2, Command::Cancel);
            settle(world);
            end(world);
        }),
        ("voided", |world, end, sell| {
            sell(world, 1, 5);
            settle(world);
            assert_eq!(world.tap(world::DESK, 22, 2, voided(1)), APPLIED);
            end(world);
        }),
        ("voided when the allowance had ended", |world, end, sell| {
            sell(world, 1, 3);
            end(world);
            assert_eq!(world.tap(world::DESK, 22, 2, voided(1)), APPLIED);
            settle(world);
        }),
        ("voided again, after a void that was taken back", |world, end, sell| {
            sell(world, 1, 3);
            assert_eq!(world.tap(world::DESK, 22, 2, voided(1)), APPLIED);
            world.tap(world::DESK, 22, 2, Command::Cancel);
            assert_eq!(world.tap(world::DESK, 23, 2, voided(1)), APPLIED);
            end(world);
        }),
        ("voided once more, when there was other money to take the void back with", |world, end, sell| {
            sell(world, 1, 3);
            end(world);
            assert_eq!(world.tap(world::DESK, 21, 2, world::cash(3_000)), APPLIED);
            assert_eq!(world.tap(world::DESK, 22, 2, voided(1)), APPLIED);
            settle(world);
            world.tap(world::DESK, 22, 2, Command::Cancel);
            assert_eq!(world.tap(world::DESK, 23, 2, voided(1)), APPLIED);
            settle(world);
            // What the child paid in is its own still.
            for (counter, payer, payee) in [(24, 2, 1), (25, 1, 3)] {
                assert_eq!(world.tap(world::DESK, counter, payer, world::pay(payee, 3_000)), APPLIED);
                settle(world);
            }
        }),
        ("given to a friend who has an allowance", |world, end, _| {
            assert_eq!(world.tap(world::DESK, 8, 1, world::allow(3, 1_000, 100)), APPLIED);
            settle(world);
            assert_eq!(world.tap(world::DESK, 9, 2, world::allow(3, 1_500, 100)), APPLIED);
            settle(world);
            assert_eq!(world.tap(world::DESK, 10, 1, world::allow(3, 0, 0)), APPLIED);
            end(world);
        }),
        ("paid to a wallet that is not there", |world, end, _| {
            assert_eq!(world.tap(world::DESK, 8, 2, world::pay(4, 700)), APPLIED);
            settle(world);
            end(world);
        }),
    ];
    for (what, deed) in cases {
        let mut world = family();
        given_twenty(&mut world);
        deed(&mut world, &end, &sell);
        assert_eq!((paid(&world, 1), paid(&world, 2)), (20_000, 0), "{what}");
        check_asking(&world.history);
        crate::audit::check_audit(&world);
    }
}

#[test]
fn a_void_from_before_the_allowance_that_is_taken_back_takes_its_money_only_once() {
    // The void stood again and again, each time the parent's money became the child's.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 30, 2, world::cash(400)), APPLIED);
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(2, 1)), APPLIED);
    assert_eq!(world.tap(world::DESK, 31, 2, voided(1)), APPLIED);
    world.pass_seconds(60);
    assert_eq!(world.tap(world::BAR, 2, 2, world::buy(2, 1)), APPLIED);
    given_twenty(&mut world);
    world.tap(world::DESK, 31, 2, Command::Cancel);
    assert_eq!(paid(&world, 2), 1_600);
    assert_eq!(world.tap(world::DESK, 32, 2, voided(1)), APPLIED);
    assert_eq!(world.tap(world::DESK, 7, 1, world::allow(2, 0, 0)), APPLIED);
    settle(&mut world);
    assert_eq!((paid(&world, 1), paid(&world, 2)), (20_000, 0));
    check_asking(&world.history);
    crate::audit::check_audit(&world);
}

#[test]
fn an_answer_is_not_taken_for_that_of_another_allowance() {
    // A grandmother's allowance ended the moment she gave it, because the father's had run out.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 700)), APPLIED);
    settle(&mut world);
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(2, 5)), APPLIED);
    assert_eq!(world.tap(world::DESK, 7, 1, world::allow(2, 0, 0)), APPLIED);
    // The father's shard says no to what was asked, then the child hears that it has ended.
    assert!(deliver_next(&mut world).is_some() && deliver_next(&mut world).is_some());
    assert_eq!(world.tap(world::DESK, 8, 3, world::cash(5_000)), APPLIED);
    assert_eq!(world.tap(world::DESK, 9, 3, world::allow(2, 1_000, 500)), APPLIED);
    settle(&mut world);
    assert_eq!((paid(&world, 1), paid(&world, 2), paid(&world, 3)), (18_000, 1_000, 4_000));
    assert_eq!(world.tap(world::BAR, 2, 2, world::buy(1, 1)), APPLIED);
    settle(&mut world);
    assert_eq!((asks(&world), paid(&world, 2), paid(&world, 3)), (2, 1_000, 3_350));
    check_asking(&world.history);
    crate::audit::check_audit(&world);
}

#[test]
fn a_sale_of_an_earlier_allowance_that_is_voided_is_its_givers() {
    // The auditor called the ledger of a festival unsound for it, for ever.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 5, 3, world::cash(5_000)), APPLIED);
    for (counter, giver, target) in [(6, 1, 2_000), (8, 3, 1_000)] {
        assert_eq!(world.tap(world::DESK, counter, giver, world::allow(2, target, 0)), APPLIED);
        settle(&mut world);
        assert_eq!(world.tap(world::BAR, counter, 2, world::buy(1, 1)), APPLIED);
        assert_eq!(world.tap(world::DESK, counter + 1, giver, world::allow(2, 0, 0)), APPLIED);
        settle(&mut world);
        world.pass_seconds(60);
    }
    assert_eq!((paid(&world, 1), paid(&world, 2), paid(&world, 3)), (19_350, 0, 4_350));
    for (counter, sale) in [(20, 6), (21, 8)] {
        assert_eq!(world.tap(world::DESK, counter, 2, voided(sale)), APPLIED);
        settle(&mut world);
    }
    assert_eq!((paid(&world, 1), paid(&world, 2), paid(&world, 3)), (20_000, 0, 5_000));
    check_asking(&world.history);
    crate::audit::check_audit(&world);
}

#[test]
fn one_that_is_set_again_is_not_asked_while_an_answer_is_on_its_way() {
    // A parent paid two fillings for one empty band.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 700)), APPLIED);
    settle(&mut world);
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(2, 5)), APPLIED);
    for (counter, target) in [(7, 0), (8, 2_000)] {
        assert_eq!(world.tap(world::DESK, counter, 1, world::allow(2, target, target / 2)), APPLIED);
    }
    // The asking, the end and the new beginning are there; the answer is not.
    (0..3).for_each(|_| assert!(deliver_next(&mut world).is_some()));
    assert_eq!(world.tap(world::BAR, 2, 2, world::buy(2, 3)), APPLIED);
    assert_eq!(asks(&world), 1);
    settle(&mut world);
    check_asking(&world.history);
    crate::audit::check_audit(&world);
}

#[test]
fn an_answer_without_a_place_on_the_way_back_does_not_speak_of_money() {
    // A parent with 100 euros was told by the journal that it had too little.
    let mut world = family();
    assert_eq!(world.tap(world::DESK, 6, 1, world::allow(2, 2_000, 1_900)), APPLIED);
    settle(&mut world);
    for counter in 0..WINDOW - 2 {
        assert_eq!(world.tap(world::DESK, 100 + counter, 1, world::pay(3, 1)), APPLIED);
    }
    assert_eq!(world.tap(world::BAR, 1, 2, world::buy(2, 1)), APPLIED);
    assert_eq!(
        (asks(&world), world.tap(world::DESK, 9, 1, world::pay(3, 1))),
        (1, Verdict::Refused(Refusal::Busy))
    );
    while let Some(record) = deliver_next(&mut world) {
        if let Body::Delivered { message: Message::AllowanceAsked { .. } } = record.body {
            assert_eq!(record.decline, Decline::Undeliverable.to_record());
        }
    }
    // Its window is free again, and the child's next sale is filled up.
    let up_to = world.state.channels().taken_from(world::SHARD);
    world.fact(Body::Acknowledged { to: world::SHARD, up_to });
    world.pass_seconds(60);
    assert_eq!(world.tap(world::BAR, 2, 2, world::buy(2, 1)), APPLIED);
    settle(&mut world);
    assert_eq!((asks(&world), paid(&world, 2)), (2, 2_000));
    crate::audit::check_audit(&world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn money_of_allowances_is_neither_lost_nor_made_nor_asked_for_twice(
        steps in proptest::collection::vec((0_u8..15, 1_u32..=3, 1_u32..=4, 0_i64..3_000), 1..120),
        closes in any::<bool>(),
    ) {
        let mut world = family();
        world.tap(world::DESK, 6, 2, world::cash(3_000));
        let mut counter = 10;
        let (mut sales, mut voids) = (Vec::new(), Vec::new());
        let total = |world: &World| {
            let wallets: i64 = (1..=4).map(|band| paid(world, band)).sum();
            wallets + stripe(world, AccountKind::VendorSales) + stripe(world, AccountKind::Transit)
        };
        let before = total(&world);
        for (what, band, other, amount) in steps {
            counter += 1;
            match what {
                0..2 => { world.tap(world::DESK, counter, band, world::allow(other, amount, amount / 2)); }
                2 => { world.tap(world::DESK, counter, band, world::allow(other, 0, 0)); }
                3..7 => {
                    let item = if amount % 2 == 0 { 2 } else { 5 };
                    world.pass_seconds(30);
                    world.tap(world::BAR, counter, band, world::buy(item, 1));
                    sales.push((counter, band));
                }
                10 | 11 if !sales.is_empty() => {
                    let (sale, band) = sales[usize::try_from(amount).unwrap() % sales.len()];
                    if what == 10 {
                        world.tap(world::BAR, sale, band, Command::Cancel);
                    } else {
                        world.tap(world::DESK, counter, band, voided(sale));
                        voids.push((counter, band));
                    }
                }
                12 if !voids.is_empty() => {
                    let (void, band) = voids[usize::try_from(amount).unwrap() % voids.len()];
                    world.tap(world::DESK, void, band, Command::Cancel);
                }
                7 => { world.tap(world::DESK, counter, band, world::pay(other, amount.max(1))); }
                8 => {
                    // An old copy, or one before its turn.
                    let copies: Vec<_> = world.state.channels().outbox(world::SHARD).into_iter()
                        .flat_map(Outbox::waiting).map(|w| (w.number, w.message.clone())).collect();
                    if let Some((number, message)) = copies.get(usize::try_from(amount).unwrap() % copies.len().max(1)) {
                        deliver(&mut world, *number, message);
                    }
                }
                9 => { world.quarantine(band, amount % 2 == 0); }
                _ => { deliver_next(&mut world); }
            }
            prop_assert_eq!(total(&world), before);
        }
        for band in 1..=3 {
            world.quarantine(band, false);
        }
        if closes {
            close(&mut world);
        }
        settle(&mut world);
        prop_assert_eq!((total(&world), stripe(&world, AccountKind::Transit)), (before, 0));
        check_asking(&world.history);
        crate::audit::check_audit(&world);
        let history = &world.history;
        let replayed = world.replayed(&mut |state, record| {
            crate::programs::check_decided_again(state, record, history);
        });
        prop_assert_eq!(replayed.digest(), world.state.digest());
    }
}
