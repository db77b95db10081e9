//! The log's part of `FORMAT.md` against the log: a segment's first page, a frame and the MARK, as
//! they lie in the files after two commits and a clean stop.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test")]

mod format_support;

use std::sync::Arc;

use format_support::annotate;
use format_support::document::Document;
use format_support::examples;
use ledger::journal::Journal;
use ledger::journal::embedded::{FIRST_FRAME, FrameHeader, Log, LogConfig, PAGE, SimDisk, Step};

/// The files of a log into which block 0 and block 1 of the examples were committed, one by one.
fn files() -> (Vec<u8>, Vec<u8>) {
    let disk = SimDisk::new(1);
    let config = LogConfig { generation: 7, ..LogConfig::small(Arc::new(|| 0)) };
    let log = Log::create(Arc::new(disk.clone()), config).unwrap();
    let mut port = log.port(None);
    let mut worker = log.worker();
    for draft in examples::drafts() {
        port.submit(Box::new(draft)).unwrap();
        port.commit(true);
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
    }
    log.close().unwrap();
    (disk.peek("segment-0000000001").unwrap(), disk.peek("MARK").unwrap())
}

/// A page without the zeros at its end, which must be there.
fn used(page: &[u8], length: usize) -> &[u8] {
    assert!(page[length..].iter().all(|byte| *byte == 0), "zeros were expected from byte {length} on");
    &page[..length]
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    crc32fast::hash(bytes).to_le_bytes()
}

#[test]
fn the_files_of_a_log_are_those_of_the_document() {
    let mut document = Document::open();
    let (segment, marks) = files();
    let first = used(&segment[..PAGE], 40);
    assert_eq!(first[8..12], crc(&first[12..]));
    document.check("segment", &annotate::segment(first).text());

    let at = FIRST_FRAME as usize;
    let length = u32::from_le_bytes(segment[at + 16..at + 20].try_into().unwrap()) as usize;
    let page = &segment[at..at + PAGE];
    assert_eq!(page[8..12], crc(&page[12..]));
    document.check("frame", &annotate::frame(used(page, 64 + length)).text());

    let newest = marks.chunks(PAGE).max_by_key(|page| page[12]).unwrap();
    let mark = used(newest, 52);
    assert_eq!(mark[8..12], crc(&mark[12..]));
    document.check("mark", &annotate::mark(mark).text());
    document.save();
}

#[test]
fn the_frame_of_the_document_is_believed_at_its_place_only() {
    let mut frame = Document::open().bytes("frame");
    frame.resize(PAGE, 0);
    let header = FrameHeader::read(&frame).unwrap();
    assert!(header.is_of(&header.place) && header.verify(&frame).is_some());
    for place in [
        ledger::journal::embedded::Place { generation: 8, ..header.place },
        ledger::journal::embedded::Place { segment: 2, ..header.place },
        ledger::journal::embedded::Place { offset: 8_192, ..header.place },
        ledger::journal::embedded::Place { frame: 2, ..header.place },
    ] {
        assert!(!header.is_of(&place), "{place:?}");
    }
    let mut blocks = 0;
    let read: Result<(), ledger::block::BlockError> = header.verify(&frame).unwrap().each_block(|block| {
        blocks += 1;
        block.check()
    });
    assert_eq!((read, blocks), (Ok(()), 1));
    // The padding is under the checksum too.
    frame[PAGE - 1] = 1;
    assert!(header.verify(&frame).is_none());
}
