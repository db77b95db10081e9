//! Any valid record, from choices the caller makes: the generator that the property tests, the
//! simulator and the golden examples of other crates share. It draws no randomness of its own, so
//! the same choices give the same record. It must never make what the codec would not take back.

use std::num::{NonZeroU8, NonZeroU32};

use super::{
    Body, DeclineCode, Envelope, Genesis, Kind, Line, Lines, Mail, Message, Mode, Rare, Record, Sent, Taken,
    Tax, Taxes, Tender,
};
use crate::account::{Account, AccountKind};
use crate::entry::{Entry, Posting};
use crate::ids::{
    At, DeviceNumber, Epoch, FestivalId, ItemId, LedgerId, OperatorId, RecordNumber, RequestId, ShardId,
    TagNumber, TillId, VendorId, Version, WalletNumber, ZoneId,
};
use crate::money::{BALANCE_LIMIT, Currency, VatRate};

/// Currencies of sampled postings: decimals of every width.
const CURRENCIES: [u16; 4] = [978, 392, 48, 756];
/// Sampled times lie below this (2^52 microseconds, the year 2112), so that any base fits.
const AT_LIMIT: u64 = 1 << 52;

/// Where a number can be no tag's.
const TAG: TagNumber = TagNumber::new(1).unwrap();

/// A record that the codec takes, of any kind, with any fields present. `choose(n)` answers with a
/// number below `n`; a chooser that always answers 0 gives the smallest record. What the record
/// says need not make sense in any ledger: see `audit` for what must.
pub fn sample(choose: &mut impl FnMut(u64) -> u64) -> Record {
    let kind = Kind::ALL[index(choose, Kind::ALL.len())];
    sample_of(kind, choose)
}

/// As [`sample`], of this kind.
pub fn sample_of(kind: Kind, choose: &mut impl FnMut(u64) -> u64) -> Record {
    let at = At(number(choose, AT_LIMIT).cast_signed());
    let envelope = envelope(choose, at);
    let decline = maybe(choose, |choose| DeclineCode(NonZeroU8::MIN.saturating_add(byte(choose).min(254))));
    let body = body(kind, decline.is_some(), choose);
    let entry = if decline.is_some() { Entry::none() } else { entry(choose, envelope.wallet) };
    Record { at, envelope, body, decline, entry }
}

fn index(choose: &mut impl FnMut(u64) -> u64, length: usize) -> usize {
    usize::try_from(choose(length as u64)).map_or(0, |index| index.min(length.saturating_sub(1)))
}

/// A number below `limit`, of any magnitude: small ones as often as large ones.
fn number(choose: &mut impl FnMut(u64) -> u64, limit: u64) -> u64 {
    let bits = choose(64);
    choose(limit.min(1_u64 << bits).max(1)).min(limit - 1)
}

fn narrow(choose: &mut impl FnMut(u64) -> u64) -> u32 {
    u32::try_from(number(choose, 1 << 32)).unwrap_or(u32::MAX)
}

fn short(choose: &mut impl FnMut(u64) -> u64) -> u16 {
    u16::try_from(number(choose, 1 << 16)).unwrap_or(u16::MAX)
}

fn byte(choose: &mut impl FnMut(u64) -> u64) -> u8 {
    u8::try_from(choose(256)).unwrap_or(u8::MAX)
}

fn wide(choose: &mut impl FnMut(u64) -> u64) -> u64 {
    number(choose, u64::MAX)
}

fn signed(choose: &mut impl FnMut(u64) -> u64) -> i64 {
    let magnitude = wide(choose).cast_signed();
    if choose(2) == 0 { magnitude } else { !magnitude }
}

fn bytes<const N: usize>(choose: &mut impl FnMut(u64) -> u64) -> [u8; N] {
    std::array::from_fn(|_| byte(choose))
}

fn maybe<T, C: FnMut(u64) -> u64>(choose: &mut C, make: impl FnOnce(&mut C) -> T) -> Option<T> {
    if choose(2) == 0 { None } else { Some(make(choose)) }
}

