//! The auditor against a small ledger with right hashes and one broken rule at a time: wallets and
//! their floors (L2), sums (L1), time, epochs, versions and beginnings. It names that rule at that
//! record and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod audit_support;

use audit_support::*;
use ledger::account::{Account, AccountKind};
use ledger::audit::Rule;
use ledger::entry::{Entry, Posting};
use ledger::ids::{At, Epoch, LedgerId, Office, TillId, VendorId, Version, WalletNumber};
use ledger::money::{BALANCE_LIMIT, Currency, VatRate};
use ledger::record::{Body, Line, Record, Tax, Tender};

#[test]
fn a_wallet_is_opened_once_in_its_shard() {
    check(vec![
        case(
            "money moves before the opening",
            |ledger| {
                ledger.push(1, top_up(7, id(501, 11), Tender::Cash, 100));
            },
            &[next_1(Rule::Opening)],
        ),
        case(
            "opened twice",
            |ledger| {
                ledger.push(1, open(3, id(501, 11)));
            },
            &[next_1(Rule::Opening)],
        ),
        case(
            "opened by another tag than the burned one",
            |ledger| {
                let mut opened = open(5, id(501, 11));
                let Body::WalletOpened { check, .. } = &mut opened.body else { panic!() };
                *check += 1;
                ledger.push(1, opened);
            },
            &[next_1(Rule::Opening)],
        ),
        case(
            "in the wrong shard",
            |ledger| {
                ledger.push(1, open(8, id(501, 11)));
            },
            &[next_1(Rule::Shard)],
        ),
        case(
            "moves another wallet's purse",
            |ledger| {
                let mut top_up = top_up(3, id(501, 11), Tender::Cash, 100);
                let postings = [
                    posting(AccountKind::CashDrawer, DESK.into(), 100),
                    posting(AccountKind::WalletPaid, 2, -100),
                ];
                top_up.entry = Entry::new(postings).unwrap();
                ledger.push(1, top_up);
            },
            &[next_1(Rule::Shard)],
        ),
    ]);
}

/// A guest with a vendor's number would pay out of the vendor's account.
#[test]
fn a_wallet_has_no_number_of_an_office() {
    check(vec![
        case(
            "opened under the number of a vendor's office",
            |ledger| {
                let body = open(3, id(501, 11)).body;
                let office = Office::Vendor(VendorId::new(17).unwrap()).number();
                ledger.push(1, about(office, id(501, 11), body, &[]));
            },
            &[next_1(Rule::Opening)],
        ),
        case(
            "opened under the last number that is kept for offices",
            |ledger| {
                let body = open(3, id(501, 11)).body;
                let last = WalletNumber::new(Office::NUMBERS - 1).unwrap();
                ledger.push(1, about(last, id(501, 11), body, &[]));
            },
            &[next_1(Rule::Opening)],
        ),
        case(
            "opened under the first number that is not",
            |ledger| {
                let body = open(3, id(501, 11)).body;
                let first = WalletNumber::new(Office::NUMBERS).unwrap();
                ledger.push(0, about(first, id(501, 11), body, &[]));
            },
            &[],
        ),
    ]);
}

#[test]
fn a_purse_stays_within_its_limits() {
    check(vec![
        case(
            "spends more than it holds",
            |ledger| {
                for counter in [2, 3, 4] {
                    ledger.push(1, purchase(3, id(41_395, counter), 0));
                }
            },
            &[at(Rule::Floor, 1, 1, 13)],
        ),
        case(
            "spends bonus money that it does not have",
            |ledger| {
                ledger.push(1, purchase(3, id(41_395, 2), 500));
            },
            &[next_1(Rule::Floor)],
        ),
        case(
            "holds more than five bytes take",
            |ledger| {
                ledger.push(1, top_up(3, id(501, 11), Tender::Cash, BALANCE_LIMIT));
            },
            &[next_1(Rule::Floor)],
        ),
        case(
            "pays in another currency than its festival's",
            |ledger| {
                let yen = Currency::from_alpha("JPY").unwrap();
                let mut sold = purchase(3, id(41_395, 2), 0);
                let in_yen = |posting: &Posting| Posting {
                    account: Account { currency: yen, ..posting.account },
                    minor: posting.minor,
                };
                sold.entry = Entry::new(sold.entry.postings().iter().map(in_yen)).unwrap();
                ledger.push(1, sold);
            },
            &[next_1(Rule::Currency)],
        ),
        case(
            "a record that names no wallet",
            |ledger| ledger.record(1, 8).envelope.wallet = None,
            &[at(Rule::Format, 1, 1, 8)],
        ),
    ]);
}

