//! Decide and apply, one job after the other; what those to come will touch is asked of memory meanwhile.
//! A panic harms only the command that caused it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actors::answer::Answer;
use actors::codes::Refusal;
use actors::shard_state::{Ahead, Decision, Evidence, Now};
use ledger::ids::{RecordNumber, WalletNumber};
use ledger::journal::{FetchError, Journal, Lookup};
use ledger::mutant;
use ledger::record::{Body, Record};

use super::{Phase, Shard, Step};
use crate::job::{Job, Message, Told};
use crate::limits::AHEAD;
use crate::mailbox::Batch;

impl Shard {
    /// Decides what waits, as far as the block being filled has room.
    pub(crate) fn work<J: Journal>(&mut self, journal: &mut J, step: &mut Step<'_>) {
        self.work_quarantines(step);
        self.work_woken(journal, step);
        self.work_letters(step);
        self.work_sweep(step);
        self.work_timers(step);
        self.work_versions(step);
        while self.state.is_some() && self.filling.has_room() && !self.mailbox.is_empty() {
            let (lane, mut batch) = self.mailbox.take();
            self.work_batch(&mut batch, journal, step);
            self.mailbox.put_back((lane, batch));
        }
    }

    /// Asks for the memory that the first jobs will touch, while the shard before the one before is at work.
    pub(crate) fn look_up(&self) {
        if let Some(state) = &self.state {
            self.mailbox.first(3 * AHEAD).for_each(|job| state.prefetch(Ahead::Far, &job.request));
        }
    }

    /// The same, a step further, while the shard before is at work.
    pub(crate) fn warm(&self) {
        if let Some(state) = &self.state {
            self.mailbox.first(2 * AHEAD).for_each(|job| state.prefetch(Ahead::Near, &job.request));
        }
    }

    /// Decides a batch as far as there is room. After a panic it goes on with the next job.
    fn work_batch<J: Journal>(&mut self, batch: &mut Batch, journal: &mut J, step: &mut Step<'_>) {
        while self.state.is_some() && self.filling.has_room() && batch.next().is_some() {
            let unwound = catch_unwind(AssertUnwindSafe(|| self.work_jobs(batch, journal, step)));
            if unwound.is_err()
                && let Some(culprit) = batch.next()
            {
                self.panicked(culprit, step);
                self.mailbox.done(culprit);
                batch.advance();
            }
        }
    }

    /// Decides the jobs of a batch. With each, memory is asked for that later ones will touch: one job at a
    /// time, so that the processor waits for it while it decides and not at once for more than it can fetch.
    fn work_jobs<J: Journal>(&mut self, batch: &mut Batch, journal: &mut J, step: &mut Step<'_>) {
        (0..AHEAD).for_each(|ahead| self.ask(Ahead::Next, batch.ahead(ahead)));
        while let Some(job) = batch.next().filter(|_| self.state.is_some() && self.filling.has_room()) {
            self.ask(Ahead::Next, batch.ahead(AHEAD));
            self.ask(Ahead::Near, batch.ahead(2 * AHEAD));
            self.ask(Ahead::Far, batch.ahead(3 * AHEAD));
            self.one(job, None, journal, step);
            self.mailbox.done(job);
            batch.advance();
        }
    }

    /// Asks for the memory that a job will touch.
    #[inline]
    fn ask(&self, ahead: Ahead, job: Option<&Job>) {
        if let (Some(state), Some(job)) = (&self.state, job) {
            state.prefetch(ahead, &job.request);
        }
    }

    /// Jobs whose evidence has come.
    fn work_woken<J: Journal>(&mut self, journal: &mut J, step: &mut Step<'_>) {
        while self.state.is_some() && self.filling.has_room() {
            let Some((job, position, fetched)) = self.parked.pop_woken() else { return };
            self.mailbox.came_back(job.actor());
            let unwound = catch_unwind(AssertUnwindSafe(|| match fetched {
                Ok(record) => self.one(&job, Some((position, &record)), journal, step),
                Err(FetchError::NoSuchRecord) => self.refuse(&job, Refusal::Internal, step),
                Err(_) => self.refuse(&job, Refusal::Busy, step),
            }));
            if unwound.is_err() {
                self.panicked(&job, step);
            }
        }
    }

