//! `chaos mutants`: the test of the tests. Each deliberately wrong line of the engine is switched on,
//! and simulator and crafted trials run until one of them notices. A mutant that survives says that
//! some law is not watched. The same budget must pass without any mutant.
#![allow(clippy::print_stdout, reason = "a command's output")]

mod trials;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ledger::law::Law;
use ledger::mutant::{self, Mutant};

use crate::{sim, world};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Seeds after which a mutant that nobody noticed has survived.
    pub seeds: u64,
}

impl Default for Hunt {
    fn default() -> Self {
        Self { seeds: 40 }
    }
}

/// Seeds that are tried before the crafted trials.
const SEEDS_FIRST: u64 = 4;

/// What the seeds alone must notice: a trial would hide that no law of the seeded runs watches it.
const BY_SEEDS: [Mutant; 2] = [Mutant::AdoptionSkipped, Mutant::VersionFallsBack];

/// Who noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// The law or trial.
    pub by: String,
    /// Seeds it took.
    pub seeds: u64,
}

/// Hunts every mutant; 0 if none survives, 1 if one does or the clean build does not pass.
pub fn run(hunt: &Hunt) -> u8 {
    sim::quiet_poison();
    if let Some(caught) = try_all(*hunt, true) {
        println!("the build without a mutant fails: {} (after {} seeds)", caught.by, caught.seeds);
        return 1;
    }
    println!("{:28} held for {} seeds and all trials", "(none)", hunt.seeds);
    let mut killed = 0;
    for mutant in Mutant::ALL {
        mutant::choose(Some(*mutant));
        let caught = try_all(*hunt, !BY_SEEDS.contains(mutant));
        mutant::choose(None);
        match &caught {
            Some(Caught { by, seeds }) => println!("{:28} seeds {seeds:>3}  {by}", mutant.name()),
            None => println!("{:28} SURVIVED", mutant.name()),
        }
        killed += usize::from(caught.is_some());
    }
    println!("killed {killed} of {}", Mutant::ALL.len());
    u8::from(killed < Mutant::ALL.len())
}

/// Some seeds, every trial unless seeds alone must do, then the rest of the seeds.
fn try_all(hunt: Hunt, trials: bool) -> Option<Caught> {
    let seeds = |from, to| (from..=to).find_map(seed);
    let crafted = || if trials { crafted() } else { None };
    seeds(1, SEEDS_FIRST.min(hunt.seeds)).or_else(crafted).or_else(|| seeds(SEEDS_FIRST + 1, hunt.seeds))
}

fn seed(seed: u64) -> Option<Caught> {
    let before = own_counters();
    let run = catch_unwind(AssertUnwindSafe(|| world::run(seed, false)));
    let by = match run {
        Ok(report) => report.violation.map(|violation| format!("simulator: {violation}")),
        Err(panic) => Some(format!("simulator: a panic: {}", message(&*panic))),
    };
    let by = by.or_else(|| {
        let counted = Law::ALL.into_iter().zip(before).find(|(law, before)| law.broken() > *before);
        counted.map(|(law, _)| format!("the engine's own counter of {}", law.id()))
    });
    by.map(|by| Caught { by: shorten(&by), seeds: seed })
}

fn own_counters() -> [u64; 13] {
    Law::ALL.map(Law::broken)
}

fn crafted() -> Option<Caught> {
    let trials = ledger::journal::embedded::trials::ALL.iter().chain(trials::ALL);
    let mut failed = trials.filter_map(|(name, trial)| {
        let tried = catch_unwind(AssertUnwindSafe(trial));
        let failed = !matches!(tried, Ok(Ok(())));
        failed.then(|| Caught { by: format!("trial: {name}"), seeds: SEEDS_FIRST })
    });
    failed.next()
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// One line of a terminal.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(110).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}
