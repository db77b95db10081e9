//! Owns: tests of the oracle's books on scripted answers: what it must notice, and what it must not complain about.
//! Must never: need a server.
//! Laws: L2, L3, L4, L9 as the oracle sees them.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::json;
use wire::{Answer, Class, Command, Decline, Line, Position, Refusal, Request, RequestId, Tender, Uid};

use super::books::Books;
use super::log::{Entry, OracleLog};
use super::settle::statement_differences;
use super::totals::{differences, wallets_hold};

fn id(counter: u64) -> RequestId {
    RequestId::new(9, counter).unwrap()
}

fn uid(wallet: u8) -> Uid {
    Uid::new(&[wallet; 7]).unwrap()
}

fn asked(request: &Request<'_>) -> Entry {
    let mut bytes = Vec::new();
    assert!(request.append_to(&mut bytes));
    Entry::Asked(bytes)
}

fn applied(counter: u64, command: Command, at: u64, balance: i64) -> Entry {
    Entry::Answered(Answer::applied(id(counter), command.number(), Position::new(3, at).unwrap(), balance))
}

fn line(price: u32) -> [Line; 1] {
    [Line { item: 1, quantity: 1, unit_price: price }]
}

/// One wallet: opened, 50.00 on it, a sale of 6.50 and its void, a sale of 4.00.
fn script() -> Vec<Entry> {
    vec![
        asked(&Request::open_wallet(id(1), uid(1))),
        applied(1, Command::OpenWallet, 1, 0),
        asked(&Request::top_up(id(2), uid(1), 5_000, Tender::Cash)),
        applied(2, Command::TopUp, 2, 5_000),
        asked(&Request::purchase(id(3), uid(1), &line(650))),
        asked(&Request::purchase(id(4), uid(1), &line(400))),
        // Answers may come in another order than the records lie.
        applied(4, Command::Purchase, 6, 3_950 + 650),
        applied(3, Command::Purchase, 4, 4_350),
        asked(&Request::void(id(5), uid(1), id(3), 1)),
        applied(5, Command::Void, 5, 5_000),
    ]
}

fn contradictions(change: impl FnOnce(&mut Vec<Entry>)) -> Vec<String> {
    let mut entries = script();
    change(&mut entries);
    Books::of(&entries).contradictions()
}

fn only(found: &[String], words: &str) {
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(words), "{found:?}");
}

#[test]
fn a_sound_history_is_accepted_whatever_the_order_of_its_answers() {
    assert_eq!(contradictions(|_| {}), Vec::<String>::new());
    let books = Books::of(&script());
    assert_eq!(books.balances(), BTreeMap::from([(vec![1; 7], 4_600)]));
    assert_eq!(books.unknown().count(), 0);
    assert_eq!(books.counters(), BTreeMap::from([(9, 5)]));
}

#[test]
fn a_retry_gets_the_same_answer_and_the_oracle_accepts_no_other() {
    assert!(contradictions(|entries| entries.push(applied(3, Command::Lookup, 4, 4_350))).is_empty());
    only(&contradictions(|entries| entries.push(applied(3, Command::Purchase, 4, 4_351))), "was answered");
    only(&contradictions(|entries| entries.push(applied(3, Command::Purchase, 9, 4_350))), "was answered");
    only(&contradictions(|entries| entries.push(applied(77, Command::Purchase, 9, 0))), "never asked");
}

/// The guest would have paid once and lost the money twice, or found a top-up gone after the crash.
#[test]
fn a_lost_or_doubled_record_breaks_the_history() {
    let lost_top_up = contradictions(|entries| {
        entries.push(asked(&Request::purchase(id(6), uid(1), &line(100))));
        entries.push(applied(6, Command::Purchase, 7, 500));
    });
    only(&lost_top_up, "history gives 4500");
    only(
        &contradictions(|entries| {
            entries.push(asked(&Request::purchase(id(6), uid(1), &line(100))));
            entries.push(applied(6, Command::Purchase, 6, 4_500));
        }),
        "two requests are answered with position",
    );
}

