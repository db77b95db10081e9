//! Owns: waking a loop that sleeps in its poll, from any thread.
//! Must never: lose a wake; cost a system call while the loop is awake anyway.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// Wakes one loop. Clones wake the same loop.
#[derive(Clone, Debug)]
pub struct Wake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    event: OwnedFd,
    /// Someone called since the loop last looked.
    pending: AtomicBool,
    /// The loop sleeps or is about to: only then is the system asked to wake it.
    asleep: AtomicBool,
}

impl Wake {
    /// A bell that nobody has rung yet. Fails when the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let inner = Inner { event, pending: AtomicBool::new(false), asleep: AtomicBool::new(false) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Rings. What the loop is to find must be in its place before.
    pub fn wake(&self) {
        // Both sides write their own flag before they read the other's, in one order for all
        // threads: either the loop sees `pending` and does not sleep, or this side sees `asleep`.
        self.inner.pending.store(true, Ordering::SeqCst);
        if self.inner.asleep.swap(false, Ordering::SeqCst) {
            // It fails only when 2^64 - 2 wakes are waiting, and then the loop is being woken.
            let _counted = rustix::io::write(&self.inner.event, &1_u64.to_le_bytes());
        }
    }

    /// As the engine and the journal want it.
    pub fn waker(&self) -> ledger::journal::Waker {
        let wake = self.clone();
        Arc::new(move || wake.wake())
    }

    /// Whether someone has rung since the loop last looked: it will not sleep.
    pub fn is_rung(&self) -> bool {
        self.inner.pending.load(Ordering::SeqCst)
    }

    /// The loop wants to sleep; `false` when someone has rung meanwhile.
    pub(crate) fn may_sleep(&self) -> bool {
        self.inner.asleep.store(true, Ordering::SeqCst);
        !self.is_rung()
    }

    /// The loop is awake and will look at everything from here on.
    pub(crate) fn awake(&self) {
        self.inner.asleep.store(false, Ordering::SeqCst);
        self.inner.pending.store(false, Ordering::SeqCst);
    }
}

impl AsFd for Wake {
    /// Readable after a wake. It is never read: the loop polls it edge-triggered, which saves a
    /// system call per wake.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_sleep_is_not_lost() {
        let wake = Wake::new().unwrap();
        assert!(wake.may_sleep());
        wake.awake();
        wake.wake();
        assert!(!wake.may_sleep());
        wake.awake();
        assert!(wake.may_sleep());
    }
}
