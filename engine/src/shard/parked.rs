//! Jobs set aside until a record they need as evidence has been fetched by its position. The shard
//! goes on meanwhile; how many may wait is bounded (L12).

use std::collections::VecDeque;

use ledger::ids::{RecordNumber, WalletNumber};
use ledger::journal::FetchError;
use ledger::record::Record;

use crate::job::Job;
use crate::limits::PARKED_JOBS;

/// A job whose evidence has come, or could not be had.
pub(super) type Woken = (Job, RecordNumber, Result<Box<Record>, FetchError>);

#[derive(Debug)]
struct Waiting {
    token: u64,
    position: RecordNumber,
    asked: bool,
    job: Job,
}

/// Jobs waiting for evidence.
#[derive(Debug, Default)]
pub(super) struct Parked {
    next_token: u64,
    waiting: Vec<Waiting>,
    woken: VecDeque<Woken>,
}

impl Parked {
    /// Sets a job aside; `None` when too many wait already. `asked` says that its record is
    /// confirmed and is being fetched under the token returned.
    pub(super) fn park(&mut self, job: &Job, position: RecordNumber, asked: bool) -> Option<u64> {
        if self.len() >= PARKED_JOBS {
            return None;
        }
        let token = self.next_token;
        self.next_token += 1;
        self.waiting.push(Waiting { token, position, asked, job: job.clone() });
        Some(token)
    }

    /// Which look-ups can be asked for, now that everything before `next` is confirmed.
    pub(super) fn confirmed(&mut self, next: RecordNumber) -> Vec<(RecordNumber, u64)> {
        let due = self.waiting.iter_mut().filter(|waiting| !waiting.asked && waiting.position < next);
        due.map(|waiting| {
            waiting.asked = true;
            (waiting.position, waiting.token)
        })
        .collect()
    }

    /// A look-up came back. One that nobody waits for any more is dropped.
    pub(super) fn fetched(&mut self, token: u64, record: Result<Box<Record>, FetchError>) {
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.token == token) {
            let Waiting { job, position, .. } = self.waiting.swap_remove(at);
            self.woken.push_back((job, position, record));
        }
    }

    /// How many jobs are set aside.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.woken.len()
    }

    pub(super) fn pop_woken(&mut self) -> Option<Woken> {
        self.woken.pop_front()
    }

    /// The actor of each job that is set aside.
    pub(super) fn actors(&self) -> impl Iterator<Item = WalletNumber> + Clone {
        let woken = self.woken.iter().map(|(job, _, _)| job.actor());
        self.waiting.iter().map(|waiting| waiting.job.actor()).chain(woken)
    }

    pub(super) fn has_woken(&self) -> bool {
        !self.woken.is_empty()
    }

    /// All jobs, when the shard loses its state.
    pub(super) fn drain(&mut self) -> Vec<Job> {
        let woken = self.woken.drain(..).map(|(job, _, _)| job);
        self.waiting.drain(..).map(|waiting| waiting.job).chain(woken).collect()
    }
}
