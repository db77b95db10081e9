//! What a record does to the state. The only code that changes actors; it cannot fail.

use ledger::account::AccountKind;
use ledger::entry::Posting;
use ledger::ids::{At, RecordNumber, WalletNumber};
use ledger::law::Law;
use ledger::mutant::{self, Mutant, Poisoned};
use ledger::record::{Body, Line, Message, Record};

use super::ShardState;
use super::due::Task;
use super::spreading::Spreading;
use crate::codes::{Decline, Outcome};
use crate::tag::Standing;
use crate::wallet::{Hold, RememberedEntry, out_of_purses};

impl ShardState {
    /// Changes the state by `record`, which is the shard's record number `number`.
    pub fn apply(&mut self, number: RecordNumber, record: &Record) {
        self.last_at = self.last_at.max(record.at);
        mutant::trip(record.envelope.tag_counter, mutant::POISON_APPLY);
        self.next_record = number.next();
        if let Some(mail) = &record.envelope.mail {
            self.channels.apply(number, record, mail);
            self.note_told(mail);
        }
        match &record.body {
            Body::LedgerOpened(genesis) => self.genesis = Some(*genesis),
            Body::EpochOpened { epoch } => {
                self.epoch = *epoch;
                self.tell_who_gave_up();
            }
            Body::ConfigurationStaged { .. } | Body::ConfigurationAdopted { .. } => {
                self.apply_configuration(number, record);
            }
            Body::Quarantined => self.set_quarantine(record, true),
            Body::Released => self.set_quarantine(record, false),
            Body::WalletOpened { .. }
            | Body::ToppedUp { .. }
            | Body::Purchased { .. }
            | Body::Voided { .. }
            | Body::Cancelled { .. }
            | Body::TransferSent { .. }
            | Body::Burned { .. }
            | Body::TagPaired { .. }
            | Body::TagSet { .. }
            | Body::Held { .. }
            | Body::Captured { .. }
            | Body::HoldReleased { .. }
            | Body::HoldExpired { .. }
            | Body::AllowanceSet { .. }
            | Body::AllowanceReturned { .. }
            | Body::PaidOut { .. } => self.apply_to_wallet(number, record),
            Body::Acknowledged { to, up_to } => self.channels.acknowledge(*to, *up_to),
            Body::Told => {}
            Body::Delivered { message } => {
                mutant::trip_message(message, Poisoned::Take);
                self.take_configuration(message);
                self.tell_again(record, message);
                self.post_message(number, record);
                self.take_tag(record, message);
            }
            Body::DeadLettered { .. } => self.post_message(number, record),
            Body::Swept { .. } => {
                self.post_message(number, record);
                Law::Floors.holds(self.stripes.are_not_overdrawn_by(record.entry.postings()));
            }
        }
    }

    fn set_quarantine(&mut self, record: &Record, quarantined: bool) {
        let slot = record.envelope.wallet.and_then(|wallet| self.slots.find(wallet));
        if let Some(slot) = slot {
            self.slots.at_mut(slot).set_quarantined(quarantined);
        }
    }

    /// A configuration changed at its office, whose slot remembers the request; or as `init` wrote it.
    fn apply_configuration(&mut self, number: RecordNumber, record: &Record) {
        let office = record.envelope.wallet;
        match &record.body {
            _ if record.decline.is_some() => {}
            Body::ConfigurationStaged { version, part, bytes } => {
                self.configuration.stage(*version, *part, bytes);
            }
            Body::ConfigurationAdopted { version, parts, hash } => {
                self.configuration.adopt(*version, *parts, hash);
                self.close_allowances();
                if office.is_some() {
                    self.configuration.told_anew();
                    self.spread_adopted();
                }
            }
            _ => {}
        }
        if let Some(office) = office {
            let slot = self.slots.find_or_create(office, 0);
            self.remember(slot, number, record);
        }
    }

    /// The version adopted here is to go to all other shards, in the place of an older one that is
    /// still on its way.
    pub(super) fn spread_adopted(&mut self) {
        let Some(adopted) = self.configuration.adopted() else { return };
        let shards = self.genesis.map_or(1, |genesis| genesis.shards);
        let bytes = adopted.festival.encode();
        self.spreading = Spreading::new(adopted.version, adopted.hash, &bytes, shards, self.shard);
    }

    /// What the festival's office tells about a configuration.
    fn take_configuration(&mut self, message: &Message) {
        match message {
            Message::ConfigurationPart { version, part, bytes } => {
                self.configuration.stage(*version, *part, bytes);
            }
            Message::ConfigurationOrder { version, parts, hash } => {
                self.configuration.adopt(*version, *parts, hash);
                self.close_allowances();
            }
            _ => {}
        }
    }

    fn apply_to_wallet(&mut self, number: RecordNumber, record: &Record) {
        let Some(wallet) = record.envelope.wallet else { return };
        let slot = self.slot_for(wallet, &record.body);
        // A void that is taken back is none any more once its record took effect.
        let stands_again = match record.body {
            Body::Cancelled { position } if record.decline.is_none() => self.refunds.sale_of(position),
            _ => None,
        };
        self.post(slot, record);
        if record.decline.is_none() {
            self.apply_effect(slot, number, record);
            self.apply_hold(wallet, number, record);
        }
        if self.slots.at(slot).has_allowance() || self.concerns_allowance(record) {
            self.apply_allowance(number, record, stands_again);
        }
        self.remember(slot, number, record);
    }

