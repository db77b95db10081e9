//! Owns: the profiles: runs against a server, the limits beside each, the journal verified after them.
//! Must never: end without the verifier's word unless it was told to.
//! Laws: checks L1 from outside: the tester's books against the verifier's totals.

use serde_json::Value;

use crate::arrival::{Curve, share_of_day};
use crate::driver::{Load, Pace, Progress, Until};
use crate::error::{LoadError, Result};
use crate::lanes::{Bench, LaneName, SHORT_INTERVAL_NS, Shape};
use crate::limits::disk::DiskLane;
use crate::num::{SECOND_NS, to_f64, to_u64};
use crate::pacing::Plan;
use crate::report::text::whole;
use crate::session::{Fanfare, Session};
use crate::traffic::{Day, Mix};

/// Cash on a wallet before a bar-like profile, in minor units.
const DEEP_TOP_UP: i64 = 10_000_000;

/// Cash on a guest's wristband before a festival run, in minor units: from and to.
const GUEST_TOP_UP: (i64, i64) = (3_000, 15_000);

/// Length of a limit lane beside a profile.
const LIMIT_NS: u64 = 3 * SECOND_NS;

/// Length of the limit lane at a festival's own rate: some hundred thousand answers.
const SAME_RATE_NS: u64 = 10 * SECOND_NS;

/// What a profile does.
#[derive(Debug, Clone)]
pub enum Profile {
    /// `taps`, `open`, `bulk`: confirmed purchases of a shape.
    Sales {
        /// The profile's name.
        name: &'static str,
        /// The shape.
        shape: Shape,
    },
    /// `festival`.
    Festival(FestivalDay),
}

/// A compressed part of a festival day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FestivalDay {
    /// First hour of the part.
    pub from_hour: f64,
    /// Last hour of the part.
    pub to_hour: f64,
    /// Taps of the whole day (doors to midnight) that 500,000 guests make.
    pub day_taps: u64,
    /// How long the part is made to last.
    pub length_ns: u64,
    /// Terminals.
    pub terminals: u32,
    /// Seed of what guests do.
    pub seed: u64,
}

impl FestivalDay {
    /// Its curve.
    pub fn curve(&self) -> Curve {
        let taps = to_u64(to_f64(self.day_taps) * share_of_day(self.from_hour, self.to_hour));
        Curve::of_day(self.from_hour, self.to_hour, taps, self.length_ns)
    }

    /// How many terminals stand at desks: one in forty.
    pub fn desks(&self) -> u32 {
        (self.terminals / 40).max(1)
    }

    fn words(&self, curve: &Curve) -> String {
        let compressed =
            (self.to_hour - self.from_hour) * 3_600.0 / (to_f64(self.length_ns) / to_f64(SECOND_NS));
        format!(
            "{} taps of a 500,000-guest day from {:.0}:00 to {:.0}:00, {compressed:.0} times faster than life, at {} \
             terminals; sales of one to five lines, busy and quiet bars by Zipf, breaks between headliners, top-ups, \
             voids, double taps",
            whole(curve.total()),
            self.from_hour,
            self.to_hour,
            whole(u64::from(self.terminals))
        )
    }
}

/// How a profile is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Runs.
    pub runs: u32,
    /// Wallets.
    pub wallets: u32,
    /// Verify the journal at the end.
    pub verify: bool,
    /// Keep the ledger.
    pub keep: bool,
}

/// Runs a profile. Sales need no fresh server for each run: wallets hold enough for all of them. Guests have spent what
/// they had, so each run of a festival founds a ledger of its own, with the same guests doing the same.
pub fn run(
    bench: &Bench,
    fanfare: &Fanfare,
    profile: &Profile,
    options: Options,
    progress: Progress<'_>,
) -> Result<()> {
    match profile {
        Profile::Sales { name, shape } => sales(bench, fanfare, (name, shape), options, progress),
        Profile::Festival(day) => {
            (1..=options.runs).try_for_each(|run| festival(bench, fanfare, day, (run, options), progress))
        }
    }
}

fn sales(
    bench: &Bench,
    fanfare: &Fanfare,
    (name, shape): (&str, &Shape),
    options: Options,
    progress: Progress<'_>,
) -> Result<()> {
    progress.stage("found a ledger, start the server");
    let mut session = Session::start(bench, fanfare, "ledger", options.wallets)?;
    session.prepare(DEEP_TOP_UP, DEEP_TOP_UP, 1, progress)?;
    for run in 1..=options.runs {
        limits(bench, (name, run), shape.clone(), progress)?;
        session.sales(&LaneName::measured(name, "server", run), shape, None, progress)?;
    }
    end(session, "final", options, progress)
}

fn festival(
    bench: &Bench,
    fanfare: &Fanfare,
    day: &FestivalDay,
    (run, options): (u32, Options),
    progress: Progress<'_>,
) -> Result<()> {
    progress.stage("found a ledger, start the server");
    let mut session = Session::start(bench, fanfare, &format!("ledger-{run}"), options.wallets)?;
    session.prepare(GUEST_TOP_UP.0, GUEST_TOP_UP.1, run, progress)?;
    limits(bench, ("festival", run), Shape::closed(day.terminals, 1, 1, LIMIT_NS), progress)?;
    same_rate_limit(bench, day, run, progress)?;
    one_day(&mut session, day, run, progress)?;
    end(session, &format!("final-{run}"), options, progress)
}

