//! Owns: from a request as it lies in the frame to the request an actor decides on: the tag's UID is
//! hashed here and goes no further, the content's check is made, the device's own till filled in.
//! Must never: allocate for a request of five lines or less; look at any wallet.
//! Laws: L4 (content check), L13 (an id is its own device's).

use actors::address::{Keys, Tag};
use actors::command::{AskedLine, Command, Request};
use actors::office;
use ledger::ids::{
    At, FestivalId, Office, OperatorId, RequestId, TillId, VendorId, Version, WalletNumber, ZoneId,
};
use ledger::record::{Mode, Tender};
use wire::{Flags, Refusal, RequestView};

use crate::standing::Member;

/// The request in `view`, made by `member` in a session of `festival`.
#[inline]
pub(crate) fn request(
    view: &RequestView<'_>,
    keys: &Keys,
    member: &Member,
    festival: FestivalId,
) -> Result<Request, Refusal> {
    let id = RequestId::new(view.id().raw()).ok_or(Refusal::Malformed)?;
    if id.device() != Some(member.number) {
        return Err(Refusal::NotYourId);
    }
    let flags = view.flags();
    let replaces = match view.command() {
        wire::Command::Purchase => RequestId::new(view.target().raw()),
        _ => None,
    };
    let mut request = Request {
        id,
        content: 0,
        device: member.number,
        festival,
        tag: addressed(view, keys, festival)?,
        wallet: None,
        till: TillId::new(view.till()).or(Some(member.till)),
        happened: Some(view.happened()).filter(|at| *at != 0).map(At),
        operator: OperatorId::new(view.operator()),
        zone: ZoneId::new(view.zone().into()),
        tag_counter: std::num::NonZeroU32::new(view.tag_counter()),
        mode: Mode { offline: flags.has(Flags::OFFLINE), training: flags.has(Flags::TRAINING) },
        replaces,
        command: command(view, keys)?,
    };
    request.content = keys.content(&request);
    Ok(request)
}

/// The tag that is spoken to, or the office that stands in its place.
#[inline]
fn addressed(view: &RequestView<'_>, keys: &Keys, festival: FestivalId) -> Result<Tag, Refusal> {
    match view.office() {
        None if view.uid().is_empty() => Err(Refusal::Malformed),
        None => Ok(tag(keys, view.name())),
        Some(vendor) => {
            let office = VendorId::new(vendor).map_or(Office::Festival(festival), Office::Vendor);
            Ok(office::tag(office))
        }
    }
}

#[inline]
fn command(view: &RequestView<'_>, keys: &Keys) -> Result<Command, Refusal> {
    Ok(match view.command() {
        wire::Command::OpenWallet => Command::Open,
        wire::Command::TopUp => Command::TopUp { tender: tender(view)?, amount: view.amount() },
        wire::Command::Purchase => Command::Purchase {
            lines: view.lines().map(asked).collect(),
            amount: view.amount(),
            confirmed: view.flags().has(Flags::CONFIRM),
        },
        wire::Command::Void => Command::Void { sale: target(view)? },
        wire::Command::SetAllowance => {
            Command::SetAllowance { child: other(view, keys)?, target: view.amount(), mark: view.mark() }
        }
        wire::Command::PayOut => Command::PayOut { amount: view.amount() },
        wire::Command::StageConfiguration => {
            let (version, part, bytes) = view.staging().ok_or(Refusal::Malformed)?;
            let version = Version::new(version).ok_or(Refusal::Malformed)?;
            Command::StageConfiguration { version, part, bytes: bytes.into() }
        }
        wire::Command::AdoptConfiguration => {
            let (version, parts, hash) = view.order().ok_or(Refusal::Malformed)?;
            let version = Version::new(version).ok_or(Refusal::Malformed)?;
            Command::AdoptConfiguration { version, parts, hash }
        }
        wire::Command::Balance => Command::Balance,
        wire::Command::Cancel => Command::Cancel,
        wire::Command::Lookup => Command::Lookup,
        wire::Command::Transfer => Command::Transfer { payee: other(view, keys)?, amount: view.amount() },
        wire::Command::Pair => Command::Pair {
            wallet: other(view, keys)?,
            replaces: view.replaces().map(|name| tag(keys, name).number),
        },
        wire::Command::BlockTag => Command::BlockTag,
        wire::Command::UnblockTag => Command::UnblockTag,
        wire::Command::Authorise => Command::Authorise { amount: view.amount(), seconds: view.seconds() },
        wire::Command::Capture => Command::Capture {
            hold: target(view)?,
            lines: view.lines().map(asked).collect(),
            amount: view.amount(),
        },
        wire::Command::ReleaseHold => Command::ReleaseHold { hold: target(view)? },
    })
}

#[inline]
fn tag(keys: &Keys, name: wire::NameView<'_>) -> Tag {
    if name.ticket { keys.ticket(name.bytes) } else { keys.tag(name.bytes) }
}

/// The other wallet that the command names.
fn other(view: &RequestView<'_>, keys: &Keys) -> Result<WalletNumber, Refusal> {
    let name = view.other().ok_or(Refusal::Malformed)?;
    Ok(tag(keys, name).number.as_wallet())
}

fn target(view: &RequestView<'_>) -> Result<RequestId, Refusal> {
    RequestId::new(view.target().raw()).ok_or(Refusal::Malformed)
}

fn asked(line: wire::Line) -> AskedLine {
    AskedLine { item: line.item, quantity: line.quantity, unit_price: line.unit_price }
}

fn tender(view: &RequestView<'_>) -> Result<Tender, Refusal> {
    match view.tender() {
        Some(wire::Tender::Cash) => Ok(Tender::Cash),
        Some(wire::Tender::Bonus) => Ok(Tender::Bonus),
        None => Err(Refusal::Malformed),
    }
}
