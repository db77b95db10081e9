//! Taking a whole purchase back, under an id of its own. What the sale moved is no longer in the
//! wallet's state: its record is fetched and handed in as evidence.

use ledger::ids::RequestId;
use ledger::mutant::{self, Mutant};
use ledger::record::Body;

use super::{Memory, Verdict, Wallet, applied, declined, undone};
use crate::codes::{Decline, Outcome, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::{Context, Refunds};

pub(crate) fn void(
    cx: &Context<'_>,
    wallet: &Wallet,
    memory: &Memory,
    refunds: &Refunds,
    request: &Request,
    sale: RequestId,
) -> Verdict {
    if !cx.device_may(Role::Refund) {
        return Refusal::NotYourRole.into();
    }
    if !cx.till_fits(request) {
        return Refusal::WrongTill.into();
    }
    if request.operator.is_none() {
        return Refusal::NoOperator.into();
    }
    let known = memory.find(wallet, sale).filter(|(_, entry)| entry.outcome == Outcome::Applied);
    let position = known.map(|(_, entry)| entry.record);
    let no = |decline| declined(cx, request, Body::Voided { sale, position }, decline);
    if let Some(decline) = cx.standing.decline() {
        return no(decline);
    }
    let Some(position) = position else { return no(Decline::NoSuchSale) };
    if refunds.is_refunded(position) && !mutant::on(Mutant::VoidTwice) {
        return no(Decline::AlreadyVoided);
    }
    let Some(record) = cx.evidence_at(position) else { return Verdict::Evidence(position) };
    if !matches!(record.body, Body::Purchased { .. } | Body::Captured { .. }) {
        return no(Decline::NoSuchSale);
    }
    match undone(record) {
        Some(entry) if wallet.after(entry.postings(), cx.holds.held(wallet.number)).is_some() => {
            applied(cx, request, Body::Voided { sale, position: Some(position) }, entry)
        }
        // Only a balance at the limit of five bytes can come here.
        _ => no(Decline::OverCap),
    }
}
