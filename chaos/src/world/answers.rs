//! Answers as they leave: each is judged and counted, and its sender learns the end of what it asked for,
//! if it was told one. What lives is compared with what is durable now and then.

use actors::answer::{Answer, Verdict as Says};
use actors::codes::{Outcome, Refusal};
use engine::job::Message;
use ledger::ids::ShardId;

use super::World;
use super::tally::Row;
use crate::laws::Verdict;

/// A full replay is compared at every so many answers.
const FULL_REPLAY_EVERY: u64 = 64;

impl World {
    pub(super) fn collect(&mut self, core: usize) -> Verdict {
        let Some(process) = &mut self.process else { return Ok(()) };
        for told in process.told(core) {
            self.trace.line(format_args!("told #{} {:?}", told.reply.token, told.message));
            self.answer(told.reply.token, &told.message)?;
        }
        Ok(())
    }

    fn answer(&mut self, token: u64, message: &Message) -> Verdict {
        self.answers += 1;
        self.laws.clock_was(self.clock.latest());
        let waiting = self.laws.released(token, message, self.clock.mono())?;
        let answer = message.answer();
        let definite = self.count(answer);
        if waiting.retry && matches!(answer.verdict, Says::Applied(_) | Says::Declined(_)) {
            self.tally.hit(Row::Retried);
        }
        self.note_version(&waiting, answer);
        self.note_band(&waiting, answer);
        let besides = !self.stopped.is_empty() && matches!(answer.verdict, Says::Applied(Outcome::Applied));
        self.tally.add(Row::Besides, u64::from(besides));
        if definite {
            self.clients.settled(&waiting.request);
        }
        if self.answers.is_multiple_of(FULL_REPLAY_EVERY) { self.compare() } else { Ok(()) }
    }

    /// Counts an answer; `true` if its sender now knows the end of it.
    fn count(&mut self, answer: &Answer) -> bool {
        let (row, definite) = match answer.verdict {
            Says::Applied(Outcome::Applied) => (Row::Applied, true),
            Says::Applied(Outcome::Declined(decline)) | Says::Declined(decline) => {
                (Row::Declined(decline.number()), true)
            }
            Says::Refused(Refusal::Internal) => (Row::Internal, false),
            Says::Refused(Refusal::Quarantined) => (Row::Quarantined, true),
            Says::Refused(refusal) => {
                if refusal == Refusal::Late {
                    self.tally.hit(Row::Late);
                }
                (Row::Refused(refusal.number()), !matches!(refusal, Refusal::Busy | Refusal::Late))
            }
            Says::Unknown => (Row::Unknown, false),
            Says::Balance => (Row::Balance, true),
            Says::NeverSeen => (Row::NeverSeen, true),
        };
        self.tally.hit(row);
        definite
    }

    /// L6 at the end of a core's step: every shard of it that moved shows what its records give.
    pub(super) fn compare_step(&mut self, core: usize) -> Verdict {
        let Some(process) = &self.process else { return Ok(()) };
        for shard in
            (0..self.plan.shards).map(ShardId).filter(|shard| shard.0 % self.plan.loops == home(core))
        {
            let state = process.core(core).inspect(shard).and_then(|(_, state)| state);
            self.laws.shows(shard, state)?;
        }
        Ok(())
    }

    /// L6 in both directions.
    pub(super) fn compare(&mut self) -> Verdict {
        self.tally.hit(Row::FullReplay);
        self.laws.full_replay(&self.disk)?;
        let Some(process) = &self.process else { return Ok(()) };
        for shard in 0..self.plan.shards {
            let core = process.core(usize::from(shard % self.plan.loops));
            let state = core.inspect(ShardId(shard)).and_then(|(_, state)| state);
            if let Some(state) = state
                && self.laws.live(state)?
            {
                self.tally.hit(Row::LiveCompared);
            }
        }
        Ok(())
    }
}

/// The number of a core among as many as there are loops.
fn home(core: usize) -> u16 {
    u16::try_from(core).unwrap_or_default()
}
