//! What a core has done, as plain numbers of its own; someone else adds cores up and publishes.

use actors::answer::Verdict;
use actors::codes::{Decline, Refusal};

/// What the channels of a core hold at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailFacts {
    /// Messages sent and not known to be taken.
    pub waiting: u64,
    /// Age of the oldest of them.
    pub oldest_micros: u64,
    /// Bytes held.
    pub bytes: u64,
}

/// Counts since the core began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Jobs taken into a mailbox.
    pub jobs: u64,
    /// Records decided and applied.
    pub records: u64,
    /// Blocks confirmed.
    pub blocks: u64,
    /// Answers released.
    pub told: u64,
    /// Of these, that said the request took effect.
    pub applied: u64,
    /// Of these, declines by code.
    pub declined: [u64; 32],
    /// Of these, refusals by code, from 64 on.
    pub refused: [u64; 32],
    /// Of these, "unknown, resend".
    pub unknown: u64,
    /// Panics caught in the shards' steps.
    pub panics: u64,
    /// Shards dropped and rebuilt.
    pub rebuilds: u64,
    /// Shards that could not be brought back, at the start or later.
    pub stopped: u64,
    /// Actors quarantined.
    pub quarantined: u64,
    /// Timers, and versions to be told, that panicked too often: passed over until the next start.
    pub given_up: u64,
    /// Records fetched as evidence.
    pub fetched: u64,
    /// Requests sent on from a tag to its wallet, or back.
    pub sent_on: u64,
    /// Messages taken from other shards, whatever came of them.
    pub taken: u64,
    /// Of these, that went back.
    pub returned: u64,
    /// Times a channel was sent again because nothing was heard.
    pub resent: u64,
    /// Stripes swept home.
    pub swept: u64,
    /// Timers that came due and were decided.
    pub timers: u64,
    /// Records that told other shards of a new configuration.
    pub spread: u64,
    /// Times a shard had another configuration in force for good.
    pub adopted: u64,
    /// The channels, when they were last looked at.
    pub mail: MailFacts,
}

impl Counters {
    /// Counts an answer that leaves.
    pub(crate) fn tell(&mut self, verdict: Verdict) {
        self.told += 1;
        match verdict {
            Verdict::Applied(_) => self.applied += 1,
            Verdict::Declined(decline) => self.declined[decline.number() as usize % 32] += 1,
            Verdict::Refused(refusal) => self.refused[refusal.number() as usize % 32] += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::Balance | Verdict::NeverSeen => {}
        }
    }

    /// How often a decline was told.
    pub fn declines(&self, decline: Decline) -> u64 {
        self.declined[decline.number() as usize % 32]
    }

    /// How often a refusal was told.
    pub fn refusals(&self, refusal: Refusal) -> u64 {
        self.refused[refusal.number() as usize % 32]
    }

    /// Adds another core's counts.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.jobs, other.jobs),
            (&mut self.records, other.records),
            (&mut self.blocks, other.blocks),
            (&mut self.told, other.told),
            (&mut self.applied, other.applied),
            (&mut self.unknown, other.unknown),
            (&mut self.panics, other.panics),
            (&mut self.rebuilds, other.rebuilds),
            (&mut self.stopped, other.stopped),
            (&mut self.quarantined, other.quarantined),
            (&mut self.given_up, other.given_up),
            (&mut self.fetched, other.fetched),
            (&mut self.sent_on, other.sent_on),
            (&mut self.taken, other.taken),
            (&mut self.returned, other.returned),
            (&mut self.resent, other.resent),
            (&mut self.swept, other.swept),
            (&mut self.timers, other.timers),
            (&mut self.spread, other.spread),
            (&mut self.adopted, other.adopted),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
        self.mail.waiting += other.mail.waiting;
        self.mail.oldest_micros = self.mail.oldest_micros.max(other.mail.oldest_micros);
        self.mail.bytes += other.mail.bytes;
        self.declined.iter_mut().zip(other.declined).for_each(|(mine, theirs)| *mine += theirs);
        self.refused.iter_mut().zip(other.refused).for_each(|(mine, theirs)| *mine += theirs);
    }
}
