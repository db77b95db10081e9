//! The files of a log into which the example blocks were committed, and what `FORMAT.md` shows of them.

use std::sync::Arc;

use ledger::journal::Journal;
use ledger::journal::embedded::{FIRST_FRAME, Log, LogConfig, PAGE, SimDisk, Step};

use super::{annotate, examples};

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

/// A segment's first page, a frame and the MARK, as they lie in the files after two commits and a clean
/// stop, by their names in the document.
pub fn examples() -> [(&'static str, String); 3] {
    let (segment, marks) = files();
    let first = used(&segment[..PAGE], 40);
    assert_eq!(first[8..12], crc(&first[12..]));

    let at = FIRST_FRAME as usize;
    let length = u32::from_le_bytes(segment[at + 16..at + 20].try_into().unwrap()) as usize;
    let page = &segment[at..at + PAGE];
    assert_eq!(page[8..12], crc(&page[12..]));
    let frame = used(page, 64 + length);

    let newest = marks.chunks(PAGE).max_by_key(|page| page[12]).unwrap();
    let mark = used(newest, 52);
    assert_eq!(mark[8..12], crc(&mark[12..]));
    [
        ("segment", annotate::segment(first).text()),
        ("frame", annotate::frame(frame).text()),
        ("mark", annotate::mark(mark).text()),
    ]
}
