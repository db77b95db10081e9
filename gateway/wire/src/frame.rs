//! Owns: the 16-byte header, the types of frames, cutting a frame out of received bytes, writing one.
//! Must never: allocate for a length it has not checked; look inside a body.
//! Laws: L12 (lengths are checked the moment the header is there).

use crate::bytes::{put, u8_at, u16_at, u32_at, u64_at};
use crate::error::WireError;
use crate::limits::{HEADER, MAX_CONFIGURATION_BODY, MAX_FRAME_BODY, MAX_SMALL_BODY};

/// What a frame is. Under 128 the terminal sends it, from 128 on the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// The terminal's first frame.
    Hello = 1,
    /// One or many requests.
    Requests = 2,
    /// Are you there?
    Ping = 3,
    /// The terminal sends no more; answer what you have.
    Goodbye = 4,
    /// Asks for a slice of the configuration.
    Fetch = 5,
    /// The answer to a hello.
    Welcome = 129,
    /// One or many answers, in any order.
    Answers = 130,
    /// The answer to a ping, with its cookie.
    Pong = 131,
    /// The server has answered everything and closes.
    ServerGoodbye = 132,
    /// The answer to one `balance` request: the answer and the last movements.
    Statement = 133,
    /// Something the terminal should know and nobody asked for.
    Notice = 134,
    /// The connection is over; the code says why.
    Fault = 135,
    /// The answer to a fetch.
    Configuration = 136,
}

impl FrameKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Hello,
        Self::Requests,
        Self::Ping,
        Self::Goodbye,
        Self::Fetch,
        Self::Welcome,
        Self::Answers,
        Self::Pong,
        Self::ServerGoodbye,
        Self::Statement,
        Self::Notice,
        Self::Fault,
        Self::Configuration,
    ];

    /// The kind with this number, if there is one.
    #[inline]
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Requests,
            3 => Self::Ping,
            4 => Self::Goodbye,
            5 => Self::Fetch,
            129 => Self::Welcome,
            130 => Self::Answers,
            131 => Self::Pong,
            132 => Self::ServerGoodbye,
            133 => Self::Statement,
            134 => Self::Notice,
            135 => Self::Fault,
            136 => Self::Configuration,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Requests => "requests",
            Self::Ping => "ping",
            Self::Goodbye | Self::ServerGoodbye => "goodbye",
            Self::Welcome => "welcome",
            Self::Answers => "answers",
            Self::Pong => "pong",
            Self::Statement => "statement",
            Self::Notice => "notice",
            Self::Fault => "fault",
            Self::Fetch => "fetch",
            Self::Configuration => "configuration",
        }
    }

    /// Whether a terminal sends it (else the server does).
    #[inline]
    pub fn from_terminal(self) -> bool {
        self.number() < 128
    }

    /// The largest body of this kind, in bytes.
    #[inline]
    pub fn max_body(self) -> u32 {
        match self {
            Self::Requests | Self::Answers => MAX_FRAME_BODY,
            Self::Configuration => MAX_CONFIGURATION_BODY,
            _ => MAX_SMALL_BODY,
        }
    }
}

/// A header that has passed the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: FrameKind,
    /// Requests or answers in the body; 0 for other kinds.
    pub count: u16,
    /// Bytes of the body.
    pub length: u32,
    /// Chosen by the sender of a ping, echoed in its pong; else 0.
    pub cookie: u64,
}

impl Header {
    /// Bytes of the whole frame, header included.
    #[inline]
    pub fn frame_size(&self) -> usize {
        HEADER + self.length as usize
    }
}

/// Reads the header at the start of `bytes`; `None` when fewer than 16 bytes are there.
///
/// Fails as soon as the header is there, before a single byte of the body is kept.
#[inline]
pub fn parse_header(bytes: &[u8]) -> Result<Option<Header>, WireError> {
    let Some(head) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let found = u8_at::<4, _>(head);
    let kind = FrameKind::from_u8(found).ok_or(WireError::UnknownFrame { found })?;
    let length = u32_at::<0, _>(head);
    if length > kind.max_body() {
        return Err(WireError::BodyTooLong { kind, length, limit: kind.max_body() });
    }
    Ok(Some(Header { kind, count: u16_at::<6, _>(head), length, cookie: u64_at::<8, _>(head) }))
}

/// One whole frame, borrowed from received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its body, as long as the header says.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Bytes to drop from the front of the receive buffer once the frame has been handled.
    #[inline]
    pub fn size(&self) -> usize {
        self.header.frame_size()
    }
}

/// Cuts the first frame out of `bytes`; `None` when it is not there whole.
#[inline]
pub fn split_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, WireError> {
    let Some(header) = parse_header(bytes)? else { return Ok(None) };
    Ok(bytes.get(HEADER..header.frame_size()).map(|body| Frame { header, body }))
}

