//! Owns: after a restart: every unanswered request again under its own id (or looked up, or, where a barman had given
//! it up, its cancel), answered ones and cancels again for the same answer, every balance read and compared.
//! Must never: make a new id for an old request; end with a request unsettled and call it settled.
//! Laws: checks L3, L4 and L9 from outside.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use wire::{Request, RequestId, Uid};

use super::books::{Asked, Books};
use super::drive::{Drive, devices};
use super::log::OracleLog;
use crate::client::{ClientError, Errands, Habits, Impatience, Settled, Swarm};
use crate::error::{LoadError, Result};
use crate::num::count;

/// What settling came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settlement {
    /// Requests that had no answer.
    pub unknown: u64,
    /// Of these, settled now.
    pub settled: u64,
    /// Answered requests that were asked again.
    pub asked_again: u64,
    /// Wallets whose balance was read.
    pub wallets_read: u64,
    /// What can't be.
    pub contradictions: Vec<String>,
}

/// Answered requests of each device that are asked again, newest first: what a crash could have lost.
const AGAIN: usize = 500;

/// Requests that one terminal has in flight while it settles.
const IN_FLIGHT: usize = 256;

/// How long the server may take for all of it.
const PATIENCE: Duration = Duration::from_mins(2);

struct Settler<'a> {
    log: &'a mut OracleLog,
    books: Books,
    to_read: VecDeque<Uid>,
    read: BTreeMap<Vec<u8>, i64>,
    asked_for: BTreeMap<RequestId, Uid>,
    failed: &'a Cell<bool>,
    failure: Option<LoadError>,
    bytes: Vec<u8>,
}

impl Settler<'_> {
    fn fail(&mut self, error: LoadError) {
        self.failed.set(true);
        self.failure.get_or_insert(error);
    }
}

impl Errands for Settler<'_> {
    fn next(&mut self, _: usize, id: RequestId, till: u32) -> Option<(Request<'_>, u64)> {
        let uid = self.to_read.pop_front()?;
        let mut request = Request::balance(id, uid);
        request.till = till;
        self.bytes.clear();
        request.append_to(&mut self.bytes);
        if let Err(error) = self.log.asked(&self.bytes) {
            self.fail(error);
            return None;
        }
        self.books.asked(&self.bytes);
        self.asked_for.insert(id, uid);
        Some((request, 0))
    }

    fn settled(&mut self, _: usize, settled: &Settled<'_>) {
        if let Err(error) = self.log.answered(&settled.answer) {
            self.fail(error);
            return;
        }
        self.books.answered(&settled.answer);
        if let Some(uid) = self.asked_for.remove(&settled.id) {
            self.read.insert(uid.as_bytes().to_vec(), settled.answer.balance);
        }
    }

    fn gives_up(&mut self, _: usize, id: RequestId) {
        if let Err(error) = self.log.given_up(id) {
            self.fail(error);
        }
        self.books.gave_up(id);
    }
}

/// Settles what an oracle's file holds with a server.
pub fn settle(drive: &Drive, log: &mut OracleLog, books: Books) -> Result<(Settlement, Books)> {
    let devices = devices(drive, &books);
    let habits = Habits { festival: drive.festival.id, in_flight: IN_FLIGHT, give_up_ns: None };
    let mut swarm = Swarm::new(drive.address, habits, &devices, drive.seed).map_err(broke)?;
    let [unknown, again, cancels] = queues(&books);
    let (unknown_count, asked_again) = (total(&unknown), total(&again) + total(&cancels));
    let failed = Cell::new(false);
    let mut settler = Settler {
        log,
        books,
        to_read: VecDeque::new(),
        read: BTreeMap::new(),
        asked_for: BTreeMap::new(),
        failed: &failed,
        failure: None,
        bytes: Vec::new(),
    };
    ask_all(&mut swarm, &mut settler, &devices, unknown, in_doubt)?;
    ask_all(&mut swarm, &mut settler, &devices, again, |_, _| None)?;
    ask_all(&mut swarm, &mut settler, &devices, cancels, |_, _| Some(Impatience::GiveUp))?;
    let still = count(settler.books.unknown().count());
    settler.to_read = settler.books.balances().keys().filter_map(|uid| Uid::new(uid)).collect();
    let wallets = count(settler.to_read.len());
    let target = swarm.counts().settled() + wallets;
    run_until(&mut swarm, &mut settler, target)?;
    swarm.leave();
    let (books, read, failure) = (settler.books, settler.read, settler.failure);
    if let Some(error) = failure {
        return Err(error);
    }
    let mut contradictions = books.contradictions();
    contradictions.extend(statement_differences(&books, &read));
    let settled = unknown_count.saturating_sub(still);
    let wallets_read = count(read.len());
    Ok((Settlement { unknown: unknown_count, settled, asked_again, wallets_read, contradictions }, books))
}

