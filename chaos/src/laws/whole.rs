//! L5: a movement between shards completes or is reversed. Every message is taken once, in its order,
//! as it was sent, and never before its sending is durable; what could not take effect comes back;
//! each transit account holds exactly what is on its way by its channel, and nothing at rest.

use std::collections::BTreeMap;

use ledger::account::{Account, AccountKind};
use ledger::entry::Posting;
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
    /// The block of the sender that has its last acknowledgement.
    acknowledged_in: Option<u64>,
}

/// All channels, from the durable records.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    channels: BTreeMap<Way, Channel>,
    /// What each transit account holds; one that holds nothing is not here.
    transit: BTreeMap<Account, i128>,
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
            self.acknowledge((seen.shard.0, to.0), *up_to, seen.block)?;
        }
        self.post(seen.record.entry.postings());
        self.balanced()
    }

    fn post(&mut self, postings: &[Posting]) {
        for posting in postings.iter().filter(|posting| posting.account.kind == AccountKind::Transit) {
            // Money leaves by a credit.
            *self.transit.entry(posting.account).or_default() -= i128::from(posting.minor);
        }
        self.transit.retain(|_, held| *held != 0);
    }

    /// Account by account: money that came off the wrong one would be made up for by the other.
    fn balanced(&self) -> Result<(), String> {
        let carried = self.carried();
        let of = |sums: &BTreeMap<Account, i128>, account: &Account| {
            sums.get(account).copied().unwrap_or_default()
        };
        let both = |account: &Account| (of(&self.transit, account), of(&carried, account));
        let mut accounts = self.transit.keys().chain(carried.keys()).map(|account| (account, both(account)));
        match accounts.find(|(_, (held, carried))| held != carried) {
            None => Ok(()),
            Some((account, (held, carried))) => {
                Err(format!("{account} holds {held}, the messages on their way carry {carried}"))
            }
        }
    }

    fn send(&mut self, from: u16, sent: &Sent) -> Result<(), String> {
        let channel = self.channels.entry((from, sent.to.0)).or_default();
        if sent.number != channel.sent.len() as u64 + 1 {
            return Err(format!("message {} to shard {} after {}", sent.number, sent.to, channel.sent.len()));
        }
        channel.sent.push(sent.message.clone());
        Ok(())
    }

    /// At most one of a channel in a block: the last of them tells as much.
    fn acknowledge(&mut self, way: Way, up_to: u64, block: u64) -> Result<(), String> {
        let channel = self.channels.entry(way).or_default();
        let ((_, to), taken) = (way, channel.taken);
        if usize::try_from(up_to).map_or(true, |up_to| up_to > taken) {
            return Err(format!("knows {up_to} messages to be taken by shard {to}, which took {taken}"));
        }
        if channel.acknowledged_in.replace(block) == Some(block) {
            return Err(format!("acknowledges messages to shard {to} twice in block {block}"));
        }
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

    fn on_the_way(&self) -> impl Iterator<Item = (Way, &Message)> {
        self.channels.iter().flat_map(|(way, channel)| {
            channel.sent[channel.taken..].iter().map(move |message| (*way, message))
        })
    }

    /// Money that messages on their way carry, by the account it stands on meanwhile.
    fn carried(&self) -> BTreeMap<Account, i128> {
        let mut carried = BTreeMap::new();
        for (account, amount) in self.on_the_way().filter_map(|(way, message)| carried_by(way, message)) {
            *carried.entry(account).or_default() += amount;
        }
        carried
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
        if self.in_flight() == 0 && self.transit.is_empty() {
            return Ok(());
        }
        let money: Vec<_> =
            self.transit.iter().map(|(account, held)| format!(", {account} {held}")).collect();
        let what = format!("never arrived: {} messages{}", self.in_flight(), money.concat());
        Err(Violation::new(Law::WholeOrNothing, what))
    }
}

/// The account of a message's money while it is on its way, and how much. What goes back stands on the
/// account of the channel that it came by.
fn carried_by((from, to): Way, message: &Message) -> Option<(Account, i128)> {
    let (currency, amount) = message.money()?;
    let (from, to) = if message.is_return() { (to, from) } else { (from, to) };
    let owner = u64::from(from) << 16 | u64::from(to);
    Some((Account::new(AccountKind::Transit, owner, currency), amount.into()))
}

#[cfg(test)]
mod tests {
    use ledger::ids::{ShardId, VendorId};
    use ledger::money::Currency;
    use ledger::record::DeclineCode;

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
        assert_eq!(whole.in_flight(), 1);
        assert_eq!(whole.carried().into_values().collect::<Vec<_>>(), [5]);
        assert_eq!(whole.at_rest().unwrap_err().law, Law::WholeOrNothing);
    }

    #[test]
    fn an_acknowledgement_too_many_is_named() {
        let mut whole = Whole::default();
        for number in 1..=3 {
            whole.send(1, &Sent { to: ShardId(2), number, message: swept(5) }).unwrap();
        }
        whole.channels.get_mut(&(1, 2)).unwrap().taken = 2;
        assert!(whole.acknowledge((1, 2), 3, 7).is_err(), "the third was not taken");
        assert_eq!(whole.acknowledge((1, 2), 1, 7), Ok(()));
        assert!(whole.acknowledge((1, 2), 2, 7).is_err(), "in the same block");
        assert_eq!(whole.acknowledge((1, 2), 2, 8), Ok(()));
    }

    fn transit(from: u64, to: u64, minor: i64) -> Posting {
        Posting { account: Account::new(AccountKind::Transit, from << 16 | to, Currency::EUR), minor }
    }

    /// A guest got back what never left, and the vendor's sales stay on their way for ever.
    #[test]
    fn money_that_comes_off_the_account_of_the_way_back_is_named() {
        let mut whole = Whole::default();
        whole.send(1, &Sent { to: ShardId(2), number: 1, message: swept(5) }).unwrap();
        assert!(whole.balanced().is_err(), "nothing was posted yet");
        whole.post(&[transit(1, 2, -5)]);
        assert_eq!(whole.balanced(), Ok(()));
        // It goes back: the money stays where it stands.
        whole.channels.get_mut(&(1, 2)).unwrap().taken = 1;
        let why = DeclineCode(std::num::NonZeroU8::MIN);
        let back = Message::Returned { number: 1, why, message: Box::new(swept(5)) };
        whole.send(2, &Sent { to: ShardId(1), number: 1, message: back }).unwrap();
        assert_eq!(whole.balanced(), Ok(()));
        whole.channels.get_mut(&(2, 1)).unwrap().taken = 1;
        let mut right = whole.clone();
        right.post(&[transit(1, 2, 5)]);
        assert_eq!((right.balanced(), right.at_rest()), (Ok(()), Ok(())));
        whole.post(&[transit(2, 1, 5)]);
        assert!(whole.balanced().unwrap_err().contains("holds 5, the messages on their way carry 0"));
        assert_eq!(whole.at_rest().unwrap_err().law, Law::WholeOrNothing);
    }
}
