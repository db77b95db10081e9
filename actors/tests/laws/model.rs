//! What a wallet ought to do, once more, as naively as can be: plain lists and maps, whole contents
//! instead of hashes, numbers of the wire specification instead of the crate's own enums.

mod holds;

use std::collections::BTreeMap;

use actors::address::Tag;
use actors::answer::Verdict;
use actors::codes::Outcome;
use actors::command::{AskedLine, Command, Request};
use actors::festival::Role;
use ledger::ids::At;
use ledger::record::Tender;

use crate::world;

pub(crate) const APPLIED: u8 = 0;
pub(crate) const DECLINED: u8 = 1;
pub(crate) const REFUSED: u8 = 2;
pub(crate) const READ: u8 = 4;

/// Class and code, as they stand on the wire.
pub(crate) fn class_and_code(verdict: Verdict) -> (u8, u8) {
    match verdict {
        Verdict::Applied(Outcome::Applied) => (APPLIED, 0),
        Verdict::Applied(Outcome::Declined(decline)) => (APPLIED, decline.number()),
        Verdict::Declined(decline) => (DECLINED, decline.number()),
        Verdict::Refused(refusal) => (REFUSED, refusal.number()),
        Verdict::Unknown => (3, 192),
        Verdict::Balance => (READ, 128),
        Verdict::NeverSeen => (READ, 129),
    }
}

/// What is expected of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) class: u8,
    pub(crate) code: u8,
    /// Whether it leaves a record.
    pub(crate) records: bool,
    /// Position and balance in the answer.
    pub(crate) record: u64,
    pub(crate) balance: i64,
    /// Ids, codes, positions and balances of a statement, newest first.
    pub(crate) movements: Vec<(u64, u8, u64, i64)>,
}

/// What must be the same when an id is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Open,
    TopUp(Tender, i64),
    Purchase(Vec<(u32, u16, u32)>, i64),
    Void(u64),
    Hold(i64, u32),
    Capture(u64, Vec<(u32, u16, u32)>, i64),
    Release(u64),
    /// A burned id: whatever it would have been.
    Anything,
}

#[derive(Clone, Debug)]
struct Known {
    content: Content,
    till: u32,
    /// 0 applied, else the number of the decline.
    outcome: u8,
    /// What its cancel was declined with, once it was.
    stands: Option<u8>,
    record: u64,
    balance: i64,
    /// What a cancel or a void of it takes out of the purses (paid, bonus); puts back is negative.
    moved: [i64; 2],
    voided_by: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct Wallet {
    check: u64,
    open: bool,
    quarantined: bool,
    purses: [i64; 2],
    known: BTreeMap<u64, Known>,
    /// Ids in the order in which they were first remembered.
    order: Vec<u64>,
    /// Till, amount, second.
    last: Option<(u32, i64, i64)>,
    holds: Vec<holds::Hold>,
}

/// All wallets, and how many records there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    wallets: BTreeMap<u64, Wallet>,
    records: u64,
}

/// Done, declined with this code, or refused with this code.
enum Fresh {
    /// What it puts into the purses, and what of that taking it back would take out.
    Done {
        moved: [i64; 2],
        stands: [i64; 2],
    },
    Declined(u8),
    Refused(u8),
}

impl Model {
    /// No wallets, in a shard that has so many records.
    pub(crate) fn after(records: u64) -> Self {
        Self { records, ..Self::default() }
    }

    pub(crate) fn purses(&self, band: u32) -> Option<[i64; 3]> {
        let wallet = self.wallets.get(&world::tag(band).number.get())?;
        Some([wallet.purses[0], wallet.purses[1], 0])
    }

    pub(crate) fn quarantine(&mut self, band: u32, on: bool) {
        self.records += 1;
        if let Some(wallet) = self.wallets.get_mut(&world::tag(band).number.get()) {
            wallet.quarantined = on;
        }
    }

    /// What `request` should come to, at ledger time `at`; and the model after it.
    pub(crate) fn ask(&mut self, request: &Request, at: At, late: bool) -> Expected {
        if let Some(code) = self.at_the_door(request) {
            return refused(code);
        }
        let number = request.tag.number.get();
        let known = self.wallets.get(&number).and_then(|wallet| wallet.known.get(&request.id.get())).cloned();
        match (&request.command, known) {
            (Command::Cancel, known) => self.cancel(request, known),
            (Command::Balance, _) => self.balance(request),
            (Command::Lookup, Some(known)) => answer(known.outcome, &known),
            (Command::Lookup, None) => Expected { class: READ, code: 129, ..refused(0) },
            (_, Some(known)) => {
                let same = known.content == content(request) && known.till == till(request);
                if same || known.content == Content::Anything {
                    answer(known.outcome, &known)
                } else {
                    refused(73)
                }
            }
            (_, None) if late => refused(75),
            (_, None) => self.fresh(request, at),
        }
    }

