//! The terminals: several devices with several roles, each request through any door, again, out of
//! order, too late, given up, with something wrong about it. They keep what they asked for and
//! whether they know its end; they never look into the server.

mod bands;

use std::collections::BTreeMap;
use std::rc::Rc;

use actors::address::{Keys, Tag};
use actors::command::{Command, Request};
use actors::festival::Role;
use engine::job::{Lane, Mono};
use engine::limits::MAILBOX_JOBS;
use fastrand::Rng;
use ledger::ids::{DeviceNumber, FestivalId, RequestId, ShardId, TillId, WalletNumber};
use ledger::mutant::{
    POISON_APPLY, POISON_BOTH_WAYS, POISON_DECIDE, POISON_GIVE_BACK, POISON_RECEIVE, POISON_REPLAY,
    POISON_TAKE,
};
use ledger::record::Tender;

use super::board::{Board, sum};
use super::fixture::{self, STRANGER};
use super::plan::Plan;
use super::tally::{Row, Tally};
use bands::Drawer;

/// A copy of a request on its way.
#[derive(Clone, Debug)]
pub struct Letter {
    /// What is asked.
    pub request: Rc<Request>,
    /// When its sender stops waiting.
    pub deadline: Option<Mono>,
    /// Whether somebody stands at the bar.
    pub lane: Lane,
}

/// Something a client wants done.
#[derive(Clone, Debug)]
struct Wish {
    request: Rc<Request>,
    /// It knows the end of it.
    settled: bool,
    sent: bool,
}

/// All clients.
pub struct Clients {
    keys: Keys,
    /// What wallets are opened with.
    tags: Vec<Tag>,
    drawer: Drawer,
    counters: BTreeMap<u32, u64>,
    wishes: Vec<Wish>,
    /// Wishes by wallet, id and command: the same thing may be wished for again.
    by_id: BTreeMap<(u64, u64, u8), Vec<usize>>,
    /// What they know of the festival.
    pub(super) board: Board,
}

/// Requests of one wristband in a burst upon a shard: fewer than an actor may have waiting.
const CRUSH_OF_EACH: usize = 60;

/// Devices that sell.
const SELLERS: [u32; 4] = [1, 2, 3, 6];

/// Out of 1,000 requests to the shard that stops in a run, ones whose records panic where they are read back, or where
/// they are applied.
const STOPPERS: u32 = 60;

/// How far back a client's memory goes when it repeats something.
const RECENT: usize = 60;

impl Clients {
    /// Clients with the wristbands of a plan at a festival.
    pub fn new(plan: &Plan, board: Board) -> Self {
        let keys = fixture::keys();
        let tags = (0..plan.bands).map(|band| fixture::first(&keys, band)).collect();
        let (counters, by_id) = (BTreeMap::new(), BTreeMap::new());
        Self { keys, tags, drawer: Drawer::new(plan), counters, wishes: Vec::new(), by_id, board }
    }

    /// The next copy of a request that somebody sends.
    pub fn next(&mut self, rng: &mut Rng, plan: &Plan, now: Mono, tally: &mut Tally) -> Letter {
        let request = match rng.u32(0..100) {
            _ if let Some(next) = self.drawer.next() => Some(next),
            0..4 if plan.about_bands > 0 => self.by_an_old_band(rng, tally),
            0..20 => self.again(rng, tally),
            20..29 => self.give_up(rng, tally),
            29..36 => self.look_up(rng, tally),
            36..44 => self.read(rng, tally),
            44..48 => self.reuse(rng, tally),
            _ => None,
        };
        let request = request.unwrap_or_else(|| self.fresh(rng, plan, tally));
        let patience = match rng.u32(0..100) {
            0..4 => Some(rng.u64(0..3_000)),
            4..20 => Some(rng.u64(1_000_000..5_000_000)),
            _ => None,
        };
        let deadline = patience.map(|patience| Mono(now.0 + patience));
        let lane = if rng.u8(0..5) == 0 { Lane::Backlog } else { Lane::Live };
        Letter { request, deadline, lane }
    }

    /// A request of a script.
    pub fn ask(&mut self, device: u32, counter: u64, tag: Tag, command: Command) -> Option<Letter> {
        let request = self.build(device, counter, tag, command)?;
        Some(Letter { request: self.wish(request), deadline: None, lane: Lane::Live })
    }

    /// The same under the next counter of a device.
    pub fn ask_next(&mut self, device: u32, tag: Tag, command: Command) -> Option<Letter> {
        let counter = self.count(device);
        self.ask(device, counter, tag, command)
    }

