//! The laws as read-only checks of what a simulated process did, one file per law. They look at three
//! things: what clients were told, what is durable at that moment, and the live state. They draw no
//! random numbers and change nothing but their own books, so switching them off changes no trace.

pub mod allowances;
pub mod bands;
pub mod book;
pub mod bounded;
pub mod buried;
pub mod chain;
pub mod conservation;
pub mod durable;
pub mod everywhere;
pub mod floors;
pub mod holds;
pub mod in_force;
pub mod isolation;
pub mod loose_talk;
pub mod once;
pub mod order;
pub mod replay;
pub mod rules;
pub mod shadow;
pub mod steps;
pub mod timeline;
pub mod versions;
pub mod watch;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use actors::command::{Command, Request};
use actors::festival::Festival;
use actors::shard_state::ShardState;
use engine::core::Held;
use engine::job::{Message, Mono};
use ledger::block::{Block, Head};
use ledger::ids::{At, ShardId, WalletNumber};
use ledger::journal::embedded::SimDisk;
use ledger::law::Law;
use ledger::mutant::POISON_REPLAY;
use ledger::record::Record;

use allowances::Allowances;
use bands::Pairings;
use book::Book;
use bounded::{Bounded, Windows};
use buried::Buried;
use conservation::Conservation;
use once::Once;
use order::Order;
use shadow::Shadow;
use steps::Steps;
use watch::{FramePlace, Watch};
use whole::Whole;

/// A law that was seen broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub law: Law,
    /// What was seen.
    pub what: String,
}

impl Violation {
    /// `law` is broken: `what`.
    pub fn new(law: Law, what: impl Into<String>) -> Self {
        Self { law, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.law.id(), self.law, self.what)
    }
}

/// Whether everything held.
pub type Verdict = Result<(), Violation>;

/// What of a shard is durable at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Records.
    pub records: u64,
    /// Ledger time of the last of them.
    pub at: At,
}

/// A request that was handed to a core and is not answered yet.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What was asked.
    pub request: Rc<Request>,
    /// What was durable of every shard when it was handed over.
    pub from: Rc<[Durable]>,
    /// When its sender stops waiting.
    pub deadline: Option<Mono>,
    /// The same was handed over before.
    pub retry: bool,
}

/// One kind of request under an id, as it was first handed over.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was asked.
    pub request: Rc<Request>,
    /// What was durable of every shard at the first time.
    pub from: Rc<[Durable]>,
    /// The core it came in by at first.
    pub home: u16,
}

/// Everything that was ever asked, by band and id. A record must have come from one of them.
pub type AskedFor = BTreeMap<(u64, u64), Vec<Asked>>;

/// A record on its way into the books.
pub struct Seen<'a> {
    /// Where it stands.
    pub shard: ShardId,
    /// The sequence number of its block.
    pub block: u64,
    /// Its number.
    pub number: u64,
    /// What it says.
    pub record: &'a Record,
    /// The book before it.
    pub book: &'a Book,
    /// The requests under its id, if it has one.
    pub asked: &'a [Asked],
    /// The configuration that it names.
    pub festival: Option<&'a Festival>,
}

/// An answer as it leaves.
pub struct Release<'a> {
    /// What it answers.
    pub waiting: &'a Waiting,
    /// What it says.
    pub message: &'a Message,
    /// Records of the shard that answers which were durable when it was handed over.
    pub from: u64,
    /// Ledger time of the last of them.
    pub since: At,
    /// Records of that shard that are durable at this moment.
    pub durable: u64,
    /// The time.
    pub now: Mono,
    /// The book up to what is durable.
    pub book: &'a Book,
    /// Poisoned requests that this process was handed, by band.
    pub poisoned: &'a BTreeMap<u64, u32>,
    /// Nothing was decided at a later ledger time.
    pub latest: At,
    /// The shard that answers stopped at a record which this process cannot read back.
    pub stopped: bool,
}

