//! L5 in the actors: a message is taken once, in its order, whatever the way loses, doubles or mixes
//! up; what it brought arrives or comes back. All wallets of this world live in one shard, so the
//! channel is from the shard to itself, which is a channel like any other.

use actors::answer::Verdict;
use actors::channels::{Outbox, WINDOW};
use actors::codes::{Decline, Outcome};
use actors::command::Command;
use actors::mail::Receipt;
use ledger::account::AccountKind;
use ledger::ids::{RecordNumber, ShardId, VendorId};
use ledger::money::Currency;
use ledger::record::{Body, Envelope, Message, Record};
use proptest::prelude::*;

use crate::world::{self, World};

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

/// Messages that were sent and are not acknowledged, by number.
fn waiting(world: &World) -> Vec<(u64, Message)> {
    let outbox = world.state.channels().outbox(world::SHARD);
    outbox.into_iter().flat_map(Outbox::waiting).map(|w| (w.number, w.message.clone())).collect()
}

/// Hands message `number` over; the record that took it, if it was taken.
fn deliver(world: &mut World, number: u64, message: &Message) -> Option<Record> {
    let at = world.state.ledger_time(world.clock);
    let Receipt::Record(record) = world.state.receive(at, world::SHARD, number, message) else { return None };
    world.push(record.clone());
    Some(record)
}

/// Hands over everything that was not taken, in order, until nothing is on its way.
pub(crate) fn drain(world: &mut World) {
    loop {
        let taken = world.state.channels().taken_from(world::SHARD);
        let left: Vec<_> = waiting(world).into_iter().filter(|(number, _)| *number > taken).collect();
        if left.is_empty() {
            return;
        }
        for (number, message) in left {
            assert!(deliver(world, number, &message).is_some(), "message {number} was not taken");
        }
    }
}

fn stripe(world: &World, kind: AccountKind) -> i64 {
    let stripes = world.state.stripes();
    stripes.iter().filter(|(account, _)| account.kind == kind).map(|(_, minor)| minor).sum()
}

/// Bands 1 and 2 open, 100.00 paid in on band 1.
fn two_wallets() -> World {
    let mut world = World::new();
    for (counter, band) in [(1, 1), (2, 2)] {
        assert_eq!(world.tap(world::DESK, counter, band, Command::Open), APPLIED);
    }
    assert_eq!(world.tap(world::DESK, 3, 1, world::cash(10_000)), APPLIED);
    world
}

fn paid(world: &World, band: u32) -> i64 {
    world.purses(band).map_or(0, |purses| purses[0])
}

#[test]
fn a_message_before_its_turn_waits_and_a_late_copy_changes_nothing() {
    // A doubled packet paid the friend twice.
    let mut world = two_wallets();
    world.tap(world::DESK, 4, 1, world::pay(2, 100));
    world.tap(world::DESK, 5, 1, world::pay(2, 200));
    let sent = waiting(&world);
    assert!(deliver(&mut world, 2, &sent[1].1).is_none(), "taken before the first");
    for (number, message) in &sent {
        assert!(deliver(&mut world, *number, message).is_some());
        let at = world.state.ledger_time(world.clock);
        assert!(matches!(world.state.receive(at, world::SHARD, *number, message), Receipt::Known));
    }
    assert_eq!((paid(&world, 1), paid(&world, 2)), (9_700, 300));
    assert_eq!(stripe(&world, AccountKind::Transit), 0);
}

#[test]
fn what_cannot_arrive_comes_back_and_says_why() {
    // band that is to have it, amount, what led to it, why
    type Led = fn(&mut World);
    let cases: [(u32, i64, Led, Decline); 4] = [
        (7, 500, |_| {}, Decline::Undeliverable),
        (2, 500, |world| world.quarantine(2, true), Decline::Undeliverable),
        (
            2,
            500,
            |world| {
                world.tap(world::DESK, 2, 2, Command::Cancel);
            },
            Decline::Undeliverable,
        ),
        (
            2,
            600,
            |world| {
                world.tap(world::DESK, 20, 2, world::cash(15_000));
                world.tap(world::DESK, 21, 2, world::cash(9_500));
            },
            Decline::OverCap,
        ),
    ];
    for (band, amount, led, why) in cases {
        let mut world = two_wallets();
        led(&mut world);
        let before = (paid(&world, 1), paid(&world, 2));
        assert_eq!(world.tap(world::DESK, 9, 1, world::pay(band, amount)), APPLIED);
        assert_eq!(paid(&world, 1), before.0 - amount);
        let (number, message) = waiting(&world).remove(0);
        let taking = deliver(&mut world, number, &message).unwrap();
        let back = &taking.envelope.mail.as_ref().unwrap().sent[0].message;
        assert!(
            matches!(back, Message::Returned { why: said, .. } if Some(*said) == why.to_record()),
            "{why:?}: {back:?}"
        );
        assert!(taking.entry.is_empty());
        drain(&mut world);
        assert_eq!((paid(&world, 1), paid(&world, 2)), before, "{why:?}");
        assert_eq!(stripe(&world, AccountKind::Transit), 0);
    }
}