    fn one<J: Journal>(
        &mut self,
        job: &Job,
        evidence: Option<(RecordNumber, &Record)>,
        journal: &mut J,
        step: &mut Step<'_>,
    ) {
        if self.offenders.bars(job.actor()) && self.keeps_out(job.actor(), step) {
            return self.refuse(job, Refusal::Quarantined, step);
        }
        let Some(state) = &self.state else { return };
        let at = state.ledger_time(step.clock.wall);
        let late = job.deadline.is_some_and(|deadline| deadline < step.clock.mono);
        let evidence = evidence.map(|(position, record)| Evidence { position, record });
        match state.decide(&Now { at, late, evidence }, &job.request) {
            Decision::Record(_) if step.full => self.refuse(job, Refusal::Busy, step),
            Decision::Record(record) => {
                // Until the answer is kept too: a record that was refused `internal` must not become durable.
                self.phase = Phase::Applying;
                let number = self.append(at, &record);
                self.answer_record(job, &record, number);
                self.phase = Phase::Deciding;
                step.counters.records += 1;
            }
            Decision::Answer(answer) => {
                self.tell(Told { reply: job.reply, message: Message::Answer(answer) }, step);
            }
            Decision::Statement(statement) => {
                let message = Message::Statement(statement);
                self.tell(Told { reply: job.reply, message }, step);
            }
            Decision::Elsewhere(actor) => self.send_on(job, actor, step),
            Decision::Evidence(position) => self.park(job, position, journal, step),
        }
    }

    fn answer_record(&mut self, job: &Job, record: &Record, number: RecordNumber) {
        let Some(state) = &self.state else { return };
        mutant::trip(job.request.tag_counter, mutant::POISON_ANSWER);
        let answer = state.answer_of(&job.request, record, number);
        self.filling_told.push(Told { reply: job.reply, message: Message::Answer(answer) });
    }

    /// Puts a job aside until the record it needs has been fetched; an unconfirmed one first has
    /// to be confirmed.
    fn park<J: Journal>(&mut self, job: &Job, position: RecordNumber, journal: &mut J, step: &mut Step<'_>) {
        let confirmed = position < self.head.next_record;
        match self.parked.park(job, position, confirmed) {
            Some(token) => {
                self.mailbox.set_aside(job.actor());
                if confirmed {
                    journal.fetch(Lookup { shard: self.id, number: position, token });
                }
            }
            None => self.refuse(job, Refusal::Busy, step),
        }
    }

    /// A no without a record, behind everything this shard has shown to `decide`.
    pub(super) fn refuse(&mut self, job: &Job, refusal: Refusal, step: &mut Step<'_>) {
        let answer = Answer::refused(&job.request, self.id, refusal);
        self.tell(Told { reply: job.reply, message: Message::Answer(answer) }, step);
    }

    /// State was being changed by whatever panicked: it is worth nothing.
    pub(super) fn harmed(&mut self, step: &mut Step<'_>) {
        self.phase = Phase::Deciding;
        let told = std::mem::take(&mut self.filling_told);
        Self::tell_unknown(told, step);
        self.drop_state();
    }

    /// The command that panicked is refused by its id. If state was being changed it is dropped,
    /// and the shard will be rebuilt; repeated panics of one actor quarantine it by name.
    fn panicked(&mut self, job: &Job, step: &mut Step<'_>) {
        step.counters.panics += 1;
        if self.phase == Phase::Applying {
            self.harmed(step);
        }
        self.refuse(job, Refusal::Internal, step);
        self.offenders.panicked(job.actor(), step.clock.mono);
    }

    /// Whether an actor that is barred has no state to say so itself. One that has is quarantined now, by
    /// a record that everything told from here on waits for.
    fn keeps_out(&mut self, actor: WalletNumber, step: &mut Step<'_>) -> bool {
        let stateless = self.state.as_ref().is_none_or(|state| state.is_quarantined(actor).is_none());
        if !stateless {
            self.offenders.look_again();
            self.work_quarantines(step);
        }
        stateless
    }

    /// Writes the quarantines that are due. After a panic in `apply` that is when the state is back.
    fn work_quarantines(&mut self, step: &mut Step<'_>) {
        while self.offenders.has_due() && self.state.is_some() && self.filling.has_room() {
            let Some(actor) = self.offenders.next_due() else { return };
            let quarantined = self.state.as_ref().and_then(|state| state.is_quarantined(actor));
            if quarantined == Some(false) {
                step.counters.quarantined += 1;
                self.control(step.clock, Some(actor), Body::Quarantined);
            }
            if quarantined.is_some() {
                self.offenders.recorded(actor);
            }
        }
    }
}