    /// Another copy of what was asked.
    pub fn again_of(request: &Rc<Request>) -> Letter {
        Letter { request: Rc::clone(request), deadline: None, lane: Lane::Live }
    }

    /// A wish is answered, and so that its sender knows its end.
    pub fn settled(&mut self, request: &Request) {
        let key = (request.tag.number.get(), request.id.get(), request.command.number());
        for wish in self.by_id.get(&key).into_iter().flatten() {
            self.wishes[*wish].settled = true;
        }
    }

    /// Copies of everything whose end nobody knows; without poison, without hurry.
    pub fn unsettled(&self) -> Vec<Letter> {
        let open = self.wishes.iter().filter(|wish| wish.sent && !wish.settled);
        let letter = |wish: &Wish| {
            let request = Rc::new(Request { tag_counter: None, ..(*wish.request).clone() });
            Letter { request, deadline: None, lane: Lane::Live }
        };
        open.map(letter).collect()
    }

    /// A burst of reads about one wallet, more than its mailbox takes.
    pub fn flood(&self, rng: &mut Rng) -> Vec<Letter> {
        let tag = self.tag(rng);
        let count = rng.u64(70..120);
        let letter = |counter| {
            let request = self.build(1, counter, tag, Command::Balance);
            request.map(|request| Letter { request: Rc::new(request), deadline: None, lane: Lane::Live })
        };
        (1..=count).filter_map(letter).collect()
    }

    /// Reads about many wristbands of one shard, more than its mailbox takes, none of them too many
    /// for its own actor.
    pub fn crush(&self, rng: &mut Rng, shards: u16) -> Vec<Letter> {
        let shard = ShardId(rng.u16(0..shards));
        let tags = (1_000..).map(|band| fixture::tag(&self.keys, band));
        let tags = tags.filter(|tag| tag.number.as_wallet().shard(shards) == shard);
        let tags: Vec<_> = tags.take(MAILBOX_JOBS / CRUSH_OF_EACH + 2).collect();
        let letter = |(counter, tag)| {
            let request = self.build(1, counter, tag, Command::Balance)?;
            Some(Letter { request: Rc::new(request), deadline: None, lane: Lane::Live })
        };
        let of_each = |tag: Tag| (1..=CRUSH_OF_EACH as u64).map(move |counter| (counter, tag));
        tags.into_iter().flat_map(of_each).filter_map(letter).collect()
    }

    /// Any band, mostly one that wallets are opened with.
    fn tag(&self, rng: &mut Rng) -> Tag {
        let spare = self.drawer.spare(rng).filter(|_| rng.u8(0..4) == 0);
        spare.unwrap_or_else(|| self.first(rng))
    }

    /// A band, or a ticket, that a wallet is opened with.
    fn first(&self, rng: &mut Rng) -> Tag {
        self.tags[rng.usize(0..self.tags.len())]
    }

    fn recent(&self, rng: &mut Rng, which: impl Fn(&Wish) -> bool) -> Option<usize> {
        let from = self.wishes.len().saturating_sub(RECENT);
        let recent: Vec<_> = (from..self.wishes.len()).filter(|at| which(&self.wishes[*at])).collect();
        rng.choice(recent.iter()).copied()
    }

    fn again(&mut self, rng: &mut Rng, tally: &mut Tally) -> Option<Rc<Request>> {
        let at = self.recent(rng, |_| true)?;
        let wish = &mut self.wishes[at];
        if wish.sent {
            tally.hit(Row::Duplicate);
        }
        wish.sent = true;
        Some(Rc::clone(&wish.request))
    }

    fn give_up(&mut self, rng: &mut Rng, tally: &mut Tally) -> Option<Rc<Request>> {
        let at = self.recent(rng, |wish| wish.request.command != Command::Cancel)?;
        let target = Rc::clone(&self.wishes[at].request);
        tally.hit(Row::Cancel);
        let mut cancel = Request { command: Command::Cancel, tag_counter: None, ..(*target).clone() };
        if rng.u8(0..12) == 0 {
            // Somebody else tries to take it back.
            cancel.device = DeviceNumber::new(rng.u32(1..=7))?;
        }
        Some(self.wish(cancel))
    }

    fn look_up(&mut self, rng: &mut Rng, tally: &mut Tally) -> Option<Rc<Request>> {
        let at = self.recent(rng, |wish| wish.request.command != Command::Cancel)?;
        tally.hit(Row::Lookup);
        let target = &self.wishes[at].request;
        Some(self.wish(Request { command: Command::Lookup, tag_counter: None, ..(**target).clone() }))
    }

