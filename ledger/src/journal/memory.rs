//! The in-memory store: several doors to one shared state, blocks kept sealed as any other store
//! keeps them. For tests, simulators and benches; nothing survives the process.
//!
//! It keeps the contract of [`Journal`] (L3 within the life of the process, L7, L8): order, chain and
//! fencing are checked as in the real store. In manual mode it confirms only when it is told to, so
//! that a test decides what is in flight at any moment.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Event, FetchError, Journal, Lookup, Replay, ReplayError, SubmitError, Waker};
use crate::block::{Block, Draft, HEADER_BYTES, Head};
use crate::ids::ShardId;
use crate::record::leb::Reader;

/// Most look-ups that may wait; the next one is answered `busy`.
const MAX_LOOKUPS: usize = 1_024;

/// A shared handle to the store.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

/// One loop's door to a [`Memory`].
pub struct Door {
    state: Arc<Mutex<State>>,
    number: usize,
}

#[derive(Default)]
struct State {
    manual: bool,
    stored: Vec<Stored>,
    heads: Vec<Head>,
    waiting: VecDeque<Waiting>,
    fenced: BTreeSet<ShardId>,
    doors: Vec<Inbox>,
    dead: Option<String>,
    room: Option<u64>,
    lookups: VecDeque<(usize, Lookup)>,
    hold_lookups: bool,
    fail_lookups: bool,
}

#[derive(Clone)]
struct Stored {
    shard: ShardId,
    first: u64,
    count: u64,
    bytes: Vec<u8>,
}

struct Waiting {
    door: usize,
    draft: Box<Draft>,
    /// The write has begun: it cannot be taken back any more.
    begun: bool,
}

#[derive(Default)]
struct Inbox {
    events: Vec<Event>,
    waker: Option<Waker>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store that stores and confirms at every `commit`.
    pub fn new() -> Self {
        Self { state: Arc::default() }
    }