#[test]
fn a_wallet_below_zero_and_a_second_void_are_named() {
    let below = contradictions(|entries| {
        entries.push(asked(&Request::purchase(id(6), uid(1), &line(9_900))));
        entries.push(applied(6, Command::Purchase, 7, -5_300));
    });
    only(&below, "leaves its wallet at -5300");
    let twice = contradictions(|entries| {
        entries.push(asked(&Request::void(id(6), uid(1), id(3), 1)));
        entries.push(applied(6, Command::Void, 7, 5_250));
    });
    only(&twice, "a second time");
}

#[test]
fn a_decline_must_be_true_and_moves_nothing() {
    let poor = Decline::InsufficientFunds;
    let declined = |balance, price| {
        contradictions(move |entries| {
            entries.push(asked(&Request::purchase(id(6), uid(1), &line(price))));
            let at = Position::new(3, 7).unwrap();
            let answer = Answer::declined(id(6), Command::Purchase.number(), poor, at, balance);
            entries.push(Entry::Answered(answer));
        })
    };
    assert!(declined(4_600, 4_601).is_empty());
    only(&declined(4_600, 4_600), "for want of money with 4600");
    only(&declined(0, 4_601), "history gives 4600");
}

#[test]
fn a_refusal_of_a_valid_request_is_a_contradiction_and_is_not_asked_for_ever() {
    let mut entries = script();
    entries.push(asked(&Request::purchase(id(6), uid(1), &line(1))));
    let refused = Answer::refused(id(6), Command::Purchase.number(), Refusal::UnknownTag);
    entries.push(Entry::Answered(refused));
    let books = Books::of(&entries);
    only(&books.contradictions(), "was refused: unknown_tag");
    assert_eq!(books.unknown().count(), 0);
}

#[test]
fn an_unanswered_request_leaves_its_wallet_open_and_no_complaint() {
    let mut entries = script();
    entries.push(asked(&Request::purchase(id(6), uid(1), &line(600))));
    entries.push(asked(&Request::purchase(id(7), uid(1), &line(100))));
    // 7 was answered after 6 had been booked, whose answer was lost with the connection.
    entries.push(applied(7, Command::Purchase, 8, 3_900));
    let books = Books::of(&entries);
    assert_eq!(books.contradictions(), Vec::<String>::new());
    assert_eq!(books.unknown().map(|(id, _)| id).collect::<Vec<_>>(), [id(6)]);
    entries.push(applied(6, Command::Purchase, 7, 4_000));
    assert!(Books::of(&entries).contradictions().is_empty());
    entries.pop();
    entries.push(applied(6, Command::Purchase, 9, 3_300));
    assert!(!Books::of(&entries).contradictions().is_empty(), "booked after 7, so 7 can't have seen it");
}

/// A sale of 6.50 (id 6, record 7) between two others, given up (record 9) while its answer was on its way.
fn given_up(cancel: Answer, between: i64) -> Vec<Entry> {
    let mut entries = script();
    entries.push(asked(&Request::purchase(id(6), uid(1), &line(650))));
    entries.push(asked(&Request::purchase(id(7), uid(1), &line(100))));
    entries.push(applied(7, Command::Purchase, 8, between));
    entries.push(Entry::GivenUp(id(6)));
    entries.push(Entry::Answered(cancel));
    entries
}

fn cancel(class: Class, code: u16, at: u64, balance: i64) -> Answer {
    let position = Position::new(3, at).unwrap();
    Answer { class, code, ..Answer::applied(id(6), Command::Cancel.number(), position, balance) }
}

fn again(class: Class, code: u16, at: u64, balance: i64) -> Entry {
    Entry::Answered(Answer { command: Command::Purchase.number(), ..cancel(class, code, at, balance) })
}

