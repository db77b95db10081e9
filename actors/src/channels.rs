//! The channels of one shard: what it has sent and is not yet known to be taken, and how far it has
//! taken what others sent. Both are changed by records only, so a shard that comes back from its
//! journal sends again what may be lost and takes nothing twice (L5). Bounded: [`WINDOW`] (L12).

use std::collections::{BTreeMap, VecDeque};

use ledger::ids::{At, RecordNumber, ShardId};
use ledger::law::Law;
use ledger::mutant::{self, Mutant};
use ledger::record::{Mail, Message, Record, Sent};
use smallvec::SmallVec;

/// Most requests of one channel that are not acknowledged. Returns have as many places of their own:
/// a message is taken only while there is a place for what may have to go back.
pub const WINDOW: u64 = 1_024;

/// Places that a channel keeps when nothing is on its way.
const AT_REST: usize = 8;

/// A message that its receiver is not known to have taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number on the channel.
    pub number: u64,
    /// The record that sent it: until that is confirmed it may not leave.
    pub record: RecordNumber,
    /// When.
    pub at: At,
    /// What it says.
    pub message: Message,
}

/// One channel as its sender knows it.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    sent: u64,
    acknowledged: u64,
    requests: u64,
    returns: u64,
    waiting: VecDeque<Waiting>,
}

impl Outbox {
    /// Number of the last message sent.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Number of the last message known to be taken.
    pub const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Messages not known to be taken, by rising number.
    pub fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// The messages not known to be taken whose numbers are above `number`.
    pub fn after(&self, number: u64) -> impl Iterator<Item = &Waiting> {
        // Numbers have no gap, so the place follows from the number.
        let known = usize::try_from(number.saturating_sub(self.acknowledged)).unwrap_or(usize::MAX);
        self.waiting.range(known.min(self.waiting.len())..)
    }

    fn has_room(&self, message: &Message) -> bool {
        let used = if message.is_return() { self.returns } else { self.requests };
        used < WINDOW
    }

    fn count(&mut self, message: &Message) -> &mut u64 {
        if message.is_return() { &mut self.returns } else { &mut self.requests }
    }

    fn push(&mut self, waiting: Waiting) {
        self.sent = waiting.number;
        let count = self.count(&waiting.message);
        *count += 1;
        // Requests and returns have a window each.
        Law::Bounded.holds(*count <= WINDOW);
        self.waiting.push_back(waiting);
    }

    fn acknowledge(&mut self, up_to: u64) {
        while let Some(first) = self.waiting.pop_front_if(|first| first.number <= up_to) {
            *self.count(&first.message) -= 1;
            self.acknowledged = first.number;
        }
        if self.waiting.is_empty() {
            // A ledger of 32 shards has 1,024 channels: what a burst took is given back when it is over.
            self.waiting.shrink_to(AT_REST);
        }
    }
}

/// All channels of a shard, in both directions.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    out: BTreeMap<ShardId, Outbox>,
    taken: BTreeMap<ShardId, u64>,
}

impl Channels {
    /// The channels that ever carried a message from here, by receiver.
    pub fn outboxes(&self) -> impl Iterator<Item = (ShardId, &Outbox)> {
        self.out.iter().map(|(to, outbox)| (*to, outbox))
    }

    /// The channel to `to`, once it carried a message.
    pub fn outbox(&self, to: ShardId) -> Option<&Outbox> {
        self.out.get(&to)
    }

    /// Number of the last message taken from `from`.
    pub fn taken_from(&self, from: ShardId) -> u64 {
        self.taken.get(&from).copied().unwrap_or(0)
    }

    /// The channels that ever brought a message here, with the number of the last one taken.
    pub fn taken(&self) -> impl Iterator<Item = (ShardId, u64)> {
        self.taken.iter().map(|(from, number)| (*from, *number))
    }

    /// `message` under the next number of the channel to `to`; `None` while its window is full.
    pub(crate) fn address(&self, to: ShardId, message: Message) -> Option<Sent> {
        let outbox = self.out.get(&to);
        let room = outbox.is_none_or(|outbox| outbox.has_room(&message));
        let number = outbox.map_or(0, Outbox::sent) + 1;
        room.then_some(Sent { to, number, message })
    }

    /// `messages` under the next numbers of the channel to `to`; the caller has asked for room.
    pub(crate) fn address_run(
        &self,
        to: ShardId,
        messages: impl Iterator<Item = Message>,
    ) -> SmallVec<[Sent; 1]> {
        let next = self.out.get(&to).map_or(0, Outbox::sent) + 1;
        (next..).zip(messages).map(|(number, message)| Sent { to, number, message }).collect()
    }

    /// How many messages of a configuration the channel to `to` takes: they leave half of its window to
    /// what customers wait for.
    pub(crate) fn room_for_configuration(&self, to: ShardId) -> usize {
        let used = self.out.get(&to).map_or(0, |outbox| outbox.requests);
        usize::try_from((WINDOW / 2).saturating_sub(used)).unwrap_or(0)
    }

    /// Whether there is a place for a message that goes back to `to`.
    pub(crate) fn has_room_for_return(&self, to: ShardId) -> bool {
        self.out.get(&to).is_none_or(|outbox| outbox.returns < WINDOW)
    }

