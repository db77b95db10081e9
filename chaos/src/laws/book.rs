//! The book: a naive model of every wallet, written from the rules and not from the engine's code,
//! fed with durable records only. It knows what was true at any position of a shard, so it can say
//! what an answer had to be. Reads nothing but what it is fed; upholds L4, L9 and L10 as their judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::answer::{Answer, Movement, Statement, Verdict};
use actors::codes::{Decline, Outcome, Refusal};
use actors::command::{Command, Request};
use actors::festival::Festival;
use ledger::account::AccountKind;
use ledger::ids::{At, Office, RecordNumber, RequestId, ShardId, WalletNumber};
use ledger::record::{Body, Line, Message, Record};

use super::bands::Bands;
use super::holds::{self, Holds};
use super::rules::{self, Expected, Moves, Rules};
use super::timeline::Timeline;
use super::versions::Versions;

/// What a wallet remembers of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Check of the content it came with.
    pub content: u32,
    /// Where its record is.
    pub record: u64,
    /// What it came to.
    pub outcome: Outcome,
    /// Minor units in the wallet afterwards.
    pub balance: i64,
    /// Why a cancel of it was declined.
    pub stands: Option<Decline>,
}

/// The last purchase: till, amount, second.
pub type LastSale = (u32, i64, i64);

/// One wallet, at all times.
#[derive(Clone, Debug, Default)]
pub struct Page {
    born: u64,
    pub(super) check: u64,
    pub(super) purses: Timeline<[i64; 3]>,
    pub(super) open: Timeline<bool>,
    quarantined: Timeline<bool>,
    /// What a vendor's home holds, on the page of the vendor's office.
    home: Timeline<i64>,
    pub(super) last_sale: Timeline<LastSale>,
    pub(super) ids: BTreeMap<u64, Timeline<Known>>,
    /// Ids in the order they were first remembered, and from where on.
    pub(super) order: Vec<(u64, u64)>,
    /// Sales taken back, by the void that did it; `None` when that void was itself cancelled.
    pub(super) refunded: BTreeMap<u64, Timeline<Option<u64>>>,
    /// What each record that took effect did.
    pub(super) effects: BTreeMap<u64, Effect>,
    pub(super) holds: Holds,
    pub(crate) bands: Bands,
    /// Who is given an allowance, and by which message.
    pub(super) children: Timeline<BTreeMap<u64, u64>>,
    /// Positions at which anything changed.
    changes: Vec<u64>,
}

/// What a record did.
#[derive(Clone, Debug)]
pub struct Effect {
    /// What taking it back would move, with the other sign.
    pub(super) moves: Moves,
    pub(super) deed: Deed,
}

/// What a record was, as far as taking it back goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A purchase or a capture.
    Sale,
    /// An opening.
    Opening,
    /// A transfer, or an allowance.
    Transfer,
    /// It gave back what was held.
    Release,
    /// A band was given away, blocked or unblocked.
    Band,
    /// Anything else.
    Other,
}

impl Page {
    pub(super) fn purses_at(&self, position: u64) -> [i64; 3] {
        self.purses.at(position).copied().unwrap_or_default()
    }

    pub(super) fn total_at(&self, position: u64) -> i64 {
        self.purses_at(position).iter().sum::<i64>() + self.home_at(position)
    }

    pub(super) fn home_at(&self, position: u64) -> i64 {
        self.home.at(position).copied().unwrap_or_default()
    }

    pub(super) fn is_open_at(&self, position: u64) -> bool {
        self.open.at(position).copied().unwrap_or_default()
    }

    pub(super) fn is_quarantined_at(&self, position: u64) -> bool {
        self.quarantined.at(position) == Some(&true)
    }

    pub(super) fn known_at(&self, id: RequestId, position: u64) -> Option<Known> {
        self.ids.get(&id.get()).and_then(|known| known.at(position)).copied()
    }

    pub(super) fn is_refunded_at(&self, sale: u64, position: u64) -> bool {
        self.refunded.get(&sale).and_then(|voids| voids.at(position)).is_some_and(Option::is_some)
    }

