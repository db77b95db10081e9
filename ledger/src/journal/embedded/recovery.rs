//! Opening a log: one pass over all of it, then the decision about its end.
//!
//! A bad frame is *damage* and stops the start, with its place named, if a good later frame exists
//! (one write is in flight at a time, so the bad one was flushed once) or if the MARK has passed it.
//! Else it is a *torn tail*: cut, its bytes kept in a file, its place zeroed so that they can never be
//! believed again. What rots after the last MARK is taken for torn. The last good frame may never
//! have been flushed, by a process that died or by a flush that failed: it is read back, written
//! again byte for byte and flushed before anything is believed (L3).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, PAGE, Page};
use super::frame::Place;
use super::index::Index;
use super::mark::{MARK_NAME, MarkFile};
use super::scan::{BIG_READ, Found, Window, damaged, each_block};
use super::segment::{self, MAKING_NAME, Segment, SegmentHeader};
use crate::block::{Block, Head};
use crate::journal::{ReplayError, advance};
use crate::mutant::{self, Mutant};

/// Calls for each block, in the order of the log.
pub type Visit<'a> = &'a mut dyn FnMut(Block<'_>) -> Result<(), ReplayError>;

const TORN_MAKING: &str = "torn.tmp";

/// What a log held.
pub struct Recovered {
    /// Where the next frame goes.
    pub current: Segment,
    /// Empty segments behind it.
    pub ready: VecDeque<Segment>,
    /// By shard number.
    pub heads: Vec<Head>,
    /// Of every block.
    pub index: Index,
    /// The open MARK.
    pub mark: MarkFile,
    /// The last frame; number 0 in an empty log.
    pub last: Place,
    /// How many blocks.
    pub blocks: u64,
    /// Bytes of all frames, padding included.
    pub bytes: u64,
    /// Files that keep what was cut.
    pub torn: Vec<String>,
}

/// Bytes that are not zero behind the last good frame of a segment.
struct Dirty {
    segment: usize,
    from: u64,
    until: u64,
}

struct Scan<'a, 'v> {
    disk: &'a dyn Disk,
    visit: Visit<'v>,
    window: Window,
    mark: Place,
    last: Place,
    last_bytes: u64,
    heads: Vec<Head>,
    index: Index,
    blocks: u64,
    bytes: u64,
    /// The last frame to be read, where there may be more.
    stop: Option<u64>,
}

/// What a log holds, read without changing it.
pub struct Looked {
    /// By shard number.
    pub heads: Vec<Head>,
    /// How many frames.
    pub frames: u64,
    /// How many blocks.
    pub blocks: u64,
    /// Bytes of all frames, padding included.
    pub bytes: u64,
    /// Whether something torn lies behind the last good frame.
    pub torn: bool,
}

/// Numbers of the segments in a directory, in order.
pub fn segment_numbers(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk.list()?.iter().filter_map(|name| segment::number_in(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a log that is there; `None` if there is none.
pub fn recover(disk: &dyn Disk, visit: Visit<'_>) -> Result<Option<Recovered>, ReplayError> {
    let numbers = segment_numbers(disk)?;
    let mark = open_mark(disk, numbers.is_empty())?;
    let Some(mark) = mark else { return Ok(None) };
    sweep_out(disk)?;
    let segments = read_headers(disk, &numbers)?;
    let mut scan = Scan::new(disk, visit, mark.place);
    let dirty = scan.walk(&segments)?;
    let torn = scan.settle(&segments, &dirty)?;
    let to_write = segments.iter().filter(|header| header.number >= scan.last.segment);
    let mut ready = to_write
        .map(|header| Ok(Segment::open(*header, disk)?))
        .collect::<Result<VecDeque<_>, ReplayError>>()?;
    let mut current = ready.pop_front().ok_or_else(|| damaged(1, 0, "the segment is missing"))?;
    if scan.last.frame > 0 {
        current.offset = scan.last.offset + scan.last_bytes;
    }
    let Scan { last, heads, index, blocks, bytes, .. } = scan;
    Ok(Some(Recovered { current, ready, heads, index, mark, last, blocks, bytes, torn }))
}

/// Reads a log and changes nothing: a torn tail stays, the last frame is not made durable. With
/// `to_mark` only what the MARK had passed when the reading began, which a process that has the log
/// open no longer touches. `None` if there is no log.
pub fn look(disk: &dyn Disk, to_mark: bool, visit: Visit<'_>) -> Result<Option<Looked>, ReplayError> {
    let mark = open_mark(disk, segment_numbers(disk)?.is_empty())?;
    let Some(mark) = mark else { return Ok(None) };
    // After the MARK, so that every segment it can name is among them.
    let segments = read_headers(disk, &segment_numbers(disk)?)?;
    let mut scan = Scan::new(disk, visit, mark.place);
    scan.stop = to_mark.then_some(mark.place.frame);
    let torn = !scan.walk(&segments)?.is_empty();
    let Scan { last, heads, blocks, bytes, .. } = scan;
    Ok(Some(Looked { heads, frames: last.frame, blocks, bytes, torn }))
}

/// `None` if no log was ever finished here.
fn open_mark(disk: &dyn Disk, no_segment: bool) -> Result<Option<MarkFile>, ReplayError> {
    let wrong = |what: &str| ReplayError::Damaged { place: MARK_NAME.to_owned(), what: what.to_owned() };
    let mark = match MarkFile::open(disk) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && no_segment => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(wrong("the file is missing")),
        Err(error) => return Err(error.into()),
        Ok(None) => return Err(wrong("neither of its two pages is whole")),
        Ok(Some(mark)) => mark,
    };
    if no_segment && mark.place.frame > 0 {
        return Err(wrong("it names a frame, but there is no segment"));
    }
    Ok((!no_segment).then_some(mark))
}

/// Reads the first page of every segment; they must be there without a gap. Their files are not kept
/// open: there may be more of them than a process may have.
fn read_headers(disk: &dyn Disk, numbers: &[u64]) -> Result<Vec<SegmentHeader>, ReplayError> {
    let mut segments = Vec::with_capacity(numbers.len());
    for (number, expected) in numbers.iter().zip(1..) {
        if *number != expected {
            return Err(damaged(expected, 0, "the segment is missing"));
        }
        match segment::read_header(disk, expected)? {
            Ok(header) => segments.push(header),
            Err(wrong) => return Err(damaged(expected, 0, wrong)),
        }
    }
    Ok(segments)
}

impl<'a, 'v> Scan<'a, 'v> {
    fn new(disk: &'a dyn Disk, visit: Visit<'v>, mark: Place) -> Self {
        Self {
            disk,
            visit,
            window: Window::new(BIG_READ),
            mark,
            last: Place::default(),
            last_bytes: 0,
            heads: Vec::new(),
            index: Index::default(),
            blocks: 0,
            bytes: 0,
            stop: None,
        }
    }

    /// Reads all segments. Gives the torn tail, if there is one: at most one run of bytes in each
    /// segment from the first bad place on.
    fn walk(&mut self, segments: &[SegmentHeader]) -> Result<Vec<Dirty>, ReplayError> {
        let mut dirty = Vec::new();
        for (at, header) in segments.iter().enumerate() {
            if self.stop == Some(self.last.frame) {
                return Ok(dirty);
            }
            // What the MARK has passed is durable; the tail is to be read past every cache.
            let name = header.name();
            let cached = header.number < self.mark.segment;
            let file = if cached { self.disk.open_cached(&name)? } else { self.disk.open(&name)? };
            let end = if dirty.is_empty() { self.segment(header, &file)? } else { segment::FIRST_FRAME };
            if self.stop == Some(self.last.frame) {
                return Ok(dirty);
            }
            let Some(until) = segment::dirty_until(&*file, end, header.bytes)? else { continue };
            if dirty.is_empty() {
                self.damage_or_torn(&segments[at..], end)?;
            }
            dirty.push(Dirty { segment: at, from: end, until });
        }
        if self.last.frame < self.mark.frame {
            let what = format!(
                "the MARK says that frame {} was confirmed, the log ends with frame {}",
                self.mark.frame, self.last.frame
            );
            return Err(damaged(self.mark.segment, self.mark.offset, what));
        }
        Ok(dirty)
    }

    /// Reads the good frames of one segment; gives the offset behind them.
    fn segment(&mut self, header: &SegmentHeader, file: &Arc<dyn DiskFile>) -> Result<u64, ReplayError> {
        let SegmentHeader { number, generation, bytes } = *header;
        let Self { window, heads, index, visit, .. } = self;
        index.add_segment(*header);
        window.enter(Arc::clone(file), bytes);
        let mut place = Place { generation, segment: number, offset: segment::FIRST_FRAME, frame: 0 };
        loop {
            if self.stop == Some(self.last.frame) {
                return Ok(place.offset);
            }
            place.frame = self.last.frame + 1;
            let Found::Frame(frame) = window.frame(&place)? else { return Ok(place.offset) };
            if place.frame == self.mark.frame && place != self.mark {
                return Err(damaged(number, place.offset, "the MARK names another place for this frame"));
            }
            each_block(&frame, &place, |block| {
                block.check()?;
                advance(heads, &block.header)?;
                let head = block.header.head();
                index.note(block.header.shard, block.header.first, head.next_record, &place);
                self.blocks += 1;
                Ok(visit(block)?)
            })?;
            self.last = place;
            self.last_bytes = frame.header.total() as u64;
            self.bytes += self.last_bytes;
            place.offset += self.last_bytes;
        }
    }

    /// Something that is not a good frame lies at `offset` of the first of `segments`.
    fn damage_or_torn(&mut self, segments: &[SegmentHeader], offset: u64) -> Result<(), ReplayError> {
        if mutant::on(Mutant::DamageTakenForTorn) {
            return Ok(());
        }
        let number = segments.first().map_or(0, |header| header.number);
        let expected = self.last.frame + 1;
        if expected <= self.mark.frame {
            let what = format!("frame {expected} is not what was written; it was confirmed once (MARK)");
            return Err(damaged(number, offset, what));
        }
        for (at, header) in segments.iter().enumerate() {
            let from = if at == 0 { offset } else { segment::FIRST_FRAME };
            self.window.enter(self.disk.open(&header.name())?, header.bytes);
            if let Some(later) = self.window.find_later(header, from, expected)? {
                let what = format!(
                    "frame {expected} is not what was written; frame {} behind it (segment {}, offset {}) is whole",
                    later.frame, later.segment, later.offset
                );
                return Err(damaged(number, offset, what));
            }
        }
        Ok(())
    }

    /// Cuts what is torn and makes the last good frame durable.
    fn settle(&self, segments: &[SegmentHeader], dirty: &[Dirty]) -> io::Result<Vec<String>> {
        let mut torn = Vec::new();
        for Dirty { segment, from, until } in dirty {
            let segment = Segment::open(segments[*segment], self.disk)?;
            torn.push(keep_torn(self.disk, &segment, *from, *until)?);
            zero(&segment, *from, *until)?;
        }
        let tail = segments.iter().find(|header| header.number == self.last.segment);
        if let Some(tail) = tail.filter(|_| !mutant::on(Mutant::TailNotFlushed)) {
            let tail = Segment::open(*tail, self.disk)?;
            let count = usize::try_from(self.last_bytes).unwrap_or_default() / PAGE;
            let mut pages = vec![Page::ZERO; count];
            tail.file.read_at(&mut pages, self.last.offset)?;
            tail.file.write_at(&pages, self.last.offset)?;
            tail.file.sync()?;
        }
        self.disk.sync_dir()?;
        Ok(torn)
    }
}

/// Removes what an earlier start or server left unfinished: on a full disk it may have taken the room that this
/// start needs.
fn sweep_out(disk: &dyn Disk) -> io::Result<()> {
    let names = disk.list()?;
    let mut left = names.iter().filter(|name| [MAKING_NAME, TORN_MAKING].contains(&name.as_str()));
    left.try_for_each(|name| disk.remove(name))
}

/// Copies what is about to be cut to a file of its own; gives its name.
fn keep_torn(disk: &dyn Disk, segment: &Segment, from: u64, until: u64) -> io::Result<String> {
    let names = disk.list()?;
    if names.iter().any(|name| name == TORN_MAKING) {
        disk.remove(TORN_MAKING)?;
    }
    let copy = disk.create(TORN_MAKING)?;
    let mut page = [Page::ZERO];
    for offset in (from..until).step_by(PAGE) {
        segment.file.read_at(&mut page, offset)?;
        copy.write_at(&page, offset - from)?;
    }
    copy.sync()?;
    let plain = format!("torn-{:010}-{from:010}", segment.header.number);
    let again = (2..).map(|try_number: u64| format!("{plain}-{try_number}"));
    let mut candidates = std::iter::once(plain.clone()).chain(again);
    let name = candidates.find(|name| !names.contains(name)).unwrap_or(plain);
    disk.rename(TORN_MAKING, &name)?;
    disk.sync_dir()?;
    Ok(name)
}

/// Makes a run of a segment zero again, durably.
fn zero(segment: &Segment, from: u64, until: u64) -> io::Result<()> {
    for offset in (from..until).step_by(PAGE) {
        segment.file.write_at(&[Page::ZERO], offset)?;
    }
    segment.file.sync()
}
