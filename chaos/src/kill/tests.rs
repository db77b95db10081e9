//! The oracle can fail: ledgers that lost something or hold something twice.

use serde_json::{Value, json};
use wire::{Answer, Class, Command, Decline, Position, RequestId};

use super::oracle::Books;
use super::terminal::{Order, What};

/// A wallet that was opened and topped up with 50.00, and a sale of 6.50 that may or may not be there.
fn books(sale: Option<bool>) -> Books {
    let order = |counter, what: What, applied: Option<bool>| {
        let id = RequestId::new(1, counter).unwrap();
        let mut order = Order::new(id, 0, what);
        order.answer = applied.map(|applied| {
            let position = Position::new(0, counter).unwrap();
            let why = wire::Decline::InsufficientFunds;
            let command = order.command().number();
            if applied {
                Answer::applied(id, command, position, 0)
            } else {
                Answer::declined(id, command, why, position, 0)
            }
        });
        order
    };
    let lines = vec![wire::Line { item: 10, quantity: 1, unit_price: 650 }];
    let orders = [
        order(1, What::Open, Some(true)),
        order(2, What::TopUp(5_000), Some(true)),
        order(3, What::Purchase(lines), sale),
    ];
    let mut books = Books::default();
    books.add_all(&orders);
    books
}

/// What the verifier would say of it.
fn verified(purchases: u64, sold: i64, declines: &Value) -> Value {
    json!({
        "sound": true, "replayed": true, "forks": 0, "wallets_open": 1, "declines": declines,
        "kinds": { "wallet opened": 1, "topped up": 1, "purchased": purchases },
        "totals": [
            { "kind": "wallet paid", "balance": sold - 5_000 },
            { "kind": "vendor sales", "balance": -sold },
            { "kind": "cash drawer", "balance": 5_000 },
        ],
    })
}

#[test]
fn a_ledger_that_holds_what_was_answered_is_right() {
    let none = json!({});
    assert_eq!(books(Some(true)).against(&verified(1, 650, &none)).said, Vec::<String>::new());
    let declined = json!({ "insufficient_funds": 1 });
    assert_eq!(books(Some(false)).against(&verified(1, 0, &declined)).said, Vec::<String>::new());
    // Nobody was told: both are right.
    for (purchases, sold) in [(0, 0), (1, 650)] {
        assert_eq!(books(None).against(&verified(purchases, sold, &none)).said, Vec::<String>::new());
    }
}

#[test]
fn a_lost_a_doubled_and_a_wrong_ledger_are_named() {
    let none = json!({});
    let lost = books(Some(true)).against(&verified(0, 0, &none));
    assert_eq!((lost.lost, lost.doubled), (1, 0), "{lost:?}");
    let doubled = books(Some(true)).against(&verified(2, 1_300, &none));
    assert_eq!((doubled.lost, doubled.doubled), (0, 1), "{doubled:?}");
    let more_than_asked = books(None).against(&verified(2, 1_300, &none));
    assert_eq!(more_than_asked.doubled, 1, "{more_than_asked:?}");
    // One record, and the money of two; a decline that was booked.
    assert_eq!(books(Some(true)).against(&verified(1, 1_300, &none)).said.len(), 2);
    assert!(!books(Some(false)).against(&verified(1, 650, &none)).said.is_empty());
    let mut rotten = verified(1, 650, &none);
    rotten["sound"] = json!(false);
    assert_eq!(books(Some(true)).against(&rotten).said.len(), 1);
    rotten["sound"] = json!(true);
    rotten["replayed"] = json!(false);
    assert_eq!(books(Some(true)).against(&rotten).said.len(), 1);
    rotten["replayed"] = json!(true);
    rotten["forks"] = json!(1);
    assert_eq!(books(Some(true)).against(&rotten).said.len(), 1);
}

