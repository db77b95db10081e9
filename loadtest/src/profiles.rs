//! Owns: the profiles: one run against a fresh server, its limits beside it, the journal verified after it.
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
    /// Wallets.
    pub wallets: u32,
    /// Verify the journal at the end.
    pub verify: bool,
    /// Keep the ledger.
    pub keep: bool,
}

/// Runs a profile.
pub fn run(
    bench: &Bench,
    fanfare: &Fanfare,
    profile: &Profile,
    options: Options,
    progress: Progress<'_>,
) -> Result<()> {
    let (name, limit_shape) = match profile {
        Profile::Sales { name, shape } => (*name, shape.clone()),
        Profile::Festival(day) => ("festival", Shape::closed(day.terminals, 1, 1, LIMIT_NS)),
    };
    progress.stage("found a ledger, start the server");
    let mut session = Session::start(bench, fanfare, "ledger", options.wallets)?;
    let (from, to) = match profile {
        Profile::Sales { .. } => (DEEP_TOP_UP, DEEP_TOP_UP),
        Profile::Festival(_) => GUEST_TOP_UP,
    };
    session.prepare(from, to, 1, progress)?;
    limits(bench, name, limit_shape, progress)?;
    if let Profile::Festival(day) = profile {
        same_rate_limit(bench, day, progress)?;
    }
    match profile {
        Profile::Sales { shape, .. } => {
            session.sales(&LaneName::measured(name, "server", 1), shape, None, progress)
        }
        Profile::Festival(day) => festival(&mut session, day, progress),
    }?;
    if let Ok((_, text)) = crate::http::get(session.http()?, "/metrics") {
        let path = bench.log.dir().join("metrics.txt");
        std::fs::write(&path, text).map_err(LoadError::file("write", &path))?;
    }
    session.stop()?;
    if options.verify {
        progress.stage("verify the journal");
        let said = session.verify("final")?;
        check_books(session.wallets.total(), &said)?;
    }
    if options.keep { Ok(()) } else { session.remove() }
}

fn limits(bench: &Bench, name: &str, mut shape: Shape, progress: Progress<'_>) -> Result<()> {
    if matches!(shape.pace, Pace::Closed { .. }) {
        shape.length_ns = shape.length_ns.min(LIMIT_NS);
    }
    bench.echo(&LaneName::limit(name, "echo", 1), &shape, false, progress)?;
    if matches!(shape.pace, Pace::Open(_)) {
        bench.echo(&LaneName::limit(name, "echo-flush", 1), &shape, true, progress)?;
    }
    let disk = DiskLane { write_size: 4 << 10, rate: None, length_ns: LIMIT_NS };
    bench.disk(&LaneName::limit(name, "append-4k", 1), disk, progress)
}

/// What an echo that appends and flushes answers at the festival's own mean rate and terminals.
fn same_rate_limit(bench: &Bench, day: &FestivalDay, progress: Progress<'_>) -> Result<()> {
    let shape = Shape::open(day.terminals, day.curve().mean_rate(), SAME_RATE_NS.min(day.length_ns));
    bench.echo(&LaneName::limit("festival", "echo-flush", 1), &shape, true, progress)
}

fn festival(session: &mut Session<'_>, day: &FestivalDay, progress: Progress<'_>) -> Result<()> {
    let name = LaneName::measured("festival", "server", 1);
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
