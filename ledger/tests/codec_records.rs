//! The record codec against its promises: every record survives, has exactly one encoding, and no
//! bytes whatever make the decoder panic or take memory that the bytes themselves do not fill.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test"
)]

use ledger::ids::{At, VendorId, Version};
use ledger::money::Currency;
use ledger::record::leb::Reader;
use ledger::record::{
    Body, CodecError, DeclineCode, Kind, MAX_RECORD_BYTES, Message, Prologue, Record, decode, encode, sample,
    sample_of,
};
use proptest::prelude::*;
use std::num::NonZeroU8;

/// Turns a list of numbers into choices, so that proptest can shrink what is chosen.
fn chooser(choices: Vec<u64>) -> impl FnMut(u64) -> u64 {
    let mut left = choices.into_iter();
    move |limit| left.next().unwrap_or(0) % limit.max(1)
}

fn choices() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(any::<u64>(), 0..400)
}

fn any_record() -> impl Strategy<Value = Record> {
    choices().prop_map(|choices| sample(&mut chooser(choices)))
}

/// A prologue under which `record` can stand: its base at or before it, and versions that are
/// sometimes the record's own.
fn prologue_for(record: &Record, choices: Vec<u64>) -> Prologue {
    let mut choose = chooser(choices);
    let mut version =
        |own| if choose(2) == 0 { own } else { Version::new(u32::try_from(choose(9)).unwrap()) };
    let configuration = version(record.envelope.configuration);
    let catalogue = version(record.envelope.catalogue);
    let policy = version(record.envelope.policy);
    let back = i64::try_from(choose(1 << 40)).unwrap();
    let code = [978, 392, 840][usize::try_from(choose(3)).unwrap()];
    let currency = Currency::from_numeric(code).unwrap();
    Prologue { base: At(record.at.0 - back), configuration, catalogue, policy, currency }
}

fn prologue() -> Prologue {
    Prologue { base: At(0), configuration: None, catalogue: None, policy: None, currency: Currency::EUR }
}

fn encoded(record: &Record, prologue: &Prologue) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, prologue, &mut bytes);
    bytes
}