    /// An empty store that confirms nothing until [`Memory::confirm`] says so.
    pub fn manual() -> Self {
        let memory = Self::new();
        memory.lock().manual = true;
        memory
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another door. `waker` is called when an event was put into its inbox by somebody else.
    pub fn door(&self, waker: Option<Waker>) -> Door {
        let mut state = self.lock();
        state.doors.push(Inbox { events: Vec::new(), waker });
        Door { state: Arc::clone(&self.state), number: state.doors.len() - 1 }
    }

    /// Shards with a block that is submitted and not confirmed, the oldest first.
    pub fn waiting(&self) -> Vec<ShardId> {
        self.lock().waiting.iter().map(|waiting| waiting.draft.shard()).collect()
    }

    /// Begins to write the `count` oldest blocks: they cannot be withdrawn any more.
    pub fn begin(&self, count: usize) {
        self.lock().waiting.iter_mut().take(count).for_each(|waiting| waiting.begun = true);
    }

    /// Stores and confirms the `count` oldest blocks; says how many there were.
    pub fn confirm(&self, count: usize) -> usize {
        let mut state = self.lock();
        let count = count.min(state.waiting.len());
        (0..count).for_each(|_| state.confirm_at(0));
        drop(state);
        self.wake();
        count
    }

    /// Stores and confirms the block of one shard, out of turn; `false` if it has none waiting.
    pub fn confirm_shard(&self, shard: ShardId) -> bool {
        let mut state = self.lock();
        let found = state.waiting.iter().position(|waiting| waiting.draft.shard() == shard);
        let Some(at) = found else { return false };
        state.confirm_at(at);
        drop(state);
        self.wake();
        true
    }

    /// Another owner has the shard: what waits of it is lost, and so is what comes later.
    pub fn fence(&self, shard: ShardId) {
        let mut state = self.lock();
        state.fenced.insert(shard);
        while let Some(at) = state.waiting.iter().position(|waiting| waiting.draft.shard() == shard) {
            if let Some(lost) = state.waiting.remove(at) {
                state.tell(lost.door, Event::Fenced { shard });
            }
        }
        drop(state);
        self.wake();
    }

    /// Ends the store's life. The `stored` oldest of the waiting blocks are stored, but nobody is
    /// told: their fate is known after [`Memory::reopen`].
    pub fn die(&self, stored: usize, cause: &str) {
        let mut state = self.lock();
        for _ in 0..stored.min(state.waiting.len()) {
            if let Some(waiting) = state.waiting.pop_front() {
                let _unknown_to_everybody = state.store(&waiting.draft);
            }
        }
        state.die(cause);
        drop(state);
        self.wake();
    }

    /// Bytes that [`Journal::room`] shows from now on; `None` for no limit.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// Keeps look-ups waiting until [`Memory::serve_lookup`].
    pub fn hold_lookups(&self, hold: bool) {
        self.lock().hold_lookups = hold;
    }

    /// Lets every look-up fail as unreadable.
    pub fn fail_lookups(&self, fail: bool) {
        self.lock().fail_lookups = fail;
    }

    /// Answers the oldest look-up; `false` if none waits.
    pub fn serve_lookup(&self) -> bool {
        let served = self.lock().serve_lookup();
        self.wake();
        served
    }

    /// A living store over the blocks stored so far. This one is dead afterwards.
    pub fn reopen(&self) -> Self {
        let mut old = self.lock();
        old.die("reopened");
        let state = State {
            manual: old.manual,
            stored: old.stored.clone(),
            heads: old.heads.clone(),
            room: old.room,
            ..State::default()
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The sealed blocks in the order of the store.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        self.lock().stored.iter().map(|stored| stored.bytes.clone()).collect()
    }

    /// Calls the wakers of doors that have events, without holding the lock.
    fn wake(&self) {
        let ready = |inbox: &Inbox| if inbox.events.is_empty() { None } else { inbox.waker.clone() };
        let wakers: Vec<Waker> = self.lock().doors.iter().filter_map(ready).collect();
        for waker in wakers {
            waker();
        }
    }
}

impl State {
    fn tell(&mut self, door: usize, event: Event) {
        if let Some(inbox) = self.doors.get_mut(door) {
            inbox.events.push(event);
        }
    }

    /// Seals and keeps a block; `None` if it does not continue its shard (L7, L8).
    fn store(&mut self, draft: &Draft) -> Option<Head> {
        let header = draft.seal();
        let shard = header.shard;
        if self.fenced.contains(&shard) || header.continues(&super::head_of(&self.heads, shard)).is_err() {
            return None;
        }
        let mut bytes = Vec::with_capacity(HEADER_BYTES + draft.payload().len());
        bytes.extend_from_slice(&header.to_bytes());
        bytes.extend_from_slice(draft.payload());
        self.stored.push(Stored { shard, first: header.first.0, count: header.count.into(), bytes });
        super::set_head(&mut self.heads, shard, header.head());
        Some(header.head())
    }

    fn confirm_at(&mut self, at: usize) {
        let Some(Waiting { door, draft, .. }) = self.waiting.remove(at) else { return };
        let event = match self.store(&draft) {
            Some(head) => Event::Confirmed { head, draft },
            None => Event::Fenced { shard: draft.shard() },
        };
        self.tell(door, event);
    }

    fn die(&mut self, cause: &str) {
        if self.dead.is_some() {
            return;
        }
        self.dead = Some(cause.to_owned());
        self.waiting.clear();
        self.lookups.clear();
        for inbox in &mut self.doors {
            inbox.events.clear();
            inbox.events.push(Event::Dead { cause: cause.to_owned() });
        }
    }

    fn serve_lookup(&mut self) -> bool {
        let Some((door, lookup)) = self.lookups.pop_front() else { return false };
        let record = if self.fail_lookups {
            Err(FetchError::Unreadable("told to fail".to_owned()))
        } else {
            self.find(&lookup)
        };
        self.tell(door, Event::Fetched { lookup, record });
        true
    }

    fn find(&self, lookup: &Lookup) -> Result<Box<crate::record::Record>, FetchError> {
        let holds = |stored: &&Stored| {
            stored.shard == lookup.shard
                && (stored.first..stored.first + stored.count).contains(&lookup.number.0)
        };
        let stored = self.stored.iter().find(holds).ok_or(FetchError::NoSuchRecord)?;
        let unreadable = |error: crate::block::BlockError| FetchError::Unreadable(error.to_string());
        let block = Block::read(&mut Reader::new(&stored.bytes)).map_err(unreadable)?;
        let record = block.record(lookup.number).map_err(unreadable)?;
        record.map(Box::new).ok_or(FetchError::NoSuchRecord)
    }
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door {
    /// What was not begun is withdrawn.
    fn drop(&mut self) {
        let number = self.number;
        self.lock().waiting.retain(|waiting| waiting.begun || waiting.door != number);
    }
}

impl Journal for Door {
    fn submit(&mut self, draft: Box<Draft>) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.dead.is_some() {
            return Err(SubmitError::Dead(draft));
        }
        let sealed = draft.sealed_len() as u64;
        if let Some(room) = &mut state.room {
            match room.checked_sub(sealed) {
                Some(left) => *room = left,
                None => return Err(SubmitError::Full(draft)),
            }
        }
        state.waiting.push_back(Waiting { door: self.number, draft, begun: false });
        Ok(())
    }

    fn room(&self) -> u64 {
        self.lock().room.unwrap_or(u64::MAX)
    }

    fn fetch(&mut self, lookup: Lookup) {
        let mut state = self.lock();
        if state.lookups.len() >= MAX_LOOKUPS {
            state.tell(self.number, Event::Fetched { lookup, record: Err(FetchError::Busy) });
        } else if state.dead.is_none() {
            state.lookups.push_back((self.number, lookup));
            if !state.hold_lookups {
                state.serve_lookup();
            }
        }
    }

    fn commit(&mut self, _eager: bool) {
        let mut state = self.lock();
        if state.manual {
            return;
        }
        while !state.waiting.is_empty() {
            state.confirm_at(0);
        }
        drop(state);
        Memory { state: Arc::clone(&self.state) }.wake();
    }

    fn events(&mut self, out: &mut Vec<Event>) {
        let number = self.number;
        if let Some(inbox) = self.lock().doors.get_mut(number) {
            out.append(&mut inbox.events);
        }
    }

    fn withdraw(&mut self, shard: ShardId) -> bool {
        let mut state = self.lock();
        state.waiting.retain(|waiting| waiting.begun || waiting.draft.shard() != shard);
        let mut left = state.waiting.iter_mut().filter(|waiting| waiting.draft.shard() == shard);
        left.next().map(|begun| begun.door = self.number).is_some()
    }
}

impl Replay for Memory {
    fn replay(
        &self,
        only: Option<ShardId>,
        visit: &mut dyn FnMut(Block<'_>) -> Result<(), ReplayError>,
    ) -> Result<Vec<Head>, ReplayError> {
        let stored = self.lock().stored.clone();
        let mut heads = Vec::new();
        for (index, stored) in stored.iter().enumerate() {
            if only.is_some_and(|only| only != stored.shard) {
                continue;
            }
            let damaged = |error: crate::block::BlockError| ReplayError::Damaged {
                place: format!("block {index} of the store, shard {}", stored.shard),
                what: error.to_string(),
            };
            let block = Block::read(&mut Reader::new(&stored.bytes)).map_err(damaged)?;
            block.check().map_err(damaged)?;
            super::advance(&mut heads, &block.header).map_err(damaged)?;
            visit(block)?;
        }
        Ok(heads)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::block::Draft;
    use crate::ids::{At, Epoch, LedgerId, RecordNumber};
    use crate::money::Currency;
    use crate::record::{Body, Envelope, Prologue, Record};

    const PROLOGUE: Prologue =
        Prologue { base: At(5), configuration: None, catalogue: None, policy: None, currency: Currency::EUR };

    fn draft(shard: u16, head: Head) -> Box<Draft> {
        let mut draft = Box::new(Draft::new(LedgerId([7; 16]), ShardId(shard), Epoch(1)));
        draft.begin(PROLOGUE);
        draft.place(head);
        draft.push(&Record::fact(At(6), Envelope::default(), Body::EpochOpened { epoch: Epoch(1) }));
        draft
    }

    fn events(door: &mut Door) -> Vec<Event> {
        let mut events = Vec::new();
        door.events(&mut events);
        events
    }

    #[test]
    fn a_manual_store_confirms_when_told_and_wakes_the_door() {
        let memory = Memory::manual();
        let woken = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&woken);
        let mut door = memory.door(Some(Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })));
        door.submit(draft(0, Head::default())).unwrap();
        door.submit(draft(1, Head::default())).unwrap();
        door.commit(true);
        assert!(events(&mut door).is_empty());
        assert_eq!(memory.waiting(), [ShardId(0), ShardId(1)]);
        assert!(memory.confirm_shard(ShardId(1)) && !memory.confirm_shard(ShardId(1)));
        assert!(
            matches!(&events(&mut door)[..], [Event::Confirmed { draft, .. }] if draft.shard() == ShardId(1))
        );
        assert_eq!(woken.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_block_half_way_cannot_be_withdrawn_and_its_fate_may_stay_unknown() {
        let memory = Memory::manual();
        let mut door = memory.door(None);
        door.submit(draft(0, Head::default())).unwrap();
        door.submit(draft(1, Head::default())).unwrap();
        memory.begin(1);
        assert!(door.withdraw(ShardId(0)) && !door.withdraw(ShardId(1)));
        memory.die(1, "test");
        assert!(matches!(&events(&mut door)[..], [Event::Dead { .. }]));
        assert!(matches!(door.submit(draft(1, Head::default())), Err(SubmitError::Dead(_))));

        let reopened = memory.reopen();
        let heads = reopened.replay(None, &mut |_| Ok(())).unwrap();
        assert_eq!((heads.len(), heads[0].next_seq), (1, 1));
    }

    #[test]
    fn a_fenced_shard_and_a_full_store_take_nothing() {
        let memory = Memory::new();
        let mut door = memory.door(None);
        memory.fence(ShardId(3));
        door.submit(draft(3, Head::default())).unwrap();
        door.commit(true);
        assert!(matches!(&events(&mut door)[..], [Event::Fenced { shard: ShardId(3) }]));
        memory.set_room(Some(10));
        assert!(matches!(door.submit(draft(1, Head::default())), Err(SubmitError::Full(_))));
        assert!(memory.blocks().is_empty());
    }

    #[test]
    fn lookups_wait_fail_and_answer_as_told() {
        let memory = Memory::new();
        let mut door = memory.door(None);
        door.submit(draft(0, Head::default())).unwrap();
        door.commit(false);
        assert_eq!(events(&mut door).len(), 1);
        let lookup = Lookup { shard: ShardId(0), number: RecordNumber(0), token: 9 };
        memory.hold_lookups(true);
        door.fetch(lookup);
        assert!(events(&mut door).is_empty() && memory.serve_lookup() && !memory.serve_lookup());
        assert!(
            matches!(&events(&mut door)[..], [Event::Fetched { lookup, record: Ok(_) }] if lookup.token == 9)
        );
        memory.fail_lookups(true);
        door.fetch(lookup);
        memory.serve_lookup();
        assert!(matches!(
            &events(&mut door)[..],
            [Event::Fetched { record: Err(FetchError::Unreadable(_)), .. }]
        ));
        memory.hold_lookups(true);
        (0..=MAX_LOOKUPS).for_each(|_| door.fetch(lookup));
        assert!(matches!(&events(&mut door)[..], [Event::Fetched { record: Err(FetchError::Busy), .. }]));
    }
}
