//! The auditor against a small ledger in which money was held, with right hashes and one broken rule at a
//! time (L2, L4). What a guest would lose without each of these is money that is neither spendable nor
//! spent, or that was charged twice; a vendor, the charge for what was held.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::holds::*;
use audit_support::*;
use ledger::account::AccountKind;
use ledger::audit::{Rule, Total};
use ledger::entry::Entry;
use ledger::ids::At;
use ledger::record::{Body, Record, Tender};

fn here(rule: Rule, record: u64) -> Short {
    at(rule, 1, 1, record)
}

/// The next record of shard 1 is number 29.
fn next(rule: Rule) -> Short {
    here(rule, 29)
}

#[track_caller]
fn check_holds(cases: Vec<Case>) {
    for case in cases {
        let mut ledger = holding();
        (case.tamper)(&mut ledger);
        assert_found(&ledger.audit(), &case.expected, case.what);
    }
}

/// Adds so much to both sides of a record that holds and two of its postings.
fn shift(record: &mut Record, from: usize, to: usize, minor: i64) {
    let mut postings = record.entry.postings().to_vec();
    postings[from].minor += minor;
    postings[to].minor -= minor;
    record.entry = Entry::new(postings.into_iter().filter(|posting| posting.minor != 0)).unwrap();
}

#[test]
fn a_good_ledger_with_holds_passes_and_shows_what_is_held() {
    let report = holding().audit();
    assert_found(&report, &[], "the good ledger");
    let guest = report.wallets.iter().find(|wallet| wallet.number.get() == guest(GUEST)).unwrap();
    assert_eq!((guest.purses, guest.held), ([2_750, 0, 0], 900));
    let balance = |kind| report.totals.iter().find(|total| total.kind == kind).map_or(0, Total::balance);
    assert_eq!(balance(AccountKind::WalletHeld), -900);
}

#[test]
fn a_hold_ends_once_on_its_wallet() {
    check_holds(vec![
        case(
            "released after it was captured",
            |ledger| {
                ledger.push(1, released(20, id(BAR, 1), [600, 0]));
            },
            &[next(Rule::Hold)],
        ),
        case(
            "captured twice",
            |ledger| {
                ledger.push(1, top_up(GUEST, id(501, 70), Tender::Cash, 5_000));
                ledger.push(1, held(20, 3_000, 0));
                ledger.push(1, captured(21, id(BAR, 1), [1_350, 1_000], [650, 0]));
            },
            &[here(Rule::Hold, 31)],
        ),
        case(
            "expired after it was released",
            |ledger| {
                ledger.push(1, expired(id(BAR, 5), [500, 0]));
            },
            &[next(Rule::Hold)],
        ),
        case(
            "cancelled after it expired",
            |ledger| {
                ledger.push(1, cancel(&held(9, 800, 0), 26));
            },
            &[next(Rule::Hold)],
        ),
        case(
            "a hold that nobody made is released",
            |ledger| {
                ledger.push(1, released(20, id(BAR, 98), [600, 0]));
            },
            &[next(Rule::Hold)],
        ),
        case(
            "a declined authorisation held all the same",
            |ledger| {
                let at = ledger.record(1, 23).at;
                *ledger.record(1, 23) = Record { at, ..declined(held(7, 700, 0), 1) };
            },
            // What is given back was not held.
            &[here(Rule::Floor, 24), here(Rule::Cancel, 24), here(Rule::Floor, 27)],
        ),
    ]);
}

#[test]
fn what_goes_back_is_what_was_held() {
    check_holds(vec![
        case(
            "released into another purse",
            |ledger| {
                let record = ledger.record(1, 22);
                let mut postings = record.entry.postings().to_vec();
                postings[1].account.kind = AccountKind::WalletBonus;
                record.entry = Entry::new(postings).unwrap();
            },
            &[here(Rule::Hold, 22)],
        ),
        case(
            "less expires than was held",
            |ledger| shift(ledger.record(1, 27), 0, 1, -100),
            &[here(Rule::Hold, 27)],
        ),
        case(
            "a capture that keeps back some of the rest",
            |ledger| shift(ledger.record(1, 15), 0, 2, -100),
            &[here(Rule::Hold, 15)],
        ),
        case(
            "a capture above what is held",
            |ledger| {
                // 23.50 sold of 9.00: the rest out of the purse, at once.
                let mut record = captured(20, id(BAR, 10), [2_350, 0], [0, 0]);
                let mut postings = record.entry.postings().to_vec();
                postings[0].minor = 900;
                postings.push(posting(AccountKind::WalletPaid, GUEST, 1_450));
                record.entry = Entry::new(postings).unwrap();
                ledger.push(1, record);
            },
            &[next(Rule::Sums), next(Rule::Hold)],
        ),
        case(
            "a capture that sells more of a purse than was held of it",
            |ledger| {
                let Body::Captured { from, .. } = &mut ledger.record(1, 15).body else { panic!() };
                *from = [1_250, 1_100, 0];
            },
            // Nor can what was sold be put back as the void says.
            &[here(Rule::Hold, 15), here(Rule::Void, 16)],
        ),
        case(
            "a capture that names less than it sells",
            |ledger| {
                let Body::Captured { from, .. } = &mut ledger.record(1, 19).body else { panic!() };
                from[0] = 2_349;
            },
            &[here(Rule::Sums, 19), here(Rule::Hold, 19), here(Rule::Cancel, 20)],
        ),
        case(
            "a cancelled capture that puts the rest back once more",
            |ledger| {
                let reversed = ledger.record(1, 19).entry.reversed().unwrap();
                ledger.record(1, 20).entry = reversed;
            },
            &[here(Rule::Cancel, 20)],
        ),
    ]);
}

