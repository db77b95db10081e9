//! Owns: the oracle's books: each request with its first answer, each wallet's history in the order of its records,
//! and what of it contradicts itself.
//! Must never: take the server's word for an order or a balance that the answers themselves contradict.
//! Laws: checks L2 (floors), L4 (one answer for ever), L9 (one line of history) on acknowledged answers.

use std::collections::{BTreeMap, HashMap, HashSet};

use wire::codes::DONE;
use wire::{Answer, Class, Command, Decline, Position, RequestId, RequestView};

use super::log::Entry;

/// A request as the oracle remembers it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its bytes, to send again.
    pub bytes: Vec<u8>,
    /// What it asks.
    pub command: Command,
    /// The tag.
    pub uid: Vec<u8>,
    /// What an applied answer moves the wallet by; a void gets it from its sale.
    pub delta: i64,
    /// The sale that a void takes back.
    pub target: RequestId,
    /// The first answer that decided it; once it was given up, what its cancel says that the id has come to.
    pub answer: Option<Answer>,
    /// It was given up: its cancel may have left.
    pub given_up: bool,
    /// The first answer to its cancel.
    pub cancel: Option<Answer>,
    /// It was refused for good: nothing can settle it any more.
    pub refused: bool,
}

impl Asked {
    /// It took effect and was taken back: its own record lies somewhere before its cancel's.
    pub fn taken_back(&self) -> bool {
        self.cancel.is_some_and(|cancel| is(&cancel, Class::Applied, Decline::Cancelled))
    }

    /// Its id was closed before it came: it has no record of its own.
    pub fn burned(&self) -> bool {
        self.cancel.is_some_and(|cancel| is(&cancel, Class::Applied, Decline::Burned))
    }

    /// Takes an answer to its cancel; what of it can't be.
    fn cancelled(&mut self, answer: &Answer) -> Option<String> {
        let id = answer.id;
        if let Some(first) = &self.cancel {
            let changed = !same(first, answer);
            return changed.then(|| format!("the cancel of {id} was answered {first:?}, then {answer:?}"));
        }
        self.cancel = Some(*answer);
        // Applied, it says what has become of the id; declined, that the request stands where it stood.
        let now = match answer.class {
            Class::Applied => Answer { class: Class::Declined, ..*answer },
            _ => Answer { class: Class::Applied, code: DONE, ..*answer },
        };
        let before = self.answer.replace(now);
        let possible = before
            .is_none_or(|before| same(&before, &now) || before.class == Class::Applied && self.taken_back());
        let unasked = (!self.given_up).then(|| format!("{id} was cancelled, which nobody asked for"));
        unasked.or_else(|| {
            (!possible).then(|| format!("{id} was answered {before:?} and given up with {answer:?}"))
        })
    }
}

fn is(answer: &Answer, class: Class, code: Decline) -> bool {
    answer.class == class && answer.code == code.number()
}

fn name(answer: &Answer) -> &'static str {
    wire::codes::name(answer.code)
}

/// Everything that was asked and answered.
#[derive(Debug, Default)]
pub struct Books {
    requests: HashMap<RequestId, Asked>,
    // In the order in which they were asked.
    order: Vec<RequestId>,
    contradictions: Vec<String>,
}

/// Whether an answer ends a request (a busy or unknown one does not).
pub fn decides(answer: &Answer) -> bool {
    matches!(answer.class, Class::Applied | Class::Declined | Class::Read)
}

impl Books {
    /// The books that a file's entries give.
    pub fn of(entries: &[Entry]) -> Self {
        let mut books = Self::default();
        for entry in entries {
            match entry {
                Entry::Asked(bytes) => books.asked(bytes),
                Entry::Answered(answer) => books.answered(answer),
                Entry::GivenUp(id) => books.gave_up(*id),
            }
        }
        books
    }

    /// Remembers a request. One asked again must be the very same.
    pub fn asked(&mut self, bytes: &[u8]) {
        let Some(Ok(view)) = RequestView::parse(bytes) else { return };
        let id = view.id();
        if let Some(known) = self.requests.get(&id) {
            if known.bytes != bytes {
                self.contradictions.push(format!("the oracle itself used id {id} twice"));
            }
            return;
        }
        let delta = match view.command() {
            Command::TopUp => view.amount(),
            Command::Purchase => -view.amount(),
            _ => 0,
        };
        let (command, target) = (view.command(), view.target());
        let (uid, bytes) = (view.uid().to_vec(), bytes.to_vec());
        self.requests.insert(
            id,
            Asked {
                bytes,
                command,
                uid,
                delta,
                target,
                answer: None,
                given_up: false,
                cancel: None,
                refused: false,
            },
        );
        self.order.push(id);
    }

