//! The auditor against a small ledger with further bands, and one broken rule at a time (L13). What a guest
//! would lose without each of these is a wallet that a stranger's band, or a lost one, pays from.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::allowances::set;
use audit_support::messages::*;
use audit_support::*;
use ledger::audit::Rule;
use ledger::ids::{FestivalId, Office};
use ledger::record::{Body, Message};

/// Records after those of the good ledger: of shard 0 from 27 on, of shard 1 from 19 on.
fn in_0(rule: Rule, record: u64) -> Short {
    at(rule, 0, 3, record)
}

fn in_1(rule: Rule, record: u64) -> Short {
    at(rule, 1, 1, record)
}

#[track_caller]
fn check_tags(cases: Vec<Case>) {
    for case in cases {
        let mut ledger = with_tags();
        (case.tamper)(&mut ledger);
        assert_found(&ledger.audit(), &case.expected, case.what);
    }
}

#[test]
fn a_good_ledger_with_tags_passes() {
    assert_found(&with_tags().audit(), &[], "the good ledger with tags");
}

#[test]
fn a_tag_belongs_to_one_wallet() {
    check_tags(vec![
        case(
            "given away twice",
            |ledger| {
                ledger.push(0, paired(6, 2, 0, 1, 50));
            },
            &[in_0(Rule::Pairing, 27)],
        ),
        case(
            "a wallet is opened by a tag that another wallet has",
            |ledger| {
                ledger.push(0, open(6, id(501, 50)));
            },
            &[in_0(Rule::Pairing, 27)],
        ),
        case(
            "a tag is given away that opened a wallet",
            |ledger| {
                ledger.push(0, paired(2, 3, 0, 5, 50));
            },
            &[in_0(Rule::Pairing, 27)],
        ),
        case(
            "a tag comes back that was not given to that wallet",
            |ledger| {
                let Body::Delivered { message: Message::Returned { message, .. } } =
                    &mut ledger.record(0, 25).body
                else {
                    panic!()
                };
                **message = pairing(10, 9, 0);
            },
            &[in_0(Rule::Pairing, 25), in_1(Rule::Channel, 17)],
        ),
        case(
            "a pairing in another shard than the tag's",
            |ledger| {
                ledger.push(1, paired(12, 3, 0, 1, 50));
            },
            &[in_1(Rule::Shard, 19)],
        ),
        case(
            "another second half of its hash than the tag had",
            |ledger| {
                let Body::TagPaired { check, .. } = &mut ledger.record(0, 26).body else { panic!() };
                *check = 1;
                let Message::Paired { check, .. } = &mut mail(ledger.record(0, 26)).sent[0].message else {
                    panic!()
                };
                *check = 1;
                let Body::Delivered { message: Message::Paired { check, .. } } =
                    &mut ledger.record(1, 18).body
                else {
                    panic!()
                };
                *check = 1;
            },
            &[in_0(Rule::Opening, 26)],
        ),
    ]);
}

/// A guest with such a band could ask for another configuration.
#[test]
fn a_tag_has_no_number_of_an_office() {
    check_tags(vec![case(
        "a tag that has the number of the festival's office",
        |ledger| {
            let mut record = paired(12, 3, 0, 1, 50);
            let office = Office::Festival(FestivalId(1)).number();
            record.envelope.wallet = Some(office);
            let Message::Paired { tag, .. } = &mut mail(&mut record).sent[0].message else { panic!() };
            *tag = office.as_tag();
            ledger.push(1, record);
        },
        &[in_1(Rule::Pairing, 19)],
    )]);
}

#[test]
fn a_pairing_is_asked_once_and_stands() {
    check_tags(vec![
        case(
            "taken back by a cancel",
            |ledger| {
                let pairing = ledger.record(0, 26).clone();
                ledger.push(0, cancel(&pairing, 26));
            },
            &[in_0(Rule::Cancel, 27)],
        ),
        case(
            "an id used twice",
            |ledger| {
                ledger.push(0, paired(12, 3, 0, 5, 50));
                ledger.push(0, declined(open(12, id(501, 50)), 8));
            },
            &[in_0(Rule::Repeated, 28)],
        ),
    ]);
}

