//! Owns: the oracle: a process of its own that keeps what was asked and what was acknowledged, and holds the server
//! to it after whatever happened to it in between.
//! Must never: share memory or fate with the server; count an acknowledgement before it is in its file.
//! Laws: checks L1, L2, L3, L4, L9 from outside.
//!
//! Three steps, each a command: `drive` asks until the connection breaks or a time is over; `settle` (after a restart)
//! sends every unanswered request again under its own id, asks answered ones again and expects the same answer, reads
//! every balance, and checks each wallet's history; `compare` holds the same books against `fanfare verify --json`.
//! `rounds` does all three with a server that it starts and kills itself.

pub mod books;
pub mod drive;
pub mod log;
pub mod rounds;
pub mod settle;
pub mod totals;

#[cfg(test)]
mod tests;