/// A sale that was given up: its own answer, and its cancel's.
fn given_up(own: Option<(bool, u16)>, cancel: Option<(bool, u16)>) -> Books {
    let (sale, position) = (RequestId::new(1, 3).unwrap(), Position::new(0, 9).unwrap());
    let told = |command: Command, applied: bool, code: u16| Answer {
        class: if applied { Class::Applied } else { Class::Declined },
        code,
        ..Answer::applied(sale, command.number(), position, 4_350)
    };
    let lines = vec![wire::Line { item: 10, quantity: 1, unit_price: 650 }];
    let mut orders = vec![Order::new(sale, 0, What::Purchase(lines)), Order::new(sale, 0, What::Cancel(0))];
    orders[0].given_up = Some(1);
    orders[0].answer = own.map(|(applied, code)| told(Command::Purchase, applied, code));
    orders[1].answer = cancel.map(|(applied, code)| told(Command::Cancel, applied, code));
    let mut books = Books::default();
    books.add_all(&orders);
    books
}

/// The ledger that one sale leaves: records of each kind, what was sold, declines.
fn ledger(kinds: &Value, sold: i64, declines: &Value) -> Value {
    json!({
        "sound": true, "replayed": true, "forks": 0, "wallets_open": u64::from(sold != 0), "declines": declines, "kinds": kinds,
        "totals": [{ "kind": "wallet paid", "balance": sold }, { "kind": "vendor sales", "balance": -sold }],
    })
}

/// The guest's money back and the drink paid for after all: whoever gives up must know which of the two it is.
#[test]
fn a_request_that_was_given_up_leaves_exactly_what_it_was_told() {
    let (cancelled, burned) = (Decline::Cancelled.number(), Decline::Burned.number());
    let (poor, spent) = (Decline::InsufficientFunds.number(), Decline::TopUpSpent.number());
    let taken_back = ledger(&json!({ "purchased": 1, "cancelled": 1 }), 0, &json!({}));
    let closed = ledger(&json!({ "burned": 1 }), 0, &json!({}));
    let was_no = ledger(&json!({ "purchased": 1 }), 0, &json!({ "insufficient_funds": 1 }));
    let stands = ledger(&json!({ "purchased": 1, "cancelled": 1 }), 650, &json!({ "top_up_spent": 1 }));
    let ends = [
        (Some((true, 0)), (true, cancelled), &taken_back),
        (Some((false, cancelled)), (true, cancelled), &taken_back),
        (None, (true, cancelled), &taken_back),
        (Some((false, burned)), (true, burned), &closed),
        (Some((false, poor)), (true, poor), &was_no),
        (Some((true, 0)), (false, spent), &stands),
    ];
    for (own, cancel, right) in ends {
        let books = given_up(own, Some(cancel));
        assert_eq!(books.against(right).said, Vec::<String>::new(), "{own:?} {cancel:?}");
        for wrong in [&taken_back, &closed, &was_no, &stands] {
            let same = wrong["kinds"] == right["kinds"] && wrong["totals"] == right["totals"];
            assert!(same || !books.against(wrong).said.is_empty(), "{own:?} {cancel:?} passes {wrong}");
        }
    }
}

#[test]
fn a_request_and_its_cancel_that_contradict_each_other_are_named() {
    let (cancelled, burned) = (Decline::Cancelled.number(), Decline::Burned.number());
    let spent = Decline::TopUpSpent.number();
    for (own, cancel) in
        [((true, 0), (true, burned)), ((false, burned), (true, cancelled)), ((false, burned), (false, spent))]
    {
        let said = given_up(Some(own), Some(cancel)).against(&ledger(&json!({}), 0, &json!({}))).said;
        assert!(said.iter().any(|said| said.starts_with("L4: Answer")), "{own:?} {cancel:?}: {said:?}");
    }
    // Nobody knows yet: either is right.
    let open = given_up(None, None);
    for kinds in [json!({}), json!({ "burned": 1 }), json!({ "purchased": 1, "cancelled": 1 })] {
        assert_eq!(open.against(&ledger(&kinds, 0, &json!({}))).said, Vec::<String>::new());
    }
}
