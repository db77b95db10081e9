//! The life of an allowance at both its ends: asked for by the child's own sale, answered where the
//! parent lives, given back when it ends or the festival closes. Decides by reading, and is changed by
//! records only: what was asked for once is not asked for again before it is answered.

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::{At, RecordNumber, ShardId, WalletNumber};
use ledger::money::Currency;
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, DeclineCode, Envelope, Message, Record, Sent};

use super::due::Task;
use super::{Context, ShardState};
use crate::codes::Decline;
use crate::festival::Standing;
use crate::mail::{self, sends};
use crate::wallet::{AT_ONCE, GIVEN_BACK_AGAIN, Given, Kept, Spent, Wallet, filling};

/// A message 6 without its money.
struct Set {
    parent: WalletNumber,
    child: WalletNumber,
    target: i64,
    mark: i64,
    amount: i64,
}

impl ShardState {
    /// A sale that leaves its wallet below the mark of an allowance asks for what is missing in the very
    /// record that takes the money.
    pub(super) fn ask_for_more(&self, cx: &Context<'_>, wallet: &Wallet, record: &mut Record) {
        let sale = matches!(record.body, Body::Purchased { .. } | Body::Held { .. });
        if wallet.has_allowance() && sale && record.decline.is_none() && record.envelope.mail.is_none() {
            let sent = self.what_is_missing(cx, wallet, record);
            record.envelope.mail = sent.map(|sent| Box::new(sends(sent)));
        }
    }

    fn what_is_missing(&self, cx: &Context<'_>, wallet: &Wallet, record: &Record) -> Option<Sent> {
        let child = WalletNumber::new(wallet.number)?;
        let kept = self.allowances.kept(child)?;
        let again = kept.asked && !mutant::on(Mutant::AllowanceAskedTwice);
        if again || !kept.is_active() || !cx.festival.allowances {
            return None;
        }
        let after = wallet.after(record.entry.postings(), self.holds.held(wallet.number))?;
        let has = after.paid + after.bonus;
        if has >= kept.mark {
            return None;
        }
        let (festival, parent, currency) = (wallet.festival(), kept.parent, cx.festival.currency);
        let amount = kept.target - has;
        let message = Message::AllowanceAsked { festival, child, parent, currency, amount };
        // While the channel is full nothing is asked for: the next sale will ask.
        cx.channels.address(parent.shard(cx.shards), message)
    }

    /// What a parent makes of being asked: the money and the message that brings it, or why not.
    pub(crate) fn fill_up(
        &self,
        wallet: &Wallet,
        child: WalletNumber,
        (from, currency, asked): (ShardId, Currency, i64),
    ) -> Result<(Entry, Sent), Decline> {
        let parent = WalletNumber::new(wallet.number).ok_or(Decline::NoAllowance)?;
        let given = self.allowances.given(parent, child).filter(|_| self.allows());
        let Given { target, mark, .. } = *given.ok_or(Decline::NoAllowance)?;
        let amount = asked.min(target);
        let purse = Account::new(AccountKind::WalletPaid, wallet.number, currency);
        let postings = filling(purse, mail::transit(self.shard, from, currency), amount);
        wallet.after(&postings, 0).filter(|_| amount > 0).ok_or(Decline::InsufficientFunds)?;
        let festival = wallet.festival();
        let message = Message::Allowance { festival, parent, child, target, mark, currency, amount };
        // Waiting for a place, or for one of a return, could make two full channels wait for each other:
        // the child asks again.
        let sent = self.channels.address(from, message).ok_or(Decline::Undeliverable)?;
        Entry::new(postings).map(|entry| (entry, sent)).map_err(|_| Decline::InsufficientFunds)
    }

    /// Whether the festival lets wallets give allowances, now.
    fn allows(&self) -> bool {
        let festival = self.adopted().map(|adopted| &adopted.festival);
        festival.is_some_and(|festival| festival.allowances && festival.standing != Standing::Closed)
    }

    fn is_closed(&self) -> bool {
        self.adopted().is_some_and(|adopted| adopted.festival.standing == Standing::Closed)
    }

    /// Who has an allowance that still stands, and money of it left; by rising number.
    pub fn kept_in_money(&self) -> impl Iterator<Item = WalletNumber> {
        let all = self.allowances.all_kept().into_iter();
        all.filter(|(_, kept)| kept.is_active() && kept.left > 0).map(|(child, _)| child)
    }

