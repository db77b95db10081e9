//! Damage against torn tail: the last frame torn at every byte, a bit flipped anywhere, files gone,
//! swapped or cut short. Damage stops the start and is named; a torn tail is cut and kept.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::block::Head;
use ledger::journal::conformance::draft;
use ledger::journal::embedded::{
    Clock, Disk, Log, LogConfig, MARK_NAME, MIN_SEGMENT, OpenError, Opened, PAGE, SimDisk, Step,
};
use ledger::journal::{Event, Journal, ReplayError};

fn ticking() -> Clock {
    let time = AtomicU64::new(0);
    Arc::new(move || time.fetch_add(1_000, Ordering::Relaxed))
}

fn config() -> LogConfig {
    // No MARK but the one at a clean close.
    LogConfig { segment_bytes: MIN_SEGMENT, mark_every_micros: u64::MAX, ..LogConfig::small(ticking()) }
}

fn open(disk: &SimDisk) -> Result<(Log, Opened), OpenError> {
    Log::open(Arc::new(disk.clone()), config(), &mut |_| Ok(()))
}

/// A closed log (the MARK names its last frame), then frames behind the MARK. Sizes in ballast bytes.
struct Sample {
    disk: SimDisk,
    /// Segment, offset and bytes of each frame, in order.
    frames: Vec<(u64, usize, usize)>,
    marked: usize,
    head: Head,
}

fn sample(before: &[u16], behind: &[u16]) -> Sample {
    let disk = SimDisk::new(5);
    disk.keep_trace();
    let mut head = Head::default();
    let mut log = Log::create(Arc::new(disk.clone()), config()).unwrap();
    for (life, fills) in [before, behind].into_iter().enumerate() {
        let mut port = log.port(None);
        for fill in fills {
            head = append(&log, &mut port, head, *fill);
        }
        if life == 0 {
            drop(port);
            log.close().unwrap();
            log = open(&disk).unwrap().0;
        }
    }
    let written = |op: &ledger::journal::embedded::SimOp| {
        let segment = op.name.strip_prefix("segment-")?.parse().ok()?;
        Some((segment, usize::try_from(op.offset).unwrap(), op.pages * PAGE))
    };
    let mut frames: Vec<_> =
        disk.trace().iter().filter_map(written).filter(|(_, offset, _)| *offset > 0).collect();
    // Flushes have offset 0; the tail was written twice, by its writer and by recovery.
    frames.dedup();
    assert_eq!(frames.len(), before.len() + behind.len());
    Sample { disk: disk.image(), frames, marked: before.len(), head }
}

fn append(log: &Log, port: &mut dyn Journal, head: Head, fill: u16) -> Head {
    port.submit(draft(0, head, 1, fill)).unwrap();
    port.commit(true);
    let mut worker = log.worker();
    while !matches!(worker.step(), Step::Idle | Step::Dead) {}
    let mut events = Vec::new();
    port.events(&mut events);
    match events.pop() {
        Some(Event::Confirmed { head, .. }) => head,
        other => panic!("{other:?}"),
    }
}

fn name(segment: u64) -> String {
    format!("segment-{segment:010}")
}

