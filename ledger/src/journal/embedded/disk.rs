//! What the log needs of a disk: whole pages at page offsets, names in one directory, and the two
//! promises durability rests on: after `sync` a file's bytes and length are durable, after
//! `sync_dir` its name is. Everything else may be lost or kept in any part by a power loss.
//!
//! The log does no IO but through these traits, so that a simulated disk can stand in. Calls block.

use std::io;
use std::sync::Arc;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a page: the unit of every read and write, and what direct IO wants aligned.
pub const PAGE: usize = 4_096;

/// A page, aligned for direct IO.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct Page(pub [u8; PAGE]);

impl Page {
    /// All zero.
    pub const ZERO: Self = Self([0; PAGE]);
}

/// An open file. Many threads may use it; the log never has two writes of one file under way.
pub trait DiskFile: Send + Sync {
    /// Fills `pages` from `offset`. An error if the file ends before.
    fn read_at(&self, pages: &mut [Page], offset: u64) -> io::Result<()>;
    /// Writes `pages` at `offset`, all of them or an error. Durable only after [`DiskFile::sync`].
    fn write_at(&self, pages: &[Page], offset: u64) -> io::Result<()>;
    /// Makes every write so far, and the length, durable. After an error nothing is known.
    fn sync(&self) -> io::Result<()>;
    /// Bytes of the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether it has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Held for as long as nobody else may open the directory; let go when dropped.
pub trait DiskLock: Send {
    /// Whether it is still the lock that anybody else would meet.
    fn is_held(&self) -> bool {
        true
    }
}

/// A directory of files.
pub trait Disk: Send + Sync {
    /// Names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a new empty file; an error if the name is taken.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file to be read from beginning to end, through a cache if there is one: only for bytes
    /// that are known to be durable.
    fn open_cached(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(name)
    }
    /// Gives a file another name, replacing what had it. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes all names durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// Takes the directory for this process; [`io::ErrorKind::WouldBlock`] if another has it.
    fn lock(&self) -> io::Result<Box<dyn DiskLock>>;
    /// Bytes that can still be written to new files.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// The bytes of a run of pages.
pub fn bytes_of(pages: &[Page]) -> &[u8] {
    pages.as_bytes()
}

/// The bytes of a run of pages, to be written.
pub fn bytes_of_mut(pages: &mut [Page]) -> &mut [u8] {
    pages.as_mut_bytes()
}

/// `bytes` rounded up to whole pages.
pub const fn page_up(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_bytes_without_gaps_and_aligned() {
        let mut pages = vec![Page::ZERO; 3];
        bytes_of_mut(&mut pages)[PAGE] = 7;
        assert_eq!(bytes_of(&pages).len(), 3 * PAGE);
        assert_eq!(pages[1].0[0], 7);
        assert_eq!(pages.as_ptr().addr() % PAGE, 0);
        assert_eq!([page_up(0), page_up(1), page_up(PAGE), page_up(PAGE + 1)], [0, PAGE, PAGE, 2 * PAGE]);
    }
}