/// An id of at least 1, made by `make`, which has a place for every other number.
fn some_id<T>(value: u32, make: impl Fn(u32) -> Option<T>) -> Option<T> {
    make(value.max(1))
}

fn version(choose: &mut impl FnMut(u64) -> u64) -> Option<Version> {
    Version::new(narrow(choose))
}

fn envelope(choose: &mut impl FnMut(u64) -> u64, at: At) -> Envelope {
    let request = RequestId::new(wide(choose));
    Envelope {
        wallet: WalletNumber::new(wide(choose)),
        request,
        content: if request.is_some() { narrow(choose) } else { 0 },
        device: maybe(choose, narrow).and_then(|value| some_id(value, DeviceNumber::new)),
        till: maybe(choose, narrow).and_then(|value| some_id(value, TillId::new)),
        happened: maybe(choose, |choose| At(at.0.wrapping_sub(signed(choose)))),
        operator: maybe(choose, narrow).and_then(|value| some_id(value, OperatorId::new)),
        tag: maybe(choose, wide).and_then(TagNumber::new),
        tag_counter: maybe(choose, narrow).and_then(NonZeroU32::new),
        mode: Mode { offline: choose(2) != 0, training: choose(2) != 0 },
        configuration: version(choose),
        catalogue: version(choose),
        policy: version(choose),
        replaces: maybe(choose, wide).and_then(RequestId::new),
        rare: if choose(4) == 3 { rare(choose) } else { None },
        mail: if choose(4) == 3 { mail(choose) } else { None },
    }
}

/// `None` rather than neither taken nor sent: that has no encoding of its own.
fn mail(choose: &mut impl FnMut(u64) -> u64) -> Option<Box<Mail>> {
    let taken = maybe(choose, |choose| Taken { from: ShardId(short(choose)), number: wide(choose).max(1) });
    let sent = |choose: &mut _| Sent {
        to: ShardId(short(&mut *choose)),
        number: wide(&mut *choose).max(1),
        message: message(choose),
    };
    let count = index(choose, 4);
    let sent = (0..count).map(|_| sent(&mut *choose)).collect();
    let mail = Mail { taken, sent };
    if mail == Mail::default() { None } else { Some(Box::new(mail)) }
}

fn message<C: FnMut(u64) -> u64>(choose: &mut C) -> Message {
    if choose(3) < 2 {
        return request(choose);
    }
    let (number, why) =
        (wide(choose).max(1), DeclineCode(NonZeroU8::MIN.saturating_add(byte(choose).min(254))));
    Message::Returned { number, why, message: Box::new(request(choose)) }
}

/// A message that is no return.
fn request(choose: &mut impl FnMut(u64) -> u64) -> Message {
    let currency =
        Currency::from_numeric(CURRENCIES[index(choose, CURRENCIES.len())]).unwrap_or(Currency::EUR);
    let mut wallet = || TagNumber::new(wide(choose).max(1)).unwrap_or(TAG).as_wallet();
    let (one, other) = (wallet(), wallet());
    let festival = FestivalId(short(choose));
    match choose(7) {
        0 => Message::Transfer { festival, payer: one, payee: other, currency, amount: signed(choose) },
        1 => {
            let vendor = VendorId::new(narrow(choose)).unwrap_or(VendorId::MIN);
            Message::Swept { vendor, currency, amount: signed(choose) }
        }
        2 => {
            let (check, replaces) = (wide(choose), TagNumber::new(wide(choose)));
            Message::Paired { festival, tag: one.as_tag(), check, wallet: other, replaces }
        }
        3 | 4 => configuration_message(choose),
        5 => {
            Message::AllowanceAsked { festival, child: one, parent: other, currency, amount: signed(choose) }
        }
        _ => {
            let (target, mark, amount) = (signed(choose), signed(choose), signed(choose));
            Message::Allowance { festival, parent: one, child: other, target, mark, currency, amount }
        }
    }
}

