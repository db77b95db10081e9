//! The shard's ends of its channels: letters that came and wait to be taken, letters to be written,
//! acknowledgements in both directions. What must survive is in the shard's state and changed by
//! records; here is only what may be lost and is worked out again from that (L5, L10, L12).

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use actors::channels::{Outbox, WINDOW};
use actors::mail::Receipt;
use actors::shard_state::ShardState;
use ledger::ids::{RecordNumber, ShardId};
use ledger::mutant::{self, Mutant, Point};
use ledger::record::{Body, Message};

use super::configuration::Versions;
use super::{Phase, Shard, Step};
use crate::job::{Clock, Mono};
use crate::limits::{BURIALS, LETTERS_AT_A_TIME, MOST_RESEND_MICROS, RESEND_MICROS};
use crate::mail::{Content, Letter};
use crate::recovery::Stopped;

/// How far a channel's messages were put into letters.
#[derive(Clone, Copy, Debug, Default)]
struct Posted {
    number: u64,
    /// When a letter last left, or an acknowledgement last came.
    since: Mono,
    /// How often in a row everything was written again and nothing was heard.
    silent: u32,
}

/// Messages that made this build panic, by channel and number, and how often each panicked while it was sent
/// back, too. They outlive the state that they broke, each until what became of it is confirmed: a second bad
/// message takes the unconfirmed burial of the first away with the state.
pub(super) type Doomed = BTreeMap<(ShardId, u64), u32>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Messages in the order of their numbers, each channel without a gap behind what was taken. At
    /// most two windows of each: room that no request can take away.
    arrived: BTreeMap<ShardId, VecDeque<(u64, Message)>>,
    /// Acknowledgements that came and are to be recorded.
    acknowledged: BTreeMap<ShardId, u64>,
    /// One acknowledgement a channel and block was recorded in the block being filled.
    recorded: bool,
    posted: BTreeMap<ShardId, Posted>,
    /// How far channels were taken by the block being filled, and by the one in flight.
    filling: BTreeMap<ShardId, u64>,
    flight: BTreeMap<ShardId, u64>,
    /// How far they were taken for good.
    taken: BTreeMap<ShardId, u64>,
}

impl Lines {
    /// Whether something could be decided.
    pub(super) fn has_work(&self) -> bool {
        self.arrived.values().any(|letters| !letters.is_empty())
            || !self.acknowledged.is_empty() && !self.recorded
    }

    /// Messages that wait of the channel that has most.
    pub(super) fn longest(&self) -> u64 {
        self.arrived.values().map(|letters| letters.len() as u64).max().unwrap_or(0)
    }

    /// The block being filled is handed over.
    pub(super) fn submitted(&mut self) {
        self.flight.append(&mut self.filling);
        self.recorded = false;
    }
}

impl Shard {
    /// A letter came.
    pub(crate) fn arrive(&mut self, letter: Letter, step: &mut Step<'_>) {
        let Some(state) = &self.state else { return };
        if let Some(posted) = self.lines.posted.get_mut(&letter.from) {
            posted.silent = 0;
        }
        match letter.content {
            Content::Message { number, message } => {
                let taken = state.channels().taken_from(letter.from);
                if number <= taken {
                    return self.acknowledge(letter.from, step);
                }
                let arrived = self.lines.arrived.entry(letter.from).or_default();
                let next = arrived.back().map_or(taken, |(last, _)| *last) + 1;
                let gap_allowed = mutant::on(Mutant::WatermarkBySequence) && number > next;
                if (number == next || gap_allowed) && (arrived.len() as u64) < 2 * WINDOW {
                    arrived.push_back((number, message));
                }
            }
            Content::Taken { up_to } => {
                let outbox = state.channels().outbox(letter.from);
                if outbox.is_some_and(|outbox| (outbox.acknowledged() + 1..=outbox.sent()).contains(&up_to)) {
                    let known = self.lines.acknowledged.entry(letter.from).or_default();
                    *known = up_to.max(*known);
                }
            }
        }
    }

    /// Tells the sender of a channel again what was taken of it for good.
    fn acknowledge(&mut self, from: ShardId, step: &mut Step<'_>) {
        if let Some(up_to) = self.lines.taken.get(&from) {
            step.letters.push(taken(self.id, from, *up_to));
        }
    }

