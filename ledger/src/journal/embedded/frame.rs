//! The frame: what one write appends to the log. A header of 64 bytes, the sealed blocks of several
//! shards one after the other, zeros up to the next page; one checksum over all of it.
//!
//! A frame is bound to its place: generation and number of the segment, offset, number of the frame.
//! Bytes that lie anywhere else than where they were written are never believed (L3, L7).

use super::disk::{PAGE, Page, bytes_of_mut, page_up};
use crate::block::{Block, BlockError, HEADER_BYTES, Header, MAX_PAYLOAD};
use crate::mutant::{self, Mutant};
use crate::record::leb::{ReadError, Reader};

/// Bytes of a frame's header.
pub const FRAME_HEADER: usize = 64;
/// Largest frame, header and padding included.
pub const MAX_FRAME: usize = 1024 * 1024;
/// What the largest block takes in the log when it is alone in its frame.
pub const MAX_BLOCK_COST: usize = page_up(FRAME_HEADER + HEADER_BYTES + MAX_PAYLOAD);

const MAGIC: [u8; 8] = *b"FANFRAME";
/// The checksum covers everything after itself.
const CHECKED_FROM: usize = 12;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Generation of the segment: which life of its bytes.
    pub generation: u64,
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Byte offset of the frame in the segment.
    pub offset: u64,
    /// Number of the frame, from 1, without a gap over the whole log.
    pub frame: u64,
}

/// The fixed part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Where it was written.
    pub place: Place,
    /// How many blocks it holds.
    pub blocks: u32,
    /// Bytes of the blocks.
    pub length: u32,
    checksum: u32,
}

/// A frame whose checksum and place were right.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The fixed part.
    pub header: FrameHeader,
    body: &'a [u8],
}

/// What a block alone in its frame takes in the log.
pub const fn cost(sealed: usize) -> usize {
    page_up(FRAME_HEADER + sealed)
}

impl FrameHeader {
    /// Reads a header from the front of `bytes`; `None` if that is not one. Nothing is checked but
    /// the form: see [`FrameHeader::verify`].
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes).ok().flatten()
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, ReadError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != MAGIC {
            return Ok(None);
        }
        let checksum = reader.u32()?;
        let blocks = reader.u32()?;
        let length = reader.u32()?;
        let reserved = reader.u32()?;
        let place = Place {
            generation: reader.u64()?,
            segment: reader.u64()?,
            offset: reader.u64()?,
            frame: reader.u64()?,
        };
        let header = Self { place, blocks, length, checksum };
        let formed = reserved == 0 && blocks > 0 && header.total() <= MAX_FRAME;
        Ok(formed.then_some(header))
    }

    /// Bytes of the whole frame, padding included.
    pub const fn total(&self) -> usize {
        page_up(FRAME_HEADER + self.length as usize)
    }

    /// Whether it was written for `place`.
    pub fn is_of(&self, place: &Place) -> bool {
        let position = |place: &Place| (place.segment, place.offset, place.frame);
        (position(&self.place) == position(place) || mutant::on(Mutant::FramePositionIgnored))
            && (self.place.generation == place.generation || mutant::on(Mutant::FrameGenerationIgnored))
    }

    /// The frame, if the checksum over all its bytes is right.
    pub fn verify<'a>(&self, frame: &'a [u8]) -> Option<Frame<'a>> {
        let right = frame.len() == self.total() && crc32fast::hash(&frame[CHECKED_FROM..]) == self.checksum;
        let body = frame.get(FRAME_HEADER..FRAME_HEADER + self.length as usize)?;
        right.then_some(Frame { header: *self, body })
    }
}

impl<'a> Frame<'a> {
    /// Calls `visit` with each block, in order. Hashes of the headers are checked, of the payloads not.
    pub fn each_block<E: From<BlockError>>(
        &self,
        mut visit: impl FnMut(Block<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = Reader::new(self.body);
        for _ in 0..self.header.blocks {
            visit(Block::read(&mut reader)?)?;
        }
        reader.finish().map_err(|error| BlockError::Bytes(error).into())
    }
}

/// Where a frame is put together; made once and used for every write.
pub struct FrameBuffer {
    pages: Vec<Page>,
    used: usize,
    blocks: u32,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self { pages: vec![Page::ZERO; MAX_FRAME / PAGE], used: FRAME_HEADER, blocks: 0 }
    }
}

impl FrameBuffer {
    /// Empties it.
    pub fn begin(&mut self) {
        self.used = FRAME_HEADER;
        self.blocks = 0;
    }

    /// Appends a block. The caller has seen to it that the frame stays within [`MAX_FRAME`].
    pub fn push(&mut self, header: &Header, payload: &[u8]) {
        let bytes = bytes_of_mut(&mut self.pages);
        let payload_at = self.used + HEADER_BYTES;
        bytes[self.used..payload_at].copy_from_slice(&header.to_bytes());
        bytes[payload_at..payload_at + payload.len()].copy_from_slice(payload);
        self.used = payload_at + payload.len();
        self.blocks += 1;
    }

    /// How many blocks it holds.
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Binds it to its place, pads and checksums it.
    pub fn finish(&mut self, place: &Place) -> &[Page] {
        let (used, total) = (self.used, page_up(self.used));
        let length = u32::try_from(used - FRAME_HEADER).unwrap_or(u32::MAX);
        let bytes = &mut bytes_of_mut(&mut self.pages)[..total];
        bytes[used..].fill(0);
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&self.blocks.to_le_bytes());
        bytes[16..20].copy_from_slice(&length.to_le_bytes());
        bytes[20..24].fill(0);
        bytes[24..32].copy_from_slice(&place.generation.to_le_bytes());
        bytes[32..40].copy_from_slice(&place.segment.to_le_bytes());
        bytes[40..48].copy_from_slice(&place.offset.to_le_bytes());
        bytes[48..56].copy_from_slice(&place.frame.to_le_bytes());
        bytes[56..64].fill(0);
        let checksum = crc32fast::hash(&bytes[CHECKED_FROM..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        &self.pages[..total / PAGE]
    }
}
