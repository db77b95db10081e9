//! The simulated clocks. Nothing here moves by itself; the scheduler steps them, the wall clock also
//! backwards. The journal's clock ticks a little with each look when the disk is to seem slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::job::{Clock, Mono};
use ledger::ids::At;

/// Both clocks.
#[derive(Clone, Debug)]
pub struct SimClock {
    wall: At,
    /// The latest that it showed.
    latest: At,
    mono: Arc<AtomicU64>,
    /// Microseconds that pass with each look of the journal.
    tick: Arc<AtomicU64>,
}

impl SimClock {
    /// Clocks that show `wall` and zero.
    pub fn new(wall: At) -> Self {
        Self { wall, latest: wall, mono: Arc::default(), tick: Arc::default() }
    }

    /// What a core is told.
    pub fn read(&self) -> Clock {
        Clock { wall: self.wall, mono: self.mono() }
    }

    /// Time that never steps.
    pub fn mono(&self) -> Mono {
        Mono(self.mono.load(Ordering::Relaxed))
    }

    /// Time passes.
    pub fn pass(&mut self, micros: u32) {
        self.step(micros.into());
        self.mono.fetch_add(micros.into(), Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub fn step(&mut self, micros: i64) {
        self.wall.0 += micros;
        self.latest = self.latest.max(self.wall);
    }

    /// The latest that the wall clock ever showed.
    pub const fn latest(&self) -> At {
        self.latest
    }

    /// How slow the disk seems to the journal.
    pub fn set_tick(&self, micros: u64) {
        self.tick.store(micros, Ordering::Relaxed);
    }

    /// The clock that the journal reads.
    pub fn for_journal(&self) -> Arc<dyn Fn() -> u64 + Send + Sync> {
        let (mono, tick) = (Arc::clone(&self.mono), Arc::clone(&self.tick));
        Arc::new(move || mono.fetch_add(tick.load(Ordering::Relaxed), Ordering::Relaxed))
    }
}