    /// Takes an answer. The first that decides stays for ever; a later one must say the same.
    pub fn answered(&mut self, answer: &Answer) {
        let Some(asked) = self.requests.get_mut(&answer.id) else {
            self.contradictions.push(format!("an answer to {}, which was never asked", answer.id));
            return;
        };
        if answer.class == Class::Refused {
            // Only endings are kept in the file: this is no `busy` that was waited out, and what the oracle asks is
            // valid, so that nothing of it may be refused.
            asked.refused = true;
            self.contradictions.push(format!(
                "{} was refused: {}",
                answer.id,
                wire::codes::name(answer.code)
            ));
        }
        if !decides(answer) {
            return;
        }
        if answer.command == Command::Cancel.number() {
            self.contradictions.extend(asked.cancelled(answer));
            return;
        }
        let closed = matches!(Decline::from_u16(answer.code), Some(Decline::Cancelled | Decline::Burned));
        if closed && !asked.given_up {
            self.contradictions.push(format!("{} is {}, but nobody gave it up", answer.id, name(answer)));
        }
        match &asked.answer {
            None => asked.answer = Some(*answer),
            // What is read may change; what is decided may not.
            Some(first) if first.class != Class::Read && !same(first, answer) => {
                self.contradictions.push(format!("{} was answered {first:?}, then {answer:?}", answer.id));
            }
            Some(_) => {}
        }
    }

    /// A request is given up.
    pub fn gave_up(&mut self, id: RequestId) {
        match self.requests.get_mut(&id) {
            Some(asked) => asked.given_up = true,
            None => self.contradictions.push(format!("the oracle itself gave {id} up without asking it")),
        }
    }

    /// A request by its id.
    pub fn get(&self, id: RequestId) -> Option<&Asked> {
        self.requests.get(&id)
    }

    /// Requests asked.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Requests without a deciding answer, in the order in which they were asked.
    pub fn unknown(&self) -> impl Iterator<Item = (RequestId, &Asked)> {
        self.in_order().filter(|(_, asked)| asked.answer.is_none() && !asked.refused)
    }

    /// All requests, in the order in which they were asked.
    pub fn in_order(&self) -> impl DoubleEndedIterator<Item = (RequestId, &Asked)> {
        self.order.iter().filter_map(|id| Some((*id, self.requests.get(id)?)))
    }

    /// The highest counter of each device.
    pub fn counters(&self) -> BTreeMap<u32, u64> {
        let mut counters = BTreeMap::new();
        for id in &self.order {
            let highest = counters.entry(id.device()).or_insert(0);
            *highest = id.counter().max(*highest);
        }
        counters
    }

    /// What an applied request moves its wallet by.
    fn delta(&self, asked: &Asked) -> i64 {
        if asked.command == Command::Void {
            return self.requests.get(&asked.target).map_or(0, |sale| -sale.delta);
        }
        asked.delta
    }

    /// Balance of each wallet that was opened, by its tag.
    pub fn balances(&self) -> BTreeMap<Vec<u8>, i64> {
        let mut balances = BTreeMap::new();
        for (_, asked) in self.in_order() {
            if asked.answer.is_some_and(|answer| answer.class == Class::Applied) {
                *balances.entry(asked.uid.clone()).or_insert(0) += self.delta(asked);
            }
        }
        balances
    }

