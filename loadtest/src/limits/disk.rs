//! Owns: what the disk can do with our write sizes: append and flush into a file that is zero-filled ahead, past the
//! page cache where the file system allows it.
//! Must never: claim anything about power loss: a host may acknowledge a flush without a real sync.
//! Laws: none; it is the limit that L3 costs.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{OFlags, fdatasync};

use crate::clock::Clock;
use crate::error::{LoadError, Result};
use crate::num::{MILLI_NS, count};
use crate::pacing::{Plan, Schedule};
use crate::stats::{APPLIED, Interval, Recorder};

/// Block size of the devices we meet; direct writes are multiples of it, from memory aligned to it.
pub const SECTOR: usize = 4_096;

/// Bytes of the file; appending wraps around at its end, as a log that recycles its segments does.
const CAPACITY: u64 = 64 << 20;

/// The largest single write.
pub const LARGEST_WRITE: usize = 4 << 20;

/// A zero-filled file that takes appends, each flushed before it returns.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
    at: u64,
    buffer: Vec<u8>,
    skip: usize,
    direct: bool,
}

impl AppendFile {
    /// Creates and zero-fills the file in `dir`. Direct if the file system takes it, else through the page cache.
    pub fn create(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        zero_fill(&path)?;
        let open = |flags: OFlags| {
            OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(&path)
        };
        let (file, direct) = match open(OFlags::DIRECT) {
            Ok(file) => (file, true),
            Err(_) => (open(OFlags::empty()).map_err(LoadError::file("open", &path))?, false),
        };
        let buffer = vec![0x5a; LARGEST_WRITE + SECTOR];
        let skip = buffer.as_ptr().align_offset(SECTOR).min(SECTOR);
        Ok(Self { file, path, at: 0, buffer, skip, direct })
    }

    /// Whether writes go past the page cache.
    pub fn direct(&self) -> bool {
        self.direct
    }

    /// Appends so many bytes, rounded up to whole sectors, and flushes them.
    pub fn append(&mut self, bytes: usize) -> Result<()> {
        let length = bytes.max(1).next_multiple_of(SECTOR).min(LARGEST_WRITE);
        if self.at + count(length) > CAPACITY {
            self.at = 0;
        }
        let data = self.buffer.get(self.skip..self.skip + length).unwrap_or_default();
        self.file.write_all_at(data, self.at).map_err(LoadError::file("append to", &self.path))?;
        fdatasync(&self.file).map_err(|errno| LoadError::file("flush", &self.path)(errno.into()))?;
        self.at += count(length);
        Ok(())
    }
}

impl Drop for AppendFile {
    fn drop(&mut self) {
        // It is a scratch file; one that can't be removed is only in the way.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn zero_fill(path: &Path) -> Result<()> {
    let file = File::create(path).map_err(LoadError::file("create", path))?;
    let zeros = vec![0_u8; 1 << 20];
    let mut at = 0;
    while at < CAPACITY {
        file.write_all_at(&zeros, at).map_err(LoadError::file("zero-fill", path))?;
        at += count(zeros.len());
    }
    file.sync_all().map_err(LoadError::file("sync", path))
}

/// How a disk lane runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiskLane {
    /// Bytes of each append.
    pub write_size: usize,
    /// Appends a second from their intended starts; none: one after another.
    pub rate: Option<f64>,
    /// How long, in nanoseconds.
    pub length_ns: u64,
}

/// Runs appends with flush and times each.
pub fn run(file: &mut AppendFile, lane: DiskLane, clock: &Clock, interval_ns: u64) -> Result<Vec<Interval>> {
    let began = clock.now();
    let mut recorder = Recorder::start(began, interval_ns)?;
    let plan = lane.rate.map(|rate| Plan::Even { rate, length_ns: lane.length_ns });
    let mut schedule = plan.map(|plan| Schedule::start(plan, began));
    loop {
        let now = clock.now();
        recorder.turn(now);
        let intended = match &mut schedule {
            None if now >= began + lane.length_ns => break,
            None => now,
            Some(schedule) => match schedule.peek() {
                None => break,
                Some(intended) => {
                    wait_until(clock, intended);
                    // The writer waits for each flush, so a late start is the disk's doing and part of the latency.
                    let _ = schedule.due(intended);
                    intended
                }
            },
        };
        recorder.sent(1);
        file.append(lane.write_size)?;
        recorder.answered(APPLIED, 0, clock.now().saturating_sub(intended), 1);
    }
    Ok(recorder.finish(clock.now()))
}

/// Sleeps most of the way and spins the rest: a timer alone would add its slack to each latency.
fn wait_until(clock: &Clock, moment: u64) {
    const SLACK_NS: u64 = MILLI_NS / 5;
    let ahead = moment.saturating_sub(clock.now());
    if ahead > SLACK_NS {
        std::thread::sleep(Duration::from_nanos(ahead - SLACK_NS));
    }
    while clock.now() < moment {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::SECOND_NS;

    #[test]
    fn appends_wrap_and_the_file_never_grows() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = AppendFile::create(dir.path(), "scratch").unwrap();
        for _ in 0..20 {
            file.append(LARGEST_WRITE).unwrap();
        }
        file.append(1).unwrap();
        let path = dir.path().join("scratch");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), CAPACITY);
        drop(file);
        assert!(!path.exists(), "a scratch file of 64 MiB would stay behind after each run");
    }

    #[test]
    fn a_paced_lane_times_every_planned_append() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = AppendFile::create(dir.path(), "scratch").unwrap();
        let lane = DiskLane { write_size: 120, rate: Some(2_000.0), length_ns: SECOND_NS / 50 };
        let intervals = run(&mut file, lane, &Clock::start(), SECOND_NS).unwrap();
        let answered: u64 = intervals.iter().map(|interval| interval.counts.total()).sum();
        let timed: u64 = intervals.iter().map(|interval| interval.latency.len()).sum();
        assert_eq!((answered, timed), (40, 40));
    }
}