#[test]
fn the_wallet_is_told_and_takes_what_is_its_own() {
    check_tags(vec![
        case(
            "nobody is told",
            |ledger| {
                let mut record = paired(12, 3, 0, 5, 50);
                record.envelope.mail = None;
                ledger.push(0, record);
            },
            &[in_0(Rule::Channel, 27)],
        ),
        case(
            "another wallet is told",
            |ledger| {
                let mut record = paired(12, 3, 0, 5, 50);
                mail(&mut record).sent[0].message = pairing(12, 5, 0);
                ledger.push(0, record);
            },
            &[in_0(Rule::Channel, 27)],
        ),
        case(
            "another shard than the wallet's is told",
            |ledger| {
                let mut record = paired(12, 3, 0, 1, 50);
                mail(&mut record).sent[0].to = ledger::ids::ShardId(0);
                ledger.push(0, record);
            },
            &[in_0(Rule::Channel, 27)],
        ),
        case(
            "a wallet that nobody opened takes it",
            |ledger| {
                ledger.push(0, paired(12, 9, 0, 5, 50));
                ledger.push(1, took(12, 9, 0, 5));
            },
            &[in_1(Rule::Opening, 19)],
        ),
        case(
            "it replaces a band of another wallet",
            |ledger| {
                ledger.push(0, paired(12, 3, 14, 5, 50));
                ledger.push(1, took(12, 3, 14, 5));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "it replaces a band that was replaced before",
            |ledger| {
                ledger.push(0, paired(12, 3, 6, 5, 50));
                ledger.push(1, took(12, 3, 6, 5));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "a tag of another festival",
            |ledger| {
                let other = |message: &mut Message| {
                    let Message::Paired { festival, .. } = message else { panic!() };
                    *festival = FestivalId(2);
                };
                let mut record = paired(12, 3, 0, 5, 50);
                other(&mut mail(&mut record).sent[0].message);
                ledger.push(0, record);
                let mut record = took(12, 3, 0, 5);
                let Body::Delivered { message } = &mut record.body else { panic!() };
                other(message);
                ledger.push(1, record);
            },
            &[in_1(Rule::Festival, 19)],
        ),
    ]);
}

#[test]
fn a_wallet_acts_for_its_own_tags_and_a_blocked_one_pays_nothing() {
    check_tags(vec![
        case(
            "a purchase by a tag that it never took",
            |ledger| {
                ledger.push(1, by_tag(12, purchase(3, id(41_395, 20), 0)));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "a decline by a tag that it never took",
            |ledger| {
                ledger.push(1, declined(by_tag(12, purchase(3, id(41_395, 20), 0)), 1));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "the first tag is named as a further one",
            |ledger| {
                ledger.push(1, by_tag(3, purchase(3, id(41_395, 20), 0)));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "a purchase by a replaced one",
            |ledger| {
                ledger.push(1, by_tag(6, purchase(3, id(41_395, 20), 0)));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "a purchase by a blocked one, and by the first one",
            |ledger| {
                ledger.push(1, tag_set(8, 3, true, 50));
                ledger.push(1, by_tag(8, purchase(3, id(41_395, 20), 0)));
                ledger.push(1, purchase(3, id(41_395, 21), 0));
            },
            &[in_1(Rule::Pairing, 20), in_1(Rule::Floor, 21)],
        ),
        case(
            "an allowance by a replaced one",
            |ledger| {
                ledger.push(1, by_tag(6, set(3, 7, 1, 1, 1, 50)));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "a replaced one is unblocked",
            |ledger| {
                ledger.push(1, tag_set(6, 3, false, 50));
            },
            &[in_1(Rule::Pairing, 19)],
        ),
        case(
            "another tag is blocked than asked",
            |ledger| {
                let mut record = tag_set(8, 3, true, 50);
                record.body = Body::TagSet { tag: wallet(10).as_tag(), blocked: true };
                ledger.push(1, record);
            },
            &[in_1(Rule::Pairing, 19)],
        ),
    ]);
}
