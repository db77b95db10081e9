//! What happened to each wallet, record by record: exactly once (L4), within the floors (L2), one
//! line of history in one shard (L9). From the records alone; it knows nothing of how they are
//! decided or applied.

use super::finding::{Finding, Fork, Kept, Place, Rule};
use super::holds::{self, Holds};
use super::requests::{Claim, Done, Effect, Key, Known, Requests, State};
use super::tags::Tags;
use super::wallets::Wallets;
use crate::account::AccountKind;
use crate::entry::Posting;
use crate::ids::{FestivalId, Office, RecordNumber, RequestId, WalletNumber};
use crate::record::{Body, Message, Record};

/// Where findings about one record go.
pub(super) struct Found<'a> {
    pub(super) findings: &'a mut Kept<Finding>,
    pub(super) place: Place,
}

impl Found<'_> {
    pub(super) fn say(&mut self, rule: Rule, text: impl FnOnce() -> String) {
        let place = self.place;
        self.findings.push(|| Finding { rule, place, text: text() });
    }

    pub(super) fn say_if(&mut self, broken: Option<(Rule, String)>) {
        if let Some((rule, text)) = broken {
            self.say(rule, || text);
        }
    }
}

/// A record about a wallet, with what it is about.
struct Deed<'a> {
    number: RecordNumber,
    record: &'a Record,
    wallet: WalletNumber,
    index: u32,
    key: Key,
}

/// All wallets and all request ids.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) wallets: Wallets,
    pub(super) forks: Kept<Fork>,
    requests: Requests,
    tags: Tags,
    holds: Holds,
}

impl History {
    pub(super) fn new() -> Self {
        Self {
            wallets: Wallets::default(),
            forks: Kept::new(),
            requests: Requests::default(),
            tags: Tags::default(),
            holds: Holds::default(),
        }
    }