fn taxes(record: &mut Record) -> &mut [Tax] {
    match &mut record.body {
        Body::Purchased { taxes, .. } => taxes,
        _ => panic!("not a purchase"),
    }
}

fn lines(record: &mut Record) -> &mut [Line] {
    match &mut record.body {
        Body::Purchased { lines, .. } => lines,
        _ => panic!("not a purchase"),
    }
}

#[test]
fn taxes_are_those_of_the_lines() {
    let sale = at(Rule::Sums, 0, 3, 21);
    check(vec![
        case(
            "a cent moved from base to tax",
            |ledger| {
                let taxes = taxes(ledger.record(0, 21));
                taxes[1].base -= 1;
                taxes[1].tax += 1;
            },
            &[sale],
        ),
        case("taxes by falling rate", |ledger| taxes(ledger.record(0, 21)).reverse(), &[sale]),
        case(
            "a rate that no line has",
            |ledger| taxes(ledger.record(0, 21))[0].rate = VatRate::new(551).unwrap(),
            &[sale],
        ),
        case(
            "a tax left out",
            |ledger| {
                let Body::Purchased { taxes, .. } = &mut ledger.record(0, 21).body else { panic!() };
                taxes.pop();
            },
            &[sale],
        ),
        case("a line less than was paid", |ledger| lines(ledger.record(0, 21))[0].quantity = 1, &[sale]),
        case(
            "lines and taxes of another price than was paid",
            |ledger| {
                let record = ledger.record(0, 21);
                lines(record)[2].unit_price = 211;
                (taxes(record)[0].base, taxes(record)[0].tax) = (200, 11);
            },
            &[sale],
        ),
    ]);
}

#[test]
fn postings_are_those_of_the_body() {
    let sale = at(Rule::Sums, 0, 3, 21);
    check(vec![
        case(
            "a purchase of nothing",
            |ledger| {
                let (lines, taxes) = ([].into_iter().collect(), [].into_iter().collect());
                ledger.record(0, 21).body = Body::Purchased { lines, taxes, confirmed: false };
            },
            &[sale],
        ),
        case(
            "a purchase that pays a fee from the vendor's home, which has a floor",
            |ledger| {
                let mut postings = ledger.record(0, 21).entry.postings().to_vec();
                postings.push(posting(AccountKind::VendorHome, VENDOR, 5));
                postings.push(posting(AccountKind::Fee, 0, -5));
                ledger.record(0, 21).entry = Entry::new(postings).unwrap();
            },
            &[at(Rule::Floor, 0, 3, 21), sale],
        ),
        case(
            "a declined purchase with taxes",
            |ledger| {
                let body = ledger.record(0, 8).body.clone();
                ledger.record(0, 9).body = body;
            },
            &[at(Rule::Sums, 0, 1, 9)],
        ),
        case(
            "a top-up of another amount than it posts",
            |ledger| {
                ledger.record(0, 20).body = Body::ToppedUp { tender: Tender::Cash, amount: 1_001 };
            },
            &[at(Rule::Sums, 0, 3, 20)],
        ),
        case(
            "a bonus that fills the paid-in purse",
            |ledger| {
                ledger.record(0, 20).body = Body::ToppedUp { tender: Tender::Bonus, amount: 1_000 };
            },
            &[at(Rule::Sums, 0, 3, 20)],
        ),
        case(
            "cash into another till's drawer",
            |ledger| ledger.record(0, 20).envelope.till = TillId::new(10),
            &[at(Rule::Sums, 0, 3, 20)],
        ),
        case(
            "a declined burn",
            |ledger| ledger.record(0, 13).decline = decline(5),
            &[at(Rule::Sums, 0, 2, 13)],
        ),
    ]);
}

