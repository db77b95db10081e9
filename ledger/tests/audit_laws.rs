//! The auditor against a small ledger with right hashes and one broken rule at a time: what a
//! request did, and did once (L4). What an organiser would lose without each of these is a forged
//! or corrupted journal that passes for a legal record. More of the rules in `audit_rules.rs`,
//! plain tampering in `audit_tamper.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::*;
use ledger::account::{Account, AccountKind};
use ledger::audit::Rule;
use ledger::entry::{Entry, Posting};
use ledger::ids::{At, DeviceNumber, Epoch};
use ledger::money::Currency;
use ledger::record::{Body, Kind, Record, Tender};

#[test]
fn a_good_ledger_passes_and_is_told() {
    let report = good().audit();
    assert_found(&report, &[], "the good ledger");
    assert_eq!((report.blocks, report.blocks_skipped, report.records), (6, 0, 33));
    assert_eq!(report.genesis.unwrap().shards, 2);
    let heads: Vec<_> = report
        .heads
        .iter()
        .map(|(shard, head)| (shard.0, head.next_seq, head.next_record.0, head.epoch))
        .collect();
    assert_eq!(heads, [(0, 4, 22, Epoch(2)), (1, 2, 11, Epoch(1))]);
    assert_eq!((report.first, report.last), (Some(At(EVENING)), Some(At(EVENING + 32_000_000))));
    let count = |kind| report.kinds.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count);
    let kinds = [Kind::LedgerOpened, Kind::Purchased, Kind::Voided, Kind::Cancelled, Kind::Burned];
    assert_eq!(kinds.map(count), [2, 6, 3, 3, 2]);
    let declines: Vec<_> = report.declines.iter().map(|(code, count)| (code.0.get(), *count)).collect();
    assert_eq!(declines, [(1, 1), (10, 1)]);
    let totals: Vec<_> = report.totals.iter().map(|total| (total.kind, total.balance())).collect();
    assert_eq!(
        totals,
        [
            (AccountKind::WalletPaid, -(6_000 - 2_350) - (9_000 - 2_350)),
            (AccountKind::WalletBonus, -500),
            (AccountKind::VendorSales, -2 * 2_350),
            (AccountKind::CashDrawer, 15_000),
            (AccountKind::BonusFunder, 500),
        ]
    );
    let wallets: Vec<_> =
        report.wallets.iter().map(|wallet| (wallet.number, wallet.purses, wallet.open)).collect();
    let expected = [(2, [3_650, 500, 0], true), (3, [6_650, 0, 0], true), (5, [0; 3], false)];
    assert_eq!(wallets, expected.map(|(number, purses, open)| (wallet(number), purses, open)));
    let drawer = Account::new(AccountKind::CashDrawer, DESK.into(), Currency::EUR);
    assert!(report.accounts.contains(&(drawer, 15_000)));
    assert_eq!(report.bytes, good().sealed().0.iter().map(|block| block.len() as u64).sum::<u64>());
}