    /// The actor's slot; openings, burned ids and pairings bring it into being.
    fn slot_for(&mut self, wallet: WalletNumber, body: &Body) -> u32 {
        let check = match body {
            Body::WalletOpened { check, .. } | Body::Burned { check } | Body::TagPaired { check, .. } => {
                *check
            }
            _ => 0,
        };
        self.slots.find_or_create(wallet, check)
    }

    /// What a message brought, or a sweep took away.
    fn post_message(&mut self, number: RecordNumber, record: &Record) {
        let wallet = record.envelope.wallet.and_then(|wallet| self.slots.find(wallet));
        match wallet {
            Some(slot) => self.post(slot, record),
            None => record.entry.postings().iter().for_each(|posting| self.stripes.post(posting)),
        }
        self.apply_allowance(number, record, None);
    }

    fn post(&mut self, slot: u32, record: &Record) {
        let wallet = self.slots.at_mut(slot);
        for posting in record.entry.postings() {
            if posting.account.kind.is_purse() {
                wallet.post(posting);
            } else if !mutant::on(Mutant::OneLegApplied) {
                self.stripes.post(posting);
            }
        }
        Law::Floors.holds(wallet.balances.are_above_their_floors());
    }

    /// What took effect beyond its postings.
    fn apply_effect(&mut self, slot: u32, number: RecordNumber, record: &Record) {
        let wallet = self.slots.at_mut(slot);
        match &record.body {
            Body::WalletOpened { festival, .. } => wallet.open(*festival),
            Body::Purchased { lines, .. } => {
                let amount = lines.iter().map(Line::gross).sum();
                wallet.note_purchase(record.envelope.till, amount, record.at);
            }
            Body::Voided { position, .. } => {
                wallet.forget_purchase(taken_back(record));
                if let Some(sale) = position {
                    self.refunds.refund(*sale, number);
                }
            }
            Body::Cancelled { position } => {
                wallet.forget_purchase(taken_back(record));
                self.refunds.undo(*position);
                // Of all that can take effect only an opening moves no money.
                if record.entry.is_empty() {
                    wallet.close();
                }
            }
            Body::TagPaired { wallet, .. } => self.give_tag(slot, *wallet),
            Body::TagSet { tag, blocked } => {
                let standing = if *blocked { Standing::Blocked } else { Standing::Active };
                let number = wallet.number();
                self.set_standing(number, *tag, standing);
            }
            _ => {}
        }
    }

    /// What begins or ends a hold.
    fn apply_hold(&mut self, wallet: WalletNumber, number: RecordNumber, record: &Record) {
        let ended = match &record.body {
            Body::Held { seconds, .. } => return self.begin_hold(wallet, number, record, *seconds),
            Body::Captured { hold, .. } | Body::HoldReleased { hold } | Body::HoldExpired { hold } => *hold,
            Body::Cancelled { .. } => match record.envelope.request {
                Some(id) => id,
                None => return,
            },
            _ => return,
        };
        if let Some(hold) = self.holds.end(wallet.get(), ended) {
            self.timers.stop(hold.timer);
        }
    }

    fn begin_hold(&mut self, wallet: WalletNumber, number: RecordNumber, record: &Record, seconds: u32) {
        let Some(id) = record.envelope.request else { return };
        let till = record.envelope.till.and_then(|till| self.adopted()?.festival.till(till));
        let vendor = till.and_then(|till| till.vendor);
        let due = At(record.at.0.saturating_add(i64::from(seconds) * 1_000_000));
        let timer = self.timers.set(due, Task::Expire { wallet, hold: id });
        self.holds
            .begin(wallet.get(), Hold { id, record: number, from: out_of_purses(record), vendor, timer });
    }

    /// L4: what the id came to. A cancel rewrites its target's entry: taken back, or stands for good.
    fn remember(&mut self, slot: u32, number: RecordNumber, record: &Record) {
        let Some(id) = record.envelope.request else { return };
        if mutant::on(Mutant::IdsForgotten) {
            return;
        }
        let balance = self.held_by(self.slots.at(slot));
        let wallet = self.slots.at_mut(slot);
        let declined = record.decline.and_then(Decline::from_record);
        let content = record.envelope.content;
        if let Body::Cancelled { .. } = record.body {
            let Some((place, known)) = self.memory.find(wallet, id) else { return };
            let outcome = Outcome::Declined(Decline::Cancelled);
            let entry = match declined {
                None => RememberedEntry { record: number, outcome, balance, ..known },
                stands => RememberedEntry { stands, ..known },
            };
            self.memory.rewrite(place, &entry);
            return;
        }
        let outcome = match (&record.body, declined) {
            (Body::Burned { .. }, _) => Outcome::Declined(Decline::Burned),
            (_, Some(decline)) => Outcome::Declined(decline),
            (_, None) => Outcome::Applied,
        };
        let entry = RememberedEntry { id, content, record: number, outcome, balance, stands: None };
        self.memory.remember(wallet, &entry);
    }
}

/// What a vendor gives back by this record; 0 or less where it takes back no sale.
fn taken_back(record: &Record) -> i64 {
    let sales = |posting: &&Posting| posting.account.kind == AccountKind::VendorSales;
    record.entry.postings().iter().filter(sales).map(|posting| posting.minor).sum()
}