    fn at_the_door(&self, request: &Request) -> Option<u8> {
        if request.festival != world::FESTIVAL {
            return Some(69);
        }
        if request.id.get() >> 40 != u64::from(request.device.get()) {
            return Some(67);
        }
        let wallet = self.wallets.get(&request.tag.number.get())?;
        if wallet.check != request.tag.check {
            return Some(78);
        }
        wallet.quarantined.then_some(83)
    }

    fn balance(&self, request: &Request) -> Expected {
        if roles(request).is_none() {
            return refused(65);
        }
        let Some(wallet) = self.wallets.get(&request.tag.number.get()).filter(|wallet| wallet.open) else {
            return refused(68);
        };
        let movement = |id: &u64| {
            let known = &wallet.known[id];
            (*id, known.outcome, known.record, known.balance)
        };
        let movements = wallet.order.iter().rev().take(8).map(movement).collect();
        Expected { class: READ, code: 128, balance: total(wallet), movements, ..refused(0) }
    }

    fn fresh(&mut self, request: &Request, at: At) -> Expected {
        let wallet = self.wallets.get(&request.tag.number.get()).cloned().unwrap_or_default();
        let fresh = match judge(&wallet, request, at) {
            Fresh::Refused(code) => return refused(code),
            fresh => fresh,
        };
        let wallet = self.wallet(request.tag);
        if let Fresh::Done { moved, .. } = fresh {
            take_effect(wallet, request, moved, at);
        }
        let (outcome, moved) = match fresh {
            Fresh::Done { stands, .. } => (0, stands),
            Fresh::Declined(code) | Fresh::Refused(code) => (code, [0; 2]),
        };
        self.remember(request, content(request), outcome, moved)
    }

    fn wallet(&mut self, tag: Tag) -> &mut Wallet {
        let fresh = Wallet { check: tag.check, ..Wallet::default() };
        self.wallets.entry(tag.number.get()).or_insert(fresh)
    }

    fn remember(&mut self, request: &Request, content: Content, outcome: u8, moved: [i64; 2]) -> Expected {
        let record = self.records;
        self.records += 1;
        let wallet = self.wallet(request.tag);
        let balance = total(wallet);
        let known = Known {
            content,
            till: till(request),
            outcome,
            stands: None,
            record,
            balance,
            moved,
            voided_by: None,
        };
        let expected = Expected { records: true, ..answer(outcome, &known) };
        wallet.known.insert(request.id.get(), known);
        wallet.order.push(request.id.get());
        expected
    }

    fn cancel(&mut self, request: &Request, known: Option<Known>) -> Expected {
        if roles(request).is_none() {
            return refused(65);
        }
        let Some(known) = known else {
            let burned = self.remember(request, Content::Anything, 5, [0; 2]);
            return Expected { class: APPLIED, ..burned };
        };
        match (known.outcome, known.stands) {
            (0, None) => self.cancel_applied(request, &known),
            (0, Some(code)) => Expected { class: DECLINED, code, ..answer(0, &known) },
            (code, _) => Expected { class: APPLIED, code, ..answer(code, &known) },
        }
    }

    fn cancel_applied(&mut self, request: &Request, known: &Known) -> Expected {
        let id = request.id.get();
        let record = self.records;
        self.records += 1;
        let wallet = self.wallet(request.tag);
        let others = wallet.known.iter().any(|(other, known)| *other != id && known.outcome == 0);
        let after = [wallet.purses[0] - known.moved[0], wallet.purses[1] - known.moved[1]];
        let no = if known.voided_by.is_some() {
            Some(9)
        } else if holds::cannot_be_undone(wallet, id, &known.content) {
            Some(22)
        } else if known.content == Content::Open && others {
            Some(12)
        } else if after[0] < 0 || after[1] < 0 {
            Some(10)
        } else {
            None
        };
        if let Some(code) = no {
            wallet.known.get_mut(&id).unwrap().stands = Some(code);
            return Expected { class: DECLINED, code, records: true, ..answer(0, known) };
        }
        wallet.purses = after;
        match &known.content {
            Content::Open => wallet.open = false,
            Content::Purchase(_, amount) | Content::Capture(_, _, amount) => forget(wallet, *amount),
            Content::Hold(..) => wallet.holds.retain(|hold| hold.id != id),
            Content::Void(sale) => wallet.known.get_mut(sale).unwrap().voided_by = None,
            Content::TopUp(..) | Content::Release(_) | Content::Anything => {}
        }
        let balance = total(wallet);
        let entry = wallet.known.get_mut(&id).unwrap();
        (entry.outcome, entry.record, entry.balance) = (4, record, balance);
        Expected { class: APPLIED, code: 4, records: true, ..answer(4, entry) }
    }
}

