//! Buying: the lines are checked against the catalogue, the purses are debited in the festival's
//! order, the vendor's stripe is credited; base and tax per VAT rate are computed here, once.

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::ItemId;
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Line, Lines, Tax, Taxes};
use smallvec::SmallVec;

use super::{Verdict, Wallet, applied, declined, trading};
use crate::codes::{Decline, Refusal};
use crate::command::{AskedLine, Request};
use crate::festival::{Festival, Purse, Role, Till};
use crate::shard_state::Context;

pub(crate) fn purchase(
    cx: &Context<'_>,
    wallet: &Wallet,
    request: &Request,
    asked: &[AskedLine],
    amount: i64,
    confirmed: bool,
) -> Verdict {
    let (till, lines) = match sale_at(cx, request, asked, amount) {
        Ok(sale) => sale,
        Err(refusal) => return refusal.into(),
    };
    let no = |lines, decline| {
        declined(cx, request, Body::Purchased { lines, taxes: Taxes::new(), confirmed }, decline)
    };
    if let Some(why) = trading::not_sold(cx, till, &lines) {
        return no(lines, why);
    }
    if let Some(decline) = cx.standing.decline() {
        return no(lines, decline);
    }
    let window = cx.festival.limits.looks_repeated_seconds;
    if !confirmed && wallet.repeats_last(till.id, amount, cx.at, window) {
        return no(lines, Decline::LooksRepeated);
    }
    let vendor = till.vendor.map_or(0, |vendor| vendor.get().into());
    let account = Account::new(AccountKind::VendorSales, vendor, cx.festival.currency);
    let Some(entry) = debit_purses(cx.festival, wallet, account, amount) else {
        return no(lines, Decline::InsufficientFunds);
    };
    let taxes = taxes(&lines);
    applied(cx, request, Body::Purchased { lines, taxes, confirmed }, entry)
}

/// What is the same for every sale, whatever it is paid out of: the till that it happens at, and its lines, which
/// come to `amount`.
pub(super) fn sale_at<'a>(
    cx: &Context<'a>,
    request: &Request,
    asked: &[AskedLine],
    amount: i64,
) -> Result<(&'a Till, Lines), Refusal> {
    if !cx.device_may(Role::Sell) {
        return Err(Refusal::NotYourRole);
    }
    let till = cx.till_of(request).ok_or(Refusal::WrongTill)?;
    let lines = priced(cx, till, asked)?;
    check_amount(cx.festival, &lines, amount)?;
    Ok((till, lines))
}

/// The asked lines with their VAT rates, if each is an item of the till's vendor at its price.
fn priced(cx: &Context<'_>, till: &Till, asked: &[AskedLine]) -> Result<Lines, Refusal> {
    if asked.len() > Line::MAX {
        return Err(Refusal::TooManyLines);
    }
    let mut lines = Lines::new();
    for line in asked {
        let id = ItemId::new(line.item).ok_or(Refusal::UnknownItemOrPrice)?;
        let item = cx.festival.item(id).ok_or(Refusal::UnknownItemOrPrice)?;
        if Some(item.vendor) != till.vendor || !item.prices.accept(line.unit_price, cx.at) {
            return Err(Refusal::UnknownItemOrPrice);
        }
        if line.quantity == 0 {
            return Err(Refusal::AmountZero);
        }
        let unit_price = line.unit_price;
        lines.push(Line { item: id, quantity: line.quantity, unit_price, vat: item.vat });
    }
    Ok(lines)
}

fn check_amount(festival: &Festival, lines: &[Line], amount: i64) -> Result<(), Refusal> {
    // 64 lines of 2^16 times 2^32 stay below 2^54.
    let sum: i64 = lines.iter().map(Line::gross).sum();
    if sum != amount {
        return Err(Refusal::LinesDoNotAddUp);
    }
    if amount <= 0 {
        return Err(Refusal::AmountZero);
    }
    if amount > festival.limits.largest_amount {
        return Err(Refusal::AmountTooLarge);
    }
    Ok(())
}

/// Debits the purses in the festival's order and credits `account`; `None` if they do not reach.
pub(super) fn debit_purses(
    festival: &Festival,
    wallet: &Wallet,
    account: Account,
    amount: i64,
) -> Option<Entry> {
    let mut postings = SmallVec::<[Posting; 4]>::new();
    let mut left = amount;
    for purse in &festival.purse_order {
        let (kind, held) = match purse {
            Purse::Paid => (AccountKind::WalletPaid, wallet.balances.paid),
            Purse::Bonus => (AccountKind::WalletBonus, wallet.balances.bonus),
            Purse::Deposit => (AccountKind::WalletDeposit, wallet.balances.deposit),
        };
        let last = mutant::on(Mutant::FloorUnchecked) && *purse == Purse::Paid;
        let part = if last { left } else { left.min(held) };
        if part > 0 {
            let account = Account::new(kind, wallet.number, festival.currency);
            postings.push(Posting { account, minor: part });
            left -= part;
        }
    }
    if left > 0 {
        return None;
    }
    postings.push(Posting { account, minor: -amount });
    Entry::new(postings.iter().copied()).ok()
}

/// Base and tax per rate, by rising rate.
pub(super) fn taxes(lines: &[Line]) -> Taxes {
    // `base` is the gross sum of its rate until it is split.
    let mut taxes = Taxes::new();
    for line in lines {
        match taxes.iter_mut().find(|tax| tax.rate == line.vat) {
            Some(tax) => tax.base += line.gross(),
            None => taxes.push(Tax { rate: line.vat, base: line.gross(), tax: 0 }),
        }
    }
    taxes.sort_unstable_by_key(|tax| tax.rate);
    for tax in &mut taxes {
        (tax.base, tax.tax) = tax.rate.split(tax.base);
    }
    taxes
}
