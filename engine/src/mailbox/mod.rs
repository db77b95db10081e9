//! A shard's mailbox: bounded by count and by bytes, and by 64 jobs of any one actor, those set aside
//! for evidence included (L12). Two lanes, so that a storm of uploads never delays a customer who is
//! standing at the bar: customers come first, and the uploads leave them room.

mod counts;

use std::collections::VecDeque;

use ledger::ids::WalletNumber;
use ledger::law::Law;
use ledger::mutant::{self, Mutant};

use crate::job::{Job, Lane};
use crate::limits::{BACKLOG_BYTES, BACKLOG_JOBS, MAILBOX_BYTES, MAILBOX_JOBS};
use actors::command::Command;
use counts::ActorCounts;

/// Jobs waiting for their actors.
#[derive(Debug)]
pub(crate) struct Mailbox {
    live: VecDeque<Job>,
    backlog: VecDeque<Job>,
    bytes: usize,
    counts: ActorCounts,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { live: VecDeque::new(), backlog: VecDeque::new(), bytes: 0, counts: ActorCounts::new() }
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.backlog.len()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.backlog.is_empty()
    }

    /// Takes a job, or hands it back when a limit is reached. `aside` names the actors of the jobs
    /// that were set aside.
    #[expect(clippy::result_large_err, reason = "the job goes back to be refused, rarely")]
    pub(crate) fn push(&mut self, job: Job, aside: impl Iterator<Item = WalletNumber>) -> Result<(), Job> {
        let bytes = spilled(&job);
        let (most_jobs, most_bytes) = match job.lane {
            Lane::Live => (MAILBOX_JOBS, MAILBOX_BYTES),
            Lane::Backlog => (BACKLOG_JOBS, BACKLOG_BYTES),
        };
        let full = self.len() >= most_jobs || self.bytes + bytes > most_bytes || {
            let waiting = self.live.iter().chain(&self.backlog).map(Job::actor);
            self.counts.is_full(job.actor(), waiting.chain(aside))
        };
        if full && !mutant::on(Mutant::MailboxUnbounded) {
            return Err(job);
        }
        self.bytes += bytes;
        self.counts.add(job.actor());
        match job.lane {
            Lane::Live => self.live.push_back(job),
            Lane::Backlog => self.backlog.push_back(job),
        }
        Law::Bounded.holds(self.len() <= MAILBOX_JOBS && self.bytes <= MAILBOX_BYTES);
        Ok(())
    }

    /// The next job: customers first.
    pub(crate) fn pop(&mut self) -> Option<Job> {
        let job = self.live.pop_front().or_else(|| self.backlog.pop_front())?;
        self.bytes -= spilled(&job);
        self.counts.remove(job.actor());
        Some(job)
    }

    /// A job of `actor` taken from here is set aside: it counts as waiting until it comes back.
    pub(crate) fn set_aside(&mut self, actor: WalletNumber) {
        self.counts.add(actor);
    }

    /// A job of `actor` that was set aside is taken up again.
    pub(crate) fn came_back(&mut self, actor: WalletNumber) {
        self.counts.remove(actor);
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
