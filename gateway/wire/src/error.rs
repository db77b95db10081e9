//! Owns: what can be wrong with the bytes of a frame, and which refusal a server names in its fault.
//! Must never: hold bytes of the peer (an error is logged; a frame holds tag UIDs).
//! Laws: L12 (broken input ends one connection, nothing more).

use crate::codes::Refusal;
use crate::frame::FrameKind;

/// A frame that can't be believed. The connection is over: after it nobody knows where the next frame starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The type byte of a header is not one of this protocol.
    #[error("unknown frame type {found}; see the table of frames in the specification")]
    UnknownFrame {
        /// The byte found at place 4 of the header.
        found: u8,
    },
    /// The length in a header is larger than this type of frame may be.
    #[error("body of {length} bytes in a {kind:?} frame; at most {limit} are taken")]
    BodyTooLong {
        /// The frame's type.
        kind: FrameKind,
        /// Claimed bytes.
        length: u32,
        /// Allowed bytes.
        limit: u32,
    },
    /// A body ends before its fixed fields do.
    #[error("body of {length} bytes in a {kind:?} frame; it needs {need}")]
    BodyTooShort {
        /// The frame's type.
        kind: FrameKind,
        /// Bytes there.
        length: usize,
        /// Bytes needed.
        need: usize,
    },
    /// More entries in one frame than the limit.
    #[error("{count} entries in a {kind:?} frame; at most {limit} are taken, split it")]
    TooMany {
        /// The frame's type.
        kind: FrameKind,
        /// Entries claimed by the header.
        count: u16,
        /// Entries allowed.
        limit: u16,
    },
    /// A frame that the other side sends, or one that has no place at this moment.
    #[error("a {kind:?} frame has no place here")]
    Unexpected {
        /// The frame's type.
        kind: FrameKind,
    },
    /// The first frame is not a hello of this protocol.
    #[error("magic {found:#010x} instead of FANF; is this a Fanfare terminal?")]
    Magic {
        /// The first four bytes of the body, little-endian.
        found: u32,
    },
    /// A version that does not exist.
    #[error("protocol version {found} is not spoken here; speak {spoken}")]
    Version {
        /// The version claimed.
        found: u16,
        /// The version of this crate.
        spoken: u16,
    },
    /// A device number outside 1 to 8,388,607.
    #[error("device number {found} is not a terminal's; they are 1 to 8388607")]
    Device {
        /// The number claimed.
        found: u32,
    },
    /// A request's own length can't be: shorter than its head, longer than the limit or past the frame's end.
    #[error("request {index} at byte {at} claims {length} bytes; {left} are left, {min} to {max} are taken")]
    RequestLength {
        /// Which request of the frame, from 0.
        index: u16,
        /// Where it starts in the body.
        at: usize,
        /// What its first two bytes claim.
        length: u16,
        /// Bytes of the body from its start.
        left: usize,
        /// The smallest length.
        min: usize,
        /// The largest length.
        max: usize,
    },
    /// The body ends before all requests that the header counts.
    #[error("the body ends after {index} of {count} requests")]
    RequestsMissing {
        /// Requests found.
        index: u16,
        /// Requests counted by the header.
        count: u16,
    },
    /// A class byte that this version does not know.
    #[error("answer {index} has unknown class {found}")]
    UnknownClass {
        /// Which answer of the frame, from 0.
        index: u16,
        /// The byte found.
        found: u8,
    },
    /// A notice of a kind this version does not know.
    #[error("unknown notice kind {found}")]
    UnknownNotice {
        /// The kind found.
        found: u16,
    },
    /// The text of a fault is longer than allowed, longer than its body, or not ASCII.
    #[error("the text of a fault ({length} bytes) is too long or not ascii")]
    FaultText {
        /// Claimed bytes.
        length: u16,
    },
}

impl WireError {
    /// The code that a server puts into its fault.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Version { .. } | Self::UnknownFrame { .. } => Refusal::Unsupported,
            Self::Device { .. } => Refusal::Unauthenticated,
            Self::BodyTooLong { .. }
            | Self::BodyTooShort { .. }
            | Self::TooMany { .. }
            | Self::Unexpected { .. }
            | Self::Magic { .. }
            | Self::RequestLength { .. }
            | Self::RequestsMissing { .. }
            | Self::UnknownClass { .. }
            | Self::UnknownNotice { .. }
            | Self::FaultText { .. } => Refusal::Malformed,
        }
    }
}
