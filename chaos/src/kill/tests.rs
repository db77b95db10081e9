//! The oracle can fail: ledgers that lost something or hold something twice.

use serde_json::{Value, json};
use wire::{Answer, Position, RequestId};

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
    Books::sum(orders.iter())
}

/// What the verifier would say of it.
fn verified(purchases: u64, sold: i64, declines: &Value) -> Value {
    json!({
        "sound": true, "forks": 0, "wallets_open": 1, "declines": declines,
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
    rotten["forks"] = json!(1);
    assert_eq!(books(Some(true)).against(&rotten).said.len(), 1);
}
