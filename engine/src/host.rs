//! The engine's one door to time and files. The simulator stands in for it by driving cores and stores
//! itself; a server has [`OsHost`]. Sockets are the gateway's; chance is drawn once, when a ledger is founded,
//! and by nothing that runs after that; the supervisor alone reads a clock of its own, to count failures.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ledger::ids::At;
use ledger::journal::embedded::{self, Disk, OsDisk};

use crate::job::{Clock, Mono};

/// What a node needs of the machine it runs on.
pub trait Host: Send + Sync {
    /// Both clocks.
    fn clock(&self) -> Clock;
    /// Microseconds that never run backwards, for the log's own pacing.
    fn stopwatch(&self) -> embedded::Clock;
    /// The directory of the log.
    fn disk(&self) -> io::Result<Arc<dyn Disk>>;
}

/// This machine.
#[derive(Debug)]
pub struct OsHost {
    log: PathBuf,
    started: Instant,
}

impl OsHost {
    /// With the log in `dir/log`.
    pub fn new(dir: &Path) -> Self {
        Self { log: dir.join("log"), started: Instant::now() }
    }
}

impl Host for OsHost {
    fn clock(&self) -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Microseconds reach 2^63 in the year 294,247.
        let wall = At(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let mono = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Clock { wall, mono: Mono(mono) }
    }

    fn stopwatch(&self) -> embedded::Clock {
        let started = self.started;
        Arc::new(move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    fn disk(&self) -> io::Result<Arc<dyn Disk>> {
        Ok(Arc::new(OsDisk::open(&self.log)?))
    }
}
