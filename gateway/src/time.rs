//! Owns: the gateway's word for the time. Everything is handed it, so that a test drives the clocks
//! of connections by hand; a server takes it from the engine's host.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use engine::host::Host;
use engine::job::Clock;
use engine::steady::Steady;

/// Where a loop takes the time from, once a round.
pub type Time = Arc<dyn Fn() -> Clock + Send + Sync>;

/// Microseconds in a second.
pub const SECOND: u64 = 1_000_000;

/// By how many microseconds the machine's wall clock is ahead of the ledger's.
pub type Ahead = Arc<AtomicI64>;

/// The host's clocks, the wall clock without its steps, and how far the two are apart.
pub fn of(host: Arc<dyn Host>) -> (Time, Ahead) {
    let ahead = Ahead::default();
    let (steady, noted) = (Mutex::new(Steady::default()), Arc::clone(&ahead));
    let time = move || {
        let (clock, ahead) = steady.lock().unwrap_or_else(PoisonError::into_inner).read(host.clock());
        noted.store(ahead, Ordering::Relaxed);
        clock
    };
    (Arc::new(time), ahead)
}