    /// Whether `child` may have an allowance of `parent`: nobody has two, and one that has ended is there
    /// until what is left of it went back.
    pub(crate) fn may_have(&self, child: WalletNumber, parent: WalletNumber) -> bool {
        let kept = self.allowances.kept(child);
        kept.is_none_or(|kept| kept.parent == parent || !kept.is_active() && kept.left == 0)
    }

    /// What is left of an allowance that has ended goes back to whom it came from. What of it is held goes
    /// when its hold ends: until nothing is left the timer stays, and is asked again.
    pub(super) fn give_back(&self, at: At, child: WalletNumber) -> Option<Record> {
        let kept = self.allowances.kept(child)?;
        let wallet = self.wallet_of(child).filter(|wallet| wallet.is_open() && !wallet.is_quarantined())?;
        let amount = kept.left.min(wallet.balances().paid);
        let adopted = self.adopted()?;
        let (currency, parent) = (adopted.festival.currency, kept.parent);
        let to = parent.shard(self.genesis()?.shards);
        let purse = Account::new(AccountKind::WalletPaid, wallet.number, currency);
        let postings = filling(purse, mail::transit(self.shard, to, currency), amount);
        let entry = Entry::new(postings).ok().filter(|entry| !entry.is_empty())?;
        let festival = wallet.festival();
        // From the child to the parent now, and never declined: see `Message::gives_back`.
        let (giver, receiver, target, mark) = (child, parent, 0, 0);
        let message =
            Message::Allowance { festival, parent: giver, child: receiver, target, mark, currency, amount };
        let sent = self.channels.address(to, message)?;
        let version = Some(adopted.version);
        let envelope = Envelope {
            wallet: Some(child),
            configuration: version,
            catalogue: version,
            policy: version,
            mail: Some(Box::new(sends(sent))),
            ..Envelope::default()
        };
        Some(Record { at, envelope, body: Body::AllowanceReturned { parent, amount }, decline: None, entry })
    }

    /// Whether a record of a wallet that has no allowance says something of one all the same.
    pub(super) fn concerns_allowance(&self, record: &Record) -> bool {
        let back = || takes_back(record).is_some_and(|position| self.allowances.has_spent(position));
        matches!(record.body, Body::AllowanceSet { .. }) || back()
    }

    /// What a record does to allowances. `stands_again`: the sale whose void it takes back.
    pub(super) fn apply_allowance(
        &mut self,
        number: RecordNumber,
        record: &Record,
        stands_again: Option<RecordNumber>,
    ) {
        let before = record.envelope.wallet.and_then(|child| self.allowances.kept(child)).copied();
        let taken = record.decline.is_none() && !matches!(record.body, Body::DeadLettered { .. });
        let wallet = record.envelope.wallet;
        match (&record.body, wallet) {
            (Body::AllowanceSet { child, target, mark }, Some(parent)) if taken => {
                let sent = record.envelope.mail.iter().flat_map(|mail| &mail.sent).next();
                let message = sent.map_or(0, |sent| sent.number);
                if *target > 0 {
                    let given = Given { target: *target, mark: *mark, message };
                    self.allowances.give(parent, *child, given);
                } else {
                    self.allowances.give_no_more(parent, *child);
                }
            }
            (Body::AllowanceReturned { amount, .. }, Some(child)) => {
                if let Some(kept) = self.allowances.kept_mut(child) {
                    kept.left = kept.left.saturating_sub(*amount);
                }
            }
            (Body::Delivered { message } | Body::DeadLettered { message }, _) => {
                self.apply_message(record, message, taken);
            }
            (_, Some(child)) => {
                let sent = record.envelope.mail.iter().flat_map(|mail| &mail.sent);
                let asks = |sent: &Sent| matches!(sent.message, Message::AllowanceAsked { .. });
                if sent.into_iter().any(asks)
                    && let Some(kept) = self.allowances.kept_mut(child)
                {
                    kept.asked = true;
                }
            }
            _ => {}
        }
        if let Some(child) = wallet {
            if let Some(spent) = takes_back(record).and_then(|position| self.allowances.unspend(position)) {
                self.put_back(child, spent);
            }
            self.spend_allowance(child);
            let taken_back = matches!(record.body, Body::Cancelled { .. });
            self.note_spent(stands_again.or((!taken_back).then_some(number)), record, before);
            self.forget_spent_allowance(child);
        }
    }