#[test]
fn a_sale_pays_one_vendor_and_takes_from_the_purses() {
    // One vendor was paid out of what another one sold, and every sum was right.
    let sale = at(Rule::Sums, 0, 3, 21);
    check(vec![
        case(
            "a purchase that takes another vendor's money along",
            |ledger| {
                let mut postings = ledger.record(0, 21).entry.postings().to_vec();
                postings[1].minor -= 1_000;
                postings.push(posting(AccountKind::VendorSales, VENDOR + 1, 1_000));
                ledger.record(0, 21).entry = Entry::new(postings).unwrap();
            },
            &[sale],
        ),
        case(
            "a purchase that two vendors share",
            |ledger| {
                let mut postings = ledger.record(0, 21).entry.postings().to_vec();
                postings[1].minor += 1_000;
                postings.push(posting(AccountKind::VendorSales, VENDOR + 1, -1_000));
                ledger.record(0, 21).entry = Entry::new(postings).unwrap();
            },
            &[sale],
        ),
        case(
            "a purchase that makes bonus money of paid-in money",
            |ledger| {
                let mut postings = ledger.record(0, 21).entry.postings().to_vec();
                postings[0].minor += 500;
                postings.push(posting(AccountKind::WalletBonus, 2, -500));
                ledger.record(0, 21).entry = Entry::new(postings).unwrap();
            },
            &[sale],
        ),
    ]);
}

#[test]
fn what_moves_nothing_moves_nothing() {
    check(vec![
        case(
            "a declined purchase that debits",
            |ledger| {
                let entry = purchase(2, id(41_394, 2), 0).entry;
                ledger.record(0, 9).entry = entry;
                // The wallet has so much less afterwards; top it up so that only this is wrong.
                *ledger.record(0, 20) =
                    Record { at: ledger.record(0, 20).at, ..top_up(2, id(501, 7), Tender::Cash, 10_000) };
            },
            &[at(Rule::MovesNothing, 0, 1, 9)],
        ),
        case(
            "a training sale that debits",
            |ledger| ledger.record(0, 21).envelope.mode.training = true,
            &[at(Rule::MovesNothing, 0, 3, 21)],
        ),
        case(
            "an opening with money in it",
            |ledger| {
                let mut opened = open(7, id(501, 11));
                opened.entry = top_up(7, id(501, 11), Tender::Cash, 100).entry;
                ledger.push(1, opened);
            },
            &[next_1(Rule::MovesNothing)],
        ),
        case(
            "a fact that moves money",
            |ledger| {
                let postings = [posting(AccountKind::Psp, 0, 5), posting(AccountKind::Breakage, 0, -5)];
                ledger.record(1, 10).entry = Entry::new(postings).unwrap();
            },
            &[at(Rule::MovesNothing, 1, 1, 10)],
        ),
    ]);
}