fn configuration_message(choose: &mut impl FnMut(u64) -> u64) -> Message {
    let version = version(choose).unwrap_or(Version::MIN);
    if choose(2) == 0 {
        return Message::ConfigurationOrder { version, parts: short(choose), hash: bytes(choose) };
    }
    let fill = byte(choose);
    let length = if choose(16) == 15 { Message::MAX_PART } else { index(choose, 64) };
    Message::ConfigurationPart { version, part: short(choose), bytes: vec![fill; length] }
}

/// `None` rather than all fields absent: that has no encoding of its own.
fn rare(choose: &mut impl FnMut(u64) -> u64) -> Option<Box<Rare>> {
    let rare = Rare {
        signature: maybe(choose, bytes),
        order: maybe(choose, bytes),
        long_id: maybe(choose, wide),
        zone: maybe(choose, narrow).and_then(ZoneId::new),
    };
    if rare == Rare::default() { None } else { Some(Box::new(rare)) }
}

fn body(kind: Kind, declined: bool, choose: &mut impl FnMut(u64) -> u64) -> Body {
    let one = Version::new(1);
    match kind {
        Kind::LedgerOpened => Body::LedgerOpened(Genesis {
            ledger: LedgerId(bytes(choose)),
            shards: short(choose),
            level: short(choose),
            key_id: bytes(choose),
        }),
        Kind::EpochOpened => Body::EpochOpened { epoch: Epoch(narrow(choose)) },
        Kind::ConfigurationStaged | Kind::ConfigurationAdopted => {
            let Some(version) = version(choose).or(one) else { return Body::Quarantined };
            configuration(kind, version, choose)
        }
        Kind::WalletOpened => Body::WalletOpened { check: wide(choose), festival: FestivalId(short(choose)) },
        Kind::ToppedUp => {
            let tender = if choose(2) == 0 { Tender::Cash } else { Tender::Bonus };
            Body::ToppedUp { tender, amount: signed(choose) }
        }
        Kind::Purchased => {
            let taxes = if declined { Taxes::new() } else { taxes(choose) };
            Body::Purchased { lines: lines(choose), taxes, confirmed: choose(2) != 0 }
        }
        Kind::Voided => {
            let Some(sale) = RequestId::new(wide(choose).max(1)) else { return Body::Quarantined };
            Body::Voided { sale, position: maybe(choose, position) }
        }
        Kind::Cancelled => Body::Cancelled { position: position(choose) },
        Kind::Burned => Body::Burned { check: wide(choose) },
        Kind::Quarantined => Body::Quarantined,
        Kind::Released => Body::Released,
        Kind::TransferSent => match WalletNumber::new(wide(choose).max(1)) {
            Some(payee) => Body::TransferSent { payee, amount: signed(choose) },
            None => Body::Quarantined,
        },
        Kind::TagPaired | Kind::TagSet => tag_fact(kind, choose),
        Kind::Held | Kind::Captured | Kind::HoldReleased | Kind::HoldExpired => hold(kind, declined, choose),
        Kind::AllowanceSet | Kind::AllowanceReturned => allowance(kind, choose),
        Kind::PaidOut => Body::PaidOut { amount: signed(choose) },
        Kind::Told => Body::Told,
        Kind::Delivered => Body::Delivered { message: message(choose) },
        Kind::DeadLettered => Body::DeadLettered { message: message(choose) },
        Kind::Acknowledged => Body::Acknowledged { to: ShardId(short(choose)), up_to: wide(choose) },
        Kind::Swept => match VendorId::new(narrow(choose).max(1)) {
            Some(vendor) => Body::Swept { vendor, amount: signed(choose) },
            None => Body::Quarantined,
        },
    }
}

fn tag_fact(kind: Kind, choose: &mut impl FnMut(u64) -> u64) -> Body {
    let tag = TagNumber::new(wide(choose).max(1)).unwrap_or(TAG);
    if kind == Kind::TagSet {
        return Body::TagSet { tag, blocked: choose(2) != 0 };
    }
    let replaces = TagNumber::new(wide(choose));
    Body::TagPaired { check: wide(choose), wallet: tag.as_wallet(), replaces }
}