    /// What a record does to channels.
    pub(crate) fn apply(&mut self, number: RecordNumber, record: &Record, mail: &Mail) {
        if let Some(taken) = mail.taken {
            self.taken.insert(taken.from, taken.number);
        }
        for sent in &mail.sent {
            if mutant::on(Mutant::OutboxForgotten) {
                continue;
            }
            let waiting =
                Waiting { number: sent.number, record: number, at: record.at, message: sent.message.clone() };
            self.out.entry(sent.to).or_default().push(waiting);
        }
    }

    /// The receiver has taken everything up to `up_to`.
    pub(crate) fn acknowledge(&mut self, to: ShardId, up_to: u64) {
        if let Some(outbox) = self.out.get_mut(&to) {
            outbox.acknowledge(up_to);
        }
    }

    /// Bytes held, for the metric.
    pub fn bytes(&self) -> usize {
        let waiting: usize = self.out.values().map(|outbox| outbox.waiting.capacity()).sum();
        waiting * size_of::<Waiting>()
            + self.out.len() * size_of::<(ShardId, Outbox)>()
            + self.taken.len() * size_of::<(ShardId, u64)>()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use ledger::ids::{FestivalId, WalletNumber};
    use ledger::money::Currency;
    use ledger::record::{Body, DeclineCode, Envelope};

    use super::*;

    fn transfer(amount: i64) -> Message {
        let wallet = |number| WalletNumber::new(number).unwrap();
        let (payer, payee) = (wallet(1), wallet(2));
        Message::Transfer { festival: FestivalId(1), payer, payee, currency: Currency::EUR, amount }
    }

    fn send(channels: &mut Channels, to: ShardId, message: Message) -> Option<u64> {
        let sent = channels.address(to, message)?;
        let number = sent.number;
        push(channels, sent);
        Some(number)
    }

    fn push(channels: &mut Channels, sent: Sent) {
        let number = RecordNumber(sent.number);
        let mail = Mail { taken: None, sent: [sent].into_iter().collect() };
        channels.apply(number, &Record::fact(At(1), Envelope::default(), Body::Released), &mail);
    }

    fn numbers(channels: &Channels, to: ShardId, after: u64) -> Vec<u64> {
        channels.outbox(to).into_iter().flat_map(|outbox| outbox.after(after)).map(|w| w.number).collect()
    }

    #[test]
    fn numbers_count_per_receiver_and_an_acknowledgement_forgets_what_was_taken() {
        let mut channels = Channels::default();
        let (one, other) = (ShardId(1), ShardId(2));
        assert_eq!(send(&mut channels, one, transfer(1)), Some(1));
        assert_eq!(send(&mut channels, other, transfer(1)), Some(1));
        assert_eq!(send(&mut channels, one, transfer(2)), Some(2));
        assert_eq!(send(&mut channels, one, transfer(3)), Some(3));
        assert_eq!(numbers(&channels, one, 0), [1, 2, 3]);
        assert_eq!(numbers(&channels, one, 2), [3]);
        channels.acknowledge(one, 2);
        assert_eq!(numbers(&channels, one, 0), [3]);
        assert_eq!(numbers(&channels, one, 2), [3]);
        assert_eq!(numbers(&channels, one, 3), [0_u64; 0]);
        channels.acknowledge(one, 1);
        assert_eq!(channels.outbox(one).unwrap().acknowledged(), 2);
        assert_eq!(numbers(&channels, other, 0), [1]);
    }

    #[test]
    fn a_full_window_takes_no_request_and_still_every_return() {
        let mut channels = Channels::default();
        let to = ShardId(1);
        for number in 1..=WINDOW {
            assert_eq!(send(&mut channels, to, transfer(1)), Some(number));
        }
        assert_eq!(send(&mut channels, to, transfer(1)), None);
        let why = DeclineCode(std::num::NonZeroU8::MIN);
        let back = Message::Returned { number: 1, why, message: Box::new(transfer(1)) };
        assert!(channels.has_room_for_return(to));
        assert_eq!(send(&mut channels, to, back), Some(WINDOW + 1));
        channels.acknowledge(to, 1);
        assert_eq!(send(&mut channels, to, transfer(1)), Some(WINDOW + 2));

        // At rest nothing of the burst is left: a server that had one would hold megabytes for ever.
        channels.acknowledge(to, WINDOW + 2);
        assert!(channels.bytes() <= 1_024, "{} bytes", channels.bytes());
    }

    /// A receiver that is down for an hour, and a sender whose memory it takes along.
    #[test]
    fn a_message_beyond_its_window_is_counted_as_a_broken_law() {
        let back = |number| {
            let why = DeclineCode(std::num::NonZeroU8::MIN);
            Message::Returned { number, why, message: Box::new(transfer(1)) }
        };
        let request = |_| transfer(1);
        let kinds: [&dyn Fn(u64) -> Message; 2] = [&request, &back];
        let (mut channels, to) = (Channels::default(), ShardId(1));
        let mut full = 0;
        for kind in kinds {
            let before = Law::Bounded.broken();
            (1..=WINDOW).for_each(|number| assert!(send(&mut channels, to, kind(number)).is_some()));
            full += WINDOW;
            assert_eq!(Law::Bounded.broken(), before, "a full window is none");
            let beyond = Sent { to, number: full + 1, message: kind(full + 1) };
            let mut more = channels.clone();
            // A debug build panics as well.
            let _ = catch_unwind(AssertUnwindSafe(|| push(&mut more, beyond)));
            assert_eq!(Law::Bounded.broken(), before + 1);
        }
    }
}
