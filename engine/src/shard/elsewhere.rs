//! Requests that another actor is to decide, because a tag belongs to a wallet of another number. They go
//! on when what they were sent on by is confirmed (L10), and at most [`MAX_WAYS`] times: a tag that its
//! wallet has not taken yet must not keep a request going round.

use std::collections::VecDeque;

use actors::codes::Refusal;
use actors::tag::News;
use ledger::ids::{RecordNumber, WalletNumber};
use ledger::record::Record;

use super::{Shard, Step};
use crate::job::Job;
use crate::limits::{MAX_WAYS, PARKED_JOBS};

/// What waits for a confirmation.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Jobs, each with the number of the record before which everything must be confirmed.
    jobs: VecDeque<(RecordNumber, Job)>,
    /// What is to be known about tags, each by the record of this number.
    news: VecDeque<(RecordNumber, News)>,
}

impl Elsewhere {
    /// How many jobs wait to be sent on.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// All jobs, when the shard loses its state; what it would have told is forgotten.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        self.news.clear();
        self.jobs.drain(..).map(|(_, job)| job).collect()
    }
}

impl Shard {
    /// Sends a job on to another actor.
    pub(super) fn send_on(&mut self, job: &Job, actor: WalletNumber, step: &mut Step<'_>) {
        let Some(state) = &self.state else { return };
        if job.ways >= MAX_WAYS || self.elsewhere.len() >= PARKED_JOBS {
            return self.refuse(job, Refusal::Busy, step);
        }
        let mut job = job.clone();
        job.ways += 1;
        job.request.wallet = Some(actor).filter(|actor| *actor != job.request.tag.number.as_wallet());
        let seen = state.next_record();
        self.elsewhere.jobs.push_back((seen, job));
        self.send_confirmed(step);
    }

    /// Keeps in mind what a record does to a tag.
    pub(super) fn note_tag(&mut self, number: RecordNumber, record: &Record) {
        if let Some(news) = self.state.as_ref().and_then(|state| state.tag_news(record)) {
            self.elsewhere.news.push_back((number, news));
        }
    }

    /// What was seen by nobody but the disk is confirmed: others may know it, and act on it.
    pub(super) fn send_confirmed(&mut self, step: &mut Step<'_>) {
        let confirmed = self.head.next_record;
        while let Some((_, news)) = self.elsewhere.news.pop_front_if(|(number, _)| *number < confirmed) {
            step.given.push(news);
        }
        while let Some((_, job)) = self.elsewhere.jobs.pop_front_if(|(seen, _)| *seen <= confirmed) {
            step.counters.sent_on += 1;
            step.forward.push(job);
        }
    }

    /// Everybody is to know again what this shard knows about tags.
    pub(super) fn tell_tags(&self, step: &mut Step<'_>) {
        step.given.extend(self.state.iter().flat_map(actors::shard_state::ShardState::all_tag_news));
    }
}