    /// Whether anything but `id` took effect and was not taken back.
    pub(super) fn others_applied_at(&self, id: RequestId, position: u64) -> bool {
        let applied = |known: &Known| known.outcome == Outcome::Applied;
        let others = self.ids.iter().filter(|(other, _)| **other != id.get());
        others.filter_map(|(_, known)| known.at(position)).any(applied)
    }
}

/// What the model says to a request at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// This answer, without a new record.
    Answer(Answer),
    /// A balance with its movements.
    Statement(Statement),
    /// A new record.
    Record(Expected),
    /// Another actor is to be asked: the band, or the wallet it was given to.
    Elsewhere,
}

/// All wallets.
#[derive(Clone, Debug)]
pub struct Book {
    versions: Versions,
    shards: u16,
    pages: BTreeMap<u64, Page>,
    /// Further bands, and the wallets that took them.
    owners: BTreeMap<u64, u64>,
}

impl Book {
    /// An empty book for a ledger of `shards` shards that will be founded with `festival`.
    pub fn new(festival: Arc<Festival>, shards: u16) -> Self {
        let (pages, owners) = (BTreeMap::new(), BTreeMap::new());
        Self { versions: Versions::new(festival, shards), shards, pages, owners }
    }

    /// The configuration over time.
    pub const fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The shard that a request goes to.
    pub fn shard_of(&self, request: &Request) -> ShardId {
        self.shard_of_actor(request.actor())
    }

    /// The shard of a wallet or a band.
    pub fn shard_of_actor(&self, actor: WalletNumber) -> ShardId {
        actor.shard(self.shards)
    }

    /// The wallet that took a band.
    pub fn owner(&self, band: u64) -> Option<u64> {
        self.owners.get(&band).copied()
    }

