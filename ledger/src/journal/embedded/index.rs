//! The sparse index of positions: for each shard one entry per 256 KiB of log, from record number to
//! the frame that holds it. Kept in memory, rebuilt when the log is opened; it knows confirmed
//! frames only (L10).

use super::frame::Place;
use super::segment::SegmentHeader;
use crate::ids::{RecordNumber, ShardId};

/// Bytes of log that one entry of a shard covers.
pub const SPACING: u64 = 256 * 1024;

/// A frame that holds a block of the shard, and the first record of that block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its first record of this shard.
    pub first: RecordNumber,
    /// Number of the segment.
    pub segment: u64,
    /// Offset of the frame.
    pub offset: u64,
    /// Number of the frame.
    pub frame: u64,
}

#[derive(Default)]
struct Shard {
    entries: Vec<Entry>,
    /// The record number behind its last confirmed one.
    end: RecordNumber,
}

/// See the module.
#[derive(Default)]
pub struct Index {
    shards: Vec<Shard>,
    /// All segments, by number from 1 on.
    segments: Vec<SegmentHeader>,
}

impl Index {
    /// Takes note of a segment; they come in the order of their numbers, once or twice.
    pub fn add_segment(&mut self, header: SegmentHeader) {
        if self.segments.last().is_none_or(|last| last.number < header.number) {
            self.segments.push(header);
        }
    }

    /// The segment of this number.
    pub fn segment(&self, number: u64) -> Option<SegmentHeader> {
        let first = self.segments.first()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        self.segments.get(at).copied()
    }

    /// Takes note of a confirmed block. At most 65,536 shards: a shard's number is a `u16`.
    pub fn note(&mut self, shard: ShardId, first: RecordNumber, end: RecordNumber, place: &Place) {
        let at = usize::from(shard.0);
        if self.shards.len() <= at {
            self.shards.resize_with(at + 1, Shard::default);
        }
        let Shard { entries, end: known } = &mut self.shards[at];
        *known = end;
        let near = entries
            .last()
            .is_some_and(|last| last.segment == place.segment && place.offset - last.offset < SPACING);
        if !near {
            entries.push(Entry { first, segment: place.segment, offset: place.offset, frame: place.frame });
        }
    }

    /// Where to begin to look for a record: the last entry at or before it. `None` if no confirmed
    /// block holds it.
    pub fn before(&self, shard: ShardId, number: RecordNumber) -> Option<Entry> {
        let Shard { entries, .. } =
            self.shards.get(usize::from(shard.0)).filter(|shard| number < shard.end)?;
        let behind = entries.partition_point(|entry| entry.first <= number);
        entries.get(behind.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_kept_per_256_kib_and_per_segment() {
        let mut index = Index::default();
        let mut note = |first, segment, offset| {
            let place = Place { generation: 1, segment, offset, frame: first + 1 };
            index.note(ShardId(2), RecordNumber(first), RecordNumber(first + 10), &place);
        };
        note(0, 1, 4_096);
        note(10, 1, 8_192);
        note(20, 1, 4_096 + SPACING);
        note(30, 2, 4_096);
        let at = |number| index.before(ShardId(2), RecordNumber(number)).map(|entry| entry.first.0);
        assert_eq!(
            [at(0), at(19), at(20), at(29), at(39), at(40)],
            [Some(0), Some(0), Some(20), Some(20), Some(30), None]
        );
        assert_eq!(index.before(ShardId(1), RecordNumber(0)), None);
        assert_eq!(index.before(ShardId(9), RecordNumber(0)), None);
    }
}
