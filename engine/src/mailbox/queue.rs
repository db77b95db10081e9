//! One lane of a mailbox: first in, first out. Jobs are written once and decided where they lie: those
//! that come are added to one array while those of another are decided, and then the two change places.

use crate::job::Job;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    coming: Vec<Job>,
    batch: Vec<Job>,
    /// Jobs of the batch before this are done.
    done: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.coming.len() + self.batch.len() - self.done
    }

    pub(super) fn push(&mut self, job: Job) {
        self.coming.push(job);
    }

    /// All jobs that wait, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Job> + Clone {
        self.batch[self.done..].iter().chain(&self.coming)
    }

    /// Takes the batch out to be decided. Put it back, or its jobs are lost.
    pub(super) fn take(&mut self) -> Batch {
        if self.batch.is_empty() {
            std::mem::swap(&mut self.batch, &mut self.coming);
        }
        Batch { jobs: std::mem::take(&mut self.batch), next: std::mem::take(&mut self.done) }
    }

    /// What is done of it stays until all of it is: then nothing of it is kept but the room.
    pub(super) fn put_back(&mut self, batch: Batch) {
        (self.batch, self.done) = (batch.jobs, batch.next);
        if self.done == self.batch.len() {
            self.batch.clear();
            self.done = 0;
        }
    }
}

/// Jobs that are being decided.
#[derive(Debug)]
pub(crate) struct Batch {
    jobs: Vec<Job>,
    next: usize,
}

impl Batch {
    /// The next job.
    pub(crate) fn next(&self) -> Option<&Job> {
        self.ahead(0)
    }

    /// Goes on to the job after it.
    pub(crate) fn advance(&mut self) {
        self.next += 1;
    }

    /// The job that comes after that many others.
    #[inline]
    pub(crate) fn ahead(&self, others: usize) -> Option<&Job> {
        self.jobs.get(self.next + others)
    }
}
