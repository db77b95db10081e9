//! Messages between shards (L5): sent and taken by number without a gap, each taken as it was sent,
//! answered by a return where it could not take effect, and the money on its way exactly what the
//! messages on their way carry. From the records alone; it does not know how a shard decides.

use std::collections::BTreeMap;

use super::finding::Rule;
use super::history::Found;
use super::shard::Broken;
use crate::account::{Account, AccountKind};
use crate::entry::Posting;
use crate::ids::{ShardId, WalletNumber};
use crate::money::Currency;
use crate::record::{Body, DeclineCode, Mail, Message, Record, Sent, Taken};

/// Why a return says that nobody could decide: the decline `undeliverable` of the wire specification.
const UNDELIVERABLE: u8 = 13;

/// From one shard to another.
type Way = (ShardId, ShardId);

/// A message that one end has recorded and the other not yet, as far as the shards were read.
#[derive(Clone, Debug)]
struct Open {
    hash: [u8; 16],
    money: Option<Carried>,
}

/// Money on its way: the account it stands on meanwhile, and how much.
#[derive(Clone, Copy, Debug)]
struct Carried {
    account: Account,
    amount: i64,
}

/// One channel as both its ends recorded it.
#[derive(Clone, Debug, Default)]
struct Channel {
    sent: u64,
    taken: u64,
    acknowledged: u64,
    /// The block in which it rose last.
    acknowledged_in: Option<u64>,
    /// Sent, and its taking not read yet.
    on_the_way: BTreeMap<u64, Open>,
    /// Taken, and its sending not read yet: shards are read one block after the other.
    ahead: BTreeMap<u64, Open>,
}

/// All channels.
#[derive(Clone, Debug, Default)]
pub(super) struct Channels(BTreeMap<Way, Channel>);

impl Channels {
    /// Messages sent and not taken.
    pub(super) fn in_flight(&self) -> u64 {
        self.0.values().map(|channel| channel.on_the_way.len() as u64).sum()
    }

    /// Takes in what a record of `shard` does to channels.
    pub(super) fn take(
        &mut self,
        shards: Option<u16>,
        shard: ShardId,
        record: &Record,
        found: &mut Found<'_>,
    ) {
        let none = Mail::default();
        let mail = match record.envelope.mail.as_deref() {
            Some(mail) => mail,
            // Nearly every record.
            None if !has_mail(&record.body) => return,
            None => &none,
        };
        found.say_if(wrong_mail(shards, shard, record, mail));
        if let Some(taken) = &mail.taken {
            self.taken(shard, taken, record, found);
        }
        for sent in &mail.sent {
            self.sent(shard, sent, found);
        }
        if let Body::Acknowledged { to, up_to } = &record.body {
            let channel = self.0.entry((shard, *to)).or_default();
            if *up_to <= channel.acknowledged || *up_to > channel.sent {
                let (before, sent) = (channel.acknowledged, channel.sent);
                found.say(Rule::Acknowledged, || {
                    format!(
                        "acknowledges messages to shard {to} up to {up_to}, of {sent} sent, {before} known"
                    )
                });
            }
            channel.acknowledged = *up_to;
            // Nobody needs a second one: the last tells as much, and a block may take thousands of messages.
            if found.place.block.is_some() && channel.acknowledged_in == found.place.block {
                found.say(Rule::Acknowledged, || {
                    format!("acknowledges messages to shard {to} twice in a block")
                });
            }
            channel.acknowledged_in = found.place.block;
        }
    }

    fn sent(&mut self, shard: ShardId, sent: &Sent, found: &mut Found<'_>) {
        let channel = self.0.entry((shard, sent.to)).or_default();
        let expected = channel.sent.saturating_add(1);
        if sent.number != expected {
            found.say(Rule::Channel, || {
                format!("sends message {} to shard {}, where {expected} was next", sent.number, sent.to)
            });
        }
        // What follows from one broken record is not its own fault: counting goes on from here.
        channel.sent = sent.number;
        let open = Open { hash: hash_of(&sent.message), money: carried(&sent.message, shard, sent.to) };
        match channel.ahead.remove(&sent.number) {
            Some(taken) if taken.hash != open.hash => other_message(found, shard, sent.number),
            Some(_) => {}
            None => {
                channel.on_the_way.insert(sent.number, open);
            }
        }
    }

