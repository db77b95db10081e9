//! The MARK: how far the log was confirmed when somebody last looked, in a file of its own with two
//! pages written in turn, so that a torn write can spoil one only. It is what tells damage from a
//! torn tail: a bad frame at or before the MARK was confirmed once. Never written ahead of a flush.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile, PAGE, Page};
use super::frame::Place;
use crate::record::leb::{ReadError, Reader};

/// Name of the file.
pub const MARK_NAME: &str = "MARK";
const MAKING_NAME: &str = "MARK.tmp";
const MAGIC: [u8; 8] = *b"FANMARK1";
const MARK_END: usize = 52;

/// The file, and what was last written to it.
pub struct MarkFile {
    file: Arc<dyn DiskFile>,
    counter: u64,
    /// The newest mark; frame 0 before the first frame.
    pub place: Place,
}

fn to_page(counter: u64, place: &Place) -> Page {
    let mut page = Page::ZERO;
    let bytes = &mut page.0;
    bytes[..8].copy_from_slice(&MAGIC);
    let fields = [counter, place.generation, place.segment, place.offset, place.frame];
    for (field, at) in fields.into_iter().zip((12..).step_by(8)) {
        bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
    }
    let checksum = crc32fast::hash(&bytes[12..MARK_END]);
    bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
    page
}

fn from_page(page: &Page) -> Result<Option<(u64, Place)>, ReadError> {
    let mut reader = Reader::new(&page.0);
    let (magic, checksum) = (reader.array()?, reader.u32()?);
    let counter = reader.u64()?;
    let place = Place {
        generation: reader.u64()?,
        segment: reader.u64()?,
        offset: reader.u64()?,
        frame: reader.u64()?,
    };
    let whole = magic == MAGIC && crc32fast::hash(&page.0[12..MARK_END]) == checksum;
    Ok(whole.then_some((counter, place)))
}

impl MarkFile {
    /// Makes the file of a new log.
    pub fn create(disk: &dyn Disk) -> io::Result<Self> {
        let file = disk.create(MAKING_NAME)?;
        let place = Place::default();
        file.write_at(&[to_page(0, &place), to_page(1, &place)], 0)?;
        file.sync()?;
        disk.rename(MAKING_NAME, MARK_NAME)?;
        disk.sync_dir()?;
        Ok(Self { file, counter: 1, place })
    }

    /// Opens it and takes the newer of the two pages. `None` if neither is whole: no crash does that.
    pub fn open(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = disk.open(MARK_NAME)?;
        if file.len()? != 2 * PAGE as u64 {
            return Ok(None);
        }
        let mut pages = [Page::ZERO; 2];
        file.read_at(&mut pages, 0)?;
        let marks = pages.iter().filter_map(|page| from_page(page).ok().flatten());
        let newest = marks.max_by_key(|(counter, _)| *counter);
        Ok(newest.map(|(counter, place)| Self { file, counter, place }))
    }

    /// Writes and flushes a mark over the older of the two.
    pub fn write(&mut self, place: Place) -> io::Result<()> {
        let counter = self.counter.wrapping_add(1);
        let offset = (counter % 2) * PAGE as u64;
        self.file.write_at(&[to_page(counter, &place)], offset)?;
        self.file.sync()?;
        self.counter = counter;
        self.place = place;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sim_disk::SimDisk;
    use super::*;

    fn place(frame: u64) -> Place {
        Place { generation: 3, segment: 1, offset: 4_096 * frame, frame }
    }

    #[test]
    fn a_torn_mark_leaves_the_one_before() {
        let disk = SimDisk::new(1);
        let mut mark = MarkFile::create(&disk).unwrap();
        (1..=5).for_each(|frame| mark.write(place(frame)).unwrap());
        assert_eq!(MarkFile::open(&disk).unwrap().unwrap().place, place(5));
        // Counter 1 was written at creation, so mark 5 has counter 6: the first page.
        disk.flip(MARK_NAME, 20, 1);
        let mut older = MarkFile::open(&disk).unwrap().unwrap();
        assert_eq!(older.place, place(4));
        older.write(place(6)).unwrap();
        assert_eq!(MarkFile::open(&disk).unwrap().unwrap().place, place(6));
        disk.flip(MARK_NAME, 20, 1);
        disk.flip(MARK_NAME, PAGE + 20, 1);
        assert!(MarkFile::open(&disk).unwrap().is_none());
    }
}
