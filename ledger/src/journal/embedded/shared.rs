//! What all handles of a log share: the queue of submitted blocks, the inboxes, the room that is
//! left, and the end of the store's life. Locks are taken in the order writer, maker, marks, queue,
//! tail, inbox; only the writer is held while a waker is called.
//!
//! Room is counted in bytes that are really allocated on the disk, each block as if it were alone in
//! its frame: a block that was taken always finds its place (L12), whatever else fills the disk.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::{Disk, DiskLock, PAGE};
use super::frame::{FRAME_HEADER, Place, cost};
use super::index::Index;
use super::log::LogConfig;
use super::lookup::Lookups;
use super::mark::MarkFile;
use super::segment::Segment;
use super::stats::Counters;
use super::worker::Maker;
use super::writer::Writer;
use crate::block::{Draft, MAX_PAYLOAD};
use crate::ids::ShardId;
use crate::journal::{Event, SubmitError, Waker};

/// Blocks that callers may have in flight and filling at a time, for each of which [`Shared::room`]
/// keeps what its frame adds to it.
const BLOCKS_AT_A_TIME: u64 = 64;

/// Events for one port. Bounded by what the port has in flight: one event for each block (at most
/// one of a shard waits), one for each look-up of the bounded queue, one end.
pub struct Inbox {
    state: Mutex<InboxState>,
    waker: Option<Waker>,
}

#[derive(Default)]
struct InboxState {
    events: Vec<Event>,
    dead: bool,
}

impl Inbox {
    pub(super) fn new(waker: Option<Waker>) -> Self {
        Self { state: Mutex::default(), waker }
    }

    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event in. After the end nothing is reported any more.
    pub(super) fn put(&self, event: Event) {
        let mut state = self.lock();
        if !state.dead {
            state.dead = matches!(event, Event::Dead { .. });
            state.events.push(event);
        }
    }

    pub(super) fn take(&self, out: &mut Vec<Event>) {
        out.append(&mut self.lock().events);
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker();
        }
    }
}

/// A block that nobody has begun to write.
pub struct Waiting {
    pub(super) inbox: Arc<Inbox>,
    pub(super) draft: Box<Draft>,
}

/// What the doors and the writer hand each other.
#[derive(Default)]
pub struct Queue {
    pub(super) waiting: VecDeque<Waiting>,
    waiting_cost: u64,
    waiting_sealed: usize,
    /// The blocks of the write under way, and who wants to know.
    pub(super) flying: Vec<(ShardId, Arc<Inbox>)>,
    flying_cost: u64,
    /// Empty segments, made ahead.
    pub(super) ready: VecDeque<Segment>,
    /// Sure room of the segment that is written now.
    pub(super) current_room: u64,
    /// How much of that segment is used, in 256ths.
    pub(super) current_used: u64,
    /// Somebody asked for the worker.
    wanted: bool,
    pub(super) ended: Option<Ended>,
}

/// How the store's life ended.
pub enum Ended {
    /// Something failed: what was in flight is not known.
    Dead(String),
    /// It was closed, everything written.
    Closed,
}

/// What is confirmed.
#[derive(Default)]
pub struct Tail {
    pub(super) confirmed: Place,
    pub(super) index: Index,
}

/// See the module.
pub struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) config: LogConfig,
    /// The commit token: who holds it writes.
    pub(super) writer: Mutex<Writer>,
    pub(super) maker: Mutex<Maker>,
    pub(super) marks: Mutex<MarkFile>,
    pub(super) queue: Mutex<Queue>,
    work: Condvar,
    pub(super) tail: Mutex<Tail>,
    pub(super) lookups: Lookups,
    inboxes: Mutex<Vec<Arc<Inbox>>>,
    room: AtomicU64,
    /// Sure room that there is to be at any time; see [`super::log::Log::want_room`].
    wanted: AtomicU64,
    /// Slow flushes since the last fast one.
    pub(super) slow_in_a_row: AtomicU64,
    pub(super) counters: Counters,
    lock: Mutex<Option<Box<dyn DiskLock>>>,
}

