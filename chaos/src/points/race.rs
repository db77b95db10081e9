//! Power lost at every call of a pairing race: two desks give one band to two wallets, in three shards on two
//! cores, while the machine dies. Afterwards one desk has won, and the band pays from its wallet alone (L4,
//! L5, L13).

use std::collections::BTreeMap;

use actors::address::{Keys, Tag};
use actors::answer::{Answer, Verdict};
use actors::codes::{Decline, Outcome, Refusal};
use actors::command::{AskedLine, Command, Request};
use engine::job::{Job, Lane, Message, Reply};
use fastrand::Rng;
use ledger::journal::embedded::{LogConfig, SimDisk};
use ledger::record::Tender;

use crate::world::clock::SimClock;
use crate::world::fixture::{self, ITEMS};
use crate::world::mesh::{Fate, Mesh};
use crate::world::plan::Plan;
use crate::world::process::{self, Process};

const SHARDS: u16 = 4;
const LOOPS: u16 = 2;
/// What the wallets hold before the race.
const HELD: [i64; 2] = [2_000, 1_500];
const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

/// How all races went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raced {
    /// Runs.
    pub runs: u64,
    /// Of these, power was lost within the race.
    pub lost: u64,
    /// How often each desk won.
    pub won: [u64; 2],
}

/// The race without a fault, then with power lost at each of its calls in `subsets` ways.
pub fn all(subsets: u64) -> Result<Raced, String> {
    let mut raced = Raced::default();
    let mut call = None;
    loop {
        for subset in 0..subsets.max(1) {
            let (winner, lost) = race(call, subset).map_err(|why| format!("call {call:?}: {why}"))?;
            raced.runs += 1;
            raced.lost += u64::from(lost);
            raced.won[winner] += 1;
            // Beyond the last call nothing is lost any more.
            if call.is_some() && !lost {
                return Ok(raced);
            }
        }
        call = Some(call.map_or(0, |call| call + 1));
    }
}

/// One race; which desk won, and whether power was lost.
pub fn race(call: Option<u64>, subset: u64) -> Result<(usize, bool), String> {
    let mut stage = Stage::new()?;
    stage.prepare()?;
    let first = stage.disk.operations();
    if let Some(call) = call {
        stage.disk.crash_at(first + call);
    }
    let (pairs, early) = (stage.pairs(), stage.purchase(1));
    let before = stage.ask(&pairs, false).and_then(|pairs| Some((pairs, stage.ask(&[early], false)?)));
    if let Some((pairs, early)) = &before {
        // Nobody has told the wallet yet: it pays for no band that it did not take.
        if early[0].verdict != Verdict::Refused(Refusal::Busy) {
            return Err(format!("{:?} before the wallet took the band, after {pairs:?}", early[0]));
        }
        stage.settle();
    }
    let lost = stage.disk.frozen();
    if lost {
        stage.reboot(subset)?;
    } else {
        // The race has fewer calls than that.
        stage.disk.crash_at(u64::MAX);
    }
    let after = stage.ask(&pairs, true).ok_or("no answer")?;
    // The slower desk is told to come back until the wallet has the band.
    let changed = |(before, _): &(Vec<Answer>, Vec<Answer>)| {
        let mut both = before.iter().zip(&after);
        both.any(|(before, after)| before != after && before.verdict != Verdict::Refused(Refusal::Busy))
    };
    if let Some((before, _)) = before.filter(changed) {
        return Err(format!("{after:?} after {before:?}"));
    }
    let winner = stage.judge(&after)?;
    Ok((winner, lost))
}

struct Stage {
    disk: SimDisk,
    process: Process,
    mesh: Mesh,
    clock: SimClock,
    rng: Rng,
    keys: Keys,
    /// Two wallets and the band, each of another shard.
    tags: [Tag; 3],
    told: BTreeMap<u64, Answer>,
    next: u64,
}

fn config(clock: &SimClock) -> LogConfig {
    let mut plan = Plan::draw(&mut Rng::with_seed(7)).good_machine();
    (plan.shards, plan.loops, plan.segment_pages) = (SHARDS, LOOPS, 400);
    crate::world::log_config(&plan, clock)
}

impl Stage {
    fn new() -> Result<Self, String> {
        let clock = SimClock::new(fixture::START);
        let disk = SimDisk::new(7);
        let festival = fixture::festival(false).map_err(|error| error.to_string())?;
        process::found(&disk, config(&clock), SHARDS, &festival, fixture::START)
            .map_err(|error| error.to_string())?;
        let keys = fixture::keys();
        let in_shard = |shard: u16| {
            let tags = (0..1_000).map(|band| fixture::tag(&keys, band));
            tags.into_iter().find(|tag| tag.number.as_wallet().shard(SHARDS).0 == shard)
        };
        let tags = [in_shard(0), in_shard(1), in_shard(2)];
        let [Some(first), Some(second), Some(band)] = tags else { return Err("no bands".into()) };
        let mesh = Mesh::default();
        let process = start(&disk, &clock, &mesh)?;
        let (tags, rng) = ([first, second, band], Rng::with_seed(7));
        Ok(Self { disk, process, mesh, clock, rng, keys, tags, told: BTreeMap::new(), next: 0 })
    }

