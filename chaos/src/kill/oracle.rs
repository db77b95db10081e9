//! What must be true of the ledger, worked out from the terminals' memory alone, and where it is not.
//! Must never: ask the server what it should have.
//! Laws: checks L1 (totals), L3 (nothing lost), L4 (nothing twice), L7 (the files are sound).

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use wire::{Answer, Class, Command, Decline, Request};

use super::Trouble;
use super::client::Link;
use super::festival;
use super::terminal::{Order, Terminal, What};

/// Sums over everything that was decided.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// Balance of each wallet, minor units.
    pub balances: BTreeMap<usize, i64>,
    /// Records by kind, as the verifier names it: decided, and at most so many more.
    kinds: BTreeMap<&'static str, (u64, u64)>,
    declines: BTreeMap<&'static str, u64>,
    /// What the desks took in.
    cash: i64,
    /// What was sold and not taken back.
    sales: i64,
    /// What a request and its cancel were told that cannot both be.
    contradictions: Vec<String>,
}

/// What became of a request that may have been given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nobody knows.
    Open,
    /// It took effect.
    Stands,
    /// A no, with its record.
    Declined(u16),
    /// It took effect and was taken back: two records, and nothing moved.
    TakenBack,
    /// Its id was closed before it came: the record is the cancel's.
    Burned,
}

/// What a request came to, by its own answer and its cancel's.
fn fate(order: &Order, cancel: Option<Answer>) -> Fate {
    let of_code = |code| match Decline::from_u16(code) {
        Some(Decline::Cancelled) => Fate::TakenBack,
        Some(Decline::Burned) => Fate::Burned,
        _ => Fate::Declined(code),
    };
    match (cancel.map(|cancel| (cancel.class, cancel.code)), order.answer) {
        (Some((Class::Applied, code)), _) => of_code(code),
        (Some(_), _) => Fate::Stands,
        (None, Some(answer)) if answer.class == Class::Applied => Fate::Stands,
        // Closed by a cancel whose answer was lost: until that comes again it may be either.
        (None, Some(answer)) => match of_code(answer.code) {
            Fate::TakenBack | Fate::Burned => Fate::Open,
            declined => declined,
        },
        (None, None) => Fate::Open,
    }
}

/// Whether a request's first answer and its cancel's can both be.
fn agree(own: &Answer, cancel: &Answer) -> bool {
    match (own.class, cancel.class) {
        (Class::Applied, Class::Applied) => cancel.code == Decline::Cancelled.number(),
        (Class::Applied, _) => (own.position, own.balance) == (cancel.position, cancel.balance),
        // A no moved nothing, and a no of the cancel itself says the same of the id.
        (_, Class::Applied) => own.code == cancel.code,
        _ => false,
    }
}

/// What does not hold.
#[derive(Clone, Debug, Default)]
pub struct Wrong {
    /// Acknowledged and not there, or not as it was acknowledged.
    pub lost: u64,
    /// There more often than it was asked for.
    pub doubled: u64,
    /// Each, for a person.
    pub said: Vec<String>,
}

impl Wrong {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.said.extend(other.said);
    }

    /// Decided requests that got another answer than their first.
    pub fn changed(terminals: &[Terminal]) -> Self {
        let tallies = || terminals.iter().map(|terminal| &terminal.tally);
        let said = tallies().filter_map(|tally| tally.first_changed.as_ref());
        let said = said.map(|changed| format!("L4: {changed}")).collect();
        Self { lost: tallies().map(|tally| tally.changed).sum(), said, ..Self::default() }
    }
}

impl Books {
    /// From the memory of all terminals.
    pub fn of(terminals: &[Terminal]) -> Self {
        let mut books = Self::default();
        for terminal in terminals {
            books.add_all(terminal.orders());
        }
        books
    }

    /// Adds the orders of one terminal.
    pub fn add_all(&mut self, orders: &[Order]) {
        // Asked for or not: what the files hold of them is compared.
        for kind in [CANCELLED, BURNED] {
            self.kinds.entry(kind).or_default();
        }
        for order in orders {
            if let What::Cancel(of) = order.what {
                self.add_cancel(order, &orders[of]);
            } else {
                self.add(order, order.given_up.and_then(|at| orders[at].answer));
            }
        }
    }

    fn add(&mut self, order: &Order, cancel: Option<Answer>) {
        let fate = fate(order, cancel);
        if fate == Fate::Burned {
            return;
        }
        let (decided, open) = self.kinds.entry(kind(order.command())).or_default();
        *(if fate == Fate::Open { open } else { decided }) += 1;
        match fate {
            Fate::Declined(code) => {
                *self.declines.entry(wire::codes::name(code)).or_default() += 1;
            }
            Fate::Stands => {
                *self.balances.entry(order.wallet).or_default() += order.effect();
                match order.what {
                    What::Open | What::Cancel(_) => {}
                    What::TopUp(amount) => self.cash += amount,
                    What::Purchase(_) | What::Void(..) => self.sales -= order.effect(),
                }
            }
            Fate::Open | Fate::Burned | Fate::TakenBack => {}
        }
    }

    fn add_cancel(&mut self, cancel: &Order, of: &Order) {
        let Some(answer) = cancel.answer else {
            // It leaves one record of these, or none.
            self.kinds.entry(CANCELLED).or_default().1 += 1;
            self.kinds.entry(BURNED).or_default().1 += 1;
            return;
        };
        match fate(of, Some(answer)) {
            Fate::TakenBack => self.kinds.entry(CANCELLED).or_default().0 += 1,
            Fate::Burned => self.kinds.entry(BURNED).or_default().0 += 1,
            Fate::Stands => {
                self.kinds.entry(CANCELLED).or_default().0 += 1;
                *self.declines.entry(wire::codes::name(answer.code)).or_default() += 1;
            }
            // There was nothing to take back.
            Fate::Declined(_) | Fate::Open => {}
        }
        if let Some(own) = of.answer.filter(|own| !agree(own, &answer)) {
            self.contradictions.push(format!("L4: {own:?} was given up with {answer:?}"));
        }
    }

