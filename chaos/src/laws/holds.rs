//! Money held for sales to come, in its plainest form: what authorising, capturing and giving back come
//! to, and that time gives back what it may and nothing before (L2, L4, L9). Written from the
//! specification, beside and never from the actors' own code.

use actors::codes::{Decline, Outcome, Refusal};
use actors::command::Request;
use actors::festival::{Festival, Purse, Till};
use ledger::account::AccountKind;
use ledger::ids::RequestId;
use ledger::law::Law;
use ledger::record::{Body, Record};

use super::book::Page;
use super::rules::{self, Expected, Moves};
use super::timeline::Timeline;
use super::{Seen, Verdict, Violation};

/// Most holds that a wallet may have open.
const MOST: usize = 8;

/// What is held under one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Paid, bonus, deposit.
    parts: [i64; 3],
    /// The till that had it held.
    till: u32,
    /// Microseconds.
    due: i64,
}

/// The holds of a wallet at all times: `None` once it ended.
pub type Holds = std::collections::BTreeMap<u64, Timeline<Option<Hold>>>;

/// What is held under `id` at `position`.
fn open(page: &Page, id: RequestId, position: u64) -> Option<Hold> {
    page.holds.get(&id.get()).and_then(|hold| hold.at(position)).copied().flatten()
}

/// How many holds are open, and what they hold together.
pub fn held(page: &Page, position: u64) -> (usize, i64) {
    let open = page.holds.values().filter_map(|hold| hold.at(position).copied().flatten());
    open.fold((0, 0), |(count, sum), hold| (count + 1, sum + hold.parts.iter().sum::<i64>()))
}

/// A record begins or ends a hold.
pub fn enter(holds: &mut Holds, number: u64, record: &Record) {
    let ended = match (&record.body, record.envelope.request) {
        (Body::Held { seconds, .. }, Some(id)) => {
            let parts = rules::after([0; 3], &rules::moves(record)).map(|part| -part);
            let till = record.envelope.till.map_or(0, ledger::ids::TillId::get);
            let due = record.at.0 + i64::from(*seconds) * 1_000_000;
            return holds.entry(id.get()).or_default().set(number + 1, Some(Hold { parts, till, due }));
        }
        (Body::Captured { hold, .. } | Body::HoldReleased { hold } | Body::HoldExpired { hold }, _) => *hold,
        (Body::Cancelled { .. }, Some(id)) => id,
        _ => return,
    };
    if let Some(hold) = holds.get_mut(&ended.get()) {
        hold.set(number + 1, None);
    }
}

/// All of it goes back to its purses.
fn back(hold: &Hold, wallet: u64) -> Moves {
    moved(wallet, hold.parts, hold.parts.iter().sum())
}

fn moved(wallet: u64, parts: [i64; 3], held: i64) -> Moves {
    let purses = [AccountKind::WalletPaid, AccountKind::WalletBonus, AccountKind::WalletDeposit];
    let parts = purses.into_iter().zip(parts).filter(|(_, part)| *part != 0);
    let mut moves: Moves = parts.map(|(kind, part)| (kind, wallet, -part)).collect();
    moves.push((AccountKind::WalletHeld, wallet, held));
    moves
}

/// What an authorisation comes to, once nothing else is wrong with it.
pub fn authorise(
    festival: &Festival,
    request: &Request,
    page: &Page,
    position: u64,
    amount: i64,
    seconds: u32,
) -> Result<Expected, Refusal> {
    if seconds == 0 || seconds > festival.most_hold_seconds {
        return Err(Refusal::Unsupported);
    }
    if amount <= 0 {
        return Err(Refusal::AmountZero);
    }
    if amount > festival.limits.largest_amount {
        return Err(Refusal::AmountTooLarge);
    }
    if held(page, position).0 >= MOST {
        return Ok(Expected::no(Decline::TooManyHolds));
    }
    let Some(parts) = taken(festival, page.purses_at(position), amount) else {
        return Ok(Expected::no(Decline::InsufficientFunds));
    };
    Ok(Expected::moving(moved(request.actor().get(), parts.map(|part| -part), -amount)))
}