    /// Takes what came, as far as the block being filled has room.
    pub(super) fn work_letters(&mut self, step: &mut Step<'_>) {
        if step.full {
            // Whatever is not taken now is sent again; waiting for it here would keep the loop awake.
            self.lines.arrived.clear();
            self.lines.acknowledged.clear();
            return;
        }
        self.record_acknowledgements(step);
        let channels: Vec<ShardId> = self.lines.arrived.keys().copied().collect();
        for from in channels {
            while self.state.is_some() && self.filling.has_room() {
                let Some((number, message)) = self.lines.next(from) else { break };
                if !self.take_letter(from, number, &message, step) {
                    self.lines.arrived.remove(&from);
                }
            }
        }
    }

    fn record_acknowledgements(&mut self, step: &Step<'_>) {
        if self.lines.recorded || self.state.is_none() {
            return;
        }
        for (to, up_to) in std::mem::take(&mut self.lines.acknowledged) {
            self.control(step.clock, None, Body::Acknowledged { to, up_to });
            self.lines.recorded = true;
            if let Some(posted) = self.lines.posted.get_mut(&to) {
                posted.since = step.clock.mono;
            }
        }
    }

    /// Decides one message; `false` if there is no room for it, and it is to come again. One that makes
    /// this build panic is buried: at once if nothing was changed, else when the state is back.
    fn take_letter(&mut self, from: ShardId, number: u64, message: &Message, step: &mut Step<'_>) -> bool {
        let record = self.state.as_ref().map_or(self.head.next_record, ShardState::next_record);
        if !self.doomed.contains_key(&(from, number)) {
            if let Some(room) = self.try_letter(from, number, message, false, step) {
                return room;
            }
            self.doomed.insert((from, number), 0);
            if self.phase == Phase::Applying {
                self.harmed(step);
                return true;
            }
        }
        self.try_letter(from, number, message, true, step).unwrap_or_else(|| {
            self.not_buried((from, number), record, step);
            true
        })
    }

    /// `None` if it panicked.
    fn try_letter(
        &mut self,
        from: ShardId,
        number: u64,
        message: &Message,
        bury: bool,
        step: &mut Step<'_>,
    ) -> Option<bool> {
        let tried = catch_unwind(AssertUnwindSafe(|| self.take_or_bury(from, number, message, bury, step)));
        step.counters.panics += u64::from(tried.is_err());
        tried.ok()
    }

    /// A message that can neither be taken nor sent back. The state may be what is broken, so it is rebuilt a
    /// few times; then the shard stops, as it does where a record cannot be read back: rebuilt at every
    /// letter it would serve nobody either, and nobody would be told.
    fn not_buried(&mut self, message: (ShardId, u64), record: RecordNumber, step: &mut Step<'_>) {
        let seq = self.head.next_seq + u64::from(self.in_flight());
        self.harmed(step);
        let burials = self.doomed.entry(message).or_default();
        *burials += 1;
        if *burials >= BURIALS {
            self.stop(Stopped { shard: self.id, seq, record, message: Some(message) });
            step.counters.stopped += 1;
        }
    }

    fn take_or_bury(
        &mut self,
        from: ShardId,
        number: u64,
        message: &Message,
        bury: bool,
        step: &mut Step<'_>,
    ) -> bool {
        let Some(state) = &self.state else { return true };
        let _only_panics = mutant::struck(Point::Receive);
        let at = state.ledger_time(step.clock.wall);
        let receipt = if bury {
            state.dead_letter(at, from, number, message)
        } else {
            state.receive(at, from, number, message)
        };
        match receipt {
            Receipt::Known | Receipt::Early => true,
            Receipt::NoRoom => false,
            Receipt::Record(record) => {
                self.append(at, &record);
                step.counters.taken += 1;
                let returned = record
                    .envelope
                    .mail
                    .as_ref()
                    .is_some_and(|mail| mail.sent.iter().any(|sent| sent.message.is_return()));
                step.counters.returned += u64::from(returned);
                self.lines.filling.insert(from, number);
                if mutant::on(Mutant::AcknowledgedUnrecorded) {
                    step.letters.push(taken(self.id, from, number));
                }
                true
            }
        }
    }

