//! The auditor against a small ledger whose configuration was changed while it ran, with right hashes and one
//! broken rule at a time (L6). What an organiser would lose without each of these: bars that sell at prices
//! nobody set, or a revoked till that goes on, and a journal that says it was right so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::configuration::*;
use audit_support::messages::*;
use audit_support::*;
use ledger::account::AccountKind;
use ledger::audit::Rule;
use ledger::entry::Entry;
use ledger::ids::Version;
use ledger::record::{Body, Message, Record};

fn in_0(rule: Rule, record: u64) -> Short {
    at(rule, 0, 3, record)
}

fn in_1(rule: Rule, record: u64) -> Short {
    at(rule, 1, 1, record)
}

fn at_the_end(rule: Rule) -> Short {
    (rule, None, None, None)
}

#[track_caller]
fn check_changes(cases: Vec<Case>) {
    for case in cases {
        let mut ledger = changed();
        (case.tamper)(&mut ledger);
        assert_found(&ledger.audit(), &case.expected, case.what);
    }
}

/// Puts another record in the place of one, at its time.
fn replace(ledger: &mut Ledger, shard: usize, number: usize, record: Record) {
    let at = ledger.record(shard, number).at;
    *ledger.record(shard, number) = Record { at, ..record };
}

/// The message that shard 0 takes by record `number`, and the same one where shard 1 sends it.
fn both_ends(ledger: &mut Ledger, number: usize, change: fn(&mut Message)) {
    taken(ledger, number, change);
    let (record, place) = [(15, 0), (15, 1), (16, 0), (16, 1)][number - 22];
    change(&mut mail(ledger.record(1, record)).sent[place].message);
}

fn taken(ledger: &mut Ledger, number: usize, change: fn(&mut Message)) {
    let Body::Delivered { message } = &mut ledger.record(0, number).body else { panic!() };
    change(message);
}

fn other_bytes(message: &mut Message) {
    let Message::ConfigurationPart { bytes, .. } = message else { panic!() };
    bytes[0] ^= 1;
}

fn other_hash(message: &mut Message) {
    let Message::ConfigurationOrder { hash, .. } = message else { panic!() };
    hash[31] ^= 1;
}

fn of_version_3(message: &mut Message) {
    let (Message::ConfigurationPart { version: named, .. }
    | Message::ConfigurationOrder { version: named, .. }) = message
    else {
        panic!()
    };
    *named = version(3);
}

#[test]
fn a_configuration_changed_while_the_ledger_runs_is_sound() {
    check_changes(vec![
        case("as it is", |_| {}, &[]),
        case(
            "a part staged twice: the second stands",
            |ledger| {
                ledger.push(1, under(2, stages(3, 0, b"thrown away", 5)));
                ledger.push(1, under(2, stages(3, 0, b"third", 6)));
                ledger.push(1, under(2, adopts(3, 1, b"third", 7)));
            },
            &[],
        ),
        case(
            "a version overtakes another that is on its way",
            |ledger| {
                ledger.push(1, under(2, stages(3, 0, b"third", 5)));
                ledger.push(1, under(2, adopts(3, 1, b"third", 6)));
                ledger.push(1, under(3, tells(0, 5, &whole(3, &[b"th", b"ird"])[..1])));
                ledger.push(1, under(3, stages(4, 0, b"fourth", 7)));
                ledger.push(1, under(3, adopts(4, 1, b"fourth", 8)));
                let messages = whole(4, &[b"fou", b"rth"]);
                ledger.push(1, under(4, tells(0, 6, &messages)));
                ledger.push(0, under(2, hears(5, part(3, 0, b"th"))));
                for (number, message) in (6..).zip(messages) {
                    ledger.push(0, under(2, hears(number, message)));
                }
                ledger.push(0, under(4, burn(2, id(501, 90))));
            },
            &[],
        ),
    ]);
}

