//! The segment: a file of the log, filled with zeros before it is used, so that appending changes
//! nothing but data. Its first page names it; frames follow. It gets its final name only when all of
//! it is durable, so a segment that is found is whole.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, PAGE, Page, bytes_of};
use super::frame::MAX_BLOCK_COST;
use crate::record::leb::{ReadError, Reader};

/// Where the frames of a segment begin.
pub const FIRST_FRAME: u64 = PAGE as u64;
/// The smallest segment: its first page and some frames, the largest block among them.
pub const MIN_SEGMENT: u64 = 80 * PAGE as u64;
/// The largest segment.
pub const MAX_SEGMENT: u64 = 1 << 30;
/// Name of a segment while it is being made.
pub const MAKING_NAME: &str = "next.tmp";

const MAGIC: [u8; 8] = *b"FANSEGMT";
const VERSION: u32 = 1;
/// The checksum covers what follows it up to here.
const HEADER_END: usize = 40;

/// What the first page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// 1, 2, 3 ... in the order of the log.
    pub number: u64,
    /// Which life of the file's bytes.
    pub generation: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A segment that frames are appended to.
pub struct Segment {
    /// Who it is.
    pub header: SegmentHeader,
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// Where the next frame goes.
    pub offset: u64,
}

impl SegmentHeader {
    /// Name of its file.
    pub fn name(&self) -> String {
        name(self.number)
    }

    /// The first page.
    pub fn to_page(self) -> Page {
        let mut page = Page::ZERO;
        let bytes = &mut page.0;
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.generation.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.bytes.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[12..HEADER_END]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        page
    }

    /// Reads the first page; what is wrong with it otherwise.
    pub fn from_page(page: &Page) -> Result<Self, &'static str> {
        Self::parse(&page.0).unwrap_or(Err("the first page ends early"))
    }

    fn parse(bytes: &[u8]) -> Result<Result<Self, &'static str>, ReadError> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != MAGIC {
            return Ok(Err("the first page is not that of a segment"));
        }
        let checksum = reader.u32()?;
        if crc32fast::hash(&bytes[12..HEADER_END]) != checksum {
            return Ok(Err("the first page does not match its checksum"));
        }
        if reader.u32()? != VERSION {
            return Ok(Err("the segment is of a version this build does not know"));
        }
        let header = Self { number: reader.u64()?, generation: reader.u64()?, bytes: reader.u64()? };
        if bytes[HEADER_END..].iter().any(|byte| *byte != 0) {
            return Ok(Err("the first page has bytes where zeros belong"));
        }
        if !valid_size(header.bytes) {
            return Ok(Err("the segment says a size no segment has"));
        }
        Ok(Ok(header))
    }
}

impl Segment {
    /// Opens a segment whose first page was read.
    pub fn open(header: SegmentHeader, disk: &dyn Disk) -> io::Result<Self> {
        Ok(Self { header, file: disk.open(&header.name())?, offset: FIRST_FRAME })
    }

    /// Bytes left for frames.
    pub const fn left(&self) -> u64 {
        self.header.bytes - self.offset
    }

    /// Bytes of blocks, each counted as if alone in its frame, that surely still fit: the last
    /// block that does not fit wastes less than its own size.
    pub const fn sure_room(&self) -> u64 {
        sure_room(self.left())
    }
}

/// See [`Segment::sure_room`].
pub const fn sure_room(left: u64) -> u64 {
    left.saturating_sub((MAX_BLOCK_COST - PAGE) as u64)
}

/// Whether a segment may have this size.
pub const fn valid_size(bytes: u64) -> bool {
    bytes >= MIN_SEGMENT && bytes <= MAX_SEGMENT && bytes.is_multiple_of(PAGE as u64)
}

/// Name of segment `number`.
pub fn name(number: u64) -> String {
    format!("segment-{number:010}")
}

/// The number in a segment's name; `None` for other files.
pub fn number_in(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?;
    let number = digits.parse().ok()?;
    (self::name(number) == name).then_some(number)
}

/// A segment being made: zeros first, then the first page, then the name.
pub struct Making {
    header: SegmentHeader,
    file: Arc<dyn DiskFile>,
    written: u64,
}

impl Making {
    /// Begins a segment; what is left of an earlier attempt is removed.
    pub fn begin(disk: &dyn Disk, header: SegmentHeader) -> io::Result<Self> {
        match disk.remove(MAKING_NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self { header, file: disk.create(MAKING_NAME)?, written: 0 })
    }

    /// Bytes written so far.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Bytes it will have.
    pub const fn bytes(&self) -> u64 {
        self.header.bytes
    }

    /// Writes at most `zeros` more; `true` when all of it is written.
    pub fn fill(&mut self, zeros: &[Page]) -> io::Result<bool> {
        let missing = (self.header.bytes - self.written) / PAGE as u64;
        let pages = usize::try_from(missing).map_or(zeros.len(), |missing| missing.min(zeros.len()));
        self.file.write_at(&zeros[..pages], self.written)?;
        self.written += (pages * PAGE) as u64;
        Ok(self.written == self.header.bytes)
    }

    /// Makes it durable under its final name.
    pub fn finish(self, disk: &dyn Disk) -> io::Result<Segment> {
        self.file.write_at(&[self.header.to_page()], 0)?;
        self.file.sync()?;
        disk.rename(MAKING_NAME, &self.header.name())?;
        disk.sync_dir()?;
        Ok(Segment { header: self.header, file: self.file, offset: FIRST_FRAME })
    }
}

/// Reads the first page of a segment. `Err` inside: what is wrong with it.
pub fn read_header(disk: &dyn Disk, number: u64) -> io::Result<Result<SegmentHeader, String>> {
    let file = disk.open(&name(number))?;
    if file.len()? < MIN_SEGMENT {
        return Ok(Err("the file is shorter than any segment".to_owned()));
    }
    let mut page = [Page::ZERO];
    file.read_at(&mut page, 0)?;
    let header = match SegmentHeader::from_page(&page[0]) {
        Ok(header) => header,
        Err(wrong) => return Ok(Err(wrong.to_owned())),
    };
    if header.number != number {
        return Ok(Err(format!("the first page is that of segment {}", header.number)));
    }
    if file.len()? != header.bytes {
        return Ok(Err(format!("the file has {} bytes and should have {}", file.len()?, header.bytes)));
    }
    Ok(Ok(header))
}

/// End of the last page from `offset` on that is not all zero; `None` if there is none.
pub fn dirty_until(file: &dyn DiskFile, offset: u64, end: u64) -> io::Result<Option<u64>> {
    let mut pages = vec![Page::ZERO; 64];
    let (mut at, mut dirty) = (offset, None);
    while at < end {
        let count =
            usize::try_from((end - at) / PAGE as u64).map_or(pages.len(), |left| left.min(pages.len()));
        file.read_at(&mut pages[..count], at)?;
        let last =
            pages[..count].iter().rposition(|page| bytes_of(std::slice::from_ref(page)) != Page::ZERO.0);
        if let Some(last) = last {
            dirty = Some(at + ((last + 1) * PAGE) as u64);
        }
        at += (count * PAGE) as u64;
    }
    Ok(dirty)
}