    /// The block in flight is stored: what it took is taken for good, what it sent may leave.
    pub(super) fn post_confirmed(&mut self, step: &mut Step<'_>) {
        for (from, number) in std::mem::take(&mut self.lines.flight) {
            self.lines.taken.insert(from, number);
            self.doomed.retain(|(channel, doomed), _| *channel != from || *doomed > number);
            step.letters.push(taken(self.id, from, number));
        }
        self.post_messages(step);
    }

    /// Puts into letters what is confirmed and was not, and again what has been on its way for long.
    pub(crate) fn post_messages(&mut self, step: &mut Step<'_>) {
        let Some(state) = &self.state else { return };
        let unconfirmed = mutant::on(Mutant::DeliveredUnconfirmed) || mutant::on(Mutant::SameThreadShortCut);
        for (to, outbox) in state.channels().outboxes() {
            if outbox.acknowledged() == outbox.sent() {
                continue;
            }
            let posted = self.lines.posted.entry(to).or_default();
            posted.back_if_late(outbox, step.clock, &mut step.counters.resent);
            let leave = outbox
                .after(posted.number)
                .take_while(|waiting| waiting.record < self.head.next_record || unconfirmed)
                .take(LETTERS_AT_A_TIME);
            for waiting in leave {
                let content = Content::Message { number: waiting.number, message: waiting.message.clone() };
                step.letters.push(Letter { from: self.id, to, content });
                posted.number = waiting.number;
                posted.since = step.clock.mono;
            }
        }
    }

    /// Tells all other shards that it is back: to one of which nothing is heard they write ever more seldom.
    pub(super) fn report_back(&self, step: &mut Step<'_>) {
        let Some(state) = &self.state else { return };
        let shards = state.genesis().map_or(0, |genesis| genesis.shards);
        for to in (0..shards).map(ShardId).filter(|to| *to != self.id) {
            step.letters.push(taken(self.id, to, state.channels().taken_from(to)));
        }
    }

    /// Bytes of memory that both ends of its channels hold: state, and what is worked out again from it.
    pub(crate) fn channel_bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.channels().bytes()) + self.lines.bytes()
    }

    /// Everything that is not in a record is forgotten: it is worked out again from the state.
    pub(super) fn hang_up(&mut self) {
        self.lines = Lines::default();
    }

    /// After a rebuild: what was taken before is taken for good.
    pub(super) fn pick_up(&mut self) {
        let Some(state) = &self.state else { return };
        self.versions = Versions::of(state.adopted().map(|adopted| adopted.version));
        self.lines = Lines { taken: state.channels().taken().collect(), ..Lines::default() };
    }
}

impl Lines {
    fn next(&mut self, from: ShardId) -> Option<(u64, Message)> {
        let letters = self.arrived.get_mut(&from)?;
        let next = letters.pop_front();
        if letters.is_empty() {
            // There are as many of these as of the senders' outboxes, and they too give back what a burst took.
            self.arrived.remove(&from);
        }
        next
    }

    /// Bytes held, for the metric.
    fn bytes(&self) -> usize {
        let arrived: usize = self.arrived.values().map(VecDeque::capacity).sum();
        let numbers = [&self.acknowledged, &self.filling, &self.flight, &self.taken]
            .map(BTreeMap::len)
            .iter()
            .sum::<usize>();
        arrived * size_of::<(u64, Message)>()
            + self.arrived.len() * size_of::<(ShardId, VecDeque<(u64, Message)>)>()
            + numbers * size_of::<(ShardId, u64)>()
            + self.posted.len() * size_of::<(ShardId, Posted)>()
    }
}

impl Posted {
    /// Nothing was heard for a while: everything not acknowledged is written again, after twice the time
    /// whenever that was in vain.
    fn back_if_late(&mut self, outbox: &Outbox, clock: Clock, resent: &mut u64) {
        self.number = self.number.max(outbox.acknowledged());
        let wait = (RESEND_MICROS << self.silent.min(16)).min(MOST_RESEND_MICROS);
        let late = clock.mono.0.saturating_sub(self.since.0) >= wait;
        if late && self.number > outbox.acknowledged() {
            *resent += 1;
            self.silent = self.silent.saturating_add(1);
            self.number = outbox.acknowledged();
        }
    }
}

fn taken(from: ShardId, to: ShardId, up_to: u64) -> Letter {
    Letter { from, to, content: Content::Taken { up_to } }
}
