//! What a shard makes of a message from another one. Every message is taken once, in its order, and
//! ends as a record: applied, declined, or a dead letter. In the last two what it brought goes back
//! by a return, and a return always lands (L5).

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::{At, ShardId, VendorId, WalletNumber};
use ledger::money::Currency;
use ledger::mutant::{self, Mutant, Poisoned};
use ledger::record::{Body, Envelope, Mail, Message, Record, Sent, Taken};

use crate::codes::Decline;
use crate::shard_state::ShardState;
use crate::wallet::Wallet;

/// What becomes of a message.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "records are the common case and live for one step")]
pub enum Receipt {
    /// It was taken before: the sender is to be told again.
    Known,
    /// One before it is missing: it will be sent again after that one.
    Early,
    /// There is no place for what may have to go back: it will be sent again.
    NoRoom,
    /// It is taken by this record.
    Record(Record),
}

/// The account of money on its way from one shard to another; zero at rest. Its owner names the
/// channel.
pub(crate) fn transit(from: ShardId, to: ShardId, currency: Currency) -> Account {
    Account::new(AccountKind::Transit, u64::from(from.0) << 16 | u64::from(to.0), currency)
}

/// Mail that only sends.
pub(crate) fn sends(sent: Sent) -> Mail {
    Mail { taken: None, sent: std::iter::once(sent).collect() }
}

fn addressee(message: &Message) -> Option<WalletNumber> {
    match message {
        Message::Transfer { payee, .. } => Some(*payee),
        Message::Paired { wallet, .. } => Some(*wallet),
        Message::Allowance { child, .. } => Some(*child),
        Message::AllowanceAsked { parent, .. } => Some(*parent),
        Message::Swept { .. }
        | Message::ConfigurationPart { .. }
        | Message::ConfigurationOrder { .. }
        | Message::Returned { .. } => None,
    }
}

/// The wallet, or the tag, that a message came from.
fn sender(message: &Message) -> Option<WalletNumber> {
    match message {
        Message::Transfer { payer, .. } => Some(*payer),
        Message::Paired { tag, .. } => Some(tag.as_wallet()),
        Message::Allowance { parent, .. } => Some(*parent),
        Message::AllowanceAsked { child, .. } => Some(*child),
        Message::Swept { .. }
        | Message::ConfigurationPart { .. }
        | Message::ConfigurationOrder { .. }
        | Message::Returned { .. } => None,
    }
}

/// What came of a message, before it is a record.
struct Outcome {
    wallet: Option<WalletNumber>,
    end: End,
}

enum End {
    Applied(Entry),
    /// Applied, and answered by a message in the same record.
    Answered(Entry, Sent),
    Declined(Decline),
    /// Nobody there.
    Dead,
}

impl ShardState {
    /// What this shard makes of message `number` of the channel from `from`. Reads and changes nothing.
    pub fn receive(&self, at: At, from: ShardId, number: u64, message: &Message) -> Receipt {
        if let Some(no) = self.not_next(from, number, message) {
            return no;
        }
        mutant::trip_message(message, Poisoned::Receive);
        let outcome = match message {
            Message::Transfer { festival, payee, currency, amount, .. } => {
                let wallet = self.open_wallet(*payee).filter(|wallet| wallet.festival() == *festival);
                let end = match wallet {
                    Some(wallet) => self.incoming(wallet, transit(from, self.shard(), *currency), *amount),
                    None => End::Dead,
                };
                Outcome { wallet: Some(*payee), end }
            }
            Message::Swept { vendor, currency, amount } => {
                let home = Account::new(AccountKind::VendorHome, vendor.get().into(), *currency);
                let postings = moved(transit(from, self.shard(), *currency), home, *amount);
                Outcome { wallet: None, end: Entry::new(postings).map_or(End::Dead, End::Applied) }
            }
            Message::Paired { festival, wallet, replaces, .. } => {
                let known = self.open_wallet(*wallet).filter(|known| known.festival() == *festival);
                let end = known.map_or(End::Dead, |known| match self.refuses_tag(known, *replaces) {
                    None => End::Applied(Entry::none()),
                    Some(decline) => End::Declined(decline),
                });
                Outcome { wallet: Some(*wallet), end }
            }
            // The office hears of it and tells all of it again.
            Message::ConfigurationOrder { version, parts, hash }
                if self.lacks_parts(*version, *parts, hash) =>
            {
                Outcome { wallet: None, end: End::Dead }
            }
            // An older version than the one in force, or the same again, is taken and changes nothing.
            Message::ConfigurationPart { .. } | Message::ConfigurationOrder { .. } => {
                Outcome { wallet: None, end: End::Applied(Entry::none()) }
            }
            Message::Allowance { child, .. } => {
                Outcome { wallet: Some(*child), end: self.allowance(from, message) }
            }
            Message::AllowanceAsked { festival, child, parent, currency, amount } => {
                let wallet = self.open_wallet(*parent).filter(|wallet| wallet.festival() == *festival);
                let filled = wallet.map(|wallet| self.fill_up(wallet, *child, (from, *currency, *amount)));
                let end = match filled {
                    None => End::Dead,
                    Some(Ok((entry, sent))) => End::Answered(entry, sent),
                    Some(Err(why)) => End::Declined(why),
                };
                Outcome { wallet: Some(*parent), end }
            }
            Message::Returned { message, .. } => self.taken_back(from, message),
        };
        self.taking(at, from, number, message, outcome)
    }