    fn taken(&mut self, shard: ShardId, taken: &Taken, record: &Record, found: &mut Found<'_>) {
        let (Body::Delivered { message } | Body::DeadLettered { message }) = &record.body else { return };
        let channel = self.0.entry((taken.from, shard)).or_default();
        let expected = channel.taken.saturating_add(1);
        if taken.number != expected {
            let (number, from) = (taken.number, taken.from);
            found.say(Rule::Channel, || {
                format!("takes message {number} of shard {from}, where {expected} was next")
            });
        }
        channel.taken = taken.number;
        let open = Open { hash: hash_of(message), money: None };
        match channel.on_the_way.remove(&taken.number) {
            Some(sent) if sent.hash != open.hash => other_message(found, taken.from, taken.number),
            Some(_) => {}
            None => {
                channel.ahead.insert(taken.number, open);
            }
        }
    }

    /// What is wrong now that everything was read; `lost` says of which shards a part was not.
    pub(super) fn check_end(
        &self,
        lost: impl Fn(ShardId) -> bool,
        accounts: &[(Account, i128)],
    ) -> Vec<Broken> {
        let mut broken = Vec::new();
        let judged = |from: ShardId, to: ShardId| !lost(from) && !lost(to);
        for ((from, to), channel) in self.0.iter().filter(|((from, to), _)| judged(*from, *to)) {
            if let Some(number) = channel.ahead.keys().next() {
                let text = format!("shard {to} took message {number} of shard {from}, which never sent it");
                broken.push((Rule::Channel, text));
            }
            if channel.acknowledged > channel.taken {
                let (known, taken) = (channel.acknowledged, channel.taken);
                let text =
                    format!("shard {from} takes {known} messages for taken by shard {to}: it took {taken}");
                broken.push((Rule::Acknowledged, text));
            }
        }
        for (account, (held, carried)) in self.transit(accounts) {
            let (from, to) = ends(account.owner);
            if held != carried && judged(from, to) {
                let (held, carried) = (-held, -carried);
                let text = format!("{account} holds {held}, the messages on their way carry {carried}");
                broken.push((Rule::Transit, text));
            }
        }
        broken
    }

    /// Per transit account its balance, and what it would be by the messages on their way.
    fn transit(&self, accounts: &[(Account, i128)]) -> BTreeMap<Account, (i128, i128)> {
        let transit = accounts.iter().filter(|(account, _)| account.kind == AccountKind::Transit);
        let mut both: BTreeMap<_, _> = transit.map(|(account, held)| (*account, (*held, 0))).collect();
        let on_the_way = self.0.values().flat_map(|channel| channel.on_the_way.values());
        for carried in on_the_way.filter_map(|open| open.money) {
            // Money leaves by a credit.
            both.entry(carried.account).or_insert((0, 0)).1 -= i128::from(carried.amount);
        }
        both
    }
}

fn other_message(found: &mut Found<'_>, from: ShardId, number: u64) {
    found.say(Rule::Channel, || {
        format!("message {number} of shard {from} was taken as another one than was sent")
    });
}

fn hash_of(message: &Message) -> [u8; 16] {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    hash
}

/// The channel that a transit account is of. What names no channel names no shard.
fn ends(owner: u64) -> (ShardId, ShardId) {
    let half = |shift: u32| ShardId(u16::try_from(owner >> shift & 0xffff).unwrap_or(u16::MAX));
    (half(16), half(0))
}

/// The account of money on its way from one shard to another.
fn transit(from: ShardId, to: ShardId, currency: Currency) -> Account {
    Account::new(AccountKind::Transit, u64::from(from.0) << 16 | u64::from(to.0), currency)
}

/// What a message on its way from one shard to another carries. A return carries it on the account of
/// the channel that its message came by, which is the other way round.
fn carried(message: &Message, from: ShardId, to: ShardId) -> Option<Carried> {
    let (currency, amount) = message.money()?;
    let account = if message.is_return() { transit(to, from, currency) } else { transit(from, to, currency) };
    Some(Carried { account, amount })
}

/// Kinds that take or send a message whenever they take effect.
const fn has_mail(body: &Body) -> bool {
    matches!(
        body,
        Body::TransferSent { .. }
            | Body::TagPaired { .. }
            | Body::AllowanceSet { .. }
            | Body::AllowanceReturned { .. }
            | Body::Swept { .. }
            | Body::Delivered { .. }
            | Body::DeadLettered { .. }
            | Body::Acknowledged { .. }
            | Body::Told
    )
}

