//! Owns: the oracle's books against what `fanfare verify --json` sums up from the files alone.
//! Must never: pass over a figure that the verifier does not give.
//! Laws: checks L1 and L3 from outside.

use serde_json::Value;
use wire::{Class, Command};

use super::books::{Asked, Books};

/// What all wallets hold by the verifier's totals, in minor units; none when it does not say.
pub fn wallets_hold(said: &Value) -> Option<i128> {
    let totals = said.get("said").unwrap_or(said).get("totals")?.as_array()?;
    let mut held = 0;
    for total in totals {
        let kind = total.get("kind")?.as_str()?;
        if kind.starts_with("wallet") {
            // Wallets are liabilities: what they hold is their credit.
            held += integer(total.get("credits")?)? - integer(total.get("debits")?)?;
        }
    }
    Some(held)
}

/// A number that may be too large for JSON and is then a string.
fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::String(text) => text.parse().ok(),
        number => number.as_i64().map(i128::from),
    }
}

/// Records of a kind by the verifier; none when it does not list kinds.
fn records_of(said: &Value, kind: &str) -> Option<u64> {
    let kinds = said.get("said").unwrap_or(said).get("kinds")?;
    match kinds {
        Value::Object(map) => {
            let hit = map.iter().find(|(name, _)| name.replace('_', " ") == kind);
            Some(hit.and_then(|(_, records)| records.as_u64()).unwrap_or(0))
        }
        Value::Array(list) => {
            let named = |line: &&Value| {
                line.get("kind").and_then(Value::as_str).is_some_and(|name| name.replace('_', " ") == kind)
            };
            Some(
                list.iter()
                    .find(named)
                    .and_then(|line| line.get("records"))
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
            )
        }
        _ => None,
    }
}

/// Everything in which the verifier's totals differ from the books. The ledger must have been used by this oracle
/// alone, and every request must have been settled.
pub fn differences(books: &Books, said: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let unknown = books.unknown().count();
    if unknown > 0 {
        found.push(format!("{unknown} requests are not settled; run `loadtest oracle settle` first"));
    }
    if said.get("exit").is_some_and(|exit| exit.as_i64() != Some(0)) {
        found.push("the verifier did not accept the journal".to_owned());
    }
    // What the verifier printed comes without its exit code.
    for word in ["sound", "replayed"] {
        let told = said.get("said").unwrap_or(said).get(word);
        if told.is_some_and(|told| *told != Value::Bool(true)) {
            found.push(format!("the verifier does not call the journal {word}"));
        }
    }
    let books_hold: i128 = books.balances().values().map(|balance| i128::from(*balance)).sum();
    match wallets_hold(said) {
        None => found.push("the verifier gives no totals per account kind".to_owned()),
        Some(held) if held != books_hold => {
            found.push(format!("wallets hold {held} by the verifier, {books_hold} by the answers"));
        }
        Some(_) => {}
    }
    for (command, kind) in KINDS {
        let recorded = |asked: &Asked| {
            let class = asked.answer.map(|answer| answer.class);
            let decided = matches!(class, Some(Class::Applied | Class::Declined));
            asked.command == command && decided && !asked.burned()
        };
        found.extend(records_differ(books, said, kind, recorded));
    }
    // A cancel that found a no left nothing.
    let cancelled = |asked: &Asked| {
        asked.taken_back() || asked.cancel.is_some_and(|cancel| cancel.class == Class::Declined)
    };
    found.extend(records_differ(books, said, "cancelled", cancelled));
    found.extend(records_differ(books, said, "burned", Asked::burned));
    found
}

/// Whether the verifier counts other records of a kind than there are requests that left one.
fn records_differ(books: &Books, said: &Value, kind: &str, left: impl Fn(&Asked) -> bool) -> Option<String> {
    let answered = crate::num::count(books.in_order().filter(|(_, asked)| left(asked)).count());
    match records_of(said, kind) {
        None => Some("the verifier counts no records per kind".to_owned()),
        Some(records) if records != answered => {
            Some(format!("{records} records \"{kind}\" by the verifier, {answered} by the answers"))
        }
        Some(_) => None,
    }
}

/// Which kind of record each command leaves, applied or declined.
const KINDS: [(Command, &str); 4] = [
    (Command::OpenWallet, "wallet opened"),
    (Command::TopUp, "topped up"),
    (Command::Purchase, "purchased"),
    (Command::Void, "voided"),
];