#[test]
fn exactly_once() {
    check(vec![
        case(
            "an id takes effect twice",
            |ledger| {
                ledger.push(0, top_up(2, id(501, 2), Tender::Cash, 5_000));
            },
            &[next_0(Rule::Repeated)],
        ),
        case(
            "an id that took effect is declined later",
            |ledger| {
                ledger.push(0, declined(top_up(2, id(501, 2), Tender::Cash, 5_000), 2));
            },
            &[next_0(Rule::Repeated)],
        ),
        case(
            "a declined id takes effect later",
            |ledger| {
                ledger.push(0, purchase(2, id(41_394, 2), 0));
            },
            &[next_0(Rule::Repeated)],
        ),
        case(
            "a sale finishes a try that had taken effect",
            |ledger| ledger.record(0, 21).envelope.replaces = Some(id(501, 7)),
            &[at(Rule::Repeated, 0, 3, 21)],
        ),
        case(
            "an id that was seen is burned",
            |ledger| {
                ledger.push(0, burn(2, id(501, 2)));
            },
            &[next_0(Rule::Repeated)],
        ),
        case(
            "a burned id takes effect",
            |ledger| {
                ledger.push(0, purchase(2, id(41_394, 4), 0));
            },
            &[next_0(Rule::Closed)],
        ),
        case(
            "a cancelled id takes effect",
            |ledger| {
                ledger.push(0, purchase(2, id(41_394, 3), 0));
            },
            &[next_0(Rule::Closed)],
        ),
        case(
            "an id takes effect after a sale that finished it",
            |ledger| {
                ledger.push(0, purchase(2, id(41_394, 6), 0));
            },
            &[next_0(Rule::Closed)],
        ),
        case(
            "an id closed by a sale is burned as well, which changes nothing",
            |ledger| {
                ledger.push(0, burn(2, id(41_394, 6)));
            },
            &[],
        ),
    ]);
}

#[test]
fn a_void_is_of_a_sale_that_stands() {
    check(vec![
        case(
            "of a sale that was voided before",
            |ledger| {
                let sale = ledger.record(0, 8).clone();
                ledger.push(0, void(id(501, 11), &sale, 8));
            },
            &[next_0(Rule::Void)],
        ),
        case(
            "of a sale that was cancelled",
            |ledger| {
                let sale = ledger.record(0, 11).clone();
                ledger.push(0, void(id(501, 11), &sale, 11));
            },
            &[next_0(Rule::Void)],
        ),
        case(
            "of a sale that never was",
            |ledger| {
                ledger.push(1, void(id(501, 11), &purchase(3, id(41_395, 2), 0), 7));
            },
            &[next_1(Rule::Void)],
        ),
        case(
            "of another wallet's sale",
            |ledger| {
                ledger.push(1, void(id(501, 11), &purchase(3, id(41_394, 7), 0), 7));
            },
            &[next_1(Rule::Void)],
        ),
        case(
            "of a top-up",
            |ledger| {
                let filled = top_up(3, id(501, 12), Tender::Cash, 100);
                ledger.push(1, filled.clone());
                ledger.push(1, void(id(501, 11), &filled, 11));
            },
            &[at(Rule::Void, 1, 1, 12)],
        ),
    ]);
}

#[test]
fn a_void_gives_back_what_the_sale_took() {
    check(vec![
        case(
            "of another record than the one named",
            |ledger| {
                let sale = ledger.record(1, 7).clone();
                ledger.push(1, void(id(501, 11), &sale, 6));
            },
            &[next_1(Rule::Void)],
        ),
        case(
            "without a position",
            |ledger| {
                let Body::Voided { position, .. } = &mut ledger.record(0, 18).body else { panic!() };
                *position = None;
            },
            &[at(Rule::Void, 0, 2, 18)],
        ),
        case(
            "that gives bonus money back as paid-in money",
            |ledger| {
                let sale = purchase(2, id(41_394, 1), 0);
                ledger.record(0, 10).entry = sale.entry.reversed().unwrap();
                // The purses meet later records otherwise: they pay with what is there now.
                ledger.record(0, 11).entry = sale.entry.clone();
                ledger.record(0, 12).entry = sale.entry.reversed().unwrap();
                for number in [15, 17] {
                    ledger.record(0, number).entry = sale.entry.clone();
                }
                for number in [16, 18] {
                    ledger.record(0, number).entry = sale.entry.reversed().unwrap();
                }
            },
            &[at(Rule::Void, 0, 2, 10)],
        ),
        case(
            "that gives back a part",
            |ledger| {
                let part = [
                    posting(AccountKind::WalletPaid, 3, -2_000),
                    posting(AccountKind::VendorSales, VENDOR, 2_000),
                ];
                let sale = ledger.record(1, 7).clone();
                ledger.push(1, Record { entry: Entry::new(part).unwrap(), ..void(id(501, 11), &sale, 7) });
            },
            &[next_1(Rule::Void)],
        ),
        case(
            "whose postings stand in another order is the same void",
            |ledger| {
                let sale = ledger.record(1, 7).clone();
                let mut back = void(id(501, 11), &sale, 7);
                let turned: Vec<Posting> = back.entry.postings().iter().rev().copied().collect();
                back.entry = Entry::new(turned).unwrap();
                ledger.push(1, back);
            },
            &[],
        ),
    ]);
}

