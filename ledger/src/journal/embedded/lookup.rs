//! Look-ups by position: a bounded queue, served on whatever thread asks for one. Only confirmed
//! frames are read (L10), and what is read is checked like everything else.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::Place;
use super::index::Entry;
use super::scan::{Found, Halt, SMALL_READ, Window, each_block};
use super::segment;
use super::shared::{Inbox, Shared};
use super::stats::add;
use crate::journal::{Event, FetchError, Lookup, ReplayError};
use crate::record::Record;

/// The look-ups that wait.
pub struct Lookups {
    limit: usize,
    state: Mutex<State>,
    some: Condvar,
    window: Mutex<Option<Window>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Arc<Inbox>, Lookup)>,
    nudged: bool,
}

type Answer = Result<Box<Record>, FetchError>;

impl Lookups {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), some: Condvar::new(), window: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one wait, or answers at once that too many do.
    pub(super) fn ask(&self, inbox: &Arc<Inbox>, lookup: Lookup) {
        let mut state = self.lock();
        if state.waiting.len() < self.limit {
            state.waiting.push_back((Arc::clone(inbox), lookup));
            drop(state);
            self.some.notify_one();
        } else {
            inbox.put(Event::Fetched { lookup, record: Err(FetchError::Busy) });
        }
    }

    pub(super) fn clear(&self) {
        self.lock().waiting.clear();
    }

    pub(super) fn nudge(&self) {
        self.lock().nudged = true;
        self.some.notify_all();
    }

    pub(super) fn wait(&self, timeout: Duration) {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.nudged;
        let waited = self.some.wait_timeout_while(self.lock(), timeout, idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.nudged = false;
    }
}

impl Shared {
    /// Serves the oldest look-up; `false` if none waits.
    pub(super) fn serve_lookup(&self) -> bool {
        let Some((inbox, lookup)) = self.lookups.lock().waiting.pop_front() else { return false };
        let kept = &self.lookups.window;
        let window = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut window = window.unwrap_or_else(|| Window::new(SMALL_READ));
        let record = self.find(&mut window, &lookup);
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(window);
        add(&self.counters.lookups, 1);
        inbox.put(Event::Fetched { lookup, record });
        inbox.wake();
        true
    }

    fn find(&self, window: &mut Window, lookup: &Lookup) -> Answer {
        let (entry, generation, bytes, confirmed) = {
            let tail = self.tail();
            let entry = tail.index.before(lookup.shard, lookup.number).ok_or(FetchError::NoSuchRecord)?;
            let header = tail.index.segment(entry.segment).ok_or(FetchError::NoSuchRecord)?;
            (entry, header.generation, header.bytes, tail.confirmed)
        };
        let unreadable = |error: std::io::Error| FetchError::Unreadable(error.to_string());
        let name = segment::name(entry.segment);
        let closed = entry.segment < confirmed.segment;
        let file = if closed { self.disk.open_cached(&name) } else { self.disk.open(&name) };
        let file = file.map_err(unreadable)?;
        window.enter(file, bytes);
        let Entry { segment, offset, frame, .. } = entry;
        let mut place = Place { generation, segment, offset, frame };
        while place.frame <= confirmed.frame {
            let Found::Frame(frame) = window.frame(&place).map_err(unreadable)? else { break };
            let mut found = None;
            let read = each_block(&frame, &place, |block| {
                if block.header.shard == lookup.shard && found.is_none() {
                    found = block.record(lookup.number)?;
                    if found.is_some() {
                        block.check()?;
                    }
                }
                Ok::<(), Halt>(())
            });
            read.map_err(|error: ReplayError| FetchError::Unreadable(error.to_string()))?;
            if let Some(record) = found {
                return Ok(Box::new(record));
            }
            place.offset += frame.header.total() as u64;
            place.frame += 1;
        }
        // It is confirmed, so it was there once.
        let Place { segment, offset, .. } = place;
        Err(FetchError::Unreadable(format!("no good frame at segment {segment}, offset {offset}")))
    }
}
