//! Receives: terminals over the binary protocol, operators over the command line, monitoring over
//! HTTP. Knows sockets and files; decides nothing. Every command travels down once, as part of a
//! round's batch, and its answer travels up once, when the block that holds its record is confirmed.
//!
//! Upholds L12 (every connection, buffer and clock has a limit) and L13 (a session is one device's in
//! one festival).
#![deny(clippy::float_arithmetic)]

pub mod commands;
mod connection;
pub mod core_loop;
pub mod counts;
mod decode;
pub mod directory;
mod encode;
pub mod festival_file;
mod http;
pub mod huge_pages;
pub mod limits;
pub mod listener;
pub mod server;
mod session;
pub mod shared;
mod slab;
mod standing;
pub mod status;
pub mod time;
mod view;
pub mod wake;
