//! One shard: its actors' state, its mailbox, and the two ends of speculation. State runs ahead of
//! the disk by the block in flight and the one filling; every answer waits for the block it saw.

mod configuration;
mod elsewhere;
mod lines;
mod offenders;
mod parked;
mod speculation;
mod step;
mod sweep;
mod timers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use actors::codes::Refusal;
use actors::shard_state::ShardState;
use actors::tag::News;
use ledger::block::{Draft, Head};
use ledger::ids::{At, Epoch, LedgerId, RecordNumber, ShardId, WalletNumber};
use ledger::journal::{Journal, SubmitError};
use ledger::law::Law;
use ledger::mutant::{self, Mutant, Point};
use ledger::record::{Body, Envelope, Record};

use crate::core::Held;
use crate::counters::Counters;
use crate::job::{Clock, Job, Told};
use crate::mail::Letter;
use crate::mailbox::Mailbox;
use crate::recovery::Stopped;
use elsewhere::Elsewhere;
use lines::{Doomed, Lines};
use parked::Parked;

/// What a step may use of its core.
pub(crate) struct Step<'a> {
    pub(crate) clock: Clock,
    /// The disk has no room for another block: nothing that needs a record is decided.
    pub(crate) full: bool,
    /// Answers that may leave.
    pub(crate) ready: &'a mut Vec<Told>,
    /// Letters to other shards.
    pub(crate) letters: &'a mut Vec<Letter>,
    /// Jobs for other actors.
    pub(crate) forward: &'a mut Vec<Job>,
    /// What everybody may know about tags.
    pub(crate) given: &'a mut Vec<News>,
    pub(crate) counters: &'a mut Counters,
}

/// Where a panic struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// State is only read.
    Deciding,
    /// State is being changed: after a panic it is worth nothing.
    Applying,
}

/// One shard of a core.
pub(crate) struct Shard {
    id: ShardId,
    ledger: LedgerId,
    epoch: Epoch,
    /// `None` while it is rebuilt from its journal, or if it stopped.
    state: Option<ShardState>,
    mailbox: Mailbox,
    phase: Phase,
    /// Last confirmed block.
    head: Head,
    filling: Box<Draft>,
    filling_told: Vec<Told>,
    /// Answers that leave when the block in flight is confirmed.
    flight: Option<Vec<Told>>,
    spare: Option<(Box<Draft>, Vec<Told>)>,
    parked: Parked,
    elsewhere: Elsewhere,
    lines: Lines,
    sweep: sweep::Sweep,
    alarm: timers::Alarm,
    broken_timers: timers::Broken,
    versions: configuration::Versions,
    /// How often telling other shards of the version in force made this build panic.
    telling_panics: u32,
    offenders: offenders::Offenders,
    /// Messages that panicked: they are buried when they come again.
    doomed: Doomed,
    /// Set when the state was dropped and nobody has been asked to rebuild it yet.
    wants_rebuild: bool,
    /// Where it stopped for as long as this build runs: there will be no state.
    stopped: Option<Stopped>,
}

impl Shard {
    /// A shard with what recovery found of it.
    pub(crate) fn new(state: ShardState, head: Head, ledger: LedgerId, epoch: Epoch) -> Self {
        let bare = Self::without_state(state.shard(), ledger, epoch);
        let mut shard = Self { state: Some(state), head, ..bare };
        shard.pick_up();
        shard
    }

    /// A shard that recovery could not bring back.
    pub(crate) fn stopped(stopped: Stopped, ledger: LedgerId, epoch: Epoch) -> Self {
        Self { stopped: Some(stopped), ..Self::without_state(stopped.shard, ledger, epoch) }
    }

    fn without_state(id: ShardId, ledger: LedgerId, epoch: Epoch) -> Self {
        Self {
            id,
            ledger,
            epoch,
            state: None,
            mailbox: Mailbox::new(),
            phase: Phase::Deciding,
            head: Head::default(),
            filling: Box::new(Draft::new(ledger, id, epoch)),
            filling_told: Vec::new(),
            flight: None,
            spare: None,
            parked: Parked::default(),
            elsewhere: Elsewhere::default(),
            lines: Lines::default(),
            sweep: sweep::Sweep::default(),
            alarm: timers::Alarm::default(),
            broken_timers: timers::Broken::default(),
            versions: configuration::Versions::default(),
            telling_panics: 0,
            offenders: offenders::Offenders::default(),
            doomed: Doomed::new(),
            wants_rebuild: false,
            stopped: None,
        }
    }

    pub(crate) const fn id(&self) -> ShardId {
        self.id
    }

    pub(crate) const fn state(&self) -> Option<&ShardState> {
        self.state.as_ref()
    }

    pub(crate) const fn head(&self) -> Head {
        self.head
    }

