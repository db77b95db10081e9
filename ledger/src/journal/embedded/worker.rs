//! What a journal thread (or a simulator, step by step) does: write what is ready, make the next
//! segment ahead, write the MARK and see that the lock is still the lock. It never waits for anything but the disk; parking is the caller's.

use std::io;
use std::sync::{Arc, PoisonError};

use super::disk::{PAGE, Page};
use super::segment::{MAKING_NAME, Making, SegmentHeader};
use super::shared::{Queue, Shared};
use super::stats::add;
use crate::law::Law;

/// Zeros written at a time.
const CHUNK: usize = 256 * 1024;
/// Most chunks written before a block that is ready, when the next segment is behind.
const CHUNKS_AT_ONCE: usize = 8;
/// How long to wait after a segment could not be made, microseconds.
const RETRY_MICROS: u64 = 1_000_000;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// Wrote, flushed and confirmed a frame.
    Wrote {
        /// Its blocks.
        blocks: u32,
        /// Its bytes, padding included.
        bytes: usize,
    },
    /// Went on making the next segment.
    Filled,
    /// Wrote the MARK.
    Marked,
    /// The store is dead or closed: there will be nothing to do any more.
    Dead,
}

/// Makes segments ahead.
pub struct Maker {
    /// Number and generation of the next one.
    next: SegmentHeader,
    making: Option<Making>,
    /// Not before this time, after a failure.
    retry_at: u64,
    zeros: Vec<Page>,
}

/// See the module.
pub struct Worker {
    shared: Arc<Shared>,
    /// When the last MARK was written, and the lock looked at.
    marked_at: u64,
}

impl Maker {
    pub(super) fn new(next: SegmentHeader) -> Self {
        Self { next, making: None, retry_at: 0, zeros: vec![Page::ZERO; CHUNK / PAGE] }
    }

    /// Writes one chunk, or finishes. `Some` when a segment is done.
    fn step(&mut self, shared: &Shared) -> io::Result<Option<super::segment::Segment>> {
        let making = match &mut self.making {
            Some(making) => making,
            none => {
                let needed = self.next.bytes.saturating_add(shared.config.spare_bytes);
                if shared.disk.free_bytes()? < needed {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                none.insert(Making::begin(&*shared.disk, self.next)?)
            }
        };
        let before = making.written();
        let full = making.written() == making.bytes() || making.fill(&self.zeros)?;
        add(&shared.counters.zero_bytes, making.written() - before);
        if !full {
            return Ok(None);
        }
        let Some(making) = self.making.take() else { return Ok(None) };
        let segment = making.finish(&*shared.disk)?;
        self.next.number += 1;
        self.next.generation = self.next.generation.wrapping_add(1);
        Ok(Some(segment))
    }

    /// How much of the segment being made is written, in 256ths.
    fn done(&self) -> u64 {
        self.making.as_ref().map_or(0, |making| making.written() * 256 / making.bytes())
    }
}

impl Shared {
    /// Whether the segments made ahead are too few.
    fn short_of_segments(&self, queue: &Queue) -> bool {
        let too_few = queue.ready.is_empty() || queue.ready_room() < self.config.ahead_bytes;
        queue.ended.is_none() && (too_few || self.is_short_of_room(queue))
    }

    /// Whether there is something for the worker that nobody will call it for.
    pub(super) fn needs_work(&self) -> bool {
        let queue = self.queue();
        !queue.waiting.is_empty() || self.short_of_segments(&queue)
    }

    /// Goes on making a segment, if one is needed; `true` if it did something. A failure costs
    /// nothing but room: it is counted and tried again later.
    pub(super) fn make_ahead(&self) -> bool {
        let mut maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.short_of_segments(&self.queue()) || self.now() < maker.retry_at {
            return false;
        }
        match maker.step(self) {
            Ok(None) => {}
            Ok(Some(segment)) => {
                add(&self.counters.segments, 1);
                let mut queue = self.queue();
                queue.ready.push_back(segment);
                self.publish_room(&queue);
            }
            Err(_) => {
                maker.making = None;
                // Half a segment is no room for the journal and takes it from everybody else. It may not be there.
                let _gone = self.disk.remove(MAKING_NAME);
                maker.retry_at = self.now().saturating_add(RETRY_MICROS);
                add(&self.counters.segment_failures, 1);
            }
        }
        true
    }

    /// Whether the next segment should be further than it is: it is to be done when the current one
    /// is half full.
    fn is_behind(&self) -> bool {
        let maker = self.maker.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = self.queue();
        self.short_of_segments(&queue)
            && maker.done() < (queue.current_used * 2).min(256)
            && self.now() >= maker.retry_at
    }

    /// Writes the MARK if anything was confirmed since the last one.
    pub(super) fn write_mark(&self) -> bool {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let confirmed = self.tail().confirmed;
        if marks.place == confirmed {
            return false;
        }
        match marks.write(confirmed) {
            Ok(()) => add(&self.counters.marks, 1),
            Err(error) => {
                drop(marks);
                self.die_of("writing the MARK", &error);
            }
        }
        true
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let marked_at = shared.now();
        Self { shared, marked_at }
    }

    /// Does the most urgent thing there is to do.
    pub fn step(&mut self) -> Step {
        let shared = &*self.shared;
        if shared.queue().ended.is_some() {
            return Step::Dead;
        }
        for _ in 0..CHUNKS_AT_ONCE {
            if !shared.is_behind() || !shared.make_ahead() {
                break;
            }
        }
        // Before the blocks that wait: under steady load there would be no other time for it.
        let now = shared.now();
        if now.saturating_sub(self.marked_at) >= shared.config.mark_every_micros {
            self.marked_at = now;
            if !shared.keeps_others_out() {
                // Whoever opens the directory now finds it free, and both would write to it.
                shared.die("its LOCK file was taken away: another server may have the ledger");
                Law::OneWriter.holds(false);
                return Step::Dead;
            }
            if shared.write_mark() {
                return Step::Marked;
            }
        }
        let Ok(mut writer) = shared.writer.lock() else {
            shared.die("a thread died while it wrote");
            return Step::Dead;
        };
        let written = writer.cycle(shared, None);
        drop(writer);
        if let Some(written) = written {
            return Step::Wrote { blocks: written.blocks, bytes: written.bytes };
        }
        if shared.make_ahead() { Step::Filled } else { Step::Idle }
    }
}

impl Drop for Worker {
    /// A journal thread that dies is a failed flush.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.die("the journal thread died");
        }
    }
}
