//! Giving an allowance, changing it, ending it: decided by the parent. The first filling leaves with the
//! message that says so; whatever is asked for later is decided when it is asked for (`mail.rs`).

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::WalletNumber;
use ledger::record::{Body, Message};
use smallvec::SmallVec;

use super::allowances::{Allowances, MOST_CHILDREN};
use super::{Verdict, Wallet, applied, declined, sending, trading};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::mail;
use crate::shard_state::Context;

/// What is to be given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// To whom.
    pub(crate) child: WalletNumber,
    /// What it is filled up to; 0 ends it.
    pub(crate) target: i64,
    /// Below this it is filled up.
    pub(crate) mark: i64,
}

pub(crate) fn set_allowance(
    cx: &Context<'_>,
    allowances: &Allowances,
    wallet: &Wallet,
    request: &Request,
    terms: Terms,
) -> Verdict {
    if let Err(refusal) = sound(cx, wallet, request, terms) {
        return refusal.into();
    }
    let Terms { child, target, mark } = terms;
    let Some(parent) = WalletNumber::new(wallet.number) else { return Refusal::Internal.into() };
    let body = Body::AllowanceSet { child, target, mark };
    let known = allowances.given(parent, child).is_some();
    let barred = trading::shut(cx).filter(|_| target > 0).or_else(|| cx.standing.decline());
    let why = match barred {
        Some(why) => Some(why),
        None if target == 0 && !known => Some(Decline::NoAllowance),
        None if !known && allowances.children(parent) >= MOST_CHILDREN => Some(Decline::TooManyAllowances),
        None => None,
    };
    if let Some(why) = why {
        return declined(cx, request, body, why);
    }
    // A change brings nothing: what is missing by the new terms will be asked for.
    let amount = if known { 0 } else { target };
    let to = child.shard(cx.shards);
    let currency = cx.festival.currency;
    let purse = Account::new(AccountKind::WalletPaid, wallet.number, currency);
    let postings = filling(purse, mail::transit(cx.shard, to, currency), amount);
    let (Some(_), Ok(entry)) = (wallet.after(&postings, 0), Entry::new(postings)) else {
        return declined(cx, request, body, Decline::InsufficientFunds);
    };
    let festival = request.festival;
    let message = Message::Allowance { festival, parent, child, target, mark, currency, amount };
    let Some(sent) = cx.channels.address(to, message) else { return Refusal::Busy.into() };
    sending(applied(cx, request, body, entry), sent)
}

fn sound(cx: &Context<'_>, wallet: &Wallet, request: &Request, terms: Terms) -> Result<(), Refusal> {
    let Terms { child, target, mark } = terms;
    if !cx.festival.allowances {
        return Err(Refusal::AllowancesOff);
    }
    if !cx.device_may(Role::TopUp) {
        return Err(Refusal::NotYourRole);
    }
    if !cx.till_fits(request) {
        return Err(Refusal::WrongTill);
    }
    if request.operator.is_none() {
        return Err(Refusal::NoOperator);
    }
    if target < 0 || mark < 0 {
        return Err(Refusal::AmountZero);
    }
    if mark > target || target > cx.festival.limits.balance_cap {
        return Err(Refusal::AmountTooLarge);
    }
    if child.get() == wallet.number {
        return Err(Refusal::SameWallet);
    }
    Ok(())
}

/// `amount` from one account to another; nothing where there is none.
pub(crate) fn filling(from: Account, to: Account, amount: i64) -> SmallVec<[Posting; 2]> {
    let both =
        [Posting { account: from, minor: amount }, Posting { account: to, minor: amount.wrapping_neg() }];
    both.into_iter().filter(|_| amount != 0).collect()
}
