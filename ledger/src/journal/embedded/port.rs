//! One loop's door to the log. What it submitted is reported to its own inbox.

use std::sync::{Arc, TryLockError};

use super::shared::{Inbox, Shared};
use super::stats::add;
use crate::block::Draft;
use crate::ids::ShardId;
use crate::journal::{Event, Journal, Lookup, SubmitError, Waker};

/// See the module. Dropped, it withdraws what nobody has begun to write.
pub struct Port {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
}

impl Port {
    pub(super) fn new(shared: Arc<Shared>, waker: Option<Waker>) -> Self {
        let inbox = Arc::new(Inbox::new(waker));
        shared.register(&inbox);
        Self { shared, inbox }
    }

    /// Writes on this thread if that is the fastest way; `false` if the worker is to do it.
    fn write_inline(&self) -> bool {
        let shared = &self.shared;
        if shared.disk_is_slow() {
            return false;
        }
        match shared.writer.try_lock() {
            Ok(mut writer) => {
                if writer.cycle(shared, Some(&self.inbox)).is_some() {
                    add(&shared.counters.inline, 1);
                }
                true
            }
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Poisoned(_)) => {
                shared.die("a thread died while it wrote");
                true
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.shared.unregister(&self.inbox);
    }
}

impl Journal for Port {
    fn submit(&mut self, draft: Box<Draft>) -> Result<(), SubmitError> {
        self.shared.submit(&self.inbox, draft)
    }

    fn room(&self) -> u64 {
        self.shared.room()
    }

    fn fetch(&mut self, lookup: Lookup) {
        self.shared.lookups.ask(&self.inbox, lookup);
    }

    fn commit(&mut self, eager: bool) {
        let ready = self.shared.queue().waiting_sealed();
        if ready == 0 {
            return;
        }
        let inline = eager && ready <= self.shared.config.inline_bytes && self.write_inline();
        if !inline || self.shared.needs_work() {
            self.shared.want_work();
        }
    }

    fn events(&mut self, out: &mut Vec<Event>) {
        self.inbox.take(out);
    }

    fn withdraw(&mut self, shard: ShardId) -> bool {
        self.shared.withdraw(&self.inbox, shard)
    }
}