    /// Asks the tables about a run of records, one table after the other, so that the memory they
    /// lie in is on its way for all of them at once: nearly all the time of an audit is spent
    /// waiting for it. Changes nothing.
    pub(super) fn warm<'a>(&self, run: impl Iterator<Item = &'a Record> + Clone) {
        let wallets = run.clone().filter_map(|record| record.envelope.wallet);
        let ids = run.filter_map(|record| record.envelope.request);
        let known = ids.filter(|id| self.requests.holds(*id)).count();
        std::hint::black_box((known, self.wallets.warm(wallets)));
    }

    /// Takes in a record of a kind that is decided on a wallet, in a ledger of `shards` shards.
    pub(super) fn take(
        &mut self,
        shards: Option<u16>,
        number: RecordNumber,
        record: &Record,
        found: &mut Found<'_>,
    ) {
        let envelope = &record.envelope;
        let (Some(wallet), Some(id)) = (envelope.wallet, envelope.request) else {
            return found.say(Rule::Format, || "names no wallet or no request id".into());
        };
        let home = shards.filter(|shards| *shards > 0).map(|shards| wallet.shard(shards));
        if let Some(home) = home.filter(|home| found.place.shard != Some(*home)) {
            return found.say(Rule::Shard, || format!("wallet {wallet} lives in shard {home}"));
        }
        let Some(index) = self.wallets.index_of(wallet) else {
            return found.say(Rule::Format, || "more wallets than there can be".into());
        };
        let second = envelope.rare.as_ref().and_then(|rare| rare.long_id);
        let deed = Deed { number, record, wallet, index, key: Key { id, second } };
        self.tags.check(wallet, record, found);
        self.post(index, wallet, record, found);
        self.act(&deed, found);
    }

    /// Takes in what a message brought to a wallet.
    pub(super) fn deliver(&mut self, shards: Option<u16>, record: &Record, found: &mut Found<'_>) {
        let between_shards = matches!(
            record.body,
            Body::Delivered { .. }
                | Body::DeadLettered { .. }
                | Body::Acknowledged { .. }
                | Body::Swept { .. }
                | Body::Told
                | Body::HoldExpired { .. }
                | Body::AllowanceReturned { .. }
        );
        if between_shards && record.envelope.request.is_some() {
            found.say(Rule::Format, || "names a request, which nobody made".into());
        }
        self.tags.deliver(record, found);
        self.takes_tag(record, found);
        let into_purse = record.entry.postings().iter().any(|posting| posting.account.kind.is_purse());
        let (Some(wallet), false) = (record.envelope.wallet, record.entry.is_empty()) else {
            if into_purse {
                found.say(Rule::Format, || "moves what a wallet holds, and names none".into());
            }
            return;
        };
        let home = shards.filter(|shards| *shards > 0).map(|shards| wallet.shard(shards));
        if let Some(home) = home.filter(|home| found.place.shard != Some(*home)) {
            return found.say(Rule::Shard, || format!("wallet {wallet} lives in shard {home}"));
        }
        let Some(index) = self.wallets.index_of(wallet) else { return };
        let known = self.wallets.at(index).copied();
        if into_purse && known.is_none_or(|known| !known.open) {
            found.say(Rule::Opening, || format!("wallet {wallet} is not open"));
        }
        if let Body::Delivered {
            message: Message::Transfer { festival, .. } | Message::Allowance { festival, .. },
        } = &record.body
        {
            self.same_festival(index, *festival, found);
        }
        self.post(index, wallet, record, found);
        if let Body::HoldExpired { hold } = &record.body {
            let ended = self.holds.expire(index, *hold, record);
            found.say_if(ended.err().map(|text| (Rule::Hold, text)));
        }
    }

    /// A wallet that takes a tag is open, and of the tag's festival.
    fn takes_tag(&mut self, record: &Record, found: &mut Found<'_>) {
        let Body::Delivered { message: Message::Paired { festival, wallet, .. } } = &record.body else {
            return;
        };
        let Some(index) = self.wallets.index_of(*wallet).filter(|_| record.decline.is_none()) else { return };
        if self.wallets.at(index).is_none_or(|known| !known.open) {
            return found.say(Rule::Opening, || format!("wallet {wallet} is not open"));
        }
        self.same_festival(index, *festival, found);
    }

    /// L13: money of one festival never reaches, or leaves, a wallet of another.
    fn same_festival(&mut self, index: u32, festival: FestivalId, found: &mut Found<'_>) {
        let known = self.wallets.at(index).filter(|known| known.ever_opened);
        if let Some(own) = known.map(|known| known.festival).filter(|own| *own != festival.0) {
            found.say(Rule::Festival, || {
                format!("a message of festival {} for a wallet of festival {own}", festival.0)
            });
        }
    }

    /// L2: changes the purses.
    fn post(&mut self, index: u32, own: WalletNumber, record: &Record, found: &mut Found<'_>) {
        for posting in record.entry.postings() {
            let account = posting.account;
            let Some(wallet) = self.wallets.at(index).copied() else { return };
            if wallet.ever_opened {
                let currency = self.wallets.currency_of(wallet.festival, account.currency);
                if currency != account.currency {
                    let festival = wallet.festival;
                    found.say(Rule::Currency, || {
                        format!("moves {} where festival {festival} has {currency}", account.currency)
                    });
                    return;
                }
            }
            if !account.kind.is_purse() {
                continue;
            }
            if account.owner != own.get() {
                found.say(Rule::Shard, || format!("moves the {account}, not its own wallet's"));
                continue;
            }
            if account.kind == AccountKind::WalletHeld && !holds::may_move_it(record.body.kind()) {
                found.say(Rule::Hold, || format!("moves the {account}"));
            }
            let passed = self.wallets.at(index).and_then(|wallet| wallet.post(account.kind, posting.minor));
            found.say_if(passed.map(|text| (Rule::Floor, text)));
        }
    }

    fn act(&mut self, deed: &Deed<'_>, found: &mut Found<'_>) {
        let declined = deed.record.decline.is_some();
        match &deed.record.body {
            Body::Cancelled { position } => self.cancel(deed, *position, declined, found),
            _ if declined => {
                self.claim(deed, Effect::Declined, found);
            }
            Body::Burned { check } => self.burn(deed, *check, found),
            Body::WalletOpened { check, festival } => self.open(deed, *check, festival.0, found),
            Body::ToppedUp { .. } => self.spend(deed, Effect::ToppedUp, found),
            Body::Purchased { .. } => self.spend(deed, Effect::Purchased, found),
            Body::Voided { sale, position } => self.void(deed, *sale, *position, found),
            Body::TransferSent { .. } => self.pays_another(deed, Effect::Transferred, found),
            Body::TagPaired { check, wallet, .. } => self.pair(deed, *check, *wallet, found),
            Body::TagSet { .. } => self.spend(deed, Effect::TagSet, found),
            Body::Held { seconds, .. } => self.hold(deed, *seconds, found),
            Body::Captured { hold, from, .. } => self.capture(deed, *hold, *from, found),
            Body::HoldReleased { hold } => self.release(deed, *hold, found),
            Body::PaidOut { .. } => self.pay_out(deed, found),
            Body::ConfigurationStaged { .. } | Body::ConfigurationAdopted { .. } => {
                self.configure(deed, found);
            }
            Body::AllowanceSet { .. } => self.pays_another(deed, Effect::Allowed, found),
            _ => {}
        }
    }

    /// A configuration is changed at a festival's office and nowhere else.
    fn configure(&mut self, deed: &Deed<'_>, found: &mut Found<'_>) {
        if !matches!(Office::of(deed.wallet), Some(Office::Festival(_))) {
            found.say(Rule::Configuration, || format!("{} is no festival's office", deed.wallet));
        }
        self.claim(deed, Effect::Configured, found);
    }

    /// L4: takes the id for what this record did; says so if it was taken, and answers whether not.
    fn claim(&mut self, deed: &Deed<'_>, effect: Effect, found: &mut Found<'_>) -> bool {
        self.claim_for(deed, effect, deed.record.entry.postings(), found)
    }

    /// As [`History::claim`], where not all postings can be taken back.
    fn claim_for(
        &mut self,
        deed: &Deed<'_>,
        effect: Effect,
        postings: &[Posting],
        found: &mut Found<'_>,
    ) -> bool {
        let done = Done { number: deed.number, effect, postings };
        match self.requests.claim(deed.key, deed.index, &done) {
            Claim::Fresh => true,
            Claim::Forked(other) => {
                let place = found.place;
                let first = self.wallets.number(other).unwrap_or(deed.wallet);
                self.forks.push(|| Fork { request: deed.key.id, first, other: deed.wallet, place });
                true
            }
            Claim::Taken(known) => {
                taken(deed, &known, found);
                false
            }
        }
    }

    fn burn(&mut self, deed: &Deed<'_>, check: u64, found: &mut Found<'_>) {
        foreign_device(deed, found);
        self.check_tag(deed, check, found);
        match self.requests.find(deed.key, deed.index) {
            // A sale that finished it closed it already: closing it once more changes nothing.
            Some(known) if known.effect == Effect::Replaced => known.effect = Effect::Burned,
            _ => {
                self.claim(deed, Effect::Burned, found);
            }
        }
    }

    fn open(&mut self, deed: &Deed<'_>, check: u64, festival: u16, found: &mut Found<'_>) {
        let free = self.claim(deed, Effect::Opened, found);
        self.check_tag(deed, check, found);
        no_office(deed, Rule::Opening, found);
        self.tags.open(deed.wallet, found);
        let Some(wallet) = self.wallets.at(deed.index).filter(|_| free) else { return };
        if wallet.open {
            found.say(Rule::Opening, || format!("wallet {} is open already", deed.wallet));
        }
        (wallet.open, wallet.ever_opened, wallet.festival) = (true, true, festival);
    }

    fn pair(&mut self, deed: &Deed<'_>, check: u64, wallet: WalletNumber, found: &mut Found<'_>) {
        self.claim(deed, Effect::Paired, found);
        self.check_tag(deed, check, found);
        no_office(deed, Rule::Pairing, found);
        let open = self.wallets.at(deed.index).is_some_and(|own| own.open);
        self.tags.give(deed.wallet, wallet, open, found);
    }

    fn check_tag(&mut self, deed: &Deed<'_>, check: u64, found: &mut Found<'_>) {
        if self.wallets.at(deed.index).is_some_and(|wallet| !wallet.has_check(check)) {
            found.say(Rule::Opening, || format!("another tag than the one wallet {} has", deed.wallet));
        }
    }

    fn must_be_open(&mut self, deed: &Deed<'_>, found: &mut Found<'_>) {
        if self.wallets.at(deed.index).is_some_and(|wallet| !wallet.open) {
            found.say(Rule::Opening, || format!("wallet {} is not open", deed.wallet));
        }
    }

    /// A purchase or a top-up, and the unanswered try it may finish.
    fn spend(&mut self, deed: &Deed<'_>, effect: Effect, found: &mut Found<'_>) {
        self.must_be_open(deed, found);
        self.claim(deed, effect, found);
        let Some(tried) = deed.record.envelope.replaces else { return };
        let key = Key { id: tried, second: None };
        match self.requests.find(key, deed.index).copied() {
            None => {
                let done = Done { number: deed.number, effect: Effect::Replaced, postings: &[] };
                self.requests.claim(key, deed.index, &done);
            }
            Some(known) if known.effect.took_effect() && !known.state.is(State::CANCELLED) => {
                let before = known.record();
                found.say(Rule::Repeated, || format!("finishes {tried}, which record {before} had done"));
            }
            Some(_) => {}
        }
    }

    /// A transfer, or an allowance.
    fn pays_another(&mut self, deed: &Deed<'_>, effect: Effect, found: &mut Found<'_>) {
        self.spend(deed, effect, found);
        for sent in deed.record.envelope.mail.iter().flat_map(|mail| &mail.sent) {
            if let Message::Transfer { festival, .. } | Message::Allowance { festival, .. } = &sent.message {
                self.same_festival(deed.index, *festival, found);
            }
        }
    }

    fn hold(&mut self, deed: &Deed<'_>, seconds: u32, found: &mut Found<'_>) {
        self.must_be_open(deed, found);
        if self.claim(deed, Effect::Held, found) {
            self.holds.begin(deed.index, deed.key.id, deed.record, seconds);
        }
    }

    fn capture(&mut self, deed: &Deed<'_>, hold: RequestId, from: [i64; 3], found: &mut Found<'_>) {
        self.must_be_open(deed, found);
        let sold = holds::sold(deed.record, from);
        if self.claim_for(deed, Effect::Captured, &sold, found) {
            let ended = self.holds.capture(deed.index, hold, deed.record, from);
            found.say_if(ended.err().map(|text| (Rule::Hold, text)));
        }
    }

    fn release(&mut self, deed: &Deed<'_>, hold: RequestId, found: &mut Found<'_>) {
        self.must_be_open(deed, found);
        if self.claim(deed, Effect::Released, found) {
            let ended = self.holds.give_back(deed.index, hold, deed.record);
            found.say_if(ended.err().map(|text| (Rule::Hold, text)));
        }
    }

    /// A payout is decided where the vendor's home lies, by the vendor's office.
    fn pay_out(&mut self, deed: &Deed<'_>, found: &mut Found<'_>) {
        self.claim(deed, Effect::PaidOut, found);
        if !matches!(Office::of(deed.wallet), Some(Office::Vendor(_))) {
            found.say(Rule::Opening, || format!("{} is no vendor's office", deed.wallet));
        }
    }

    fn void(
        &mut self,
        deed: &Deed<'_>,
        sale: RequestId,
        position: Option<RecordNumber>,
        found: &mut Found<'_>,
    ) {
        self.must_be_open(deed, found);
        if !self.claim(deed, Effect::Voided, found) {
            return;
        }
        let key = Key { id: sale, second: None };
        let known = self.requests.find(key, deed.index).copied();
        let Some(known) = known.filter(|known| known.effect.is_sale()) else {
            return found.say(Rule::Void, || format!("wallet {} has no sale {sale}", deed.wallet));
        };
        let before = known.record();
        if known.state.is(State::REFUNDED.with(State::CANCELLED)) {
            let how = if known.state.is(State::REFUNDED) { "voided" } else { "cancelled" };
            return found.say(Rule::Void, || format!("sale {sale} of record {before} was {how} before"));
        }
        if position != Some(before) {
            found.say(Rule::Void, || format!("sale {sale} is record {before}, not the one named"));
        }
        if !self.requests.reverses(&known, deed.record.entry.postings()) {
            found.say(Rule::Void, || format!("does not reverse the postings of record {before}"));
        }
        self.requests.change(key, deed.index, |state| state.with(State::REFUNDED));
        self.requests.tie(deed.key, key, deed.index);
    }

    fn cancel(&mut self, deed: &Deed<'_>, position: RecordNumber, declined: bool, found: &mut Found<'_>) {
        foreign_device(deed, found);
        let id = deed.key.id;
        let Some(known) = self.requests.find(deed.key, deed.index).copied() else {
            return found.say(Rule::Cancel, || format!("takes back {id}, which was never seen"));
        };
        let before = known.record();
        if !known.effect.took_effect() || known.state.is(State::CANCELLED) {
            return found.say(Rule::Cancel, || format!("takes back {id}, which does not stand"));
        }
        if position != before {
            found.say(Rule::Cancel, || format!("{id} is record {before}, not {position}"));
        }
        if known.state.is(State::SETTLED) {
            found.say(Rule::Cancel, || format!("{id} was to stand, by an earlier cancel that was declined"));
        }
        if matches!(known.effect, Effect::Transferred | Effect::Allowed) && !declined {
            found.say(Rule::Cancel, || format!("takes back {id}, whose money has left for another wallet"));
        }
        if matches!(known.effect, Effect::Paired | Effect::TagSet) && !declined {
            found.say(Rule::Cancel, || format!("takes back {id}, by which others know a tag"));
        }
        if known.effect == Effect::Configured && !declined {
            found.say(Rule::Cancel, || format!("takes back {id}, by which a configuration was changed"));
        }
        if known.effect == Effect::Released && !declined {
            found.say(Rule::Cancel, || format!("takes back {id}, which gave back what was held"));
        }
        if declined {
            return self.requests.change(deed.key, deed.index, |state| state.with(State::SETTLED));
        }
        if known.state.is(State::REFUNDED) {
            found.say(Rule::Cancel, || format!("takes back {id}, which a void took back before"));
        } else if !self.requests.reverses(&known, deed.record.entry.postings()) {
            found.say(Rule::Cancel, || format!("does not reverse the postings of record {before}"));
        }
        self.requests.change(deed.key, deed.index, |state| state.with(State::CANCELLED));
        self.undo(deed, known.effect, found);
    }

    /// What taking a request back does beyond its postings.
    fn undo(&mut self, deed: &Deed<'_>, effect: Effect, found: &mut Found<'_>) {
        if effect == Effect::Voided
            && let Some(sale) = self.requests.sale_of(deed.key, deed.index)
        {
            self.requests.change(sale, deed.index, |state| state.without(State::REFUNDED));
        }
        if effect == Effect::Held {
            let ended = self.holds.give_back(deed.index, deed.key.id, deed.record);
            found.say_if(ended.err().map(|text| (Rule::Hold, text)));
        }
        if effect == Effect::Opened
            && let Some(wallet) = self.wallets.at(deed.index)
        {
            wallet.open = false;
            let held = wallet.total();
            if held != 0 {
                found.say(Rule::Opening, || format!("wallet {} is closed holding {held}", deed.wallet));
            }
        }
    }
}

