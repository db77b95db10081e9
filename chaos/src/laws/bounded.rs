//! L12: everything has a limit. Between two turns of a core nothing leaves a mailbox, so what it took
//! in and did not refuse is what waits there: at most 64 of any one actor, and 8,192 of a shard. What a
//! shard really holds is looked at after every step: jobs of parcels from other cores, jobs set aside
//! for their evidence and jobs that are to be sent on come to it without a batch of its own; and letters
//! come from other shards. What a channel has sent and is not known to be taken is counted by the records.

use std::collections::{BTreeMap, VecDeque};

use actors::channels::WINDOW;
use engine::core::Held;
use engine::limits::{ACTOR_JOBS, MAILBOX_BYTES, MAILBOX_JOBS, PARKED_JOBS};
use ledger::ids::ShardId;
use ledger::law::Law;
use ledger::record::{Body, Sent};

use super::{Seen, Verdict, Violation};

/// Jobs taken by each core since its last turn.
#[derive(Clone, Debug, Default)]
pub struct Bounded {
    actors: BTreeMap<u64, usize>,
    shards: BTreeMap<u16, usize>,
    tokens: BTreeMap<u64, (u64, u16)>,
}

impl Bounded {
    /// A job of an actor was handed to the core that runs its shard.
    pub fn took(&mut self, token: u64, actor: u64, shard: u16) {
        *self.actors.entry(actor).or_default() += 1;
        *self.shards.entry(shard).or_default() += 1;
        self.tokens.insert(token, (actor, shard));
    }

    /// A job was refused.
    pub fn refused(&mut self, token: u64) {
        if let Some((actor, shard)) = self.tokens.remove(&token) {
            *self.actors.entry(actor).or_default() -= 1;
            *self.shards.entry(shard).or_default() -= 1;
        }
    }

    /// After a batch was handed over and its refusals were counted.
    pub fn check(&self) -> Verdict {
        let actor = self.actors.iter().find(|(_, jobs)| **jobs > ACTOR_JOBS);
        if let Some((actor, jobs)) = actor {
            let what = format!("wallet {actor:016x} holds {jobs} jobs of its shard's queue");
            return Err(Violation::new(Law::Bounded, what));
        }
        let shard = self.shards.iter().find(|(_, jobs)| **jobs > MAILBOX_JOBS);
        shard.map_or(Ok(()), |(shard, jobs)| {
            Err(Violation::new(Law::Bounded, format!("shard {shard} holds {jobs} jobs")))
        })
    }

    /// The core turned: what waited may have been decided.
    pub fn turned(&mut self) {
        *self = Self::default();
    }
}

/// By the durable records, what each channel has sent and is not known to be taken: a number, and whether
/// it goes back.
#[derive(Clone, Debug, Default)]
pub struct Windows(BTreeMap<(ShardId, ShardId), VecDeque<(u64, bool)>>);

impl Windows {
    /// Takes in a record.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        if let Body::Acknowledged { to, up_to } = seen.record.body {
            self.acknowledged((seen.shard, to), up_to);
        }
        let sent = seen.record.envelope.mail.iter().flat_map(|mail| &mail.sent);
        sent.into_iter().try_for_each(|sent| self.sent(seen.shard, sent))
    }

    fn acknowledged(&mut self, way: (ShardId, ShardId), up_to: u64) {
        let waiting = self.0.entry(way).or_default();
        while waiting.pop_front_if(|(number, _)| *number <= up_to).is_some() {}
    }

    fn sent(&mut self, from: ShardId, sent: &Sent) -> Verdict {
        let waiting = self.0.entry((from, sent.to)).or_default();
        waiting.push_back((sent.number, sent.message.is_return()));
        let returns = waiting.iter().filter(|(_, goes_back)| *goes_back).count() as u64;
        let requests = waiting.len() as u64 - returns;
        if requests <= WINDOW && returns <= WINDOW {
            return Ok(());
        }
        let what =
            format!("shard {from} keeps {requests} requests and {returns} returns for shard {}", sent.to);
        Err(Violation::new(Law::Bounded, what))
    }
}

/// What a shard holds at any moment.
pub fn held(shard: u16, held: Held) -> Verdict {
    let Held { mailbox, bytes, parked, elsewhere, letters } = held;
    let full = mailbox > MAILBOX_JOBS || bytes > MAILBOX_BYTES || letters > 2 * WINDOW;
    if full || parked > PARKED_JOBS || elsewhere > PARKED_JOBS {
        let what = format!(
            "shard {shard} holds {mailbox} jobs with {bytes} bytes, {parked} that wait for evidence, \
             {elsewhere} to be sent on, and {letters} letters of one channel"
        );
        return Err(Violation::new(Law::Bounded, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ledger::ids::VendorId;
    use ledger::money::Currency;
    use ledger::record::{DeclineCode, Message};

    use super::*;

    #[test]
    fn the_65th_job_of_one_actor_must_be_refused() {
        let mut bounded = Bounded::default();
        (0..65).for_each(|token| bounded.took(token, 7, 0));
        assert_eq!(bounded.check().unwrap_err().law, Law::Bounded);
        bounded.refused(64);
        assert_eq!(bounded.check(), Ok(()));
    }

    #[test]
    fn what_a_shard_holds_has_a_limit_wherever_it_came_from() {
        let most = Held {
            mailbox: MAILBOX_JOBS,
            bytes: MAILBOX_BYTES,
            parked: PARKED_JOBS,
            elsewhere: PARKED_JOBS,
            letters: 2 * WINDOW,
        };
        assert_eq!(held(0, most), Ok(()));
        for more in [
            Held { mailbox: MAILBOX_JOBS + 1, ..most },
            Held { bytes: MAILBOX_BYTES + 1, ..most },
            Held { parked: PARKED_JOBS + 1, ..most },
            Held { elsewhere: PARKED_JOBS + 1, ..most },
            Held { letters: 2 * WINDOW + 1, ..most },
        ] {
            assert_eq!(held(0, more).unwrap_err().law, Law::Bounded);
        }
    }

    #[test]
    fn a_channel_keeps_a_window_of_requests_and_as_many_returns_and_no_more() {
        let swept =
            || Message::Swept { vendor: VendorId::new(1).unwrap(), currency: Currency::EUR, amount: 5 };
        let why = DeclineCode(std::num::NonZeroU8::MIN);
        let back = || Message::Returned { number: 1, why, message: Box::new(swept()) };
        let (from, to) = (ShardId(1), ShardId(2));
        let mut windows = Windows::default();
        let mut number = 0;
        let mut send = |windows: &mut Windows, message| {
            number += 1;
            windows.sent(from, &Sent { to, number, message })
        };
        for _ in 0..WINDOW {
            assert_eq!(send(&mut windows, swept()), Ok(()));
            assert_eq!(send(&mut windows, back()), Ok(()));
        }
        assert_eq!(send(&mut windows.clone(), swept()).unwrap_err().law, Law::Bounded);
        assert_eq!(send(&mut windows.clone(), back()).unwrap_err().law, Law::Bounded);
        windows.acknowledged((from, to), 2);
        assert_eq!(send(&mut windows, swept()), Ok(()));
        assert_eq!(send(&mut windows, back()), Ok(()));
        assert_eq!(send(&mut windows, back()).unwrap_err().law, Law::Bounded);
    }
}
