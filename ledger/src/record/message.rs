//! What one shard tells another: messages of a channel, as records carry them. A record sends them
//! (it is the outbox) and a record takes each of them; nothing crosses shards in another way (L5).

use smallvec::SmallVec;

use super::DeclineCode;
use super::leb::{self, ReadError, Reader};
use crate::ids::{FestivalId, ShardId, TagNumber, VendorId, Version, WalletNumber};
use crate::money::Currency;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Money from one wallet for another.
    Transfer {
        /// The festival of both.
        festival: FestivalId,
        /// Who pays.
        payer: WalletNumber,
        /// Who is to have it.
        payee: WalletNumber,
        /// The festival's currency.
        currency: Currency,
        /// Minor units, above zero.
        amount: i64,
    },
    /// A vendor's sales in one shard, on their way to the vendor's home.
    Swept {
        /// The vendor.
        vendor: VendorId,
        /// The festival's currency.
        currency: Currency,
        /// Minor units, above zero.
        amount: i64,
    },
    /// A tag has been given to a wallet.
    Paired {
        /// The festival of the wallet.
        festival: FestivalId,
        /// The tag.
        tag: TagNumber,
        /// The other 8 bytes of its hash.
        check: u64,
        /// The wallet.
        wallet: WalletNumber,
        /// The tag that it takes the place of.
        replaces: Option<TagNumber>,
    },
    /// A part of a configuration; invisible until adopted.
    ConfigurationPart {
        /// The version being staged.
        version: Version,
        /// Which part, from 0.
        part: u16,
        /// At most [`Message::MAX_PART`] bytes.
        bytes: Vec<u8>,
    },
    /// The staged configuration is to be in force.
    ConfigurationOrder {
        /// The version.
        version: Version,
        /// How many parts it has.
        parts: u16,
        /// BLAKE3 over all parts in order.
        hash: [u8; 32],
    },
    /// A wallet gives another one an allowance, or ends it.
    Allowance {
        /// The festival of both.
        festival: FestivalId,
        /// Who gives.
        parent: WalletNumber,
        /// Who is to have it.
        child: WalletNumber,
        /// What it is filled up to, minor units; 0 ends it.
        target: i64,
        /// Below this it is filled up.
        mark: i64,
        /// The festival's currency.
        currency: Currency,
        /// Minor units that it brings; 0 or more.
        amount: i64,
    },
    /// An allowance has fallen below its mark: more is asked for.
    AllowanceAsked {
        /// The festival of both.
        festival: FestivalId,
        /// Who asks.
        child: WalletNumber,
        /// Who gives.
        parent: WalletNumber,
        /// The festival's currency.
        currency: Currency,
        /// Minor units that are missing, above zero.
        amount: i64,
    },
    /// A message that could not take effect comes back with what it brought. Never declined.
    Returned {
        /// Its number on the channel it came by.
        number: u64,
        /// Why it could not take effect.
        why: DeclineCode,
        /// The message itself; never a return.
        message: Box<Message>,
    },
}

mod kind {
    pub(super) const TRANSFER: u8 = 1;
    pub(super) const SWEPT: u8 = 2;
    pub(super) const PAIRED: u8 = 3;
    pub(super) const CONFIGURATION_PART: u8 = 4;
    pub(super) const CONFIGURATION_ORDER: u8 = 5;
    pub(super) const ALLOWANCE: u8 = 6;
    pub(super) const ALLOWANCE_ASKED: u8 = 7;
    pub(super) const RETURNED: u8 = 128;
}

impl Message {
    /// Most bytes of a part of a configuration: several fit a record.
    pub const MAX_PART: usize = 4_000;

    /// Name for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Transfer { .. } => "transfer",
            Self::Swept { .. } => "swept",
            Self::Paired { .. } => "paired",
            Self::ConfigurationPart { .. } => "configuration part",
            Self::ConfigurationOrder { .. } => "configuration order",
            Self::Allowance { .. } => "allowance",
            Self::AllowanceAsked { .. } => "allowance asked",
            Self::Returned { .. } => "returned",
        }
    }

    /// Whether it brings back another message. Such a one is never declined, and the window of
    /// requests does not count it.
    pub const fn is_return(&self) -> bool {
        matches!(self, Self::Returned { .. })
    }

    /// Whether it brings what is left of an allowance back to who gave it: an allowance that keeps nobody
    /// in money and still carries some. It is never declined, whatever the cap.
    pub const fn gives_back(&self) -> bool {
        matches!(self, Self::Allowance { target: 0, amount, .. } if *amount != 0)
    }

    /// Appends its canonical bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_message(out, self);
    }

    /// The money it carries; `None` where it carries none.
    pub fn money(&self) -> Option<(Currency, i64)> {
        match self {
            Self::Transfer { currency, amount, .. } | Self::Swept { currency, amount, .. } => {
                Some((*currency, *amount))
            }
            Self::Allowance { currency, amount, .. } => Some((*currency, *amount)).filter(|_| *amount != 0),
            Self::Paired { .. }
            | Self::ConfigurationPart { .. }
            | Self::ConfigurationOrder { .. }
            | Self::AllowanceAsked { .. } => None,
            Self::Returned { message, .. } => message.money(),
        }
    }
}

