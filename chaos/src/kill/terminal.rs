//! A terminal that remembers everything: what it asked for under which id, and the first answer. It sends,
//! sends again after a break with the same ids, and compares.
//! Must never: take a new id for what has an id, or the second answer for the first.
//! Laws: checks L3 (what was answered stays answered), L4 (one answer for ever, byte for byte).

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use wire::{
    Answer, Class, Command, Flags, Line, Outcome, Refusal, Request, RequestId, RequestsWriter, Tender,
};

use super::Trouble;
use super::client::{Link, LinkEnd};
use super::festival;

/// What a request wants.
#[derive(Clone, Debug)]
pub enum What {
    /// A wallet for the band.
    Open,
    /// So much cash into it.
    TopUp(i64),
    /// These lines sold.
    Purchase(Vec<Line>),
    /// A sale of this terminal taken back, of this amount.
    Void(RequestId, i64),
    /// This one of the terminal's orders given up, under its own id.
    Cancel(usize),
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its name, for ever.
    pub id: RequestId,
    /// Which band.
    pub wallet: usize,
    /// What it wants.
    pub what: What,
    /// The first answer that decided it.
    pub answer: Option<Answer>,
    /// A sale that was asked to be taken back.
    voided: bool,
    /// The order that gives this one up.
    pub given_up: Option<usize>,
}

impl Order {
    /// Not sent yet.
    pub const fn new(id: RequestId, wallet: usize, what: What) -> Self {
        Self { id, wallet, what, answer: None, voided: false, given_up: None }
    }

    /// What it adds to its wallet when it is applied: minor units.
    pub fn effect(&self) -> i64 {
        match &self.what {
            What::Open | What::Cancel(_) => 0,
            What::TopUp(amount) | What::Void(_, amount) => *amount,
            What::Purchase(lines) => -total(lines),
        }
    }

    /// Whether it was decided and took effect.
    pub fn applied(&self) -> bool {
        self.answer.is_some_and(|answer| answer.class == Class::Applied)
    }

    /// The command that asks for it.
    pub const fn command(&self) -> Command {
        match self.what {
            What::Open => Command::OpenWallet,
            What::TopUp(_) => Command::TopUp,
            What::Purchase(_) => Command::Purchase,
            What::Void(..) => Command::Void,
            What::Cancel(_) => Command::Cancel,
        }
    }

    /// Whether this is the cancel of another order.
    pub const fn is_cancel(&self) -> bool {
        matches!(self.what, What::Cancel(_))
    }

    fn push(&self, frame: &mut RequestsWriter<'_>) {
        let Some(band) = festival::band(self.wallet) else { return };
        let request = match &self.what {
            What::Open => Request::open_wallet(self.id, band),
            What::TopUp(amount) => Request::top_up(self.id, band, *amount, Tender::Cash),
            What::Purchase(lines) => {
                Request { flags: Flags::CONFIRM, ..Request::purchase(self.id, band, lines) }
            }
            What::Void(sale, _) => Request::void(self.id, band, *sale, 1),
            What::Cancel(_) => Request::cancel(self.id, band),
        };
        // A window of requests is far below a frame's limits.
        frame.push(&request);
    }
}

fn total(lines: &[Line]) -> i64 {
    lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum()
}

/// Counts over all terminals, and rings when it is time.
#[derive(Debug)]
pub struct Watch {
    sent: AtomicU64,
    answered: AtomicU64,
    /// Rings once so many were answered ...
    after: u64,
    /// ... and at least so many are not.
    open: u64,
    bell: Option<SyncSender<()>>,
}

impl Watch {
    /// Only counts.
    pub const fn quiet() -> Self {
        Self { sent: AtomicU64::new(0), answered: AtomicU64::new(0), after: u64::MAX, open: 0, bell: None }
    }

    /// Rings `bell` when `after` requests were answered and at least `open` are not.
    pub fn ringing(after: u64, open: u64, bell: SyncSender<()>) -> Self {
        Self { after, open, bell: Some(bell), ..Self::quiet() }
    }