    /// The record that takes a message nobody could decide: what it brought goes back; what came back
    /// is kept for its owner to claim.
    pub fn dead_letter(&self, at: At, from: ShardId, number: u64, message: &Message) -> Receipt {
        if let Some(no) = self.not_next(from, number, message) {
            return no;
        }
        let outcome = match message {
            Message::Returned { message, .. } => self.unclaimed(from, message),
            _ => Outcome { wallet: addressee(message), end: End::Dead },
        };
        self.taking(at, from, number, message, outcome)
    }

    fn not_next(&self, from: ShardId, number: u64, message: &Message) -> Option<Receipt> {
        let taken = self.channels().taken_from(from);
        if number <= taken {
            return Some(Receipt::Known);
        }
        if number > taken + 1 && !mutant::on(Mutant::WatermarkBySequence) {
            return Some(Receipt::Early);
        }
        // A return needs no place: two shards full of returns would wait for each other for ever.
        let no_room = !message.is_return() && !self.channels().has_room_for_return(from);
        no_room.then_some(Receipt::NoRoom)
    }

    /// The wallet that a message is for, if it is there and may act.
    fn open_wallet(&self, number: WalletNumber) -> Option<&Wallet> {
        self.wallet_of(number).filter(|wallet| wallet.is_open() && !wallet.is_quarantined())
    }

    /// Money out of transit into a wallet, within the festival's cap.
    fn incoming(&self, wallet: &Wallet, transit: Account, amount: i64) -> End {
        let purse = Account::new(AccountKind::WalletPaid, wallet.number, transit.currency);
        let postings = moved(transit, purse, amount);
        let cap = self.adopted().map_or(0, |adopted| adopted.festival.limits.balance_cap);
        let held = self.holds().held(wallet.number);
        match (wallet.after(&postings, held), Entry::new(postings)) {
            (Some(after), Ok(entry)) if after.total() + held <= cap => End::Applied(entry),
            _ => End::Declined(Decline::OverCap),
        }
    }

    /// An allowance that begins, changes or ends, or the filling that was asked for.
    fn allowance(&self, from: ShardId, message: &Message) -> End {
        let Message::Allowance { festival, parent, child, target, currency, amount, .. } = message else {
            return End::Dead;
        };
        if message.gives_back() {
            // Declined it would be the child's for good.
            let entry = self.brought_home(*child, transit(from, self.shard(), *currency), *amount);
            return entry.map_or(End::Dead, End::Applied);
        }
        let wallet = self.open_wallet(*child).filter(|wallet| wallet.festival() == *festival);
        let Some(wallet) = wallet else { return End::Dead };
        if *target > 0 && !self.may_have(*child, *parent) {
            return End::Declined(Decline::TooManyAllowances);
        }
        if *amount == 0 {
            return End::Applied(Entry::none());
        }
        self.incoming(wallet, transit(from, self.shard(), *currency), *amount)
    }

    /// Money that is back at who gave it: whatever the cap, blocked or not. Kept to be claimed where that
    /// wallet is closed.
    fn brought_home(&self, owner: WalletNumber, transit: Account, amount: i64) -> Option<Entry> {
        let purse = Account::new(AccountKind::WalletPaid, owner.get(), transit.currency);
        let postings = moved(transit, purse, amount);
        let wallet = self.wallet_of(owner).filter(|wallet| wallet.is_open());
        let fits = wallet.and_then(|wallet| wallet.after(&postings, self.holds().held(owner.get())));
        if fits.is_some() {
            return Entry::new(postings).ok();
        }
        let unclaimed = Account::new(AccountKind::Unclaimed, owner.get(), transit.currency);
        Entry::new(moved(transit, unclaimed, amount)).ok()
    }

    /// What a return brought back, to whom it came from.
    fn taken_back(&self, from: ShardId, message: &Message) -> Outcome {
        let (payer, currency, amount) = match message {
            Message::Transfer { payer, currency, amount, .. } => (payer, currency, amount),
            Message::Allowance { parent, currency, amount, .. } if *amount > 0 => (parent, currency, amount),
            _ => return self.unclaimed(from, message),
        };
        if mutant::on(Mutant::ReturnDeclined) {
            return Outcome { wallet: Some(*payer), end: End::Declined(Decline::OverCap) };
        }
        match self.brought_home(*payer, transit(self.shard(), from, *currency), *amount) {
            Some(entry) => Outcome { wallet: Some(*payer), end: End::Applied(entry) },
            None => self.unclaimed(from, message),
        }
    }

