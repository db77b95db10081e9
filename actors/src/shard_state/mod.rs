//! All actors of one shard, as plain state. Actors are reached by address and message only: no
//! public function hands out their state to be changed. [`ShardState::decide`] reads,
//! [`ShardState::apply`] is the only thing that writes.

mod allowance;
mod apply;
mod configuration;
mod digest;
mod due;
mod isolation;
mod refunds;
mod spreading;
mod tags;
mod timers;

pub use configuration::Adopted;
pub(crate) use configuration::Configuration;
pub use refunds::Refunds;
pub use timers::Timer;

use std::sync::Arc;

use ledger::account::{Account, AccountKind};
use ledger::ids::{At, DeviceNumber, Epoch, Office, RecordNumber, ShardId, VendorId, Version, WalletNumber};
use ledger::money::{BALANCE_LIMIT, Currency};
use ledger::mutant::{self, Mutant};
use ledger::record::{Genesis, Prologue, Record};

use crate::answer::{Answer, Movement, Statement, Verdict};
use crate::channels::Channels;
use crate::codes::{Decline, Outcome, Refusal};
use crate::command::{Command, Request};
use crate::festival::{self, Device, Festival, Role, Till};
use crate::office;
use crate::stripes::Stripes;
use crate::tag::{self, Standing, Tags};
use crate::wallet::{self, Allowances, Holds, Memory, RememberedEntry, Slots, Terms, Wallet};

/// A record handed in so that an actor can decide on what its state no longer holds.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Where it was fetched from.
    pub position: RecordNumber,
    /// What stands there.
    pub record: &'a Record,
}

/// What the shard hands to [`ShardState::decide`]: everything that is not the actors' state.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Ledger time of the decision: `max(last at of the shard, clock)`.
    pub at: At,
    /// The request's sender no longer waits.
    pub late: bool,
    /// What was fetched for it.
    pub evidence: Option<Evidence<'a>>,
}

/// What an actor sees when it decides: time and evidence handed in, the adopted configuration.
pub(crate) struct Context<'a> {
    pub(crate) at: At,
    pub(crate) festival: &'a Festival,
    /// Versions of configuration, catalogue and policy; all three move together until they are
    /// adopted apart.
    pub(crate) versions: (Option<Version>, Option<Version>, Option<Version>),
    /// The shard, and how many there are.
    pub(crate) shard: ShardId,
    pub(crate) shards: u16,
    pub(crate) channels: &'a Channels,
    /// Tags given away, and further tags of wallets.
    pub(crate) tags: &'a Tags,
    /// What the request's tag may do.
    pub(crate) standing: Standing,
    pub(crate) holds: &'a Holds,
    /// The request's device; `None` if it is not of this festival.
    pub(crate) device: Option<&'a Device>,
    evidence: Option<Evidence<'a>>,
}

impl<'a> Context<'a> {
    /// Whether the request's device may act in `role`. A device not of this festival may nothing.
    pub(crate) fn device_may(&self, role: Role) -> bool {
        self.device.is_some_and(|device| device.roles.has(role) || mutant::on(Mutant::RoleUnchecked))
    }

    /// The till of the request, if it is the one its device is assigned to.
    pub(crate) fn till_of(&self, request: &Request) -> Option<&'a Till> {
        let till = self.festival.till(self.device?.till)?;
        (request.till == Some(till.id)).then_some(till)
    }

    /// Whether the request names no till, or the one its device is assigned to: a record must not
    /// name a till that the device never stood at.
    pub(crate) fn till_fits(&self, request: &Request) -> bool {
        request.till.is_none() || self.till_of(request).is_some()
    }

    /// The evidence, if it was fetched from the position that the state names.
    pub(crate) fn evidence_at(&self, position: RecordNumber) -> Option<&'a Record> {
        let evidence = self.evidence.filter(|evidence| evidence.position == position);
        evidence.map(|evidence| evidence.record)
    }
}

/// How far ahead of its decision a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Two slices.
    Far,
    /// One slice.
    Near,
    /// It is decided next.
    Next,
}

/// What the shard is to do about a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Something happened, or a decided no: apply it, make it durable, then answer.
    Record(Box<Record>),
    /// Nothing new: the answer is known (a retry, a refusal, a read).
    Answer(Answer),
    /// A balance with its last movements.
    Statement(Box<Statement>),
    /// Fetch the record at this position and ask again with it as evidence.
    Evidence(RecordNumber),
    /// Another actor is to be asked: the wallet that the tag was given to; or, if the wallet that was asked
    /// does not know the tag, the tag itself.
    Elsewhere(WalletNumber),
}

