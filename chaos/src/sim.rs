//! `chaos sim`: many seeds one after the other, and the table of what they hit. Owns the verdict on a
//! campaign: broken, valid, or valid for nothing because something was hit too seldom.
#![allow(clippy::print_stdout, reason = "a command's output")]

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::world::tally::{Row, Tally};
use crate::world::{self, Report};

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Campaign {
    /// How many seeds.
    pub seeds: u64,
    /// The first.
    pub first: u64,
    /// Prints every line.
    pub trace: bool,
    /// Where the table goes, too.
    pub json: Option<PathBuf>,
}

/// From so many seeds on a campaign must have hit everything ...
const FULL_CAMPAIGN: u64 = 1_000;
/// ... so many times.
const LEAST_HITS: u64 = 10;
/// A build without it has no rows of panics: its table would look whole.
const WITH_PANICS: bool = cfg!(feature = "mutants");
/// A run in which fewer requests took effect proved nothing.
const LEAST_APPLIED: u64 = 20;

#[derive(Serialize)]
struct Table<'a> {
    seeds: u64,
    first_seed: u64,
    answers: u64,
    checks: u64,
    simulated_hours: u64,
    idle_seeds: u64,
    violation: Option<String>,
    rows: Vec<TableRow<'a>>,
}

#[derive(Serialize)]
struct TableRow<'a> {
    group: &'a str,
    what: String,
    hits: u64,
}

/// Sums over all seeds.
#[derive(Default)]
struct Sums {
    tally: Tally,
    seeds: u64,
    answers: u64,
    checks: u64,
    micros: u64,
    idle: u64,
    broken: Option<Report>,
}

/// Runs a campaign; 0 if it held, 1 if a law broke, 2 if it proved too little.
pub fn run(campaign: &Campaign) -> u8 {
    quiet_poison();
    let started = Instant::now();
    let mut sums = Sums::default();
    for seed in campaign.first..campaign.first + campaign.seeds {
        let report = world::run(seed, campaign.trace);
        report.kept.iter().for_each(|line| println!("{line}"));
        if campaign.seeds <= 20 || report.violation.is_some() {
            println!("seed {seed} trace {} lines {}", hex(&report.trace[..8]), report.lines);
        }
        if sums.add(report) {
            break;
        }
    }
    let seconds = started.elapsed().as_secs().max(1);
    println!("{}", sums.tally);
    println!(
        "{} seeds, {} answers, {} checks of laws, {} simulated hours in {seconds} s",
        sums.seeds,
        sums.answers,
        sums.checks,
        sums.hours()
    );
    write_json(campaign, &sums);
    sums.verdict(campaign)
}

impl Sums {
    /// Adds a run; `true` if it broke a law.
    fn add(&mut self, report: Report) -> bool {
        self.seeds += 1;
        self.answers += report.answers;
        self.checks += report.checks;
        self.micros += report.micros;
        self.idle += u64::from(report.tally.of(Row::Applied) < LEAST_APPLIED);
        self.tally.merge(&report.tally);
        let broken = report.violation.is_some();
        if broken {
            self.broken = Some(report);
        }
        broken
    }

    const fn hours(&self) -> u64 {
        self.micros / 3_600_000_000
    }

    fn verdict(&self, campaign: &Campaign) -> u8 {
        if let Some(broken) = &self.broken {
            let what = broken.violation.as_ref().map(ToString::to_string).unwrap_or_default();
            println!("BROKEN at seed {}: {what}", broken.seed);
            println!("again: chaos sim --seeds 1 --seed {} --trace", broken.seed);
            return 1;
        }
        if self.idle * 10 > self.seeds {
            println!("INVALID: {} of {} seeds had hardly any traffic", self.idle, self.seeds);
            return 2;
        }
        if campaign.seeds >= FULL_CAMPAIGN && !WITH_PANICS {
            println!("INVALID: this build cannot make a decision panic; take one with the feature mutants");
            return 2;
        }
        let missed = self.tally.missed(LEAST_HITS);
        if campaign.seeds >= FULL_CAMPAIGN && !missed.is_empty() {
            println!("INVALID: hit fewer than {LEAST_HITS} times: {}", missed.join("; "));
            return 2;
        }
        println!("every law held");
        0
    }
}

fn write_json(campaign: &Campaign, sums: &Sums) {
    let Some(path) = &campaign.json else { return };
    let rows = sums.tally.lines().into_iter().map(|(group, what, hits)| TableRow { group, what, hits });
    let violation = sums.broken.as_ref().and_then(|broken| broken.violation.as_ref());
    let table = Table {
        seeds: sums.seeds,
        first_seed: campaign.first,
        answers: sums.answers,
        checks: sums.checks,
        simulated_hours: sums.hours(),
        idle_seeds: sums.idle,
        violation: violation.map(ToString::to_string),
        rows: rows.collect(),
    };
    let written = serde_json::to_vec_pretty(&table).map_err(std::io::Error::other);
    if let Err(error) = written.and_then(|bytes| std::fs::write(path, bytes)) {
        println!("could not write {}: {error}", path.display());
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _always = write!(text, "{byte:02x}");
        text
    })
}

/// Poisoned requests panic on purpose, by the thousand: their messages are not news.
pub fn quiet_poison() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let poisoned = panic.payload_as_str().is_some_and(|text| text.contains("poisoned request"));
            if !poisoned {
                usual(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use ledger::law::Law;

    use super::*;
    use crate::laws::Violation;
    use crate::world::tally::tests::all;

    fn sums(tally: Tally) -> Sums {
        Sums { tally, seeds: 1_000, ..Sums::default() }
    }

    fn verdict(sums: &Sums, seeds: u64) -> u8 {
        sums.verdict(&Campaign { seeds, ..Campaign::default() })
    }

    /// A campaign that met no torn write said "every law held", and nobody asked which.
    #[test]
    fn a_full_campaign_is_valid_only_when_everything_was_hit_ten_times() {
        // Without panics no full campaign is: its table has no rows for them.
        let full = if WITH_PANICS { 0 } else { 2 };
        assert_eq!(verdict(&sums(all(LEAST_HITS)), FULL_CAMPAIGN), full);
        assert_eq!(verdict(&sums(all(LEAST_HITS - 1)), FULL_CAMPAIGN), 2);
        assert_eq!(verdict(&sums(all(LEAST_HITS - 1)), FULL_CAMPAIGN - 1), 0, "a slice proves no coverage");
        assert_eq!(verdict(&sums(Tally::default()), FULL_CAMPAIGN), 2);
    }

    #[test]
    fn idle_seeds_and_broken_laws_are_no_success() {
        let idle = |idle| Sums { idle, ..sums(all(LEAST_HITS)) };
        assert_eq!((verdict(&idle(101), 999), verdict(&idle(100), 999)), (2, 0));
        let mut broken = sums(all(LEAST_HITS));
        let report = world::run(1, false);
        let idle = Tally::default();
        assert!(!broken.add(Report { violation: None, tally: idle, ..report.clone() }));
        assert_eq!((broken.seeds, broken.idle), (1_001, 1));
        let violation = Some(Violation::new(Law::Chain, "a link is missing"));
        assert!(broken.add(Report { violation, ..report }));
        assert_eq!(verdict(&broken, 999), 1);
        assert_eq!(verdict(&broken, FULL_CAMPAIGN), 1);
    }
}
