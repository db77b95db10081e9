//! The auditor against a small ledger whose shards paid each other, with right hashes and one broken
//! rule at a time (L5, L13). What a visitor would lose without each of these is money that left one
//! wallet and reached no other, or an organiser money that came from nowhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::messages::*;
use audit_support::*;
use ledger::account::{Account, AccountKind};
use ledger::audit::{Rule, Total};
use ledger::entry::Entry;
use ledger::ids::{FestivalId, ShardId, WalletNumber};
use ledger::money::Currency;
use ledger::record::{Body, Message, Record, Taken};

/// Findings that name no record, for they are known only when everything was read.
fn at_the_end(rule: Rule) -> Short {
    (rule, None, None, None)
}

fn in_0(rule: Rule, record: u64) -> Short {
    at(rule, 0, 3, record)
}

fn in_1(rule: Rule, record: u64) -> Short {
    at(rule, 1, 1, record)
}

#[track_caller]
fn check_messages(cases: Vec<Case>) {
    for case in cases {
        let mut ledger = corresponding();
        (case.tamper)(&mut ledger);
        assert_found(&ledger.audit(), &case.expected, case.what);
    }
}

#[test]
fn a_good_correspondence_passes_and_is_counted() {
    let report = corresponding().audit();
    assert_found(&report, &[], "the good correspondence");
    assert_eq!(report.in_flight, 1, "transfer 5 was sent and not taken");
    let balance = |kind| report.totals.iter().find(|total| total.kind == kind).map_or(0, Total::balance);
    assert_eq!(balance(AccountKind::Transit), -100, "and its money is in transit");
    assert_eq!(balance(AccountKind::VendorHome), -2_350);
}

/// A payout of what the sweep brought home, as record 19 of shard 1.
fn paid_out(office: u64, amount: i64, posted: i64) -> Record {
    let office = WalletNumber::new(office).unwrap();
    let moved =
        [posting(AccountKind::VendorHome, VENDOR, posted), posting(AccountKind::PayoutsDue, VENDOR, -posted)];
    about(office, id(501, 50), Body::PaidOut { amount }, &moved)
}

#[test]
fn a_payout_is_decided_once_out_of_what_came_home() {
    check_messages(vec![
        case(
            "all of it, taken back, and part of it",
            |ledger| {
                let first = paid_out(VENDOR, 2_350, 2_350);
                ledger.push(1, first.clone());
                ledger.push(1, cancel(&first, 19));
                let mut part = paid_out(VENDOR, 9, 9);
                part.envelope.request = Some(id(501, 51));
                ledger.push(1, part);
            },
            &[],
        ),
        case(
            "more than came home",
            |ledger| {
                ledger.push(1, paid_out(VENDOR, 2_351, 2_351));
            },
            &[in_1(Rule::Floor, 19)],
        ),
        case(
            "twice under one id",
            |ledger| {
                ledger.push(1, paid_out(VENDOR, 100, 100));
                ledger.push(1, paid_out(VENDOR, 100, 100));
            },
            &[in_1(Rule::Repeated, 20)],
        ),
        case(
            "another amount than it says",
            |ledger| {
                ledger.push(1, paid_out(VENDOR, 100, 101));
            },
            &[in_1(Rule::Sums, 19)],
        ),
        case(
            "by another vendor's office",
            |ledger| {
                ledger.push(1, paid_out(VENDOR + 2, 100, 100));
            },
            &[in_1(Rule::Sums, 19)],
        ),
        case(
            "in another shard than the home's",
            |ledger| {
                ledger.push(0, paid_out(VENDOR, 100, 100));
            },
            &[in_0(Rule::Floor, 30), in_0(Rule::Shard, 30)],
        ),
        case(
            "by nobody's office",
            |ledger| {
                ledger.push(1, paid_out(1 << 40 | 1, 100, 100));
            },
            &[in_1(Rule::Sums, 19), in_1(Rule::Opening, 19)],
        ),
    ]);
}

/// The sweep of the good correspondence takes `more` than the stripe holds, and all of it comes home.
fn swept_beyond(ledger: &mut Ledger, more: i64) {
    let put = |record: &mut Record, other: Record| *record = Record { at: record.at, ..other };
    put(ledger.record(0, 25), swept(0, 4, 2_350 + more));
    put(ledger.record(1, 15), brought_home(0, 4, 2_350 + more));
}

/// Void of the sale that was swept home, as record 30 of shard 0.
fn taken_back(ledger: &mut Ledger) {
    let sale = ledger.record(0, 21).clone();
    ledger.push(0, void(id(501, 60), &sale, 21));
}