fn hold(kind: Kind, declined: bool, choose: &mut impl FnMut(u64) -> u64) -> Body {
    let hold = RequestId::new(wide(choose).max(1));
    match (kind, hold) {
        (Kind::HoldReleased, Some(hold)) => Body::HoldReleased { hold },
        (Kind::HoldExpired, Some(hold)) => Body::HoldExpired { hold },
        (Kind::Captured, Some(hold)) => {
            let taxes = if declined { Taxes::new() } else { taxes(choose) };
            let from = [signed(choose), signed(choose), signed(choose)];
            Body::Captured { hold, lines: lines(choose), taxes, from }
        }
        _ => Body::Held { amount: signed(choose), seconds: narrow(choose) },
    }
}

fn allowance(kind: Kind, choose: &mut impl FnMut(u64) -> u64) -> Body {
    let other = TagNumber::new(wide(choose).max(1)).unwrap_or(TAG).as_wallet();
    if kind == Kind::AllowanceReturned {
        return Body::AllowanceReturned { parent: other, amount: signed(choose) };
    }
    Body::AllowanceSet { child: other, target: signed(choose), mark: signed(choose) }
}

fn configuration(kind: Kind, version: Version, choose: &mut impl FnMut(u64) -> u64) -> Body {
    if kind == Kind::ConfigurationAdopted {
        return Body::ConfigurationAdopted { version, parts: short(choose), hash: bytes(choose) };
    }
    // Mostly a few bytes; now and then a part of the largest size.
    let length = if choose(16) == 15 { 64 * 1024 } else { index(choose, 64) };
    let fill = byte(choose);
    Body::ConfigurationStaged { version, part: short(choose), bytes: vec![fill; length] }
}

fn position(choose: &mut impl FnMut(u64) -> u64) -> RecordNumber {
    RecordNumber(number(choose, RecordNumber::MAX + 1))
}

fn lines(choose: &mut impl FnMut(u64) -> u64) -> Lines {
    let count = index(choose, Line::MAX + 1);
    let line = |choose: &mut _| {
        let item = some_id(narrow(choose), ItemId::new)?;
        Some(Line { item, quantity: short(choose), unit_price: narrow(choose), vat: rate(choose) })
    };
    (0..count).filter_map(|_| line(&mut *choose)).collect()
}

fn taxes(choose: &mut impl FnMut(u64) -> u64) -> Taxes {
    let count = index(choose, Line::MAX + 1);
    (0..count).map(|_| Tax { rate: rate(choose), base: signed(choose), tax: signed(choose) }).collect()
}

fn rate(choose: &mut impl FnMut(u64) -> u64) -> VatRate {
    let hundredths = number(choose, u64::from(VatRate::MAX) + 1);
    u16::try_from(hundredths).ok().and_then(VatRate::new).unwrap_or_default()
}

/// Pairs of a debit and its credit, each pair in a currency of its own choosing.
fn entry(choose: &mut impl FnMut(u64) -> u64, wallet: Option<WalletNumber>) -> Entry {
    let mut postings = Vec::new();
    for _ in 0..index(choose, Entry::MAX_POSTINGS / 2 + 1) {
        let code = CURRENCIES[index(choose, CURRENCIES.len())];
        let currency = Currency::from_numeric(code).unwrap_or(Currency::EUR);
        let minor = number(choose, BALANCE_LIMIT.unsigned_abs()).max(1).cast_signed();
        let minor = if choose(2) == 0 { minor } else { -minor };
        postings.push(Posting { account: account(choose, wallet, currency), minor });
        postings.push(Posting { account: account(choose, wallet, currency), minor: -minor });
    }
    Entry::new(postings).unwrap_or_default()
}

fn account(choose: &mut impl FnMut(u64) -> u64, wallet: Option<WalletNumber>, currency: Currency) -> Account {
    let kind = AccountKind::ALL[index(choose, AccountKind::ALL.len())];
    let own = wallet.filter(|_| choose(2) == 0);
    Account::new(kind, own.map_or_else(|| wide(choose), WalletNumber::get), currency)
}
