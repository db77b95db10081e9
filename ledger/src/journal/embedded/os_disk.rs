//! The real disk: one directory, direct IO where the file system allows it (it is what makes a read
//! see the device and not the page cache), buffered IO where it does not. The only IO of this crate.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, OFlags};
use rustix::io::Errno;

use super::disk::{Disk, DiskFile, DiskLock, Page, bytes_of, bytes_of_mut};

/// Name of the file that the exclusive lock is taken on.
pub const LOCK_NAME: &str = "LOCK";

/// A directory of the file system.
#[derive(Debug)]
pub struct OsDisk {
    path: PathBuf,
    dir: File,
    /// Nothing is written; what would be is an error.
    read_only: bool,
}

struct OsFile(File);

/// The lock is on the open file and goes with it.
struct OsLock {
    file: File,
    dir: File,
}

impl DiskLock for OsLock {
    /// Of the file that bears the name now, or nobody is kept out. Where the disk does not say, it is held.
    fn is_held(&self) -> bool {
        let named = rustix::fs::statat(&self.dir, LOCK_NAME, AtFlags::empty());
        match (named, rustix::fs::fstat(&self.file)) {
            (Ok(named), Ok(own)) => (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino),
            (Err(error), _) => error != Errno::NOENT,
            (_, Err(_)) => true,
        }
    }
}

/// Of a directory without a file to lock.
struct NoLock;

impl DiskLock for NoLock {}

impl OsDisk {
    /// Opens an existing directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), dir: File::open(path)?, read_only: false })
    }

    /// Opens an existing directory to be looked at only: a medium or a user without the right to
    /// write will do.
    pub fn read_only(path: &Path) -> io::Result<Self> {
        Ok(Self { read_only: true, ..Self::open(path)? })
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(!self.read_only).mode(0o600);
        options
    }

    fn writable(&self) -> io::Result<()> {
        if self.read_only { Err(ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    /// Opens with direct IO, or without where the file system refuses it (tmpfs does).
    fn open_file(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path.join(name);
        let file =
            if create { self.options().create_new(true).open(&path)? } else { self.options().open(&path)? };
        let direct = self.options().custom_flags(OFlags::DIRECT.bits().cast_signed()).open(&path);
        Ok(Arc::new(OsFile(match direct {
            Ok(direct) => direct,
            Err(error) if error.kind() == ErrorKind::InvalidInput => file,
            Err(error) => return Err(error),
        })))
    }
}

impl Disk for OsDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let name =
            |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        std::fs::read_dir(&self.path)?.map(name).collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.writable()?;
        self.open_file(name, true)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open_file(name, false)
    }

    fn open_cached(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::open(self.path.join(name))?;
        // The kernel then reads ahead while what it has read is checked; only a hint.
        let _hint = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Ok(Arc::new(OsFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?;
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.writable()?;
        self.dir.sync_all()
    }

    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        let mut options = self.options();
        let file = match options.create(!self.read_only).open(self.path.join(LOCK_NAME)) {
            // A copy may lack the file; whoever looks at it makes none.
            Err(error) if self.read_only && error.kind() == ErrorKind::NotFound => {
                return Ok(Box::new(NoLock));
            }
            file => file?,
        };
        // Those that only read do not keep each other out, or the second would take the first for a server.
        let how = if self.read_only {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        rustix::fs::flock(&file, how)?;
        Ok(Box::new(OsLock { file, dir: self.dir.try_clone()? }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::fstatvfs(&self.dir)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

impl DiskFile for OsFile {
    fn read_at(&self, pages: &mut [Page], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes_of_mut(pages), offset)
    }

    fn write_at(&self, pages: &[Page], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes_of(pages), offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::embedded::disk::PAGE;

    /// One file's life on whatever file system the path is on.
    fn a_file_lives(path: &Path) {
        let disk = OsDisk::open(path).unwrap();
        let file = disk.create("a.tmp").unwrap();
        assert_eq!(disk.create("a.tmp").err().unwrap().kind(), ErrorKind::AlreadyExists);
        let pages = [Page([1; PAGE]), Page([2; PAGE])];
        file.write_at(&pages, PAGE as u64).unwrap();
        file.sync().unwrap();
        disk.rename("a.tmp", "a").unwrap();
        disk.sync_dir().unwrap();
        assert_eq!(disk.list().unwrap(), ["a"]);

        let file = disk.open("a").unwrap();
        let mut read = [Page::ZERO; 3];
        file.read_at(&mut read, 0).unwrap();
        assert_eq!((read[0].0[0], read[1].0[0], read[2].0[4_095]), (0, 1, 2));
        assert_eq!(file.len().unwrap(), 3 * PAGE as u64);
        assert!(file.read_at(&mut read, PAGE as u64).is_err(), "past the end");
        assert!(disk.free_bytes().unwrap() > 0);
        disk.remove("a").unwrap();
        assert_eq!(disk.open("a").err().unwrap().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_file_lives_with_and_without_direct_io() {
        a_file_lives(tempfile::tempdir().unwrap().path());
        if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
            a_file_lives(memory.path());
        }
    }

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (OsDisk::open(dir.path()).unwrap(), OsDisk::open(dir.path()).unwrap());
        let lock = first.lock().unwrap();
        assert_eq!(second.lock().err().unwrap().kind(), ErrorKind::WouldBlock);
        drop(lock);
        second.lock().unwrap();
    }

    #[test]
    fn a_lock_whose_file_was_taken_away_keeps_nobody_out_and_says_so() {
        // LOCK was deleted by whoever tidied up, and a second server started beside the first.
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("log");
        std::fs::create_dir(&path).unwrap();
        let first = OsDisk::open(&path).unwrap();
        let lock = first.lock().unwrap();
        assert!(lock.is_held());
        let moved = parent.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        assert!(lock.is_held(), "it goes with the directory");
        std::fs::remove_file(moved.join(LOCK_NAME)).unwrap();
        assert!(!lock.is_held());
        let second = OsDisk::open(&moved).unwrap().lock().unwrap();
        assert!(second.is_held() && !lock.is_held());
    }
}
