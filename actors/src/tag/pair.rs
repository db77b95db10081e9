//! Giving a tag to a wallet. The tag decides, so that of two desks that hold the same band one wins; the
//! wallet hears of it by a message, and takes it or sends it back.

use ledger::entry::Entry;
use ledger::ids::{TagNumber, WalletNumber};
use ledger::record::{Body, Message};

use super::{MAX_TAGS, Standing};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::{Context, ShardState};
use crate::wallet::{Verdict, Wallet, applied, declined, sending};

pub(crate) fn pair(
    cx: &Context<'_>,
    own: Option<&Wallet>,
    request: &Request,
    wallet: WalletNumber,
    replaces: Option<TagNumber>,
) -> Verdict {
    if !cx.device_may(Role::Pair) {
        return Refusal::NotYourRole.into();
    }
    if !cx.till_fits(request) {
        return Refusal::WrongTill.into();
    }
    let tag = request.tag;
    if wallet.as_tag() == tag.number {
        return Refusal::SameWallet.into();
    }
    let body = Body::TagPaired { check: tag.check, wallet, replaces };
    // Of a band that was given away the wallet is asked, which is open.
    if own.is_some_and(Wallet::is_open) {
        return declined(cx, request, body, Decline::TagTaken);
    }
    let (festival, number, check) = (request.festival, tag.number, tag.check);
    let message = Message::Paired { festival, tag: number, check, wallet, replaces };
    let Some(sent) = cx.channels.address(wallet.shard(cx.shards), message) else {
        return Refusal::Busy.into();
    };
    sending(applied(cx, request, body, Entry::none()), sent)
}

impl ShardState {
    /// Why this wallet does not take a tag that was given to it; `None` if it does.
    pub(crate) fn refuses_tag(&self, wallet: &Wallet, replaces: Option<TagNumber>) -> Option<Decline> {
        let number = wallet.number();
        if self.tags().count(number) >= MAX_TAGS {
            return Some(Decline::TooManyTags);
        }
        let standing = replaces.map(|tag| self.standing(wallet, tag));
        let replaceable = !matches!(standing, Some(None | Some(Standing::Replaced)));
        (!replaceable).then_some(Decline::NotItsTag)
    }
}
