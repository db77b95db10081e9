//! The two ends of speculation. Confirmed: the answers leave. Fenced, dead or panicked: nobody is
//! told yes or no, and the shard starts again from its journal. There is no undo.

use actors::answer::{Answer, Verdict};
use actors::codes::Refusal;
use actors::shard_state::ShardState;
use ledger::block::{Draft, Head};
use ledger::ids::RecordNumber;
use ledger::journal::{FetchError, Journal, Lookup};
use ledger::law::Law;
use ledger::mutant::{self, Mutant, Point};
use ledger::record::{Body, Record};

use super::{Shard, Step};
use crate::job::{Message, Told};

impl Shard {
    /// Tells what was decided without a record: it leaves when everything it saw is confirmed.
    pub(super) fn tell(&mut self, told: Told, step: &mut Step<'_>) {
        if loose_talk(&told) {
            step.ready.push(told);
        } else if self.filling.count() > 0 {
            self.filling_told.push(told);
        } else if let Some(flight) = &mut self.flight {
            flight.push(told);
        } else {
            let seen = self.state.as_ref().map_or(self.head.next_record, ShardState::next_record);
            Law::NoLooseTalk.holds(seen == self.head.next_record);
            self.release(told, step);
        }
    }

    /// The one door by which answers leave.
    fn release(&self, told: Told, step: &mut Step<'_>) {
        let answer = told.message.answer();
        let confirmed = answer.record < self.head.next_record || answer.record == RecordNumber(0);
        Law::DurableBeforeTold.holds(confirmed);
        step.counters.tell(answer.verdict);
        step.ready.push(told);
    }

    /// The block in flight is stored: its answers leave.
    pub(crate) fn confirmed<J: Journal>(
        &mut self,
        head: Head,
        draft: Box<Draft>,
        journal: &mut J,
        step: &mut Step<'_>,
    ) {
        // First: whatever happens below, nothing of this shard is in flight any more.
        let mut told = self.flight.take().unwrap_or_default();
        Law::Chain.holds(head.next_seq == self.head.next_seq + 1);
        self.head = head;
        step.counters.blocks += 1;
        for told in told.drain(..) {
            self.release(told, step);
        }
        self.spare = Some((draft, told));
        self.post_confirmed(step);
        self.send_confirmed(step);
        step.counters.adopted += u64::from(self.versions.confirmed(head.next_record));
        for (number, token) in self.parked.confirmed(head.next_record) {
            journal.fetch(Lookup { shard: self.id, number, token });
        }
    }

    /// The store ended its life, or the shard has another owner: both blocks and the whole state
    /// are dropped, nobody is told yes or no.
    pub(crate) fn lost(&mut self, step: &mut Step<'_>) {
        let flight = self.flight.take().unwrap_or_default();
        Self::tell_unknown(flight, step);
        let mut filling = std::mem::take(&mut self.filling_told);
        if mutant::on(Mutant::AnswersAfterFailedBlock) {
            step.ready.append(&mut filling);
        }
        Self::tell_unknown(filling, step);
        self.drop_state();
        self.turn_away(step);
    }

    /// Answers that said something now say nothing: the same id is to be sent again.
    pub(super) fn tell_unknown(told: Vec<Told>, step: &mut Step<'_>) {
        for told in told {
            let answer = told.message.answer();
            let unknown =
                Answer { verdict: Verdict::Unknown, record: RecordNumber(0), balance: 0, ..*answer };
            step.counters.tell(Verdict::Unknown);
            step.ready.push(Told { reply: told.reply, message: Message::Answer(unknown) });
        }
    }

    /// Drops state and the block being filled; what is in flight still gets its event.
    pub(super) fn drop_state(&mut self) {
        self.state = None;
        self.hang_up();
        self.alarm = super::timers::Alarm::default();
        self.filling.clear();
        self.wants_rebuild = !self.is_stopped();
    }

    /// Jobs that wait while there is no state are told to come back.
    pub(crate) fn turn_away(&mut self, step: &mut Step<'_>) {
        while !self.mailbox.is_empty() {
            let (lane, mut batch) = self.mailbox.take();
            while let Some(job) = batch.next() {
                self.mailbox.done(job);
                self.refuse(job, Refusal::Busy, step);
                batch.advance();
            }
            self.mailbox.put_back((lane, batch));
        }
        for job in self.parked.drain() {
            self.mailbox.came_back(job.actor());
            self.refuse(&job, Refusal::Busy, step);
        }
        for job in self.elsewhere.drain() {
            self.refuse(&job, Refusal::Busy, step);
        }
    }

    /// Whether it is time to ask for a rebuild: once, and only when the fate of its last block
    /// is known.
    pub(crate) fn take_rebuild(&mut self) -> bool {
        let due = self.wants_rebuild && !self.in_flight();
        self.wants_rebuild &= !due;
        due
    }

    /// Goes on with a state that was rebuilt from the journal.
    pub(crate) fn install(&mut self, state: ShardState, head: Head, step: &mut Step<'_>) {
        Law::Replay.holds(state.next_record() == head.next_record);
        // A later start wrote to it: this one is no longer its owner.
        Law::OneWriter.holds(head.epoch <= self.epoch);
        self.state = Some(state);
        self.head = head;
        let _only_panics = mutant::struck(Point::Install);
        if self.state.as_ref().is_some_and(|state| state.epoch() < self.epoch) {
            // It was lost before its first block was: the record of this start went with it.
            self.control(step.clock, None, Body::EpochOpened { epoch: self.epoch });
        }
        self.pick_up();
        self.report_back(step);
        self.tell_tags(step);
        self.offenders.look_again();
        step.counters.rebuilds += 1;
    }

    /// A look-up came back.
    pub(crate) fn fetched(
        &mut self,
        token: u64,
        record: Result<Box<Record>, FetchError>,
        step: &mut Step<'_>,
    ) {
        step.counters.fetched += 1;
        let _only_panics = mutant::struck(Point::Fetched);
        self.parked.fetched(token, record);
    }
}

/// The mutants that let an answer leave although what it saw could still be lost.
fn loose_talk(told: &Told) -> bool {
    match told.message.answer().verdict {
        Verdict::Refused(_) => mutant::on(Mutant::RefusalFromUnconfirmed),
        _ => mutant::on(Mutant::RetryInFlightAnswered),
    }
}