/// All laws and the books they keep.
pub struct Laws {
    book: Book,
    shadow: Shadow,
    watch: Watch,
    conservation: Conservation,
    once: Once,
    order: Order,
    whole: Whole,
    pairings: Pairings,
    /// Poisoned requests that this process was handed, by band.
    poisoned: BTreeMap<u64, u32>,
    allowances: Allowances,
    buried: Buried,
    steps: Steps,
    /// Shards that stopped at a record which this process cannot read back.
    stopped: BTreeSet<ShardId>,
    /// By core.
    bounded: Vec<Bounded>,
    windows: Windows,
    loops: u16,
    waiting: BTreeMap<u64, Waiting>,
    asked: AskedFor,
    /// The latest time that a core can have seen.
    latest: At,
    /// What is durable of every shard, until there is more.
    durable: Option<Rc<[Durable]>>,
    checks: u64,
}

impl Laws {
    /// For a ledger of `shards` shards on `loops` cores that runs `festival`.
    pub fn new(festival: Arc<Festival>, shards: u16, loops: u16) -> Self {
        Self {
            book: Book::new(festival, shards),
            shadow: Shadow::new(shards),
            watch: Watch::default(),
            conservation: Conservation::default(),
            once: Once::default(),
            order: Order::default(),
            whole: Whole::default(),
            pairings: Pairings::default(),
            poisoned: BTreeMap::new(),
            allowances: Allowances::default(),
            buried: Buried::default(),
            steps: Steps::default(),
            stopped: BTreeSet::new(),
            bounded: vec![Bounded::default(); usize::from(loops)],
            windows: Windows::default(),
            loops,
            waiting: BTreeMap::new(),
            asked: BTreeMap::new(),
            latest: At(i64::MIN),
            durable: None,
            checks: 0,
        }
    }

    /// A request is handed to core `home` under `token`. `true` if it was first handed to another.
    pub fn submitted(
        &mut self,
        token: u64,
        home: u16,
        request: &Rc<Request>,
        deadline: Option<Mono>,
    ) -> bool {
        let from = self.durable();
        let band = request.tag.number.get();
        let asked = self.asked.entry((band, request.id.get())).or_default();
        let earlier = asked.iter().find(|asked| *asked.request == **request).map(|asked| asked.home);
        if earlier.is_none() {
            asked.push(Asked { request: Rc::clone(request), from: Rc::clone(&from), home });
        }
        let retry = earlier.is_some();
        if breaks(request) {
            *self.poisoned.entry(band).or_default() += 1;
        }
        self.waiting.insert(token, Waiting { request: Rc::clone(request), from, deadline, retry });
        let shard = self.book.shard_of(request);
        // What comes by a band that was given away waits with the band or with its wallet.
        let given = self.book.page(band, u64::MAX).is_some_and(|page| page.bands.was_given());
        if shard.0 % self.loops == home && !given {
            self.bounded[usize::from(home)].took(token, band, shard.0);
        }
        earlier.is_some_and(|earlier| earlier != home)
    }

    /// The wall clock never showed a later time than this.
    pub fn clock_was(&mut self, latest: At) {
        self.latest = self.latest.max(latest);
    }

    fn durable(&mut self) -> Rc<[Durable]> {
        let heads = self.shadow.heads().iter().zip(0..);
        let durable = heads.map(|(head, shard)| Durable {
            records: head.next_record.0,
            at: self.order.last_at(ShardId(shard)),
        });
        Rc::clone(self.durable.get_or_insert_with(|| durable.collect()))
    }

    /// L12: after a batch was handed over and its refusals were heard.
    pub fn check_bounds(&mut self, home: u16) -> Verdict {
        self.checks += 1;
        self.bounded[usize::from(home)].check()
    }

    /// L12: what a shard holds now.
    pub fn held(&mut self, shard: ShardId, held: Held) -> Verdict {
        self.checks += 1;
        bounded::held(shard.0, held)
    }

    /// A core turned.
    pub fn turned(&mut self, home: u16) {
        self.bounded[usize::from(home)].turned();
    }

    /// L3: what a start believes is durable.
    pub fn opened(&mut self, heads: &[Head]) -> Verdict {
        self.checks += 1;
        self.steps.forget();
        self.stopped.clear();
        durable::believed(heads, self.shadow.heads())
    }

