//! Paying another wallet. The money leaves this one into transit and travels by a message; the other
//! wallet takes it, or sends it back. Nothing locks two wallets at once (L5).

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::WalletNumber;
use ledger::record::{Body, Message};

use super::{Verdict, Wallet, applied, declined, sending, trading};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::mail;
use crate::shard_state::Context;

pub(crate) fn transfer(
    cx: &Context<'_>,
    wallet: &Wallet,
    request: &Request,
    payee: WalletNumber,
    amount: i64,
) -> Verdict {
    if !cx.festival.transfers {
        return Refusal::TransfersOff.into();
    }
    if !cx.device_may(Role::TopUp) {
        return Refusal::NotYourRole.into();
    }
    if !cx.till_fits(request) {
        return Refusal::WrongTill.into();
    }
    if amount <= 0 {
        return Refusal::AmountZero.into();
    }
    if amount > cx.festival.limits.largest_amount {
        return Refusal::AmountTooLarge.into();
    }
    let payer = request.actor();
    if payee == payer {
        return Refusal::SameWallet.into();
    }
    let body = Body::TransferSent { payee, amount };
    if let Some(why) = trading::shut(cx) {
        return declined(cx, request, body, why);
    }
    if let Some(decline) = cx.standing.decline() {
        return declined(cx, request, body, decline);
    }
    let currency = cx.festival.currency;
    let to = payee.shard(cx.shards);
    let postings = [
        Posting { account: Account::new(AccountKind::WalletPaid, wallet.number, currency), minor: amount },
        Posting { account: mail::transit(cx.shard, to, currency), minor: -amount },
    ];
    let (Some(_), Ok(entry)) = (wallet.after(&postings, 0), Entry::new(postings)) else {
        return declined(cx, request, body, Decline::InsufficientFunds);
    };
    let message = Message::Transfer { festival: request.festival, payer, payee, currency, amount };
    let Some(sent) = cx.channels.address(to, message) else { return Refusal::Busy.into() };
    sending(applied(cx, request, body, entry), sent)
}