    /// How many were answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn count(&self, sent: usize, answered: usize) {
        let sent = self.sent.fetch_add(sent as u64, Ordering::Relaxed) + sent as u64;
        let answered = self.answered.fetch_add(answered as u64, Ordering::Relaxed) + answered as u64;
        if let Some(bell) = self.bell.as_ref().filter(|_| answered >= self.after)
            && sent.saturating_sub(answered) >= self.open
        {
            // Rung already: one kill is enough.
            let _rung = bell.try_send(());
        }
    }
}

/// How often a terminal was told to send again, and what did not hold.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers that said `unknown, resend`.
    pub unknown: u64,
    /// Answers that said `busy`.
    pub busy: u64,
    /// Requests in flight when a connection ended.
    pub cut: u64,
    /// Connections that ended by themselves.
    pub breaks: u64,
    /// Decided requests that were sent again ...
    pub compared: u64,
    /// ... and got another answer than their first.
    pub changed: u64,
    /// The first of those.
    pub first_changed: Option<String>,
}

impl Tally {
    fn compare(&mut self, first: &Answer, again: &Answer) {
        self.compared += 1;
        if bytes(first) != bytes(again) {
            self.changed += 1;
            self.first_changed.get_or_insert_with(|| format!("{first:?} became {again:?}"));
        }
    }
}

/// One device at one till.
#[derive(Debug)]
pub struct Terminal {
    device: u32,
    counter: u64,
    orders: Vec<Order>,
    /// Orders whose answer is still to come, by id and whether it is a cancel: that carries the id it gives up.
    in_flight: HashMap<(RequestId, bool), usize>,
    again: VecDeque<usize>,
    random: fastrand::Rng,
    /// The balance that the last answer about a wallet told.
    seen: HashMap<usize, i64>,
    /// Its next new wallet, and how far the one after it is.
    fresh: (usize, usize),
    wallets: usize,
    /// What happened to it so far.
    pub tally: Tally,
}

/// Below this a wallet is topped up, in minor units.
const POOR: i64 = 7_000;
/// What a wallet is topped up with.
const TOP_UP: i64 = 5_000;
/// Shortest pause after a round of nothing but `busy`.
const PAUSE: Duration = Duration::from_millis(5);