#[test]
fn time_epochs_and_versions() {
    check(vec![
        case(
            "time falls",
            |ledger| {
                let before = ledger.record(0, 7).at;
                ledger.record(0, 8).at = At(before.0 - 1);
            },
            &[at(Rule::Time, 0, 1, 8)],
        ),
        case(
            "time falls between blocks",
            |ledger| ledger.record(0, 10).at = At(EVENING),
            &[at(Rule::Time, 0, 2, 10)],
        ),
        case(
            "an epoch goes back",
            |ledger| ledger.shards[0][2].epoch = 0,
            &[(Rule::Epoch, Some(0), Some(2), None)],
        ),
        case(
            "an epoch begins without its record",
            |ledger| ledger.record(0, 19).body = Body::Released,
            &[at(Rule::Epoch, 0, 3, 19)],
        ),
        case(
            "an epoch is opened in a block of another",
            |ledger| ledger.record(0, 19).body = Body::EpochOpened { epoch: Epoch(3) },
            &[at(Rule::Epoch, 0, 3, 19)],
        ),
        case(
            "an epoch is opened twice",
            |ledger| {
                ledger.push(0, fact(Body::EpochOpened { epoch: Epoch(2) }));
            },
            &[next_0(Rule::Epoch)],
        ),
        case(
            "a decision under a version not in force",
            |ledger| ledger.record(0, 8).envelope.configuration = Version::new(2),
            &[at(Rule::Version, 0, 1, 8)],
        ),
        case(
            "a decision under no version",
            |ledger| ledger.record(0, 8).envelope.configuration = None,
            &[at(Rule::Version, 0, 1, 8)],
        ),
        case(
            "the catalogue goes back",
            |ledger| ledger.record(0, 8).envelope.catalogue = None,
            &[at(Rule::Version, 0, 1, 8)],
        ),
        case(
            "the policy goes back",
            |ledger| ledger.record(0, 7).envelope.policy = Version::new(2),
            &[at(Rule::Version, 0, 1, 8)],
        ),
    ]);
}

/// What is changed later: `audit_configuration.rs`.
#[test]
fn a_configuration_is_founded_whole_and_the_same_everywhere() {
    check(vec![
        case(
            "adopted with another hash than what was staged",
            |ledger| {
                let at = ledger.record(1, 3).at;
                *ledger.record(1, 3) = Record { at, ..adopted(1, 2, b"another festival") };
            },
            &[at(Rule::Configuration, 1, 0, 3), at(Rule::Configuration, 1, 0, 3)],
        ),
        case(
            "staged and adopted otherwise than in the other shard",
            |ledger| {
                let times = [1, 2, 3].map(|number| ledger.record(1, number).at);
                *ledger.record(1, 1) = Record { at: times[0], ..staged(1, 0, b"another ") };
                *ledger.record(1, 2) = Record { at: times[1], ..staged(1, 1, b"festival") };
                *ledger.record(1, 3) = Record { at: times[2], ..adopted(1, 2, b"another festival") };
            },
            &[at(Rule::Configuration, 1, 0, 3)],
        ),
        case(
            "adopted with a part missing",
            |ledger| ledger.record(0, 2).body = Body::Released,
            &[at(Rule::Configuration, 0, 0, 3)],
        ),
        case(
            "parts that came in another order make the same whole",
            |ledger| {
                let (first, second) = (ledger.record(0, 1).body.clone(), ledger.record(0, 2).body.clone());
                ledger.record(0, 1).body = second;
                ledger.record(0, 2).body = first;
            },
            &[],
        ),
    ]);
}

#[test]
fn beginnings() {
    check(vec![
        case(
            "a shard that does not begin with the ledger",
            |ledger| ledger.record(1, 0).body = Body::Released,
            &[at(Rule::Genesis, 1, 0, 0)],
        ),
        case(
            "the ledger is opened again",
            |ledger| {
                ledger.push(1, genesis());
            },
            &[next_1(Rule::Genesis)],
        ),
        case(
            "the shards disagree about the key",
            |ledger| {
                let Body::LedgerOpened(genesis) = &mut ledger.record(1, 0).body else { panic!() };
                genesis.key_id = [1; 16];
            },
            &[at(Rule::Genesis, 1, 0, 0)],
        ),
        case(
            "a block of another ledger",
            |ledger| ledger.shards[1][1].ledger = LedgerId([8; 16]),
            &[(Rule::Genesis, Some(1), Some(1), None)],
        ),
        case(
            "a shard is missing",
            |ledger| {
                ledger.shards.pop();
            },
            &[(Rule::Missing, Some(1), None, None)],
        ),
        case("nothing is there", |ledger| ledger.shards.clear(), &[(Rule::Genesis, None, None, None)]),
    ]);
}