/// A frame being written at the end of a buffer. `finish` fills in its length and count.
///
/// Dropping it unfinished leaves a header without a length behind: always finish or `abandon`.
#[derive(Debug)]
#[must_use = "a frame without `finish` has no length"]
pub struct FrameWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    kind: FrameKind,
}

impl<'a> FrameWriter<'a> {
    /// Appends a header of this kind to `out`.
    pub fn begin(out: &'a mut Vec<u8>, kind: FrameKind, cookie: u64) -> Self {
        let start = out.len();
        let mut head = [0; HEADER];
        put::<4, 1, HEADER>(&mut head, [kind.number()]);
        put::<8, 8, HEADER>(&mut head, cookie.to_le_bytes());
        out.extend_from_slice(&head);
        Self { out, start, kind }
    }

    /// The buffer, to append the body to.
    #[inline]
    pub fn body(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Bytes of the body so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.out.len().saturating_sub(self.start + HEADER)
    }

    /// Whether nothing has been appended yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills in count and length. The caller has kept the body under the limit of its kind; a longer one is cut
    /// back off the buffer and told.
    pub fn finish(self, count: u16) -> Result<(), WireError> {
        let length = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let limit = self.kind.max_body();
        if length > limit {
            self.out.truncate(self.start);
            return Err(WireError::BodyTooLong { kind: self.kind, length, limit });
        }
        if let Some(head) = self.out.get_mut(self.start..).and_then(<[u8]>::first_chunk_mut::<HEADER>) {
            put::<0, 4, HEADER>(head, length.to_le_bytes());
            put::<6, 2, HEADER>(head, count.to_le_bytes());
        }
        Ok(())
    }

    /// Takes the begun frame off the buffer again.
    pub fn abandon(self) {
        self.out.truncate(self.start);
    }
}

/// Appends a frame without a body: ping, pong, goodbye.
pub fn push_empty(out: &mut Vec<u8>, kind: FrameKind, cookie: u64) {
    // The header of an empty frame is whole from the start: length and count are zero.
    let _whole = FrameWriter::begin(out, kind, cookie);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_are_one_to_one() {
        for number in 0..=255 {
            if let Some(kind) = FrameKind::from_u8(number) {
                assert_eq!(kind.number(), number);
                assert!(FrameKind::ALL.contains(&kind));
            }
        }
        assert_eq!(FrameKind::ALL.iter().filter(|k| FrameKind::from_u8(k.number()) == Some(**k)).count(), 13);
    }

    #[test]
    fn a_length_over_the_limit_is_told_from_the_header_alone() {
        let mut bytes = vec![];
        push_empty(&mut bytes, FrameKind::Requests, 0);
        bytes[..4].copy_from_slice(&(MAX_FRAME_BODY + 1).to_le_bytes());
        let error = split_frame(&bytes).unwrap_err();
        assert_eq!(
            error,
            WireError::BodyTooLong {
                kind: FrameKind::Requests,
                length: MAX_FRAME_BODY + 1,
                limit: MAX_FRAME_BODY
            }
        );
        bytes[4] = FrameKind::Hello.number();
        bytes[..4].copy_from_slice(&(MAX_SMALL_BODY + 1).to_le_bytes());
        assert!(matches!(split_frame(&bytes), Err(WireError::BodyTooLong { kind: FrameKind::Hello, .. })));
    }

    #[test]
    fn a_frame_is_cut_only_when_whole() {
        let mut bytes = vec![];
        let mut frame = FrameWriter::begin(&mut bytes, FrameKind::Requests, 0);
        assert!(frame.is_empty());
        frame.body().extend_from_slice(b"abcde");
        frame.finish(3).unwrap();
        push_empty(&mut bytes, FrameKind::Ping, 77);
        for cut in 0..21 {
            assert_eq!(split_frame(&bytes[..cut]), Ok(None), "{cut}");
        }
        let first = split_frame(&bytes).unwrap().unwrap();
        assert_eq!((first.header.count, first.body), (3, &b"abcde"[..]));
        let second = split_frame(&bytes[first.size()..]).unwrap().unwrap();
        assert_eq!((second.header.kind, second.header.cookie, second.body.len()), (FrameKind::Ping, 77, 0));
    }

    #[test]
    fn a_body_over_the_limit_is_taken_back_off_the_buffer() {
        let mut bytes = b"before".to_vec();
        let mut frame = FrameWriter::begin(&mut bytes, FrameKind::Fault, 0);
        frame.body().resize(5000, 0);
        assert!(matches!(frame.finish(0), Err(WireError::BodyTooLong { .. })));
        assert_eq!(bytes, b"before");
    }

    #[test]
    fn an_abandoned_frame_leaves_nothing() {
        let mut bytes = vec![];
        let frame = FrameWriter::begin(&mut bytes, FrameKind::Answers, 0);
        frame.abandon();
        assert!(bytes.is_empty());
    }
}
