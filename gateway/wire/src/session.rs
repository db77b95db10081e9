//! Owns: the frames around requests and answers: hello, welcome, notice, fault.
//! Must never: believe a number of the peer that has not been checked.
//! Laws: L8 (incarnation), L12 (limits are told in the welcome), L13 (festival and roles).

use crate::bytes::{i64_at, id16_at, put, u8_at, u16_at, u32_at, u64_at};
use crate::codes::Refusal;
use crate::error::WireError;
use crate::frame::{FrameKind, FrameWriter};
use crate::id::Roles;
use crate::limits::{
    FAULT_HEAD, HELLO, IDLE_SECONDS, MAGIC, MAX_DEVICE, MAX_FAULT_TEXT, MAX_FRAME_BODY, MAX_IN_FLIGHT,
    MAX_REQUESTS_IN_FRAME, NOTICE, VERSION, WELCOME, WHOLE_FRAME_SECONDS,
};

fn fixed<const N: usize>(kind: FrameKind, body: &[u8]) -> Result<&[u8; N], WireError> {
    body.first_chunk().ok_or(WireError::BodyTooShort { kind, length: body.len(), need: N })
}

/// The terminal's first frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The highest protocol version the terminal speaks.
    pub version: u16,
    /// Its festival.
    pub festival: u16,
    /// Its device number.
    pub device: u32,
    /// The configuration version it holds; 0 is none.
    pub configuration: u32,
    /// The highest incarnation it has seen; 0 is none.
    pub incarnation: u64,
}

impl Hello {
    /// A hello of this crate's version from a terminal that holds nothing yet.
    pub fn new(festival: u16, device: u32) -> Self {
        Self { version: VERSION, festival, device, configuration: 0, incarnation: 0 }
    }

    /// Reads the body of a hello.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let kind = FrameKind::Hello;
        // The magic comes first: a foreign protocol should be named, whatever its length.
        if let Some(start) = body.first_chunk::<4>()
            && u32::from_le_bytes(*start) != MAGIC
        {
            return Err(WireError::Magic { found: u32::from_le_bytes(*start) });
        }
        let body: &[u8; HELLO] = fixed(kind, body)?;
        let (version, device) = (u16_at::<4, _>(body), u32_at::<8, _>(body));
        if version == 0 {
            return Err(WireError::Version { found: version, spoken: VERSION });
        }
        if !(1..=MAX_DEVICE).contains(&device) {
            return Err(WireError::Device { found: device });
        }
        Ok(Self {
            version,
            festival: u16_at::<6, _>(body),
            device,
            configuration: u32_at::<12, _>(body),
            incarnation: u64_at::<16, _>(body),
        })
    }

    /// Appends the hello as a frame.
    pub fn push(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let mut body = [0; HELLO];
        put::<0, 4, HELLO>(&mut body, MAGIC.to_le_bytes());
        put::<4, 2, HELLO>(&mut body, self.version.to_le_bytes());
        put::<6, 2, HELLO>(&mut body, self.festival.to_le_bytes());
        put::<8, 4, HELLO>(&mut body, self.device.to_le_bytes());
        put::<12, 4, HELLO>(&mut body, self.configuration.to_le_bytes());
        put::<16, 8, HELLO>(&mut body, self.incarnation.to_le_bytes());
        push_fixed(out, FrameKind::Hello, &body)
    }
}

fn push_fixed(out: &mut Vec<u8>, kind: FrameKind, body: &[u8]) -> Result<(), WireError> {
    let mut frame = FrameWriter::begin(out, kind, 0);
    frame.body().extend_from_slice(body);
    frame.finish(0)
}

/// The limits that a welcome tells a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Largest body of a frame, bytes.
    pub body: u32,
    /// Requests without an answer.
    pub in_flight: u32,
    /// Requests in one frame.
    pub frame_requests: u16,
    /// Seconds of silence after which the server closes.
    pub idle_seconds: u16,
    /// Seconds from the first byte of a frame to its last.
    pub frame_seconds: u16,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            body: MAX_FRAME_BODY,
            in_flight: MAX_IN_FLIGHT,
            frame_requests: MAX_REQUESTS_IN_FRAME,
            idle_seconds: IDLE_SECONDS,
            frame_seconds: WHOLE_FRAME_SECONDS,
        }
    }
}

/// The server's answer to a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The version spoken from here on: at most the terminal's.
    pub version: u16,
    /// What the device may do.
    pub roles: Roles,
    /// The configuration version the server decides by.
    pub configuration: u32,
    /// The server's clock, microseconds since 1970 UTC.
    pub server_time: i64,
    /// The ledger's incarnation; a device never goes back to a lower one.
    pub incarnation: u64,
    /// The highest counter seen from this device; 0 is none.
    pub highest_counter: u64,
    /// The ledger.
    pub ledger: [u8; 16],
    /// The till the device is assigned to; 0 is none.
    pub till: u32,
    /// The limits of this connection.
    pub limits: ConnectionLimits,
    /// ISO 4217 number of the festival's currency.
    pub currency: u16,
    /// Its minor digits: 2 means that 1250 is 12.50.
    pub exponent: u8,
}