/// A message that a record sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The receiving shard; may be the sender itself.
    pub to: ShardId,
    /// Its number on that channel: 1, 2, 3 ... without a gap.
    pub number: u64,
    /// What it says.
    pub message: Message,
}

/// The message that a record takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The sending shard.
    pub from: ShardId,
    /// The message's number on the channel from there.
    pub number: u64,
}

/// What a record does to channels; so seldom present that it lies out of line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mail {
    /// The message whose taking this record is.
    pub taken: Option<Taken>,
    /// The messages it sends; at most [`Mail::MAX_SENT`].
    pub sent: SmallVec<[Sent; 1]>,
}

impl Mail {
    /// Most messages one record sends: one to each shard of the largest ledger that is sensible.
    pub const MAX_SENT: usize = 1_024;
}

pub(super) fn put_taken(out: &mut Vec<u8>, taken: &Taken) {
    leb::put(out, taken.from.0.into());
    leb::put(out, taken.number);
}

pub(super) fn take_taken(reader: &mut Reader<'_>) -> Result<Taken, ReadError> {
    let from = ShardId(reader.leb_as()?);
    Ok(Taken { from, number: take_number(reader)? })
}

pub(super) fn put_sent(out: &mut Vec<u8>, sent: &[Sent]) {
    leb::put(out, sent.len() as u64);
    for Sent { to, number, message } in sent {
        leb::put(out, to.0.into());
        leb::put(out, *number);
        put_message(out, message);
    }
}

pub(super) fn take_sent(reader: &mut Reader<'_>) -> Result<SmallVec<[Sent; 1]>, ReadError> {
    let count = reader.leb_as::<usize>()?;
    if !(1..=Mail::MAX_SENT).contains(&count) {
        return Err(reader.error("a count of messages out of range"));
    }
    (0..count)
        .map(|_| {
            let to = ShardId(reader.leb_as()?);
            Ok(Sent { to, number: take_number(reader)?, message: take_message(reader)? })
        })
        .collect()
}

fn take_number(reader: &mut Reader<'_>) -> Result<u64, ReadError> {
    match reader.leb()? {
        0 => Err(reader.error("a message without number")),
        number => Ok(number),
    }
}