#[test]
fn what_is_adopted_at_the_office_is_what_was_staged_there() {
    check_changes(vec![
        case(
            "a part changed",
            |ledger| replace(ledger, 1, 12, stages(2, 1, b"for wine", 2)),
            &[in_1(Rule::Configuration, 14)],
        ),
        case(
            "a part left out",
            |ledger| replace(ledger, 1, 12, burn(3, id(501, 90))),
            &[in_1(Rule::Configuration, 14)],
        ),
        case(
            "a part staged under another version",
            |ledger| replace(ledger, 1, 12, stages(3, 1, STAGED[1], 2)),
            &[in_1(Rule::Configuration, 14)],
        ),
        case(
            "a part whose staging was declined",
            |ledger| replace(ledger, 1, 12, declined(stages(2, 1, STAGED[1], 2), 15)),
            &[in_1(Rule::Configuration, 14)],
        ),
        case(
            "adopted with none of its parts",
            |ledger| {
                ledger.push(1, under(2, adopts(3, 1, b"", 5)));
            },
            &[in_1(Rule::Configuration, 19)],
        ),
        // Shard 0 was told what is right, and is read first.
        case(
            "another hash than of its parts",
            |ledger| replace(ledger, 1, 14, adopts(2, 2, b"another", 4)),
            &[in_1(Rule::Configuration, 14), in_1(Rule::Configuration, 14), in_1(Rule::Configuration, 16)],
        ),
        case(
            "the version in force once more",
            |ledger| {
                ledger.push(1, under(2, adopts(2, 2, &STAGED.concat(), 5)));
            },
            &[in_1(Rule::Configuration, 19)],
        ),
        case(
            "the version before",
            |ledger| {
                ledger.push(1, under(2, adopts(1, 2, b"the festival, encoded", 5)));
                ledger.push(1, burn(3, id(501, 90)));
            },
            &[in_1(Rule::Configuration, 19), in_1(Rule::Version, 20)],
        ),
        case(
            "a part of the version in force",
            |ledger| {
                ledger.push(1, under(2, stages(2, 0, STAGED[0], 5)));
            },
            &[in_1(Rule::Configuration, 19)],
        ),
    ]);
}

#[test]
fn a_configuration_is_changed_by_requests_at_the_office() {
    check_changes(vec![
        case(
            "at a guest's wallet",
            |ledger| ledger.record(1, 11).envelope.wallet = Some(wallet(3)),
            &[in_1(Rule::Configuration, 11)],
        ),
        case(
            "at a vendor's office",
            |ledger| {
                ledger.record(1, 14).envelope.wallet = Some(ledger::ids::WalletNumber::new(VENDOR).unwrap());
            },
            &[in_1(Rule::Configuration, 14)],
        ),
        case(
            "in another shard than the office's",
            |ledger| {
                ledger.push(0, under(2, stages(3, 0, b"third", 5)));
            },
            &[in_0(Rule::Shard, 27)],
        ),
        case(
            "under a version not in force",
            |ledger| {
                let adopted = ledger.record(1, 14);
                *adopted = under(2, adopted.clone());
            },
            &[in_1(Rule::Version, 14)],
        ),
        case(
            "one request twice",
            |ledger| {
                ledger.push(1, under(2, stages(3, 0, b"third", 4)));
            },
            &[in_1(Rule::Repeated, 19)],
        ),
        case(
            "taken back by a cancel",
            |ledger| {
                let adopted = ledger.record(1, 14).clone();
                ledger.push(1, under(2, cancel(&adopted, 14)));
            },
            &[in_1(Rule::Cancel, 19)],
        ),
        case(
            "without a request, which only founds a ledger",
            |ledger| {
                ledger.push(1, staged(3, 0, b"third"));
                ledger.push(1, adopted(3, 1, b"third"));
            },
            &[in_1(Rule::Configuration, 19), in_1(Rule::Configuration, 20)],
        ),
        case(
            "with money in it",
            |ledger| {
                let moved = [posting(AccountKind::Psp, 0, 5), posting(AccountKind::Breakage, 0, -5)];
                ledger.record(1, 14).entry = Entry::new(moved).unwrap();
            },
            &[in_1(Rule::MovesNothing, 14)],
        ),
    ]);
}

