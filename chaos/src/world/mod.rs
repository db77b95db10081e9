//! The simulated world: disk, clocks, clients and one server process, driven by a seeded scheduler on
//! one thread. The same seed gives the same trace byte for byte. After every step the laws look at
//! what is durable, and judge each answer that left.

mod answers;
mod bands;
pub mod board;
mod builds;
pub mod clients;
pub mod clock;
mod faults;
pub mod fixture;
mod healing;
pub mod mesh;
pub mod organiser;
pub mod plan;
pub mod process;
mod rot;
pub mod script;
pub mod tally;
pub mod trace;

use std::sync::Arc;

use engine::job::{Job, Mono, Reply};
use fastrand::Rng;
use ledger::ids::ShardId;
use ledger::journal::embedded::{LogConfig, PAGE, SimDisk, SimFault, SimKind};
use ledger::law::Law;

use crate::laws::{Laws, Verdict, Violation};
use board::Board;
use builds::Builds;
use clients::{Clients, Letter};
use clock::SimClock;
use faults::Nemesis;
use mesh::{Fate, Mesh};
use organiser::{Organiser, Parts};
use plan::{Plan, Weights};
use process::Process;
use script::Script;
use tally::{Row, Tally};
use trace::Trace;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Hash of its trace.
    pub trace: [u8; 32],
    /// Lines of its trace.
    pub lines: u64,
    /// The lines, if they were asked for.
    pub kept: Vec<String>,
    /// What was hit.
    pub tally: Tally,
    /// How often a law was evaluated.
    pub checks: u64,
    /// Answers given.
    pub answers: u64,
    /// Simulated microseconds.
    pub micros: u64,
    /// The law that broke, if one did.
    pub violation: Option<Violation>,
}

/// Everything.
pub struct World {
    rng: Rng,
    plan: Plan,
    clock: SimClock,
    disk: SimDisk,
    process: Option<Process>,
    clients: Clients,
    laws: Laws,
    nemesis: Nemesis,
    tally: Tally,
    trace: Trace,
    /// Copies on their way.
    net: Vec<Letter>,
    /// Letters between shards.
    mesh: Mesh,
    parts: Parts,
    organiser: Organiser,
    /// Steps so far.
    steps: u32,
    next_token: u64,
    answers: u64,
    /// Calls that the disk had seen when the laws last looked.
    looked_at: u64,
    /// Which of the possible remains of a power loss is taken.
    subset: u64,
    builds: Builds,
    /// Whether the running build can read back every record.
    mended: bool,
    /// Shards that stopped in the running process.
    stopped: Vec<ShardId>,
    /// Before this no letter between shards arrives.
    mail_from: Mono,
}

/// Runs one seed. With `keep` the lines of the trace come back.
pub fn run(seed: u64, keep: bool) -> Report {
    let mut rng = Rng::with_seed(seed);
    let plan = Plan::draw(&mut rng);
    run_plan(seed, rng, plan, keep)
}

/// Runs a given plan with what is left of a seed.
pub fn run_plan(seed: u64, rng: Rng, plan: Plan, keep: bool) -> Report {
    match World::new(rng, plan, seed) {
        Ok(mut world) => {
            if keep {
                world.trace.keep();
            }
            let violation = world.live().err();
            world.report(seed, violation)
        }
        Err(violation) => Report::of(seed, violation),
    }
}

/// What happens to one call of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// Power is lost in the middle of it; the number chooses what is left.
    Crash(u64),
    /// It fails.
    Fails(SimFault),
}

/// Runs a plan on a good machine but for one blow at mutating call number `at`, counted from the end
/// of the first start. Gives the kinds of all calls beside the report.
///
/// The scenes of a script are played; where it has none, the crowd does what it likes.
pub fn run_point(
    seed: u64,
    plan: &Plan,
    script: &Script,
    blow: Option<(u64, Blow)>,
) -> (Report, Vec<SimKind>) {
    let plan = plan.clone().good_machine();
    let mut world = match World::new(Rng::with_seed(seed), plan, seed) {
        Ok(world) => world,
        Err(violation) => return (Report::of(seed, violation), Vec::new()),
    };
    world.disk.keep_trace();
    let first = world.disk.operations();
    match blow {
        Some((at, Blow::Crash(subset))) => {
            world.subset = subset;
            world.disk.crash_at(first + at);
        }
        Some((at, Blow::Fails(fault))) => world.fail_call(first, first + at, fault),
        None => {}
    }
    let scenes = &script.scenes;
    let violation = if scenes.is_empty() { world.live() } else { world.play(scenes) }.err();
    let kinds = world.disk.trace().iter().map(|call| call.kind).collect();
    (world.report(seed, violation), kinds)
}