pub(super) fn put_message(out: &mut Vec<u8>, message: &Message) {
    match message {
        Message::Transfer { festival, payer, payee, currency, amount } => {
            out.push(kind::TRANSFER);
            leb::put(out, festival.0.into());
            out.extend_from_slice(&payer.get().to_le_bytes());
            out.extend_from_slice(&payee.get().to_le_bytes());
            put_money(out, *currency, *amount);
        }
        Message::Swept { vendor, currency, amount } => {
            out.push(kind::SWEPT);
            leb::put(out, vendor.get().into());
            put_money(out, *currency, *amount);
        }
        Message::Paired { festival, tag, check, wallet, replaces } => {
            out.push(kind::PAIRED);
            leb::put(out, festival.0.into());
            out.extend_from_slice(&tag.get().to_le_bytes());
            out.extend_from_slice(&check.to_le_bytes());
            out.extend_from_slice(&wallet.get().to_le_bytes());
            put_tag(out, *replaces);
        }
        Message::ConfigurationPart { version, part, bytes } => {
            out.push(kind::CONFIGURATION_PART);
            leb::put(out, version.get().into());
            leb::put(out, (*part).into());
            leb::put(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
        Message::ConfigurationOrder { version, parts, hash } => {
            out.push(kind::CONFIGURATION_ORDER);
            leb::put(out, version.get().into());
            leb::put(out, (*parts).into());
            out.extend_from_slice(hash);
        }
        Message::Allowance { festival, parent, child, target, mark, currency, amount } => {
            out.push(kind::ALLOWANCE);
            leb::put(out, festival.0.into());
            out.extend_from_slice(&parent.get().to_le_bytes());
            out.extend_from_slice(&child.get().to_le_bytes());
            leb::put_signed(out, *target);
            leb::put_signed(out, *mark);
            put_money(out, *currency, *amount);
        }
        Message::AllowanceAsked { festival, child, parent, currency, amount } => {
            out.push(kind::ALLOWANCE_ASKED);
            leb::put(out, festival.0.into());
            out.extend_from_slice(&child.get().to_le_bytes());
            out.extend_from_slice(&parent.get().to_le_bytes());
            put_money(out, *currency, *amount);
        }
        Message::Returned { number, why, message } => {
            out.push(kind::RETURNED);
            leb::put(out, *number);
            out.push(why.0.get());
            put_message(out, message);
        }
    }
}

fn put_money(out: &mut Vec<u8>, currency: Currency, amount: i64) {
    out.extend_from_slice(&currency.numeric().to_le_bytes());
    leb::put_signed(out, amount);
}

pub(super) fn take_message(reader: &mut Reader<'_>) -> Result<Message, ReadError> {
    match reader.byte()? {
        kind::RETURNED => {
            let number = take_number(reader)?;
            let why = std::num::NonZeroU8::new(reader.byte()?);
            let why = DeclineCode(why.ok_or(reader.error("a return without a reason"))?);
            let kind = reader.byte()?;
            Ok(Message::Returned { number, why, message: Box::new(take_request(reader, kind)?) })
        }
        kind => take_request(reader, kind),
    }
}

/// Any message but a return: what came back cannot come back again.
fn take_request(reader: &mut Reader<'_>, kind: u8) -> Result<Message, ReadError> {
    match kind {
        kind::TRANSFER => {
            let festival = FestivalId(reader.leb_as()?);
            let (payer, payee) = (take_wallet(reader)?, take_wallet(reader)?);
            let (currency, amount) = take_money(reader)?;
            Ok(Message::Transfer { festival, payer, payee, currency, amount })
        }
        kind::SWEPT => {
            let vendor = VendorId::new(reader.leb_as()?);
            let vendor = vendor.ok_or(reader.error("a present field that is zero"))?;
            let (currency, amount) = take_money(reader)?;
            Ok(Message::Swept { vendor, currency, amount })
        }
        kind::PAIRED => Ok(Message::Paired {
            festival: FestivalId(reader.leb_as()?),
            tag: take_tag(reader)?.ok_or(reader.error("a present field that is zero"))?,
            check: reader.u64()?,
            wallet: take_wallet(reader)?,
            replaces: take_tag(reader)?,
        }),
        kind::CONFIGURATION_PART => {
            let (version, part) = (take_number_of_version(reader)?, reader.leb_as()?);
            let length = reader.leb_as::<usize>()?;
            if length > Message::MAX_PART {
                return Err(reader.error("a part of a configuration above its limit"));
            }
            Ok(Message::ConfigurationPart { version, part, bytes: reader.take(length)?.to_vec() })
        }
        kind::CONFIGURATION_ORDER => Ok(Message::ConfigurationOrder {
            version: take_number_of_version(reader)?,
            parts: reader.leb_as()?,
            hash: reader.array()?,
        }),
        kind::ALLOWANCE => {
            let festival = FestivalId(reader.leb_as()?);
            let (parent, child) = (take_wallet(reader)?, take_wallet(reader)?);
            let (target, mark) = (reader.leb_signed()?, reader.leb_signed()?);
            let (currency, amount) = take_money(reader)?;
            Ok(Message::Allowance { festival, parent, child, target, mark, currency, amount })
        }
        kind::ALLOWANCE_ASKED => {
            let festival = FestivalId(reader.leb_as()?);
            let (child, parent) = (take_wallet(reader)?, take_wallet(reader)?);
            let (currency, amount) = take_money(reader)?;
            Ok(Message::AllowanceAsked { festival, child, parent, currency, amount })
        }
        _ => Err(reader.error("an unknown kind of message")),
    }
}

/// A tag in 8 bytes; zeros for none.
pub(super) fn put_tag(out: &mut Vec<u8>, tag: Option<TagNumber>) {
    out.extend_from_slice(&tag.map_or(0, TagNumber::get).to_le_bytes());
}

pub(super) fn take_tag(reader: &mut Reader<'_>) -> Result<Option<TagNumber>, ReadError> {
    Ok(TagNumber::new(reader.u64()?))
}

fn take_number_of_version(reader: &mut Reader<'_>) -> Result<Version, ReadError> {
    Version::new(reader.leb_as()?).ok_or(reader.error("a present field that is zero"))
}

fn take_wallet(reader: &mut Reader<'_>) -> Result<WalletNumber, ReadError> {
    WalletNumber::new(reader.u64()?).ok_or(reader.error("a present field that is zero"))
}

fn take_money(reader: &mut Reader<'_>) -> Result<(Currency, i64), ReadError> {
    let currency = Currency::from_numeric(reader.u16()?).ok_or(reader.error("an unknown currency"))?;
    Ok((currency, reader.leb_signed()?))
}