/// A barman who gave up and was told "cancelled" must find nothing of the sale, whatever crashed in between.
#[test]
fn what_was_given_up_moves_nothing_and_says_so_for_ever() {
    let (gone, burned) = (Decline::Cancelled.number(), Decline::Burned.number());
    let back = cancel(Class::Applied, gone, 9, 4_500);
    // The sale's own record is before the other one or after it: nobody was told.
    for between in [3_850, 4_500] {
        let entries = given_up(back, between);
        let books = Books::of(&entries);
        assert_eq!(books.contradictions(), Vec::<String>::new(), "{between}");
        assert_eq!(books.balances(), BTreeMap::from([(vec![1; 7], 4_500)]));
        assert_eq!(books.unknown().count(), 0);
    }
    assert!(
        !Books::of(&given_up(back, 3_851)).contradictions().is_empty(),
        "neither with the sale nor without"
    );
    only(
        &Books::of(&given_up(cancel(Class::Applied, gone, 9, 3_850), 3_850)).contradictions(),
        "history gives 4500",
    );
    let with = |more: Entry| {
        let mut entries = given_up(back, 4_500);
        entries.push(more);
        Books::of(&entries).contradictions()
    };
    assert!(with(again(Class::Declined, gone, 9, 4_500)).is_empty());
    assert!(with(Entry::Answered(back)).is_empty());
    only(&with(again(Class::Applied, 0, 7, 3_950)), "was answered");
    only(&with(again(Class::Declined, burned, 9, 4_500)), "was answered");
    only(&with(Entry::Answered(cancel(Class::Applied, burned, 9, 4_500))), "the cancel of");
}

#[test]
fn a_cancel_that_finds_a_no_or_comes_too_late_leaves_the_request_as_it_was() {
    let (repeated, spent) = (Decline::LooksRepeated.number(), Decline::TopUpSpent.number());
    let stands = Books::of(&given_up(cancel(Class::Declined, spent, 7, 3_950), 3_850));
    assert_eq!(stands.contradictions(), Vec::<String>::new());
    assert_eq!(stands.balances(), BTreeMap::from([(vec![1; 7], 3_850)]));
    let no = Books::of(&given_up(cancel(Class::Applied, repeated, 7, 4_600), 4_500));
    assert_eq!(no.contradictions(), Vec::<String>::new());
    assert_eq!(no.balances(), BTreeMap::from([(vec![1; 7], 4_500)]));
    let burned = Books::of(&given_up(cancel(Class::Applied, Decline::Burned.number(), 9, 4_500), 4_500));
    assert_eq!(burned.contradictions(), Vec::<String>::new());
    // The sale was told to be paid before its cancel was answered: it was taken back, or the server lost it.
    let heard = |cancel: Answer, between| {
        let mut entries = given_up(cancel, between);
        entries.insert(entries.len() - 1, again(Class::Applied, 0, 7, 3_950));
        Books::of(&entries).contradictions()
    };
    let gone = cancel(Class::Applied, Decline::Cancelled.number(), 9, 4_500);
    assert_eq!(heard(gone, 3_850), Vec::<String>::new());
    only(&heard(cancel(Class::Applied, Decline::Burned.number(), 9, 4_500), 4_500), "given up with");
    let moved = given_up(cancel(Class::Applied, Decline::Burned.number(), 9, 4_500), 3_850);
    assert!(!Books::of(&moved).contradictions().is_empty(), "a burned sale was never in a balance");
}

#[test]
fn what_nobody_gave_up_is_not_cancelled() {
    let gone = Decline::Cancelled.number();
    let unasked = |entry: Entry| {
        let mut entries = given_up(cancel(Class::Applied, gone, 9, 4_500), 4_500);
        entries.truncate(entries.len() - 2);
        entries.push(entry);
        Books::of(&entries).contradictions()
    };
    only(&unasked(Entry::Answered(cancel(Class::Applied, gone, 9, 4_500))), "nobody asked for");
    only(&unasked(again(Class::Declined, gone, 9, 4_500)), "nobody gave it up");
    only(&Books::of(&[Entry::GivenUp(id(6))]).contradictions(), "without asking");
}