    /// Every page.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &Page)> {
        self.pages.iter().map(|(number, page)| (*number, page))
    }

    /// The wallet as it stood at `position`, if it had come into being.
    pub fn page(&self, wallet: u64, position: u64) -> Option<&Page> {
        self.pages.get(&wallet).filter(|page| page.born <= position)
    }

    /// Money in a wallet at `position`.
    pub fn purses(&self, wallet: u64, position: u64) -> Option<[i64; 3]> {
        self.page(wallet, position).map(|page| page.purses_at(position))
    }

    /// What the home of a vendor holds at `position` of its shard.
    pub fn home(&self, vendor: u64, position: u64) -> i64 {
        self.page(vendor, position).map_or(0, |page| page.home_at(position))
    }

    /// What the request's id came to, as the addressed actor remembered it at `position`.
    pub fn known(&self, request: &Request, position: u64) -> Option<Known> {
        let page = self.page(request.actor().get(), position)?;
        let own = page.bands.may(request.actor().get(), request.tag.number.get(), position);
        own.and_then(|_| page.known_at(request.id, position))
    }

    /// Positions from `from` to `to` at which an answer to `request` may differ: the first, and each at
    /// which the wallet changed or the shard went by another configuration.
    pub fn positions(&self, request: &Request, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
        let wallet = request.actor().get();
        let changes = self.pages.get(&wallet).map_or(&[][..], |page| page.changes.as_slice());
        let first = changes.partition_point(|change| *change <= from);
        let later = changes[first..].iter().copied().take_while(move |change| *change <= to);
        let versions = self.versions.changes(self.shard_of(request), from, to);
        std::iter::once(from).chain(later).chain(versions)
    }

    /// What the addressed actor has to say to `request` at `position` when the ledger's time is `at`.
    pub fn say(&self, request: &Request, position: u64, at: At) -> Said {
        self.say_by(self.versions.at(self.shard_of(request), position), request, position, at)
    }

    /// The same by a given version of the configuration.
    pub fn say_by(&self, festival: Option<&Festival>, request: &Request, position: u64, at: At) -> Said {
        let rules = festival.map(|festival| self.rules(festival)).ok_or(Refusal::WrongFestival);
        rules
            .and_then(|rules| self.consider(&rules, request, position, at))
            .unwrap_or_else(|refusal| Said::Answer(self.refused(request, refusal)))
    }

    /// The refusal of a request, as an answer.
    pub fn refused(&self, request: &Request, refusal: Refusal) -> Answer {
        self.answer(request, Verdict::Refused(refusal), 0, 0)
    }

    fn answer(&self, request: &Request, verdict: Verdict, record: u64, balance: i64) -> Answer {
        Answer {
            id: request.id,
            command: request.command.number(),
            verdict,
            shard: self.shard_of(request),
            record: RecordNumber(record),
            balance,
        }
    }

    fn rules<'a>(&'a self, festival: &'a Festival) -> Rules<'a> {
        Rules { festival, versions: &self.versions, shards: self.shards }
    }

    fn consider(&self, rules: &Rules<'_>, request: &Request, position: u64, at: At) -> Result<Said, Refusal> {
        if request.festival != rules.festival.id {
            return Err(Refusal::WrongFestival);
        }
        if request.id.device() != Some(request.device) {
            return Err(Refusal::NotYourId);
        }
        if rules.festival.device(request.device).is_some_and(|device| device.revoked) {
            return Err(Refusal::DeviceRevoked);
        }
        let page = self.page(request.actor().get(), position);
        let band = request.tag.number.get();
        let further = page.and_then(|page| page.bands.check(band, position));
        if request.wallet.is_some() && further.is_none() {
            return Ok(Said::Elsewhere);
        }
        let office = is_office(request.tag.number.as_wallet()).then_some(0);
        let check = request.wallet.and(further).or(page.map(|page| page.check)).or(office);
        if check.is_some_and(|check| check != request.tag.check) {
            return Err(Refusal::TagCollision);
        }
        if page.is_some_and(|page| page.is_quarantined_at(position)) {
            return Err(Refusal::Quarantined);
        }
        let known = page.and_then(|page| page.known_at(request.id, position));
        if request.wallet.is_none() && page.is_some_and(|page| page.sends_on(request, known, position)) {
            return Ok(Said::Elsewhere);
        }
        match (&request.command, known) {
            (Command::Lookup, Some(known)) => Ok(Said::Answer(self.remembered(request, &known))),
            (Command::Lookup, None) => Ok(Said::Answer(self.answer(request, Verdict::NeverSeen, 0, 0))),
            (Command::Balance, _) => self.statement(rules, request, page, position).map(Said::Statement),
            (Command::Cancel, _) => self.cancel(rules, request, page, position),
            (_, Some(known)) => self.again(request, &known).map(Said::Answer),
            (_, None) => rules.fresh(request, page, position, at).map(Said::Record),
        }
    }

    fn remembered(&self, request: &Request, known: &Known) -> Answer {
        let verdict = match known.outcome {
            Outcome::Applied => Verdict::Applied(Outcome::Applied),
            Outcome::Declined(decline) => Verdict::Declined(decline),
        };
        self.answer(request, verdict, known.record, known.balance)
    }

    fn again(&self, request: &Request, known: &Known) -> Result<Answer, Refusal> {
        let burned = known.outcome == Outcome::Declined(Decline::Burned);
        if known.content != request.content && !burned {
            return Err(Refusal::IdReused);
        }
        Ok(self.remembered(request, known))
    }

    fn statement(
        &self,
        rules: &Rules<'_>,
        request: &Request,
        page: Option<&Page>,
        position: u64,
    ) -> Result<Statement, Refusal> {
        rules.may_read(request)?;
        let nothing = Page::default();
        let page = match page.filter(|page| page.is_open_at(position)) {
            None if rules.vendor_of(request).is_none() => return Err(Refusal::UnknownTag),
            None => self.page(request.actor().get(), position).unwrap_or(&nothing),
            Some(page) => page,
        };
        let newest = page.order.iter().rev().filter(|(from, _)| *from <= position);
        let movement = |(_, id): &(u64, u64)| {
            let id = RequestId::new(*id)?;
            let known = page.known_at(id, position)?;
            let (outcome, record, balance) = (known.outcome, RecordNumber(known.record), known.balance);
            Some(Movement { id, outcome, record, balance })
        };
        let movements = newest.take(Statement::MOVEMENTS).filter_map(movement).collect();
        let answer = self.answer(request, Verdict::Balance, 0, page.total_at(position));
        Ok(Statement { answer, movements })
    }

    fn cancel(
        &self,
        rules: &Rules<'_>,
        request: &Request,
        page: Option<&Page>,
        position: u64,
    ) -> Result<Said, Refusal> {
        rules.festival.device(request.device).ok_or(Refusal::Unauthenticated)?;
        if let Some(Office::Festival(_)) = Office::of(request.tag.number.as_wallet()) {
            return Err(Refusal::Unsupported);
        }
        let known = page.and_then(|page| page.known_at(request.id, position).map(|known| (page, known)));
        let Some((page, known)) = known else { return Ok(Said::Record(Expected::nothing())) };
        if known.outcome != Outcome::Applied || known.stands.is_some() {
            let verdict = known.stands.map_or(Verdict::Applied(known.outcome), Verdict::Declined);
            return Ok(Said::Answer(self.answer(request, verdict, known.record, known.balance)));
        }
        Ok(Said::Record(rules::cancelled(page, request.id, known.record, position)))
    }

    /// What a record does to vendors' homes stands on the pages of their offices, which begin with it.
    fn enter_homes(&mut self, number: u64, record: &Record) {
        let postings = record.entry.postings().iter();
        for posting in postings.filter(|posting| posting.account.kind == AccountKind::VendorHome) {
            let next = number + 1;
            let fresh = || Page { born: next, ..Page::default() };
            let page = self.pages.entry(posting.account.owner).or_insert_with(fresh);
            page.home.set(next, page.home_at(number) - posting.minor);
            page.changes.push(next);
        }
    }

    /// Writes a durable record down.
    pub fn enter(&mut self, shard: ShardId, number: u64, record: &Record) {
        self.versions.enter(shard, number, record);
        self.enter_homes(number, record);
        let Some(wallet) = record.envelope.wallet else { return };
        // A message for a band that nobody opened brings no wallet into being.
        let message = matches!(record.body, Body::Delivered { .. } | Body::DeadLettered { .. });
        if message && !self.pages.contains_key(&wallet.get()) {
            return;
        }
        let next = number + 1;
        let page = self.pages.entry(wallet.get()).or_insert_with(|| Page { born: next, ..Page::default() });
        if page.changes.is_empty() {
            page.check = match record.body {
                Body::WalletOpened { check, .. } | Body::Burned { check } | Body::TagPaired { check, .. } => {
                    check
                }
                _ => 0,
            };
        }
        page.changes.push(next);
        let moves = rules::moves(record);
        let before = page.purses_at(number);
        page.purses.set(next, rules::after(before, &moves));
        match record.body {
            Body::Quarantined => page.quarantined.set(next, true),
            Body::Released => page.quarantined.set(next, false),
            _ => {}
        }
        if record.decline.is_none() {
            page.take_effect(number, record, &moves);
            page.bands.enter(wallet.get(), number, record);
        }
        page.remember(number, record);
        if let Body::Delivered { message: Message::Paired { tag, .. } } = &record.body
            && record.decline.is_none()
        {
            self.owners.insert(tag.get(), wallet.get());
        }
    }
}

