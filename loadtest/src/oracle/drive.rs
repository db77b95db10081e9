//! Owns: what the oracle asks: openings, top-ups, sales (some on the same few wallets from many tills at once), voids
//! and reads, as fast as the server takes them, until a connection breaks or the time is over; and what it gives up
//! or looks up while it is out.
//! Must never: send a request that is not in its file; go on when its file can't be written.
//! Laws: gives L2, L3, L4, L9 something to break.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use wire::{Class, Command, Flags, Line, Request, RequestId, Tender, Uid};

use super::books::Books;
use super::log::OracleLog;
use crate::client::{Ending, Errands, Habits, Impatience, Settled, Swarm};
use crate::error::{LoadError, Result};
use crate::festival_file::Festival;
use crate::num::{SECOND_NS, count};
use crate::traffic::uid_of;

/// How the oracle drives.
#[derive(Debug, Clone)]
pub struct Drive {
    /// Where the server listens.
    pub address: SocketAddr,
    /// The festival the server was founded with.
    pub festival: Festival,
    /// Selling terminals.
    pub sellers: u32,
    /// Desks.
    pub desks: u32,
    /// Wallets.
    pub wallets: u32,
    /// Requests in flight of each terminal.
    pub in_flight: usize,
    /// How long at most.
    pub length: Duration,
    /// End at the first broken connection; else terminals come back and go on.
    pub until_broken: bool,
    /// Seed of what is asked.
    pub seed: u64,
}

/// What a drive came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Driven {
    /// Requests in the file, of this and earlier drives.
    pub asked: u64,
    /// Of these, answered.
    pub acknowledged: u64,
    /// Of these, neither answered nor refused.
    pub unanswered: u64,
    /// Of all, given up after they took effect, and before they came.
    pub taken_back: u64,
    /// The latter.
    pub burned: u64,
    /// Connections that broke.
    pub breaks: u64,
    /// What can't be.
    pub contradictions: Vec<String>,
}

/// Cash of the first top-up, in minor units.
const FUND: i64 = 10_000_000;

/// Wallets on which every tenth sale falls, from all tills at once.
const HOT: u32 = 8;

/// A terminal that has waited so long for a request gives it up by itself.
const PATIENCE_NS: u64 = 10 * SECOND_NS;

/// Of so many requests one is given up or looked up while it is out. Rarely: stragglers of burned ids are declines, and
/// a device has a few dozen of those in a minute.
const IMPATIENT: u16 = 500;

/// Sales that a void picks from.
const RECENT: usize = 4_096;