/// All actors of one shard.
#[derive(Clone, Debug)]
pub struct ShardState {
    shard: ShardId,
    genesis: Option<Genesis>,
    epoch: Epoch,
    last_at: At,
    next_record: RecordNumber,
    configuration: Configuration,
    spreading: Option<spreading::Spreading>,
    slots: Slots,
    memory: Memory,
    refunds: Refunds,
    holds: Holds,
    allowances: Allowances,
    timers: timers::Timers<due::Task>,
    stripes: Stripes,
    channels: Channels,
    tags: Tags,
}

impl ShardState {
    /// A shard in which nothing has happened yet.
    pub fn new(shard: ShardId) -> Self {
        Self {
            shard,
            genesis: None,
            epoch: Epoch(0),
            last_at: At(i64::MIN),
            next_record: RecordNumber(0),
            configuration: Configuration::default(),
            spreading: None,
            slots: Slots::default(),
            memory: Memory::default(),
            refunds: Refunds::default(),
            holds: Holds::default(),
            allowances: Allowances::default(),
            timers: timers::Timers::default(),
            stripes: Stripes::default(),
            channels: Channels::default(),
            tags: Tags::default(),
        }
    }

    /// The shard.
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// What block 0 says; `None` before it.
    pub const fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_ref()
    }

    /// The last start recorded.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the record that is applied next.
    pub const fn next_record(&self) -> RecordNumber {
        self.next_record
    }

    /// How many wallets came into being.
    pub fn wallets(&self) -> usize {
        self.slots.len()
    }

    /// The configuration in force.
    pub fn adopted(&self) -> Option<&Adopted> {
        self.configuration.adopted()
    }

    /// Lets this shard share an equal configuration that another shard already holds.
    pub fn share_configuration(&mut self, shared: &mut Option<Arc<Festival>>) {
        self.configuration.share(shared);
    }

    /// Ledger time of the last record.
    pub const fn last_at(&self) -> At {
        self.last_at
    }

    /// Ledger time of a decision when the clock shows `clock`: it never falls within a shard.
    pub fn ledger_time(&self, clock: At) -> At {
        if mutant::on(Mutant::TimeFalls) { clock } else { clock.max(self.last_at) }
    }

    /// What the records of a block begun at `at` share.
    pub fn prologue(&self, at: At) -> Prologue {
        let version = self.configuration.version();
        let currency = self.adopted().map_or(Currency::EUR, |adopted| adopted.festival.currency);
        Prologue { base: at, configuration: version, catalogue: version, policy: version, currency }
    }

    /// The highest counter this shard saw from a device.
    pub fn highest_counter(&self, device: DeviceNumber) -> u64 {
        self.memory.highest_counter(device)
    }

    /// The balances of a wallet, for statements and tests; `None` if it never came into being.
    pub fn balances(&self, number: WalletNumber) -> Option<wallet::Balances> {
        self.slots.find(number).map(|slot| self.slots.at(slot).balances())
    }

    /// What the home account of a vendor holds, for `explain`; `None` for the number of no vendor's office.
    pub fn home_of(&self, office: WalletNumber) -> Option<i64> {
        match Office::of(office) {
            Some(Office::Vendor(vendor)) => Some(self.home(vendor)),
            Some(Office::Festival(_)) | None => None,
        }
    }

    /// Whether a wallet is quarantined; `None` if it never came into being.
    pub fn is_quarantined(&self, number: WalletNumber) -> Option<bool> {
        self.wallet_of(number).map(Wallet::is_quarantined)
    }

    /// This shard's stripes in the order of their accounts, for the auditor; nothing is decided on
    /// them.
    pub fn stripes(&self) -> Vec<(Account, i64)> {
        self.stripes.sorted()
    }

    /// The channels to and from other shards.
    pub const fn channels(&self) -> &Channels {
        &self.channels
    }

    /// What the wallets of this shard hold for sales to come.
    pub(crate) const fn holds(&self) -> &Holds {
        &self.holds
    }

    /// Minor units that a wallet holds for sales to come, for statements of totals and tests.
    pub fn held(&self, number: WalletNumber) -> i64 {
        self.holds.held(number.get())
    }

    /// The stripe of the next vendor after `after`.
    pub(crate) fn next_stripe(&self, after: Option<VendorId>) -> Option<(VendorId, Currency, i64)> {
        self.stripes.next_vendor(after)
    }

    /// The wallet of this number, opened or not.
    pub(crate) fn wallet_of(&self, number: WalletNumber) -> Option<&Wallet> {
        self.slots.find(number).map(|slot| self.slots.at(slot))
    }

    /// What an actor holds: a wallet its purses, a vendor's office the vendor's home.
    #[inline]
    fn held_by(&self, wallet: &Wallet) -> i64 {
        match WalletNumber::new(wallet.number).and_then(Office::of) {
            None => wallet.balances().total(),
            Some(Office::Vendor(vendor)) => self.home(vendor),
            Some(Office::Festival(_)) => 0,
        }
    }

    /// What the home account of `vendor` holds, in the shard where it lies. Up to what an answer has
    /// room for: 5 billion of the currency.
    fn home(&self, vendor: VendorId) -> i64 {
        let currency = self.adopted().map_or(Currency::EUR, |adopted| adopted.festival.currency);
        let home = Account::new(AccountKind::VendorHome, vendor.get().into(), currency);
        self.stripes.held(&home).min(BALANCE_LIMIT - 1)
    }

    /// The first of three steps towards a wallet, each of which asks the processor for the lines that the
    /// next one reads: where its slot is written down.
    #[inline]
    pub(crate) fn prefetch_index(&self, number: WalletNumber) {
        self.slots.prefetch_index(number);
    }

    /// The second step: the wallet itself.
    #[inline]
    pub(crate) fn prefetch_slot(&self, number: WalletNumber) {
        if let Some(slot) = self.slots.guess(number) {
            crate::prefetch::soon(self.slots.at(slot));
        }
    }

    /// The third step: what the wallet remembers.
    #[inline]
    pub(crate) fn prefetch_memory(&self, number: WalletNumber) {
        if let Some(slot) = self.slots.guess(number) {
            self.memory.prefetch(self.slots.at(slot));
        }
    }

    /// The same three steps towards everything that deciding about a request reads.
    #[inline]
    pub fn prefetch(&self, ahead: Ahead, request: &Request) {
        let Some(adopted) = self.configuration.adopted() else { return };
        let (festival, actor) = (&adopted.festival, request.actor());
        match ahead {
            Ahead::Far => {
                self.prefetch_index(actor);
                festival.prefetch_index(request.device);
            }
            Ahead::Near => {
                self.prefetch_slot(actor);
                self.memory.prefetch_highest(request.id);
                festival.prefetch_device(request.device, request.till);
            }
            Ahead::Next => {
                self.prefetch_memory(actor);
                festival.prefetch_till(request.till);
            }
        }
    }

    /// What the addressed actor makes of `request`. Reads and changes nothing.
    pub fn decide(&self, now: &Now<'_>, request: &Request) -> Decision {
        mutant::trip(request.tag_counter, mutant::POISON_DECIDE);
        match self.consider(now, request) {
            Ok(decision) => decision,
            Err(refusal) => Decision::Answer(Answer::refused(request, self.shard, refusal)),
        }
    }

    fn consider(&self, now: &Now<'_>, request: &Request) -> Result<Decision, Refusal> {
        let adopted = self.adopted().ok_or(Refusal::WrongFestival)?;
        if adopted.festival.id != request.festival {
            return Err(Refusal::WrongFestival);
        }
        let own_id = request.id.device() == Some(request.device) || mutant::on(Mutant::CancelFromAnyDevice);
        if !own_id {
            return Err(Refusal::NotYourId);
        }
        // Before anything is looked up: whoever has a stolen device is not to learn a balance by it.
        let device = adopted.festival.device(request.device);
        if device.is_some_and(|device| device.revoked) {
            return Err(Refusal::DeviceRevoked);
        }
        if let Some(elsewhere) = self.not_its_wallet(request) {
            return Ok(Decision::Elsewhere(elsewhere));
        }
        let wallet = self.wallet(request)?;
        let known = wallet.and_then(|wallet| self.memory.find(wallet, request.id));
        if let Some(elsewhere) = self.given_to(request, wallet, known.is_some()) {
            return Ok(Decision::Elsewhere(elsewhere));
        }
        let versions = [Some(adopted.version); 3].into();
        let cx = Context {
            at: now.at,
            festival: &adopted.festival,
            versions,
            shard: self.shard,
            shards: self.genesis.map_or(1, |genesis| genesis.shards),
            channels: &self.channels,
            tags: &self.tags,
            standing: wallet.and_then(|own| self.standing(own, request.tag.number)).unwrap_or_default(),
            holds: &self.holds,
            device,
            evidence: now.evidence,
        };
        let decided = match (&request.command, known) {
            (Command::Cancel, _) => self.cancel(&cx, wallet, request),
            (Command::Lookup, known) => Ok(Decision::Answer(self.looked_up(request, known.map(|(_, e)| e)))),
            (Command::Balance, _) => self.balance(&cx, wallet, request),
            (_, Some((_, entry))) if !mutant::on(Mutant::KnownIdDecidedAgain) => self.again(request, &entry),
            _ if now.late => Err(Refusal::Late),
            _ => self.fresh(&cx, wallet, request),
        };
        isolation::judge(device, request, &decided);
        decided
    }

    /// The wallet that the request's tag names, checked to be that very tag and of its festival.
    fn wallet(&self, request: &Request) -> Result<Option<&Wallet>, Refusal> {
        let number = request.actor();
        let Some(slot) = self.slots.find(number) else {
            let other = Office::of(number).is_some_and(|office| office::tag(office) != request.tag);
            return if other { Err(Refusal::TagCollision) } else { Ok(None) };
        };
        let wallet = self.slots.at(slot);
        let further = request.wallet.and_then(|number| self.tags.further(number, request.tag.number));
        let check = further.map_or(wallet.check, |further| further.check);
        if check != request.tag.check && !mutant::on(Mutant::TagUnchecked) {
            return Err(Refusal::TagCollision);
        }
        if wallet.is_open() && wallet.festival() != request.festival {
            return Err(Refusal::WrongFestival);
        }
        if wallet.is_quarantined() {
            return Err(Refusal::Quarantined);
        }
        Ok(Some(wallet))
    }

    /// L4: the first answer again, or a refusal if the content is another.
    fn again(&self, request: &Request, entry: &RememberedEntry) -> Result<Decision, Refusal> {
        let closed = matches!(entry.outcome, Outcome::Declined(Decline::Burned));
        if entry.content != request.content && !closed && !mutant::on(Mutant::ContentUnchecked) {
            return Err(Refusal::IdReused);
        }
        Ok(Decision::Answer(self.remembered(request, entry)))
    }

    fn remembered(&self, request: &Request, entry: &RememberedEntry) -> Answer {
        let verdict = match entry.outcome {
            Outcome::Applied => Verdict::Applied(Outcome::Applied),
            Outcome::Declined(decline) => Verdict::Declined(decline),
        };
        self.answer(request, verdict, entry.record, entry.balance)
    }

    fn answer(&self, request: &Request, verdict: Verdict, record: RecordNumber, balance: i64) -> Answer {
        let command = request.command.number();
        Answer { id: request.id, command, verdict, shard: self.shard, record, balance }
    }

    fn looked_up(&self, request: &Request, known: Option<RememberedEntry>) -> Answer {
        match known {
            Some(entry) => self.remembered(request, &entry),
            None => self.answer(request, Verdict::NeverSeen, RecordNumber(0), 0),
        }
    }

    fn balance(
        &self,
        cx: &Context<'_>,
        wallet: Option<&Wallet>,
        request: &Request,
    ) -> Result<Decision, Refusal> {
        if cx.device.is_none() {
            return Err(Refusal::Unauthenticated);
        }
        let total = match office::vendor_of(cx.festival, request) {
            Some(_) if !cx.device_may(Role::Administer) => return Err(Refusal::NotYourRole),
            Some(vendor) => self.home(vendor),
            None => wallet.filter(|wallet| wallet.is_open()).ok_or(Refusal::UnknownTag)?.balances().total(),
        };
        let answer = self.answer(request, Verdict::Balance, RecordNumber(0), total);
        let movement = |entry: RememberedEntry| Movement {
            id: entry.id,
            outcome: entry.outcome,
            record: entry.record,
            balance: entry.balance,
        };
        let newest = wallet.into_iter().flat_map(|wallet| self.memory.newest_first(wallet));
        let movements = newest.take(Statement::MOVEMENTS).map(movement).collect();
        Ok(Decision::Statement(Box::new(Statement { answer, movements })))
    }

    fn cancel(
        &self,
        cx: &Context<'_>,
        wallet: Option<&Wallet>,
        request: &Request,
    ) -> Result<Decision, Refusal> {
        if cx.device.is_none() {
            return Err(Refusal::Unauthenticated);
        }
        // What a configuration did cannot be undone, only followed by another.
        if let Some(Office::Festival(_)) = Office::of(request.tag.number.as_wallet()) {
            return Err(Refusal::Unsupported);
        }
        let verdict = wallet::cancel(cx, wallet, &self.memory, &self.refunds, request);
        if let wallet::Verdict::Stands = verdict {
            let known = wallet.and_then(|wallet| self.memory.find(wallet, request.id));
            let (_, entry) = known.ok_or(Refusal::Internal)?;
            return Ok(Decision::Answer(self.given_up(request, &entry)));
        }
        Self::decision(verdict)
    }

    /// The answer to a cancel, the first and every later one: what the id's outcome is now; or, if
    /// it stands, why, with the position and balance of what stands.
    fn given_up(&self, request: &Request, entry: &RememberedEntry) -> Answer {
        let verdict = entry.stands.map_or(Verdict::Applied(entry.outcome), Verdict::Declined);
        self.answer(request, verdict, entry.record, entry.balance)
    }

    /// A request never seen on this wallet.
    fn fresh(
        &self,
        cx: &Context<'_>,
        wallet: Option<&Wallet>,
        request: &Request,
    ) -> Result<Decision, Refusal> {
        cx.device.ok_or(Refusal::Unauthenticated)?;
        if request.mode != ledger::record::Mode::default() || request.replaces.is_some() {
            return Err(Refusal::Unsupported);
        }
        match &request.command {
            Command::PayOut { amount } => {
                let held = office::vendor_of(cx.festival, request).map(|vendor| (vendor, self.home(vendor)));
                return Self::decision(office::pay_out(cx, request, held, *amount));
            }
            Command::Open => return Self::decision(wallet::open(cx, wallet, request)),
            Command::Pair { wallet: to, replaces } => {
                return Self::decision(tag::pair(cx, wallet, request, *to, *replaces));
            }
            Command::StageConfiguration { version, part, bytes } => {
                return Self::decision(festival::stage(cx, request, *version, *part, bytes));
            }
            Command::AdoptConfiguration { version, parts, hash } => {
                let order = (*version, *parts, *hash);
                return Self::decision(festival::adopt(cx, &self.configuration, request, order));
            }
            _ => {}
        }
        let wallet = wallet.filter(|wallet| wallet.is_open()).ok_or(Refusal::UnknownTag)?;
        let verdict = match &request.command {
            Command::TopUp { tender, amount } => wallet::top_up(cx, wallet, request, *tender, *amount),
            Command::Purchase { lines, amount, confirmed } => {
                wallet::purchase(cx, wallet, request, lines, *amount, *confirmed)
            }
            Command::Void { sale } => wallet::void(cx, wallet, &self.memory, &self.refunds, request, *sale),
            Command::Transfer { payee, amount } => wallet::transfer(cx, wallet, request, *payee, *amount),
            Command::SetAllowance { child, target, mark } => {
                let terms = Terms { child: *child, target: *target, mark: *mark };
                wallet::set_allowance(cx, &self.allowances, wallet, request, terms)
            }
            Command::BlockTag => tag::set(cx, request, true),
            Command::UnblockTag => tag::set(cx, request, false),
            Command::Authorise { amount, seconds } => {
                wallet::authorise(cx, wallet, request, *amount, *seconds)
            }
            Command::Capture { hold, lines, amount } => {
                wallet::capture(cx, wallet, &self.memory, request, *hold, lines, *amount)
            }
            Command::ReleaseHold { hold } => wallet::release_hold(cx, wallet, &self.memory, request, *hold),
            Command::Open
            | Command::PayOut { .. }
            | Command::Pair { .. }
            | Command::StageConfiguration { .. }
            | Command::AdoptConfiguration { .. }
            | Command::Balance
            | Command::Cancel
            | Command::Lookup => Refusal::Unsupported.into(),
        };
        Self::decision(match verdict {
            wallet::Verdict::Record(mut record) => {
                self.ask_for_more(cx, wallet, &mut record);
                wallet::Verdict::Record(record)
            }
            other => other,
        })
    }

    fn decision(verdict: wallet::Verdict) -> Result<Decision, Refusal> {
        match verdict {
            wallet::Verdict::Record(record) => Ok(Decision::Record(record)),
            wallet::Verdict::Refused(refusal) => Err(refusal),
            wallet::Verdict::Evidence(position) => Ok(Decision::Evidence(position)),
            wallet::Verdict::Stands => Err(Refusal::Internal),
        }
    }

    /// The answer to the request whose record was just applied under `number`.
    pub fn answer_of(&self, request: &Request, record: &Record, number: RecordNumber) -> Answer {
        let wallet = self.slots.find(request.actor()).map(|slot| self.slots.at(slot));
        if let (Command::Cancel, Some(wallet)) = (&request.command, wallet)
            && let Some((_, entry)) = self.memory.find(wallet, request.id)
        {
            return self.given_up(request, &entry);
        }
        let balance = wallet.map_or(0, |wallet| self.held_by(wallet));
        let verdict = match record.decline.and_then(Decline::from_record) {
            None => Verdict::Applied(Outcome::Applied),
            Some(decline) => Verdict::Declined(decline),
        };
        self.answer(request, verdict, number, balance)
    }
}