/// Whatever decodes must encode to the very bytes it was decoded from.
fn check_canonical(bytes: &[u8], prologue: &Prologue) {
    let mut reader = Reader::new(bytes);
    if let Ok(record) = decode(&mut reader, prologue) {
        assert_eq!(encoded(&record, prologue), bytes[..reader.offset()], "{record:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_record_survives(record in any_record(), under in choices()) {
        let prologue = prologue_for(&record, under);
        let mut bytes = encoded(&record, &prologue);
        prop_assert!(bytes.len() <= MAX_RECORD_BYTES);
        let length = bytes.len();
        bytes.extend_from_slice(b"the next record");
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(decode(&mut reader, &prologue), Ok(record));
        prop_assert_eq!(reader.offset(), length);
    }

    #[test]
    fn mutated_bytes_are_refused_or_canonical(
        record in any_record(),
        mutations in proptest::collection::vec((any::<u64>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        let prologue = prologue();
        let mut bytes = encoded(&record, &prologue);
        for (place, value, how) in mutations {
            let at = usize::try_from(place).unwrap() % bytes.len().max(1);
            match how {
                0 if !bytes.is_empty() => bytes[at] = value,
                1 if !bytes.is_empty() => bytes[at] ^= 1 << (value % 8),
                2 => bytes.insert(at, value),
                _ => bytes.truncate(at),
            }
            check_canonical(&bytes, &prologue);
            // The same with a length that fits, so that the mutation reaches the fields.
            let mut fitted = bytes.clone();
            if fitted.len() >= 4 {
                let length = u32::try_from(fitted.len()).unwrap().to_le_bytes();
                fitted[..4].copy_from_slice(&length);
                check_canonical(&fitted, &prologue);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_canonical(
        kind in 0_u8..40,
        presence in any::<u32>(),
        mask in 0_u32..1 << 23,
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let prologue = prologue();
        check_canonical(&rest, &prologue);
        // With a plausible prefix, so that decoding gets somewhere.
        let mut bytes = u32::try_from(10 + rest.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(&[kind, 1]);
        bytes.extend_from_slice(&(presence & mask).to_le_bytes());
        bytes.extend_from_slice(&rest);
        check_canonical(&bytes, &prologue);
    }

    #[test]
    fn every_prefix_of_a_record_is_refused(record in any_record()) {
        let prologue = prologue();
        let bytes = encoded(&record, &prologue);
        for cut in (0..bytes.len()).step_by(1 + bytes.len() / 300) {
            prop_assert!(decode(&mut Reader::new(&bytes[..cut]), &prologue).is_err());
        }
    }
}

#[test]
fn the_generator_reaches_every_kind_and_every_field() {
    let mut source = fastrand::Rng::with_seed(7);
    let mut seen = 0_u32;
    for kind in Kind::ALL {
        for _ in 0..300 {
            let record = sample_of(kind, &mut |limit| source.u64(..limit));
            assert_eq!(record.body.kind(), kind);
            let bytes = encoded(&record, &prologue());
            seen |= u32::from_le_bytes(bytes[6..10].try_into().unwrap());
        }
    }
    assert_eq!(seen, (1 << 23) - 1, "a presence bit that the generator never sets");
}

#[test]
fn a_chooser_of_zeros_gives_a_record() {
    let record = sample(&mut |_| 0);
    assert_eq!(decode(&mut Reader::new(&encoded(&record, &prologue())), &prologue()), Ok(record));
}

/// A small record with the fields a table row needs, as bytes that the row then spoils.
fn plain(body: Body) -> Vec<u8> {
    let mut record = sample(&mut |_| 0);
    record.body = body;
    encoded(&record, &prologue())
}

fn refused(bytes: &[u8]) -> CodecError {
    decode(&mut Reader::new(bytes), &prologue()).unwrap_err()
}

#[test]
fn each_way_to_be_wrong_is_refused_by_name() {
    let released = plain(Body::Released);
    assert_eq!(released.len(), 11, "prefix and one byte of time");
    let with = |at: usize, value: u8| {
        let mut bytes = released.clone();
        bytes[at] = value;
        refused(&bytes).to_string()
    };
    for (at, value, expected) in [
        (0, 9, "byte 0: a record length out of range"),
        (0, 10, "byte 10: the bytes end early"),
        (0, 12, "byte 0: the bytes end early"),
        (3, 1, "byte 0: a record length out of range"),
        (4, 0, "record kind 0 version 1 is not known at this level"),
        (4, 200, "record kind 200 version 1 is not known at this level"),
        (5, 2, "record kind 33 version 2 is not known at this level"),
        (8, 0x80, "byte 10: a field of a later level"),
        (8, 0x20, "byte 11: the bytes end early"),
        (8, 0x40, "byte 11: the bytes end early"),
        (8, 0x08, "byte 11: a field that this kind does not have"),
        (8, 0x10, "byte 11: a field that this kind does not have"),
        (8, 0x04, "byte 11: the bytes end early"),
        (10, 0x80, "byte 11: the bytes end early"),
    ] {
        assert_eq!(with(at, value), expected, "byte {at} set to {value}");
    }
    let mut longer = released.clone();
    longer.push(0);
    longer[0] += 1;
    assert_eq!(refused(&longer).to_string(), "byte 11: bytes left over");
}

#[test]
fn a_length_that_lies_is_refused_before_anything_is_allocated() {
    let version = Version::new(1).unwrap();
    let staged = plain(Body::ConfigurationStaged { version, part: 0, bytes: vec![1, 2, 3] });
    // Length, kind and presence 10 bytes, time 1, version 1, part 1: then the length of the bytes.
    for claim in [4_u8, 0x7f] {
        let mut bytes = staged.clone();
        bytes[13] = claim;
        assert_eq!(refused(&bytes).to_string(), "byte 14: the bytes end early");
    }
    let mut huge = staged[..13].to_vec();
    huge.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    huge[0] = u8::try_from(huge.len()).unwrap();
    assert!(refused(&huge).to_string().contains("a length that overflows"), "{}", refused(&huge));
    let purchase = plain(Body::Purchased {
        lines: [].into_iter().collect(),
        taxes: [].into_iter().collect(),
        confirmed: false,
    });
    let mut lines = purchase.clone();
    lines[11] = 65;
    assert_eq!(refused(&lines).to_string(), "byte 12: a count above its limit");
    let mut taxes = purchase;
    taxes[12] = 65;
    assert_eq!(refused(&taxes).to_string(), "byte 13: a count above its limit");
}

/// A return of a return would let one small record grow the reader's stack without end.
#[test]
fn messages_that_cannot_be_are_refused_by_name() {
    let vendor = VendorId::new(1).unwrap();
    let swept = Message::Swept { vendor, currency: Currency::EUR, amount: 1 };
    let why = DeclineCode(NonZeroU8::new(13).unwrap());
    let back = Message::Returned { number: 1, why, message: Box::new(swept) };
    let good = plain(Body::Delivered { message: back });
    // Length, kind and presence 10 bytes, time 1: then 128, number, why, the message.
    assert_eq!(good[11..15], [128, 1, 13, 2]);
    for (at, value, expected) in [
        (11, 8, "byte 12: an unknown kind of message"),
        (12, 0, "byte 13: a message without number"),
        (13, 0, "byte 14: a return without a reason"),
        (14, 128, "byte 15: an unknown kind of message"),
        (15, 0, "byte 16: a present field that is zero"),
        (16, 0xff, "byte 18: an unknown currency"),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(refused(&bytes).to_string(), expected, "byte {at} set to {value}");
    }
}

#[test]
fn what_the_block_already_says_is_not_repeated() {
    // A user would lose the one hash per meaning: two encodings of one record, two chains.
    let own = Prologue { configuration: Version::new(5), ..prologue() };
    let mut record = sample(&mut |_| 0);
    record.envelope.configuration = Version::new(5);
    let short = encoded(&record, &own);
    let long = encoded(&record, &prologue());
    assert_eq!(long.len(), short.len() + 1);
    let error = decode(&mut Reader::new(&long), &own).unwrap_err();
    assert_eq!(error.to_string(), "byte 12: a version repeated from the block");
}
