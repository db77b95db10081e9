//! Offices: what decides without being a wallet, under a number of its own ([`Office`]). A vendor's
//! office pays out what the vendor's home account holds, and nothing beyond (L2): the home lies in
//! this one shard, so nobody else can spend it meanwhile. Ids are remembered as by a wallet (L4).

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::{Office, TagNumber, VendorId};
use ledger::mutant::{self, Mutant};
use ledger::record::Body;

use crate::address::Tag;
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::festival::{Festival, Role};
use crate::shard_state::Context;
use crate::wallet::{Verdict, applied, declined};

/// An office in the place of a tag: its number is its name, so there is no other half to compare.
pub const fn tag(office: Office) -> Tag {
    Tag { number: number(office), check: 0 }
}

/// The office's number in the place of a tag's.
const fn number(office: Office) -> TagNumber {
    office.number().as_tag()
}

/// The vendor whose office a request is for, if it is one of this festival's.
pub(crate) fn vendor_of(festival: &Festival, request: &Request) -> Option<VendorId> {
    let Some(Office::Vendor(vendor)) = Office::of(request.tag.number.as_wallet()) else { return None };
    festival.vendors().iter().any(|known| known.id == vendor).then_some(vendor)
}

/// Pays out `amount` of what the home of the vendor holds, of whom the request's office is.
pub(crate) fn pay_out(
    cx: &Context<'_>,
    request: &Request,
    held: Option<(VendorId, i64)>,
    amount: i64,
) -> Verdict {
    if !cx.device_may(Role::Administer) {
        return Refusal::NotYourRole.into();
    }
    if !cx.till_fits(request) {
        return Refusal::WrongTill.into();
    }
    if request.operator.is_none() {
        return Refusal::NoOperator.into();
    }
    let Some((vendor, held)) = held else { return Refusal::NotThisOffice.into() };
    if amount <= 0 {
        return Refusal::AmountZero.into();
    }
    let body = Body::PaidOut { amount };
    let currency = cx.festival.currency;
    let account = |kind| Account::new(kind, vendor.get().into(), currency);
    let postings = [
        Posting { account: account(AccountKind::VendorHome), minor: amount },
        Posting { account: account(AccountKind::PayoutsDue), minor: amount.wrapping_neg() },
    ];
    let enough = amount <= held || mutant::on(Mutant::HomeOverdrawn);
    match Entry::new(postings) {
        Ok(entry) if enough => applied(cx, request, body, entry),
        _ => declined(cx, request, body, Decline::InsufficientFunds),
    }
}