fn taken(deed: &Deed<'_>, known: &Known, found: &mut Found<'_>) {
    let (id, before) = (deed.key.id, known.record());
    let closed = match known.effect {
        Effect::Burned | Effect::Replaced => Some("burned"),
        _ if known.state.is(State::CANCELLED) => Some("cancelled"),
        _ => None,
    };
    match closed {
        Some(how) => found.say(Rule::Closed, || format!("{id}, of record {before}, was {how}")),
        None => found.say(Rule::Repeated, || format!("{id} was used by record {before}")),
    }
}

/// A wallet, or a tag, that had the number of an office would act for it: with a vendor's, it would pay out
/// of the vendor's account.
fn no_office(deed: &Deed<'_>, rule: Rule, found: &mut Found<'_>) {
    if deed.wallet.get() < Office::NUMBERS {
        found.say(rule, || format!("{} is a number of offices", deed.wallet));
    }
}

/// L13: only its own device closes an id. A long id names no device.
fn foreign_device(deed: &Deed<'_>, found: &mut Found<'_>) {
    let Some(device) = deed.record.envelope.device.filter(|_| deed.key.second.is_none()) else { return };
    if deed.key.id.device() != Some(device) {
        found.say(Rule::Device, || format!("device {device} closes {}, which is another's", deed.key.id));
    }
}