impl Welcome {
    /// Reads the body of a welcome.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let body: &[u8; WELCOME] = fixed(FrameKind::Welcome, body)?;
        let version = u16_at::<0, _>(body);
        if version == 0 || version > VERSION {
            return Err(WireError::Version { found: version, spoken: VERSION });
        }
        Ok(Self {
            version,
            roles: Roles(u16_at::<2, _>(body)),
            configuration: u32_at::<4, _>(body),
            server_time: i64_at::<8, _>(body),
            incarnation: u64_at::<16, _>(body),
            highest_counter: u64_at::<24, _>(body),
            ledger: id16_at::<32, _>(body),
            till: u32_at::<48, _>(body),
            limits: ConnectionLimits {
                body: u32_at::<52, _>(body),
                in_flight: u32_at::<56, _>(body),
                frame_requests: u16_at::<60, _>(body),
                idle_seconds: u16_at::<62, _>(body),
                frame_seconds: u16_at::<64, _>(body),
            },
            currency: u16_at::<66, _>(body),
            exponent: u8_at::<68, _>(body),
        })
    }

    /// Appends the welcome as a frame.
    pub fn push(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        const N: usize = WELCOME;
        let mut body = [0; N];
        put::<0, 2, N>(&mut body, self.version.to_le_bytes());
        put::<2, 2, N>(&mut body, self.roles.0.to_le_bytes());
        put::<4, 4, N>(&mut body, self.configuration.to_le_bytes());
        put::<8, 8, N>(&mut body, self.server_time.to_le_bytes());
        put::<16, 8, N>(&mut body, self.incarnation.to_le_bytes());
        put::<24, 8, N>(&mut body, self.highest_counter.to_le_bytes());
        put::<32, 16, N>(&mut body, self.ledger);
        put::<48, 4, N>(&mut body, self.till.to_le_bytes());
        put::<52, 4, N>(&mut body, self.limits.body.to_le_bytes());
        put::<56, 4, N>(&mut body, self.limits.in_flight.to_le_bytes());
        put::<60, 2, N>(&mut body, self.limits.frame_requests.to_le_bytes());
        put::<62, 2, N>(&mut body, self.limits.idle_seconds.to_le_bytes());
        put::<64, 2, N>(&mut body, self.limits.frame_seconds.to_le_bytes());
        put::<66, 2, N>(&mut body, self.currency.to_le_bytes());
        put::<68, 1, N>(&mut body, [self.exponent]);
        push_fixed(out, FrameKind::Welcome, &body)
    }
}

/// Something the terminal should know and nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The server decides by this configuration version now.
    Configuration(u32),
    /// The server is going away: send nothing new, wait for what is in flight, connect again.
    GoingAway,
}

impl Notice {
    /// Reads the body of a notice. An unknown kind is an error that a terminal may skip.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let body: &[u8; NOTICE] = fixed(FrameKind::Notice, body)?;
        match u16_at::<0, _>(body) {
            1 => Ok(Self::Configuration(u32_at::<4, _>(body))),
            2 => Ok(Self::GoingAway),
            found => Err(WireError::UnknownNotice { found }),
        }
    }

    /// Appends the notice as a frame.
    pub fn push(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        let (kind, configuration) = match self {
            Self::Configuration(version) => (1_u16, *version),
            Self::GoingAway => (2, 0),
        };
        let mut body = [0; NOTICE];
        put::<0, 2, NOTICE>(&mut body, kind.to_le_bytes());
        put::<4, 4, NOTICE>(&mut body, configuration.to_le_bytes());
        push_fixed(out, FrameKind::Notice, &body)
    }
}

/// The end of a connection, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault<'a> {
    /// A refusal's number; may be newer than this crate.
    pub code: u16,
    /// For a technician, ASCII, at most 200 bytes.
    pub text: &'a str,
}

impl<'a> Fault<'a> {
    /// A fault with this code and text.
    pub fn new(why: Refusal, text: &'a str) -> Self {
        Self { code: why.number(), text }
    }

    /// Reads the body of a fault.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        let head: &[u8; FAULT_HEAD] = fixed(FrameKind::Fault, body)?;
        let length = u16_at::<2, _>(head);
        let end = FAULT_HEAD + usize::from(length);
        let text = body.get(FAULT_HEAD..end).filter(|text| text.len() <= MAX_FAULT_TEXT && text.is_ascii());
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        Ok(Self { code: u16_at::<0, _>(head), text: text.ok_or(WireError::FaultText { length })? })
    }

    /// Appends the fault as a frame. Bytes that are not printable ASCII become `?`; the text is cut at 200.
    pub fn push(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        // 200 fits two bytes.
        let length = u16::try_from(self.text.len().min(MAX_FAULT_TEXT)).unwrap_or(0);
        let mut frame = FrameWriter::begin(out, FrameKind::Fault, 0);
        frame.body().extend_from_slice(&self.code.to_le_bytes());
        frame.body().extend_from_slice(&length.to_le_bytes());
        let clean = |byte: u8| if matches!(byte, b' '..=b'~') { byte } else { b'?' };
        frame.body().extend(self.text.bytes().take(MAX_FAULT_TEXT).map(clean));
        frame.finish(0)
    }
}