    /// What a sale had taken of an allowance, or a message along, is the parent's again.
    fn put_back(&mut self, child: WalletNumber, spent: Spent) {
        let Some(slot) = self.slots.find(child) else { return };
        let Spent { parent, amount } = spent;
        match self.allowances.kept_mut(child) {
            Some(kept) if kept.parent == parent => kept.left = kept.left.saturating_add(amount),
            // It came to have another giver: whose it was is not asked any more.
            Some(_) => return,
            None => {
                let kept = Kept { parent, target: 0, mark: 0, left: amount, asked: false, timer: None };
                self.allowances.keep(child, kept);
                self.slots.at_mut(slot).set_allowance(true);
            }
        }
        let ended = self.allowances.kept(child).is_some_and(|kept| !kept.is_active());
        if ended || self.is_closed() {
            self.end_allowance(child);
        }
    }

    /// Notes how much of an allowance a record took that may be taken back or come back; for a sale under its number.
    fn note_spent(&mut self, sale: Option<RecordNumber>, record: &Record, before: Option<Kept>) {
        let sale = match &record.body {
            _ if record.decline.is_some() => return,
            // A void that is taken back: its sale takes the money again, of whatever there is by now. What else is
            // taken back is so for good.
            Body::Purchased { .. } | Body::Captured { .. } | Body::Cancelled { .. } if sale.is_some() => sale,
            Body::TransferSent { .. }
            | Body::AllowanceSet { .. }
            | Body::Delivered { message: Message::AllowanceAsked { .. } } => None,
            _ => return,
        };
        let Some(before) = before else { return };
        let after = record.envelope.wallet.and_then(|child| self.allowances.kept(child));
        let left = after.filter(|after| after.parent == before.parent).map_or(0, |after| after.left);
        let spent = Spent { parent: before.parent, amount: before.left.saturating_sub(left) };
        match sale {
            _ if spent.amount <= 0 => {}
            Some(sale) => self.allowances.spend(sale, spent),
            None => {
                for sent in record.envelope.mail.iter().flat_map(|mail| &mail.sent) {
                    self.allowances.send(sent.to, sent.number, spent);
                }
            }
        }
    }

    fn apply_message(&mut self, record: &Record, message: &Message, taken: bool) {
        match message {
            // Money that went back says nothing of what the two give each other.
            message if message.gives_back() => {}
            Message::Returned { message, .. } if message.gives_back() => self.keep_again(record, message),
            Message::Allowance { parent, child, target, mark, amount, .. } => {
                let set =
                    Set { parent: *parent, child: *child, target: *target, mark: *mark, amount: *amount };
                if taken { self.set_kept(&set) } else { self.answered(&set) }
            }
            Message::Returned { number, why, message } => match &**message {
                Message::Allowance { parent, child, .. } => {
                    // Its own message came back: the child never had it. A filling leaves it as it is.
                    let given = self.allowances.given(*parent, *child);
                    if given.is_some_and(|given| given.message == *number) {
                        self.allowances.give_no_more(*parent, *child);
                    }
                    self.kept_again(record, *number);
                }
                Message::AllowanceAsked { child, parent, .. } => self.not_filled(*child, *parent, *why),
                Message::Transfer { .. } => self.kept_again(record, *number),
                _ => {}
            },
            _ => {}
        }
    }

    /// The answer is no. Where the parent says that it gives nothing, that is over.
    fn not_filled(&mut self, child: WalletNumber, parent: WalletNumber, why: DeclineCode) {
        let kept = self.allowances.kept_mut(child).filter(|kept| kept.parent == parent);
        let Some(kept) = kept else { return };
        kept.asked = false;
        if Decline::from_record(why) == Some(Decline::NoAllowance) {
            self.end_allowance(child);
        }
    }

    /// Money came back: what it had taken of an allowance is the parent's still.
    fn kept_again(&mut self, record: &Record, number: u64) {
        let from = record.envelope.mail.as_ref().and_then(|mail| mail.taken).map(|taken| taken.from);
        let spent = from.and_then(|from| self.allowances.came_back(from, number));
        let landed =
            record.entry.postings().iter().any(|posting| posting.account.kind == AccountKind::WalletPaid);
        if let (Some(child), Some(spent), true) = (record.envelope.wallet, spent, landed) {
            self.put_back(child, spent);
        }
    }

    /// A filling that could not be taken answers all the same.
    fn answered(&mut self, set: &Set) {
        let kept = self.allowances.kept_mut(set.child).filter(|kept| kept.parent == set.parent);
        if let Some(kept) = kept.filter(|_| set.amount > 0) {
            kept.asked = false;
        }
    }

