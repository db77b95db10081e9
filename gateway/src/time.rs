//! Owns: reading the machine's clocks for the gateway. Everything else is handed the time, so that a
//! test drives the clocks of connections by hand.
//! Must never: be called more than once or twice a round.

use std::sync::Arc;

use engine::job::{Clock, Mono};
use ledger::ids::At;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Where a loop takes the time from.
pub type Time = Arc<dyn Fn() -> Clock + Send + Sync>;

/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;

/// The machine's clocks.
pub fn system() -> Time {
    Arc::new(|| Clock { wall: At(wall()), mono: Mono(mono()) })
}

/// The monotonic clock alone, in microseconds.
pub fn mono() -> u64 {
    // It counts from the machine's start, so it is never negative.
    u64::try_from(micros(clock_gettime(ClockId::Monotonic))).unwrap_or(0)
}

fn wall() -> i64 {
    micros(clock_gettime(ClockId::Realtime))
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}
