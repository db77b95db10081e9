//! Owns: the gateway's word for the time. Everything is handed it, so that a test drives the clocks
//! of connections by hand; a server takes it from the engine's host.

use std::sync::Arc;

use engine::host::Host;
use engine::job::Clock;

/// Where a loop takes the time from, once a round.
pub type Time = Arc<dyn Fn() -> Clock + Send + Sync>;

/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;

/// The host's clocks.
pub fn of(host: Arc<dyn Host>) -> Time {
    Arc::new(move || host.clock())
}
