//! A ledger's directory: `KEY` (the key that tags and contents are hashed under) and `log` (the
//! journal). Owns their names, the key's form and who may read it.
//!
//! The key never leaves this process and is never shown: with it, a journal would give UIDs away.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use actors::address::Keys;
use ledger::journal::embedded::OsDisk;
use ledger::record::Genesis;
use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

/// The file with the key: 64 hexadecimal digits and a line feed, readable by its owner only.
pub const KEY_NAME: &str = "KEY";
/// The directory with the journal.
pub const LOG_NAME: &str = "log";

const KEY_BYTES: usize = 32;
const KEY_TEXT: usize = KEY_BYTES * 2;

/// Why a directory is not a ledger's, or its key cannot be had.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// There is no ledger.
    #[error("{0} is not a ledger's directory: it has no {LOG_NAME}; make one with `fanfare init`")]
    NotALedger(PathBuf),
    /// A file of it could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The key file is not one.
    #[error("{0} is not a key: it must hold 64 hexadecimal digits; take it from your backup")]
    NotAKey(PathBuf),
    /// Others than the owner can read the key.
    #[error("{0} can be read by others: take that right away (chmod 600)")]
    Exposed(PathBuf),
    /// The key is another ledger's.
    #[error("{0} is the key of another ledger: take the right one from your backup")]
    OtherKey(PathBuf),
    /// The system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(io::Error),
}

/// The directory of one ledger.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// The ledger in `path`, which must be there.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let directory = Self(path.to_owned());
        let log = directory.log();
        if log.is_dir() { Ok(directory) } else { Err(DirectoryError::NotALedger(path.to_owned())) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the journal is.
    pub fn log(&self) -> PathBuf {
        self.0.join(LOG_NAME)
    }

    /// The journal's files, to be looked at only.
    pub fn disk(&self) -> Result<OsDisk, DirectoryError> {
        OsDisk::read_only(&self.log()).map_err(|error| DirectoryError::File { path: self.log(), error })
    }

    /// What tags and contents are hashed under. The key must be the one that `genesis` names.
    pub fn keys(&self, genesis: &Genesis) -> Result<Keys, DirectoryError> {
        self.keys_named(genesis.key_id)
    }

    /// What tags and contents are hashed under. The key must have this name.
    pub fn keys_named(&self, key_id: [u8; 16]) -> Result<Keys, DirectoryError> {
        let path = self.0.join(KEY_NAME);
        let keys = Keys::derive(&read_key(&path)?);
        if keys.id() == key_id { Ok(keys) } else { Err(DirectoryError::OtherKey(path)) }
    }
}

fn read_key(path: &Path) -> Result<[u8; KEY_BYTES], DirectoryError> {
    let failed = |error| DirectoryError::File { path: path.to_owned(), error };
    let mut file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
        return Err(DirectoryError::Exposed(path.to_owned()));
    }
    let mut text = Vec::new();
    (&mut file).take(KEY_TEXT as u64 + 2).read_to_end(&mut text).map_err(failed)?;
    parse_key(&text).ok_or_else(|| DirectoryError::NotAKey(path.to_owned()))
}

fn parse_key(text: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii_end();
    let digits = text.len() == KEY_TEXT && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let mut key = [0; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    digits.then_some(key)
}

/// Makes a new random key in `dir`, durable but for the directory's own entry.
pub(crate) fn make_key(dir: &Path) -> Result<Keys, DirectoryError> {
    let mut key = [0; KEY_BYTES];
    random(&mut key)?;
    let path = dir.join(KEY_NAME);
    let text: String = key.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect();
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| DirectoryError::File { path: path.clone(), error })?;
    Ok(Keys::derive(&key))
}

/// Fills `bytes` from the system's generator.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), DirectoryError> {
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(DirectoryError::Random(error.into())),
        }
    }
    Ok(())
}

/// Makes a directory's entries durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), DirectoryError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| DirectoryError::File { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_digits_and_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = make_key(dir.path()).unwrap();
        let path = dir.path().join(KEY_NAME);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Keys::derive(&read_key(&path).unwrap()).id(), keys.id());
        assert!(make_key(dir.path()).is_err(), "a key is never overwritten");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_key(&path), Err(DirectoryError::Exposed(_))));
    }

    #[test]
    fn what_is_not_a_key_is_not_taken_for_one() {
        let good = "0123456789abcdef".repeat(4);
        assert!(parse_key(good.as_bytes()).is_some());
        assert!(parse_key(format!("{good}\n").as_bytes()).is_some());
        for bad in ["", &good[1..], &format!("{good}0"), &good.replace('a', "g"), &good.replace("01", "+1")] {
            assert!(parse_key(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
