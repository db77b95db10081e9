//! Owns: every number that bounds the terminal protocol, each with its reason.
//! Must never: hold a limit without a reason; be bypassed by a parser of this crate.
//! Laws: L12 (every frame, table and connection has a stated limit).

/// The version of the protocol that this crate speaks.
pub const VERSION: u16 = 1;

/// The first four bytes of a hello: `FANF`. A stray HTTP client or port scanner is known by its first frame.
pub const MAGIC: u32 = u32::from_le_bytes(*b"FANF");

/// Bytes of a frame's header.
pub const HEADER: usize = 16;

/// Largest body of a frame. 4,096 requests with 14 lines each fit; one connection can't claim more than 1 MiB.
pub const MAX_FRAME_BODY: u32 = 1 << 20;

/// Largest body of a frame that carries neither requests nor answers (hello, welcome, statement, ...).
/// They are 0 to 288 bytes today; the rest is room for newer fields. An unknown peer can't claim more than this.
pub const MAX_SMALL_BODY: u32 = 1024;

/// Requests in one frame. Frames of 2,000 reach the engine's full speed; past 4,096 only waiting grows.
pub const MAX_REQUESTS_IN_FRAME: u16 = 4096;

/// Requests of one connection without an answer. Past about 16,000 nothing but the latency grows (measured).
pub const MAX_IN_FLIGHT: u32 = 16_384;

/// Bytes of a request without its lines.
pub const REQUEST_HEAD: usize = 72;

/// Bytes of one line.
pub const LINE: usize = 12;

/// Bytes behind a head that name a wallet: the payee of a transfer, the wallet and the old band of a pairing.
pub const NAME: usize = 12;

/// Bytes behind a pairing's head: the wallet's name and that of the band it replaces.
pub const PAIR: usize = 2 * NAME;

/// Bytes behind the head of a `set_allowance`: who is to have it, and the mark.
pub const ALLOWANCE: usize = 24;

/// Bytes behind a head that name an office: instead of a tag, which an office has none of.
pub const OFFICE: usize = 8;

/// Lines in one request: four times the longest receipt a bar prints; keeps a record under a kilobyte.
pub const MAX_LINES: usize = 64;

/// Largest request: head, 64 lines (840 bytes), and room for fields of newer terminals.
pub const MAX_REQUEST: usize = 4096;

/// Bytes behind the head of a staging, before its part of the configuration.
pub const STAGE_HEAD: usize = 8;

/// Largest part of a configuration in one staging: several fit a record of the journal.
pub const MAX_PART: usize = 4_000;

/// Bytes behind the head of an order to adopt.
pub const ADOPT: usize = 40;

/// Bytes of a fetch.
pub const FETCH: usize = 16;

/// Bytes of a slice of a configuration before the slice itself.
pub const CONFIGURATION_HEAD: usize = 24;

/// Largest slice of a configuration in one frame: what concerns a till fits one, and a bad mobile link
/// takes it within the time for a frame.
pub const MAX_SLICE: usize = 32 * 1024;

/// Largest body of a frame with a slice of a configuration.
pub const MAX_CONFIGURATION_BODY: u32 = 33 * 1024;

/// Bytes of what concerns a device, before its names and lists.
pub const OWN_HEAD: usize = 80;

/// Bytes of one interval of opening hours.
pub const INTERVAL: usize = 16;

/// Bytes of one change of the local time.
pub const CHANGE: usize = 12;

/// Bytes of one item before its name and its scheduled prices.
pub const ITEM_HEAD: usize = 16;

/// Bytes of one scheduled price.
pub const SCHEDULED: usize = 12;

/// Bytes of one answer.
pub const ANSWER: usize = 32;

/// Bytes of one movement in a statement.
pub const MOVEMENT: usize = 32;

/// Movements in one statement: what a terminal's screen shows at once.
pub const MAX_MOVEMENTS: u16 = 8;

/// Text of a fault, in bytes: two lines of a log. It is for a technician, never for the barman.
pub const MAX_FAULT_TEXT: usize = 200;

/// Bytes of a hello that this version knows.
pub const HELLO: usize = 40;

/// Bytes of a welcome that this version knows.
pub const WELCOME: usize = 80;

/// Bytes of a notice.
pub const NOTICE: usize = 16;

/// Bytes of a fault before its text.
pub const FAULT_HEAD: usize = 4;

/// Largest device number of a terminal: 23 bits. The 24th bit marks ids that do not come from a terminal.
pub const MAX_DEVICE: u32 = 0x7F_FFFF;

/// Largest counter of a request id: 40 bits, 35,000 years at one tap a second.
pub const MAX_COUNTER: u64 = (1 << 40) - 1;

/// Longest tag UID (ISO 14443: 4, 7 or 10 bytes).
pub const MAX_UID: usize = 10;

/// Seconds a new connection has for its hello. A terminal sends it with its first packet.
pub const HANDSHAKE_SECONDS: u16 = 5;

/// Seconds from the first byte of a frame to its last: 1 MiB over a bad mobile link at about 1 Mbit/s.
pub const WHOLE_FRAME_SECONDS: u16 = 10;

/// Seconds without any byte from the terminal after which the server closes.
/// Under the shortest time-out of usual NAT tables, so that a dead path is noticed before a customer stands there.
pub const IDLE_SECONDS: u16 = 60;

/// Seconds after which a quiet terminal sends a ping: two may be lost before the server closes.
pub const PING_SECONDS: u16 = 20;

/// Declines that one device may cause in a minute before it gets `busy`: a broken terminal must not fill
/// the legal record. A barman makes about 12 sales a minute.
pub const MAX_DECLINES_PER_MINUTE: u32 = 60;

/// Requests that one device may give up in a minute before its next cancel gets `busy`: an id that is closed is kept
/// for ever, and a broken terminal must not fill the memory with them. Ten in each second are no person's.
pub const MAX_CANCELS_PER_MINUTE: u32 = 600;

/// First pause before a terminal connects or sends again; it doubles with each attempt.
pub const RESEND_FIRST_MS: u32 = 100;

/// Longest pause between two attempts. With thousands of terminals each adds a random part up to the pause itself.
pub const RESEND_LONGEST_MS: u32 = 5_000;

const _: () = {
    assert!(MAX_REQUEST >= REQUEST_HEAD + MAX_LINES * LINE);
    assert!(MAX_REQUEST <= u16::MAX as usize);
    assert!(MAX_REQUESTS_IN_FRAME as u32 <= MAX_IN_FLIGHT);
    // The answers to the largest frame fit one frame.
    assert!(MAX_REQUESTS_IN_FRAME as usize * ANSWER <= MAX_FRAME_BODY as usize);
    // The largest frame of one-line requests is allowed by its bytes too.
    assert!(MAX_REQUESTS_IN_FRAME as usize * (REQUEST_HEAD + LINE) <= MAX_FRAME_BODY as usize);
    assert!(ANSWER + MAX_MOVEMENTS as usize * MOVEMENT <= MAX_SMALL_BODY as usize);
    assert!(REQUEST_HEAD + STAGE_HEAD + MAX_PART <= MAX_REQUEST);
    assert!(CONFIGURATION_HEAD + MAX_SLICE <= MAX_CONFIGURATION_BODY as usize);
    assert!(FETCH <= MAX_SMALL_BODY as usize);
    assert!(WELCOME <= MAX_SMALL_BODY as usize);
    assert!(FAULT_HEAD + MAX_FAULT_TEXT <= MAX_SMALL_BODY as usize);
    assert!(PING_SECONDS * 3 <= IDLE_SECONDS);
};
