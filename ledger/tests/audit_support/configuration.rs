//! A good ledger whose configuration was changed while it ran: the records by hand.

use ledger::ids::{FestivalId, Office, ShardId, Version, WalletNumber};
use ledger::record::{Body, Mail, Message, Record, Sent};

use super::messages::{acknowledged, delivered, mail, returned, sent};
use super::{Ledger, about, decline, declined, fact, good, id, purchase, version, versions};

/// The second version, as the office takes it, and as it tells it: cut otherwise.
pub const STAGED: [&[u8]; 2] = [b"another price ", b"for beer"];
pub const TOLD: [&[u8]; 3] = [b"another ", b"price ", b"for beer"];

/// The festival's office: shard 1.
pub fn office() -> WalletNumber {
    Office::Festival(FestivalId(1)).number()
}

/// The record decided under another version than the first.
pub fn under(number: u32, mut record: Record) -> Record {
    let version = Version::new(number);
    let envelope = &mut record.envelope;
    (envelope.configuration, envelope.catalogue, envelope.policy) = (version, version, version);
    record
}

pub fn stages(number: u32, part: u16, bytes: &[u8], counter: u64) -> Record {
    let bytes = bytes.to_vec();
    about(
        office(),
        id(502, counter),
        Body::ConfigurationStaged { version: version(number), part, bytes },
        &[],
    )
}

pub fn adopts(number: u32, parts: u16, whole: &[u8], counter: u64) -> Record {
    let hash = *blake3::hash(whole).as_bytes();
    let body = Body::ConfigurationAdopted { version: version(number), parts, hash };
    about(office(), id(502, counter), body, &[])
}

pub fn part(number: u32, part: u16, bytes: &[u8]) -> Message {
    Message::ConfigurationPart { version: version(number), part, bytes: bytes.to_vec() }
}

pub fn order(number: u32, parts: u16, whole: &[u8]) -> Message {
    Message::ConfigurationOrder { version: version(number), parts, hash: *blake3::hash(whole).as_bytes() }
}

/// `messages` for a shard, from `number` on.
pub fn tells(to: u16, number: u64, messages: &[Message]) -> Record {
    let sent = (number..).zip(messages).map(|(number, message)| sent(to, number, message.clone()));
    let mut record = Record { envelope: versions(), ..fact(Body::Told) };
    record.envelope.mail = Some(Box::new(Mail { taken: None, sent: sent.collect() }));
    record
}

/// Shard 0 takes message `number` of the office.
pub fn hears(number: u64, message: Message) -> Record {
    delivered(None, (1, number), message, &[])
}

/// Shard 0 does not: it goes back as message `back`.
pub fn sends_back(mut record: Record, number: u64, back: u64, why: u8) -> Record {
    let (Body::Delivered { message } | Body::DeadLettered { message }) = &record.body else {
        unreachable!("a taking")
    };
    let message = returned(number, why, message.clone());
    mail(&mut record).sent.push(Sent { to: ShardId(1), number: back, message });
    record
}

pub fn declines(record: Record, number: u64, back: u64) -> Record {
    let record = sends_back(record, number, back, super::messages::OVER_CAP);
    Record { decline: decline(super::messages::OVER_CAP), ..record }
}

/// All messages of a version.
pub fn whole(number: u32, parts: &[&[u8]]) -> Vec<Message> {
    let count = u16::try_from(parts.len()).unwrap();
    let mut all: Vec<_> = (0..).zip(parts).map(|(at, bytes)| part(number, at, bytes)).collect();
    all.push(order(number, count, &parts.concat()));
    all
}

/// The good ledger, and then version 2: asked for at the office in shard 1, told to shard 0 and in force
/// in both.
///
/// Shard 1 goes on from record 11: 11 and 12 stage, 13 a staging declined, 14 adopts, 15 tells parts 0
/// and 1, 16 part 2 and the order, 17 a purchase under version 2, 18 acknowledges. Shard 0 in block 3 from
/// record 22: 22 to 24 the parts, 25 the order, 26 a purchase under version 2.
pub fn changed() -> Ledger {
    let mut ledger = good();
    ledger.push(1, stages(2, 0, STAGED[0], 1));
    ledger.push(1, stages(2, 1, STAGED[1], 2));
    ledger.push(1, declined(stages(3, 2, b"too far ahead", 3), 14));
    ledger.push(1, adopts(2, 2, &STAGED.concat(), 4));
    let messages = whole(2, &TOLD);
    ledger.push(1, under(2, tells(0, 1, &messages[..2])));
    ledger.push(1, under(2, tells(0, 3, &messages[2..])));
    for (number, message) in (1..).zip(messages) {
        ledger.push(0, hears(number, message));
    }
    ledger.push(0, under(2, purchase(2, id(41_394, 20), 0)));
    ledger.push(1, under(2, purchase(3, id(41_395, 20), 0)));
    ledger.push(1, under(2, acknowledged(0, 4)));
    ledger
}