/// `amount` of what the purses have, in the festival's order.
fn taken(festival: &Festival, purses: [i64; 3], amount: i64) -> Option<[i64; 3]> {
    let mut parts = [0; 3];
    let mut left = amount;
    for purse in &festival.purse_order {
        let place = match purse {
            Purse::Paid => 0,
            Purse::Bonus => 1,
            Purse::Deposit => 2,
        };
        parts[place] = left.min(purses[place]);
        left -= parts[place];
    }
    (left == 0).then_some(parts)
}

/// The open hold, or why there is none for this till.
fn find(
    festival: &Festival,
    page: &Page,
    till: &Till,
    id: RequestId,
    position: u64,
) -> Result<Hold, Decline> {
    if let Some(hold) = open(page, id, position) {
        let tills = festival.tills().iter();
        let vendor = tills.filter(|known| known.id.get() == hold.till).find_map(|known| known.vendor);
        return if vendor == till.vendor { Ok(hold) } else { Err(Decline::NoSuchHold) };
    }
    let applied = page.known_at(id, position).is_some_and(|known| known.outcome == Outcome::Applied);
    let held = page.holds.get(&id.get()).is_some_and(|hold| hold.at(position).is_some());
    Err(if applied && held { Decline::HoldEnded } else { Decline::NoSuchHold })
}

/// What a capture comes to, once nothing else is wrong with it.
pub fn capture(
    festival: &Festival,
    request: &Request,
    page: &Page,
    till: &Till,
    (id, amount): (RequestId, i64),
    position: u64,
) -> Expected {
    let hold = match find(festival, page, till, id, position) {
        Ok(hold) => hold,
        Err(why) => return Expected::no(why),
    };
    let Some(sold) = taken(festival, hold.parts, amount) else { return Expected::no(Decline::AboveHold) };
    let mut rest = hold.parts;
    rest.iter_mut().zip(sold).for_each(|(part, sold)| *part -= sold);
    let mut moves = moved(request.actor().get(), rest, hold.parts.iter().sum());
    moves.push((AccountKind::VendorSales, till.vendor.map_or(0, |vendor| vendor.get().into()), -amount));
    Expected::moving(moves)
}

/// What giving a hold back comes to, once nothing else is wrong with it.
pub fn release(
    festival: &Festival,
    request: &Request,
    page: &Page,
    till: &Till,
    id: RequestId,
    position: u64,
) -> Expected {
    match find(festival, page, till, id, position) {
        Ok(hold) => Expected::moving(back(&hold, request.actor().get())),
        Err(why) => Expected::no(why),
    }
}

/// What a void or a cancel of a capture puts back: what it sold, where it came from.
pub fn sold(record: &Record, moves: &Moves) -> Moves {
    let Body::Captured { from, .. } = &record.body else { return moves.clone() };
    let wallet = record.envelope.wallet.map_or(0, ledger::ids::WalletNumber::get);
    let mut sold = moved(wallet, from.map(|part| -part), 0);
    sold.retain(|(kind, ..)| *kind != AccountKind::WalletHeld);
    sold.extend(moves.iter().filter(|(kind, ..)| *kind == AccountKind::VendorSales));
    sold
}

/// Whether a cancel comes too late: the hold ended, or the request is what gave it back.
pub fn has_ended(page: &Page, id: RequestId, release: bool, position: u64) -> bool {
    release || page.holds.contains_key(&id.get()) && open(page, id, position).is_none()
}

/// A hold that time ended: it was open, its time was up, and all of it went back.
pub fn record(seen: &Seen<'_>) -> Verdict {
    let Body::HoldExpired { hold } = &seen.record.body else { return Ok(()) };
    let broken = |what: &str| {
        let place = format!("shard {} record {}", seen.shard, seen.number);
        Err(Violation::new(Law::Order, format!("{place}: {what}: {:?}", seen.record)))
    };
    let wallet = seen.record.envelope.wallet.map_or(0, ledger::ids::WalletNumber::get);
    let page = seen.book.page(wallet, seen.number);
    let Some(open) = page.and_then(|page| open(page, *hold, seen.number)) else {
        return broken("expires what is not held");
    };
    if seen.record.at.0 < open.due {
        return broken("expires before its time");
    }
    let mut expected = back(&open, wallet);
    expected.sort_unstable();
    if rules::moves(seen.record) != expected {
        return broken("gives back something else than was held");
    }
    Ok(())
}
