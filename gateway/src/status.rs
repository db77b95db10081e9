//! Owns: what the process knows about itself while its parts come and go: the ledger that is being
//! served, whether it stops, how often a part failed. HTTP reads it; nothing on a tap's way does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::recovery::Stopped;
use ledger::journal::embedded::Log;

use crate::shared::Shared;
use crate::time::{Ahead, SECOND, Time};
use crate::wake::Wake;

/// The ledger as it is being served.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    pub(crate) wakes: Vec<Wake>,
}

/// See the module.
pub struct Status {
    time: Time,
    ahead: Ahead,
    /// After how many microseconds without a round a loop counts as hanging.
    hanging: u64,
    serving: Mutex<Option<Serving>>,
    stopping: AtomicBool,
    /// Loops that have answered everything and wait for the end.
    drained: Mutex<usize>,
    drain: Condvar,
    failures: AtomicU64,
}

impl Status {
    pub(crate) fn new(time: Time, ahead: Ahead, hanging: u64) -> Self {
        Self {
            time,
            ahead,
            hanging,
            serving: Mutex::new(None),
            stopping: AtomicBool::new(false),
            drained: Mutex::new(0),
            drain: Condvar::new(),
            failures: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Serving>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_serving(&self, serving: Serving) {
        *self.lock() = Some(serving);
    }

    /// What is being served, if a ledger is open.
    pub(crate) fn serving(&self) -> Option<Serving> {
        self.lock().clone()
    }

    /// Takes the ledger out: nobody serves it from here on.
    pub(crate) fn take_serving(&self) -> Option<Serving> {
        self.lock().take()
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a part of the process failed and was started anew.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A loop has answered everything.
    pub(crate) fn loop_drained(&self) {
        *self.drained.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.drain.notify_all();
    }

    /// Orders the loops to answer what is in flight, and waits until they have, at most so long.
    pub(crate) fn drain(&self, patience: Duration) {
        self.stopping.store(true, Ordering::Release);
        let Some(serving) = self.serving() else { return };
        serving.shared.stop();
        serving.wakes.iter().for_each(Wake::wake);
        let loops = serving.wakes.len();
        let drained = self.drained.lock().unwrap_or_else(PoisonError::into_inner);
        // Out of patience: what is unanswered stays unanswered, and is asked again.
        let _patient = self.drain.wait_timeout_while(drained, patience, |drained| *drained < loops);
    }

    /// Why the server is not ready; empty when it is.
    pub fn not_ready(&self) -> Vec<String> {
        let mut because = Vec::new();
        if self.stopping.load(Ordering::Acquire) {
            because.push("the server is stopping".to_owned());
        }
        let Some(serving) = self.serving() else {
            because.push("the ledger is being recovered".to_owned());
            return because;
        };
        if !serving.shared.any_shard_serves() {
            because.push("every shard is stopped".to_owned());
        }
        if let Some(cause) = serving.log.dead() {
            because.push(format!("the journal is dead: {cause}"));
        }
        if let Some(silent) = self.longest_silence().filter(|silent| *silent > self.hanging) {
            because.push(format!("a core loop has not turned for {} s", silent / SECOND));
        }
        because
    }

    /// The shards that stopped, by number. The others are served: as long as there is one the server is
    /// ready, or one record would send every terminal away.
    pub fn stopped(&self) -> Vec<Stopped> {
        self.serving().map_or_else(Vec::new, |serving| serving.shared.stopped())
    }

    /// By how many microseconds the machine's wall clock is ahead of the ledger's: it was set while the server ran.
    pub fn clock_ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Microseconds since the loop that is longest asleep turned; `None` while none runs.
    pub fn longest_silence(&self) -> Option<u64> {
        let shared = self.serving()?.shared;
        let now = (self.time)().mono.0;
        let beats = (0..shared.loops()).map(|number| shared.beat(number)).filter(|beat| *beat > 0);
        beats.map(|beat| now.saturating_sub(beat)).max()
    }
}