impl Terminal {
    /// Device `device` of `devices`; they share `wallets` wallets and open more of their own.
    pub fn new(device: u32, devices: u32, wallets: usize, seed: u64) -> Self {
        let (own, step) = (device as usize - 1, devices as usize);
        Self {
            device,
            counter: 0,
            orders: Vec::new(),
            in_flight: HashMap::new(),
            again: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed ^ u64::from(device) << 32),
            seen: HashMap::new(),
            fresh: (wallets + own, step),
            wallets,
            tally: Tally::default(),
        }
    }

    /// Its number.
    pub const fn device(&self) -> u32 {
        self.device
    }

    /// Everything it ever asked for.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// An id for something that is not remembered: a read.
    pub fn read_id(&mut self) -> Option<RequestId> {
        self.counter += 1;
        RequestId::new(self.device, self.counter)
    }

    /// Opens its part of the shared wallets and puts money into each.
    pub fn prepare(&mut self, server: SocketAddr, watch: &Watch) -> Result<(), Trouble> {
        let mut link = Link::open(server, self.device)?;
        let own = (self.device as usize - 1..self.wallets).step_by(self.fresh.1);
        for what in [What::Open, What::TopUp(2 * TOP_UP)] {
            let mut own = own.clone();
            self.exchange(&mut link, 64, watch, |terminal| {
                let wallet = own.next()?;
                terminal.order(wallet, what.clone())
            })?;
        }
        Ok(())
    }

    /// Sells with `window` requests in flight, `most` at most, until done or until the connection ends.
    pub fn sell(
        &mut self,
        server: SocketAddr,
        window: usize,
        most: usize,
        watch: &Watch,
    ) -> Result<(), Trouble> {
        let mut link = Link::open(server, self.device)?;
        let end = self.orders.len().saturating_add(most);
        self.exchange(&mut link, window, watch, |terminal| {
            if terminal.orders.len() < end { terminal.invent() } else { None }
        })
    }

    /// The connection is over: what was in flight is not known. How many those are.
    pub fn cut(&mut self) -> u64 {
        let cut = self.in_flight.len() as u64;
        self.in_flight.clear();
        self.again.clear();
        self.tally.cut += cut;
        cut
    }

    /// Sends what is not known (again), until everything is decided. How many those were.
    pub fn settle(&mut self, server: SocketAddr) -> Result<u64, Trouble> {
        let open = |order: &(usize, &Order)| order.1.answer.is_none();
        let open: Vec<usize> = self.orders.iter().enumerate().filter(open).map(|(at, _)| at).collect();
        self.resend(server, &open)?;
        // A second time: decided now, each must get the very same answer.
        self.resend(server, &open)?;
        Ok(open.len() as u64)
    }

    /// Sends decided requests again and compares: all from number `from` on, `older` of those before.
    pub fn compare(&mut self, server: SocketAddr, from: usize, older: usize) -> Result<(), Trouble> {
        let earlier: Vec<usize> = (0..older.min(from)).map(|_| self.random.usize(..from)).collect();
        let mut all: Vec<usize> = earlier.into_iter().chain(from..self.orders.len()).collect();
        all.sort_unstable();
        all.dedup();
        all.retain(|at| self.orders[*at].answer.is_some());
        self.resend(server, &all)
    }

    fn resend(&mut self, server: SocketAddr, orders: &[usize]) -> Result<(), Trouble> {
        if orders.is_empty() {
            return Ok(());
        }
        let mut link = Link::open(server, self.device)?;
        let mut orders = orders.iter().copied();
        self.exchange(&mut link, 64, &Watch::quiet(), |_| orders.next())
    }

    /// Keeps `window` requests in flight until there is no next one and all are decided.
    fn exchange(
        &mut self,
        link: &mut Link,
        window: usize,
        watch: &Watch,
        mut next: impl FnMut(&mut Self) -> Option<usize>,
    ) -> Result<(), Trouble> {
        let (mut answers, mut batch) = (Vec::new(), Vec::new());
        loop {
            batch.clear();
            while self.in_flight.len() < window {
                let Some(at) = self.again.pop_front().or_else(|| next(self)) else { break };
                self.in_flight.insert((self.orders[at].id, self.orders[at].is_cancel()), at);
                batch.push(at);
            }
            if !batch.is_empty() {
                watch.count(batch.len(), 0);
                link.send(|frame| batch.iter().for_each(|at| self.orders[*at].push(frame)))?;
            }
            if self.in_flight.is_empty() {
                return Ok(());
            }
            answers.clear();
            link.receive(&mut answers)?;
            let mut decided = 0;
            for answer in &answers {
                decided += usize::from(self.take(answer)?);
            }
            watch.count(0, answers.len());
            if decided == 0 {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// Takes an answer; whether it decides its request.
    fn take(&mut self, answer: &Answer) -> Result<bool, Trouble> {
        let cancels = answer.command == Command::Cancel.number();
        let Some(at) = self.in_flight.remove(&(answer.id, cancels)) else {
            return Err(Trouble::law("L4", format!("request {} was answered, but not in flight", answer.id)));
        };
        let order = &mut self.orders[at];
        match answer.outcome() {
            Outcome::Unknown => self.tally.unknown += 1,
            Outcome::Refused(Refusal::Busy) => self.tally.busy += 1,
            Outcome::Applied | Outcome::Declined(_) if answer.command == order.command().number() => {
                if let Some(first) = order.answer {
                    let first = self.now_answered(at, &first);
                    self.tally.compare(&first, answer);
                } else {
                    order.answer = Some(*answer);
                    self.seen.insert(order.wallet, answer.balance);
                    self.straggle(at);
                }
                return Ok(true);
            }
            _ => return Err(Trouble::setup(format!("an answer that nobody planned: {answer:?}"))),
        }
        self.again.push_back(at);
        Ok(false)
    }

    /// What a decided order is answered when it is sent again: its first answer, for ever; unless it was given
    /// up, then what its cancel says has become of the id.
    fn now_answered(&self, at: usize, first: &Answer) -> Answer {
        let cancel = self.orders[at].given_up.and_then(|at| self.orders[at].answer);
        match cancel {
            Some(cancel) if cancel.class == Class::Applied => {
                Answer { command: first.command, class: Class::Declined, ..cancel }
            }
            _ => *first,
        }
    }

    /// A cancel was decided whose request is not: the straggler must find the id closed.
    fn straggle(&mut self, at: usize) {
        let What::Cancel(of) = self.orders[at].what else { return };
        let known =
            self.orders[of].answer.is_some() || self.in_flight.contains_key(&(self.orders[of].id, false));
        if !known && !self.again.contains(&of) {
            self.again.push_back(of);
        }
    }

    fn order(&mut self, wallet: usize, what: What) -> Option<usize> {
        self.counter += 1;
        let id = RequestId::new(self.device, self.counter)?;
        self.orders.push(Order::new(id, wallet, what));
        Some(self.orders.len() - 1)
    }

    /// Something that a terminal could be asked to do.
    fn invent(&mut self) -> Option<usize> {
        let wallet = self.some_wallet();
        match self.random.u32(..100) {
            0 => {
                let wallet = self.fresh.0;
                self.fresh.0 += self.fresh.1;
                return self.order(wallet, What::Open);
            }
            1..=5 => {
                if let Some(at) = self.void() {
                    return Some(at);
                }
            }
            // More than anybody has: a decline, which must be remembered like a sale. Few of them: a
            // device with more than 60 in a minute, sent again or not, is told `busy`.
            7 => {
                if let Some(at) = self.give_up() {
                    return Some(at);
                }
            }
            8 if self.random.bool() => return self.burn(wallet),
            6 if self.random.u8(..3) == 0 => {
                return self.order(wallet, What::Purchase(vec![festival::line(self.device, 2, 50)]));
            }
            _ => {}
        }
        if self.seen.get(&wallet).is_some_and(|balance| *balance < POOR) {
            return self.order(wallet, What::TopUp(TOP_UP));
        }
        let lines = (0..self.random.u32(1..=3)).map(|_| {
            let quantity = self.random.u16(1..=2);
            festival::line(self.device, self.random.u32(..3), quantity)
        });
        let lines = lines.collect();
        self.order(wallet, What::Purchase(lines))
    }

    /// Mostly one of its own, so that it knows which ones are poor.
    fn some_wallet(&mut self) -> usize {
        let (own, step) = (self.device as usize - 1, self.fresh.1);
        if own < self.wallets && self.random.u8(..5) > 0 {
            own + step * self.random.usize(..(self.wallets - own).div_ceil(step))
        } else {
            self.random.usize(..self.wallets)
        }
    }

    /// Gives one of its last sales or top-ups up, decided or not. Few of them: sent again they are declines.
    fn give_up(&mut self) -> Option<usize> {
        let from = self.orders.len().saturating_sub(50);
        let at = self.random.usize(from..self.orders.len().max(1));
        let order = self.orders.get(at)?;
        let may = matches!(order.what, What::Purchase(_) | What::TopUp(_)) && order.given_up.is_none();
        may.then(|| self.cancel(at))
    }

    /// Gives up what was never sent: the id is burned, and what is sent under it afterwards moves nothing.
    fn burn(&mut self, wallet: usize) -> Option<usize> {
        let sale = self.order(wallet, What::Purchase(vec![festival::line(self.device, 1, 1)]))?;
        Some(self.cancel(sale))
    }

    fn cancel(&mut self, at: usize) -> usize {
        let order = &mut self.orders[at];
        let (id, wallet) = (order.id, order.wallet);
        self.orders.push(Order::new(id, wallet, What::Cancel(at)));
        let cancel = self.orders.len() - 1;
        self.orders[at].given_up = Some(cancel);
        cancel
    }

    /// Takes one of its last sales back.
    fn void(&mut self) -> Option<usize> {
        let from = self.orders.len().saturating_sub(50);
        let at = self.random.usize(from..self.orders.len().max(1));
        let sale = self.orders.get_mut(at)?;
        let takes_back = matches!(sale.what, What::Purchase(_)) && sale.applied() && !sale.voided;
        if !takes_back {
            return None;
        }
        sale.voided = true;
        let (wallet, what) = (sale.wallet, What::Void(sale.id, -sale.effect()));
        self.order(wallet, what)
    }
}

/// What must be the same for ever.
fn bytes(answer: &Answer) -> [u8; wire::limits::ANSWER] {
    Answer { come_back_ms: 0, ..*answer }.encode()
}

/// Whether a connection ended as connections of a dying server do.
pub fn is_break(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Link(LinkEnd::Broken(_)))
}