/// What a [`Shared`] is made of.
pub struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) config: LogConfig,
    pub(super) lock: Box<dyn DiskLock>,
    pub(super) writer: Writer,
    pub(super) maker: Maker,
    pub(super) mark: MarkFile,
    pub(super) tail: Tail,
    pub(super) ready: VecDeque<Segment>,
}

impl Shared {
    pub(super) fn new(parts: Parts) -> Self {
        let mut queue = Queue { ready: parts.ready, ..Queue::default() };
        parts.writer.tell_room(&mut queue);
        let shared = Self {
            lookups: Lookups::new(parts.config.lookups),
            disk: parts.disk,
            wanted: AtomicU64::new(0),
            config: parts.config,
            writer: Mutex::new(parts.writer),
            maker: Mutex::new(parts.maker),
            marks: Mutex::new(parts.mark),
            queue: Mutex::new(queue),
            work: Condvar::new(),
            tail: Mutex::new(parts.tail),
            inboxes: Mutex::default(),
            room: AtomicU64::new(0),
            slow_in_a_row: AtomicU64::new(0),
            counters: Counters::default(),
            lock: Mutex::new(Some(parts.lock)),
        };
        shared.publish_room(&shared.queue());
        shared
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> u64 {
        (self.config.now)()
    }

    /// Registers an inbox, so that it hears of the end.
    pub(super) fn register(&self, inbox: &Arc<Inbox>) {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.push(Arc::clone(inbox));
        drop(inboxes);
        if let Some(cause) = self.dead() {
            inbox.put(Event::Dead { cause });
        }
    }

    /// Forgets an inbox and withdraws what it still had waiting.
    pub(super) fn unregister(&self, inbox: &Arc<Inbox>) {
        let mut queue = self.queue();
        queue.remove_waiting(|waiting| Arc::ptr_eq(&waiting.inbox, inbox));
        self.publish_room(&queue);
        drop(queue);
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
    }

    pub(super) fn submit(&self, inbox: &Arc<Inbox>, draft: Box<Draft>) -> Result<(), SubmitError> {
        let mut queue = self.queue();
        if queue.ended.is_some() {
            return Err(SubmitError::Dead(draft));
        }
        let sealed = draft.sealed_len();
        let cost = cost(sealed) as u64;
        // One that no reader would take must not be confirmed: the next start would call the log damaged.
        if queue.sure_room() < cost || draft.payload().len() > MAX_PAYLOAD {
            return Err(SubmitError::Full(draft));
        }
        queue.waiting.push_back(Waiting { inbox: Arc::clone(inbox), draft });
        queue.waiting_cost += cost;
        queue.waiting_sealed += sealed;
        self.publish_room(&queue);
        Ok(())
    }

    /// See [`crate::journal::Journal::withdraw`]. A block that is half-way reports to `inbox` from
    /// now on, whoever submitted it.
    pub(super) fn withdraw(&self, inbox: &Arc<Inbox>, shard: ShardId) -> bool {
        let mut queue = self.queue();
        queue.remove_waiting(|waiting| waiting.draft.shard() == shard);
        self.publish_room(&queue);
        let flying = queue.flying.iter_mut().find(|(flying, _)| *flying == shard);
        flying.map(|(_, owner)| *owner = Arc::clone(inbox)).is_some()
    }

    /// Whether a write would hold its thread up for long: then it is the worker's.
    pub(super) fn disk_is_slow(&self) -> bool {
        self.slow_in_a_row.load(Ordering::Relaxed) >= 2
    }

    /// Bytes of blocks that can still be taken.
    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Relaxed)
    }

    /// Works out [`Shared::room`] anew; after every change of the queue.
    pub(super) fn publish_room(&self, queue: &Queue) {
        let room = if queue.ended.is_some() { 0 } else { queue.sure_room().saturating_sub(self.kept()) };
        self.room.store(room, Ordering::Relaxed);
    }

    /// What `room` keeps back: blocks are counted without what frames add to them.
    const fn kept(&self) -> u64 {
        let frames = BLOCKS_AT_A_TIME * (PAGE + FRAME_HEADER) as u64;
        self.config.reserve_bytes.saturating_add(frames)
    }

    /// See [`super::log::Log::want_room`].
    pub(super) fn want_room(&self, bytes: u64) {
        self.wanted.fetch_max(bytes.saturating_add(self.kept()), Ordering::Relaxed);
    }

    /// Whether less room is left than is wanted and one segment more: that much is used up while the next is made.
    pub(super) fn is_short_of_room(&self, queue: &Queue) -> bool {
        let wanted = self.wanted.load(Ordering::Relaxed);
        let left = queue.current_room + queue.ready_room();
        wanted > 0 && left < wanted.saturating_add(self.config.segment_bytes)
    }

    /// Wakes the worker.
    pub(super) fn want_work(&self) {
        let mut queue = self.queue();
        if !queue.wanted {
            queue.wanted = true;
            drop(queue);
            self.work.notify_all();
        }
    }

    pub(super) fn wait_for_work(&self, timeout: Duration) {
        let queue = self.queue();
        let waited =
            self.work.wait_timeout_while(queue, timeout, |queue| !queue.wanted && queue.ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.wanted = false;
    }

    pub(super) fn nudge(&self) {
        self.queue().wanted = true;
        self.work.notify_all();
        self.lookups.nudge();
    }

    pub(super) fn dead(&self) -> Option<String> {
        match &self.queue().ended {
            Some(Ended::Dead(cause)) => Some(cause.clone()),
            _ => None,
        }
    }

    /// Ends the store's life: nothing is confirmed any more, every port is told once.
    pub(super) fn die(&self, cause: &str) {
        let mut queue = self.queue();
        if queue.ended.is_some() {
            return;
        }
        queue.ended = Some(Ended::Dead(cause.to_owned()));
        queue.remove_waiting(|_| true);
        self.publish_room(&queue);
        drop(queue);
        self.lookups.clear();
        let inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for inbox in inboxes {
            inbox.put(Event::Dead { cause: cause.to_owned() });
            inbox.wake();
        }
        self.nudge();
    }

    /// Says what failed, and ends the store's life with it.
    pub(super) fn die_of(&self, doing: &str, error: &io::Error) {
        self.die(&format!("{doing} failed: {error}"));
    }

    /// L8: whether another process that opens the directory would be kept out. One that was let go is
    /// not asked.
    pub(super) fn keeps_others_out(&self) -> bool {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        lock.as_ref().is_none_or(|lock| lock.is_held())
    }

    /// Lets the directory go.
    pub(super) fn unlock(&self) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Queue {
    /// Bytes, of blocks each alone in its frame, that surely find a place.
    fn sure_room(&self) -> u64 {
        (self.current_room + self.ready_room()).saturating_sub(self.waiting_cost + self.flying_cost)
    }

    /// Sure room of the segments made ahead.
    pub(super) fn ready_room(&self) -> u64 {
        self.ready.iter().map(Segment::sure_room).sum()
    }

    /// Bytes of the blocks that wait.
    pub(super) const fn waiting_sealed(&self) -> usize {
        self.waiting_sealed
    }

    fn remove_waiting(&mut self, mut which: impl FnMut(&Waiting) -> bool) {
        let (mut gone_cost, mut gone_sealed) = (0, 0);
        self.waiting.retain(|waiting| {
            let gone = which(waiting);
            if gone {
                gone_sealed += waiting.draft.sealed_len();
                gone_cost += cost(waiting.draft.sealed_len()) as u64;
            }
            !gone
        });
        self.waiting_cost -= gone_cost;
        self.waiting_sealed -= gone_sealed;
    }

    /// Takes the oldest block into the write under way.
    pub(super) fn take_off(&mut self) -> Option<Box<Draft>> {
        let Waiting { inbox, draft } = self.waiting.pop_front()?;
        let sealed = draft.sealed_len();
        self.waiting_sealed -= sealed;
        self.waiting_cost -= cost(sealed) as u64;
        self.flying_cost += cost(sealed) as u64;
        self.flying.push((draft.shard(), inbox));
        Some(draft)
    }

    /// The write under way is over; its blocks count as used or not at all.
    pub(super) fn landed(&mut self) {
        self.flying_cost = 0;
    }
}
