//! A good ledger in which money was held for sales to come: the records built by hand.

use ledger::account::AccountKind;
use ledger::ids::{At, RequestId, TillId};
use ledger::record::{Body, Record, Tender};

use super::{
    EVENING, Ledger, TILL, VENDOR, cancel, declined, deed, good, id, open, posting, purchase, top_up,
    versions, void,
};

/// The bar that holds.
pub const BAR: u32 = 41_396;
/// The wallet that it holds money of: shard 1, 50.00 paid in, 10.00 bonus.
pub const GUEST: u64 = 9;

/// So much paid-in and bonus money of the guest held for an hour.
pub fn held(counter: u64, paid: i64, bonus: i64) -> Record {
    let mut postings = vec![posting(AccountKind::WalletHeld, GUEST, -paid - bonus)];
    postings.extend(purses([paid, bonus]));
    at_bar(deed(GUEST, id(BAR, counter), Body::Held { amount: paid + bonus, seconds: 3_600 }, &postings))
}

/// Postings of both purses; what is zero is left out.
fn purses([paid, bonus]: [i64; 2]) -> impl Iterator<Item = ledger::entry::Posting> {
    let both =
        [posting(AccountKind::WalletPaid, GUEST, paid), posting(AccountKind::WalletBonus, GUEST, bonus)];
    both.into_iter().filter(|posting| posting.minor != 0)
}

fn at_bar(mut record: Record) -> Record {
    record.envelope.till = TillId::new(TILL);
    record
}

/// The sale of 23.50 out of what `hold` held, `from` so much paid in and bonus; `rest` goes back.
pub fn captured(counter: u64, hold: RequestId, from: [i64; 2], rest: [i64; 2]) -> Record {
    let Body::Purchased { lines, taxes, .. } = purchase(GUEST, id(BAR, counter), 0).body else {
        unreachable!("a purchase")
    };
    let sold = from[0] + from[1];
    let mut postings = vec![
        posting(AccountKind::WalletHeld, GUEST, sold + rest[0] + rest[1]),
        posting(AccountKind::VendorSales, VENDOR, -sold),
    ];
    postings.extend(purses(rest.map(|part| -part)));
    let body = Body::Captured { hold, lines, taxes, from: [from[0], from[1], 0] };
    at_bar(deed(GUEST, id(BAR, counter), body, &postings))
}

/// All of what `hold` held goes back, at the bar's request.
pub fn released(counter: u64, hold: RequestId, back: [i64; 2]) -> Record {
    let body = Body::HoldReleased { hold };
    let mut postings = vec![posting(AccountKind::WalletHeld, GUEST, back[0] + back[1])];
    postings.extend(purses(back.map(|part| -part)));
    at_bar(deed(GUEST, id(BAR, counter), body, &postings))
}

/// All of what `hold` held goes back because its time was up.
pub fn expired(hold: RequestId, back: [i64; 2]) -> Record {
    let record = released(1, hold, back);
    let envelope = ledger::record::Envelope { wallet: record.envelope.wallet, ..versions() };
    Record { envelope, body: Body::HoldExpired { hold }, ..record }
}

/// What a void or a cancel of `capture` puts back: what it sold.
pub fn unsold(capture: &Record, back: Record) -> Record {
    let Body::Captured { from, .. } = &capture.body else { unreachable!("a capture") };
    let mut postings = vec![posting(AccountKind::VendorSales, VENDOR, from.iter().sum())];
    postings.extend(purses([-from[0], -from[1]]));
    Record { entry: ledger::entry::Entry::new(postings).unwrap(), ..back }
}

/// Behind the good ledger, shard 1 from record 11 on: the guest is opened and topped up (11 to 13); a
/// hold is captured in part (14, 15), the capture voided (16) and the void cancelled (17); one is captured
/// whole and cancelled (18 to 20), one released (21, 22), one cancelled (23, 24), a capture declined (25);
/// one expires to the microsecond (26, 27); one is left open (28).
pub fn holding() -> Ledger {
    let mut ledger = good();
    ledger.push(1, open(GUEST, id(501, 60)));
    ledger.push(1, top_up(GUEST, id(501, 61), Tender::Cash, 5_000));
    ledger.push(1, top_up(GUEST, id(501, 62), Tender::Bonus, 1_000));
    ledger.push(1, held(1, 2_000, 1_000));
    let in_part = captured(2, id(BAR, 1), [1_350, 1_000], [650, 0]);
    ledger.push(1, in_part.clone());
    let voided = unsold(&in_part, void(id(501, 63), &in_part, 15));
    ledger.push(1, voided.clone());
    ledger.push(1, cancel(&voided, 16));
    ledger.push(1, held(3, 2_350, 0));
    let whole = captured(4, id(BAR, 3), [2_350, 0], [0, 0]);
    ledger.push(1, whole.clone());
    ledger.push(1, unsold(&whole, cancel(&whole, 19)));
    ledger.push(1, held(5, 500, 0));
    ledger.push(1, released(6, id(BAR, 5), [500, 0]));
    let given_up = held(7, 700, 0);
    ledger.push(1, given_up.clone());
    ledger.push(1, cancel(&given_up, 23));
    ledger.push(1, no_capture(8));
    ledger.push(1, held(9, 800, 0));
    let begun = ledger.record(1, 26).at;
    ledger.push(1, expired(id(BAR, 9), [800, 0]));
    ledger.record(1, 27).at = At(begun.0 + 3_600_000_000);
    ledger.next_at = begun.0 + 3_601_000_000;
    ledger.push(1, held(10, 900, 0));
    assert!(begun.0 > EVENING);
    ledger
}

/// A capture of a hold that nobody has.
fn no_capture(counter: u64) -> Record {
    let mut record = captured(counter, id(BAR, 99), [2_350, 0], [0, 0]);
    let Body::Captured { taxes, from, .. } = &mut record.body else { unreachable!("a capture") };
    taxes.clear();
    *from = [0; 3];
    declined(record, 21)
}
