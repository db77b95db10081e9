//! The canonical encoding of a record: a fixed prefix, a presence map, minimal LEB128. One record
//! has exactly one encoding, and decoding rejects every other. Byte by byte in `FORMAT.md`.

use thiserror::Error;

use super::body_codec::{put_body, take_body};
use super::leb::{self, ReadError, Reader};
use super::message::{put_sent, put_taken, take_sent, take_taken};
use super::{Body, DeclineCode, Envelope, Kind, MAX_RECORD_BYTES, Mail, Mode, Rare, Record};
use crate::account::{Account, AccountKind};
use crate::entry::{Entry, EntryError, Posting};
use crate::ids::{At, DeviceNumber, OperatorId, RequestId, TagNumber, TillId, Version, WalletNumber, ZoneId};
use crate::money::Currency;

/// What the records of a block share and therefore do not repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prologue {
    /// Ledger time the records count from.
    pub base: At,
    /// Configuration version of records that name none.
    pub configuration: Option<Version>,
    /// Catalogue version of records that name none.
    pub catalogue: Option<Version>,
    /// Policy version of records that name none.
    pub policy: Option<Version>,
    /// Currency of postings that name none.
    pub currency: Currency,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes themselves are malformed.
    #[error(transparent)]
    Bytes(#[from] ReadError),
    /// A kind, or a version of one, that this level does not know.
    #[error("record kind {kind} version {version} is not known at this level")]
    UnknownKind {
        /// Number of the kind.
        kind: u8,
        /// Its version.
        version: u8,
    },
    /// The postings do not balance.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

const KIND_VERSION: u8 = 1;
const PREFIX: usize = 10;

pub(super) mod bit {
    pub(in crate::record) const WALLET: u32 = 1;
    pub(in crate::record) const REQUEST: u32 = 1 << 1;
    pub(in crate::record) const DEVICE: u32 = 1 << 2;
    pub(in crate::record) const TILL: u32 = 1 << 3;
    pub(in crate::record) const HAPPENED: u32 = 1 << 4;
    pub(in crate::record) const OPERATOR: u32 = 1 << 5;
    pub(in crate::record) const TAG: u32 = 1 << 6;
    pub(in crate::record) const TAG_COUNTER: u32 = 1 << 7;
    pub(in crate::record) const MODE: u32 = 1 << 8;
    pub(in crate::record) const CONFIGURATION: u32 = 1 << 9;
    pub(in crate::record) const CATALOGUE: u32 = 1 << 10;
    pub(in crate::record) const POLICY: u32 = 1 << 11;
    pub(in crate::record) const REPLACES: u32 = 1 << 12;
    pub(in crate::record) const SIGNATURE: u32 = 1 << 13;
    pub(in crate::record) const ORDER: u32 = 1 << 14;
    pub(in crate::record) const LONG_ID: u32 = 1 << 15;
    pub(in crate::record) const ZONE: u32 = 1 << 16;
    pub(in crate::record) const DECLINE: u32 = 1 << 17;
    pub(in crate::record) const POSTINGS: u32 = 1 << 18;
    pub(in crate::record) const CONFIRMED: u32 = 1 << 19;
    pub(in crate::record) const POSITION: u32 = 1 << 20;
    pub(in crate::record) const TAKEN: u32 = 1 << 21;
    pub(in crate::record) const SENT: u32 = 1 << 22;
    /// Bits above are reserved; a record that has one is of a later level.
    pub(in crate::record) const ALL: u32 = (1 << 23) - 1;
}

/// In a posting's first byte: the owner is the record's wallet and is not repeated.
const OWN_WALLET: u8 = 0x80;
/// In a posting's first byte: the currency is not the block's and follows.
const OTHER_CURRENCY: u8 = 0x40;

/// Appends the canonical bytes of `record`. Its `at` must not lie before the prologue's base.
pub fn encode(record: &Record, prologue: &Prologue, out: &mut Vec<u8>) {
    let start = out.len();
    let presence = presence(record, prologue);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[record.body.kind() as u8, KIND_VERSION]);
    out.extend_from_slice(&presence.to_le_bytes());
    leb::put(out, record.at.0.saturating_sub(prologue.base.0).unsigned_abs());
    put_envelope(out, record, presence);
    put_body(out, &record.body);
    if presence & bit::POSTINGS != 0 {
        put_postings(out, record, prologue);
    }
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn presence(record: &Record, prologue: &Prologue) -> u32 {
    let on = |present: bool, bit: u32| if present { bit } else { 0 };
    let envelope = &record.envelope;
    let mut presence = on(envelope.wallet.is_some(), bit::WALLET)
        | on(envelope.request.is_some(), bit::REQUEST)
        | on(envelope.device.is_some(), bit::DEVICE)
        | on(envelope.till.is_some(), bit::TILL)
        | on(envelope.happened.is_some(), bit::HAPPENED)
        | on(envelope.operator.is_some(), bit::OPERATOR)
        | on(envelope.tag.is_some(), bit::TAG)
        | on(envelope.tag_counter.is_some(), bit::TAG_COUNTER)
        | on(envelope.mode != Mode::default(), bit::MODE)
        | on(envelope.configuration != prologue.configuration, bit::CONFIGURATION)
        | on(envelope.catalogue != prologue.catalogue, bit::CATALOGUE)
        | on(envelope.policy != prologue.policy, bit::POLICY)
        | on(envelope.replaces.is_some(), bit::REPLACES)
        | on(record.decline.is_some(), bit::DECLINE)
        | on(!record.entry.is_empty(), bit::POSTINGS);
    if let Some(rare) = &envelope.rare {
        presence |= on(rare.signature.is_some(), bit::SIGNATURE)
            | on(rare.order.is_some(), bit::ORDER)
            | on(rare.long_id.is_some(), bit::LONG_ID)
            | on(rare.zone.is_some(), bit::ZONE);
    }
    if let Some(mail) = &envelope.mail {
        presence |= on(mail.taken.is_some(), bit::TAKEN) | on(!mail.sent.is_empty(), bit::SENT);
    }
    match &record.body {
        Body::Purchased { confirmed, .. } => presence | on(*confirmed, bit::CONFIRMED),
        Body::Voided { position, .. } => presence | on(position.is_some(), bit::POSITION),
        _ => presence,
    }
}

fn put_envelope(out: &mut Vec<u8>, record: &Record, presence: u32) {
    let envelope = &record.envelope;
    if let Some(wallet) = envelope.wallet {
        out.extend_from_slice(&wallet.get().to_le_bytes());
    }
    if let Some(request) = envelope.request {
        out.extend_from_slice(&request.get().to_le_bytes());
        out.extend_from_slice(&envelope.content.to_le_bytes());
    }
    if let Some(device) = envelope.device {
        leb::put(out, device.get().into());
    }
    if let Some(till) = envelope.till {
        leb::put(out, till.get().into());
    }
    if let Some(happened) = envelope.happened {
        leb::put_signed(out, record.at.0.wrapping_sub(happened.0));
    }
    if let Some(operator) = envelope.operator {
        leb::put(out, operator.get().into());
    }
    if let Some(tag) = envelope.tag {
        out.extend_from_slice(&tag.get().to_le_bytes());
    }
    if let Some(counter) = envelope.tag_counter {
        leb::put(out, counter.get().into());
    }
    if presence & bit::MODE != 0 {
        out.push(envelope.mode.to_byte());
    }
    put_versions(out, envelope, presence);
    if let Some(replaces) = envelope.replaces {
        out.extend_from_slice(&replaces.get().to_le_bytes());
    }
    if let Some(rare) = &envelope.rare {
        put_rare(out, rare);
    }
    if let Some(decline) = record.decline {
        out.push(decline.0.get());
    }
    if let Some(mail) = &envelope.mail {
        put_mail(out, mail);
    }
}

fn put_mail(out: &mut Vec<u8>, mail: &Mail) {
    if let Some(taken) = &mail.taken {
        put_taken(out, taken);
    }
    if !mail.sent.is_empty() {
        put_sent(out, &mail.sent);
    }
}

fn put_versions(out: &mut Vec<u8>, envelope: &Envelope, presence: u32) {
    let versions = [
        (bit::CONFIGURATION, envelope.configuration),
        (bit::CATALOGUE, envelope.catalogue),
        (bit::POLICY, envelope.policy),
    ];
    for (bit, version) in versions {
        if presence & bit != 0 {
            leb::put(out, version.map_or(0, |version| version.get().into()));
        }
    }
}

fn put_rare(out: &mut Vec<u8>, rare: &Rare) {
    for reference in [rare.signature, rare.order].into_iter().flatten() {
        out.extend_from_slice(&reference);
    }
    if let Some(long_id) = rare.long_id {
        out.extend_from_slice(&long_id.to_le_bytes());
    }
    if let Some(zone) = rare.zone {
        leb::put(out, zone.get().into());
    }
}

fn put_postings(out: &mut Vec<u8>, record: &Record, prologue: &Prologue) {
    leb::put(out, record.entry.postings().len() as u64);
    for posting in record.entry.postings() {
        let account = posting.account;
        let own = is_own(account.kind, account.owner, record.envelope.wallet);
        let other = account.currency != prologue.currency;
        let flags = if own { OWN_WALLET } else { 0 } | if other { OTHER_CURRENCY } else { 0 };
        out.push(account.kind as u8 | flags);
        if !own {
            leb::put(out, account.owner);
        }
        if other {
            out.extend_from_slice(&account.currency.numeric().to_le_bytes());
        }
        leb::put_signed(out, posting.minor);
    }
}

fn is_own(kind: AccountKind, owner: u64, wallet: Option<WalletNumber>) -> bool {
    kind.is_purse() && wallet.is_some_and(|wallet| wallet.get() == owner)
}

/// Reads one record from the front of `reader`.
pub fn decode(reader: &mut Reader<'_>, prologue: &Prologue) -> Result<Record, CodecError> {
    let length = Reader::clone(reader).u32()? as usize;
    if !(PREFIX..=MAX_RECORD_BYTES).contains(&length) {
        return Err(reader.error("a record length out of range").into());
    }
    let mut reader = Reader::new(reader.take(length)?);
    reader.take(4)?;
    let (kind, version) = (reader.byte()?, reader.byte()?);
    let known = Kind::from_number(kind).filter(|_| version == KIND_VERSION);
    let kind = known.ok_or(CodecError::UnknownKind { kind, version })?;
    let presence = reader.u32()?;
    if presence & !(bit::ALL) != 0 {
        return Err(reader.error("a field of a later level").into());
    }
    let elapsed = reader.leb_as::<i64>()?;
    let at = At(prologue.base.0.checked_add(elapsed).ok_or(reader.error("a time out of range"))?);
    let (envelope, decline) = take_envelope(&mut reader, presence, at, prologue)?;
    let body = take_body(&mut reader, kind, presence)?;
    let entry = take_postings(&mut reader, presence, &envelope, prologue)?;
    reader.finish()?;
    Ok(Record { at, envelope, body, decline, entry })
}

fn take_envelope(
    reader: &mut Reader<'_>,
    presence: u32,
    at: At,
    prologue: &Prologue,
) -> Result<(Envelope, Option<DeclineCode>), CodecError> {
    let has = |bit: u32| presence & bit != 0;
    let mut envelope = Envelope::default();
    if has(bit::WALLET) {
        envelope.wallet = Some(nonzero(reader, reader.clone().u64()?, 8, WalletNumber::new)?);
    }
    if has(bit::REQUEST) {
        envelope.request = Some(nonzero(reader, reader.clone().u64()?, 8, RequestId::new)?);
        envelope.content = reader.u32()?;
    }
    if has(bit::DEVICE) {
        envelope.device = Some(small(reader, DeviceNumber::new)?);
    }
    if has(bit::TILL) {
        envelope.till = Some(small(reader, TillId::new)?);
    }
    if has(bit::HAPPENED) {
        envelope.happened = Some(At(at.0.wrapping_sub(reader.leb_signed()?)));
    }
    if has(bit::OPERATOR) {
        envelope.operator = Some(small(reader, OperatorId::new)?);
    }
    if has(bit::TAG) {
        envelope.tag = Some(nonzero(reader, reader.clone().u64()?, 8, TagNumber::new)?);
    }
    if has(bit::TAG_COUNTER) {
        envelope.tag_counter = Some(small(reader, std::num::NonZeroU32::new)?);
    }
    if has(bit::MODE) {
        let mode = Mode::from_byte(reader.byte()?).filter(|mode| *mode != Mode::default());
        envelope.mode = mode.ok_or(reader.error("an unknown mode"))?;
    }
    envelope.configuration = take_version(reader, has(bit::CONFIGURATION), prologue.configuration)?;
    envelope.catalogue = take_version(reader, has(bit::CATALOGUE), prologue.catalogue)?;
    envelope.policy = take_version(reader, has(bit::POLICY), prologue.policy)?;
    if has(bit::REPLACES) {
        envelope.replaces = Some(nonzero(reader, reader.clone().u64()?, 8, RequestId::new)?);
    }
    envelope.rare = take_rare(reader, presence)?;
    let decline = if has(bit::DECLINE) {
        let code = std::num::NonZeroU8::new(reader.byte()?).ok_or(reader.error("a decline without code"))?;
        Some(DeclineCode(code))
    } else {
        None
    };
    if presence & (bit::TAKEN | bit::SENT) != 0 {
        let taken = if has(bit::TAKEN) { Some(take_taken(reader)?) } else { None };
        let sent = if has(bit::SENT) { take_sent(reader)? } else { smallvec::SmallVec::new() };
        envelope.mail = Some(Box::new(Mail { taken, sent }));
    }
    Ok((envelope, decline))
}

pub(super) fn nonzero<T>(
    reader: &mut Reader<'_>,
    value: u64,
    width: usize,
    make: impl Fn(u64) -> Option<T>,
) -> Result<T, ReadError> {
    reader.take(width)?;
    make(value).ok_or(reader.error("a present field that is zero"))
}

pub(super) fn small<T>(reader: &mut Reader<'_>, make: impl Fn(u32) -> Option<T>) -> Result<T, ReadError> {
    let value = reader.leb_as::<u32>()?;
    make(value).ok_or(reader.error("a present field that is zero"))
}

fn take_version(
    reader: &mut Reader<'_>,
    present: bool,
    shared: Option<Version>,
) -> Result<Option<Version>, ReadError> {
    if !present {
        return Ok(shared);
    }
    let version = Version::new(reader.leb_as::<u32>()?);
    if version == shared { Err(reader.error("a version repeated from the block")) } else { Ok(version) }
}

fn take_rare(reader: &mut Reader<'_>, presence: u32) -> Result<Option<Box<Rare>>, ReadError> {
    let has = |bit: u32| presence & bit != 0;
    if presence & (bit::SIGNATURE | bit::ORDER | bit::LONG_ID | bit::ZONE) == 0 {
        return Ok(None);
    }
    let mut rare = Box::<Rare>::default();
    if has(bit::SIGNATURE) {
        rare.signature = Some(reader.array()?);
    }
    if has(bit::ORDER) {
        rare.order = Some(reader.array()?);
    }
    if has(bit::LONG_ID) {
        rare.long_id = Some(reader.u64()?);
    }
    if has(bit::ZONE) {
        rare.zone = Some(small(reader, ZoneId::new)?);
    }
    Ok(Some(rare))
}

pub(super) fn take_count(reader: &mut Reader<'_>, limit: usize) -> Result<usize, ReadError> {
    let count = reader.leb_as::<usize>()?;
    if count > limit { Err(reader.error("a count above its limit")) } else { Ok(count) }
}

fn take_postings(
    reader: &mut Reader<'_>,
    presence: u32,
    envelope: &Envelope,
    prologue: &Prologue,
) -> Result<Entry, CodecError> {
    if presence & bit::POSTINGS == 0 {
        return Ok(Entry::none());
    }
    let count = take_count(reader, Entry::MAX_POSTINGS)?;
    if count == 0 {
        return Err(reader.error("no postings where there should be some").into());
    }
    let mut postings = smallvec::SmallVec::<[Posting; 3]>::with_capacity(count);
    for _ in 0..count {
        postings.push(take_posting(reader, envelope.wallet, prologue.currency)?);
    }
    Ok(Entry::new(postings)?)
}

fn take_posting(
    reader: &mut Reader<'_>,
    wallet: Option<WalletNumber>,
    shared: Currency,
) -> Result<Posting, ReadError> {
    let first = reader.byte()?;
    let kind = AccountKind::from_number(first & !(OWN_WALLET | OTHER_CURRENCY));
    let kind = kind.ok_or(reader.error("an unknown kind of account"))?;
    let own = first & OWN_WALLET != 0;
    let owner = match wallet {
        Some(wallet) if own => wallet.get(),
        _ => reader.leb()?,
    };
    if is_own(kind, owner, wallet) != own {
        return Err(reader.error("an owner not written in the canonical way"));
    }
    let currency = if first & OTHER_CURRENCY == 0 {
        shared
    } else {
        let code = reader.u16()?;
        let named = Currency::from_numeric(code).filter(|currency| *currency != shared);
        named.ok_or(reader.error("an unknown or repeated currency"))?
    };
    Ok(Posting { account: Account::new(kind, owner, currency), minor: reader.leb_signed()? })
}
