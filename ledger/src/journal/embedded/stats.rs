//! Counters of a log since it was opened: what an operator or a bench reads to explain a figure.
//! Relaxed atomics; they order nothing and decide nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Classes of flush times: class `n` counts those of 2^(n-1) to 2^n - 1 microseconds, the last one
/// everything above.
pub const FLUSH_CLASSES: usize = 24;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames written and flushed.
    pub frames: u64,
    /// Of these on the caller's own thread.
    pub inline: u64,
    /// Blocks confirmed.
    pub blocks: u64,
    /// Bytes of these blocks, sealed.
    pub sealed_bytes: u64,
    /// Bytes written for frames, padding included.
    pub frame_bytes: u64,
    /// Bytes of zeros written ahead.
    pub zero_bytes: u64,
    /// Blocks refused because they did not continue their shard.
    pub refused: u64,
    /// Write and flush together took longer than the configured limit.
    pub slow: u64,
    /// Longest write and flush, microseconds.
    pub slowest_micros: u64,
    /// Write and flush by duration; see [`FLUSH_CLASSES`].
    pub classes: [u64; FLUSH_CLASSES],
    /// Segments made.
    pub segments: u64,
    /// Attempts to make a segment that failed, for want of space or otherwise.
    pub segment_failures: u64,
    /// MARKs written.
    pub marks: u64,
    /// Look-ups served.
    pub lookups: u64,
}

/// The counters themselves.
#[derive(Default)]
pub struct Counters {
    pub(super) frames: AtomicU64,
    pub(super) inline: AtomicU64,
    pub(super) blocks: AtomicU64,
    pub(super) sealed_bytes: AtomicU64,
    pub(super) frame_bytes: AtomicU64,
    pub(super) zero_bytes: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) slow: AtomicU64,
    pub(super) slowest_micros: AtomicU64,
    pub(super) classes: [AtomicU64; FLUSH_CLASSES],
    pub(super) segments: AtomicU64,
    pub(super) segment_failures: AtomicU64,
    pub(super) marks: AtomicU64,
    pub(super) lookups: AtomicU64,
}

/// Adds to a counter.
pub fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}

impl Counters {
    /// Counts one write and flush.
    pub fn flushed(&self, micros: u64) {
        let class = (u64::BITS - micros.leading_zeros()) as usize;
        add(&self.classes[class.min(FLUSH_CLASSES - 1)], 1);
        self.slowest_micros.fetch_max(micros, Relaxed);
    }

    /// Their values.
    pub fn read(&self) -> Stats {
        let of = |counter: &AtomicU64| counter.load(Relaxed);
        Stats {
            frames: of(&self.frames),
            inline: of(&self.inline),
            blocks: of(&self.blocks),
            sealed_bytes: of(&self.sealed_bytes),
            frame_bytes: of(&self.frame_bytes),
            zero_bytes: of(&self.zero_bytes),
            refused: of(&self.refused),
            slow: of(&self.slow),
            slowest_micros: of(&self.slowest_micros),
            classes: std::array::from_fn(|class| of(&self.classes[class])),
            segments: of(&self.segments),
            segment_failures: of(&self.segment_failures),
            marks: of(&self.marks),
            lookups: of(&self.lookups),
        }
    }
}
