//! L5: a movement between shards completes or is reversed. Every message is taken once, in its order,
//! as it was sent, and never before its sending is durable; what could not take effect comes back;
//! transit holds exactly what is on its way, and nothing at rest.

use std::collections::BTreeMap;

use ledger::account::AccountKind;
use ledger::law::Law;
use ledger::record::{Body, Mail, Message, Sent, Taken};

use super::{Seen, Verdict, Violation};
use crate::world::tally::Row;

/// From one shard to another.
type Way = (u16, u16);

#[derive(Clone, Debug, Default)]
struct Channel {
    sent: Vec<Message>,
    taken: usize,
}

/// All channels, from the durable records.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    channels: BTreeMap<Way, Channel>,
    transit: i128,
    returned: u64,
    swept: u64,
    paid_out: u64,
}

impl Whole {
    /// Takes in a record.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        let none = Mail::default();
        let mail = seen.record.envelope.mail.as_deref().unwrap_or(&none);
        let checked = self.mail(seen, mail);
        let place = || format!("shard {} record {}", seen.shard, seen.number);
        checked.map_err(|what| Violation::new(Law::WholeOrNothing, format!("{}: {what}", place())))
    }

    fn mail(&mut self, seen: &Seen<'_>, mail: &Mail) -> Result<(), String> {
        if let Some(taken) = &mail.taken {
            self.take(seen, taken)?;
        }
        for sent in &mail.sent {
            self.send(seen.shard.0, sent)?;
        }
        self.returned += u64::from(mail.sent.iter().any(|sent| sent.message.is_return()));
        self.swept += u64::from(matches!(seen.record.body, Body::Swept { .. }));
        let paid_out = matches!(seen.record.body, Body::PaidOut { .. }) && seen.record.decline.is_none();
        self.paid_out += u64::from(paid_out);
        if let Body::Acknowledged { to, up_to } = &seen.record.body {
            let taken = self.channels.get(&(seen.shard.0, to.0)).map_or(0, |channel| channel.taken);
            if usize::try_from(*up_to).map_or(true, |up_to| up_to > taken) {
                return Err(format!("knows {up_to} messages to be taken by shard {to}, which took {taken}"));
            }
        }
        let transit = seen.record.entry.postings().iter();
        let transit = transit.filter(|posting| posting.account.kind == AccountKind::Transit);
        self.transit += transit.map(|posting| i128::from(posting.minor)).sum::<i128>();
        let carried = self.carried();
        if carried == -self.transit {
            return Ok(());
        }
        Err(format!("transit holds {}, the messages on their way carry {carried}", -self.transit))
    }

    fn send(&mut self, from: u16, sent: &Sent) -> Result<(), String> {
        let channel = self.channels.entry((from, sent.to.0)).or_default();
        if sent.number != channel.sent.len() as u64 + 1 {
            return Err(format!("message {} to shard {} after {}", sent.number, sent.to, channel.sent.len()));
        }
        channel.sent.push(sent.message.clone());
        Ok(())
    }

    fn take(&mut self, seen: &Seen<'_>, taken: &Taken) -> Result<(), String> {
        let (Body::Delivered { message } | Body::DeadLettered { message }) = &seen.record.body else {
            return Err("takes a message and does not say which".to_owned());
        };
        let channel = self.channels.entry((taken.from.0, seen.shard.0)).or_default();
        let Taken { from, number } = taken;
        if *number != channel.taken as u64 + 1 {
            return Err(format!("message {number} of shard {from} is taken after {}", channel.taken));
        }
        match channel.sent.get(channel.taken) {
            None => {
                return Err(format!("message {number} of shard {from} is taken; its sending is not durable"));
            }
            Some(sent) if sent != message => {
                return Err(format!("message {number} of shard {from} was another one"));
            }
            Some(_) => channel.taken += 1,
        }
        let sent = seen.record.envelope.mail.iter().flat_map(|mail| &mail.sent);
        let came_back = sent.into_iter().any(|sent| sent.message.is_return());
        let refused = seen.record.decline.is_some() || matches!(seen.record.body, Body::DeadLettered { .. });
        match (refused, message.is_return()) {
            (true, true) => Err("what came back is declined: it is nobody's".to_owned()),
            (true, false) if !came_back => Err("did not take effect and does not come back".to_owned()),
            (false, _) if came_back => Err("took effect and comes back".to_owned()),
            _ => Ok(()),
        }
    }

    fn on_the_way(&self) -> impl Iterator<Item = &Message> {
        self.channels.values().flat_map(|channel| &channel.sent[channel.taken..])
    }

    /// Money that messages on their way carry.
    fn carried(&self) -> i128 {
        self.on_the_way().filter_map(Message::money).map(|(_, amount)| i128::from(amount)).sum()
    }

    /// Messages on their way.
    pub fn in_flight(&self) -> usize {
        self.on_the_way().count()
    }

    /// Messages taken so far, those that were sent back, stripes swept, payouts decided.
    pub fn counts(&self) -> [(Row, u64); 4] {
        let taken = self.channels.values().map(|channel| channel.taken as u64).sum();
        let Self { returned, swept, paid_out, .. } = *self;
        [(Row::Taken, taken), (Row::Returned, returned), (Row::Swept, swept), (Row::PaidOut, paid_out)]
    }

    /// When nothing fails any more and time has passed: nothing is on its way.
    pub fn at_rest(&self) -> Verdict {
        if self.in_flight() == 0 && self.transit == 0 {
            return Ok(());
        }
        let what = format!("{} messages and {} minor units never arrived", self.in_flight(), -self.transit);
        Err(Violation::new(Law::WholeOrNothing, what))
    }
}

#[cfg(test)]
mod tests {
    use ledger::ids::{ShardId, VendorId};
    use ledger::money::Currency;

    use super::*;

    fn swept(amount: i64) -> Message {
        Message::Swept { vendor: VendorId::new(1).unwrap(), currency: Currency::EUR, amount }
    }

    #[test]
    fn a_gap_and_what_never_arrives_are_named() {
        let mut whole = Whole::default();
        assert_eq!(whole.at_rest(), Ok(()));
        let sent = |number| Sent { to: ShardId(2), number, message: swept(5) };
        assert_eq!(whole.send(1, &sent(1)), Ok(()));
        assert!(whole.send(1, &sent(3)).is_err());
        assert_eq!((whole.in_flight(), whole.carried()), (1, 5));
        assert_eq!(whole.at_rest().unwrap_err().law, Law::WholeOrNothing);
    }
}
