//! The terminal protocol: frames, messages, codes, limits. `SPEC.md` beside this crate is the specification; its
//! tables and test vectors are checked against the code.
//!
//! Owns: every byte that goes over a terminal's connection. No IO, no clock, no async; usable by a terminal's own
//! software. Reading borrows and allocates nothing; writing appends to a buffer of the caller.
//! Must never: know sockets, wallets or the engine; panic on any input.
//! Laws: L4 (ids and classes), L12 (limits), L13 (roles).
//!
//! A server reads with [`split_frame`] and [`FromTerminal::parse`], and writes with [`push_answers`],
//! [`push_statement`], [`Welcome::push`], [`Notice::push`], [`Fault::push`] and [`push_empty`].
//! A terminal writes with [`Hello::push`] and [`RequestsWriter`], and reads with [`split_frame`] and
//! [`FromServer::parse`].

mod answer;
mod bytes;
pub mod codes;
mod draft;
mod error;
mod fetch;
mod frame;
mod id;
pub mod limits;
mod message;
mod own;
mod request;
mod session;

pub use answer::{Answer, Answers, Movement, Outcome, Statement, answers, push_answers, push_statement};
pub use codes::{Addressee, Class, Command, Decline, Read, Refusal};
pub use draft::{Request, RequestsWriter, Tail, set_wait};
pub use error::WireError;
pub use fetch::{Fetch, Slice, What};
pub use frame::{Frame, FrameKind, FrameWriter, Header, parse_header, push_empty, split_frame};
pub use id::{Name, NameView, Position, RequestId, Roles, Uid};
pub use message::{FromServer, FromTerminal};
pub use own::{Interval, Own, OwnItem, ScheduledPrice};
pub use request::{BadRequest, Flags, Line, Malformed, RequestView, Requests, Tender, requests};
pub use session::{ConnectionLimits, Fault, Hello, Notice, Welcome};