#[test]
fn what_a_shard_adopts_is_what_it_was_told() {
    check_changes(vec![
        case(
            "a part changed where it is taken",
            |ledger| taken(ledger, 23, other_bytes),
            &[in_0(Rule::Configuration, 25), in_1(Rule::Channel, 15)],
        ),
        case(
            "a part changed where it is sent",
            |ledger| other_bytes(&mut mail(ledger.record(1, 15)).sent[1].message),
            &[in_1(Rule::Channel, 15), in_1(Rule::Configuration, 16)],
        ),
        case(
            "a part changed at both ends",
            |ledger| both_ends(ledger, 23, other_bytes),
            &[in_0(Rule::Configuration, 25), in_1(Rule::Configuration, 16)],
        ),
        case(
            "a part of another version",
            |ledger| both_ends(ledger, 23, of_version_3),
            &[in_0(Rule::Configuration, 25), in_1(Rule::Configuration, 15), in_1(Rule::Channel, 15)],
        ),
        case(
            "two parts change places",
            |ledger| {
                let swap = |message: &mut Message| {
                    let Message::ConfigurationPart { part, .. } = message else { panic!() };
                    *part = 1 - *part;
                };
                both_ends(ledger, 22, swap);
                both_ends(ledger, 23, swap);
            },
            &[in_0(Rule::Configuration, 25), in_1(Rule::Configuration, 15)],
        ),
    ]);
}

#[test]
fn a_shard_adopts_all_of_it_and_nothing_else() {
    check_changes(vec![
        case(
            "a part that is not taken",
            |ledger| replace(ledger, 0, 23, burn(2, id(501, 90))),
            &[in_0(Rule::Channel, 24), in_0(Rule::Configuration, 25)],
        ),
        case(
            "a part that is not told",
            |ledger| {
                let messages = whole(2, &TOLD);
                let told = [messages[0].clone(), messages[2].clone(), messages[3].clone()];
                replace(ledger, 1, 15, under(2, tells(0, 1, &told)));
                replace(ledger, 1, 16, under(2, burn(3, id(501, 90))));
                replace(ledger, 1, 18, under(2, acknowledged(0, 3)));
                replace(ledger, 0, 23, hears(2, told[1].clone()));
                replace(ledger, 0, 24, hears(3, told[2].clone()));
                replace(ledger, 0, 25, under(2, burn(2, id(501, 91))));
            },
            &[in_0(Rule::Configuration, 24), in_1(Rule::Configuration, 15)],
        ),
        case(
            "an order before its parts",
            |ledger| {
                let messages = whole(2, &TOLD);
                replace(ledger, 1, 15, under(2, tells(0, 1, &messages[3..])));
                replace(ledger, 1, 16, under(2, burn(3, id(501, 90))));
                replace(ledger, 1, 18, under(2, acknowledged(0, 1)));
                replace(ledger, 0, 22, hears(1, messages[3].clone()));
                for number in [23, 24, 25] {
                    replace(ledger, 0, number, under(2, burn(2, id(501, 90 + number as u64))));
                }
            },
            &[in_0(Rule::Configuration, 22), in_1(Rule::Configuration, 15)],
        ),
        // Shard 0 is read first, so that shard 1 is the one that has another version.
        case(
            "an order with another hash",
            |ledger| both_ends(ledger, 25, other_hash),
            &[in_0(Rule::Configuration, 25), in_1(Rule::Configuration, 14), in_1(Rule::Configuration, 16)],
        ),
        case(
            "an order of another version",
            |ledger| {
                both_ends(ledger, 25, of_version_3);
                let sold = ledger.record(0, 26);
                *sold = under(3, sold.clone());
            },
            &[in_0(Rule::Configuration, 25), in_1(Rule::Configuration, 16), in_1(Rule::Channel, 16)],
        ),
    ]);
}

#[test]
fn a_part_and_an_order_take_effect_and_nothing_else() {
    check_changes(vec![
        case(
            "a part that is declined",
            |ledger| replace(ledger, 0, 23, declines(hears(2, part(2, 1, TOLD[1])), 2, 1)),
            &[in_0(Rule::Configuration, 23), in_0(Rule::Configuration, 25)],
        ),
        case(
            "a part that is buried, and adopted all the same",
            |ledger| {
                let mut buried = hears(2, part(2, 1, TOLD[1]));
                buried.body = Body::DeadLettered { message: part(2, 1, TOLD[1]) };
                replace(ledger, 0, 23, sends_back(buried, 2, 1, UNDELIVERABLE));
            },
            &[in_0(Rule::Configuration, 25)],
        ),
        case(
            "a part that is buried and does not go back",
            |ledger| ledger.record(0, 24).body = Body::DeadLettered { message: part(2, 2, TOLD[2]) },
            &[in_0(Rule::Return, 24), in_0(Rule::Configuration, 25)],
        ),
        case(
            "a part that brings a vendor money",
            |ledger| {
                let moved = [
                    posting(AccountKind::CashDrawer, DESK.into(), 500),
                    posting(AccountKind::VendorSales, VENDOR, -500),
                ];
                ledger.record(0, 22).entry = Entry::new(moved).unwrap();
            },
            &[in_0(Rule::Sums, 22)],
        ),
        case(
            "an order that brings a guest money",
            |ledger| {
                let order = ledger.record(0, 25);
                order.envelope.wallet = Some(wallet(2));
                order.entry = top_up(2, id(501, 90), ledger::record::Tender::Cash, 500).entry;
            },
            &[in_0(Rule::Channel, 25)],
        ),
    ]);
}

