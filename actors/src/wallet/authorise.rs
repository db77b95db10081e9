//! Holding money for a sale to come: it leaves the purses in the festival's order, and which part came
//! of which purse is remembered, so that it goes back there.

use ledger::account::{Account, AccountKind};
use ledger::record::Body;

use super::holds::MOST_HOLDS;
use super::purchase::debit_purses;
use super::{Verdict, Wallet, applied, declined, trading};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::Context;

pub(crate) fn authorise(
    cx: &Context<'_>,
    wallet: &Wallet,
    request: &Request,
    amount: i64,
    seconds: u32,
) -> Verdict {
    if !cx.device_may(Role::Sell) {
        return Refusal::NotYourRole.into();
    }
    let Some(till) = cx.till_of(request) else { return Refusal::WrongTill.into() };
    // What nobody sells for could never be captured; a festival that allows 0 seconds allows no holds.
    if till.vendor.is_none() || !(1..=cx.festival.most_hold_seconds).contains(&seconds) {
        return Refusal::Unsupported.into();
    }
    if amount <= 0 {
        return Refusal::AmountZero.into();
    }
    if amount > cx.festival.limits.largest_amount {
        return Refusal::AmountTooLarge.into();
    }
    let body = Body::Held { amount, seconds };
    if let Some(why) = trading::not_sold(cx, till, &[]) {
        return declined(cx, request, body, why);
    }
    if let Some(why) = cx.standing.decline() {
        return declined(cx, request, body, why);
    }
    if cx.holds.of(wallet.number).len() >= MOST_HOLDS {
        return declined(cx, request, body, Decline::TooManyHolds);
    }
    let held = Account::new(AccountKind::WalletHeld, wallet.number, cx.festival.currency);
    match debit_purses(cx.festival, wallet, held, amount) {
        Some(entry) => applied(cx, request, body, entry),
        None => declined(cx, request, body, Decline::InsufficientFunds),
    }
}