    /// A shard serves nobody for as long as this process lives.
    pub fn stopped(&mut self, shard: ShardId) {
        self.stopped.insert(shard);
    }

    /// Where the durable frames lie.
    pub fn frames(&self) -> &[FramePlace] {
        self.watch.frames()
    }

    /// The segment of the last durable frame.
    pub const fn segment(&self) -> u64 {
        self.watch.segment()
    }

    /// Reads what became durable since the last call.
    pub fn look(&mut self, disk: &SimDisk) -> Verdict {
        let mut verdict = Ok(());
        let mut watch = std::mem::take(&mut self.watch);
        watch.look(disk, &mut |block| {
            if verdict.is_ok() {
                verdict = self.block(block);
            }
        });
        self.watch = watch;
        verdict
    }

    /// The machine or the process is new: what is durable is read once more from the front of the
    /// log. All that was durable before must be there again (L3).
    pub fn reopened(&mut self, disk: &SimDisk) -> Verdict {
        let mut seen = Shadow::new(self.shadow.shards());
        let mut verdict = Ok(());
        let mut watch = Watch::default();
        let before = self.shadow.heads().to_vec();
        watch.look(disk, &mut |block| {
            let checked = seen.follow(block, &before);
            if verdict.is_ok() {
                verdict = checked.and_then(|()| self.block_again(block));
            }
        });
        verdict?;
        self.watch = watch;
        durable::nothing_lost(&before, seen.heads())
    }

    /// A block of the log read once more: the part that was known is skipped.
    fn block_again(&mut self, block: &Block<'_>) -> Verdict {
        let known = self.shadow.heads()[usize::from(block.header.shard.0)].next_seq;
        if block.header.seq < known { Ok(()) } else { self.block(block) }
    }

    fn block(&mut self, block: &Block<'_>) -> Verdict {
        let shard = block.header.shard;
        self.checks += 1;
        self.shadow.continues(block)?;
        let mut verdict = Ok(());
        let read = block.each_record(|number, record| {
            if verdict.is_ok() {
                verdict = self.record(shard, block.header.seq, number.0, &record);
            }
        });
        read.map_err(|error| Violation::new(Law::Chain, format!("a durable block is malformed: {error}")))?;
        verdict?;
        self.shadow.moved(&block.header);
        self.durable = None;
        Ok(())
    }

    fn record(&mut self, shard: ShardId, block: u64, number: u64, record: &Record) -> Verdict {
        self.checks += 1;
        let band = record.envelope.tag.or(record.envelope.wallet.map(WalletNumber::as_tag));
        let key = band.zip(record.envelope.request);
        let asked = key.and_then(|(band, id)| self.asked.get(&(band.get(), id.get())));
        let asked = asked.map_or(&[][..], Vec::as_slice);
        let festival = self.book.versions().named(record.envelope.configuration);
        let seen = Seen { shard, block, number, record, book: &self.book, asked, festival };
        in_force::record(&seen)?;
        isolation::record(&seen)?;
        self.pairings.record(&seen)?;
        once::record(&seen)?;
        self.order.record(&seen)?;
        holds::record(&seen)?;
        self.conservation.record(&seen)?;
        floors::swept(&seen, &self.conservation)?;
        self.whole.record(&seen)?;
        self.windows.record(&seen)?;
        self.allowances.record(&seen)?;
        self.buried.record(&seen)?;
        self.book.enter(shard, number, record);
        self.shadow.apply(shard, number, record);
        self.steps.durable(&self.shadow.states()[usize::from(shard.0)])?;
        floors::record(shard, number, record, &self.book, &self.shadow)
    }