/// Whether an office has this number.
fn is_office(number: WalletNumber) -> bool {
    Office::of(number).is_some()
}

impl Page {
    /// Whether the band of this page has a request decided by the wallet that it was given to.
    fn sends_on(&self, request: &Request, known: Option<Known>, position: u64) -> bool {
        let given = self.bands.given(position).is_some() && !self.is_open_at(position);
        given && (known.is_none() || request.command == Command::Balance)
    }

    fn take_effect(&mut self, number: u64, record: &Record, moves: &Moves) {
        let next = number + 1;
        let taken_back = rules::taken_back(moves);
        holds::enter(&mut self.holds, number, record);
        let deed = match &record.body {
            Body::WalletOpened { .. } => Deed::Opening,
            Body::Purchased { .. } | Body::Captured { .. } => Deed::Sale,
            Body::HoldReleased { .. } => Deed::Release,
            Body::TransferSent { .. } | Body::AllowanceSet { .. } => Deed::Transfer,
            Body::TagPaired { .. } | Body::TagSet { .. } => Deed::Band,
            _ => Deed::Other,
        };
        match &record.body {
            Body::WalletOpened { .. } => self.open.set(next, true),
            Body::Purchased { lines, .. } => {
                let amount = lines.iter().map(Line::gross).sum();
                let till = record.envelope.till.map_or(0, ledger::ids::TillId::get);
                self.last_sale.set(next, (till, amount, record.at.seconds()));
            }
            Body::AllowanceSet { child, target, .. } => {
                let mail = record.envelope.mail.iter().flat_map(|mail| &mail.sent).next();
                let message = mail.map(|sent| sent.number).filter(|_| *target > 0);
                self.set_child(number, child.get(), message);
            }
            Body::Delivered { message: Message::Returned { number: sent, message, .. } } => {
                if let Message::Allowance { child, .. } = &**message
                    && self.children.at(number).and_then(|children| children.get(&child.get())) == Some(sent)
                {
                    self.set_child(number, child.get(), None);
                }
            }
            Body::Voided { position: Some(sale), .. } => {
                self.refunded.entry(sale.0).or_default().set(next, Some(number));
                self.forget_sale(number, taken_back);
            }
            Body::Cancelled { position } => {
                self.forget_sale(number, taken_back);
                self.undo(number, position.0);
            }
            _ => {}
        }
        self.effects.insert(number, Effect { moves: holds::sold(record, moves), deed });
    }