    fn set_kept(&mut self, set: &Set) {
        let known = self.allowances.kept(set.child).copied();
        if set.target == 0 {
            if known.is_some_and(|kept| kept.parent == set.parent) {
                self.end_allowance(set.child);
            }
            return;
        }
        let Some(slot) = self.slots.find(set.child) else { return };
        self.slots.at_mut(slot).set_allowance(true);
        let same = known.filter(|kept| kept.parent == set.parent);
        if let Some(timer) = known.and_then(|kept| kept.timer) {
            self.timers.stop(timer);
        }
        // Money for one that is active answers what was asked; the first filling of a new one does not. One that
        // the festival's end ended here alone is active to its giver, and nobody asks for more.
        let answer = same.is_some_and(|kept| kept.is_active() || self.is_closed()) && set.amount > 0;
        let kept = Kept {
            parent: set.parent,
            target: set.target,
            mark: set.mark,
            left: same.map_or(0, |kept| kept.left).saturating_add(set.amount),
            asked: same.is_some_and(|kept| kept.asked && !answer),
            timer: None,
        };
        self.allowances.keep(set.child, kept);
        // It was on its way while the festival closed: nothing else would ever end it.
        if self.is_closed() && kept.left > 0 {
            self.end_allowance(set.child);
        }
    }

    /// What was to go back came back, as its taking panicked: it is the giver's still, and goes back later.
    /// What was kept to be claimed, or came to a wallet that has another giver by now, stays where it is.
    fn keep_again(&mut self, record: &Record, message: &Message) {
        let Message::Allowance { parent: child, child: parent, amount, .. } = message else { return };
        let landed = |posting: &Posting| posting.account.kind == AccountKind::WalletPaid;
        let known = self.allowances.kept(*child).copied();
        let Some(slot) = self.slots.find(*child) else { return };
        if !record.entry.postings().iter().any(landed) || known.is_some_and(|kept| kept.parent != *parent) {
            return;
        }
        self.slots.at_mut(slot).set_allowance(true);
        let nothing = Kept { parent: *parent, target: 0, mark: 0, left: 0, asked: false, timer: None };
        let mut kept = known.unwrap_or(nothing);
        kept.left = kept.left.saturating_add(*amount);
        // One that was set again goes on; it ends as every one does.
        if !kept.is_active() || self.is_closed() {
            kept.target = 0;
            if let Some(timer) = kept.timer {
                self.timers.stop(timer);
            }
            let due = At(record.at.0.saturating_add(GIVEN_BACK_AGAIN));
            kept.timer = Some(self.timers.set(due, Task::GiveBack { child: *child }));
        }
        self.allowances.keep(*child, kept);
    }

    /// It has ended: what is left is to go back.
    fn end_allowance(&mut self, child: WalletNumber) {
        if let Some(kept) = self.allowances.kept_mut(child) {
            kept.target = 0;
            kept.timer.get_or_insert_with(|| self.timers.set(AT_ONCE, Task::GiveBack { child }));
        }
    }

    /// The festival is closed: all that is left goes back. One that is spent stands until it is ended.
    pub(super) fn close_allowances(&mut self) {
        if !self.is_closed() {
            return;
        }
        for (child, kept) in self.allowances.all_kept() {
            if kept.left > 0 {
                self.end_allowance(child);
            }
        }
    }

    /// What the child paid in itself is spent first; what is spent of the allowance cannot go back.
    fn spend_allowance(&mut self, child: WalletNumber) {
        let Some(wallet) = self.wallet_of(child).filter(|wallet| wallet.has_allowance()) else { return };
        let held: i64 = self.holds.of(child.get()).iter().map(|hold| hold.from[0]).sum();
        let most = wallet.balances().paid.saturating_add(held);
        if let Some(kept) = self.allowances.kept_mut(child) {
            kept.left = kept.left.min(most);
        }
    }

    /// One that has ended and of which nothing is left, nor asked for, is no more: the answer to what was asked
    /// must not be taken for another one's.
    fn forget_spent_allowance(&mut self, child: WalletNumber) {
        let over = |kept: &Kept| !kept.is_active() && kept.left == 0 && !kept.asked;
        if self.allowances.kept(child).is_some_and(over) {
            self.forget_allowance(child);
        }
    }

    fn forget_allowance(&mut self, child: WalletNumber) {
        let timer = self.allowances.keep_no_more(child).and_then(|kept| kept.timer);
        if let Some(timer) = timer {
            self.timers.stop(timer);
        }
        if let Some(slot) = self.slots.find(child) {
            self.slots.at_mut(slot).set_allowance(false);
        }
    }
}

/// The record whose effect this one takes back.
fn takes_back(record: &Record) -> Option<RecordNumber> {
    match record.body {
        _ if record.decline.is_some() => None,
        Body::Cancelled { position } => Some(position),
        Body::Voided { position, .. } => position,
        _ => None,
    }
}
