//! Blocking a tag that was lost, and letting it pay again. Its wallet decides; other tags of it pay on.

use ledger::entry::Entry;
use ledger::record::Body;

use super::Standing;
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::Context;
use crate::wallet::{Verdict, applied, declined};

pub(crate) fn set(cx: &Context<'_>, request: &Request, blocked: bool) -> Verdict {
    if !cx.device_may(Role::Pair) && !cx.device_may(Role::Supervise) {
        return Refusal::NotYourRole.into();
    }
    if !cx.till_fits(request) {
        return Refusal::WrongTill.into();
    }
    if request.operator.is_none() {
        return Refusal::NoOperator.into();
    }
    let body = Body::TagSet { tag: request.tag.number, blocked };
    if cx.standing == Standing::Replaced {
        return declined(cx, request, body, Decline::TagReplaced);
    }
    applied(cx, request, body, Entry::none())
}
