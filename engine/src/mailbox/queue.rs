//! One lane of a mailbox: first in, first out. Jobs are written once and decided where they lie: those
//! that come are added to one array while those of another are decided, and then the two change places.

use crate::job::Job;
use crate::limits::KEPT_JOBS;

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

    /// What is done of it stays until all of it is: then nothing of it is kept but room for a round.
    pub(super) fn put_back(&mut self, batch: Batch) {
        (self.batch, self.done) = (batch.jobs, batch.next);
        if self.done == self.batch.len() {
            self.batch.clear();
            self.batch.shrink_to(KEPT_JOBS);
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use actors::address::Tag;
    use actors::command::{Command, Request};
    use ledger::ids::{DeviceNumber, FestivalId, RequestId, TagNumber};
    use ledger::record::Mode;

    use super::*;
    use crate::job::{Lane, Reply};
    use crate::limits::MAILBOX_JOBS;

    fn job(counter: u64) -> Job {
        let device = DeviceNumber::new(1).unwrap();
        let request = Request {
            id: RequestId::new(u64::from(device.get()) << RequestId::COUNTER_BITS | counter).unwrap(),
            content: 0,
            device,
            festival: FestivalId(1),
            tag: Tag { number: TagNumber::new(1).unwrap(), check: 0 },
            wallet: None,
            till: None,
            happened: None,
            operator: None,
            zone: None,
            tag_counter: None,
            mode: Mode::default(),
            replaces: None,
            command: Command::Balance,
        };
        Job { reply: Reply { home: 0, token: counter }, deadline: None, lane: Lane::Live, ways: 0, request }
    }

    #[test]
    fn a_storm_that_is_over_gives_its_room_back() {
        // 64 lanes that each keep the room of their worst minute: the machine runs out of memory hours later.
        let mut queue = Queue::default();
        for round in [MAILBOX_JOBS, 10, MAILBOX_JOBS, 10, 10] {
            (0..round as u64).for_each(|counter| queue.push(job(counter)));
            let mut batch = queue.take();
            let mut decided = 0;
            while let Some(next) = batch.next() {
                assert_eq!(next.reply.token, decided);
                decided += 1;
                batch.advance();
            }
            assert_eq!(decided, round as u64);
            queue.put_back(batch);
            assert_eq!(queue.len(), 0);
        }
        assert!(queue.coming.capacity().max(queue.batch.capacity()) <= KEPT_JOBS);
    }
}