    /// An answer leaves; what is durable was just looked at.
    pub fn released(&mut self, token: u64, message: &Message, now: Mono) -> Result<Waiting, Violation> {
        self.checks += 1;
        let Some(waiting) = self.waiting.remove(&token) else {
            let what = format!("an answer to nobody, or a second one: {message:?}");
            return Err(Violation::new(Law::ExactlyOnce, what));
        };
        self.bounded.iter_mut().for_each(|bounded| bounded.refused(token));
        let shard = usize::from(message.answer().shard.0);
        let (Some(durable), Some(from)) =
            (self.durable().get(shard).copied(), waiting.from.get(shard).copied())
        else {
            return Err(Violation::new(Law::Isolation, format!("an answer of no shard: {message:?}")));
        };
        let stopped = self.stopped.contains(&message.answer().shard);
        let (book, poisoned, latest, waiting_for) = (&self.book, &self.poisoned, self.latest, &waiting);
        let Durable { records: from, at: since } = from;
        let durable = durable.records;
        let release = Release {
            waiting: waiting_for,
            message,
            from,
            since,
            durable,
            now,
            book,
            poisoned,
            latest,
            stopped,
        };
        durable::released(&release)?;
        isolation::released(&release)?;
        self.once.released(&release)?;
        loose_talk::released(&release)?;
        Ok(waiting)
    }

    /// The process ended without another word: nobody waits any more.
    pub fn silence(&mut self) {
        self.waiting.clear();
        self.poisoned.clear();
        self.bounded.iter_mut().for_each(Bounded::turned);
    }

    /// How many requests wait for an answer.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests that wait, oldest first.
    pub fn still_waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values()
    }

    /// L6 and L1 over a full replay of what is durable now, with the code of the real store.
    pub fn full_replay(&mut self, disk: &SimDisk) -> Verdict {
        self.checks += 1;
        let replayed = replay::from_image(&disk.image(), self.shadow.shards())?;
        replay::same(&replayed, &self.shadow)?;
        self.conservation.stripes(&self.shadow)
    }

    /// L6: what lay on a disk before a start believed it, as the crash had left it and not as the start
    /// repaired it, gives on a full replay what is durable since.
    pub fn replay_of(&mut self, left: &SimDisk) -> Verdict {
        self.checks += 1;
        left.set_free(u64::MAX);
        replay::same(&replay::from_image(left, self.shadow.shards())?, &self.shadow)
    }

    /// L6: a live shard that shows exactly what is durable has the digest of the replica. `false` if
    /// it is ahead, and nothing was compared.
    pub fn live(&mut self, state: &ShardState) -> Result<bool, Violation> {
        self.checks += 1;
        replay::live(state, &self.shadow)
    }

    /// L6: what a live shard shows at the end of a step; compared as soon as that is durable. `false` if it
    /// shows what it showed before.
    pub fn shows(&mut self, shard: ShardId, state: Option<&ShardState>) -> Result<bool, Violation> {
        self.checks += 1;
        self.steps.shows(state, shard, &self.shadow.states()[usize::from(shard.0)])
    }

    /// L5: whether every shard goes by the newest configuration.
    pub fn agreed(&self) -> Verdict {
        everywhere::at_rest(self.book.versions())
    }

    /// L5: what is on its way between shards, as far as it is durable.
    pub const fn whole(&self) -> &Whole {
        &self.whole
    }

    /// L4, L5 and L13: bands that were given to wallets, as far as that is durable.
    pub const fn pairings(&self) -> &Pairings {
        &self.pairings
    }

    /// L5: allowances, as far as they are durable.
    pub const fn allowances(&self) -> &Allowances {
        &self.allowances
    }

    /// L5: messages that were buried, as far as that is durable.
    pub const fn buried(&self) -> &Buried {
        &self.buried
    }

    /// L6: what live shards showed at the ends of their steps.
    pub const fn steps(&self) -> &Steps {
        &self.steps
    }

    /// The durable replica.
    pub const fn shadow(&self) -> &Shadow {
        &self.shadow
    }

    /// The model.
    pub const fn book(&self) -> &Book {
        &self.book
    }

    /// How many times a law was evaluated.
    pub const fn checks(&self) -> u64 {
        self.checks
    }
}

/// Whether a request was poisoned for its decision or its application. One that panics where its record is read
/// back harms nobody before that.
fn breaks(request: &Request) -> bool {
    request.tag_counter.is_some_and(|counter| counter.get() != POISON_REPLAY)
}

/// Whether a request gives another one up rather than asking for something itself.
fn is_cancel(request: &Request) -> bool {
    request.command == Command::Cancel
}
