//! Looking at a log: everything is read and checked, nothing is changed, whoever has it open.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::block::Head;
use ledger::journal::conformance::draft;
use ledger::journal::embedded::{Clock, Disk, Log, LogConfig, Look, OpenError, OsDisk, PAGE, SimDisk, Step};
use ledger::journal::{Event, Journal};

/// A clock that stands still until the test moves it.
fn clock() -> (Clock, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&time);
    (Arc::new(move || read.load(Ordering::Relaxed)), time)
}

/// Appends `blocks` blocks to shard 0, a frame each.
fn fill(log: &Log, mut head: Head, blocks: u32) -> Head {
    let mut port = log.port(None);
    for fill in 0..blocks {
        port.submit(draft(0, head, 20, u16::try_from(fill).unwrap())).unwrap();
        port.commit(true);
        let mut events = Vec::new();
        port.events(&mut events);
        let Some(Event::Confirmed { head: now, .. }) = events.pop() else {
            unreachable!("an eager commit of one block confirms it")
        };
        head = now;
        let mut worker = log.worker();
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
    }
    head
}

fn look(disk: &dyn Disk) -> Result<(Look, u64), OpenError> {
    let mut seen = 0;
    let look = Log::look(disk, &mut |_| {
        seen += 1;
        Ok(())
    })?;
    Ok((look, seen))
}

#[test]
fn looking_reads_everything_and_writes_nothing() {
    let disk = SimDisk::new(3);
    let config = LogConfig::small(clock().0);
    let log = Log::create(Arc::new(disk.clone()), config.clone()).unwrap();
    let head = fill(&log, Head::default(), 400);
    log.close().unwrap();
    let before = disk.operations();
    let (look, seen) = look(&disk).unwrap();
    assert_eq!(disk.operations(), before, "looking wrote something");
    assert_eq!((look.blocks, seen, look.heads[0]), (400, 400, head));
    assert!(!look.torn && !look.in_use);
    let (_, opened) = Log::open(Arc::new(disk), config, &mut |_| Ok(())).unwrap();
    assert_eq!((look.frames, look.bytes, look.heads), (opened.frames, opened.bytes, opened.heads));
}

/// The frame being written looks torn, and the next one makes it look damaged: an operator who
/// verified a running server would have been told that the ledger is broken.
#[test]
fn of_a_log_in_use_only_what_the_mark_has_passed_is_read() {
    let disk = SimDisk::new(4);
    let (now, time) = clock();
    let log = Log::create(Arc::new(disk.clone()), LogConfig::small(now)).unwrap();
    let head = fill(&log, Head::default(), 30);
    let mut worker = log.worker();
    time.fetch_add(2_000_000, Ordering::Relaxed);
    while !matches!(worker.step(), Step::Idle) {}
    fill(&log, head, 10);
    let (look, seen) = look(&disk).unwrap();
    assert!(look.in_use && !look.torn);
    assert_eq!((look.blocks, seen, look.heads[0]), (30, 30, head));
}

#[test]
fn a_torn_tail_is_told_and_left_as_it_is() {
    let disk = SimDisk::new(5);
    let config = LogConfig::small(clock().0);
    let log = Log::create(Arc::new(disk.clone()), config).unwrap();
    fill(&log, Head::default(), 5);
    log.close().unwrap();
    let segment = disk.list().unwrap().into_iter().filter(|name| name.ends_with('1')).max().unwrap();
    // Behind the last frame: the first page of the segment that is zero but not the header.
    let bytes = disk.peek(&segment).unwrap();
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    assert!(disk.poke(&segment, end.next_multiple_of(PAGE), &[7; 100]));
    let before = (disk.operations(), disk.peek(&segment));
    let (look, _) = look(&disk).unwrap();
    assert!(look.torn);
    assert_eq!(look.blocks, 5);
    assert_eq!((disk.operations(), disk.peek(&segment)), before);
}

#[test]
fn a_real_directory_can_be_looked_at_without_the_right_to_write() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(look(&OsDisk::read_only(dir.path()).unwrap()), Err(OpenError::Missing)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "not even a lock file is made");
    let config = LogConfig::small(clock().0);
    let log = Log::create(Arc::new(OsDisk::open(dir.path()).unwrap()), config).unwrap();
    fill(&log, Head::default(), 7);
    let disk = OsDisk::read_only(dir.path()).unwrap();
    assert!(look(&disk).unwrap().0.in_use);
    log.close().unwrap();
    let (look, _) = look(&disk).unwrap();
    assert_eq!((look.blocks, look.in_use), (7, false));
    assert!(disk.create("a").is_err() && disk.remove("MARK").is_err() && disk.sync_dir().is_err());
}

#[test]
fn those_who_look_do_not_take_each_other_for_a_server() {
    // After a crash the second reader left out the last second and said that a server was running.
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::small(clock().0);
    let log = Log::create(Arc::new(OsDisk::open(dir.path()).unwrap()), config.clone()).unwrap();
    fill(&log, Head::default(), 3);
    log.close().unwrap();
    let reader = OsDisk::read_only(dir.path()).unwrap();
    let reading = reader.lock().unwrap();
    let (look, _) = look(&OsDisk::read_only(dir.path()).unwrap()).unwrap();
    assert_eq!((look.blocks, look.in_use), (3, false));
    // What a server would cut is not cut under a reader.
    let server = || Log::open(Arc::new(OsDisk::open(dir.path()).unwrap()), config.clone(), &mut |_| Ok(()));
    assert!(server().err().unwrap().to_string().contains("let the command that reads it end"));
    drop(reading);
    assert_eq!(server().unwrap().1.blocks, 3);
}
