//! The festival as an actor: its configuration is changed at its office, in the shard of the office's
//! number, by parts that are staged unseen and by an order that brings them into force. The other
//! shards learn of it by messages; none decides by what it has not adopted itself.

use ledger::entry::Entry;
use ledger::ids::{Office, Version};
use ledger::record::{Body, Message};

use super::{Festival, FestivalError, MAX_PARTS, Role};
use crate::codes::{Decline, Refusal};
use crate::command::Request;
use crate::shard_state::{Configuration, Context};
use crate::wallet::{Verdict, applied, declined};

/// Takes one part of the next version.
pub(crate) fn stage(
    cx: &Context<'_>,
    request: &Request,
    version: Version,
    part: u16,
    bytes: &[u8],
) -> Verdict {
    if let Some(refusal) = refused(cx, request) {
        return refusal.into();
    }
    let body = Body::ConfigurationStaged { version, part, bytes: bytes.to_vec() };
    if !is_next(cx.festival, version) {
        return declined(cx, request, body, Decline::StaleConfiguration);
    }
    if bytes.is_empty() || bytes.len() > Message::MAX_PART || part >= MAX_PARTS {
        return declined(cx, request, body, Decline::BadConfiguration);
    }
    applied(cx, request, body, Entry::none())
}

/// Brings what was staged of the next version into force.
pub(crate) fn adopt(
    cx: &Context<'_>,
    configuration: &Configuration,
    request: &Request,
    (version, parts, hash): (Version, u16, [u8; 32]),
) -> Verdict {
    if let Some(refusal) = refused(cx, request) {
        return refusal.into();
    }
    let body = Body::ConfigurationAdopted { version, parts, hash };
    if !is_next(cx.festival, version) {
        return declined(cx, request, body, Decline::StaleConfiguration);
    }
    let staged = configuration.staged_as(version, parts, &hash);
    let good =
        staged.is_some_and(|festival| festival.version == version && festival.follows(cx.festival).is_ok());
    if !good {
        return declined(cx, request, body, Decline::BadConfiguration);
    }
    applied(cx, request, body, Entry::none())
}

fn refused(cx: &Context<'_>, request: &Request) -> Option<Refusal> {
    if !cx.device_may(Role::Administer) {
        return Some(Refusal::NotYourRole);
    }
    if !cx.till_fits(request) {
        return Some(Refusal::WrongTill);
    }
    let office = Office::Festival(request.festival).number();
    (request.tag.number.as_wallet() != office).then_some(Refusal::NotThisOffice)
}

fn is_next(festival: &Festival, version: Version) -> bool {
    festival.version.get().checked_add(1) == Some(version.get())
}

impl Festival {
    /// Whether this may come after `before`: what the journal names by number must keep its meaning.
    /// Items may go, for a sale keeps what it needs of them; vendors and tills own accounts, and a
    /// device's number is never given to another.
    pub fn follows(&self, before: &Self) -> Result<(), FestivalError> {
        if self.id != before.id {
            return Err(FestivalError::Changed("number"));
        }
        if self.currency != before.currency {
            return Err(FestivalError::Changed("currency"));
        }
        let gone = |what, number| Err(FestivalError::Gone { what, number });
        if let Some(vendor) = before.vendors.iter().find(|vendor| self.vendor(vendor.id).is_none()) {
            return gone("vendor", vendor.id.get());
        }
        if let Some(till) = before.tills.iter().find(|till| self.till(till.id).is_none()) {
            return gone("till", till.id.get());
        }
        if let Some(device) = before.devices.iter().find(|device| self.device(device.number).is_none()) {
            return gone("device", device.number.get());
        }
        Ok(())
    }
}