/// What the oracle's terminals ask.
pub(super) struct Asker<'a> {
    pub(super) log: &'a mut OracleLog,
    pub(super) books: Books,
    festival: &'a Festival,
    sellers: usize,
    uids: Vec<Uid>,
    // The next wallet that nobody has tried to open.
    unopened: u32,
    to_fund: VecDeque<u32>,
    funded: Vec<u32>,
    recent: VecDeque<(RequestId, u32)>,
    // By place: what waits no longer, and what will not in the terminal's next round.
    ripe: Vec<(usize, RequestId, Impatience)>,
    ripening: Vec<(usize, RequestId, Impatience)>,
    lines: Vec<Line>,
    bytes: Vec<u8>,
    rng: fastrand::Rng,
    // Asks nothing new any more.
    pub(super) stopped: bool,
    pub(super) failed: &'a Cell<bool>,
    pub(super) failure: Option<LoadError>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(
        drive: &'a Drive,
        log: &'a mut OracleLog,
        books: Books,
        failed: &'a Cell<bool>,
    ) -> Result<Self> {
        let uids = (0..drive.wallets).map(uid_of).collect::<Result<Vec<_>>>()?;
        let mut asker = Self {
            log,
            books,
            festival: &drive.festival,
            sellers: crate::num::index(u64::from(drive.sellers)),
            uids,
            unopened: 0,
            to_fund: VecDeque::new(),
            funded: Vec::new(),
            recent: VecDeque::new(),
            ripe: Vec::new(),
            ripening: Vec::new(),
            lines: Vec::new(),
            bytes: Vec::new(),
            rng: fastrand::Rng::with_seed(drive.seed),
            stopped: false,
            failed,
            failure: None,
        };
        asker.resume();
        Ok(asker)
    }

    /// Takes up where an earlier drive ended: what is open and funded by its answers.
    fn resume(&mut self) {
        let balances = self.books.balances();
        let tried: std::collections::HashSet<&[u8]> = self
            .books
            .in_order()
            .filter(|(_, asked)| asked.command == Command::OpenWallet)
            .map(|(_, asked)| asked.uid.as_slice())
            .collect();
        for (wallet, uid) in (0..).zip(&self.uids) {
            match balances.get(uid.as_bytes()) {
                Some(0) => self.to_fund.push_back(wallet),
                Some(_) => self.funded.push(wallet),
                None => {}
            }
            if tried.contains(uid.as_bytes()) {
                self.unopened = wallet + 1;
            }
        }
    }

    fn guest(&mut self) -> Option<u32> {
        let hot = self.rng.u8(0..10) == 0;
        let among = if hot { self.funded.len().min(HOT as usize) } else { self.funded.len() };
        if among == 0 { None } else { self.funded.get(self.rng.usize(0..among)).copied() }
    }

    /// What a selling terminal asks: the wallet, and whether the barman confirms.
    fn sale(&mut self, till: u32) -> Option<(u32, Flags)> {
        let wallet = self.guest()?;
        let vendor = self.festival.vendor_of_till(till)?;
        self.lines.clear();
        for _ in 0..self.rng.u8(1..=3) {
            let item = self.festival.item(vendor, self.rng.u32(0..1_000));
            self.lines.push(Line { item: item.id, quantity: 1, unit_price: item.price });
        }
        if self.rng.u16(0..5_000) == 0 {
            self.lines.truncate(1);
            self.lines.iter_mut().for_each(|line| line.quantity = for_a_village(line.unit_price));
        }
        let sure = self.rng.u16(0..2_000) != 0;
        Some((wallet, if sure { Flags::CONFIRM } else { Flags::default() }))
    }

    /// What a desk asks.
    fn errand(&mut self, id: RequestId) -> Option<(Request<'static>, u32)> {
        if let Some(wallet) = self.to_fund.pop_front() {
            return Some((Request::top_up(id, self.uid(wallet)?, FUND, Tender::Cash), wallet));
        }
        if self.unopened < u32::try_from(self.uids.len()).unwrap_or(u32::MAX) {
            let wallet = self.unopened;
            self.unopened += 1;
            return Some((Request::open_wallet(id, self.uid(wallet)?), wallet));
        }
        let wallet = self.guest()?;
        match self.rng.u8(0..10) {
            0..=4 => {
                let amount = i64::from(self.rng.u8(1..=100)) * 100;
                Some((Request::top_up(id, self.uid(wallet)?, amount, Tender::Cash), wallet))
            }
            5..=7 if !self.recent.is_empty() => {
                let at = self.rng.usize(0..self.recent.len());
                let (sale, wallet) = self.recent.remove(at)?;
                Some((Request::void(id, self.uid(wallet)?, sale, 1), wallet))
            }
            _ => Some((Request::balance(id, self.uid(wallet)?), wallet)),
        }
    }

    fn uid(&self, wallet: u32) -> Option<Uid> {
        self.uids.get(wallet as usize).copied()
    }

    fn fail(&mut self, error: LoadError) {
        self.failed.set(true);
        self.failure.get_or_insert(error);
    }

    /// Now and then nobody waits for an answer: the request is given up before it leaves or while it is out, or is
    /// looked up. A wallet's opening and its first money are waited for.
    fn lose_patience(&mut self, place: usize, id: RequestId, request: &Request<'_>) {
        let first_money = request.command == Command::TopUp && request.amount == FUND;
        let waits = first_money || matches!(request.command, Command::OpenWallet | Command::Balance);
        if waits || self.rng.u16(0..IMPATIENT) != 0 {
            return;
        }
        match self.rng.u8(0..4) {
            0 => self.ripe.push((place, id, Impatience::GiveUp)),
            1 | 2 => self.ripening.push((place, id, Impatience::GiveUp)),
            _ => self.ripening.push((place, id, Impatience::LookUp)),
        }
    }

    /// Writes what is about to be sent; only then may it leave.
    fn write_down(&mut self, request: &Request<'_>) -> bool {
        self.bytes.clear();
        request.append_to(&mut self.bytes);
        if let Err(error) = self.log.asked(&self.bytes) {
            self.fail(error);
            return false;
        }
        self.books.asked(&self.bytes);
        true
    }
}