    /// Everything that can't be: what was noticed while answers came, and what the histories of the wallets show.
    /// A wallet whose requests are not all answered is checked as far as its answers go in a row.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = self.contradictions.clone();
        let mut histories: HashMap<&[u8], Vec<(Position, RequestId, &Asked)>> = HashMap::new();
        let mut places = HashSet::new();
        let mut open: HashSet<&[u8]> = HashSet::new();
        for (id, asked) in self.in_order() {
            let Some(answer) = asked.answer else {
                open.insert(&asked.uid);
                continue;
            };
            if answer.class == Class::Read {
                continue;
            }
            if !places.insert(answer.position) {
                found.push(format!(
                    "two requests are answered with position {:?}, one is {id}",
                    answer.position
                ));
            }
            histories.entry(&asked.uid).or_default().push((answer.position, id, asked));
        }
        for (uid, mut history) in histories {
            history.sort_unstable_by_key(|(position, ..)| *position);
            // An unanswered request may stand anywhere in between, so balances can't be added up.
            let complete = !open.contains(uid);
            self.check_history(&history, complete, &mut found);
        }
        self.check_voids(&mut found);
        found.sort_unstable();
        found
    }

    fn check_history(
        &self,
        history: &[(Position, RequestId, &Asked)],
        complete: bool,
        found: &mut Vec<String>,
    ) {
        let mut balance = 0;
        let mut hidden =
            Hidden::of(history.iter().map(|(position, _, asked)| (*position, self.taken_from(asked))));
        let shard = history.first().map(|(position, ..)| position.shard());
        for (position, id, asked) in history {
            let Some(answer) = asked.answer else { continue };
            if Some(position.shard()) != shard {
                found.push(format!("{id} is recorded in another shard than its wallet's other requests"));
            }
            if answer.balance < 0 {
                found.push(format!("{id} leaves its wallet at {}", answer.balance));
            }
            if !complete {
                continue;
            }
            if answer.class == Class::Applied {
                balance += self.delta(asked);
            }
            hidden.passed(*position);
            if !hidden.explains(answer.balance - balance) {
                found.push(format!(
                    "{id} at {position:?} says {} where its wallet's history gives {balance}",
                    answer.balance
                ));
                balance = answer.balance;
            }
            let poor = Decline::InsufficientFunds.number();
            if answer.class == Class::Declined && answer.code == poor && answer.balance + asked.delta >= 0 {
                let held = answer.balance;
                found.push(format!("{id} was declined for want of money with {held} in the wallet"));
            }
        }
    }

    /// What a request moved before its cancel moved it back; 0 for all others.
    fn taken_from(&self, asked: &Asked) -> i64 {
        if asked.taken_back() { self.delta(asked) } else { 0 }
    }

    fn check_voids(&self, found: &mut Vec<String>) {
        let mut voided = HashSet::new();
        for (id, asked) in self.in_order() {
            let applied = asked.answer.is_some_and(|answer| answer.class == Class::Applied);
            if asked.command == Command::Void && applied && !voided.insert(asked.target) {
                found.push(format!("{id} took sale {} back a second time", asked.target));
            }
            let sale = self.requests.get(&asked.target);
            if asked.command == Command::Void && applied && sale.is_some_and(Asked::taken_back) {
                found.push(format!("{id} took sale {} back, and so did its cancel", asked.target));
            }
        }
    }
}

/// What requests moved that were taken back afterwards. Nobody was told where their own records lie: somewhere before
/// their cancels', so that each balance in between may hold what they moved, or not.
#[derive(Debug, Default)]
struct Hidden {
    /// The position of the cancel, and the amount.
    moved: Vec<(Position, i64)>,
    /// Every sum of amounts that may still be in a balance.
    sums: Vec<i64>,
}

/// Of more than so many at a time the sums are too many to tell anything: then a balance is not judged.
const MOST_HIDDEN: usize = 10;

impl Hidden {
    fn of(moved: impl Iterator<Item = (Position, i64)>) -> Self {
        let mut hidden = Self { moved: moved.filter(|(_, amount)| *amount != 0).collect(), sums: Vec::new() };
        hidden.add_up();
        hidden
    }

    /// The history is at this record: what was taken back up to here is in no balance any more.
    fn passed(&mut self, position: Position) {
        let before = self.moved.len();
        self.moved.retain(|(cancel, _)| *cancel > position);
        if self.moved.len() != before {
            self.add_up();
        }
    }

    fn add_up(&mut self) {
        self.sums = vec![0];
        if self.moved.len() <= MOST_HIDDEN {
            for (_, amount) in &self.moved {
                let with: Vec<i64> = self.sums.iter().map(|sum| sum + amount).collect();
                self.sums.extend(with);
            }
        }
    }

    fn explains(&self, difference: i64) -> bool {
        self.moved.len() > MOST_HIDDEN || self.sums.contains(&difference)
    }
}

/// Whether two answers are the same byte for byte; `come back` and the echo of the command lie outside of that.
fn same(first: &Answer, again: &Answer) -> bool {
    (first.class, first.code, first.position, first.balance)
        == (again.class, again.code, again.position, again.balance)
}