    fn read(&mut self, rng: &mut Rng, tally: &mut Tally) -> Option<Rc<Request>> {
        tally.hit(Row::Reader);
        let device = rng.u32(1..=8);
        let tag = if rng.u8(0..8) == 0 { fixture::office(rng.u32(1..=3))? } else { self.tag(rng) };
        let counter = self.count(device);
        let request = self.build(device, counter, tag, Command::Balance)?;
        Some(self.wish(request))
    }

    /// A known id with another content, or on another wallet.
    fn reuse(&mut self, rng: &mut Rng, tally: &mut Tally) -> Option<Rc<Request>> {
        let at = self.recent(rng, |wish| matches!(wish.request.command, Command::TopUp { .. }))?;
        tally.hit(Row::IdReused);
        let mut request = (*self.wishes[at].request).clone();
        if rng.bool() {
            request.command = Command::TopUp { tender: Tender::Cash, amount: rng.i64(100..200) };
        } else {
            request.tag = self.tag(rng);
        }
        request.content = self.keys.content(&request);
        Some(Rc::new(request))
    }

    /// Something new. Sometimes it is not sent yet, so that its cancel arrives first.
    fn fresh(&mut self, rng: &mut Rng, plan: &Plan, tally: &mut Tally) -> Rc<Request> {
        let tag = self.tag(rng);
        let request = loop {
            let band = rng.u32(0..100) < plan.about_bands;
            let request = if band { self.at_a_desk(rng, plan, tally) } else { self.draft(rng, tag) };
            if let Some(request) = request {
                break request;
            }
        };
        let mut request = request;
        if cfg!(feature = "mutants") && rng.u32(0..100) < plan.weights.poison_mail {
            poison_mail(rng, &mut request.command, tally);
        }
        if rng.u32(0..1_000) < plan.weights.wrong {
            self.spoil(rng, &mut request);
        }
        request.content = self.keys.content(&request);
        if let Some(poison) = poison(rng, plan, &request) {
            request.tag_counter = std::num::NonZeroU32::new(poison);
            match poison {
                POISON_APPLY => tally.hit(Row::PoisonApply),
                POISON_DECIDE => tally.hit(Row::PoisonDecide),
                _ => tally.hit(Row::PoisonReplay),
            }
        }
        let late = rng.u8(0..12) == 0;
        let request = self.wish(request);
        if late {
            if let Some(wish) = self.wishes.last_mut() {
                wish.sent = false;
            }
            return self.give_up(rng, tally).unwrap_or(request);
        }
        request
    }

    fn draft(&mut self, rng: &mut Rng, tag: Tag) -> Option<Request> {
        let command = rng.u32(0..100);
        let (device, command) = match command {
            0..14 => {
                // A spare band that opens a wallet can be given to none.
                let tag = if rng.u8(0..12) == 0 { tag } else { self.first(rng) };
                let usual = 4 + rng.u32(0..3);
                let device = self.board.instead(rng, usual, Role::Pair);
                let counter = self.count(device);
                return self.build(device, counter, tag, Command::Open);
            }
            14..22 => {
                let payee = self.tag(rng).number.as_wallet();
                let amount = rng.i64(1..=fixture::TOP_UP_MAX / 2);
                (5 + rng.u32(0..2), Command::Transfer { payee, amount })
            }
            22..42 => {
                let bonus = rng.u8(0..5) == 0;
                let tender = if bonus { Tender::Bonus } else { Tender::Cash };
                let amount = rng.i64(fixture::TOP_UP_MIN..=fixture::TOP_UP_MAX);
                let role = if bonus { Role::Supervise } else { Role::TopUp };
                let usual = 5 + rng.u32(0..2);
                (self.board.instead(rng, usual, role), Command::TopUp { tender, amount })
            }
            42..48 => return self.once_more(rng),
            48..51 => return self.pay_out(rng),
            51..55 => return self.allow(rng, tag),
            55..74 => {
                let usual = SELLERS[rng.usize(0..SELLERS.len())];
                let device = self.board.instead(rng, usual, Role::Sell);
                (device, self.board.basket(rng, device))
            }
            74..82 => (SELLERS[rng.usize(0..SELLERS.len())], authorise(rng)),
            82..90 => return self.end_hold(rng),
            _ => {
                let sale = self.recent(rng, |wish| {
                    matches!(wish.request.command, Command::Purchase { .. } | Command::Capture { .. })
                })?;
                let sale = &self.wishes[sale].request;
                let (sale, tag) = (sale.id, if rng.u8(0..8) == 0 { tag } else { sale.tag });
                let device = [3, 4, 6][rng.usize(0..3)];
                let counter = self.count(device);
                return self.build(device, counter, tag, Command::Void { sale });
            }
        };
        let counter = self.count(device);
        self.build(device, counter, tag, command)
    }