impl Errands for Asker<'_> {
    fn next(&mut self, place: usize, id: RequestId, till: u32) -> Option<(Request<'_>, u64)> {
        if self.stopped || self.failed.get() {
            return None;
        }
        if place >= self.sellers {
            let (mut request, wallet) = self.errand(id)?;
            request.till = till;
            self.lose_patience(place, id, &request);
            return self.write_down(&request).then_some((request, u64::from(wallet)));
        }
        let (wallet, flags) = self.sale(till)?;
        let lines = std::mem::take(&mut self.lines);
        let mut request = Request::purchase(id, self.uid(wallet)?, &lines);
        (request.flags, request.till) = (flags, till);
        let written = self.write_down(&request);
        self.lose_patience(place, id, &request);
        self.lines = lines;
        // The same request again, now borrowing from where its lines lie for good.
        let mut request = Request::purchase(id, self.uid(wallet)?, &self.lines);
        (request.flags, request.till) = (flags, till);
        written.then_some((request, u64::from(wallet)))
    }

    fn settled(&mut self, _: usize, settled: &Settled<'_>) {
        if let Err(error) = self.log.answered(&settled.answer) {
            self.fail(error);
            return;
        }
        self.books.answered(&settled.answer);
        let Ok(wallet) = u32::try_from(settled.token) else { return };
        if settled.ending != Ending::Answered || settled.answer.class != Class::Applied {
            return;
        }
        match settled.command {
            Command::OpenWallet => self.to_fund.push_back(wallet),
            // The first top-up is the only one that brings a wallet from nothing to exactly this.
            Command::TopUp if settled.answer.balance == FUND => self.funded.push(wallet),
            Command::Purchase => {
                if self.recent.len() >= RECENT {
                    self.recent.pop_front();
                }
                self.recent.push_back((settled.id, wallet));
            }
            _ => {}
        }
    }

    fn overheard(&mut self, answer: &wire::Answer) {
        match self.log.answered(answer) {
            Ok(()) => self.books.answered(answer),
            Err(error) => self.fail(error),
        }
    }

    fn impatient(&mut self, place: usize) -> Option<(RequestId, Impatience)> {
        if let Some(at) = self.ripe.iter().position(|(of, ..)| *of == place) {
            let (_, id, what) = self.ripe.swap_remove(at);
            return Some((id, what));
        }
        // Its next round comes with its next answers: by then the request has left.
        let (mine, others) =
            std::mem::take(&mut self.ripening).into_iter().partition(|(of, ..)| *of == place);
        self.ripening = others;
        let mine: Vec<_> = mine;
        self.ripe.extend(mine);
        None
    }

    fn gives_up(&mut self, _: usize, id: RequestId) {
        if let Err(error) = self.log.given_up(id) {
            self.fail(error);
        }
        self.books.gave_up(id);
    }
}

/// So many of one item that a wallet can hardly pay them, though the festival allows the amount: twice what it was
/// funded with.
fn for_a_village(unit_price: u32) -> u16 {
    u16::try_from(2 * FUND / i64::from(unit_price.max(1))).unwrap_or(u16::MAX)
}

/// Device and next counter of each terminal, sellers first.
pub(super) fn devices(drive: &Drive, books: &Books) -> Vec<(u32, u64)> {
    let counters = books.counters();
    let sellers = (0..drive.sellers).map(|nth| drive.festival.seller(nth).number);
    let desks = (0..drive.desks).map(|nth| drive.festival.desk(nth).number);
    sellers.chain(desks).map(|device| (device, counters.get(&device).copied().unwrap_or(0) + 1)).collect()
}

/// Asks until the time is over or, on demand, the first connection breaks.
pub fn drive(drive: &Drive, log: &mut OracleLog, books: Books) -> Result<(Driven, Books)> {
    let devices = devices(drive, &books);
    let habits =
        Habits { festival: drive.festival.id, in_flight: drive.in_flight, give_up_ns: Some(PATIENCE_NS) };
    let system = |error: crate::client::ClientError| LoadError::Server(format!("failed the oracle: {error}"));
    let mut swarm = Swarm::new(drive.address, habits, &devices, drive.seed).map_err(system)?;
    let failed = Cell::new(false);
    let mut asker = Asker::new(drive, log, books, &failed)?;
    let began = Instant::now();
    let mut broken = false;
    swarm
        .run(&mut asker, |counts| {
            broken = drive.until_broken && counts.welcomes > 0 && counts.breaks > 0;
            broken || failed.get() || began.elapsed() > drive.length
        })
        .map_err(system)?;
    asker.stopped = true;
    if !broken && !failed.get() {
        // A clean end: what is in flight is answered; half a minute is more than any restart takes here.
        let patience = Instant::now();
        let done = |counts: &crate::client::Counts| {
            counts.settled() >= counts.asked || failed.get() || patience.elapsed() > Duration::from_secs(30)
        };
        swarm.run(&mut asker, done).map_err(system)?;
        swarm.leave();
    }
    let breaks = swarm.counts().breaks;
    let (books, failure) = (asker.books, asker.failure);
    match failure {
        Some(error) => Err(error),
        None => Ok((driven(&books, breaks), books)),
    }
}

fn driven(books: &Books, breaks: u64) -> Driven {
    let unanswered = count(books.unknown().count());
    let acknowledged = count(books.in_order().filter(|(_, asked)| asked.answer.is_some()).count());
    Driven {
        asked: count(books.len()),
        acknowledged,
        unanswered,
        taken_back: count(books.in_order().filter(|(_, asked)| asked.taken_back()).count()),
        burned: count(books.in_order().filter(|(_, asked)| asked.burned()).count()),
        breaks,
        contradictions: books.contradictions(),
    }
}