impl Report {
    /// Of a run that ended before it began.
    fn of(seed: u64, violation: Violation) -> Self {
        Self {
            seed,
            trace: [0; 32],
            lines: 0,
            kept: Vec::new(),
            tally: Tally::default(),
            checks: 0,
            answers: 0,
            micros: 0,
            violation: Some(violation),
        }
    }
}

impl World {
    fn new(rng: Rng, plan: Plan, seed: u64) -> Result<Self, Violation> {
        let broken = |what: String| Violation::new(Law::Replay, what);
        let festival = fixture::festival(plan.bonus_first).map_err(|error| broken(error.to_string()))?;
        let festival = Arc::new(festival);
        let disk = SimDisk::new(seed);
        let clock = SimClock::new(fixture::START);
        process::found(&disk, log_config(&plan, &clock), plan.shards, &festival, fixture::START)
            .map_err(|error| broken(format!("founding: {error}")))?;
        let mut world = Self {
            laws: Laws::new(Arc::clone(&festival), plan.shards, plan.loops),
            clients: Clients::new(&plan, Board::new(Arc::clone(&festival), fixture::START)),
            organiser: Organiser::new(festival, plan.organiser),
            parts: Parts::default(),
            steps: 0,
            rng,
            clock,
            disk,
            process: None,
            nemesis: Nemesis::default(),
            tally: Tally::default(),
            trace: Trace::default(),
            net: Vec::new(),
            mesh: Mesh::default(),
            next_token: 0,
            answers: 0,
            looked_at: 0,
            subset: 0,
            builds: Builds::new(plan.stops),
            mended: true,
            stopped: Vec::new(),
            mail_from: Mono(0),
            plan,
        };
        world.start()?;
        Ok(world)
    }

    fn report(mut self, seed: u64, violation: Option<Violation>) -> Report {
        for (row, count) in self.laws.whole().counts().into_iter().chain(self.laws.pairings().counts()) {
            self.tally.add(row, count);
        }
        let [asked, returned] = self.laws.allowances().counts();
        self.tally.add(Row::AllowanceAsked, asked);
        self.tally.add(Row::AllowanceReturned, returned);
        let counts = self.laws.book().versions().counts().into_iter().chain(self.laws.buried().counts());
        counts.for_each(|(row, count)| self.tally.add(row, count));
        self.tally.add(Row::StepCompared, self.laws.steps().compared());
        self.tally.add(Row::ManyShards, u64::from(self.plan.shards == plan::MANY_SHARDS));
        Report {
            seed,
            trace: self.trace.hash(),
            lines: self.trace.lines(),
            kept: self.trace.kept().to_vec(),
            checks: self.laws.checks(),
            answers: self.answers,
            micros: self.clock.mono().0,
            tally: self.tally,
            violation,
        }
    }

    /// The whole run: a time of faults, then a time in which everything must come to an end.
    fn live(&mut self) -> Verdict {
        for _ in 0..self.plan.steps {
            self.steps += 1;
            self.step()?;
            self.check_held()?;
        }
        self.heal()
    }

    fn step(&mut self) -> Verdict {
        self.nemesis.tick(&self.disk, &self.clock);
        self.fill_net();
        let weights = &self.plan.weights;
        let rebuilds = self.process.as_ref().is_some_and(Process::wants_rebuild);
        let work = if self.nemesis.disk_is_slow() { 1 } else { weights.work };
        let table = [
            (weights.deliver, 0_u8),
            (weights.turn, 1),
            (work, 2),
            (weights.look_up, 3),
            (if rebuilds { weights.rebuild } else { 0 }, 4),
            (weights.clock, 5),
            (weights.flood, 6),
            (weights.crush, 7),
            (if self.mesh.is_empty() { 0 } else { weights.mail }, 8),
            (if self.organiser.is_done() { 0 } else { weights.organise }, 9),
        ];
        let faults = self.nemesis.weights(weights);
        let total: u32 = table.iter().map(|(weight, _)| weight).sum::<u32>() + faults;
        let mut choice = self.rng.u32(0..total.max(1));
        for (weight, action) in table {
            if choice < weight {
                return self.act(action);
            }
            choice -= weight;
        }
        self.strike(choice)
    }

