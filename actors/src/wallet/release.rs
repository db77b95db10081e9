//! Giving back what is held, because nothing will be sold. It needs no operator: no sale is taken back.

use ledger::ids::RequestId;
use ledger::record::Body;

use super::capture::{Found, open_hold};
use super::{Memory, Verdict, Wallet, applied, declined};
use crate::codes::Refusal;
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::Context;

pub(crate) fn release_hold(
    cx: &Context<'_>,
    wallet: &Wallet,
    memory: &Memory,
    request: &Request,
    hold: RequestId,
) -> Verdict {
    if !cx.device_may(Role::Sell) {
        return Refusal::NotYourRole.into();
    }
    let Some(till) = cx.till_of(request) else { return Refusal::WrongTill.into() };
    let body = Body::HoldReleased { hold };
    match open_hold(cx, wallet, memory, till, hold) {
        Found::Open(open) => match open.given_back(wallet.number, cx.festival.currency) {
            Some(entry) => applied(cx, request, body, entry),
            None => Refusal::Internal.into(),
        },
        Found::No(why) => declined(cx, request, body, why),
        Found::Ask(position) => Verdict::Evidence(position),
    }
}