fn judge(wallet: &Wallet, request: &Request, at: At) -> Fresh {
    let Some(roles) = roles(request) else { return Fresh::Refused(65) };
    if request.mode.offline || request.mode.training || request.replaces.is_some() {
        return Fresh::Refused(79);
    }
    if !wallet.open && request.command != Command::Open {
        return Fresh::Refused(68);
    }
    match &request.command {
        Command::Open if !roles.contains(&Role::Pair) => Fresh::Refused(66),
        Command::Open if foreign_till(request) => Fresh::Refused(80),
        Command::Open if wallet.open => Fresh::Declined(8),
        Command::TopUp { tender, amount } => judge_top_up(wallet, request, roles, *tender, *amount),
        Command::Purchase { .. } => judge_purchase(wallet, request, roles, at),
        Command::Void { sale } => judge_void(wallet, request, roles, sale.get()),
        Command::Authorise { amount, seconds } => {
            holds::judge_authorise(wallet, request, roles, *amount, *seconds)
        }
        Command::Capture { hold, lines, amount } => {
            holds::judge_capture(wallet, request, roles, hold.get(), lines, *amount)
        }
        Command::ReleaseHold { hold } => holds::judge_release(wallet, request, roles, hold.get()),
        _ => done([0; 2]),
    }
}

fn judge_top_up(wallet: &Wallet, request: &Request, roles: &[Role], tender: Tender, amount: i64) -> Fresh {
    let (role, moved) = match tender {
        Tender::Cash => (Role::TopUp, [amount, 0]),
        Tender::Bonus => (Role::Supervise, [0, amount]),
    };
    if !roles.contains(&role) {
        Fresh::Refused(66)
    } else if request.till != world::till_of(request.device.get()) {
        Fresh::Refused(80)
    } else if amount <= 0 {
        Fresh::Refused(71)
    } else if amount < world::TOP_UP_MIN {
        Fresh::Refused(84)
    } else if amount > world::TOP_UP_MAX {
        Fresh::Refused(72)
    } else if total(wallet) + wallet.held() + amount > world::CAP {
        Fresh::Declined(2)
    } else {
        done(moved)
    }
}

fn judge_purchase(wallet: &Wallet, request: &Request, roles: &[Role], at: At) -> Fresh {
    let Command::Purchase { lines, amount, confirmed } = &request.command else { unreachable!() };
    if !roles.contains(&Role::Sell) {
        return Fresh::Refused(66);
    }
    if request.till != world::till_of(request.device.get()) {
        return Fresh::Refused(80);
    }
    if let Some(code) = wrong_lines(request, lines, *amount) {
        return Fresh::Refused(code);
    }
    let sum = *amount;
    if let Some((last_till, last_amount, second)) = wallet.last
        && !confirmed
        && (last_till, last_amount) == (till(request), sum)
        && at.0 / 1_000_000 - second < i64::from(world::WINDOW_SECONDS)
    {
        return Fresh::Declined(3);
    }
    // Bonus money first, as the test festival says.
    let bonus = sum.min(wallet.purses[1]);
    if sum - bonus > wallet.purses[0] {
        return Fresh::Declined(1);
    }
    done([bonus - sum, -bonus])
}

/// What is wrong with the lines of a sale.
fn wrong_lines(request: &Request, lines: &[AskedLine], amount: i64) -> Option<u8> {
    if lines.len() > 64 {
        return Some(81);
    }
    let vendor = vendor(request);
    for line in lines {
        let item = (line.item, vendor, line.unit_price);
        if !world::ITEMS.iter().any(|known| (known.0, known.1, known.2) == item) {
            return Some(70);
        }
        if line.quantity == 0 {
            return Some(71);
        }
    }
    let sum: i64 = lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum();
    if sum != amount {
        return Some(82);
    }
    if sum <= 0 {
        return Some(71);
    }
    (sum > world::LARGEST).then_some(72)
}

