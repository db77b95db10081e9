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

use std::collections::BTreeMap;

use format_support::annotate::{self, Shared};
use format_support::document::{COMMAND, Document};
use format_support::examples::{self, EVENING};
use format_support::files;
use ledger::block::{Block, Draft, Head};
use ledger::ids::{Epoch, ShardId};
use ledger::record::leb::Reader;
use ledger::record::{Kind, Record, decode, encode};

/// Every example by its name, as the code of today makes it.
fn produced() -> BTreeMap<&'static str, String> {
    let records = examples::records().into_iter().map(|example| {
        let mut bytes = Vec::new();
        encode(&example.record, &example.prologue, &mut bytes);
        let notes = annotate::record(&bytes, &Shared { base: example.prologue.base.0 });
        (example.name, notes.text())
    });
    let blocks = examples::blocks().into_iter().map(|(name, header, payload)| {
        (name, annotate::block(&[&header.to_bytes()[..], &payload].concat()).text())
    });
    let size = ("bytes-per-purchase", format!("{:.1}\n", bytes_per_purchase()));
    records.chain(blocks).chain(files::examples()).chain([size]).collect()
}

#[test]
fn every_example_is_what_the_code_writes() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        Document::save(&Document::open().rewritten(&produced(), ledger::LEVEL).unwrap());
    }
    let differences = Document::open().differences(&produced(), ledger::LEVEL);
    assert!(
        differences.is_empty(),
        "FORMAT.md: {}\nDirectories written by earlier builds no longer read the same. If that is meant, \
         raise `ledger::LEVEL`, say in FORMAT.md what the level changes, and run {COMMAND}",
        differences.join("\n")
    );
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

/// A document of level 3 with two examples.
const SMALL: &str = "Format level of this document: 3\n\n### Levels\n\n| level | |\n|---|---|\n| 3 | the first |\n\n\
                     ```golden one\n00\n```\n\n```golden two\n01\n```\n\n```digests\n```\n";

fn small(examples: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    examples.iter().map(|(name, text)| (*name, (*text).to_owned())).collect()
}

/// One example was rewritten at its level by emptying it first: ledgers of that level read differently, and
/// nothing said so.
#[test]
fn an_example_changes_only_with_the_level() {
    let was = small(&[("one", "00\n"), ("two", "01\n")]);
    let text = Document::of(SMALL).rewritten(&was, 3).unwrap();
    assert_eq!(Document::of(&text).differences(&was, 3), Vec::<String>::new());
    assert_eq!(Document::of(&text).rewritten(&was, 3).as_deref(), Ok(text.as_str()));

    let changed = small(&[("one", "00\n"), ("two", "02\n")]);
    let emptied = text.replace("golden two\n01\n", "golden two\n");
    let without = text.replace("```golden two\n01\n```\n", "");
    for text in [&text, &emptied, &without] {
        let document = Document::of(text);
        assert!(
            document.rewritten(&changed, 3).unwrap_err().starts_with("`two` stands at level 3"),
            "{text}"
        );
        assert!(!document.differences(&changed, 3).is_empty(), "{text}");
    }
    assert!(!Document::of(&emptied).differences(&was, 3).is_empty());
    assert!(Document::of(&without).rewritten(&small(&[("one", "00\n")]), 3).is_err(), "an example is gone");
    assert!(Document::of(&text).rewritten(&changed, 2).is_err(), "a level goes back");

    let more = small(&[("one", "00\n"), ("three", "03\n"), ("two", "01\n")]);
    let added = text.replace("```golden two", "```golden three\n```\n\n```golden two");
    let added = Document::of(&added).rewritten(&more, 3).unwrap();
    assert_eq!(Document::of(&added).differences(&more, 3), Vec::<String>::new(), "a new example is filled");
}

/// A new level took two runs, of which the second was refused.
#[test]
fn one_run_writes_a_new_level_with_all_its_examples() {
    let text = Document::of(SMALL).rewritten(&small(&[("one", "00\n"), ("two", "01\n")]), 3).unwrap();
    let next = small(&[("one", "10\n"), ("two", "11\n")]);
    let text = Document::of(&text).rewritten(&next, 4).unwrap();
    let history = "the document does not describe level 4, or its history ends before";
    assert_eq!(Document::of(&text).differences(&next, 4), [history]);
    let text = text.replace("| 3 | the first |", "| 3 | the first |\n| 4 | the second |");
    assert_eq!(Document::of(&text).differences(&next, 4), Vec::<String>::new());
    assert!(Document::of(&text).rewritten(&small(&[("one", "10\n"), ("two", "12\n")]), 4).is_err());
}

#[test]
fn every_kind_and_every_field_has_an_example() {
    let examples = examples::records();
    for kind in Kind::ALL {
        assert!(examples.iter().any(|example| example.record.body.kind() == kind), "{}", kind.name());
    }
    let fields: u32 = examples
        .iter()
        .map(|example| presence(&Document::open().bytes(example.name)))
        .fold(0, |all, one| all | one);
    assert_eq!(fields, (1 << 23) - 1, "a field that no example shows");
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
