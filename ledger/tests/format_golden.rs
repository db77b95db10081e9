//! `FORMAT.md` against the code: every example in the document is what the code writes today, and
//! reads back as what was written. What a user would lose without it: a directory written by an
//! earlier build that this one reads differently.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "a test"
)]

mod format_support;

use format_support::annotate::{self, Shared};
use format_support::document::{self, Document};
use format_support::examples::{self, EVENING};
use ledger::block::{Block, Draft, Head};
use ledger::ids::{Epoch, ShardId};
use ledger::record::leb::Reader;
use ledger::record::{Kind, Record, decode, encode};

#[test]
fn every_example_is_what_the_code_writes() {
    let mut document = Document::open();
    for example in examples::records() {
        let mut bytes = Vec::new();
        encode(&example.record, &example.prologue, &mut bytes);
        let notes = annotate::record(&bytes, &Shared { base: example.prologue.base.0 });
        document.check(example.name, &notes.text());
    }
    for (name, header, payload) in examples::blocks() {
        let bytes = [&header.to_bytes()[..], &payload].concat();
        document.check(name, &annotate::block(&bytes).text());
    }
    document.check("bytes-per-purchase", &format!("{:.1}\n", bytes_per_purchase()));
    document.save();
    assert_eq!(Document::open().level(), ledger::LEVEL, "the document describes another level");
}

#[test]
fn every_example_reads_back_as_what_was_written() {
    let document = Document::open();
    for example in examples::records() {
        let bytes = document.bytes(example.name);
        let mut reader = Reader::new(&bytes);
        assert_eq!(decode(&mut reader, &example.prologue), Ok(example.record), "{}", example.name);
        assert_eq!(reader.left(), 0, "{}", example.name);
    }
    let mut head = Head::default();
    for (name, header, _) in examples::blocks() {
        let bytes = document.bytes(name);
        let block = Block::read(&mut Reader::new(&bytes)).unwrap();
        block.check().unwrap();
        assert_eq!((block.header, block.header.continues(&head)), (header, Ok(())), "{name}");
        let mut count = 0;
        block.each_record(|_, _| count += 1).unwrap();
        assert_eq!(count, header.count);
        head = header.head();
    }
}

#[test]
fn an_example_changes_only_with_the_level() {
    assert!(document::may_change("", 1, 1));
    assert!(document::may_change("00 01\n", 1, 2));
    assert!(!document::may_change("00 01\n", 1, 1));
}

#[test]
fn every_kind_has_an_example_and_every_example_is_checked() {
    let examples = examples::records();
    for kind in Kind::ALL {
        assert!(examples.iter().any(|example| example.record.body.kind() == kind), "{}", kind.name());
    }
    let fields: u32 = examples
        .iter()
        .map(|example| presence(&Document::open().bytes(example.name)))
        .fold(0, |all, one| all | one);
    assert_eq!(fields, (1 << 23) - 1, "a field that no example shows");
    let document = Document::open();
    for name in document.names() {
        let known = examples.iter().any(|example| example.name == name)
            || ["block-0", "block-1", "bytes-per-purchase"].contains(&name)
            || ["segment", "frame", "mark"].contains(&name);
        assert!(known, "`{name}` in FORMAT.md is compared with nothing");
    }
}

fn presence(record: &[u8]) -> u32 {
    u32::from_le_bytes(record[6..10].try_into().unwrap())
}

/// A purchase with three lines of two rates out of two purses, in blocks filled to the brim: bytes
/// of header and payload by the number of records.
fn bytes_per_purchase() -> f64 {
    let mut draft = Draft::new(examples::LEDGER, ShardId(4), Epoch(1));
    draft.begin(examples::prologue());
    let mut source = fastrand::Rng::with_seed(1);
    let mut records = Vec::<Record>::new();
    while draft.has_room() {
        // At 10,000 purchases a second over 32 shards, a shard's block spans some seconds.
        let counter = 100_000 + records.len() as u64;
        let record = examples::purchase(counter, 3_200 * records.len() as i64 + source.i64(0..1_000));
        draft.push(&record);
        records.push(record);
    }
    assert!(records.iter().all(|record| record.at >= EVENING));
    draft.sealed_len() as f64 / records.len() as f64
}

#[test]
fn a_purchase_of_three_lines_takes_at_most_200_bytes() {
    // The bar of the journal is 200 bytes, the stretch 150.
    let bytes = bytes_per_purchase();
    assert!(bytes <= 150.0, "{bytes:.1} bytes");
}
