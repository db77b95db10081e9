//! Paying money in.

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::record::{Body, Tender};

use super::{Verdict, Wallet, applied, declined, trading};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::Role;
use crate::shard_state::Context;

pub(crate) fn top_up(
    cx: &Context<'_>,
    wallet: &Wallet,
    request: &Request,
    tender: Tender,
    amount: i64,
) -> Verdict {
    let role = match tender {
        Tender::Cash => Role::TopUp,
        Tender::Bonus => Role::Supervise,
    };
    if !cx.device_may(role) {
        return Refusal::NotYourRole.into();
    }
    let Some(till) = cx.till_of(request) else { return Refusal::WrongTill.into() };
    let limits = &cx.festival.limits;
    if amount <= 0 {
        return Refusal::AmountZero.into();
    }
    if amount < limits.top_up_min {
        return Refusal::AmountTooSmall.into();
    }
    if amount > limits.top_up_max {
        return Refusal::AmountTooLarge.into();
    }
    let body = Body::ToppedUp { tender, amount };
    if let Some(why) = trading::shut(cx) {
        return declined(cx, request, body, why);
    }
    if let Some(decline) = cx.standing.decline() {
        return declined(cx, request, body, decline);
    }
    let currency = cx.festival.currency;
    let (purse, funder) = match tender {
        Tender::Cash => (AccountKind::WalletPaid, AccountKind::CashDrawer),
        Tender::Bonus => (AccountKind::WalletBonus, AccountKind::BonusFunder),
    };
    let postings = [
        Posting { account: Account::new(funder, till.id.get().into(), currency), minor: amount },
        Posting { account: Account::new(purse, wallet.number, currency), minor: -amount },
    ];
    let held = cx.holds.held(wallet.number);
    match (wallet.after(&postings, held), Entry::new(postings)) {
        (Some(after), Ok(entry)) if after.total() + held <= limits.balance_cap => {
            applied(cx, request, body, entry)
        }
        _ => declined(cx, request, body, Decline::OverCap),
    }
}
