//! The auditor against a small ledger in which a parent keeps a child in money, with right hashes and one
//! broken rule at a time (L5). Without these a parent could pay the same filling twice, or an ending could
//! take from a child what it had paid in itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::allowances::*;
use audit_support::messages::*;
use audit_support::*;
use ledger::audit::Rule;
use ledger::ids::ShardId;
use ledger::record::{Body, Message};

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
fn check_allowances(cases: Vec<Case>) {
    for case in cases {
        let mut ledger = allowed();
        (case.tamper)(&mut ledger);
        assert_found(&ledger.audit(), &case.expected, case.what);
    }
}

#[test]
fn an_allowance_from_its_setting_to_its_end_is_sound() {
    check_allowances(vec![
        case("as it is", |_| {}, &[]),
        case(
            "set again, an asking declined, asked again",
            |ledger| {
                ledger.push(0, set(2, 3, 2_000, 1_000 * 2, 4, 62));
                ledger.push(1, brought(2, 3, 2_000, 2_000, 4));
                ledger.push(1, asking(3, 2, 100, 3, 61));
                ledger.push(0, refused(2, 3, 100, 3, 5, 1));
                ledger.push(1, back_unanswered(2, 3, 100, 3, 5, 1));
                ledger.push(1, asking(3, 2, 100, 4, 62));
            },
            &[],
        ),
    ]);
}

#[test]
fn nobody_asks_who_gives_nothing_nor_twice_for_one_filling() {
    check_allowances(vec![
        case(
            "asked after it has ended",
            |ledger| {
                ledger.push(1, asking(3, 2, 100, 3, 61));
            },
            &[in_1(Rule::Allowance, 16)],
        ),
        case(
            "asked again before it is answered",
            |ledger| {
                ledger.push(0, set(2, 3, 2_000, 2_000, 4, 62));
                ledger.push(1, brought(2, 3, 2_000, 2_000, 4));
                ledger.push(1, asking(3, 2, 100, 3, 61));
                ledger.push(1, asking(3, 2, 100, 4, 62));
            },
            &[in_1(Rule::Allowance, 18)],
        ),
        case(
            "asked after the asking came back for there is none",
            |ledger| {
                ledger.push(0, set(2, 3, 2_000, 2_000, 4, 62));
                ledger.push(1, brought(2, 3, 2_000, 2_000, 4));
                ledger.push(1, asking(3, 2, 100, 3, 61));
                ledger.push(0, refused(2, 3, 100, 3, 5, 27));
                ledger.push(1, back_unanswered(2, 3, 100, 3, 5, 27));
                ledger.push(1, asking(3, 2, 100, 4, 62));
            },
            &[in_1(Rule::Allowance, 19)],
        ),
        case(
            "a filling after it has ended",
            |ledger| {
                ledger.push(0, fills(2, 3, 100, 100, 3, 4));
            },
            &[in_0(Rule::Allowance, 27), at_the_end(Rule::Channel)],
        ),
        case(
            "an allowance is ended that is not there",
            |ledger| {
                ledger.push(0, set(2, 5, 0, 0, 4, 62));
            },
            &[in_0(Rule::Allowance, 27)],
        ),
    ]);
}

#[test]
fn fillings_and_what_goes_back_are_what_their_records_say() {
    check_allowances(vec![
        case(
            "more goes back than was given",
            |ledger| {
                ledger.push(1, gives_back(3, 2, 2_601, 3));
            },
            &[in_1(Rule::Allowance, 16)],
        ),
        case(
            "a filling of more than was asked for",
            |ledger| {
                let at = ledger.record(0, 24).at;
                *ledger.record(0, 24) = ledger::record::Record { at, ..fills(2, 3, 1_400, 1_500, 1, 2) };
            },
            &[in_0(Rule::Return, 24), in_1(Rule::Channel, 12)],
        ),
        case(
            "asked and not answered",
            |ledger| {
                mail(ledger.record(0, 24)).sent.clear();
            },
            &[in_0(Rule::Return, 24), in_0(Rule::Channel, 25), at_the_end(Rule::Channel)],
        ),
        case(
            "a setting that says another target than its message",
            |ledger| {
                let Body::AllowanceSet { target, .. } = &mut ledger.record(0, 23).body else { panic!() };
                *target += 1;
            },
            &[in_0(Rule::Channel, 23)],
        ),
        case(
            "an ending that takes money along",
            |ledger| {
                let entry = ledger.record(0, 24).entry.clone();
                ledger.record(0, 25).entry = entry;
            },
            &[in_0(Rule::Sums, 25), at_the_end(Rule::Transit)],
        ),
    ]);
}

#[test]
fn what_an_allowance_sends_goes_where_it_belongs_and_stays() {
    check_allowances(vec![
        case(
            "an asking to another shard than the parent's",
            |ledger| {
                let mut asks = asking(3, 2, 100, 1, 61);
                mail(&mut asks).sent[0].to = ShardId(1);
                ledger.push(0, set(2, 3, 2_000, 2_000, 4, 62));
                ledger.push(1, brought(2, 3, 2_000, 2_000, 4));
                ledger.push(1, asks);
            },
            &[in_1(Rule::Channel, 17)],
        ),
        case(
            "a sale that sends a transfer",
            |ledger| {
                let mut sold = asking(3, 2, 100, 3, 61);
                mail(&mut sold).sent[0].message = transfer(3, 2, 100);
                ledger.push(1, sold);
            },
            &[in_1(Rule::Channel, 16), at_the_end(Rule::Transit)],
        ),
        case(
            "an allowance is taken back",
            |ledger| {
                let first = ledger.record(0, 23).clone();
                ledger.push(0, cancel(&first, 23));
            },
            &[in_0(Rule::Cancel, 27), at_the_end(Rule::Transit)],
        ),
        case(
            "for another festival",
            |ledger| {
                for (shard, record) in [(0, 23), (1, 11)] {
                    let record = ledger.record(shard, record);
                    let message = match &mut record.body {
                        Body::Delivered { message } => message,
                        _ => &mut mail(record).sent[0].message,
                    };
                    let Message::Allowance { festival, .. } = message else { panic!() };
                    festival.0 = 2;
                }
            },
            &[in_0(Rule::Festival, 23), in_1(Rule::Festival, 11)],
        ),
    ]);
}

/// What goes back to a parent over the cap was declined and became the child's: nobody may.
#[test]
fn what_goes_back_is_never_declined() {
    check_allowances(vec![
        case(
            "what goes back is declined, so that the child keeps it",
            |ledger| {
                let taken = ledger.record(0, 26);
                let Body::Delivered { message } = taken.body.clone() else { panic!() };
                taken.entry = ledger::entry::Entry::none();
                taken.decline = decline(2);
                mail(taken).sent.push(sent(1, 4, returned(2, 2, message)));
            },
            &[in_0(Rule::Return, 26)],
        ),
        case(
            "what goes back goes by a transfer, which could be declined",
            |ledger| {
                let sends = ledger.record(1, 15);
                mail(sends).sent[0].message = transfer(3, 2, 900);
                let taken = ledger.record(0, 26);
                taken.body = Body::Delivered { message: transfer(3, 2, 900) };
            },
            &[in_1(Rule::Channel, 15)],
        ),
        case(
            "what goes back is kept for the parent to claim",
            |ledger| {
                let taken = ledger.record(0, 26);
                let way = taken.entry.postings()[0];
                let unclaimed = posting(ledger::account::AccountKind::Unclaimed, wallet(2).get(), -900);
                taken.entry = ledger::entry::Entry::new([way, unclaimed]).unwrap();
            },
            &[],
        ),
    ]);
}
