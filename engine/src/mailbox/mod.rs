//! A shard's mailbox: bounded by count and by bytes, and by 64 jobs of any one actor, those set aside
//! for evidence included (L12). Two lanes, so that a storm of uploads never delays a customer who is
//! standing at the bar: customers come first, and the uploads leave them room.

mod counts;
mod queue;

use ledger::ids::WalletNumber;
use ledger::law::Law;
use ledger::mutant::{self, Mutant};

use crate::job::{Job, Lane};
use crate::limits::{ACTOR_JOBS, BACKLOG_BYTES, BACKLOG_JOBS, MAILBOX_BYTES, MAILBOX_JOBS};
use actors::command::Command;
use counts::ActorCounts;
pub(crate) use queue::Batch;
use queue::Queue;

/// Jobs waiting for their actors.
#[derive(Debug)]
pub(crate) struct Mailbox {
    live: Queue,
    backlog: Queue,
    bytes: usize,
    /// Jobs taken from here and set aside.
    aside: usize,
    /// Kept only while so many jobs wait that one actor could have all it may.
    counts: ActorCounts,
    counting: bool,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            live: Queue::default(),
            backlog: Queue::default(),
            bytes: 0,
            aside: 0,
            counts: ActorCounts::new(),
            counting: false,
        }
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.backlog.len()
    }

    /// Bytes that those hold beyond their fixed size, counted anew.
    pub(crate) fn bytes(&self) -> usize {
        self.live.iter().chain(self.backlog.iter()).map(spilled).sum()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a limit keeps a job out. `aside` names the actors of the jobs that were set aside.
    #[inline]
    pub(crate) fn is_full_for(
        &mut self,
        job: &Job,
        aside: impl Iterator<Item = WalletNumber> + Clone,
    ) -> bool {
        let (most_jobs, most_bytes) = match job.lane {
            Lane::Live => (MAILBOX_JOBS, MAILBOX_BYTES),
            Lane::Backlog => (BACKLOG_JOBS, BACKLOG_BYTES),
        };
        let full = self.len() >= most_jobs
            || self.bytes + spilled(job) > most_bytes
            || self.len() + self.aside >= ACTOR_JOBS && self.has_all_it_may(job.actor(), aside);
        full && !mutant::on(Mutant::MailboxUnbounded)
    }

    fn has_all_it_may(
        &mut self,
        actor: WalletNumber,
        aside: impl Iterator<Item = WalletNumber> + Clone,
    ) -> bool {
        let waiting = self.live.iter().chain(self.backlog.iter()).map(Job::actor).chain(aside);
        if !self.counting {
            waiting.clone().for_each(|actor| self.counts.add(actor));
            self.counting = true;
        }
        self.counts.is_full(actor, waiting)
    }

    /// Takes a job for which it is not full.
    #[inline]
    pub(crate) fn push(&mut self, job: Job) {
        self.bytes += spilled(&job);
        if self.counting {
            self.counts.add(job.actor());
        }
        match job.lane {
            Lane::Live => self.live.push(job),
            Lane::Backlog => self.backlog.push(job),
        }
        Law::Bounded.holds(self.len() <= MAILBOX_JOBS && self.bytes <= MAILBOX_BYTES);
    }

    /// The jobs to be decided next: customers first. Nothing comes in until it is put back.
    pub(crate) fn take(&mut self) -> (Lane, Batch) {
        if self.live.len() > 0 {
            (Lane::Live, self.live.take())
        } else {
            (Lane::Backlog, self.backlog.take())
        }
    }

    /// The batch that was taken, as far as it was not decided.
    pub(crate) fn put_back(&mut self, (lane, batch): (Lane, Batch)) {
        match lane {
            Lane::Live => self.live.put_back(batch),
            Lane::Backlog => self.backlog.put_back(batch),
        }
        self.counting &= self.len() + self.aside > 0;
    }

    /// A job waits no longer.
    #[inline]
    pub(crate) fn done(&mut self, job: &Job) {
        self.bytes -= spilled(job);
        if self.counting {
            self.counts.remove(job.actor());
        }
    }

    /// The first jobs in the order in which they will be decided, for prefetching.
    pub(crate) fn first(&self, count: usize) -> impl Iterator<Item = &Job> {
        self.live.iter().chain(self.backlog.iter()).take(count)
    }

    /// A job of `actor` taken from here is set aside: it counts as waiting until it comes back.
    pub(crate) fn set_aside(&mut self, actor: WalletNumber) {
        self.aside += 1;
        if self.counting {
            self.counts.add(actor);
        }
    }

    /// A job of `actor` that was set aside is taken up again.
    pub(crate) fn came_back(&mut self, actor: WalletNumber) {
        self.aside -= 1;
        if self.counting {
            self.counts.remove(actor);
        }
    }
}

/// Bytes a job holds outside the queue itself. Every command is named: one that carries more than its
/// fixed size must not be counted as nothing.
fn spilled(job: &Job) -> usize {
    match &job.request.command {
        Command::Purchase { lines, .. } | Command::Capture { lines, .. } if lines.spilled() => {
            lines.capacity() * size_of::<actors::command::AskedLine>()
        }
        Command::StageConfiguration { bytes, .. } => bytes.len(),
        Command::Purchase { .. }
        | Command::Capture { .. }
        | Command::Open
        | Command::TopUp { .. }
        | Command::Void { .. }
        | Command::Transfer { .. }
        | Command::Pair { .. }
        | Command::BlockTag
        | Command::UnblockTag
        | Command::Authorise { .. }
        | Command::ReleaseHold { .. }
        | Command::SetAllowance { .. }
        | Command::PayOut { .. }
        | Command::AdoptConfiguration { .. }
        | Command::Balance
        | Command::Cancel
        | Command::Lookup => 0,
    }
}