#[test]
fn the_office_tells_what_it_adopted_and_nobody_else_does() {
    check_changes(vec![
        case(
            "another shard than the office's",
            |ledger| {
                ledger.push(0, under(2, tells(1, 1, &whole(2, &TOLD))));
            },
            &[in_0(Rule::Configuration, 27)],
        ),
        case(
            "the office tells itself",
            |ledger| {
                ledger.push(1, under(2, tells(1, 1, &whole(2, &TOLD))));
            },
            &[in_1(Rule::Configuration, 19)],
        ),
        case(
            "all of it once more",
            |ledger| {
                ledger.push(1, under(2, tells(0, 5, &whole(2, &TOLD))));
            },
            &[in_1(Rule::Configuration, 19)],
        ),
        case(
            "an order that nobody has taken yet has another hash",
            |ledger| {
                ledger.push(1, under(2, stages(3, 0, b"third", 5)));
                ledger.push(1, under(2, adopts(3, 1, b"third", 6)));
                ledger.push(1, under(3, tells(0, 5, &[part(3, 0, b"third"), order(3, 1, b"other")])));
            },
            &[in_1(Rule::Configuration, 21)],
        ),
        case(
            "under a version not in force",
            |ledger| {
                let told = ledger.record(1, 16);
                *told = under(1, told.clone());
            },
            &[in_1(Rule::Version, 16), in_1(Rule::Channel, 16)],
        ),
        case(
            "nothing",
            |ledger| {
                ledger.push(1, under(2, tells(0, 5, &[])));
            },
            &[in_1(Rule::Channel, 19)],
        ),
        case(
            "money along with it",
            |ledger| {
                ledger.push(1, under(2, tells(0, 5, &[transfer(3, 2, 100)])));
            },
            &[in_1(Rule::Configuration, 19), in_1(Rule::Channel, 19), at_the_end(Rule::Transit)],
        ),
        case(
            "at a request",
            |ledger| ledger.record(1, 16).envelope.request = Some(id(502, 90)),
            &[in_1(Rule::Format, 16)],
        ),
    ]);
}

#[test]
fn no_decision_names_a_version_that_its_shard_has_not() {
    check_changes(vec![
        case(
            "before its parts have come",
            |ledger| {
                let sold = under(2, burn(2, id(501, 90)));
                replace(ledger, 0, 21, sold);
            },
            &[in_0(Rule::Version, 21)],
        ),
        case(
            "before the order has come",
            |ledger| ledger.record(0, 24).envelope.configuration = Version::new(2),
            &[in_0(Rule::Version, 24)],
        ),
        case(
            "one that no shard has",
            |ledger| ledger.record(0, 26).envelope.configuration = Version::new(3),
            &[in_0(Rule::Version, 26)],
        ),
        case(
            "the one before, as after a restart that forgot",
            |ledger| {
                let sold = ledger.record(0, 26);
                *sold = under(1, sold.clone());
            },
            &[in_0(Rule::Version, 26)],
        ),
        case(
            "the office itself decides by what it has not adopted",
            |ledger| {
                let staged = ledger.record(1, 13);
                *staged = under(2, staged.clone());
            },
            &[in_1(Rule::Version, 13)],
        ),
    ]);
}

#[test]
fn all_shards_begin_with_one_version() {
    let mut ledger = good();
    ledger.shards.iter_mut().for_each(|blocks| blocks.truncate(1));
    assert_found(&ledger.audit(), &[], "founded");
    for (number, record) in
        [(1, staged(2, 0, b"new")), (2, staged(2, 1, b"er")), (3, adopted(2, 2, b"newer"))]
    {
        replace(&mut ledger, 1, number, record);
    }
    assert_found(&ledger.audit(), &[at(Rule::Configuration, 1, 0, 3)], "shard 1 begins with version 2");
}