#[test]
fn a_cancel_is_of_what_stands() {
    check(vec![
        case(
            "of an id never seen",
            |ledger| {
                ledger.push(1, cancel(&purchase(3, id(41_395, 2), 0), 7));
            },
            &[next_1(Rule::Cancel)],
        ),
        case(
            "of a cancelled id",
            |ledger| {
                let sale = ledger.record(0, 11).clone();
                ledger.push(0, cancel(&sale, 11));
            },
            &[next_0(Rule::Cancel)],
        ),
        case(
            "of a declined id",
            |ledger| {
                ledger.push(0, Record { entry: Entry::none(), ..cancel(&purchase(2, id(41_394, 2), 0), 9) });
            },
            &[next_0(Rule::Cancel)],
        ),
        case(
            "of a burned id",
            |ledger| {
                ledger.push(0, declined(cancel(&purchase(2, id(41_394, 4), 0), 13), 10));
            },
            &[next_0(Rule::Cancel)],
        ),
    ]);
}

#[test]
fn a_cancel_gives_back_what_its_request_took() {
    check(vec![
        case(
            "of another record than the one named",
            |ledger| {
                let sale = ledger.record(1, 7).clone();
                ledger.push(1, cancel(&sale, 8));
            },
            &[next_1(Rule::Cancel)],
        ),
        case(
            "that reverses nothing",
            |ledger| {
                let sale = ledger.record(1, 7).clone();
                ledger.push(1, Record { entry: Entry::none(), ..cancel(&sale, 7) });
            },
            &[next_1(Rule::Cancel)],
        ),
        case(
            "of a voided sale, which gives the money back twice",
            |ledger| {
                let sale = ledger.record(0, 8).clone();
                ledger.push(0, cancel(&sale, 8));
            },
            &[next_0(Rule::Cancel)],
        ),
        case(
            "of a voided sale that moves nothing: it should have been declined",
            |ledger| {
                let sale = ledger.record(0, 8).clone();
                ledger.push(0, Record { entry: Entry::none(), ..cancel(&sale, 8) });
            },
            &[next_0(Rule::Cancel)],
        ),
        case(
            "of the opening of a wallet that holds money",
            |ledger| {
                let opened = ledger.record(1, 5).clone();
                ledger.push(1, cancel(&opened, 5));
            },
            &[next_1(Rule::Opening)],
        ),
        case(
            "of an opening, and a new opening",
            |ledger| {
                ledger.push(1, open(7, id(501, 11)));
                ledger.push(1, cancel(&open(7, id(501, 11)), 11));
                ledger.push(1, open(7, id(501, 12)));
                ledger.push(1, top_up(7, id(501, 13), Tender::Cash, 100));
            },
            &[],
        ),
    ]);
}

/// The cashier was told "it stands" and kept the cash: the customer would pay twice for one drink.
#[test]
fn a_declined_cancel_is_final() {
    check(vec![
        case(
            "a late copy takes the money back after all",
            |ledger| {
                ledger.push(0, top_up(2, id(501, 11), Tender::Cash, 5_000));
                let spent = ledger.record(0, 6).clone();
                ledger.push(0, cancel(&spent, 6));
            },
            &[at(Rule::Cancel, 0, 3, 23)],
        ),
        case(
            "a late copy is decided again",
            |ledger| {
                let spent = ledger.record(0, 6).clone();
                ledger.push(0, declined(cancel(&spent, 6), 10));
            },
            &[next_0(Rule::Cancel)],
        ),
    ]);
}