#[test]
fn what_comes_back_lands_though_the_payer_is_gone_full_or_kept_from_acting() {
    // A return that was declined: the money was nobody's.
    type Led = fn(&mut World);
    let cases: [(Led, i64, i64); 3] = [
        // Kept from acting: still the own purse.
        (|world| world.quarantine(1, true), 10_000, 0),
        // Topped up to the cap meanwhile: the cap is no reason to keep what is the payer's own.
        (
            |world| {
                world.tap(world::DESK, 30, 1, world::cash(15_000));
            },
            25_000,
            0,
        ),
        // Closed. No request leads there today, as a wallet that sent something is in use and stays: but the
        // return is not to count on that.
        (
            |world| {
                let envelope = Envelope {
                    wallet: Some(world::wallet(1)),
                    request: Some(world::id(world::DESK, 1)),
                    ..Envelope::default()
                };
                let at = world.state.ledger_time(world.clock);
                let opening = world.history.iter().position(|record| record.envelope.wallet.is_some());
                let position = RecordNumber(opening.unwrap() as u64);
                world.push(Record::fact(at, envelope, Body::Cancelled { position }));
            },
            9_500,
            -500,
        ),
    ];
    for (led, expected, unclaimed) in cases {
        let mut world = two_wallets();
        assert_eq!(world.tap(world::DESK, 9, 1, world::pay(7, 500)), APPLIED);
        led(&mut world);
        drain(&mut world);
        assert_eq!((paid(&world, 1), stripe(&world, AccountKind::Unclaimed)), (expected, unclaimed));
        assert_eq!(stripe(&world, AccountKind::Transit), 0);
    }
}

#[test]
fn a_message_that_nobody_could_decide_is_buried_and_goes_back() {
    // A band whose state makes the server fail swallowed what was sent to it.
    let mut world = two_wallets();
    assert_eq!(world.tap(world::DESK, 9, 1, world::pay(2, 500)), APPLIED);
    let (number, message) = waiting(&world).remove(0);
    let at = world.state.ledger_time(world.clock);
    let Receipt::Record(buried) = world.state.dead_letter(at, world::SHARD, number, &message) else {
        panic!()
    };
    assert!(matches!(buried.body, Body::DeadLettered { .. }));
    world.push(buried);
    // Its return cannot be decided either: kept for the payer to claim.
    let (number, back) = waiting(&world).remove(1);
    let Receipt::Record(kept) = world.state.dead_letter(at, world::SHARD, number, &back) else { panic!() };
    world.push(kept);
    assert_eq!((paid(&world, 1), paid(&world, 2)), (9_500, 0));
    assert_eq!(stripe(&world, AccountKind::Unclaimed), -500);
    assert_eq!(stripe(&world, AccountKind::Transit), 0);
}

#[test]
fn a_full_window_of_returns_lets_requests_wait_and_still_takes_a_return() {
    // Money for bands that nobody opened was taken without a place to send it back: it was nobody's. And two
    // shards full of returns waited for each other for ever.
    let far = ShardId(9);
    let mut world = two_wallets();
    // Band 6,001 lives in the far shard, which will send this back.
    assert_eq!(world.tap(world::DESK, 9, 1, world::pay(6_001, 500)), APPLIED);
    let sent = world.state.channels().outbox(far).unwrap().waiting().next().unwrap().message.clone();
    let (payer, payee, festival) = (world::wallet(6_001), world::wallet(7), world::FESTIVAL);
    let lost = Message::Transfer { festival, payer, payee, currency: Currency::EUR, amount: 1 };
    let take = |world: &mut World, message: &Message| {
        let at = world.state.ledger_time(world.clock);
        let number = world.state.channels().taken_from(far) + 1;
        let receipt = world.state.receive(at, far, number, message);
        if let Receipt::Record(record) = &receipt {
            world.push(record.clone());
        }
        receipt
    };
    for _ in 0..WINDOW {
        assert!(matches!(take(&mut world, &lost), Receipt::Record(_)));
    }
    assert!(matches!(take(&mut world, &lost), Receipt::NoRoom));
    // Nor what would arrive: whether it does is known only when it is taken.
    let fine =
        Message::Transfer { festival, payer, payee: world::wallet(2), currency: Currency::EUR, amount: 1 };
    assert!(matches!(take(&mut world, &fine), Receipt::NoRoom));
    let why = Decline::Undeliverable.to_record().unwrap();
    let back = Message::Returned { number: 1, why, message: Box::new(sent) };
    assert!(matches!(take(&mut world, &back), Receipt::Record(_)));
    assert_eq!(paid(&world, 1), 10_000);
    assert!(matches!(take(&mut world, &lost), Receipt::NoRoom));
    // A dead letter takes a place too.
    let at = world.state.ledger_time(world.clock);
    let buried = world.state.dead_letter(at, far, WINDOW + 2, &lost);
    assert!(matches!(buried, Receipt::NoRoom));
    // The far shard has the request and the first return: one place.
    world.fact(Body::Acknowledged { to: far, up_to: 2 });
    assert!(matches!(take(&mut world, &lost), Receipt::Record(_)));
    assert!(matches!(take(&mut world, &lost), Receipt::NoRoom));
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
}

