//! A core: the shards of one loop, driven from outside. Submit a batch, turn, take the answers.
//! Jobs for shards of another core travel in batches, and so do their answers.

use std::sync::Arc;

use actors::answer::Answer;
use actors::codes::Refusal;
use actors::festival::Festival;
use actors::shard_state::ShardState;
use actors::tag::News;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use ledger::block::Head;
use ledger::ids::{Epoch, LedgerId, RecordNumber, ShardId, Version, WalletNumber};
use ledger::journal::{Event, Journal, Waker};
use ledger::mutant::{self, Mutant};
use ledger::record::Body;

use crate::counters::{Counters, MailFacts};
use crate::given::Given;
use crate::job::{Clock, Job, Message, Mono, Told};
use crate::limits::room_for;
use crate::mail::{Letter, LocalPost, Post};
use crate::recovery::Stopped;
use crate::shard::{Shard, Step};

/// What travels between two cores.
#[derive(Debug)]
pub enum Parcel {
    /// Requests for shards of the receiver.
    Jobs(Vec<Job>),
    /// Answers for connections of the receiver.
    Told(Vec<Told>),
    /// Letters for shards of the receiver.
    Letters(Vec<Letter>),
    /// A shard rebuilt on the recovery thread; boxed, it is large.
    Rebuilt(Box<(ShardState, Head)>),
    /// A shard that could not be rebuilt there.
    Stopped(Stopped),
}

/// The way to another core.
#[derive(Clone)]
pub struct Peer {
    /// Its inbox; bounded.
    pub sender: Sender<Parcel>,
    /// Wakes its loop.
    pub waker: Waker,
}

/// Where everybody is.
#[derive(Clone)]
pub struct Layout {
    /// Which core runs each shard.
    pub homes: Vec<u16>,
    /// The way to each core.
    pub peers: Vec<Peer>,
    /// To whom tags were given, as far as that is confirmed.
    pub given: Arc<Given>,
}

impl Layout {
    /// Where everybody is, before any shard has said anything about tags.
    pub fn new(homes: Vec<u16>, peers: Vec<Peer>) -> Self {
        Self { homes, peers, given: Arc::default() }
    }
}

/// What waits in one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// In its mailbox.
    pub mailbox: usize,
    /// Bytes that those hold beyond their fixed size.
    pub bytes: usize,
    /// Set aside until their evidence comes.
    pub parked: usize,
    /// Meant for another actor, until what they were sent on by is confirmed.
    pub elsewhere: usize,
    /// Letters that came by one channel and are to be taken, of the channel that has most.
    pub letters: u64,
}

/// What a turn left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// There is more to do at once.
    pub more: bool,
    /// Blocks are on their way: an event will come.
    pub in_flight: bool,
    /// The store is dead: this core has told everybody "unknown" and will do nothing more.
    pub dead: bool,
}

/// The shards of one loop.
pub struct Core<J: Journal> {
    number: u16,
    journal: J,
    shards: Vec<Shard>,
    /// Index into `shards` for each shard of the ledger; `None` for those of other cores.
    own: Vec<Option<usize>>,
    layout: Layout,
    inbox: Receiver<Parcel>,
    outgoing_jobs: Vec<Vec<Job>>,
    outgoing_told: Vec<Vec<Told>>,
    ready: Vec<Told>,
    letters: Vec<Letter>,
    forward: Vec<Job>,
    news: Vec<News>,
    post: Box<dyn Post>,
    events: Vec<Event>,
    counters: Counters,
    rebuilds: Vec<ShardId>,
    first: usize,
    next_tick: Mono,
    /// A festival that shards here adopted: held once.
    common: Option<Arc<Festival>>,
    death: Option<String>,
}

/// How often channels and timers are looked at, in microseconds.
const TICK_MICROS: u64 = 50_000;

/// What a shard may use while it does something.
macro_rules! step {
    ($core:expr, $clock:expr, $full:expr) => {
        Step {
            clock: $clock,
            full: $full,
            ready: &mut $core.ready,
            letters: &mut $core.letters,
            forward: &mut $core.forward,
            given: &mut $core.news,
            counters: &mut $core.counters,
        }
    };
}

/// After how many handed-over bytes the journal is given a chance to begin while the core goes on.
const COMMIT_BYTES: usize = 512 * 1024;

/// What a core is made of.
pub struct CoreParts<J> {
    /// Its number.
    pub number: u16,
    /// Its door to the journal.
    pub journal: J,
    /// Its shards as recovery found them.
    pub shards: Vec<(ShardState, Head)>,
    /// Its shards that recovery could not bring back.
    pub stopped: Vec<Stopped>,
    /// The ledger.
    pub ledger: LedgerId,
    /// This start's epoch.
    pub epoch: Epoch,
    /// Where everybody is.
    pub layout: Layout,
    /// What other cores send.
    pub inbox: Receiver<Parcel>,
}

