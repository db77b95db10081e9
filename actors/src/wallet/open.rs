//! Opening a wallet by its first tag, at a desk.

use ledger::entry::Entry;
use ledger::ids::Office;
use ledger::record::Body;

use super::{Verdict, Wallet, applied, declined, trading};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::Context;

pub(crate) fn open(cx: &Context<'_>, wallet: Option<&Wallet>, request: &Request) -> Verdict {
    if !cx.device_may(Role::Pair) {
        return Refusal::NotYourRole.into();
    }
    if !cx.till_fits(request) {
        return Refusal::WrongTill.into();
    }
    if Office::of(request.tag.number.as_wallet()).is_some() {
        return Refusal::NotThisOffice.into();
    }
    let body = Body::WalletOpened { check: request.tag.check, festival: request.festival };
    if let Some(why) = trading::shut(cx) {
        return declined(cx, request, body, why);
    }
    if wallet.is_some_and(Wallet::is_open) {
        return declined(cx, request, body, Decline::AlreadyOpen);
    }
    applied(cx, request, body, Entry::none())
}
