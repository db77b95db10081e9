//! Owns: how a configuration is fetched: a terminal asks for a slice of the bytes, the server sends it.
//! Must never: know what the bytes say (see `own` for those a terminal needs).
//! Laws: L12 (slices are bounded), L13 (the whole only for who may change it: told by the code).

use crate::bytes::{put, u16_at, u32_at};
use crate::codes::{self, Refusal};
use crate::error::WireError;
use crate::frame::{FrameKind, FrameWriter};
use crate::limits::{CONFIGURATION_HEAD, FETCH, MAX_SLICE};

/// Which bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum What {
    /// What concerns the device itself: [`crate::Own`].
    Own = 1,
    /// The whole configuration, for who may change it.
    Whole = 2,
}

impl What {
    /// The one with this number, if this version knows it.
    pub fn from_u16(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Own),
            2 => Some(Self::Whole),
            _ => None,
        }
    }

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }
}

fn fixed<const N: usize>(kind: FrameKind, body: &[u8]) -> Result<&[u8; N], WireError> {
    body.first_chunk().ok_or(WireError::BodyTooShort { kind, length: body.len(), need: N })
}

/// Asks for the bytes of a configuration from `offset` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// The version that the bytes before were of; 0 at the beginning.
    pub version: u32,
    /// From which byte.
    pub offset: u32,
    /// Number of [`What`]; one that is not known is refused, not an error.
    pub what: u16,
}

impl Fetch {
    /// Reads the body of a fetch.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let body: &[u8; FETCH] = fixed(FrameKind::Fetch, body)?;
        Ok(Self {
            version: u32_at::<0, FETCH>(body),
            offset: u32_at::<4, FETCH>(body),
            what: u16_at::<8, FETCH>(body),
        })
    }

    /// Appends the fetch as a frame.
    pub fn push(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut body = [0; FETCH];
        put::<0, 4, FETCH>(&mut body, self.version.to_le_bytes());
        put::<4, 4, FETCH>(&mut body, self.offset.to_le_bytes());
        put::<8, 2, FETCH>(&mut body, self.what.to_le_bytes());
        let mut frame = FrameWriter::begin(out, FrameKind::Fetch, 0);
        frame.body().extend_from_slice(&body);
        frame.finish(0)
    }
}

/// A slice of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<'a> {
    /// The version in force.
    pub version: u32,
    /// Bytes of the whole.
    pub total: u32,
    /// Where this slice begins.
    pub offset: u32,
    /// What was asked for.
    pub what: u16,
    /// 0, or the number of the refusal: then nothing else is said.
    pub code: u16,
    /// The slice; empty where another version is in force than the one asked for.
    pub bytes: &'a [u8],
}

impl<'a> Slice<'a> {
    /// The slice of `whole`, which is version `version`, that `fetch` asks for.
    pub fn of(fetch: &Fetch, version: u32, whole: &'a [u8]) -> Self {
        let same = fetch.version == version || fetch.version == 0;
        let from = usize::try_from(fetch.offset).unwrap_or(usize::MAX).min(whole.len());
        let to = from.saturating_add(MAX_SLICE).min(whole.len());
        let bytes = if same { whole.get(from..to).unwrap_or_default() } else { &[] };
        // A configuration has a few megabytes at most.
        let total = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        Self { version, total, offset: fetch.offset, what: fetch.what, code: codes::DONE, bytes }
    }

    /// A no.
    pub fn refused(fetch: &Fetch, refusal: Refusal) -> Self {
        let Fetch { offset, what, .. } = *fetch;
        Self { version: 0, total: 0, offset, what, code: refusal.number(), bytes: &[] }
    }

    /// Reads the body of a configuration frame.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let head: &[u8; CONFIGURATION_HEAD] = fixed(FrameKind::Configuration, body)?;
        Ok(Self {
            version: u32_at::<0, CONFIGURATION_HEAD>(head),
            total: u32_at::<4, CONFIGURATION_HEAD>(head),
            offset: u32_at::<8, CONFIGURATION_HEAD>(head),
            what: u16_at::<12, CONFIGURATION_HEAD>(head),
            code: u16_at::<14, CONFIGURATION_HEAD>(head),
            bytes: body.get(CONFIGURATION_HEAD..).unwrap_or_default(),
        })
    }

    /// Appends the slice as a frame.
    pub fn push(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut head = [0; CONFIGURATION_HEAD];
        put::<0, 4, CONFIGURATION_HEAD>(&mut head, self.version.to_le_bytes());
        put::<4, 4, CONFIGURATION_HEAD>(&mut head, self.total.to_le_bytes());
        put::<8, 4, CONFIGURATION_HEAD>(&mut head, self.offset.to_le_bytes());
        put::<12, 2, CONFIGURATION_HEAD>(&mut head, self.what.to_le_bytes());
        put::<14, 2, CONFIGURATION_HEAD>(&mut head, self.code.to_le_bytes());
        let mut frame = FrameWriter::begin(out, FrameKind::Configuration, 0);
        frame.body().extend_from_slice(&head);
        frame.body().extend_from_slice(self.bytes);
        frame.finish(0)
    }
}
