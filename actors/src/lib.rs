//! The deciding half of the engine: every wallet, festival and tag is an actor, reached by its
//! address, deciding on its own state. `decide` reads and changes nothing, `apply` changes state
//! and cannot fail; live traffic, recovery, the simulator and the auditor run the same `apply`.
//!
//! Pure: no clock, no randomness, no IO, no async, no float. Time and evidence are handed in.
//! Upholds L2 (floors), L4 (exactly once), L6 (replay gives the same state) and L13 (isolation).
#![deny(clippy::float_arithmetic)]

pub mod address;
pub mod answer;
pub mod channels;
pub mod codes;
pub mod command;
pub mod festival;
mod index;
pub mod mail;
pub mod office;
mod paged;
mod prefetch;
pub mod replay;
pub mod shard_state;
mod stripes;
mod table;
pub mod tag;
pub mod wallet;
