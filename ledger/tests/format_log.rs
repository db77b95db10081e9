//! The frame in `FORMAT.md` as the log reads it: believed at its own place and nowhere else. What a user
//! would lose without it: a frame of an earlier life of the file, taken for a later one.

#![allow(clippy::unwrap_used, reason = "a test")]

mod format_support;

use format_support::document::Document;
use ledger::journal::embedded::{FrameHeader, PAGE};

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