    /// Where it stopped, if it did.
    pub(crate) const fn stopped_at(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Whether it stopped.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Its state was dropped and does not come back in this build.
    pub(crate) fn stop(&mut self, stopped: Stopped) {
        self.stopped = Some(stopped);
        self.wants_rebuild = false;
    }

    /// The no to a job that is not taken: whoever asks a shard that stopped need not come back soon.
    pub(crate) const fn keeps_out_as(&self) -> Refusal {
        if self.is_stopped() { Refusal::Internal } else { Refusal::Busy }
    }

    /// Whether a block of it is on its way.
    pub(crate) const fn in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// What waits here.
    pub(crate) fn held(&self) -> Held {
        Held {
            mailbox: self.mailbox.len(),
            bytes: self.mailbox.bytes(),
            parked: self.parked.len(),
            elsewhere: self.elsewhere.len(),
            letters: self.lines.longest(),
        }
    }

    /// Whether it could do something now.
    pub(crate) fn has_work(&self) -> bool {
        let decidable = !self.mailbox.is_empty()
            || self.parked.has_woken()
            || self.state.is_some()
                && (self.lines.has_work()
                    || self.sweep.is_under_way()
                    || self.alarm.is_under_way()
                    || self.could_tell()
                    || self.offenders.has_due());
        decidable && (self.filling.has_room() || !self.in_flight())
            || (self.filling.count() > 0 && !self.in_flight())
            || (self.wants_rebuild && !self.in_flight())
    }

    /// Whether a job would be kept out: by a limit, or because there is no state to decide it on.
    #[inline]
    pub(crate) fn turns_down(&mut self, job: &Job) -> bool {
        self.state.is_none() || self.mailbox.is_full_for(job, self.parked.actors())
    }

    /// Takes a job that is not kept out into the mailbox.
    #[inline]
    pub(crate) fn take(&mut self, job: Job) {
        self.mailbox.push(job);
    }

    /// Writes a record that no request asked for: openings of epochs, quarantines.
    pub(crate) fn control(&mut self, clock: Clock, wallet: Option<WalletNumber>, body: Body) {
        let Some(state) = &self.state else { return };
        let at = state.ledger_time(clock.wall);
        let version = state.adopted().map(|adopted| adopted.version);
        let envelope = Envelope {
            wallet,
            configuration: version,
            catalogue: version,
            policy: version,
            ..Envelope::default()
        };
        self.append(at, &Record::fact(at, envelope, body));
    }

    /// Puts a record into the block being filled and applies it. Returns its number. A panic anywhere
    /// in it leaves half a record behind, in the block or in the state.
    fn append(&mut self, at: At, record: &Record) -> RecordNumber {
        let Some(state) = &mut self.state else { return RecordNumber(0) };
        Law::Conservation.holds(record.entry.balances());
        Law::Order.holds(record.at >= state.last_at());
        let before = std::mem::replace(&mut self.phase, Phase::Applying);
        if self.filling.count() == 0 {
            self.filling.begin(state.prologue(at));
        }
        let number = state.next_record();
        self.filling.push(record);
        mutant::trip(record.envelope.tag_counter, mutant::POISON_ENCODE);
        let _only_panics = mutant::struck(Point::Append);
        state.apply(number, record);
        self.note_tag(number, record);
        self.note_adoption(number, record);
        self.phase = before;
        number
    }

    /// Lets this shard do something. A panic that nobody nearer caught harms this shard only: nobody
    /// knows what it left half done, so the state is dropped and comes back from the journal.
    pub(crate) fn guarded(&mut self, step: &mut Step<'_>, body: impl FnOnce(&mut Self, &mut Step<'_>)) {
        if catch_unwind(AssertUnwindSafe(|| body(self, step))).is_err() {
            step.counters.panics += 1;
            self.harmed(step);
        }
    }

    /// Hands the filled block over if none is in flight. Returns how many bytes it handed over.
    pub(crate) fn submit<J: Journal>(&mut self, journal: &mut J, step: &mut Step<'_>) -> usize {
        if self.in_flight() || self.filling.count() == 0 || self.state.is_none() {
            return 0;
        }
        let (draft, told) = self
            .spare
            .take()
            .unwrap_or_else(|| (Box::new(Draft::new(self.ledger, self.id, self.epoch)), Vec::new()));
        let mut block = std::mem::replace(&mut self.filling, draft);
        self.filling.clear();
        self.lines.submitted();
        block.place(self.head);
        let bytes = block.sealed_len();
        if mutant::on(Mutant::AnswerBeforeFlush) {
            step.ready.append(&mut self.filling_told);
        }
        // The answers are in flight only when the block is: a panic before that leaves them where they
        // are found.
        if let Err(SubmitError::Full(draft) | SubmitError::Dead(draft)) = journal.submit(block) {
            // Room was asked for before anything was decided, so only a dead store comes here:
            // nobody is told yes or no, and the store's own event ends the core.
            self.spare = Some((draft, told));
            self.harmed(step);
            return 0;
        }
        self.flight = Some(std::mem::replace(&mut self.filling_told, told));
        bytes
    }
}