impl<J: Journal> Core<J> {
    /// A core over its shards. Nothing is written until [`Core::open_epoch`].
    pub fn new(parts: CoreParts<J>) -> Self {
        let CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox } = parts;
        let news = shards.iter().flat_map(|(state, _)| state.all_tag_news()).collect();
        let counters = Counters { stopped: stopped.len() as u64, ..Counters::default() };
        let whole = shards.into_iter().map(|(state, head)| Shard::new(state, head, ledger, epoch));
        let stopped = stopped.into_iter().map(|stopped| Shard::stopped(stopped, ledger, epoch));
        let shards: Vec<Shard> = whole.chain(stopped).collect();
        let mut own = vec![None; layout.homes.len()];
        for (index, shard) in shards.iter().enumerate() {
            own[usize::from(shard.id().0)] = Some(index);
        }
        let peers = layout.peers.len();
        let post = Box::new(LocalPost::new(layout.clone()));
        Self {
            number,
            journal,
            shards,
            own,
            layout,
            inbox,
            outgoing_jobs: (0..peers).map(|_| Vec::new()).collect(),
            outgoing_told: (0..peers).map(|_| Vec::new()).collect(),
            ready: Vec::new(),
            letters: Vec::new(),
            forward: Vec::new(),
            news,
            post,
            events: Vec::new(),
            counters,
            rebuilds: Vec::new(),
            first: 0,
            next_tick: Mono(0),
            common: None,
            death: None,
        }
    }

    /// Writes the opening record of this start into every shard.
    pub fn open_epoch(&mut self, clock: Clock, epoch: Epoch) {
        for shard in &mut self.shards {
            shard.control(clock, None, Body::EpochOpened { epoch });
        }
    }

    /// Lets a quarantined actor of this core act again; where the record of it stands. It counts when it
    /// is confirmed.
    pub fn release(&mut self, clock: Clock, actor: WalletNumber) -> Option<(ShardId, RecordNumber)> {
        #[expect(clippy::cast_possible_truncation, reason = "the number of shards fits 16 bits")]
        let id = actor.shard(self.layout.homes.len() as u16);
        let shard = &mut self.shards[self.own[usize::from(id.0)]?];
        let record = shard.state()?.next_record();
        shard.control(clock, Some(actor), Body::Released);
        Some((id, record))
    }

    /// Takes a batch of jobs. One that a limit keeps out is answered `busy`.
    pub fn submit(&mut self, jobs: &mut Vec<Job>) {
        self.layout.given.learn(&mut self.news);
        self.layout.given.resolve(jobs);
        for job in jobs.drain(..) {
            self.route(job);
        }
    }

    #[inline]
    fn route(&mut self, job: Job) {
        let shards = self.layout.homes.len();
        #[expect(clippy::cast_possible_truncation, reason = "the number of shards fits 16 bits")]
        let shard = job.actor().shard(shards as u16);
        match self.own[usize::from(shard.0)] {
            Some(index) if self.shards[index].turns_down(&job) => {
                self.refuse(&job, shard, self.shards[index].keeps_out_as());
            }
            Some(index) => {
                self.counters.jobs += 1;
                self.shards[index].take(job);
            }
            None => self.outgoing_jobs[usize::from(self.layout.homes[usize::from(shard.0)])].push(job),
        }
    }

    /// A no that looks at no shard's state, so it may leave at once.
    fn refuse(&mut self, job: &Job, shard: ShardId, refusal: Refusal) {
        let answer = Answer::refused(&job.request, shard, refusal);
        self.counters.tell(answer.verdict);
        self.ready.push(Told { reply: job.reply, message: Message::Answer(answer) });
    }

    /// One round: events, decisions, blocks handed over, events once more.
    pub fn turn(&mut self, clock: Clock) -> Turn {
        if self.death.is_none() {
            self.receive(clock);
            self.tick(clock);
            self.take_events(clock);
            self.work(clock);
            if mutant::on(Mutant::SameThreadShortCut) {
                self.short_cut(clock);
            }
            let eager = !self.has_work();
            self.journal.commit(eager);
            self.take_events(clock);
        }
        self.layout.given.learn(&mut self.news);
        for job in std::mem::take(&mut self.forward) {
            self.route(job);
        }
        self.send_parcels();
        if !self.letters.is_empty() {
            self.post.post(&mut self.letters);
        }
        Turn {
            more: self.has_work() || self.death.is_none() && !self.inbox.is_empty(),
            in_flight: self.shards.iter().any(Shard::in_flight),
            dead: self.death.is_some(),
        }
    }

    fn has_work(&self) -> bool {
        self.death.is_none() && self.shards.iter().any(Shard::has_work)
    }

    fn work(&mut self, clock: Clock) {
        let count = self.shards.len();
        let full = self.journal.room() < room_for(self.layout.homes.len());
        let mut handed_over = 0;
        for turn in 0..count {
            self.shards[(self.first + turn + 2) % count].look_up();
            self.shards[(self.first + turn + 1) % count].warm();
            let shard = &mut self.shards[(self.first + turn) % count];
            let mut step = step!(self, clock, full);
            if !shard.has_work() && (shard.state().is_some() || shard.is_stopped()) {
                continue;
            }
            shard.guarded(&mut step, |shard, step| {
                shard.work(&mut self.journal, step);
                shard.share_configuration(&mut self.common);
                handed_over += shard.submit(&mut self.journal, step);
            });
            if handed_over >= COMMIT_BYTES {
                handed_over = 0;
                self.journal.commit(false);
            }
            if shard.state().is_none() {
                shard.turn_away(&mut step);
                if shard.take_rebuild() {
                    self.rebuilds.push(shard.id());
                }
            }
        }
        self.first = (self.first + 1) % count.max(1);
    }

    fn take_events(&mut self, clock: Clock) {
        let mut events = std::mem::take(&mut self.events);
        self.journal.events(&mut events);
        for event in events.drain(..) {
            let mut step = step!(self, clock, false);
            match event {
                Event::Confirmed { head, draft } => {
                    if let Some(index) = self.own[usize::from(draft.shard().0)] {
                        self.shards[index].guarded(&mut step, |shard, step| {
                            shard.confirmed(head, draft, &mut self.journal, step);
                        });
                    }
                }
                Event::Fenced { shard } => {
                    if let Some(index) = self.own[usize::from(shard.0)] {
                        self.shards[index].guarded(&mut step, Shard::lost);
                    }
                }
                Event::Fetched { lookup, record } => {
                    if let Some(index) = self.own[usize::from(lookup.shard.0)] {
                        self.shards[index].guarded(&mut step, |shard, step| {
                            shard.fetched(lookup.token, record, step);
                        });
                    }
                }
                Event::Dead { cause } => {
                    for shard in &mut self.shards {
                        shard.lost(&mut step);
                    }
                    self.death = Some(cause);
                }
            }
        }
        self.events = events;
    }

    /// A mutant: letters between shards of this core arrive before anything is confirmed.
    fn short_cut(&mut self, clock: Clock) {
        for index in 0..self.shards.len() {
            let mut step = step!(self, clock, false);
            self.shards[index].post_messages(&mut step);
        }
        let letters = std::mem::take(&mut self.letters);
        self.arrive(letters, clock);
    }

    /// What other cores and the recovery thread sent.
    fn receive(&mut self, clock: Clock) {
        while let Ok(parcel) = self.inbox.try_recv() {
            match parcel {
                Parcel::Jobs(jobs) => jobs.into_iter().for_each(|job| self.route(job)),
                Parcel::Told(told) => self.ready.extend(told),
                Parcel::Letters(letters) => self.arrive(letters, clock),
                Parcel::Rebuilt(rebuilt) => self.install(*rebuilt),
                Parcel::Stopped(stopped) => self.stop(stopped),
            }
        }
    }

    /// Goes on with a shard that was rebuilt.
    pub fn install(&mut self, (state, head): (ShardState, Head)) {
        let Some(index) = self.own[usize::from(state.shard().0)] else { return };
        let clock = Clock { wall: ledger::ids::At(0), mono: Mono(0) };
        let mut step = step!(self, clock, false);
        self.shards[index].guarded(&mut step, |shard, step| shard.install(state, head, step));
    }

    /// Goes on without a shard that could not be rebuilt: until a start with a mended build its commands are
    /// refused, and letters for it wait where they are.
    pub fn stop(&mut self, stopped: Stopped) {
        let Some(index) = self.own.get(usize::from(stopped.shard.0)).copied().flatten() else { return };
        self.shards[index].stop(stopped);
        self.counters.stopped += 1;
    }

    /// The shards of this core that stopped, and where.
    pub fn stopped(&self) -> impl Iterator<Item = Stopped> {
        self.shards.iter().filter_map(Shard::stopped_at)
    }

    /// Letters for shards of this core came, by whatever way.
    pub fn arrive(&mut self, letters: Vec<Letter>, clock: Clock) {
        for letter in letters {
            let Some(index) = self.own.get(usize::from(letter.to.0)).copied().flatten() else { continue };
            let mut step = step!(self, clock, false);
            self.shards[index].guarded(&mut step, |shard, step| shard.arrive(letter, step));
        }
    }

    /// Letters to be written again, sweeps and timers that are due.
    fn tick(&mut self, clock: Clock) {
        if clock.mono < self.next_tick {
            return;
        }
        self.next_tick = Mono(clock.mono.0 + TICK_MICROS);
        self.counters.mail = self.mail_facts(clock);
        for index in 0..self.shards.len() {
            let mut step = step!(self, clock, false);
            self.shards[index].guarded(&mut step, |shard, step| {
                shard.post_messages(step);
                shard.tick_sweep(clock.mono);
                shard.tick_timers(clock);
                shard.tick_versions();
            });
        }
    }

    fn mail_facts(&self, clock: Clock) -> MailFacts {
        let bytes = self.shards.iter().map(|shard| shard.channel_bytes() as u64).sum();
        let mut facts = MailFacts { bytes, ..MailFacts::default() };
        for state in self.shards.iter().filter_map(Shard::state) {
            for (_, outbox) in state.channels().outboxes() {
                let Some(oldest) = outbox.waiting().next() else { continue };
                facts.waiting += outbox.sent() - outbox.acknowledged();
                let age = clock.wall.0.saturating_sub(oldest.at.0);
                facts.oldest_micros = facts.oldest_micros.max(u64::try_from(age).unwrap_or(0));
            }
        }
        facts
    }

    /// Carries letters in another way than within this process.
    pub fn set_post(&mut self, post: Box<dyn Post>) {
        self.post = post;
    }

    /// Sends what is meant for other cores. Jobs that find the way full are told to come back, wherever they
    /// came from; answers are kept until there is room.
    fn send_parcels(&mut self) {
        for peer in 0..self.layout.peers.len() {
            let jobs = std::mem::take(&mut self.outgoing_jobs[peer]);
            if !jobs.is_empty()
                && let Some(Parcel::Jobs(jobs)) = self.send(peer, Parcel::Jobs(jobs))
            {
                for job in jobs {
                    self.refuse(&job, ShardId(0), Refusal::Busy);
                }
            }
        }
        self.sort_out_told();
        for peer in 0..self.layout.peers.len() {
            let told = std::mem::take(&mut self.outgoing_told[peer]);
            if !told.is_empty()
                && let Some(Parcel::Told(told)) = self.send(peer, Parcel::Told(told))
            {
                self.outgoing_told[peer] = told;
            }
        }
    }

    /// Moves answers of other cores' connections out of those that are ready here.
    fn sort_out_told(&mut self) {
        if self.layout.peers.len() < 2 {
            return;
        }
        let number = self.number;
        let mut kept = Vec::with_capacity(self.ready.len());
        for told in self.ready.drain(..) {
            match self.outgoing_told.get_mut(usize::from(told.reply.home)) {
                Some(outgoing) if told.reply.home != number => outgoing.push(told),
                _ => kept.push(told),
            }
        }
        self.ready = kept;
    }

    /// Hands a parcel over; gives it back when the way is full. To a core that is gone it is lost,
    /// as its connections are.
    fn send(&self, peer: usize, parcel: Parcel) -> Option<Parcel> {
        let peer = &self.layout.peers[peer];
        let left = match peer.sender.try_send(parcel) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => None,
            Err(TrySendError::Full(parcel)) => Some(parcel),
        };
        (peer.waker)();
        left
    }

    /// Answers that may leave, for connections of this core.
    pub fn ready(&mut self) -> &mut Vec<Told> {
        &mut self.ready
    }

    /// Shards whose state was dropped: someone is to rebuild them and send them back.
    pub fn take_rebuilds(&mut self) -> Vec<ShardId> {
        std::mem::take(&mut self.rebuilds)
    }

    /// Why the store died, once it did.
    pub fn death(&self) -> Option<&str> {
        self.death.as_deref()
    }

    /// What this core has done.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What waits in a shard of this core, for inspection (L12).
    pub fn held(&self, shard: ShardId) -> Option<Held> {
        let index = self.own.get(usize::from(shard.0)).copied().flatten()?;
        Some(self.shards[index].held())
    }

    /// The head and the state of a shard of this core, for inspection.
    pub fn inspect(&self, shard: ShardId) -> Option<(Head, Option<&ShardState>)> {
        let index = self.own.get(usize::from(shard.0)).copied().flatten()?;
        Some((self.shards[index].head(), self.shards[index].state()))
    }

    /// The lowest version that is in force in a shard of this core for good, and its festival while a
    /// shard still holds it. `None` without shards. One that stopped decides nothing, by no version.
    pub fn in_force(&self) -> Option<(Version, Option<Arc<Festival>>)> {
        let deciding = self.shards.iter().filter(|shard| !shard.is_stopped());
        let lowest = deciding.filter_map(Shard::in_force).min()?;
        let adopted = self.shards.iter().filter_map(|shard| shard.state()?.adopted());
        let festival = adopted.into_iter().find(|adopted| adopted.version == lowest);
        Some((lowest, festival.map(|adopted| Arc::clone(&adopted.festival))))
    }

    /// The journal's door, for the simulator.
    pub const fn journal(&self) -> &J {
        &self.journal
    }
}