/// What a vendor never sold, paid out in cash on Sunday night.
#[test]
fn a_sweep_takes_no_more_than_its_own_stripe_holds() {
    check_messages(vec![
        case(
            "twice what it holds, which the stripe of the other shard hides in the sum",
            |ledger| swept_beyond(ledger, 2_350),
            &[in_0(Rule::Floor, 25)],
        ),
        case("a cent more", |ledger| swept_beyond(ledger, 1), &[in_0(Rule::Floor, 25)]),
        case("a cent less", |ledger| swept_beyond(ledger, -1), &[]),
        case("a sale taken back after it was swept", taken_back, &[]),
        case(
            "a sweep of a stripe in debt",
            |ledger| {
                taken_back(ledger);
                ledger.push(0, swept(0, 6, 100));
                ledger.push(1, arrived(2, 3, 100, 5));
                ledger.push(1, brought_home(0, 6, 100));
            },
            &[in_0(Rule::Floor, 31)],
        ),
    ]);
}

#[test]
fn a_stripe_in_debt_is_reported_by_its_shard() {
    let mut ledger = corresponding();
    assert_eq!(ledger.audit().stripes_in_debt, []);
    taken_back(&mut ledger);
    let report = ledger.audit();
    let sales = Account::new(AccountKind::VendorSales, VENDOR, Currency::EUR);
    assert_eq!(report.stripes_in_debt, [(ShardId(0), sales, 2_350)]);
    let sum = report.accounts.iter().find(|(account, _)| *account == sales);
    assert_eq!(sum, Some(&(sales, 0)), "the other shard's sales hide it");
}

#[test]
fn messages_are_sent_and_taken_by_number() {
    check_messages(vec![
        case(
            "a number is left out by its sender",
            |ledger| {
                filled(ledger);
                ledger.push(0, transfer_sent(2, 3, 100, 7, 41));
            },
            &[in_0(Rule::Channel, 31)],
        ),
        case(
            "a number is used twice by its sender",
            |ledger| {
                mail(ledger.record(0, 29)).sent[0].number = 4;
            },
            &[in_0(Rule::Channel, 29), in_1(Rule::Channel, 15), at_the_end(Rule::Transit)],
        ),
        case(
            "a message is passed over",
            |ledger| {
                filled(ledger);
                ledger.push(0, transfer_sent(2, 3, 200, 6, 41));
                ledger.push(1, arrived(2, 3, 200, 6));
            },
            &[in_1(Rule::Channel, 19)],
        ),
        case(
            "a message that nobody sent is taken",
            |ledger| {
                ledger.push(1, arrived(2, 3, 100, 5));
                ledger.push(1, arrived(2, 3, 800, 6));
            },
            &[at_the_end(Rule::Channel), at_the_end(Rule::Transit)],
        ),
        case(
            "a message is taken as a larger one",
            |ledger| {
                ledger.push(1, arrived(2, 3, 900, 5));
            },
            &[in_1(Rule::Channel, 19), at_the_end(Rule::Transit)],
        ),
        case(
            "a delivery that names no message",
            |ledger| ledger.record(1, 12).envelope.mail = None,
            &[in_1(Rule::Channel, 12), in_1(Rule::Channel, 13), at_the_end(Rule::Transit)],
        ),
        case(
            "a top-up that takes a message",
            |ledger| mail(ledger.record(0, 6)).taken = Some(Taken { from: ShardId(1), number: 1 }),
            &[at(Rule::Channel, 0, 1, 6)],
        ),
    ]);
}

#[test]
fn a_message_carries_what_its_records_say() {
    check_messages(vec![
        case(
            "a transfer to another shard than the payee's",
            |ledger| {
                filled(ledger);
                ledger.push(0, {
                    let mut lost = transfer_sent(2, 3, 100, 1, 41);
                    mail(&mut lost).sent[0].to = ShardId(0);
                    lost
                });
            },
            &[in_0(Rule::Channel, 31), at_the_end(Rule::Transit), at_the_end(Rule::Transit)],
        ),
        case(
            "a transfer that carries more than it takes",
            |ledger| {
                let message = transfer(2, 3, 1_000);
                mail(ledger.record(0, 29)).sent[0].message = message;
            },
            &[in_0(Rule::Channel, 29), at_the_end(Rule::Transit)],
        ),
        case(
            "a transfer that takes more than it carries",
            |ledger| {
                let moved = [
                    posting(AccountKind::WalletPaid, 2, 101),
                    posting(AccountKind::Transit, transit(0, 1), -101),
                ];
                ledger.record(0, 29).entry = Entry::new(moved).unwrap();
            },
            &[in_0(Rule::Sums, 29), at_the_end(Rule::Transit)],
        ),
        case(
            "money that arrives in another wallet",
            |ledger| {
                let mut stray = arrived(2, 3, 100, 5);
                stray.envelope.wallet = ledger.record(1, 17).envelope.wallet;
                let moved = [
                    posting(AccountKind::Transit, transit(0, 1), 100),
                    posting(AccountKind::WalletPaid, 9, -100),
                ];
                stray.entry = Entry::new(moved).unwrap();
                ledger.push(1, stray);
            },
            &[in_1(Rule::Channel, 19)],
        ),
    ]);
}

