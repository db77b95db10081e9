//! Schedules: shards with their mailboxes, decide and apply, group commit, speculation with its
//! two ends, recovery, supervision. Knows time and threads; decides nothing.
//!
//! [`core::Core`] is a library that someone drives: the gateway's loop in a server, the simulator
//! in a test. Both drive the very same shard, actor and journal types. Upholds L3 (durable before
//! told), L9 (order), L10 (no loose talk) and L12 (bounded).
#![deny(clippy::float_arithmetic)]

pub mod core;
pub mod counters;
pub mod genesis;
pub mod given;
pub mod host;
pub mod job;
pub mod limits;
pub mod mail;
mod mailbox;
pub mod node;
pub mod recovery;
pub mod release;
mod shard;
pub mod steady;
pub mod supervise;