/// Whether a record sends and takes what its kind and its outcome ask for, and posts what it says.
fn wrong_mail(shards: Option<u16>, shard: ShardId, record: &Record, mail: &Mail) -> Option<Broken> {
    let declined = record.decline;
    let name = record.body.kind().name();
    match (&record.body, &mail.taken) {
        (Body::Delivered { message }, Some(taken)) => {
            if (message.is_return() || message.gives_back()) && declined.is_some() {
                return Some((Rule::Return, "declines what came back".to_string()));
            }
            let wrong = match message {
                Message::AllowanceAsked { .. } if declined.is_none() => {
                    return filled_up(shard, record, taken, mail, message)
                        .or_else(|| other_wallet(record, message));
                }
                _ => answered(mail, taken, message, declined),
            };
            let wrong = wrong.or_else(|| other_wallet(record, message));
            wrong.or_else(|| incoming(shard, record, taken, message))
        }
        (Body::DeadLettered { message }, Some(taken)) => {
            if message.is_return() {
                return Some((Rule::Return, "buries what came back".to_string()));
            }
            let why = std::num::NonZeroU8::new(UNDELIVERABLE).map(DeclineCode);
            answered(mail, taken, message, why).or_else(|| other_wallet(record, message))
        }
        (Body::Delivered { .. } | Body::DeadLettered { .. }, None) => {
            Some((Rule::Channel, format!("a record ({name}) that does not name the message it takes")))
        }
        (_, Some(_)) => Some((Rule::Channel, format!("a record ({name}) cannot take messages"))),
        (
            Body::TransferSent { .. }
            | Body::AllowanceSet { .. }
            | Body::AllowanceReturned { .. }
            | Body::Swept { .. },
            None,
        ) if declined.is_none() => outgoing(shards, shard, record, mail),
        (Body::Purchased { .. } | Body::Held { .. }, None) if declined.is_none() => {
            asking(shards, record, mail)
        }
        (Body::Told, None) => tells_what_is_in_force(record, mail),
        (Body::TagPaired { .. }, None) if declined.is_none() => pairing(shards, record, mail),
        (_, None) if mail.sent.is_empty() => None,
        (_, None) => Some((Rule::Channel, format!("a record ({name}) that sends messages"))),
    }
}

/// Messages that no request caused speak of the configuration in force, to other shards.
fn tells_what_is_in_force(record: &Record, mail: &Mail) -> Option<Broken> {
    let version = record.envelope.configuration;
    let right = |sent: &Sent| match &sent.message {
        Message::ConfigurationPart { version: told, .. }
        | Message::ConfigurationOrder { version: told, .. } => version == Some(*told),
        _ => false,
    };
    let told = !mail.sent.is_empty() && mail.sent.iter().all(right);
    (!told).then(|| (Rule::Channel, "tells of another configuration than the one in force".to_string()))
}

/// The wallet that a message is about where it arrives, if it is about one.
fn addressee(message: &Message) -> Option<WalletNumber> {
    match message {
        Message::Transfer { payee, .. } => Some(*payee),
        Message::Paired { wallet, .. } => Some(*wallet),
        Message::Allowance { child, .. } => Some(*child),
        Message::AllowanceAsked { parent, .. } => Some(*parent),
        Message::Swept { .. } | Message::ConfigurationPart { .. } | Message::ConfigurationOrder { .. } => {
            None
        }
        Message::Returned { message, .. } => match &**message {
            Message::Transfer { payer, .. } => Some(*payer),
            Message::Paired { tag, .. } => Some(tag.as_wallet()),
            Message::Allowance { parent, .. } => Some(*parent),
            Message::AllowanceAsked { child, .. } => Some(*child),
            Message::Swept { .. }
            | Message::ConfigurationPart { .. }
            | Message::ConfigurationOrder { .. }
            | Message::Returned { .. } => None,
        },
    }
}

fn other_wallet(record: &Record, message: &Message) -> Option<Broken> {
    let right = record.envelope.wallet == addressee(message);
    (!right).then(|| (Rule::Channel, "names another wallet than its message".to_string()))
}

