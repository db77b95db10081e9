//! Which build runs: one that a record makes panic when it reads it back, or one that was mended. What is mended is
//! a matter of the whole program, so runs that ask for it take turns, and the laws always read with a mended one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ledger::mutant::mend;

/// Runs of several threads in one program.
static TURNS: Mutex<()> = Mutex::new(());

/// The turn of a run in which records panic when they are read back; other runs need none.
pub struct Builds(Option<MutexGuard<'static, ()>>);

impl Builds {
    /// Waits for the turn of a run, if it `stops` shards.
    pub fn new(stops: bool) -> Self {
        let turn = stops.then(|| TURNS.lock().unwrap_or_else(PoisonError::into_inner));
        if turn.is_some() {
            mend(true);
        }
        Self(turn)
    }

    /// Runs something in a build that was mended, or in one that was not.
    pub fn run<T>(&self, mended: bool, body: impl FnOnce() -> T) -> T {
        if self.0.is_none() || mended {
            return body();
        }
        mend(false);
        let done = body();
        mend(true);
        done
    }
}

impl Drop for Builds {
    fn drop(&mut self) {
        if self.0.is_some() {
            mend(false);
        }
    }
}