#[test]
fn only_its_own_device_closes_an_id() {
    check(vec![
        case(
            "a burn by a device that did not make the request",
            |ledger| ledger.record(0, 13).envelope.device = DeviceNumber::new(41_395),
            &[at(Rule::Device, 0, 2, 13)],
        ),
        case(
            "a cancel by a device that did not make the request",
            |ledger| ledger.record(0, 12).envelope.device = DeviceNumber::new(41_395),
            &[at(Rule::Device, 0, 2, 12)],
        ),
    ]);
}

#[test]
fn one_id_on_two_wallets_is_listed_apart() {
    let mut ledger = good();
    ledger.push(1, purchase(3, id(41_394, 1), 0));
    ledger.push(0, purchase(2, id(41_395, 1), 0));
    // On the second wallet the id is used up as on the first.
    let report = ledger.audit();
    assert_found(&report, &[], "forks are no errors");
    assert_eq!(report.forks_total, 2);
    let forks: Vec<_> = report.forks.iter().map(|fork| (fork.request, fork.first, fork.other)).collect();
    // Shard 0 is read first here, so its wallet is the first for both.
    assert_eq!(forks, [id(41_395, 1), id(41_394, 1)].map(|id| (id, wallet(2), wallet(3))));
    ledger.push(1, purchase(3, id(41_394, 1), 0));
    assert_found(&ledger.audit(), &[at(Rule::Repeated, 1, 1, 12)], "used twice on the second wallet");
}

#[test]
fn long_ids_are_told_apart_by_their_second_half() {
    let mut ledger = good();
    let long = |second| {
        let mut record = top_up(3, id(0x80_0001, 7), Tender::Cash, 100);
        record.envelope.rare =
            Some(Box::new(ledger::record::Rare { long_id: Some(second), ..Default::default() }));
        record
    };
    ledger.push(1, long(1));
    ledger.push(1, long(2));
    assert_found(&ledger.audit(), &[], "two long ids");
    ledger.push(1, long(2));
    assert_found(&ledger.audit(), &[at(Rule::Repeated, 1, 1, 13)], "one of them again");
}

#[test]
fn many_findings_are_counted_and_the_first_hundred_kept() {
    let mut ledger = good();
    for _ in 0..250 {
        ledger.push(1, top_up(3, id(501, 9), Tender::Cash, 1));
    }
    let report = ledger.audit();
    assert_eq!((report.findings.len(), report.findings_total), (100, 250));
    assert_eq!(short(&report.findings[0]), next_1(Rule::Repeated));
}

#[test]
fn a_finding_reads_as_a_sentence() {
    let mut ledger = good();
    ledger.push(1, purchase(3, id(41_395, 1), 0));
    let text = ledger.audit().findings[0].to_string();
    assert_eq!(text, "L4 repeated: shard 1 block 1 record 11: 00a1b30000000001 was used by record 7");
}

#[test]
fn every_rule_is_broken_by_a_test_and_told_in_the_document() {
    let tests = [
        include_str!("audit_holds.rs"),
        include_str!("audit_allowances.rs"),
        include_str!("audit_configuration.rs"),
        include_str!("audit_laws.rs"),
        include_str!("audit_messages.rs"),
        include_str!("audit_rules.rs"),
        include_str!("audit_tags.rs"),
        include_str!("audit_tamper.rs"),
    ];
    let document = include_str!("../FORMAT.md");
    for rule in Rule::ALL {
        let name = format!("Rule::{rule:?}");
        assert!(tests.iter().any(|test| test.contains(&name)), "{name}");
        let row = format!("| {} | {} |", rule.law().id(), rule.name());
        assert!(document.contains(&row), "FORMAT.md has no row `{row}`");
    }
}