/// A message that did not take effect goes back in the same record, whole; one that did sends nothing.
fn answered(mail: &Mail, taken: &Taken, message: &Message, why: Option<DeclineCode>) -> Option<Broken> {
    let right = match (why, mail.sent.as_slice()) {
        (None, []) => true,
        (Some(why), [Sent { to, message: Message::Returned { number, why: said, message: back }, .. }]) => {
            *to == taken.from && *number == taken.number && *said == why && **back == *message
        }
        _ => false,
    };
    (!right).then(|| {
        let said = if why.is_some() { "does not send back" } else { "took effect and sends back" };
        (Rule::Return, format!("{said} message {} of shard {}", taken.number, taken.from))
    })
}

/// A transfer or a sweep: what it sends, and what it posts.
fn outgoing(shards: Option<u16>, shard: ShardId, record: &Record, mail: &Mail) -> Option<Broken> {
    let wrong = |text: &str| Some((Rule::Channel, text.to_string()));
    let [sent] = mail.sent.as_slice() else { return wrong("sends another number of messages than one") };
    let (source, amount, to) = match (&record.body, &sent.message) {
        (
            Body::TransferSent { payee, amount },
            Message::Transfer { payer, payee: named, currency, amount: carried, .. },
        ) if Some(*payer) == record.envelope.wallet && payee == named && amount == carried => {
            let purse = Account::new(AccountKind::WalletPaid, payer.get(), *currency);
            (purse, *amount, shards.map(|shards| payee.shard(shards)))
        }
        (
            Body::AllowanceReturned { parent, amount },
            Message::Allowance { parent: payer, child: payee, target: 0, currency, amount: carried, .. },
        ) if Some(*payer) == record.envelope.wallet && parent == payee && amount == carried => {
            let purse = Account::new(AccountKind::WalletPaid, payer.get(), *currency);
            (purse, *amount, shards.map(|shards| payee.shard(shards)))
        }
        (
            Body::AllowanceSet { child, target, mark },
            Message::Allowance { parent, child: named, target: said, mark: below, currency, amount, .. },
        ) if Some(*parent) == record.envelope.wallet
            && (child, target, mark) == (named, said, below)
            && (*amount == 0 || amount == target) =>
        {
            let purse = Account::new(AccountKind::WalletPaid, parent.get(), *currency);
            (purse, *amount, shards.map(|shards| child.shard(shards)))
        }
        (Body::Swept { vendor, amount }, Message::Swept { vendor: named, currency, amount: carried })
            if vendor == named && amount == carried =>
        {
            let stripe = Account::new(AccountKind::VendorSales, vendor.get().into(), *currency);
            let home = shards.map(|shards| vendor.get() % u32::from(shards.max(1)));
            (stripe, *amount, home.and_then(|home| u16::try_from(home).ok()).map(ShardId))
        }
        _ => return wrong("sends another message than it says"),
    };
    if to.is_some_and(|to| to != sent.to) {
        return wrong("sends its message to another shard than the receiver's");
    }
    let on_its_way = transit(shard, sent.to, source.currency);
    if amount == 0 && matches!(record.body, Body::AllowanceSet { .. }) {
        let moves = !record.entry.is_empty();
        return moves.then(|| (Rule::Sums, "moves money that its message does not carry".to_string()));
    }
    moves(record, source, on_its_way, amount)
}

/// A tag that gives itself away tells the wallet, in the wallet's shard.
fn pairing(shards: Option<u16>, record: &Record, mail: &Mail) -> Option<Broken> {
    let Body::TagPaired { check, wallet, replaces } = &record.body else { return None };
    let told = match mail.sent.as_slice() {
        [sent] => Some(sent),
        _ => None,
    };
    let right = told.is_some_and(|sent| {
        let told = matches!(&sent.message, Message::Paired { tag, check: checked, wallet: to, replaces: old, .. }
            if Some(tag.as_wallet()) == record.envelope.wallet
                && (checked, to, old) == (check, wallet, replaces));
        told && shards.is_none_or(|shards| wallet.shard(shards) == sent.to)
    });
    (!right).then(|| (Rule::Channel, "does not tell the wallet's shard whose the tag is".to_string()))
}