    fn act(&mut self, action: u8) -> Verdict {
        match action {
            0 => self.deliver(),
            1 => {
                let core = self.any_core();
                self.turn(core)
            }
            2 => self.work(),
            3 => {
                self.look_up();
                Ok(())
            }
            4 => self.rebuild(),
            5 => {
                let micros = self.rng.u32(1..200_000);
                self.clock.pass(micros);
                self.trace.line(format_args!("clock +{micros}"));
                Ok(())
            }
            6 => self.flood(),
            7 => self.crush(),
            9 => {
                self.organise();
                Ok(())
            }
            _ => {
                let Weights { mail_lost, mail_twice, .. } = self.plan.weights;
                self.carry(mail_lost, mail_twice);
                Ok(())
            }
        }
    }

    /// Something becomes of a letter between shards.
    fn carry(&mut self, lost: u32, twice: u32) {
        let clock = self.clock.read();
        let Some(fate) = self.mesh.next(&mut self.rng, lost, twice) else { return };
        self.trace.line(format_args!("mail {fate:?}"));
        self.parts.note(&fate, &mut self.tally);
        match (fate, &mut self.process) {
            (Fate::Lost(_), _) => self.tally.hit(Row::MailLost),
            (Fate::Arrives(letter), Some(process)) => process.arrive(letter, clock),
            (Fate::ArrivesTwice(letter), process) => {
                self.tally.hit(Row::MailTwice);
                if let Some(process) = process {
                    process.arrive(letter, clock);
                }
            }
            (Fate::Arrives(_), None) => {}
        }
    }

    fn any_core(&mut self) -> usize {
        let cores = self.process.as_ref().map_or(1, Process::cores);
        self.rng.usize(0..cores)
    }

    fn fill_net(&mut self) {
        if self.net.len() + self.laws.waiting() < self.plan.crowd {
            let now = self.clock.mono();
            self.clients.board.clock_shows(self.clock.read().wall);
            let letter = self.clients.next(&mut self.rng, &self.plan, now, &mut self.tally);
            self.net.push(letter);
        }
    }

    /// Some of the copies on their way arrive together at one door, in any order.
    fn deliver(&mut self) -> Verdict {
        let count = self.rng.usize(0..=self.net.len().min(12));
        let mut batch = Vec::with_capacity(count);
        for _ in 0..count {
            let at = self.rng.usize(0..self.net.len());
            let letter = self.net.remove(at);
            let overtaken = self.net[..at].iter().any(|older| older.request.tag == letter.request.tag);
            self.tally.add(Row::Overtaken, u64::from(overtaken));
            batch.push(letter);
        }
        let core = self.any_core();
        self.hand_over(core, batch)
    }

    fn flood(&mut self) -> Verdict {
        self.tally.hit(Row::Flood);
        let burst = self.clients.flood(&mut self.rng);
        let core = self.any_core();
        self.hand_over(core, burst)
    }

    fn crush(&mut self) -> Verdict {
        self.tally.hit(Row::Crush);
        let burst = self.clients.crush(&mut self.rng, self.plan.shards);
        let core = self.any_core();
        self.hand_over(core, burst)
    }

    fn hand_over(&mut self, core: usize, letters: Vec<Letter>) -> Verdict {
        let Some(process) = &mut self.process else { return Ok(()) };
        let home = u16::try_from(core).unwrap_or_default();
        let mut jobs = Vec::with_capacity(letters.len());
        for letter in letters {
            let token = self.next_token;
            self.next_token += 1;
            let Letter { request, deadline, lane } = letter;
            self.trace.line(format_args!("to {core} #{token} {:?} {deadline:?} {lane:?}", request.id));
            let other = self.laws.submitted(token, home, &request, deadline);
            if other {
                self.tally.hit(Row::OtherDoor);
            }
            jobs.push(Job {
                reply: Reply { home, token },
                deadline,
                lane,
                ways: 0,
                request: (*request).clone(),
            });
        }
        process.submit(core, &mut jobs);
        self.collect(core)?;
        self.laws.check_bounds(home)
    }