/// Whose the request's till is; 0 of a desk.
fn vendor(request: &Request) -> u32 {
    world::TILLS.iter().find(|known| known.0 == till(request)).map_or(0, |known| known.1)
}

/// It takes effect, and all it moves can be taken back.
fn done(moved: [i64; 2]) -> Fresh {
    Fresh::Done { moved, stands: moved }
}

fn judge_void(wallet: &Wallet, request: &Request, roles: &[Role], sale: u64) -> Fresh {
    if !roles.contains(&Role::Refund) {
        return Fresh::Refused(66);
    }
    if foreign_till(request) {
        return Fresh::Refused(80);
    }
    if request.operator.is_none() {
        return Fresh::Refused(77);
    }
    let applied = wallet.known.get(&sale).filter(|known| known.outcome == 0);
    match applied {
        Some(known) if known.voided_by.is_some() => Fresh::Declined(9),
        Some(Known { content: Content::Purchase(..) | Content::Capture(..), moved, .. }) => {
            done([-moved[0], -moved[1]])
        }
        _ => Fresh::Declined(11),
    }
}

fn take_effect(wallet: &mut Wallet, request: &Request, moved: [i64; 2], at: At) {
    wallet.purses = [wallet.purses[0] + moved[0], wallet.purses[1] + moved[1]];
    match &request.command {
        Command::Open => wallet.open = true,
        Command::Purchase { amount, .. } => {
            wallet.last = Some((till(request), *amount, at.0 / 1_000_000));
        }
        Command::Void { sale } => {
            let sale = wallet.known.get_mut(&sale.get()).unwrap();
            sale.voided_by = Some(request.id.get());
            let (Content::Purchase(_, amount) | Content::Capture(_, _, amount)) = sale.content else {
                unreachable!()
            };
            forget(wallet, amount);
        }
        _ => holds::take_effect(wallet, request, moved, at),
    }
}

fn forget(wallet: &mut Wallet, amount: i64) {
    if wallet.last.is_some_and(|(_, last, _)| last == amount) {
        wallet.last = None;
    }
}

fn roles(request: &Request) -> Option<&'static [Role]> {
    world::DEVICES.iter().find(|known| known.0 == request.device.get()).map(|known| known.2)
}

fn foreign_till(request: &Request) -> bool {
    request.till.is_some() && request.till != world::till_of(request.device.get())
}

fn till(request: &Request) -> u32 {
    request.till.map_or(0, ledger::ids::TillId::get)
}

fn content(request: &Request) -> Content {
    match &request.command {
        Command::Open => Content::Open,
        Command::TopUp { tender, amount } => Content::TopUp(*tender, *amount),
        Command::Purchase { lines, amount, .. } => Content::Purchase(plain(lines), *amount),
        Command::Authorise { amount, seconds } => Content::Hold(*amount, *seconds),
        Command::Capture { hold, lines, amount } => Content::Capture(hold.get(), plain(lines), *amount),
        Command::ReleaseHold { hold } => Content::Release(hold.get()),
        Command::Void { sale } => Content::Void(sale.get()),
        Command::Transfer { .. } | Command::Pair { .. } | Command::BlockTag | Command::UnblockTag => {
            panic!(
                "the programs of this model have one shard and its wallets one tag: see mail.rs and tags.rs"
            )
        }
        Command::SetAllowance { .. } => panic!("the programs of this model allow nothing: see allowances.rs"),
        Command::PayOut { .. } => panic!("the programs of this model pay nobody out: see office.rs"),
        Command::StageConfiguration { .. } | Command::AdoptConfiguration { .. } => {
            panic!("the programs of this model change no configuration: see festival_office.rs")
        }
        Command::Balance | Command::Cancel | Command::Lookup => Content::Anything,
    }
}

fn plain(lines: &[AskedLine]) -> Vec<(u32, u16, u32)> {
    lines.iter().map(|line| (line.item, line.quantity, line.unit_price)).collect()
}

fn total(wallet: &Wallet) -> i64 {
    wallet.purses[0] + wallet.purses[1]
}

fn answer(outcome: u8, known: &Known) -> Expected {
    let class = if outcome == 0 { APPLIED } else { DECLINED };
    let Known { record, balance, .. } = *known;
    Expected { class, code: outcome, records: false, record, balance, movements: Vec::new() }
}

fn refused(code: u8) -> Expected {
    Expected { class: REFUSED, code, records: false, record: 0, balance: 0, movements: Vec::new() }
}
