//! A shard's mailbox: bounded by count and by bytes, and by 64 jobs of any one actor (L12). Two
//! lanes, so that a storm of uploads never delays a customer who is standing at the bar.

use std::collections::VecDeque;

use ledger::mutant::{self, Mutant};

use crate::job::{Job, Lane};
use crate::limits::{ACTOR_JOBS, MAILBOX_BYTES, MAILBOX_JOBS};
use actors::command::Command;

/// Buckets of the per-actor count. An actor shares its bucket with others: only when a bucket is
/// full are its jobs counted one by one.
const BUCKETS: usize = 1 << 12;

/// Jobs waiting for their actors.
#[derive(Debug)]
pub(crate) struct Mailbox {
    live: VecDeque<Job>,
    backlog: VecDeque<Job>,
    bytes: usize,
    buckets: Box<[u16; BUCKETS]>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { live: VecDeque::new(), backlog: VecDeque::new(), bytes: 0, buckets: Box::new([0; BUCKETS]) }
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.backlog.len()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.backlog.is_empty()
    }

    /// Takes a job, or hands it back when a limit is reached.
    #[expect(clippy::result_large_err, reason = "the job goes back to be refused, rarely")]
    pub(crate) fn push(&mut self, job: Job) -> Result<(), Job> {
        let bytes = spilled(&job);
        let full =
            self.len() >= MAILBOX_JOBS || self.bytes + bytes > MAILBOX_BYTES || self.actor_is_full(&job);
        if full && !mutant::on(Mutant::MailboxUnbounded) {
            return Err(job);
        }
        self.bytes += bytes;
        let bucket = &mut self.buckets[bucket(&job)];
        *bucket = bucket.saturating_add(1);
        match job.lane {
            Lane::Live => self.live.push_back(job),
            Lane::Backlog => self.backlog.push_back(job),
        }
        Ok(())
    }

    /// The next job: customers first.
    pub(crate) fn pop(&mut self) -> Option<Job> {
        let job = self.live.pop_front().or_else(|| self.backlog.pop_front())?;
        self.bytes -= spilled(&job);
        let bucket = &mut self.buckets[bucket(&job)];
        *bucket = bucket.saturating_sub(1);
        Some(job)
    }

    fn actor_is_full(&self, job: &Job) -> bool {
        if usize::from(self.buckets[bucket(job)]) < ACTOR_JOBS {
            return false;
        }
        let actor = job.request.actor();
        let waiting = self.live.iter().chain(&self.backlog);
        waiting.filter(|waiting| waiting.request.actor() == actor).count() >= ACTOR_JOBS
    }
}

/// Bytes a job holds outside the queue itself.
fn spilled(job: &Job) -> usize {
    match &job.request.command {
        Command::Purchase { lines, .. } if lines.spilled() => {
            lines.capacity() * size_of::<actors::command::AskedLine>()
        }
        Command::StageConfiguration { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

/// Numbers of one shard are equal modulo the number of shards: take the bits above.
fn bucket(job: &Job) -> usize {
    (job.request.actor().get() >> 16) as usize % BUCKETS
}
