//! Crafted cases that a log must judge rightly: one for each way in which recovery or the writer
//! could believe what it must not. Public, so that the test of the tests can show that each is
//! noticed. They panic nowhere; an `Err` says what the users would have lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::PAGE;
use super::log::{Clock, Log, LogConfig, OpenError, Opened};
use super::port::Port;
use super::segment::{self, FIRST_FRAME, MIN_SEGMENT};
use super::sim_disk::{SimDisk, SimFault};
use crate::block::Head;
use crate::journal::conformance::draft;
use crate::journal::{Event, Journal, ReplayError};

type Verdict = Result<(), String>;

/// A case: its name, and the function that tries it.
pub type Trial = (&'static str, fn() -> Verdict);

/// Every case.
pub const ALL: &[Trial] = &[
    ("a frame that lies elsewhere than it was written is not believed", misplaced_frame),
    ("a frame of an earlier life of the segment is not believed", stale_frame),
    ("a tail that was never flushed is flushed before it is believed", unflushed_tail),
    ("a bad frame before a good one is damage", damage_before_good),
    ("a bad frame that the MARK has passed is damage", damage_before_mark),
    ("a block whose flush failed is not confirmed", failed_flush),
];

/// Tries all; the first that fails.
pub fn all() -> Verdict {
    ALL.iter().try_for_each(|(name, trial)| trial().map_err(|how| format!("{name}: {how}")))
}

fn ticking() -> Clock {
    let time = AtomicU64::new(0);
    Arc::new(move || time.fetch_add(1_000, Ordering::Relaxed))
}

fn config() -> LogConfig {
    // Room enough for these few pages; no MARK but the one at a clean close.
    LogConfig { segment_bytes: MIN_SEGMENT, mark_every_micros: u64::MAX, ..LogConfig::small(ticking()) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn text(error: impl ToString) -> String {
    error.to_string()
}

fn open(disk: &SimDisk) -> Result<(Log, Opened), OpenError> {
    Log::open(Arc::new(disk.clone()), config(), &mut |_| Ok(()))
}

/// Writes a block of one page; its head if it was confirmed.
fn append(port: &mut Port, head: Head, fill: u16) -> Result<Option<Head>, String> {
    port.submit(draft(0, head, 1, fill)).map_err(text)?;
    port.commit(true);
    let mut events = Vec::new();
    port.events(&mut events);
    Ok(events.iter().find_map(|event| match event {
        Event::Confirmed { head, .. } => Some(*head),
        _ => None,
    }))
}

/// A new log of `frames` frames of one page each.
fn written(generation: u64, frames: u16, close: bool) -> Result<(SimDisk, Log, Head), String> {
    let disk = SimDisk::new(3);
    let log = Log::create(Arc::new(disk.clone()), LogConfig { generation, ..config() }).map_err(text)?;
    let mut port = log.port(None);
    let mut head = Head::default();
    for fill in 1..=frames {
        head = append(&mut port, head, fill)?.ok_or("a healthy log did not confirm")?;
    }
    if close {
        log.close().map_err(text)?;
    }
    Ok((disk, log, head))
}

/// Where frame `number` of such a log lies.
fn place_of(number: usize) -> usize {
    usize::try_from(FIRST_FRAME).unwrap_or(PAGE) + (number - 1) * PAGE
}

fn page_of(disk: &SimDisk, number: usize) -> Result<Vec<u8>, String> {
    let at = place_of(number);
    let bytes = disk.peek(&segment::name(1)).ok_or("no segment")?;
    bytes.get(at..at + PAGE).map(<[u8]>::to_vec).ok_or_else(|| "a short segment".to_owned())
}

/// Opens the disk after a power loss: so many frames must be there.
fn expect_frames(disk: &SimDisk, frames: u64) -> Verdict {
    let (_log, opened) = open(&disk.image()).map_err(text)?;
    if opened.frames == frames {
        Ok(())
    } else {
        Err(format!("{} frames instead of {frames}", opened.frames))
    }
}

/// The start must stop and name frame `number`.
fn expect_damage(disk: &SimDisk, number: usize) -> Verdict {
    let expected = format!("segment 1, offset {}", place_of(number));
    match open(&disk.image()) {
        Err(OpenError::Journal(ReplayError::Damaged { place, .. })) if place == expected => Ok(()),
        Err(other) => Err(format!("expected damage at {expected}: {other}")),
        Ok((_, opened)) => Err(format!("confirmed records were cut away: {} frames left", opened.frames)),
    }
}

fn misplaced_frame() -> Verdict {
    let (disk, _log, _) = written(1, 3, true)?;
    disk.poke(&segment::name(1), place_of(4), &page_of(&disk, 3)?);
    expect_frames(&disk, 3)
}

fn stale_frame() -> Verdict {
    let (earlier, ..) = written(1, 4, true)?;
    let (disk, _log, _) = written(9, 3, true)?;
    disk.poke(&segment::name(1), place_of(4), &page_of(&earlier, 4)?);
    expect_frames(&disk, 3)
}

fn unflushed_tail() -> Verdict {
    let (disk, log, head) = written(1, 3, false)?;
    // The process dies between write and flush; the machine goes on.
    disk.crash_at(disk.operations() + 1);
    if append(&mut log.port(None), head, 4)?.is_some() {
        return Err("confirmed without a flush".to_owned());
    }
    let machine = disk.restart();
    let (_log, opened) = open(&machine).map_err(text)?;
    if opened.frames != 4 {
        return Err(format!("the killed process left {} frames", opened.frames));
    }
    // Answers based on frame 4 may leave now; then the power fails.
    expect_frames(&machine, 4)
}

fn damage_before_good() -> Verdict {
    let (disk, ..) = written(1, 4, false)?;
    disk.flip(&segment::name(1), place_of(2) + 300, 3);
    expect_damage(&disk, 2)
}

fn damage_before_mark() -> Verdict {
    let (disk, ..) = written(1, 3, true)?;
    disk.flip(&segment::name(1), place_of(3) + 300, 3);
    expect_damage(&disk, 3)
}

fn failed_flush() -> Verdict {
    let (disk, log, head) = written(1, 2, false)?;
    let mut port = log.port(None);
    disk.fail_at(disk.operations() + 1, SimFault::Io);
    if append(&mut port, head, 3)?.is_some() {
        return Err("a block was confirmed although its flush failed".to_owned());
    }
    if log.dead().is_none() || port.submit(draft(1, Head::default(), 1, 1)).is_ok() {
        return Err("the store lives on after a failed flush".to_owned());
    }
    log.close().err().ok_or("a dead store closed as if nothing had happened")?;
    // Seen through a page cache frame 3 is whole; reopening makes that true or cuts it.
    let machine = disk.restart();
    let (_log, opened) = open(&machine).map_err(text)?;
    expect_frames(&machine, opened.frames)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_judged_rightly() {
        super::all().unwrap();
    }
}
