//! Breaks things: a deterministic simulator of disk, clock, threads and clients around the very types
//! that `serve` runs; crash points; mutants; kills of the real binary. Stands outside and looks in: nothing depends on it.
//! Checks L1 to L4, L6, L7, L9, L10, L12 and L13 (see [`laws`]).
#![deny(clippy::float_arithmetic)]

pub mod kill;
pub mod laws;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod points;
pub mod sim;
pub mod strace;
pub mod world;