/// Keeps the server's metrics, stops it, and holds the answers against its journal.
fn end(mut session: Session<'_>, name: &str, options: Options, progress: Progress<'_>) -> Result<()> {
    if let Ok((_, text)) = crate::http::get(session.http()?, "/metrics") {
        let path = session.bench.log.dir().join(format!("metrics-{name}.txt"));
        std::fs::write(&path, text).map_err(LoadError::file("write", &path))?;
    }
    session.stop()?;
    if options.verify {
        progress.stage("verify the journal");
        let said = session.verify(name)?;
        check_books(session.wallets.total(), &said)?;
    }
    if options.keep { Ok(()) } else { session.remove() }
}

fn limits(bench: &Bench, (name, run): (&str, u32), mut shape: Shape, progress: Progress<'_>) -> Result<()> {
    if matches!(shape.pace, Pace::Closed { .. }) {
        shape.length_ns = shape.length_ns.min(LIMIT_NS);
    }
    bench.echo(&LaneName::limit(name, "echo", run), &shape, false, progress)?;
    if matches!(shape.pace, Pace::Open(_)) {
        bench.echo(&LaneName::limit(name, "echo-flush", run), &shape, true, progress)?;
    }
    let disk = DiskLane { write_size: 4 << 10, rate: None, length_ns: LIMIT_NS };
    bench.disk(&LaneName::limit(name, "append-4k", run), disk, progress)
}

/// What an echo that appends and flushes answers at the festival's own mean rate and terminals.
fn same_rate_limit(bench: &Bench, day: &FestivalDay, run: u32, progress: Progress<'_>) -> Result<()> {
    let shape = Shape::open(day.terminals, day.curve().mean_rate(), SAME_RATE_NS.min(day.length_ns));
    bench.echo(&LaneName::limit("festival", "echo-flush", run), &shape, true, progress)
}

fn one_day(session: &mut Session<'_>, day: &FestivalDay, run: u32, progress: Progress<'_>) -> Result<()> {
    let name = LaneName::measured("festival", "server", run);
    progress.stage("festival");
    let festival = &session.fanfare.festival;
    let mut devices: Vec<u32> =
        (0..day.terminals - day.desks()).map(|nth| festival.seller(nth).number).collect();
    devices.extend((0..day.desks()).map(|nth| festival.desk(nth).number));
    let mut driver = session.connect(&devices, 1_024)?;
    let tills: Vec<u32> = driver.links().iter().map(|link| link.till).collect();
    let curve = day.curve();
    let (what, before) = (day.words(&curve), session.written()?);
    let mut traffic = Day::new(&mut session.wallets, festival, &tills, Mix::USUAL, day.seed)?;
    let load = Load {
        pace: Pace::Open(Plan::Along(curve)),
        until: Until::Exhausted,
        warm_up_ns: 0,
        interval_ns: 2 * SHORT_INTERVAL_NS,
    };
    let measured = driver.run(&mut traffic, &load, progress)?;
    let writes = session.written()?.since(before);
    let mut facts = name.facts(&what, &measured);
    facts.declines_planned = true;
    facts.values.extend(writes.values());
    session.bench.log.lane(&facts, &measured.intervals)?;
    session.bench.same_writes(&name, writes, progress)
}

/// What the wallets hold by the tester's books must be what the verifier sums up from the postings. A verifier that
/// gives no sums has shown nothing.
fn check_books(books: i64, said: &Value) -> Result<()> {
    let books = i128::from(books);
    match crate::oracle::totals::wallets_hold(said) {
        Some(held) if held == books => Ok(()),
        Some(held) => Err(LoadError::Server(format!(
            "holds {held} minor units for all wallets by the verifier, but the acknowledged answers sum to {books}"
        ))),
        None => Err(LoadError::Process(
            "fanfare verify --json gave no totals to hold the answers against".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrival::PEAK_HOUR;
    use serde_json::json;

    /// A verifier whose output had changed let every run through: money could have been made or lost and the report
    /// would have said "verified".
    #[test]
    fn a_verifier_that_gives_no_sums_does_not_pass() {
        let said = |totals: Value| json!({"exit": 0, "said": {"totals": totals}});
        let wallets = json!([{"kind": "wallet paid", "debits": 50, "credits": 750}]);
        assert!(check_books(700, &said(wallets.clone())).is_ok());
        assert!(check_books(701, &said(wallets)).unwrap_err().to_string().contains("holds 700"));
        for silent in [
            json!({"exit": 0, "said": {}}),
            json!({"exit": 0, "said": "panicked"}),
            said(json!([{"kind": "wallet paid"}])),
        ] {
            assert!(check_books(700, &silent).unwrap_err().to_string().contains("no totals"));
        }
    }

    #[test]
    fn a_peak_hour_keeps_its_taps_when_it_is_compressed() {
        let day = FestivalDay {
            from_hour: PEAK_HOUR.0,
            to_hour: PEAK_HOUR.1,
            day_taps: 5_000_000,
            length_ns: 60 * SECOND_NS,
            terminals: 4_096,
            seed: 1,
        };
        let curve = day.curve();
        assert!((750_000..1_250_000).contains(&curve.total()), "{}", curve.total());
        assert!(day.words(&curve).contains("60 times faster"));
        assert_eq!(day.desks(), 102);
    }
}