    /// A child is given an allowance by this message, or none any more.
    fn set_child(&mut self, number: u64, child: u64, message: Option<u64>) {
        let mut children = self.children.at(number).cloned().unwrap_or_default();
        match message {
            Some(message) => children.insert(child, message),
            None => children.remove(&child),
        };
        self.children.set(number + 1, children);
    }

    fn forget_sale(&mut self, number: u64, amount: i64) {
        if self.last_sale.at(number).is_some_and(|(_, last, _)| *last == amount) {
            self.last_sale.set(number + 1, (0, 0, 0));
        }
    }

    /// A cancelled opening closes the wallet; a cancelled void lets its sale stand again.
    fn undo(&mut self, number: u64, cancelled: u64) {
        if self.effects.get(&cancelled).is_some_and(|effect| effect.deed == Deed::Opening) {
            self.open.set(number + 1, false);
        }
        for voids in self.refunded.values_mut() {
            if voids.at(number) == Some(&Some(cancelled)) {
                voids.set(number + 1, None);
            }
        }
    }

    fn remember(&mut self, number: u64, record: &Record) {
        let Some(id) = record.envelope.request else { return };
        let next = number + 1;
        let declined = record.decline.and_then(Decline::from_record);
        let balance = self.total_at(next);
        let known = self.known_at(id, number);
        let outcome = match (&record.body, declined) {
            (Body::Cancelled { .. }, None) => Outcome::Declined(Decline::Cancelled),
            (Body::Burned { .. }, _) => Outcome::Declined(Decline::Burned),
            (_, Some(decline)) => Outcome::Declined(decline),
            (_, None) => Outcome::Applied,
        };
        let content = record.envelope.content;
        let now = match (&record.body, known, declined) {
            (Body::Cancelled { .. }, Some(known), Some(stands)) => Known { stands: Some(stands), ..known },
            (Body::Cancelled { .. }, Some(known), None) => {
                Known { record: number, outcome, balance, ..known }
            }
            _ => Known { content, record: number, outcome, balance, stands: None },
        };
        if known.is_none() {
            self.order.push((next, id.get()));
        }
        self.ids.entry(id.get()).or_default().set(next, now);
    }
}
