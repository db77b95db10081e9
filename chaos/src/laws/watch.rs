//! Watches the durable image of a simulated disk: walks the log's frames with a reader of its own,
//! written from the format document, and hands over each block the moment a power loss could no
//! longer take it away. Reads only what is flushed; must never write. L3 and L10 stand on it.

use ledger::block::Block;
use ledger::journal::embedded::{PAGE, SimDisk};
use ledger::record::leb::{ReadError, Reader};

/// Where the next frame will lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    segment: u64,
    generation: u64,
    offset: u64,
    frame: u64,
}

/// How far the durable image was read.
#[derive(Clone, Debug)]
pub struct Watch {
    cursor: Cursor,
    frames: Vec<FramePlace>,
}

/// Where a durable frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlace {
    /// Number of its segment.
    pub segment: u64,
    /// Where in it.
    pub offset: usize,
    /// Bytes, padding included.
    pub length: usize,
}

impl FramePlace {
    /// Name of its file.
    pub fn name(&self) -> String {
        name(self.segment)
    }
}

/// Fixed part of a frame, as FORMAT.md draws it.
struct Frame {
    checksum: u32,
    blocks: u32,
    length: usize,
    cursor: Cursor,
}

const FRAME_HEADER: usize = 64;
const FRAME_MAGIC: &[u8; 8] = b"FANFRAME";
const SEGMENT_MAGIC: &[u8; 8] = b"FANSEGMT";

impl Default for Watch {
    fn default() -> Self {
        let cursor = Cursor { segment: 0, generation: 0, offset: PAGE as u64, frame: 1 };
        Self { cursor, frames: Vec::new() }
    }
}

impl Watch {
    /// Calls `visit` with each block that became durable since the last call, in log order.
    pub fn look(&mut self, disk: &SimDisk, visit: &mut dyn FnMut(&Block<'_>)) {
        loop {
            if let Some(bytes) = frame(&self.cursor, disk) {
                let offset = usize::try_from(self.cursor.offset).unwrap_or_default();
                self.frames.push(FramePlace { segment: self.cursor.segment, offset, length: bytes.len() });
                self.cursor.offset += bytes.len() as u64;
                self.cursor.frame += 1;
                each_block(&bytes, visit);
            } else if let Some(next) = self.next_segment(disk) {
                self.cursor = next;
            } else {
                return;
            }
        }
    }

    /// Where the frames seen lie, in order.
    pub fn frames(&self) -> &[FramePlace] {
        &self.frames
    }

    /// The segment of the last frame.
    pub const fn segment(&self) -> u64 {
        self.cursor.segment
    }

    /// The segment after the present one, once a frame lies in it.
    fn next_segment(&self, disk: &SimDisk) -> Option<Cursor> {
        let segment = self.cursor.segment + 1;
        let page = disk.durable(&name(segment), 0, PAGE)?;
        let mut reader = Reader::new(&page);
        let named = reader.array::<8>().ok().filter(|magic| magic == SEGMENT_MAGIC);
        named?;
        reader.take(16).ok()?;
        let generation = reader.u64().ok()?;
        let next = Cursor { segment, generation, offset: PAGE as u64, frame: self.cursor.frame };
        frame(&next, disk).map(|_| next)
    }
}

/// Bytes of the frame at the cursor, if all of it is durable and right.
fn frame(cursor: &Cursor, disk: &SimDisk) -> Option<Vec<u8>> {
    let name = name(cursor.segment);
    let offset = usize::try_from(cursor.offset).ok()?;
    let first = disk.durable(&name, offset, PAGE)?;
    let frame = parse(&first).ok().flatten().filter(|frame| frame.cursor == *cursor)?;
    let total = (FRAME_HEADER + frame.length).next_multiple_of(PAGE);
    let bytes = if total == PAGE { first } else { disk.durable(&name, offset, total)? };
    (frame.blocks > 0 && crc32fast::hash(&bytes[12..]) == frame.checksum).then_some(bytes)
}

fn name(segment: u64) -> String {
    format!("segment-{segment:010}")
}

fn parse(bytes: &[u8]) -> Result<Option<Frame>, ReadError> {
    let mut reader = Reader::new(bytes);
    if reader.array::<8>()? != *FRAME_MAGIC {
        return Ok(None);
    }
    let (checksum, blocks, length) = (reader.u32()?, reader.u32()?, reader.u32()?);
    reader.u32()?;
    let cursor = Cursor {
        generation: reader.u64()?,
        segment: reader.u64()?,
        offset: reader.u64()?,
        frame: reader.u64()?,
    };
    Ok(Some(Frame { checksum, blocks, length: length as usize, cursor }))
}

/// Calls `visit` with each block of a frame that somebody wrote, wherever it was to lie. Of a part of a frame, or of
/// anything else, there is none.
pub fn blocks_of(bytes: &[u8], visit: &mut dyn FnMut(&Block<'_>)) {
    let Ok(Some(frame)) = parse(bytes) else { return };
    let total = (FRAME_HEADER + frame.length).next_multiple_of(PAGE);
    if bytes.get(12..total).is_some_and(|checked| crc32fast::hash(checked) == frame.checksum) {
        each_block(bytes, visit);
    }
}

fn each_block(bytes: &[u8], visit: &mut dyn FnMut(&Block<'_>)) {
    let Ok(Some(frame)) = parse(bytes) else { return };
    let mut reader = Reader::new(&bytes[FRAME_HEADER..FRAME_HEADER + frame.length]);
    for _ in 0..frame.blocks {
        let Ok(block) = Block::read(&mut reader) else { return };
        visit(&block);
    }
}
