//! Reading the log in order: big sequential reads through a window, each frame checked once. Used
//! when the log is opened, when a shard is read back while others append, and for look-ups.

use std::io;
use std::sync::Arc;

use super::disk::{DiskFile, PAGE, Page, bytes_of};
use super::frame::{Frame, FrameHeader, Place};
use super::segment::{FIRST_FRAME, SegmentHeader};
use crate::block::{Block, BlockError};
use crate::journal::ReplayError;

/// What a start-up reads at a time.
pub const BIG_READ: usize = 4 * 1024 * 1024;
/// What a look-up reads at a time.
pub const SMALL_READ: usize = 64 * 1024;

/// A window onto a segment that is moved forward only.
pub struct Window {
    file: Option<Arc<dyn DiskFile>>,
    end: u64,
    pages: Vec<Page>,
    /// Pages that are loaded, from `at` on.
    loaded: usize,
    at: u64,
    chunk: usize,
}

/// What lies at a place.
pub enum Found<'a> {
    /// The frame that belongs there.
    Frame(Frame<'a>),
    /// Anything else; zeros where no frame was written.
    Other,
    /// The end of the segment.
    End,
}

impl Window {
    /// A window that reads `chunk` bytes at a time where it can.
    pub fn new(chunk: usize) -> Self {
        Self { file: None, end: 0, pages: Vec::new(), loaded: 0, at: 0, chunk: chunk / PAGE }
    }

    /// Turns to another segment.
    pub fn enter(&mut self, file: Arc<dyn DiskFile>, end: u64) {
        self.file = Some(file);
        self.end = end;
        self.loaded = 0;
        self.at = 0;
    }

    /// The bytes from `offset` on, at least `length` of them; `None` if the segment ends before.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let needed = length.div_ceil(PAGE);
        if offset + (needed * PAGE) as u64 > self.end {
            return Ok(None);
        }
        let inside = offset.checked_sub(self.at).and_then(|ahead| usize::try_from(ahead).ok());
        let skipped = inside.map_or(self.loaded, |ahead| (ahead / PAGE).min(self.loaded));
        if offset != self.at + (skipped * PAGE) as u64 || skipped + needed > self.loaded {
            self.move_to(offset, skipped, needed)?;
        }
        let first = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
        Ok(bytes_of(&self.pages[..self.loaded]).get(first..))
    }

    /// Keeps what is loaded from `offset` on and reads behind it.
    fn move_to(&mut self, offset: u64, skipped: usize, needed: usize) -> io::Result<()> {
        let kept = if offset == self.at + (skipped * PAGE) as u64 { self.loaded - skipped } else { 0 };
        self.pages.copy_within(self.loaded - kept..self.loaded, 0);
        let to_end = usize::try_from((self.end - offset) / PAGE as u64).unwrap_or(usize::MAX);
        let wanted = needed.max(self.chunk).min(to_end);
        if self.pages.len() < wanted {
            self.pages.resize(wanted, Page::ZERO);
        }
        (self.at, self.loaded) = (offset, kept);
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        file.read_at(&mut self.pages[kept..wanted], offset + (kept * PAGE) as u64)?;
        self.loaded = wanted;
        Ok(())
    }

    /// What lies at `place` of the segment entered.
    pub fn frame(&mut self, place: &Place) -> io::Result<Found<'_>> {
        let Some(bytes) = self.bytes(place.offset, PAGE)? else { return Ok(Found::End) };
        let Some(header) = FrameHeader::read(bytes).filter(|header| header.is_of(place)) else {
            return Ok(Found::Other);
        };
        let Some(bytes) = self.bytes(place.offset, header.total())? else { return Ok(Found::Other) };
        Ok(header.verify(&bytes[..header.total()]).map_or(Found::Other, Found::Frame))
    }

    /// Looks for a whole frame at its own place, from `offset` on, whose number is `least` or higher.
    pub fn find_later(
        &mut self,
        segment: &SegmentHeader,
        offset: u64,
        least: u64,
    ) -> io::Result<Option<Place>> {
        for offset in (offset.max(FIRST_FRAME)..self.end).step_by(PAGE) {
            let Some(bytes) = self.bytes(offset, PAGE)? else { break };
            let Some(header) = FrameHeader::read(bytes) else { continue };
            let (place, total) = (header.place, header.total());
            let own = (place.generation, place.segment, place.offset)
                == (segment.generation, segment.number, offset);
            if !own || place.frame < least {
                continue;
            }
            let whole =
                self.bytes(offset, total)?.is_some_and(|bytes| header.verify(&bytes[..total]).is_some());
            if whole {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// Why the blocks of a frame were not read to the end.
pub enum Halt {
    /// A block is not what was written.
    Block(BlockError),
    /// The reader of the blocks wants no more.
    Replay(ReplayError),
}

impl From<BlockError> for Halt {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl From<ReplayError> for Halt {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}

/// An error that names a place in the log.
pub fn damaged(segment: u64, offset: u64, what: impl Into<String>) -> ReplayError {
    ReplayError::Damaged { place: format!("segment {segment}, offset {offset}"), what: what.into() }
}

/// Reads the blocks of a frame; what is wrong with one is damage at the frame's place.
pub fn each_block<'a>(
    frame: &Frame<'a>,
    place: &Place,
    visit: impl FnMut(Block<'a>) -> Result<(), Halt>,
) -> Result<(), ReplayError> {
    frame.each_block(visit).map_err(|halt| match halt {
        Halt::Replay(error) => error,
        Halt::Block(error) => damaged(place.segment, place.offset, format!("frame {}: {error}", place.frame)),
    })
}