/// A sale may ask for more of an allowance: its own wallet's, where that comes from.
fn asking(shards: Option<u16>, record: &Record, mail: &Mail) -> Option<Broken> {
    let [sent] = mail.sent.as_slice() else {
        let many = !mail.sent.is_empty();
        return many.then(|| (Rule::Channel, "a sale that sends many messages".to_string()));
    };
    let right = match &sent.message {
        Message::AllowanceAsked { child, parent, amount, .. } => {
            Some(*child) == record.envelope.wallet
                && *amount > 0
                && shards.is_none_or(|shards| parent.shard(shards) == sent.to)
        }
        _ => false,
    };
    (!right).then(|| (Rule::Channel, "a sale that sends what no sale sends".to_string()))
}

/// Who is asked for an allowance answers with the money in the record that takes the asking: no more than
/// was asked for, and to whom asked.
fn filled_up(
    shard: ShardId,
    record: &Record,
    taken: &Taken,
    mail: &Mail,
    message: &Message,
) -> Option<Broken> {
    let wrong = || Some((Rule::Return, "is asked for an allowance and does not answer".to_string()));
    let Message::AllowanceAsked { festival, child, parent, currency, amount: asked } = message else {
        return wrong();
    };
    let [Sent { to, message, .. }] = mail.sent.as_slice() else { return wrong() };
    match message {
        Message::Allowance { festival: of, parent: from, child: named, currency: money, amount, .. }
            if (of, from, named, money) == (festival, parent, child, currency)
                && *to == taken.from
                && (1..=*asked).contains(amount) =>
        {
            let purse = Account::new(AccountKind::WalletPaid, parent.get(), *currency);
            moves(record, purse, transit(shard, *to, *currency), *amount)
        }
        _ => wrong(),
    }
}

/// What a message brought that took effect.
fn incoming(shard: ShardId, record: &Record, taken: &Taken, message: &Message) -> Option<Broken> {
    if record.decline.is_some() {
        return None;
    }
    let Some((currency, amount)) = message.money() else { return moves_nothing(record) };
    let from = carried(message, taken.from, shard)?.account;
    let targets = match message {
        Message::Transfer { payee, .. } => [(AccountKind::WalletPaid, payee.get()); 2],
        Message::Swept { vendor, .. } => [(AccountKind::VendorHome, vendor.get().into()); 2],
        Message::Allowance { child, .. } if message.gives_back() => {
            [(AccountKind::WalletPaid, child.get()), (AccountKind::Unclaimed, child.get())]
        }
        Message::Allowance { child, .. } => [(AccountKind::WalletPaid, child.get()); 2],
        // They carry no money.
        Message::Paired { .. }
        | Message::ConfigurationPart { .. }
        | Message::ConfigurationOrder { .. }
        | Message::AllowanceAsked { .. } => return None,
        Message::Returned { message, .. } => match &**message {
            Message::Transfer { payer, .. } => {
                [(AccountKind::WalletPaid, payer.get()), (AccountKind::Unclaimed, payer.get())]
            }
            Message::Swept { vendor, .. } => [(AccountKind::VendorSales, vendor.get().into()); 2],
            Message::Allowance { parent, .. } => {
                [(AccountKind::WalletPaid, parent.get()), (AccountKind::Unclaimed, parent.get())]
            }
            Message::Paired { .. }
            | Message::ConfigurationPart { .. }
            | Message::ConfigurationOrder { .. }
            | Message::AllowanceAsked { .. } => return None,
            Message::Returned { .. } => return Some((Rule::Return, "a return of a return".to_string())),
        },
    };
    let right = targets.map(|(kind, owner)| moves(record, from, Account::new(kind, owner, currency), amount));
    right.into_iter().min_by_key(Option::is_some).flatten()
}

/// A message that carries no money moves none.
fn moves_nothing(record: &Record) -> Option<Broken> {
    (!record.entry.is_empty())
        .then(|| (Rule::Sums, "moves money that its message does not carry".to_string()))
}

/// Whether a record moves `amount` from one account to another and nothing else.
fn moves(record: &Record, from: Account, to: Account, amount: i64) -> Option<Broken> {
    let wanted =
        [Posting { account: from, minor: amount }, Posting { account: to, minor: amount.wrapping_neg() }];
    let postings = record.entry.postings();
    let right = amount > 0 && postings.len() == 2 && wanted.iter().all(|posting| postings.contains(posting));
    (!right).then(|| (Rule::Sums, format!("does not move {amount} from the {from} to the {to}")))
}
