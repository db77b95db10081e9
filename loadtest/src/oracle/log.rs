//! Owns: the oracle's file: each request before it is sent, each answer before it counts. Append-only.
//! Must never: rewrite a byte; buffer in memory what it calls written.
//! Laws: it is the witness for L3 and L4.
//!
//! Entries: `1`, length (u16), the request's bytes; `2`, the answer's 32 bytes; or `3`, the id (u64) of a request that is
//! given up: its cancel may leave from now on.
//! Little-endian. A torn last entry (the oracle itself was ended) is cut off.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use wire::limits::ANSWER;
use wire::{Answer, RequestId, RequestView};

use crate::error::{LoadError, Result};
use crate::num::count;

const ASKED: u8 = 1;
const ANSWERED: u8 = 2;
const GIVEN_UP: u8 = 3;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A request is about to be sent.
    Asked(Vec<u8>),
    /// An answer came.
    Answered(Answer),
    /// A cancel is about to be sent.
    GivenUp(RequestId),
}

/// The file, open for appending.
#[derive(Debug)]
pub struct OracleLog {
    file: File,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl OracleLog {
    /// Opens the file, cuts a torn last entry off, and returns what it holds.
    pub fn open(path: &Path) -> Result<(Self, Vec<Entry>)> {
        let held = if path.exists() {
            std::fs::read(path).map_err(LoadError::file("read", path))?
        } else {
            Vec::new()
        };
        let (entries, sound) = parse(&held).map_err(|problem| LoadError::format(path, problem))?;
        let file =
            OpenOptions::new().create(true).append(true).open(path).map_err(LoadError::file("open", path))?;
        if sound < held.len() {
            file.set_len(count(sound)).map_err(LoadError::file("cut", path))?;
        }
        Ok((Self { file, path: path.to_owned(), bytes: Vec::new() }, entries))
    }

    /// Writes a request; only then may it be sent.
    pub fn asked(&mut self, request: &[u8]) -> Result<()> {
        let length = u16::try_from(request.len())
            .map_err(|_| LoadError::Arguments("a request is longer than the protocol allows".to_owned()))?;
        self.bytes.clear();
        self.bytes.push(ASKED);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(request);
        self.file.write_all(&self.bytes).map_err(LoadError::file("append to", &self.path))
    }

    /// Writes that a request is given up; only then may its cancel be sent.
    pub fn given_up(&mut self, id: RequestId) -> Result<()> {
        self.bytes.clear();
        self.bytes.push(GIVEN_UP);
        self.bytes.extend_from_slice(&id.raw().to_le_bytes());
        self.file.write_all(&self.bytes).map_err(LoadError::file("append to", &self.path))
    }

    /// Writes an answer; only then does it count.
    pub fn answered(&mut self, answer: &Answer) -> Result<()> {
        self.bytes.clear();
        self.bytes.push(ANSWERED);
        self.bytes.extend_from_slice(&answer.encode());
        self.file.write_all(&self.bytes).map_err(LoadError::file("append to", &self.path))
    }
}

/// The entries, and how many bytes of the file they take.
fn parse(bytes: &[u8]) -> std::result::Result<(Vec<Entry>, usize), String> {
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some((kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) {
        let entry = match *kind {
            ASKED => {
                let Some((length, rest)) = rest.split_first_chunk::<2>() else { break };
                let Some(request) = rest.get(..usize::from(u16::from_le_bytes(*length))) else { break };
                if !matches!(RequestView::parse(request), Some(Ok(_))) {
                    return Err(format!("entry at byte {at} holds no request; the file is damaged"));
                }
                at += 3 + request.len();
                Entry::Asked(request.to_vec())
            }
            ANSWERED => {
                let Some(answer) = rest.first_chunk::<ANSWER>() else { break };
                at += 1 + ANSWER;
                Entry::Answered(Answer::decode(answer, 0).map_err(|error| error.to_string())?)
            }
            GIVEN_UP => {
                let Some(id) = rest.first_chunk::<8>() else { break };
                at += 9;
                Entry::GivenUp(RequestId::from_raw(u64::from_le_bytes(*id)))
            }
            other => {
                return Err(format!("entry at byte {at} is of unknown kind {other}; the file is damaged"));
            }
        };
        entries.push(entry);
    }
    Ok((entries, at))
}