    /// Both wallets are opened and topped up.
    fn prepare(&mut self) -> Result<(), String> {
        for (at, amount) in HELD.into_iter().enumerate() {
            let tag = self.tags[at];
            let top_up = Command::TopUp { tender: Tender::Cash, amount };
            let counter = 10 * (at as u64 + 1);
            let requests =
                [self.request(5, counter, tag, Command::Open), self.request(5, counter + 1, tag, top_up)];
            for request in requests.into_iter().flatten() {
                let answers = self.ask(&[request], true).ok_or("no answer")?;
                if answers[0].verdict != APPLIED {
                    return Err(format!("{:?}", answers[0]));
                }
            }
        }
        Ok(())
    }

    fn request(&self, device: u32, counter: u64, tag: Tag, command: Command) -> Option<Request> {
        fixture::request(&self.keys, device, counter, tag, command)
    }

    fn pairs(&self) -> Vec<Request> {
        let pair = |at: usize| {
            let wallet = self.tags[at].number.as_wallet();
            let device = [4, 5][at];
            self.request(device, 100, self.tags[2], Command::Pair { wallet, replaces: None })
        };
        (0..2).filter_map(pair).collect()
    }

    /// One beer, by the band.
    fn purchase(&self, counter: u64) -> Request {
        let (item, _, unit_price, _) = ITEMS[0];
        let lines = std::iter::once(AskedLine { item, quantity: 1, unit_price }).collect();
        let command = Command::Purchase { lines, amount: unit_price.into(), confirmed: true };
        let asked = self.request(1, counter, self.tags[2], command);
        asked.unwrap_or_else(|| unreachable!("device and counter are sound"))
    }

    /// Hands requests in, each at a door of its own; their answers, or `None` if power was lost. `late`
    /// asks again where the answer is to come back later, and lets letters arrive.
    fn ask(&mut self, requests: &[Request], late: bool) -> Option<Vec<Answer>> {
        let mut answers = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            self.submit(at % usize::from(LOOPS), request);
        }
        let first = self.next - requests.len() as u64;
        for _ in 0..2_000 {
            self.round(late);
            if self.disk.frozen() {
                return None;
            }
            answers = (first..self.next).filter_map(|token| self.told.get(&token).copied()).collect();
            if answers.len() < requests.len() {
                continue;
            }
            let busy = |answer: &Answer| answer.verdict == Verdict::Refused(Refusal::Busy);
            if !late || !answers.iter().any(busy) {
                return Some(answers);
            }
            return self.ask(requests, late);
        }
        Some(answers).filter(|answers| answers.len() == requests.len())
    }

    fn submit(&mut self, core: usize, request: &Request) {
        let (token, home) = (self.next, u16::try_from(core).unwrap_or(0));
        self.next += 1;
        let (reply, request) = (Reply { home, token }, request.clone());
        let mut jobs = vec![Job { reply, deadline: None, lane: Lane::Live, ways: 0, request }];
        self.process.submit(core, &mut jobs);
    }

    /// Every part does a little.
    fn round(&mut self, letters: bool) {
        for core in 0..usize::from(LOOPS) {
            self.process.turn(core, self.clock.read());
            for told in self.process.told(core) {
                let answer = match &told.message {
                    Message::Answer(answer) => *answer,
                    Message::Statement(statement) => statement.answer,
                };
                self.told.insert(told.reply.token, answer);
            }
        }
        self.process.work();
        while letters && let Some(fate) = self.mesh.next(&mut self.rng, 0, 0) {
            if let Fate::Arrives(letter) = fate {
                self.process.arrive(letter, self.clock.read());
            }
        }
        self.clock.pass(1_000);
    }

    fn settle(&mut self) {
        for _ in 0..300 {
            self.round(true);
        }
    }

    /// The machine comes back with what was flushed and some of the rest.
    fn reboot(&mut self, subset: u64) -> Result<(), String> {
        self.disk = self.disk.reboot(subset);
        self.mesh = Mesh::default();
        self.process = start(&self.disk, &self.clock, &self.mesh)?;
        Ok(())
    }

    /// One desk won; the band pays from its wallet, once, and the auditor has nothing to say.
    fn judge(&mut self, pairs: &[Answer]) -> Result<usize, String> {
        let winner = match (pairs[0].verdict, pairs[1].verdict) {
            (APPLIED, Verdict::Declined(Decline::TagTaken)) => 0,
            (Verdict::Declined(Decline::TagTaken), APPLIED) => 1,
            both => return Err(format!("two desks with one band were told {both:?}")),
        };
        self.settle();
        let purchase = self.purchase(2);
        let paid = self.ask(&[purchase.clone(), purchase], true).ok_or("no answer")?;
        let expected = HELD[winner] - i64::from(ITEMS[0].2);
        if paid[0] != paid[1] || (paid[0].verdict, paid[0].balance) != (APPLIED, expected) {
            return Err(format!("the band of wallet {winner} paid {paid:?}"));
        }
        let read = |at: usize| self.request(1, 50 + at as u64, self.tags[at], Command::Balance);
        let reads: Vec<_> = (0..3).filter_map(read).collect();
        let balances = self.ask(&reads, true).ok_or("no answer")?;
        let balances: Vec<_> = balances.iter().map(|answer| answer.balance).collect();
        let mut right = vec![HELD[0], HELD[1], expected];
        right[winner] = expected;
        if balances != right {
            return Err(format!("{balances:?} where {right:?} was right"));
        }
        let report = ledger::audit::verify(self.process.log(), &[]);
        if report.is_sound() { Ok(winner) } else { Err(format!("{:?}", report.findings)) }
    }
}

fn start(disk: &SimDisk, clock: &SimClock, mesh: &Mesh) -> Result<Process, String> {
    let started = Process::start(disk, config(clock), LOOPS, clock.read(), mesh);
    started.map(|(process, _)| process).map_err(|error| error.to_string())
}