    /// A wallet is kept in money by another one, or no longer.
    fn allow(&mut self, rng: &mut Rng, tag: Tag) -> Option<Request> {
        let device = 5 + rng.u32(0..2);
        // One whose rest would panic on its way back is ended soon, before it is spent.
        let poisoned = self.recent(rng, |wish| {
            matches!(wish.request.command, Command::SetAllowance { target: POISON_GIVE_BACK, .. })
        });
        if let Some(Request { tag, command: Command::SetAllowance { child, .. }, .. }) =
            poisoned.map(|at| &*self.wishes[at].request)
        {
            let (tag, ends) = (*tag, Command::SetAllowance { child: *child, target: 0, mark: 0 });
            let counter = self.count(device);
            return self.build(device, counter, tag, ends);
        }
        let child = self.tag(rng).number.as_wallet();
        let target = if rng.u8(0..4) == 0 { 0 } else { rng.i64(1..=fixture::TOP_UP_MAX / 2) };
        let mark = rng.i64(0..=target);
        let counter = self.count(device);
        self.build(device, counter, tag, Command::SetAllowance { child, target, mark })
    }

    /// A vendor is paid out some of its home, or more than all of it.
    fn pay_out(&mut self, rng: &mut Rng) -> Option<Request> {
        let office = fixture::office(rng.u32(1..=fixture::FOREIGN_VENDOR))?;
        let counter = self.count(fixture::ADMINISTRATOR);
        let amount = rng.i64(1..=fixture::LARGEST);
        self.build(fixture::ADMINISTRATOR, counter, office, Command::PayOut { amount })
    }

    /// The customer is rung up a second time under a new id.
    fn once_more(&mut self, rng: &mut Rng) -> Option<Request> {
        let sale = self.recent(rng, |wish| matches!(wish.request.command, Command::Purchase { .. }))?;
        let mut request = (*self.wishes[sale].request).clone();
        let device = request.device.get();
        request.id = RequestId::of(request.device, self.count(device))?;
        request.tag_counter = None;
        if let Command::Purchase { confirmed, .. } = &mut request.command {
            *confirmed = rng.u8(0..4) == 0;
        }
        Some(request)
    }

    /// A hold is captured or released, mostly by a till of the vendor that has it.
    fn end_hold(&mut self, rng: &mut Rng) -> Option<Request> {
        let hold = self.recent(rng, |wish| matches!(wish.request.command, Command::Authorise { .. }))?;
        let hold = Rc::clone(&self.wishes[hold].request);
        let other = SELLERS[rng.usize(0..SELLERS.len())];
        let device = if rng.u8(0..5) == 0 { other } else { hold.device.get() };
        let command = match (rng.u8(0..4), self.board.basket(rng, device)) {
            (1.., Command::Purchase { lines, amount, .. }) => {
                Command::Capture { hold: hold.id, lines, amount }
            }
            _ => Command::ReleaseHold { hold: hold.id },
        };
        let counter = self.count(device);
        self.build(device, counter, hold.tag, command)
    }

    fn count(&mut self, device: u32) -> u64 {
        let counter = self.counters.entry(device).or_default();
        *counter += 1;
        *counter
    }

    fn build(&self, device: u32, counter: u64, tag: Tag, command: Command) -> Option<Request> {
        let mut request = fixture::request(&self.keys, device, counter, tag, command)?;
        if let Some(till) = self.board.till(request.device).filter(|till| request.till != Some(*till)) {
            request.till = Some(till);
            request.content = self.keys.content(&request);
        }
        Some(request)
    }

    fn wish(&mut self, mut request: Request) -> Rc<Request> {
        request.content = self.keys.content(&request);
        let request = Rc::new(request);
        let key = (request.tag.number.get(), request.id.get(), request.command.number());
        self.by_id.entry(key).or_default().push(self.wishes.len());
        self.wishes.push(Wish { request: Rc::clone(&request), settled: false, sent: true });
        request
    }

    /// Makes something about a request wrong.
    fn spoil(&mut self, rng: &mut Rng, request: &mut Request) {
        match rng.u32(0..11) {
            0 => request.festival = FestivalId(2),
            1 => request.till = TillId::new(rng.u32(0..=4)),
            2 => request.mode.training = true,
            3 => request.replaces = Some(request.id),
            4 => request.operator = None,
            5 => request.tag.check ^= 1,
            6 => self.stranger(request, STRANGER),
            7 => self.stranger(request, rng.u32(1..=7)),
            8 => request.device = DeviceNumber::new(rng.u32(1..=7)).unwrap_or(request.device),
            _ => spoil_command(rng, &mut request.command),
        }
    }