    /// What a return brought back where its sender is gone: a transfer is kept for its payer to claim,
    /// a vendor's sales go back to the stripe.
    fn unclaimed(&self, from: ShardId, message: &Message) -> Outcome {
        let (wallet, account, amount) = match message {
            Message::Transfer { payer, currency, amount, .. } => {
                (Some(*payer), Account::new(AccountKind::Unclaimed, payer.get(), *currency), *amount)
            }
            Message::Swept { vendor, currency, amount } => {
                (None, Account::new(AccountKind::VendorSales, vendor.get().into(), *currency), *amount)
            }
            Message::Allowance { parent, currency, amount, .. } if *amount > 0 => {
                (Some(*parent), Account::new(AccountKind::Unclaimed, parent.get(), *currency), *amount)
            }
            // What brought no money leaves nothing to be claimed.
            Message::Allowance { .. }
            | Message::Paired { .. }
            | Message::ConfigurationPart { .. }
            | Message::ConfigurationOrder { .. }
            | Message::AllowanceAsked { .. } => {
                return Outcome { wallet: sender(message), end: End::Applied(Entry::none()) };
            }
            // The codec knows no return of a return.
            Message::Returned { message, .. } => return self.unclaimed(from, message),
        };
        let postings = moved(transit(self.shard(), from, account.currency), account, amount);
        Outcome { wallet, end: Entry::new(postings).map_or(End::Dead, End::Applied) }
    }

    fn taking(&self, at: At, from: ShardId, number: u64, message: &Message, outcome: Outcome) -> Receipt {
        let mut mail = Mail { taken: Some(Taken { from, number }), ..Mail::default() };
        let (decline, entry, dead) = match outcome.end {
            End::Applied(entry) => (None, entry, false),
            End::Answered(entry, sent) => {
                mail.sent.push(sent);
                (None, entry, false)
            }
            End::Declined(decline) => (Some(decline), Entry::none(), false),
            End::Dead => (None, Entry::none(), true),
        };
        if (dead || decline.is_some()) && !message.is_return() {
            let Some(why) = decline.unwrap_or(Decline::Undeliverable).to_record() else {
                return Receipt::NoRoom;
            };
            let back = Message::Returned { number, why, message: Box::new(message.clone()) };
            let Some(sent) = self.channels().address(from, back) else { return Receipt::NoRoom };
            mail.sent.push(sent);
        }
        let message = message.clone();
        let body = if dead { Body::DeadLettered { message } } else { Body::Delivered { message } };
        let version = self.adopted().map(|adopted| adopted.version);
        let envelope = Envelope {
            wallet: outcome.wallet,
            configuration: version,
            catalogue: version,
            policy: version,
            mail: Some(Box::new(mail)),
            ..Envelope::default()
        };
        Receipt::Record(Record { at, envelope, body, decline: decline.and_then(Decline::to_record), entry })
    }

    /// Records that bring what the vendors' stripes of this shard hold on its way home: at most `most`
    /// of them. Each counts on the one before, so each is to be applied before the next is asked for.
    pub fn sweep(&self, at: At, after: Option<VendorId>) -> Option<(VendorId, Option<Record>)> {
        let shards = self.genesis()?.shards;
        let (vendor, currency, minor) = self.next_stripe(after)?;
        // A stripe is a liability: what it holds stands as a credit. One that a void left in debt waits
        // for the next sales.
        let beyond = if mutant::on(Mutant::SweepBeyondStripe) { 2 } else { 1 };
        let amount = minor.checked_neg().filter(|amount| *amount > 0).map(|amount| amount * beyond);
        let record = amount.and_then(|amount| self.swept(at, shards, vendor, currency, amount));
        Some((vendor, record))
    }

    fn swept(
        &self,
        at: At,
        shards: u16,
        vendor: VendorId,
        currency: Currency,
        amount: i64,
    ) -> Option<Record> {
        let to = home_of(vendor, shards);
        let sent = self.channels().address(to, Message::Swept { vendor, currency, amount })?;
        let stripe = Account::new(AccountKind::VendorSales, vendor.get().into(), currency);
        let entry = Entry::new(moved(stripe, transit(self.shard(), to, currency), amount)).ok()?;
        let version = self.adopted().map(|adopted| adopted.version);
        let envelope = Envelope {
            configuration: version,
            catalogue: version,
            policy: version,
            mail: Some(Box::new(sends(sent))),
            ..Envelope::default()
        };
        Some(Record { at, envelope, body: Body::Swept { vendor, amount }, decline: None, entry })
    }
}

/// The shard of a vendor's home account.
pub fn home_of(vendor: VendorId, shards: u16) -> ShardId {
    // The remainder is below `shards`, so it fits.
    ShardId(u16::try_from(vendor.get() % u32::from(shards.max(1))).unwrap_or(0))
}

/// `amount` out of one liability into another: a debit and a credit.
fn moved(from: Account, to: Account, amount: i64) -> [Posting; 2] {
    [Posting { account: from, minor: amount }, Posting { account: to, minor: amount.wrapping_neg() }]
}