/// Wallets whose balance over the wire is not what the acknowledged answers sum up to.
pub fn statement_differences(books: &Books, read: &BTreeMap<Vec<u8>, i64>) -> Vec<String> {
    let held = books.balances();
    let differ = |(uid, balance): (&Vec<u8>, &i64)| {
        let said = read.get(uid);
        (said != Some(balance)).then(|| {
            let said = said.map_or_else(|| "nothing".to_owned(), i64::to_string);
            format!("a wallet's statement says {said}, its acknowledged answers sum to {balance}")
        })
    };
    held.iter().filter_map(differ).collect()
}

type Queues = BTreeMap<u32, VecDeque<Vec<u8>>>;

/// What is done about a request in doubt: a cancel goes on; of the others every third is looked up, and burned if the
/// server has not seen it.
fn in_doubt(id: RequestId, asked: &Asked) -> Option<Impatience> {
    if asked.given_up {
        return Some(Impatience::GiveUp);
    }
    id.counter().is_multiple_of(3).then_some(Impatience::LookUp)
}

/// By device: what has no answer, the newest of what has one, and of what has a cancel.
fn queues(books: &Books) -> [Queues; 3] {
    let (mut unknown, mut again, mut cancels) = (Queues::new(), Queues::new(), Queues::new());
    for (id, asked) in books.unknown() {
        unknown.entry(id.device()).or_default().push_back(asked.bytes.clone());
    }
    for (id, asked) in books.in_order().rev() {
        let queue = again.entry(id.device()).or_default();
        let decided = asked.answer.is_some() && asked.command.consumes_id();
        if decided && queue.len() < AGAIN {
            queue.push_back(asked.bytes.clone());
        }
        let queue = cancels.entry(id.device()).or_default();
        if asked.cancel.is_some() && queue.len() < AGAIN {
            queue.push_back(asked.bytes.clone());
        }
    }
    [unknown, again, cancels]
}

fn total(queues: &Queues) -> u64 {
    count(queues.values().map(VecDeque::len).sum())
}

/// Sends each of these under its own id, or what is to be asked about it instead, as many at a time as the terminals
/// hold.
fn ask_all(
    swarm: &mut Swarm,
    settler: &mut Settler<'_>,
    devices: &[(u32, u64)],
    mut queues: Queues,
    instead: impl Fn(RequestId, &Asked) -> Option<Impatience>,
) -> Result<()> {
    while queues.values().any(|queue| !queue.is_empty()) {
        let mut target = swarm.counts().settled();
        let now = swarm.now_ns();
        let before = target;
        for (place, (device, _)) in devices.iter().enumerate() {
            let Some(queue) = queues.get_mut(device) else { continue };
            while let Some(bytes) = queue.front() {
                let Some(terminal) = swarm.terminal_mut(place) else { break };
                let Some(id) = terminal.restore(now, 0, bytes) else { break };
                match settler.books.get(id).and_then(|asked| instead(id, asked)) {
                    Some(Impatience::GiveUp) => terminal.give_up(id),
                    Some(Impatience::LookUp) => terminal.look_up(id),
                    None => {}
                }
                queue.pop_front();
                target += 1;
            }
        }
        if target == before {
            return Err(LoadError::Arguments(
                "the file holds requests of devices that are not connected".to_owned(),
            ));
        }
        run_until(swarm, settler, target)?;
    }
    Ok(())
}

fn run_until(swarm: &mut Swarm, settler: &mut Settler<'_>, settled: u64) -> Result<()> {
    let (began, failed) = (Instant::now(), settler.failed);
    let late = Cell::new(false);
    let done = |counts: &crate::client::Counts| {
        late.set(began.elapsed() > PATIENCE);
        counts.settled() >= settled || failed.get() || late.get()
    };
    swarm.run(settler, done).map_err(broke)?;
    if late.get() && swarm.counts().settled() < settled {
        return Err(LoadError::Server("left requests unsettled for two minutes".to_owned()));
    }
    Ok(())
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broke(error: ClientError) -> LoadError {
    LoadError::Server(format!("failed the oracle: {error}"))
}