    /// Somebody without the role, or whom nobody knows, asks in its own name.
    fn stranger(&mut self, request: &mut Request, device: u32) {
        let number = DeviceNumber::new(device);
        let id = number.and_then(|number| RequestId::of(number, self.count(device)));
        if let (Some(number), Some(id)) = (number, id) {
            (request.device, request.id) = (number, id);
        }
    }
}

/// Where a new request panics. In a run in which a shard stops some do where their records are read back, and as many
/// where they are applied, so that they are.
fn poison(rng: &mut Rng, plan: &Plan, request: &Request) -> Option<u32> {
    let any = cfg!(feature = "mutants") && rng.u32(0..1_000) < plan.weights.poison;
    let stops = !any && plan.stops && is_of_last(request, plan.shards) && rng.u32(0..1_000) < STOPPERS;
    let other = if stops { POISON_REPLAY } else { POISON_DECIDE };
    (any || stops).then(|| if rng.bool() { POISON_APPLY } else { other })
}

/// Whether a request goes to the one shard that stops in a run in which one does.
fn is_of_last(request: &Request, shards: u16) -> bool {
    request.actor().shard(shards).0 + 1 == shards
}

/// Small ones that last, so that a wallet comes to have many, and larger ones that soon expire.
fn authorise(rng: &mut Rng) -> Command {
    if rng.bool() {
        return Command::Authorise { amount: rng.i64(20..=200), seconds: rng.u32(600..=3_600) };
    }
    Command::Authorise { amount: rng.i64(300..=fixture::LARGEST), seconds: rng.u32(1..=30) }
}

/// Brings so much from one shard to another that somebody panics of it.
fn poison_mail(rng: &mut Rng, command: &mut Command, tally: &mut Tally) {
    const AMOUNTS: [i64; 3] = [POISON_RECEIVE, POISON_TAKE, POISON_BOTH_WAYS];
    match command {
        Command::Transfer { amount, .. } => *amount = AMOUNTS[rng.usize(0..AMOUNTS.len())],
        Command::SetAllowance { target, mark, .. } if *target > 0 => {
            // What it is set to panics on its way there, or what is left of it on its way back.
            let poison = AMOUNTS.get(rng.usize(0..2 * AMOUNTS.len()));
            (*target, *mark) = (poison.copied().unwrap_or(POISON_GIVE_BACK), 0);
        }
        _ => return,
    }
    tally.hit(Row::PoisonMessage);
}

fn spoil_command(rng: &mut Rng, command: &mut Command) {
    match command {
        Command::TopUp { amount, .. } => {
            *amount = [0, -5, fixture::TOP_UP_MIN - 1, fixture::TOP_UP_MAX + 1][rng.usize(0..4)];
        }
        // A copy of a basket that was emptied before has nothing left to spoil.
        Command::Purchase { lines, amount, .. } | Command::Capture { lines, amount, .. }
            if !lines.is_empty() =>
        {
            match rng.u32(0..7) {
                0 => *amount += 1,
                1 => lines[0].quantity = 0,
                2 => lines[0].quantity = u16::MAX,
                3 => lines[0].unit_price += 1,
                4 => lines[0].item = rng.u32(0..9),
                5 => lines.clear(),
                _ => lines.resize(65, lines[0]),
            }
            if rng.u8(0..8) != 0 {
                *amount = sum(lines);
            }
        }
        Command::Pair { wallet, .. } => {
            *wallet = WalletNumber::new(wallet.get() ^ 1 << 20).unwrap_or(*wallet);
        }
        Command::Transfer { amount, .. } => *amount = [0, -5, fixture::LARGEST + 1][rng.usize(0..3)],
        Command::Authorise { amount, seconds } => match rng.u32(0..4) {
            0 => *amount = 0,
            1 => *amount = fixture::LARGEST + 1,
            2 => *seconds = 0,
            _ => *seconds = 3_601,
        },
        Command::ReleaseHold { hold } => *hold = RequestId::new(hold.get() + 1_000).unwrap_or(*hold),
        Command::PayOut { amount } => *amount = -*amount,
        Command::SetAllowance { target, mark, .. } => {
            (*target, *mark) = [(-1, 0), (5, 6), (fixture::CAP + 1, 0)][rng.usize(0..3)];
        }
        Command::Void { sale } => *sale = RequestId::new(sale.get() + 1_000).unwrap_or(*sale),
        _ => {}
    }
}