#[test]
fn what_cannot_take_effect_goes_back_and_is_taken() {
    check_messages(vec![
        case(
            "a declined transfer that is kept",
            |ledger| {
                let mut kept = turned_away(2, 3, 100, 5, 3);
                mail(&mut kept).sent.clear();
                ledger.push(1, kept);
            },
            &[in_1(Rule::Return, 19), at_the_end(Rule::Transit)],
        ),
        case(
            "a buried transfer that is kept",
            |ledger| {
                let mut kept = buried(2, 3, 100, 5, 3);
                mail(&mut kept).sent.clear();
                ledger.push(1, kept);
            },
            &[in_1(Rule::Return, 19), at_the_end(Rule::Transit)],
        ),
        case(
            "a transfer that arrives and comes back as well",
            |ledger| {
                let mut both = arrived(2, 3, 100, 5);
                mail(&mut both).sent.push(sent(0, 3, returned(5, OVER_CAP, transfer(2, 3, 100))));
                ledger.push(1, both);
            },
            &[in_1(Rule::Return, 19), at_the_end(Rule::Transit)],
        ),
        case(
            "a return that is declined",
            |ledger| {
                ledger.push(1, turned_away(2, 3, 100, 5, 3));
                let mut refused = came_back(2, 3, 100, 5, 3, OVER_CAP);
                (refused.decline, refused.entry) = (decline(OVER_CAP), Entry::none());
                ledger.push(0, refused);
            },
            &[in_0(Rule::Return, 30), at_the_end(Rule::Transit)],
        ),
        case(
            "a return that is buried",
            |ledger| {
                ledger.push(1, turned_away(2, 3, 100, 5, 3));
                let mut refused = came_back(2, 3, 100, 5, 3, OVER_CAP);
                let Body::Delivered { message } = refused.body else { panic!() };
                (refused.body, refused.entry) = (Body::DeadLettered { message }, Entry::none());
                ledger.push(0, refused);
            },
            &[in_0(Rule::Return, 30), at_the_end(Rule::Transit)],
        ),
    ]);
}

#[test]
fn nothing_is_known_to_be_taken_that_was_not() {
    check_messages(vec![
        case(
            "more than was sent",
            |ledger| {
                ledger.push_block(0, 2);
                ledger.push(0, acknowledged(1, 6));
            },
            &[at(Rule::Acknowledged, 0, 4, 30), at_the_end(Rule::Acknowledged)],
        ),
        case(
            "more than was taken",
            |ledger| {
                ledger.push_block(0, 2);
                ledger.push(0, acknowledged(1, 5));
            },
            &[at_the_end(Rule::Acknowledged)],
        ),
        case(
            "less than was known before",
            |ledger| {
                ledger.push_block(0, 2);
                ledger.push(0, acknowledged(1, 3));
            },
            &[at(Rule::Acknowledged, 0, 4, 30)],
        ),
    ]);
}

/// A shard that writes down every acknowledgement by itself fills its journal with them, and its blocks have
/// no room for customers.
#[test]
fn a_channel_is_acknowledged_once_in_a_block() {
    check_messages(vec![
        case(
            "twice",
            |ledger| {
                ledger.push(1, arrived(2, 3, 100, 5));
                ledger.push(0, acknowledged(1, 5));
            },
            &[in_0(Rule::Acknowledged, 30)],
        ),
        case(
            "the other channel",
            |ledger| {
                ledger.push(1, acknowledged(0, 2));
            },
            &[],
        ),
        case(
            "in the next block",
            |ledger| {
                ledger.push_block(0, 2);
                ledger.push(1, arrived(2, 3, 100, 5));
                ledger.push(0, acknowledged(1, 5));
            },
            &[],
        ),
    ]);
}

#[test]
fn money_on_its_way_is_what_its_messages_carry() {
    check_messages(vec![case(
        "a top-up out of money on its way",
        |ledger| {
            let mut stolen = top_up(2, id(501, 40), ledger::record::Tender::Cash, 100);
            let moved = [
                posting(AccountKind::Transit, transit(0, 1), 100),
                posting(AccountKind::WalletPaid, 2, -100),
            ];
            stolen.entry = Entry::new(moved).unwrap();
            ledger.push(0, stolen);
        },
        &[in_0(Rule::Sums, 30), at_the_end(Rule::Transit)],
    )]);
}

#[test]
fn money_stays_within_its_festival() {
    check_messages(vec![case(
        "a transfer from another festival",
        |ledger| {
            let other = |message: &mut Message| {
                let Message::Transfer { festival, .. } = message else { panic!() };
                *festival = FestivalId(2);
            };
            other(&mut mail(ledger.record(0, 29)).sent[0].message);
            let mut foreign = arrived(2, 3, 100, 5);
            let Body::Delivered { message } = &mut foreign.body else { panic!() };
            other(message);
            ledger.push(1, foreign);
        },
        &[in_0(Rule::Festival, 29), in_1(Rule::Festival, 19)],
    )]);
}
