//! Owns: what a replay cannot do without: reading as many bytes as the journal has, and hashing them as its chain is
//! hashed. On a scratch file of the tester's own: it opens no file of the server.
//! Must never: read from a cold cache what the replay beside it reads from a warm one.
//! Laws: none; it is the limit that L7 costs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

use crate::error::{LoadError, Result};
use crate::num::{count, index};

/// Bytes that are hashed at a time: a full block of the journal.
const BLOCK: usize = 256 << 10;

/// A file of so many bytes, all of them written and then flushed, so that they lie in the page cache.
#[derive(Debug)]
pub struct ReadFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl ReadFile {
    /// Creates the file in `dir`.
    pub fn create(dir: &Path, name: &str, bytes: u64) -> Result<Self> {
        let path = dir.join(name);
        let options = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = options.map_err(LoadError::file("create", &path))?;
        let written = Self { file, path, bytes };
        let data = vec![0x5a; BLOCK];
        written.each_block(0, 1, |at, length| {
            written.file.write_all_at(data.get(..length).unwrap_or_default(), at)
        })?;
        written.file.sync_all().map_err(LoadError::file("sync", &written.path))?;
        Ok(written)
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads and hashes every block of the file, on so many threads, as a server replays its shards. Returns the bytes
    /// that were hashed.
    pub fn read_and_hash(&self, threads: usize) -> Result<u64> {
        let threads = threads.max(1);
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|worker| scope.spawn(move || self.hash_share(worker, threads))).collect();
            workers
                .into_iter()
                .map(|worker| {
                    worker.join().map_err(|_| LoadError::Process("a thread that hashes broke".to_owned()))?
                })
                .sum()
        })
    }

    fn hash_share(&self, worker: usize, threads: usize) -> Result<u64> {
        let (mut buffer, mut hashed) = (vec![0; BLOCK], 0);
        self.each_block(worker, threads, |at, length| {
            let block = buffer.get_mut(..length).unwrap_or_default();
            self.file.read_exact_at(block, at)?;
            std::hint::black_box(blake3::hash(block));
            hashed += count(length);
            Ok(())
        })?;
        Ok(hashed)
    }

    /// Every `threads`-th block of the file, by its place and length; the last one may be shorter.
    fn each_block(
        &self,
        worker: usize,
        threads: usize,
        mut visit: impl FnMut(u64, usize) -> std::io::Result<()>,
    ) -> Result<()> {
        let mut at = count(worker * BLOCK);
        while at < self.bytes {
            let length = index((self.bytes - at).min(count(BLOCK)));
            visit(at, length).map_err(LoadError::file("use", &self.path))?;
            at += count(threads * BLOCK);
        }
        Ok(())
    }
}

impl Drop for ReadFile {
    fn drop(&mut self) {
        // It is a scratch file; one that can't be removed is only in the way.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit that read less than the journal holds would have made a slow replay look fast.
    #[test]
    fn every_byte_is_read_and_hashed_once_on_any_number_of_threads() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [0, 1, count(BLOCK), count(5 * BLOCK + 7)] {
            let file = ReadFile::create(dir.path(), "scratch", bytes).unwrap();
            assert_eq!(std::fs::metadata(dir.path().join("scratch")).unwrap().len(), bytes);
            for threads in [0, 1, 2, 9] {
                assert_eq!(file.read_and_hash(threads).unwrap(), bytes, "{threads} threads");
            }
        }
        assert!(
            !dir.path().join("scratch").exists(),
            "a scratch file as large as a journal would stay behind"
        );
        let short = ReadFile::create(dir.path(), "scratch", count(BLOCK)).unwrap();
        short.file.set_len(7).unwrap();
        assert!(short.read_and_hash(2).is_err(), "what is not there was hashed");
    }
}