#[test]
fn a_sweep_takes_every_stripe_home_and_leaves_debts() {
    // A vendor paid out of 32 stripes by hand.
    let mut world = two_wallets();
    assert_eq!(world.tap(world::BAR, 1, 1, world::buy(1, 2)), APPLIED);
    assert_eq!(world.tap(world::OTHER_BAR, 1, 1, world::buy(3, 1)), APPLIED);
    let mut after: Option<VendorId> = None;
    let mut swept = 0;
    loop {
        let at = world.state.ledger_time(world.clock);
        let Some((vendor, record)) = world.state.sweep(at, after) else { break };
        after = Some(vendor);
        if let Some(record) = record {
            world.push(record);
            swept += 1;
        }
    }
    assert_eq!((swept, stripe(&world, AccountKind::VendorSales)), (2, 0));
    assert_eq!(stripe(&world, AccountKind::Transit), -(1_300 + 1_100));
    // The sale is taken back after its money went home: the stripe is in debt until the next sale.
    assert_eq!(world.tap(world::DESK, 9, 1, Command::Void { sale: world::id(world::BAR, 1) }), APPLIED);
    assert_eq!(stripe(&world, AccountKind::VendorSales), 1_300);
    let at = world.state.ledger_time(world.clock);
    assert!(world.state.sweep(at, None).is_some_and(|(_, record)| record.is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Random transfers between four bands of which one is never opened, and a way that loses, doubles
    /// and mixes up: nothing is lost, nothing is made, and the history replays to the same state.
    #[test]
    fn money_between_wallets_is_neither_lost_nor_made(
        steps in proptest::collection::vec((0_u8..4, 1_u32..=4, 1_u32..=4, 1_i64..3_000), 1..120),
    ) {
        let mut world = two_wallets();
        world.tap(world::DESK, 4, 3, Command::Open);
        world.tap(world::DESK, 5, 3, world::cash(15_000));
        let (mut counter, mut sent, mut arrived, mut returned) = (10, 0, 0, 0);
        let total = |world: &World| (1..=4).map(|band| paid(world, band)).sum::<i64>();
        let before = total(&world);
        for (what, from, to, amount) in steps {
            counter += 1;
            if what == 0 {
                sent += u64::from(world.tap(world::DESK, counter, from, world::pay(to, amount)) == APPLIED);
            } else {
                // Any copy on its way, whether it was taken already or not: it stays on its way.
                let copies = waiting(&world);
                let index = usize::try_from(amount).unwrap() % copies.len().max(1);
                let Some((number, message)) = copies.get(index) else { continue };
                deliver(&mut world, *number, message);
            }
            let on_the_way = -stripe(&world, AccountKind::Transit);
            prop_assert_eq!(total(&world) + on_the_way, before);
            if what == 3 {
                let up_to = world.state.channels().taken_from(world::SHARD);
                if up_to > 0 {
                    let at = world.state.ledger_time(world.clock);
                    let body = Body::Acknowledged { to: world::SHARD, up_to };
                    world.push(Record::fact(at, Envelope::default(), body));
                }
            }
        }
        drain(&mut world);
        for record in &world.history {
            if let Body::Delivered { message } = &record.body {
                returned += u64::from(message.is_return());
                arrived += u64::from(!message.is_return() && record.decline.is_none());
            }
        }
        prop_assert_eq!(sent, arrived + returned);
        prop_assert_eq!((total(&world), stripe(&world, AccountKind::Transit)), (before, 0));
        let replayed = world.replayed(&mut |_, _| {});
        prop_assert_eq!(replayed.digest(), world.state.digest());
    }
}