#[test]
fn a_hold_moves_money_within_its_own_wallet_one_way() {
    check_holds(vec![
        case(
            "a capture that two vendors share",
            |ledger| {
                ledger.push(1, top_up(GUEST, id(501, 70), Tender::Cash, 5_000));
                ledger.push(1, held(20, 3_000, 0));
                let mut record = captured(21, id(BAR, 20), [2_350, 0], [650, 0]);
                let mut postings = record.entry.postings().to_vec();
                postings[1].minor -= 100;
                postings.push(posting(AccountKind::VendorSales, VENDOR + 1, 100));
                record.entry = Entry::new(postings).unwrap();
                ledger.push(1, record);
            },
            &[here(Rule::Sums, 31)],
        ),
        case(
            "bonus money that a hold makes of paid-in money",
            |ledger| {
                let mut record = held(20, 1_000, 0);
                let mut postings = record.entry.postings().to_vec();
                for posting in &mut postings {
                    posting.minor = posting.minor.max(-500);
                }
                postings.push(posting(AccountKind::WalletBonus, GUEST, -500));
                record.entry = Entry::new(postings).unwrap();
                let Body::Held { amount, .. } = &mut record.body else { panic!() };
                *amount = 500;
                ledger.push(1, record);
            },
            &[next(Rule::Sums)],
        ),
        case(
            "a hold that expires on no wallet, into a purse of somebody's",
            |ledger| {
                let mut record = expired(id(BAR, 10), [900, 0]);
                record.envelope.wallet = None;
                ledger.push(1, record);
            },
            &[next(Rule::Format)],
        ),
    ]);
}

#[test]
fn nothing_else_moves_what_is_held() {
    check_holds(vec![
        case(
            "a purchase out of what is held",
            |ledger| {
                let mut record = purchase(GUEST, id(BAR, 20), 0);
                let mut postings = record.entry.postings().to_vec();
                postings[0].minor -= 900;
                postings.insert(0, posting(AccountKind::WalletHeld, GUEST, 900));
                record.entry = Entry::new(postings).unwrap();
                ledger.push(1, record);
            },
            &[next(Rule::Sums), next(Rule::Hold)],
        ),
        case(
            "more is held than the record says",
            |ledger| shift(ledger.record(1, 28), 1, 0, 100),
            &[here(Rule::Sums, 28)],
        ),
        case(
            "money is held of another wallet",
            |ledger| {
                let mut record = held(20, 500, 0);
                let mut postings = record.entry.postings().to_vec();
                postings[0].account.owner = guest(3);
                record.entry = Entry::new(postings).unwrap();
                ledger.push(1, record);
            },
            &[next(Rule::Shard)],
        ),
        case(
            "a release is cancelled",
            |ledger| {
                ledger.push(1, cancel(&released(6, id(BAR, 5), [500, 0]), 22));
            },
            &[next(Rule::Cancel)],
        ),
        case(
            "a declined capture with taxes",
            |ledger| {
                let at = ledger.record(1, 25).at;
                let capture = captured(8, id(BAR, 99), [2_350, 0], [0, 0]);
                *ledger.record(1, 25) = Record { at, decline: decline(21), entry: Entry::none(), ..capture };
            },
            &[here(Rule::Sums, 25)],
        ),
        case(
            "a hold expires a microsecond early",
            |ledger| {
                let record = ledger.record(1, 27);
                record.at = At(record.at.0 - 1);
            },
            &[here(Rule::Hold, 27)],
        ),
        case(
            "an expiry that names a request",
            |ledger| {
                ledger.record(1, 27).envelope.request = Some(id(BAR, 30));
            },
            &[here(Rule::Format, 27)],
        ),
    ]);
}