    /// Requests that nobody knows the fate of.
    pub fn open(&self) -> u64 {
        self.kinds.values().map(|(_, open)| open).sum()
    }

    /// Requests that were given up: taken back, and burned.
    pub fn given_up(&self) -> (u64, u64) {
        let of = |kind| self.kinds.get(kind).map_or(0, |(decided, _)| *decided);
        (of(CANCELLED), of(BURNED))
    }

    /// Requests that were decided.
    pub fn decided(&self) -> u64 {
        self.kinds.values().map(|(decided, _)| decided).sum()
    }

    /// Compares with what `fanfare verify` says of the files. With requests open, only the bounds.
    pub fn against(&self, verified: &Value) -> Wrong {
        let mut wrong = Wrong { said: self.contradictions.clone(), ..Wrong::default() };
        if verified["sound"] != Value::Bool(true) {
            wrong.said.push(format!("L7: the files are not sound: {}", verified["findings"]));
        }
        if verified["replayed"] != Value::Bool(true) {
            let (stopped, differs) = (&verified["not_replayed"], &verified["differences"]);
            wrong.said.push(format!("L6: the build does not replay the files: {stopped} {differs}"));
        }
        if verified["forks"] != 0 {
            wrong.said.push(format!("L4: {} ids stand on two wallets", verified["forks"]));
        }
        for (kind, (decided, open)) in &self.kinds {
            let found = verified["kinds"][kind].as_u64().unwrap_or(0);
            let (lost, doubled) = (decided.saturating_sub(found), found.saturating_sub(decided + open));
            wrong.lost += lost;
            wrong.doubled += doubled;
            if lost + doubled > 0 {
                wrong.said.push(format!(
                    "L3, L4: {found} records {kind:?}, but {decided} were answered and {open} are not known"
                ));
            }
        }
        if self.open() == 0 {
            self.exactly(verified, &mut wrong.said);
        }
        wrong
    }

    fn exactly(&self, verified: &Value, wrong: &mut Vec<String>) {
        let held: i64 = self.balances.values().sum();
        // A server that lives for some seconds sweeps what was sold home, by way of transit; nothing else travels here.
        let totals: [(&[&str], i64); 3] = [
            (&["wallet paid"], -held),
            (&["vendor sales", "vendor home", "transit"], -self.sales),
            (&["cash drawer"], self.cash),
        ];
        for (kinds, expected) in totals {
            let of_these = |total: &&Value| kinds.iter().any(|kind| total["kind"] == *kind);
            let total = verified["totals"].as_array().into_iter().flatten();
            let found: i64 = total.filter(of_these).filter_map(|total| total["balance"].as_i64()).sum();
            if found != expected {
                let kinds = kinds.join(" + ");
                wrong.push(format!("L1: {kinds} is {found} in the files, {expected} by the answers"));
            }
        }
        let empty = serde_json::Map::new();
        let declines = verified["declines"].as_object().unwrap_or(&empty);
        let found = declines.iter().filter_map(|(name, count)| Some((name.as_str(), count.as_u64()?)));
        let found: BTreeMap<&str, u64> = found.collect();
        if found != self.declines {
            wrong.push(format!("declines are {found:?} in the files, {:?} by the answers", self.declines));
        }
        if verified["wallets_open"].as_u64() != Some(self.balances.len() as u64) {
            let opened = self.balances.len();
            wrong.push(format!("{} wallets in the files, {opened} by the answers", verified["wallets_open"]));
        }
    }

    /// Asks the server for every wallet's balance, as `terminal`. What it says that is not so.
    pub fn against_statements(&self, server: SocketAddr, terminal: &mut Terminal) -> Result<Wrong, Trouble> {
        let mut link = Link::open(server, terminal.device())?;
        let mut wrong = Vec::new();
        let all: Vec<(usize, i64)> =
            self.balances.iter().map(|(wallet, balance)| (*wallet, *balance)).collect();
        for some in all.chunks(STATEMENTS_AT_ONCE) {
            let mut asked = BTreeMap::new();
            link.send(|frame| {
                for (wallet, balance) in some {
                    if let (Some(id), Some(band)) = (terminal.read_id(), festival::band(*wallet)) {
                        frame.push(&Request::balance(id, band));
                        asked.insert(id, (*wallet, *balance));
                    }
                }
            })?;
            while !asked.is_empty() {
                let mut answers = Vec::new();
                link.receive(&mut answers)?;
                for answer in answers {
                    match asked.remove(&answer.id) {
                        Some((_, expected)) if answer.balance == expected => {}
                        Some((wallet, expected)) => wrong.push(format!(
                            "wallet {wallet} holds {} by its statement, {expected} by the answers",
                            answer.balance
                        )),
                        None => wrong.push(format!("L4: {answer:?} was not asked for")),
                    }
                }
            }
        }
        Ok(Wrong { said: wrong, ..Wrong::default() })
    }
}

/// Below the limit of a connection's requests in flight.
const STATEMENTS_AT_ONCE: usize = 256;

/// How `fanfare verify` names what a cancel leaves: something taken back (or declined to be), or an id closed.
const CANCELLED: &str = "cancelled";
const BURNED: &str = "burned";

/// How `fanfare verify` names the records of a command.
const fn kind(command: Command) -> &'static str {
    match command {
        Command::Cancel => CANCELLED,
        Command::OpenWallet => "wallet opened",
        Command::TopUp => "topped up",
        Command::Void => "voided",
        _ => "purchased",
    }
}
