//! Selling out of what is held: less or all of it, never more. What the sale leaves goes back to its
//! purses in the same record, so a hold is captured once.

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::{RecordNumber, RequestId};
use ledger::money::Currency;
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Lines, Taxes};
use smallvec::SmallVec;

use super::holds::{Hold, held, into_purses};
use super::purchase::{sale_at, taxes};
use super::{Memory, Verdict, Wallet, applied, declined};
use crate::codes::{Decline, Outcome};
use crate::command::{AskedLine, Request};
use crate::festival::{Festival, Purse, Till};
use crate::shard_state::Context;

pub(crate) fn capture(
    cx: &Context<'_>,
    wallet: &Wallet,
    memory: &Memory,
    request: &Request,
    hold: RequestId,
    asked: &[AskedLine],
    amount: i64,
) -> Verdict {
    let (till, lines) = match sale_at(cx, request, asked, amount) {
        Ok(sale) => sale,
        Err(refusal) => return refusal.into(),
    };
    let no = |lines: Lines, why| {
        let body = Body::Captured { hold, lines, taxes: Taxes::new(), from: [0; 3] };
        declined(cx, request, body, why)
    };
    let open = match open_hold(cx, wallet, memory, till, hold) {
        Found::Open(open) => open,
        Found::No(why) => return no(lines, why),
        Found::Ask(position) => return Verdict::Evidence(position),
    };
    let vendor = till.vendor.map_or(0, |vendor| vendor.get().into());
    let sold = sold_from(cx.festival, open, amount).and_then(|from| {
        let entry = sale(wallet, cx.festival.currency, vendor, open, from)?;
        Some((from, entry))
    });
    let Some((from, entry)) = sold else { return no(lines, Decline::AboveHold) };
    let taxes = taxes(&lines);
    applied(cx, request, Body::Captured { hold, lines, taxes, from }, entry)
}

/// What is known of a hold that somebody wants to end.
pub(super) enum Found<'a> {
    Open(&'a Hold),
    No(Decline),
    /// Only the record at this position can tell.
    Ask(RecordNumber),
}

/// The hold of this name, if this till's vendor may end it.
pub(super) fn open_hold<'a>(
    cx: &Context<'a>,
    wallet: &Wallet,
    memory: &Memory,
    till: &Till,
    id: RequestId,
) -> Found<'a> {
    if let Some(open) = cx.holds.find(wallet.number, id) {
        return if open.vendor == till.vendor { Found::Open(open) } else { Found::No(Decline::NoSuchHold) };
    }
    let known = memory.find(wallet, id).filter(|(_, entry)| entry.outcome == Outcome::Applied);
    let Some((_, entry)) = known else { return Found::No(Decline::NoSuchHold) };
    match cx.evidence_at(entry.record).map(|record| &record.body) {
        None => Found::Ask(entry.record),
        Some(Body::Held { .. }) => Found::No(Decline::HoldEnded),
        Some(_) => Found::No(Decline::NoSuchHold),
    }
}

/// What of each purse's part a sale of `amount` takes: in the festival's order, and at last of a purse that
/// a newer configuration no longer names. `None` if they do not reach.
fn sold_from(festival: &Festival, open: &Hold, amount: i64) -> Option<[i64; 3]> {
    let mut from = [0; 3];
    let mut left = amount;
    for purse in festival.purse_order.iter().copied().chain([Purse::Paid, Purse::Bonus, Purse::Deposit]) {
        let place = match purse {
            Purse::Paid => 0,
            Purse::Bonus => 1,
            Purse::Deposit => 2,
        };
        let part = left.min(open.from[place] - from[place]);
        from[place] += part;
        left -= part;
    }
    if mutant::on(Mutant::CaptureAboveHold) {
        from[0] += left;
        left = 0;
    }
    (left == 0).then_some(from)
}

/// All that is held leaves: the vendor is credited what is sold, each purse the rest of its part.
fn sale(wallet: &Wallet, currency: Currency, vendor: u64, open: &Hold, from: [i64; 3]) -> Option<Entry> {
    let mut rest = open.from;
    rest.iter_mut().zip(from).for_each(|(part, sold)| *part -= sold);
    let mut postings = SmallVec::<[Posting; 4]>::new();
    postings.push(held(wallet.number, currency, open.amount()));
    postings.extend(into_purses(wallet.number, currency, rest));
    let account = Account::new(AccountKind::VendorSales, vendor, currency);
    postings.push(Posting { account, minor: -from.iter().sum::<i64>() });
    Entry::new(postings).ok()
}
