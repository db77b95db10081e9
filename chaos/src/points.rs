//! `chaos points`: a founding, a pairing race, then a crowd and a few scripts (a hold's life, transfers, a sweep and a payout,
//! an allowance), and one run for every mutating call the disk sees in them and every way in which that call can go wrong:
//! power lost in the middle of it with several remains, EIO, ENOSPC.
//! After each the process is started again, every client resends, and every law is checked.
#![allow(clippy::print_stdout, reason = "a command's output")]

pub mod change;
pub mod founding;
pub mod race;
pub mod scripts;

use std::collections::BTreeMap;

use fastrand::Rng;
use ledger::journal::embedded::{SimFault, SimKind};

use crate::world::plan::Plan;
use crate::world::script::Script;
use crate::world::tally::{Row, Tally};
use crate::world::{self, Blow};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    /// Only every so manyth call.
    pub stride: usize,
    /// Different remains of each power loss.
    pub subsets: u64,
    /// Steps of the scenario; some 700 fill the first segment.
    pub steps: u32,
}

impl Default for Points {
    fn default() -> Self {
        Self { stride: 1, subsets: 4, steps: 1_100 }
    }
}

/// The scenario's seed.
const SEED: u64 = 7;
/// Shards of the crowd and of the scripts.
const SHARDS: u16 = 2;

/// How it went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The foundings.
    pub founded: founding::Founded,
    /// The pairing races.
    pub raced: race::Raced,
    /// The changes of the configuration.
    pub changed: change::Changed,
    /// Runs of each script.
    pub played: Vec<(&'static str, u64)>,
    /// Calls by kind.
    pub calls: BTreeMap<SimKind, u64>,
    /// Runs.
    pub runs: u64,
    /// What they hit.
    pub tally: Tally,
    /// The first law that broke, and where.
    pub broken: Option<String>,
}

/// Runs all points; 0 if every law held, 1 if one broke.
pub fn run(points: &Points) -> u8 {
    let outcome = all(points);
    println!(
        "{} calls of a founding, {} runs: {} left a whole ledger, {} none",
        outcome.founded.calls, outcome.founded.runs, outcome.founded.whole, outcome.founded.nothing
    );
    let raced = &outcome.raced;
    println!(
        "{} pairing races, power lost in {} of them; the first desk won {}, the second {}",
        raced.runs, raced.lost, raced.won[0], raced.won[1]
    );
    println!(
        "{} calls of a change of the configuration, {} runs: {} had adopted it, {} in some shards only",
        outcome.changed.calls, outcome.changed.runs, outcome.changed.adopted, outcome.changed.apart
    );
    for (kind, count) in &outcome.calls {
        println!("{:10} {count:>6} calls", format!("{kind:?}").to_lowercase());
    }
    for (name, runs) in &outcome.played {
        println!("{runs} runs of {name}");
    }
    println!(
        "{} runs, {} power losses, {} torn tails cut, {} reopened after a failed call",
        outcome.runs,
        outcome.tally.of(Row::CrashMidCall),
        outcome.tally.of(Row::TornTail),
        outcome.tally.of(Row::Reopened)
    );
    if let Some(broken) = &outcome.broken {
        println!("BROKEN {broken}");
        return 1;
    }
    println!("every law held at every call");
    0
}

/// Runs all points until one breaks a law: of the scripts, which have few calls, every one.
pub fn all(points: &Points) -> Outcome {
    let founded = founding::all(points.stride, || blows(points.subsets).collect());
    let changed = change::all(points.stride, points.subsets);
    let broken = founded.broken.clone().or_else(|| changed.broken.clone());
    let mut outcome = Outcome { founded, changed, broken, ..Outcome::default() };
    if outcome.broken.is_some() {
        return outcome;
    }
    match race::all(points.subsets) {
        Ok(raced) => outcome.raced = raced,
        Err(broken) => outcome.broken = Some(format!("a pairing race: {broken}")),
    }
    if outcome.broken.is_some() {
        return outcome;
    }
    every_call(points, &scripts::crowd(), &mut outcome);
    let Some(scripts) = scripts::all() else {
        outcome.broken = Some("a shard without a wristband: no script was played".into());
        return outcome;
    };
    for script in &scripts {
        let before = outcome.runs;
        every_call(&Points { stride: 1, ..*points }, script, &mut outcome);
        outcome.played.push((script.name, outcome.runs - before));
    }
    if outcome.broken.is_none() && outcome.tally.of(Row::Expired) == 0 {
        outcome.broken = Some("no hold expired: its life was not seen to its end".into());
    }
    outcome
}

/// Runs the points of one script.
pub fn play(points: &Points, script: &Script) -> Outcome {
    let mut outcome = Outcome::default();
    every_call(points, script, &mut outcome);
    outcome
}

/// Every so manyth call of a scenario, in every way.
fn every_call(points: &Points, script: &Script, outcome: &mut Outcome) {
    if outcome.broken.is_some() {
        return;
    }
    let plan = plan(points.steps);
    let run = |blow| {
        let (report, kinds) = world::run_point(SEED, &plan, script, blow);
        let missed = || script.missed(&report.tally);
        let broken = report.violation.as_ref().map(ToString::to_string).or_else(missed);
        (report.tally, kinds, broken)
    };
    let (_, kinds, broken) = run(None);
    if let Some(broken) = broken {
        outcome.broken = Some(format!("{} without any fault: {broken}", script.name));
        return;
    }
    for kind in &kinds {
        *outcome.calls.entry(*kind).or_default() += 1;
    }
    for (at, kind) in (0..).zip(&kinds).step_by(points.stride.max(1)) {
        for blow in blows(points.subsets) {
            let (tally, _, broken) = run(Some((at, blow)));
            outcome.runs += 1;
            outcome.tally.merge(&tally);
            if let Some(broken) = broken {
                outcome.broken = Some(format!("{}, call {at} ({kind:?}), {blow:?}: {broken}", script.name));
                return;
            }
        }
    }
}

fn blows(subsets: u64) -> impl Iterator<Item = Blow> {
    let fails = [Blow::Fails(SimFault::Io), Blow::Fails(SimFault::Full)];
    (0..subsets).map(Blow::Crash).chain(fails)
}

/// Few shards, two cores, a small crowd: enough for every kind of call and a segment that fills up.
fn plan(steps: u32) -> Plan {
    let mut plan = Plan::draw(&mut Rng::with_seed(SEED));
    plan.shards = SHARDS;
    plan.loops = 2;
    plan.bands = 4;
    plan.crowd = 60;
    // Several batches before each turn, so that frames are longer than a sector and can be torn.
    (plan.weights.deliver, plan.weights.turn, plan.weights.work) = (300, 150, 40);
    plan.steps = steps;
    plan.inline_bytes = 64 << 10;
    plan.segment_pages = 100;
    plan.mark_every_micros = 1_000_000;
    (plan.weights.poison, plan.weights.poison_mail) = (0, 0);
    plan
}
