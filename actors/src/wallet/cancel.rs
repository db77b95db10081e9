//! Giving up: the device takes its own request back. A known one that took effect is reversed, an
//! unknown one is burned so that a straggler finds the id closed. A cancel has no id of its own.

use ledger::entry::Entry;
use ledger::mutant::{self, Mutant};
use ledger::record::Body;

use super::{Memory, Verdict, Wallet, applied, declined, undone};
use crate::codes::{Decline, Outcome, Refusal};
use crate::command::Request;
use crate::shard_state::{Context, Refunds};

pub(crate) fn cancel(
    cx: &Context<'_>,
    wallet: Option<&Wallet>,
    memory: &Memory,
    refunds: &Refunds,
    request: &Request,
) -> Verdict {
    let known = wallet.and_then(|wallet| memory.find(wallet, request.id).map(|known| (wallet, known)));
    let Some((wallet, (_, entry))) = known else {
        if mutant::on(Mutant::CancelBurnsNothing) {
            return Refusal::UnknownTag.into();
        }
        let check = wallet.map_or(request.tag.check, |wallet| wallet.check);
        return applied(cx, request, Body::Burned { check }, Entry::none());
    };
    // A declined cancel is final like every answer: the cashier was told that it stands and kept
    // the cash, so a late copy of the cancel must not take the money back after all.
    if entry.outcome != Outcome::Applied || entry.stands.is_some() {
        return Verdict::Stands;
    }
    let body = Body::Cancelled { position: entry.record };
    if refunds.is_refunded(entry.record) {
        return declined(cx, request, body, Decline::AlreadyVoided);
    }
    let Some(record) = cx.evidence_at(entry.record) else { return Verdict::Evidence(entry.record) };
    if ends_nothing(cx, &record.body, wallet, request) {
        return declined(cx, request, body, Decline::HoldEnded);
    }
    // Taking money out of transit that the other wallet has meanwhile would make it twice.
    if matches!(record.body, Body::TransferSent { .. } | Body::AllowanceSet { .. }) {
        return declined(cx, request, body, Decline::TransferGone);
    }
    // The wallet was told, or the tag has paid since: a cancel that comes late must not change it.
    if matches!(record.body, Body::TagPaired { .. } | Body::TagSet { .. }) {
        return declined(cx, request, body, Decline::Stands);
    }
    // Not only a wallet with money: where anything took effect, a void may still bring money back.
    let others = || memory.newest_first(wallet).filter(|other| other.id != request.id);
    // Money and tags come by messages too, which leave no id.
    let in_use = || {
        wallet.balances().total() != 0
            || cx.tags.count(wallet.number()) > 0
            || others().any(|other| other.outcome == Outcome::Applied)
    };
    if matches!(record.body, Body::WalletOpened { .. }) && in_use() {
        return declined(cx, request, body, Decline::WalletInUse);
    }
    let held = cx.holds.held(wallet.number);
    match undone(record) {
        Some(entry) if wallet.after(entry.postings(), held).is_some() => applied(cx, request, body, entry),
        _ => declined(cx, request, body, Decline::TopUpSpent),
    }
}

/// Whether a hold that the request began has ended, or the request itself ended one: what was given back
/// may be spent, and what was sold is taken back by a void.
fn ends_nothing(cx: &Context<'_>, body: &Body, wallet: &Wallet, request: &Request) -> bool {
    match body {
        Body::Held { .. } => cx.holds.find(wallet.number, request.id).is_none(),
        Body::HoldReleased { .. } => true,
        _ => false,
    }
}
