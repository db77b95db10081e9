//! `fanfare init`: founds a ledger. Everything is built in `DIR.tmp`, made durable and renamed, so
//! that a ledger is there whole or not at all.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use actors::festival::Festival;
use engine::genesis::{FoundingError, found};
use ledger::ids::{At, LedgerId};
use ledger::journal::embedded::{Clock, Log, LogConfig, OpenError, OsDisk, Step};
use ledger::record::Genesis;
use thiserror::Error;

use crate::directory::{Directory, DirectoryError, LOG_NAME, make_key, random, sync_dir};

/// Most shards a ledger may have: far more than any machine has processors.
pub const MAX_SHARDS: u16 = 1_024;

/// How a ledger is founded.
#[derive(Clone, Debug)]
pub struct Founding {
    /// How many shards it has, for ever: 1 to [`MAX_SHARDS`].
    pub shards: u16,
    /// Bytes of the journal's first segments.
    pub segment_bytes: u64,
    /// The time of its first records.
    pub at: At,
}

/// Why a ledger could not be founded. Nothing is left in its place.
#[derive(Debug, Error)]
pub enum InitError {
    /// Something is there already.
    #[error("{0} is there already and not empty: choose another directory")]
    Taken(PathBuf),
    /// An earlier attempt was cut short, or another is under way.
    #[error("{0} is left from an attempt that was cut short: remove it, if no other init is running")]
    Unfinished(PathBuf),
    /// A directory must have a name, for the one it is built in is named after it.
    #[error("{0} names no directory that could be made: write out its name")]
    Nameless(PathBuf),
    /// The number of shards is out of range.
    #[error("{0} shards: take 1 to {MAX_SHARDS}")]
    Shards(u16),
    /// A directory or file could not be made.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The key could not be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The log could not be made.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The first blocks could not be written.
    #[error(transparent)]
    Founding(#[from] FoundingError),
}

/// Founds a ledger for `festival` in `dir`, which must not exist or be empty.
pub fn init(dir: &Path, festival: &Festival, founding: &Founding) -> Result<LedgerId, InitError> {
    if founding.shards == 0 || founding.shards > MAX_SHARDS {
        return Err(InitError::Shards(founding.shards));
    }
    if !is_free(dir).map_err(|error| InitError::File { path: dir.to_owned(), error })? {
        return Err(InitError::Taken(dir.to_owned()));
    }
    let building = beside(dir)?;
    let made = make_dir(&building);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => InitError::Unfinished(building.clone()),
        _ => InitError::File { path: building.clone(), error },
    })?;
    match build(&building, festival, founding) {
        Ok(ledger) => {
            let renamed = std::fs::rename(&building, dir);
            renamed.map_err(|error| InitError::File { path: dir.to_owned(), error })?;
            sync_dir(parent(dir))?;
            Ok(ledger)
        }
        Err(error) => {
            // The first error is the one to tell; what could not be removed is named next time.
            let _ = std::fs::remove_dir_all(&building);
            Err(error)
        }
    }
}

fn is_free(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// `DIR.tmp`, on the same file system as `DIR`.
fn beside(dir: &Path) -> Result<PathBuf, InitError> {
    let mut name = dir.file_name().ok_or_else(|| InitError::Nameless(dir.to_owned()))?.to_owned();
    name.push(".tmp");
    Ok(dir.with_file_name(name))
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Everything of the ledger, durable when it returns.
fn build(dir: &Path, festival: &Festival, founding: &Founding) -> Result<LedgerId, InitError> {
    let keys = make_key(dir)?;
    let mut ledger = LedgerId::default();
    random(&mut ledger.0)?;
    let path = dir.join(LOG_NAME);
    let disk = make_dir(&path).and_then(|()| OsDisk::open(&path));
    let disk = disk.map_err(|error| InitError::File { path: path.clone(), error })?;
    let log = Log::create(Arc::new(disk), log_config(founding)?)?;
    let genesis = Genesis { ledger, shards: founding.shards, level: ledger::LEVEL, key_id: keys.id() };
    let mut worker = log.worker();
    found(&mut log.port(None), &genesis, festival, founding.at, || {
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
    })?;
    log.close().map_err(|error| InitError::File { path, error })?;
    sync_dir(dir)?;
    Ok(ledger)
}

fn log_config(founding: &Founding) -> Result<LogConfig, InitError> {
    let started = Instant::now();
    let now: Clock = Arc::new(move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    // A new ledger may lie on the sectors of an old one, whose frames must not be taken for its own.
    let mut generation = [0; 4];
    random(&mut generation)?;
    Ok(LogConfig {
        segment_bytes: founding.segment_bytes,
        ahead_bytes: founding.segment_bytes / 2,
        generation: 1 + u64::from(u32::from_le_bytes(generation)),
        ..LogConfig::new(now)
    })
}

/// The ledger in `dir` must be there now: for the message at the end.
pub fn describe(dir: &Path, ledger: LedgerId, festival: &Festival, shards: u16) -> Result<String, InitError> {
    let directory = Directory::open(dir)?;
    Ok(format!(
        "ledger {ledger} of {:?} in {}: {shards} shards, {} vendors, {} items, {} tills, {} devices\n\
         keep a copy of {} in a safe place: without it no wristband can be read again",
        festival.name,
        directory.path().display(),
        festival.vendors().len(),
        festival.items().len(),
        festival.tills().len(),
        festival.devices().len(),
        directory.path().join(crate::directory::KEY_NAME).display(),
    ))
}
