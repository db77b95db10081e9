//! The encoding of bodies: what each kind of record says, behind its envelope and before its postings.
//! Byte by byte in `FORMAT.md`.

use super::codec::{bit, nonzero, small, take_count};
use super::leb::{self, ReadError, Reader};
use super::message::{put_message, put_tag, take_message, take_tag};
use super::{Body, Genesis, Kind, Line, Lines, Tax, Taxes, Tender};
use crate::ids::{
    Epoch, FestivalId, ItemId, LedgerId, RecordNumber, RequestId, ShardId, VendorId, Version, WalletNumber,
};
use crate::money::VatRate;

/// Appends what `body` says.
pub(super) fn put_body(out: &mut Vec<u8>, body: &Body) {
    match body {
        Body::LedgerOpened(genesis) => {
            out.extend_from_slice(&genesis.ledger.0);
            out.extend_from_slice(&genesis.shards.to_le_bytes());
            out.extend_from_slice(&genesis.level.to_le_bytes());
            out.extend_from_slice(&genesis.key_id);
        }
        Body::EpochOpened { epoch } => leb::put(out, epoch.0.into()),
        Body::ConfigurationStaged { version, part, bytes } => {
            leb::put(out, version.get().into());
            leb::put(out, (*part).into());
            leb::put(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Body::ConfigurationAdopted { version, parts, hash } => {
            leb::put(out, version.get().into());
            leb::put(out, (*parts).into());
            out.extend_from_slice(hash);
        }
        Body::Quarantined | Body::Released | Body::Told => {}
        Body::Delivered { message } | Body::DeadLettered { message } => put_message(out, message),
        Body::Acknowledged { to, up_to } => {
            leb::put(out, to.0.into());
            leb::put(out, *up_to);
        }
        Body::Swept { vendor, amount } => {
            leb::put(out, vendor.get().into());
            leb::put_signed(out, *amount);
        }
        deed => put_deed(out, deed),
    }
}

/// What an actor decided, or a timer brought about.
fn put_deed(out: &mut Vec<u8>, body: &Body) {
    match body {
        Body::WalletOpened { check, festival } => {
            out.extend_from_slice(&check.to_le_bytes());
            leb::put(out, festival.0.into());
        }
        Body::ToppedUp { tender, amount } => {
            out.push(*tender as u8);
            leb::put_signed(out, *amount);
        }
        Body::Purchased { lines, taxes, .. } => put_purchase(out, lines, taxes),
        Body::Voided { sale, position } => {
            out.extend_from_slice(&sale.get().to_le_bytes());
            if let Some(position) = position {
                leb::put(out, position.0);
            }
        }
        Body::Cancelled { position } => leb::put(out, position.0),
        Body::Burned { check } => out.extend_from_slice(&check.to_le_bytes()),
        Body::TransferSent { payee, amount } => {
            out.extend_from_slice(&payee.get().to_le_bytes());
            leb::put_signed(out, *amount);
        }
        Body::TagPaired { check, wallet, replaces } => {
            out.extend_from_slice(&check.to_le_bytes());
            out.extend_from_slice(&wallet.get().to_le_bytes());
            put_tag(out, *replaces);
        }
        Body::TagSet { tag, blocked } => {
            out.extend_from_slice(&tag.get().to_le_bytes());
            out.push((*blocked).into());
        }
        Body::Held { amount, seconds } => {
            leb::put_signed(out, *amount);
            leb::put(out, (*seconds).into());
        }
        Body::Captured { hold, lines, taxes, from } => {
            out.extend_from_slice(&hold.get().to_le_bytes());
            for minor in from {
                leb::put_signed(out, *minor);
            }
            put_purchase(out, lines, taxes);
        }
        Body::HoldReleased { hold } | Body::HoldExpired { hold } => {
            out.extend_from_slice(&hold.get().to_le_bytes());
        }
        Body::AllowanceSet { child, target, mark } => {
            out.extend_from_slice(&child.get().to_le_bytes());
            leb::put_signed(out, *target);
            leb::put_signed(out, *mark);
        }
        Body::PaidOut { amount } => leb::put_signed(out, *amount),
        Body::AllowanceReturned { parent, amount } => {
            out.extend_from_slice(&parent.get().to_le_bytes());
            leb::put_signed(out, *amount);
        }
        _ => {}
    }
}

fn put_purchase(out: &mut Vec<u8>, lines: &[Line], taxes: &[Tax]) {
    leb::put(out, lines.len() as u64);
    for line in lines {
        leb::put(out, line.item.get().into());
        leb::put(out, line.quantity.into());
        leb::put(out, line.unit_price.into());
        leb::put(out, line.vat.hundredths().into());
    }
    leb::put(out, taxes.len() as u64);
    for tax in taxes {
        leb::put(out, tax.rate.hundredths().into());
        leb::put_signed(out, tax.base);
        leb::put_signed(out, tax.tax);
    }
}

/// Reads the body of a kind.
pub(super) fn take_body(reader: &mut Reader<'_>, kind: Kind, presence: u32) -> Result<Body, ReadError> {
    let confirmed = presence & bit::CONFIRMED != 0;
    let positioned = presence & bit::POSITION != 0;
    if confirmed && kind != Kind::Purchased || positioned && kind != Kind::Voided {
        return Err(reader.error("a field that this kind does not have"));
    }
    Ok(match kind {
        Kind::LedgerOpened => Body::LedgerOpened(Genesis {
            ledger: LedgerId(reader.array()?),
            shards: reader.u16()?,
            level: reader.u16()?,
            key_id: reader.array()?,
        }),
        Kind::EpochOpened => Body::EpochOpened { epoch: Epoch(reader.leb_as()?) },
        Kind::ConfigurationStaged => {
            let (version, part) = (small(reader, Version::new)?, reader.leb_as()?);
            let length = reader.leb_as()?;
            Body::ConfigurationStaged { version, part, bytes: reader.take(length)?.to_vec() }
        }
        Kind::ConfigurationAdopted => Body::ConfigurationAdopted {
            version: small(reader, Version::new)?,
            parts: reader.leb_as()?,
            hash: reader.array()?,
        },
        Kind::Quarantined => Body::Quarantined,
        Kind::Released => Body::Released,
        Kind::Delivered => Body::Delivered { message: take_message(reader)? },
        Kind::DeadLettered => Body::DeadLettered { message: take_message(reader)? },
        Kind::Acknowledged => Body::Acknowledged { to: ShardId(reader.leb_as()?), up_to: reader.leb()? },
        Kind::Swept => Body::Swept { vendor: small(reader, VendorId::new)?, amount: reader.leb_signed()? },
        Kind::Told => Body::Told,
        deed => take_deed(reader, deed, presence)?,
    })
}

fn take_deed(reader: &mut Reader<'_>, kind: Kind, presence: u32) -> Result<Body, ReadError> {
    let confirmed = presence & bit::CONFIRMED != 0;
    let positioned = presence & bit::POSITION != 0;
    Ok(match kind {
        Kind::WalletOpened => {
            Body::WalletOpened { check: reader.u64()?, festival: FestivalId(reader.leb_as()?) }
        }
        Kind::ToppedUp => {
            let tender = Tender::from_number(reader.byte()?).ok_or(reader.error("an unknown tender"))?;
            Body::ToppedUp { tender, amount: reader.leb_signed()? }
        }
        Kind::Purchased => {
            let (lines, taxes) = take_purchase(reader)?;
            Body::Purchased { lines, taxes, confirmed }
        }
        Kind::Voided => {
            let sale = nonzero(reader, reader.clone().u64()?, 8, RequestId::new)?;
            let position = if positioned { Some(RecordNumber(reader.leb()?)) } else { None };
            Body::Voided { sale, position }
        }
        Kind::Cancelled => Body::Cancelled { position: RecordNumber(reader.leb()?) },
        Kind::Burned => Body::Burned { check: reader.u64()? },
        Kind::TransferSent => {
            Body::TransferSent { payee: take_wallet(reader)?, amount: reader.leb_signed()? }
        }
        Kind::PaidOut => Body::PaidOut { amount: reader.leb_signed()? },
        Kind::TagPaired | Kind::TagSet => take_tag_fact(reader, kind)?,
        Kind::AllowanceSet | Kind::AllowanceReturned => take_allowance(reader, kind)?,
        Kind::Held | Kind::Captured | Kind::HoldReleased | Kind::HoldExpired => take_hold(reader, kind)?,
        _ => return Err(reader.error("a kind without a body")),
    })
}

fn take_tag_fact(reader: &mut Reader<'_>, kind: Kind) -> Result<Body, ReadError> {
    if kind == Kind::TagPaired {
        let check = reader.u64()?;
        return Ok(Body::TagPaired { check, wallet: take_wallet(reader)?, replaces: take_tag(reader)? });
    }
    let tag = take_tag(reader)?.ok_or(reader.error("a present field that is zero"))?;
    match reader.byte()? {
        blocked @ 0..=1 => Ok(Body::TagSet { tag, blocked: blocked == 1 }),
        _ => Err(reader.error("a flag that is neither 0 nor 1")),
    }
}

fn take_allowance(reader: &mut Reader<'_>, kind: Kind) -> Result<Body, ReadError> {
    let other = take_wallet(reader)?;
    let amount = reader.leb_signed()?;
    if kind == Kind::AllowanceReturned {
        return Ok(Body::AllowanceReturned { parent: other, amount });
    }
    Ok(Body::AllowanceSet { child: other, target: amount, mark: reader.leb_signed()? })
}

fn take_hold(reader: &mut Reader<'_>, kind: Kind) -> Result<Body, ReadError> {
    if kind == Kind::Held {
        return Ok(Body::Held { amount: reader.leb_signed()?, seconds: reader.leb_as()? });
    }
    let hold = nonzero(reader, reader.clone().u64()?, 8, RequestId::new)?;
    match kind {
        Kind::HoldReleased => Ok(Body::HoldReleased { hold }),
        Kind::HoldExpired => Ok(Body::HoldExpired { hold }),
        _ => {
            let from = [reader.leb_signed()?, reader.leb_signed()?, reader.leb_signed()?];
            let (lines, taxes) = take_purchase(reader)?;
            Ok(Body::Captured { hold, lines, taxes, from })
        }
    }
}

fn take_purchase(reader: &mut Reader<'_>) -> Result<(Lines, Taxes), ReadError> {
    let count = take_count(reader, Line::MAX)?;
    let mut lines = Lines::with_capacity(count);
    for _ in 0..count {
        lines.push(Line {
            item: small(reader, ItemId::new)?,
            quantity: reader.leb_as()?,
            unit_price: reader.leb_as()?,
            vat: take_rate(reader)?,
        });
    }
    let count = take_count(reader, Line::MAX)?;
    let mut taxes = Taxes::with_capacity(count);
    for _ in 0..count {
        taxes.push(Tax { rate: take_rate(reader)?, base: reader.leb_signed()?, tax: reader.leb_signed()? });
    }
    Ok((lines, taxes))
}

fn take_rate(reader: &mut Reader<'_>) -> Result<VatRate, ReadError> {
    let hundredths = reader.leb_as()?;
    VatRate::new(hundredths).ok_or(reader.error("a rate above 100 %"))
}

fn take_wallet(reader: &mut Reader<'_>) -> Result<WalletNumber, ReadError> {
    nonzero(reader, reader.clone().u64()?, 8, WalletNumber::new)
}