    fn turn(&mut self, core: usize) -> Verdict {
        if self.nemesis.is_paused(core) {
            return Ok(());
        }
        let clock = self.clock.read();
        let Some(process) = &mut self.process else { return Ok(()) };
        let turn = process.turn(core, clock);
        self.trace.line(format_args!("turn {core} {turn:?}"));
        self.laws.turned(u16::try_from(core).unwrap_or_default());
        // Where the power went in that turn, what died with it has been started again by then.
        let powerless = self.disk.frozen();
        if !powerless {
            self.compare_step(core)?;
        }
        self.after(Some(core))?;
        if turn.dead && !powerless { self.store_died() } else { Ok(()) }
    }

    fn work(&mut self) -> Verdict {
        let Some(process) = &mut self.process else { return Ok(()) };
        let step = process.work();
        self.trace.line(format_args!("work {step:?}"));
        self.after(None)
    }

    fn look_up(&mut self) {
        let failed = self.disk.failed_reads();
        self.disk
            .set_unreadable(self.nemesis.is_at_work() && self.rng.u32(0..100) < self.plan.weights.unreadable);
        if self.process.as_ref().is_some_and(Process::look_up) {
            self.tally.hit(Row::Evidence);
            self.trace.line(format_args!("looked up"));
        }
        self.disk.set_unreadable(false);
        self.tally.add(Row::Unreadable, self.disk.failed_reads() - failed);
    }

    fn rebuild(&mut self) -> Verdict {
        let Some(process) = &mut self.process else { return Ok(()) };
        let rebuilt = self.builds.run(self.mended, || process.rebuild());
        let rebuilt = rebuilt.map_err(|error| Violation::new(Law::Replay, format!("rebuild: {error}")))?;
        if let Some(shard) = rebuilt {
            self.note_stopped(Row::StoppedRebuild);
            self.tally.add(Row::ShardRebuilt, u64::from(!self.stopped.contains(&shard)));
            self.trace.line(format_args!("rebuilt {shard}"));
        }
        Ok(())
    }

    /// L12: what waits anywhere, by whichever door it came.
    fn check_held(&mut self) -> Verdict {
        let Some(process) = &self.process else { return Ok(()) };
        for shard in (0..self.plan.shards).map(ShardId) {
            let core = process.core(usize::from(shard.0 % self.plan.loops));
            core.held(shard).map_or(Ok(()), |held| self.laws.held(shard, held))?;
        }
        Ok(())
    }

    /// After every step: what became durable, then what was told, then whether the machine lives.
    fn after(&mut self, core: Option<usize>) -> Verdict {
        if self.disk.frozen() {
            return self.mid_call_crash();
        }
        self.look()?;
        self.nemesis.fired(&self.disk, &mut self.tally);
        core.map_or(Ok(()), |core| self.collect(core))
    }

    fn look(&mut self) -> Verdict {
        let operations = self.disk.operations();
        if operations == self.looked_at {
            return Ok(());
        }
        self.looked_at = operations;
        let segment = self.laws.segment();
        self.laws.look(&self.disk)?;
        self.tally.add(Row::Rotated, self.laws.segment() - segment);
        Ok(())
    }

    /// The process ends, however; what it counted is kept.
    fn retire(&mut self) -> Option<Process> {
        let process = self.process.take()?;
        let quarantined = (0..process.cores()).map(|core| process.core(core).counters().quarantined);
        self.tally.add(Row::ActorQuarantined, quarantined.sum());
        let resent = (0..process.cores()).map(|core| process.core(core).counters().resent);
        self.tally.add(Row::Resent, resent.sum());
        let sent_on = (0..process.cores()).map(|core| process.core(core).counters().sent_on);
        self.tally.add(Row::SentOn, sent_on.sum());
        let timers = (0..process.cores()).map(|core| process.core(core).counters().timers);
        self.tally.add(Row::Expired, timers.sum());
        Some(process)
    }
}

/// How the journal of a plan is set up: segments as small as can be, made far enough ahead for the
/// room that the cores want.
pub fn log_config(plan: &Plan, clock: &SimClock) -> LogConfig {
    let ahead_bytes = engine::limits::room_for(plan.shards.into()) + (1 << 20);
    let small = LogConfig::small(clock.for_journal());
    let Plan { inline_bytes, mark_every_micros, .. } = *plan;
    let segment_bytes = plan.segment_pages * PAGE as u64;
    LogConfig { segment_bytes, ahead_bytes, inline_bytes, mark_every_micros, ..small }
}