fn place_of_damage(result: Result<(Log, Opened), OpenError>) -> Option<String> {
    match result {
        Err(OpenError::Journal(ReplayError::Damaged { place, .. })) => Some(place),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn the_last_frame_torn_at_every_byte_is_cut_and_kept() {
    let Sample { disk, frames, .. } = sample(&[1], &[2, 3]);
    let (segment, offset, length) = frames[2];
    let whole = disk.peek(&name(segment)).unwrap()[offset..offset + length].to_vec();
    for at in (0..length).flat_map(|at| [(0, at), (at, length)]) {
        // The bytes outside of `at` never reached the disk.
        let mut torn = vec![0; length];
        torn[at.0..at.1].copy_from_slice(&whole[at.0..at.1]);
        let after = disk.image();
        after.poke(&name(segment), offset, &torn);
        let (_log, opened) = open(&after).unwrap();
        if torn == whole {
            assert_eq!((opened.frames, opened.torn.len()), (3, 0), "{at:?}");
            continue;
        }
        assert_eq!(opened.frames, 2, "{at:?}");
        let kept = opened.torn.first().map(|name| after.peek(name).unwrap()).unwrap_or_default();
        assert!(torn.starts_with(&kept) && torn[kept.len()..].iter().all(|byte| *byte == 0), "{at:?}");
        let left = after.peek(&name(segment)).unwrap();
        assert!(left[offset..].iter().all(|byte| *byte == 0), "{at:?}: old bytes could be believed again");
    }
}

/// Flips one bit at each of `offsets` of a file and says what the start makes of it.
fn flipped(sample: &Sample, file: &str, offset: usize, bit: u8) -> Result<(Log, Opened), OpenError> {
    let disk = sample.disk.image();
    assert!(disk.flip(file, offset, bit), "{file} has no byte {offset}");
    open(&disk)
}

#[test]
fn a_bit_flipped_anywhere_in_the_log_is_detected() {
    // Two segments, padding at the end of the first, a tail behind the MARK.
    let sample = sample(&[10, 60_000, 200, 60_000, 60_000, 60_000, 60_000, 60_000, 3_000], &[50, 500]);
    let last_segment = sample.frames.last().unwrap().0;
    assert_eq!(last_segment, 2);
    let mut random = fastrand::Rng::with_seed(11);
    for (number, (segment, offset, length)) in sample.frames.iter().enumerate() {
        let headers = (0..220_usize.min(*length)).step_by(3);
        let ends = [*length - 1, *length - PAGE];
        let somewhere: Vec<_> = (0..25).map(|_| random.usize(0..*length)).collect();
        for at in headers.chain(ends).chain(somewhere) {
            let result = flipped(&sample, &name(*segment), offset + at, random.u8(0..8));
            let is_last = number + 1 == sample.frames.len();
            if is_last {
                // Behind the MARK and nothing good behind it: taken for torn, documented.
                assert_eq!(result.unwrap().1.torn.len(), 1);
            } else {
                let place =
                    place_of_damage(result).unwrap_or_else(|| panic!("frame {number}, byte {at}: believed"));
                assert_eq!(place, format!("segment {segment}, offset {offset}"));
            }
        }
    }
}

#[test]
fn a_bit_flipped_outside_of_frames_is_detected() {
    let sample = sample(&[10, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 3_000], &[50]);
    let end_of = |segment| {
        let (_, offset, length) = sample.frames.iter().rfind(|frame| frame.0 == segment).unwrap();
        offset + length
    };
    let segment_bytes = usize::try_from(MIN_SEGMENT).unwrap();
    // First pages say who a segment is; the padding of a full segment is zero for ever.
    for at in (0..64).chain([PAGE - 1]) {
        let place = place_of_damage(flipped(&sample, &name(1), at, 2));
        assert_eq!(place.as_deref(), Some("segment 1, offset 0"), "byte {at}");
    }
    for at in [end_of(1), end_of(1) + 77, segment_bytes - 1] {
        let place = place_of_damage(flipped(&sample, &name(1), at, 2));
        assert_eq!(place, Some(format!("segment 1, offset {}", end_of(1))));
    }
    // Behind the tail nothing was ever confirmed: cut, nothing lost.
    for at in [end_of(2), segment_bytes - 1] {
        let (_, opened) = flipped(&sample, &name(2), at, 2).unwrap();
        assert_eq!((opened.heads[0], opened.torn.len()), (sample.head, 1));
    }
    // One bad MARK of two: the other one, and nothing is lost.
    for at in 0..2 * PAGE {
        if at % PAGE < 60 {
            assert_eq!(flipped(&sample, MARK_NAME, at, 0).unwrap().1.heads[0], sample.head);
        }
    }
}

#[test]
fn frames_that_the_mark_has_passed_are_missed() {
    // The users would have lost their last purchases without a word.
    let sample = sample(&[10, 20, 30], &[]);
    let (segment, offset, length) = sample.frames[2];
    let disk = sample.disk.image();
    disk.poke(&name(segment), offset, &vec![0; length]);
    assert_eq!(place_of_damage(open(&disk)), Some(format!("segment {segment}, offset {offset}")));
}

#[test]
fn files_gone_swapped_or_cut_short_are_damage() {
    let sample = sample(&[60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 3_000], &[50]);
    assert_eq!(sample.marked, 7);
    let damage = |change: &dyn Fn(&SimDisk)| {
        let disk = sample.disk.image();
        change(&disk);
        place_of_damage(open(&disk))
    };
    let gone = |file: &'static str| damage(&move |disk| disk.remove(file).unwrap());
    assert_eq!(gone("segment-0000000001").as_deref(), Some("segment 1, offset 0"));
    assert_eq!(gone(MARK_NAME).as_deref(), Some("MARK"));
    let swapped = damage(&|disk| {
        disk.rename(&name(1), "x").unwrap();
        disk.rename(&name(2), &name(1)).unwrap();
        disk.rename("x", &name(2)).unwrap();
    });
    assert_eq!(swapped.as_deref(), Some("segment 1, offset 0"));
    let all_gone = damage(&|disk| {
        let segments = disk.list().unwrap().into_iter().filter(|name| name.starts_with("segment"));
        segments.for_each(|name| disk.remove(&name).unwrap());
    });
    assert_eq!(all_gone.as_deref(), Some("MARK"));
    let last_gone = damage(&|disk| {
        let segments = disk.list().unwrap().into_iter().filter(|name| name.starts_with("segment"));
        segments.skip(1).for_each(|name| disk.remove(&name).unwrap());
    });
    assert!(last_gone.is_some());
    let both_marks = damage(&|disk| {
        disk.flip(MARK_NAME, 20, 1);
        disk.flip(MARK_NAME, PAGE + 20, 1);
    });
    assert_eq!(both_marks.as_deref(), Some("MARK"));
}

#[test]
fn an_empty_directory_is_no_log_and_a_log_is_not_made_twice() {
    let disk = SimDisk::new(1);
    assert!(matches!(open(&disk), Err(OpenError::Missing)));
    let log = Log::create(Arc::new(disk.clone()), config()).unwrap();
    assert!(matches!(open(&disk), Err(OpenError::Locked)));
    log.close().unwrap();
    assert!(matches!(Log::create(Arc::new(disk.clone()), config()), Err(OpenError::Exists)));
    open(&disk).unwrap();
    let odd = LogConfig { segment_bytes: MIN_SEGMENT + 1, ..config() };
    assert!(matches!(Log::create(Arc::new(disk), odd), Err(OpenError::SegmentSize(_))));
}