#[test]
fn the_verifier_must_count_what_was_cancelled_and_burned() {
    let said = |kinds: serde_json::Value| json!({"exit": 0, "said": {"totals": [], "kinds": kinds}});
    let of = |code: Decline, balance: i64, kinds: serde_json::Value| {
        let books = Books::of(&given_up(cancel(Class::Applied, code.number(), 9, balance), 4_500));
        let found = differences(&books, &said(kinds));
        found.into_iter().filter(|found| found.contains("records")).collect::<Vec<_>>()
    };
    let kinds = |purchased: u64, cancelled: u64, burned: u64| {
        json!({"wallet opened": 1, "topped up": 1, "purchased": purchased, "voided": 1,
               "cancelled": cancelled, "burned": burned})
    };
    assert_eq!(of(Decline::Cancelled, 4_500, kinds(4, 1, 0)), Vec::<String>::new());
    assert_eq!(of(Decline::Burned, 4_500, kinds(3, 0, 1)), Vec::<String>::new());
    only(&of(Decline::Cancelled, 4_500, kinds(4, 2, 0)), "2 records \"cancelled\"");
    only(&of(Decline::Burned, 4_500, kinds(3, 0, 0)), "0 records \"burned\"");
    only(&of(Decline::Burned, 4_500, kinds(4, 0, 1)), "4 records \"purchased\"");
}

#[test]
fn statements_are_held_against_the_answers() {
    let books = Books::of(&script());
    assert!(statement_differences(&books, &BTreeMap::from([(vec![1; 7], 4_600)])).is_empty());
    only(&statement_differences(&books, &BTreeMap::from([(vec![1; 7], 4_599)])), "4599");
    only(&statement_differences(&books, &BTreeMap::new()), "says nothing");
}

#[test]
fn the_verifiers_totals_are_held_against_the_answers() {
    let books = Books::of(&script());
    let said = |debits: i64, purchased: u64| {
        json!({"exit": 0, "said": {
            "totals": [
                {"kind": "wallet paid", "currency": "EUR", "debits": debits, "credits": 5_650},
                {"kind": "cash drawer", "currency": "EUR", "debits": 5_000, "credits": 0},
            ],
            "kinds": {"wallet opened": 1, "topped up": 1, "purchased": purchased, "voided": 1},
        }})
    };
    assert_eq!(wallets_hold(&said(1_050, 2)), Some(4_600));
    assert_eq!(differences(&books, &said(1_050, 2)), Vec::<String>::new());
    only(&differences(&books, &said(1_051, 2)), "wallets hold 4599");
    only(&differences(&books, &said(1_050, 3)), "3 records \"purchased\" by the verifier, 2");
    only(&differences(&books, &json!({"exit": 1, "said": said(1_050, 2)["said"]})), "did not accept");
    for (sound, replayed, word) in [(false, true, "journal sound"), (true, false, "journal replayed")] {
        let mut printed = said(1_050, 2)["said"].take();
        (printed["sound"], printed["replayed"]) = (sound.into(), replayed.into());
        only(&differences(&books, &printed), word);
    }
    assert_eq!(
        differences(&books, &json!({"exit": 0, "said": {}})).len(),
        7,
        "what is not said is not passed over"
    );
}

#[test]
fn the_file_is_read_back_and_a_torn_end_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("oracle.log");
    let written = given_up(cancel(Class::Applied, Decline::Burned.number(), 9, 4_500), 4_500);
    let (mut log, entries) = OracleLog::open(&path).unwrap();
    assert!(entries.is_empty());
    for entry in written.clone() {
        match entry {
            Entry::Asked(bytes) => log.asked(&bytes).unwrap(),
            Entry::Answered(answer) => log.answered(&answer).unwrap(),
            Entry::GivenUp(id) => log.given_up(id).unwrap(),
        }
    }
    drop(log);
    let whole = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[2, 1, 2, 3]).unwrap();
    let (mut log, entries) = OracleLog::open(&path).unwrap();
    assert_eq!(entries, written);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    let Entry::Answered(answer) = &written[1] else { panic!() };
    log.answered(answer).unwrap();
    drop(log);
    assert_eq!(OracleLog::open(&path).unwrap().1.len(), written.len() + 1);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[77]).unwrap();
    assert!(OracleLog::open(&path).unwrap_err().to_string().contains("unknown kind 77"));
}
