//! Owns: the run's clock: nanoseconds since its first reading, never falling.
//! Must never: be compared with the server's clock.
//! Laws: none.

use std::time::Instant;

use crate::num::nanos;

/// Nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that reads 0 now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Nanoseconds since the start.
    pub fn now(&self) -> u64 {
        nanos(self.origin.elapsed())
    }
}
