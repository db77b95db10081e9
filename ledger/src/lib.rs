//! Records: money, accounts, balanced entries, records, blocks and the hash chain that ties them;
//! the journal they go to, and its stores.
//!
//! The lower half (everything but the stores under `journal/`) is pure: no clock, no randomness,
//! no IO, no async, no float. It upholds L1 (an unbalanced entry cannot be built) and L7 (chain).
#![deny(clippy::float_arithmetic)]

pub mod account;
pub mod audit;
pub mod block;
pub mod entry;
pub mod ids;
pub mod journal;
pub mod law;
pub mod money;
pub mod mutant;
pub mod record;

/// The format level this build writes, and the only one it reads. Raised together with every golden
/// example, and whenever the meaning of a record changes; what each level changed says `FORMAT.md`.
pub const LEVEL: u16 = 4;
