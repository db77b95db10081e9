//! Owns: the lanes of each bar: which load, which limit beside it, in which order.
//! Must never: measure a limit in another run than its figure; leave a ledger of gigabytes behind.
//! Laws: checks L1, L4, L6 from outside: every bar's ledger is verified after it.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::table::{BARS, BarSpec};
use super::watched::Watched;
use crate::driver::{Driver, Load, Measured, Progress, Until};
use crate::error::{LoadError, Result};
use crate::festival_file::{Festival, Item};
use crate::lanes::{Bench, LaneName, SHORT_INTERVAL_NS, Shape};
use crate::limits::disk::DiskLane;
use crate::limits::reading::ReadFile;
use crate::machine::{CpuTicks, device_bytes, resident_bytes};
use crate::num::{MILLI_NS, SECOND_NS, count, to_f64, to_u64};
use crate::rawlog::LaneFacts;
use crate::session::{Fanfare, InForce, SentOff, Session, Sold};

/// Cash on each wallet, in minor units: enough for thousands of sales.
const DEEP_TOP_UP: i64 = 10_000_000;

/// Sales on each wallet in the memory bar: with opening and top-up 22 remembered ids.
const REMEMBERED_SALES: u64 = 20;

/// The shape of the loads that only have to make many records.
const BULK: (u32, u16, u16) = (4, 2_000, 2);

/// Of so many requests of the mixed load one is a transfer.
const ONE_TRANSFER_IN: u64 = 100;

/// How much is done. The bars' own sizes are the default; smaller ones are for trying out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Runs of each bar.
    pub runs: u32,
    /// Wallets.
    pub wallets: u32,
    /// Length of a timed lane.
    pub length_ns: u64,
    /// Records of each half of `flat`.
    pub flat: u64,
    /// Purchases of the `journal` and `replay` bars.
    pub purchases: u64,
}

impl Scale {
    /// The bars' own sizes.
    pub const FULL: Self =
        Self { runs: 5, wallets: 500_000, length_ns: 4 * SECOND_NS, flat: 10_000_000, purchases: 10_000_000 };

    /// The same with a part of everything, 1 being all of it. Connections stay as they are.
    pub fn part(self, part: f64) -> Self {
        let of = |whole: u64, least: u64| to_u64(to_f64(whole) * part).max(least);
        Self {
            runs: self.runs,
            wallets: u32::try_from(of(u64::from(self.wallets), 16_384)).unwrap_or(u32::MAX),
            length_ns: of(self.length_ns, SECOND_NS / 4),
            flat: of(self.flat, 20_000),
            purchases: of(self.purchases, 20_000),
        }
    }
}

/// The names of the sets of lanes, in their order.
fn group_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = BARS.iter().map(|spec| spec.lanes).collect();
    names.dedup();
    names
}

/// The sets of lanes that make what `--only` names: sets, or lines of the table. All where it names nothing.
pub fn groups_of(only: &[String]) -> Result<Vec<&'static str>> {
    let named = |spec: &BarSpec, name: &String| spec.lanes == name.as_str() || spec.name == name.as_str();
    if let Some(name) = only.iter().find(|name| !BARS.iter().any(|spec| named(spec, name))) {
        let lines: Vec<&str> = BARS.iter().map(|spec| spec.name).collect();
        return Err(LoadError::Arguments(format!("no bar {name}; there are {}", lines.join(", "))));
    }
    let wanted = |lanes: &&str| {
        let mine = BARS.iter().filter(|spec| spec.lanes == *lanes);
        only.is_empty() || mine.into_iter().any(|spec| only.iter().any(|name| named(spec, name)))
    };
    Ok(group_names().into_iter().filter(wanted).collect())
}

/// Measures one set of lanes.
pub fn measure(
    bench: &Bench,
    fanfare: &Fanfare,
    name: &str,
    scale: Scale,
    progress: Progress<'_>,
) -> Result<()> {
    let mut work = Work { bench, fanfare, scale, progress };
    match name {
        "bulk" => work.rates(name, &Shape::closed(4, 2_000, 2, scale.length_ns), true),
        "bulk-one" => work.rates(name, &Shape::closed(1, 1_000, 1, scale.length_ns), true),
        "taps-4096" => work.rates(name, &Shape::closed(4_096, 1, 1, scale.length_ns), false),
        "taps-64" => work.rates(name, &Shape::closed(64, 1, 1, scale.length_ns), false),
        "lone" => work.lone(),
        "open-2000" => work.open(),
        "flat" => work.flat(),
        "memory" => work.memory(),
        "journal" => work.journal(),
        "replay" => work.replay(),
        "transfers" => work.transfers(),
        "mixed" => work.mixed(),
        "adopt" => work.adopt(),
        "adopt-full" => work.adopt_full(),
        _ => Err(LoadError::Arguments(format!("no bar {name}; there are {}", group_names().join(", ")))),
    }
}

struct Work<'a, 'p> {
    bench: &'a Bench,
    fanfare: &'a Fanfare,
    scale: Scale,
    progress: &'p mut dyn crate::driver::Watch,
}

impl<'a> Work<'a, '_> {
    fn session(&mut self, name: &str, run: u32) -> Result<Session<'a>> {
        self.progress.stage(&format!("{name}: found a ledger"));
        let mut session = Session::start(self.bench, self.fanfare, name, self.scale.wallets)?;
        session.prepare(DEEP_TOP_UP, DEEP_TOP_UP, run, self.progress)?;
        Ok(session)
    }

    fn end(&mut self, mut session: Session<'_>, name: &str) -> Result<Value> {
        self.progress.stage(&format!("{name}: verify"));
        session.stop()?;
        let said = session.verify(name)?;
        session.remove()?;
        Ok(said)
    }

    fn echo_64(&mut self, name: &str, run: u32) -> Result<()> {
        let shape = Shape::closed(64, 1, 1, self.scale.length_ns.min(2 * SECOND_NS));
        self.bench.echo(&LaneName::limit(name, "echo-64", run), &shape, false, self.progress)
    }

    /// Server against echo of the same shape; an absolute bar also needs the machine's measure.
    fn rates(&mut self, name: &str, shape: &Shape, absolute: bool) -> Result<()> {
        let mut session = self.session(name, 1)?;
        for run in 1..=self.scale.runs {
            if absolute {
                self.echo_64(name, run)?;
            }
            self.bench.echo(&LaneName::limit(name, "echo", run), shape, false, self.progress)?;
            session.sales(&LaneName::measured(name, "server", run), shape, None, self.progress)?;
        }
        self.end(session, name).map(drop)
    }

    fn lone(&mut self) -> Result<()> {
        let mut session = self.session("lone", 1)?;
        let shape = Shape::closed(1, 1, 1, self.scale.length_ns);
        let disk = DiskLane { write_size: 4 << 10, rate: None, length_ns: self.scale.length_ns };
        for run in 1..=self.scale.runs {
            self.bench.disk(&LaneName::limit("lone", "disk", run), disk, self.progress)?;
            self.bench.echo(&LaneName::limit("lone", "echo", run), &shape, false, self.progress)?;
            session.sales(&LaneName::measured("lone", "server", run), &shape, None, self.progress)?;
        }
        self.end(session, "lone").map(drop)
    }

    fn open(&mut self) -> Result<()> {
        let mut session = self.session("open-2000", 1)?;
        // The 99.9th percentile of a few thousand taps is a handful of them: an open lane is longer than the others.
        let shape = Shape::open(500, 2_000.0, self.scale.length_ns * 3);
        for run in 1..=self.scale.runs {
            self.bench.echo(&LaneName::limit("open-2000", "echo-flush", run), &shape, true, self.progress)?;
            session.sales(&LaneName::measured("open-2000", "server", run), &shape, None, self.progress)?;
        }
        self.end(session, "open-2000").map(drop)
    }

    /// Makes so many one-line purchases as fast as the server takes them, over terminals that stay connected.
    fn bulk(
        &mut self,
        session: &mut Session<'_>,
        driver: &mut Driver,
        lines: u8,
        sales: u64,
    ) -> Result<Sold> {
        let (_, frame, frames) = BULK;
        let shape = Shape { lines, ..Shape::closed(BULK.0, frame, frames, 0) };
        let load = Load {
            pace: shape.pace.clone(),
            until: Until::Answers(sales),
            warm_up_ns: 0,
            interval_ns: SHORT_INTERVAL_NS,
        };
        session.sell(driver, &shape, &load, self.progress)
    }

    fn bulk_terminals(session: &Session<'_>) -> Result<Driver> {
        session.sellers(&Shape::closed(BULK.0, BULK.1, BULK.2, 0))
    }

    fn flat(&mut self) -> Result<()> {
        for run in 1..=self.scale.runs {
            let mut session = self.session("flat", run)?;
            let mut driver = Self::bulk_terminals(&session)?;
            let mut beside = Vec::new();
            for part in ["first", "second"] {
                let name = LaneName::measured("flat", part, run);
                self.progress.stage(&name.words());
                let Sold { measured, writes } = self.bulk(&mut session, &mut driver, 1, self.scale.flat)?;
                let what = format!("{} records in frames of {}", self.scale.flat, BULK.1);
                let mut facts = name.facts(&what, &measured);
                facts.values.extend(writes.values());
                self.bench.log.lane(&facts, &measured.intervals)?;
                beside.push((name, writes));
            }
            drop(driver);
            // Not between the two: nothing may happen to the server there but the first ten million records.
            for (name, writes) in beside {
                self.bench.same_writes(&name, writes, self.progress)?;
            }
            self.end(session, &format!("flat-{run}"))?;
        }
        Ok(())
    }

    fn memory(&mut self) -> Result<()> {
        for run in 1..=self.scale.runs {
            self.progress.stage("memory: found a ledger");
            let mut session = Session::start(self.bench, self.fanfare, "memory", self.scale.wallets)?;
            let empty = resident_bytes(session.pid()?);
            session.prepare(DEEP_TOP_UP, DEEP_TOP_UP, run, self.progress)?;
            let name = LaneName::measured("memory", "server", run);
            self.progress.stage(&name.words());
            let mut driver = Self::bulk_terminals(&session)?;
            // The terminals walk their own wallets round by round, so each gets the same number of sales.
            let sales = u64::from(self.scale.wallets) * REMEMBERED_SALES;
            let Sold { measured, writes } = self.bulk(&mut session, &mut driver, 1, sales)?;
            drop(driver);
            let mut facts =
                name.facts(&format!("{} wallets, 22 remembered ids each", self.scale.wallets), &measured);
            facts.values = values([
                ("wallets", u64::from(self.scale.wallets)),
                ("remembered_ids", REMEMBERED_SALES + 2),
                ("resident_bytes", resident_bytes(session.pid()?)),
                ("resident_bytes_empty", empty),
            ]);
            facts.values.extend(writes.values());
            self.bench.log.lane(&facts, &measured.intervals)?;
            self.bench.same_writes(&name, writes, self.progress)?;
            self.end(session, &format!("memory-{run}"))?;
        }
        Ok(())
    }

    fn journal(&mut self) -> Result<()> {
        let mut session = self.session("journal", 1)?;
        session.stop()?;
        let mut before = canonical_bytes(&session.verify("journal-0")?)?;
        for run in 1..=self.scale.runs {
            session.serve()?;
            let name = LaneName::measured("journal", "server", run);
            self.progress.stage(&name.words());
            let mut driver = Self::bulk_terminals(&session)?;
            let on_device = device_bytes(session.pid()?);
            let sales = self.scale.purchases / 5;
            let Sold { measured, writes } = self.bulk(&mut session, &mut driver, 3, sales)?;
            let on_device = device_bytes(session.pid()?).saturating_sub(on_device);
            drop(driver);
            session.stop()?;
            let after = canonical_bytes(&session.verify(&format!("journal-{run}"))?)?;
            let mut facts =
                name.facts(&format!("{sales} purchases of three lines in frames of {}", BULK.1), &measured);
            facts.values = values([
                ("purchases", sales),
                ("canonical_bytes", after.saturating_sub(before)),
                ("device_bytes", on_device),
            ]);
            facts.values.extend(writes.values());
            self.bench.log.lane(&facts, &measured.intervals)?;
            self.bench.same_writes(&name, writes, self.progress)?;
            before = after;
        }
        session.remove()
    }

    fn replay(&mut self) -> Result<()> {
        let mut session = self.session("replay", 1)?;
        let mut driver = Self::bulk_terminals(&session)?;
        self.bulk(&mut session, &mut driver, 1, self.scale.purchases)?;
        drop(driver);
        session.stop()?;
        let said = session.verify("replay")?;
        let records = number(&said, "records")?;
        // Once unmeasured: the log's files were written past the page cache and the bar asks for a warm one.
        session.serve()?;
        session.stop()?;
        let beside = ReadFile::create(&self.bench.data, "read.scratch", canonical_bytes(&said)?)?;
        for run in 1..=self.scale.runs {
            self.echo_64("replay", run)?;
            let limit = LaneName::limit("replay", "read-and-hash", run);
            self.bench.read_and_hash(&limit, &beside, self.progress)?;
            let name = LaneName::measured("replay", "server", run);
            self.progress.stage(&name.words());
            let (began_ns, cpu) = (self.bench.clock.now(), CpuTicks::now());
            session.serve()?;
            let ended_ns = self.bench.clock.now();
            let cpu = CpuTicks::now().since(cpu);
            session.stop()?;
            let measured = Measured { intervals: Vec::new(), began_ns, ended_ns, cpu, target_rate: None };
            let mut facts: LaneFacts =
                name.facts("from the start of the process to its listening port", &measured);
            facts.values = values([("records", records)]);
            facts.values.insert("replay_seconds".to_owned(), to_f64(ended_ns - began_ns) / to_f64(SECOND_NS));
            self.bench.log.lane(&facts, &measured.intervals)?;
        }
        session.remove()
    }

    /// Durable on both sides: the time runs until no message waits any more, and then every wallet must hold what
    /// the books say.
    fn transfers(&mut self) -> Result<()> {
        let mut session = self.session("transfers", 1)?;
        let shape = Shape::closed(4, 500, 2, self.scale.length_ns);
        for run in 1..=self.scale.runs {
            let name = LaneName::measured("transfers", "server", run);
            self.progress.stage(&name.words());
            let sent = session.transfer(&shape, u64::from(run), self.progress)?;
            let SentOff { measured, transfers, settled_ns, writes, channel_bytes } = sent;
            let mut facts: LaneFacts = name.facts(&format!("transfers, {}", shape.words()), &measured);
            // `busy` is what a full channel says; only what was taken is counted.
            (facts.declines_planned, facts.busy_planned) = (true, true);
            facts.values = values([("transfers", transfers), ("channel_bytes", channel_bytes)]);
            let settled = to_f64(settled_ns.saturating_sub(measured.began_ns)) / to_f64(SECOND_NS);
            facts.values.insert("settled_seconds".to_owned(), settled);
            facts.values.extend(writes.values());
            self.bench.log.lane(&facts, &measured.intervals)?;
            self.progress.stage("transfers: read every wallet");
            session.read_all(self.progress)?;
            self.bench.same_writes(&name, writes, self.progress)?;
        }
        self.end(session, "transfers").map(drop)
    }

    /// The same terminals with transfers and without, one after the other in each run: the limit is the server itself.
    fn mixed(&mut self) -> Result<()> {
        let mut session = self.session("mixed", 1)?;
        let shape = Shape::closed(64, 1, 1, self.scale.length_ns);
        for run in 1..=self.scale.runs {
            for (name, one_in) in [
                (LaneName::measured("mixed", "none", run), None),
                (LaneName::measured("mixed", "server", run), Some(ONE_TRANSFER_IN)),
            ] {
                session.mixed(&name, &shape, one_in, self.progress)?;
            }
        }
        self.progress.stage("mixed: read every wallet");
        session.read_all(self.progress)?;
        self.end(session, "mixed").map(drop)
    }

    /// The organiser's own command, beside terminals that sell: another price comes into force, each run another,
    /// of an item that none of them sells.
    fn adopt(&mut self) -> Result<()> {
        let mut session = self.session("adopt", 1)?;
        let length_ns = self.scale.length_ns.max(SECOND_NS) * 3;
        let shape = Shape::open(500, 2_000.0, length_ns);
        let mut driver = session.sellers(&shape)?;
        let festival = &self.fanfare.festival;
        let tills: Vec<u32> = driver.links().iter().map(|link| link.till).collect();
        let item = unsold(festival, &tills)?;
        let file = self.bench.data.join("adopt-changed.toml");
        for run in 1..=self.scale.runs {
            let name = LaneName::measured("adopt", "server", run);
            self.progress.stage(&name.words());
            let changed = festival.repriced(item.id, item.price + run * 50);
            let (fanfare, clock, server) = (self.fanfare, self.bench.clock, session.address()?);
            let progress = &mut *self.progress;
            let (sold, adopted) = thread::scope(|scope| {
                let order = scope.spawn(|| {
                    // The terminals have found their rhythm by then.
                    thread::sleep(Duration::from_nanos(length_ns / 4));
                    fanfare.apply(server, &changed, &file, clock)
                });
                (session.sell(&mut driver, &shape, &shape.load(), progress), order.join())
            });
            let Sold { measured, writes } = sold?;
            let InForce { millis, known_ns, .. } = adopted.map_err(|_| broken_thread("an application"))??;
            let mut facts = name.facts(&format!("{}, one change of a price", shape.words()), &measured);
            // The organiser's command takes processor time from the tester: a tap may leave late, none may be left out.
            facts.load_beside = true;
            facts.values = values([("adopted_ms", millis)]);
            facts.values.extend(writes.values());
            if known_ns > measured.ended_ns {
                facts.invalid.push("the load ended before the change was in force".to_owned());
            }
            self.bench.log.lane(&facts, &measured.intervals)?;
            self.bench.same_writes(&name, writes, self.progress)?;
        }
        drop(driver);
        self.end(session, "adopt").map(drop)
    }

    /// The same beside a closed loop as hard as it goes: each run revokes one more device, whose connection was open
    /// before and stays open, and which asks until no shard serves it any more.
    fn adopt_full(&mut self) -> Result<()> {
        let mut session = self.session("adopt-full", 1)?;
        let length_ns = self.scale.length_ns.max(SECOND_NS) * 3;
        let shape = Shape::closed(4_096, 1, 1, length_ns);
        let mut driver = session.sellers(&shape)?;
        let file = self.bench.data.join("adopt-full-changed.toml");
        let (fanfare, clock) = (self.fanfare, self.bench.clock);
        let mut changed = fanfare.festival.clone();
        for run in 1..=self.scale.runs {
            let name = LaneName::measured("adopt-full", "server", run);
            self.progress.stage(&name.words());
            let device = changed.seller(shape.connections + run - 1).number;
            changed = changed.revoking(device);
            let server = session.address()?;
            let terminal = (server, changed.id, device);
            let watched = Watched::connect(terminal, clock, |wallet| session.wallets.uid(wallet))?;
            let (progress, changed, file) = (&mut *self.progress, &changed, &file);
            let (sold, adopted, refused) = thread::scope(|scope| {
                let order = scope.spawn(|| {
                    thread::sleep(Duration::from_nanos(length_ns / 4));
                    fanfare.apply(server, changed, file, clock)
                });
                let watched = scope.spawn(|| watched.run());
                (session.sell(&mut driver, &shape, &shape.load(), progress), order.join(), watched.join())
            });
            let Sold { measured, writes } = sold?;
            let InForce { agreed_ns, millis, known_ns } =
                adopted.map_err(|_| broken_thread("an application"))??;
            let refused_ns = refused.map_err(|_| broken_thread("the watched device"))??;
            let what = format!("{}, one device revoked", shape.words());
            let mut facts = name.facts(&what, &measured);
            facts.load_beside = true;
            facts.values = values([("adopted_ms", millis)]);
            let revoked = to_f64(refused_ns.saturating_sub(agreed_ns)) / to_f64(MILLI_NS);
            facts.values.insert("revoked_ms".to_owned(), revoked);
            facts.values.extend(writes.values());
            if known_ns.max(refused_ns) > measured.ended_ns {
                facts.invalid.push("the load ended before the change was in force".to_owned());
            }
            self.bench.log.lane(&facts, &measured.intervals)?;
            self.bench.same_writes(&name, writes, self.progress)?;
        }
        drop(driver);
        self.end(session, "adopt-full").map(drop)
    }
}

fn broken_thread(whose: &str) -> LoadError {
    LoadError::Process(format!("the thread of {whose} broke"))
}

/// An item of a vendor that has none of these tills.
fn unsold(festival: &Festival, tills: &[u32]) -> Result<Item> {
    let sold: BTreeSet<u32> = tills.iter().filter_map(|till| festival.vendor_of_till(*till)).collect();
    let vendor = (1..=festival.size.vendors).rev().find(|vendor| !sold.contains(vendor));
    let vendor = vendor.ok_or_else(|| LoadError::Arguments("every vendor's items are sold".to_owned()))?;
    Ok(festival.item(vendor, 0))
}

fn values<const N: usize>(pairs: [(&str, u64); N]) -> BTreeMap<String, f64> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), to_f64(value))).collect()
}

fn canonical_bytes(said: &Value) -> Result<u64> {
    number(said, "bytes")
}

/// A number that the verifier said.
fn number(said: &Value, name: &str) -> Result<u64> {
    let found = said.get("said").and_then(|said| said.get(name)).and_then(Value::as_u64);
    found.ok_or_else(|| {
        let words = said.to_string();
        let start = words.get(..words.len().min(300)).unwrap_or_default();
        LoadError::Process(format!(
            "fanfare verify --json gave no number \"{name}\" ({} bytes: {start})",
            count(words.len())
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::festival_file::{Rules, Size};
    use serde_json::json;

    #[test]
    fn each_bar_belongs_to_a_group_that_can_be_measured_by_name() {
        let names = group_names();
        assert_eq!(names.len(), 14);
        assert_eq!(names.iter().filter(|name| **name == "open-2000").count(), 1);
    }

    /// Who asked for a line that fell short, by the name that the table prints, was told that there is no such bar.
    #[test]
    fn every_name_that_the_table_prints_can_be_asked_for() {
        let of = |names: &[&str]| groups_of(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        for spec in &BARS {
            assert_eq!(of(&[spec.name]).unwrap(), [spec.lanes], "{}", spec.name);
        }
        assert_eq!(of(&["channels", "open-2000 p50", "open-2000"]).unwrap(), ["open-2000", "transfers"]);
        assert_eq!(of(&[]).unwrap(), group_names());
        let unknown = of(&["bulk", "open-2000 p42"]).unwrap_err().to_string();
        assert!(unknown.contains("open-2000 p42") && unknown.contains("channels"), "{unknown}");
    }

    #[test]
    fn the_item_that_changes_is_sold_at_no_terminals_till() {
        let festival = Festival::new(Size::FULL, Rules::DEEP);
        let tills: Vec<u32> = (0..500).map(|nth| festival.seller(nth).till).collect();
        let item = unsold(&festival, &tills).unwrap();
        let sold = tills.iter().filter_map(|till| festival.vendor_of_till(*till));
        let mut sold = sold.flat_map(|vendor| (0..10).map(move |nth| (vendor, nth)));
        assert!(sold.all(|(vendor, nth)| festival.item(vendor, nth) != item));
        let all: Vec<u32> = (0..4_200).map(|nth| festival.seller(nth).till).collect();
        assert!(unsold(&festival, &all).is_err());
    }

    #[test]
    fn a_part_of_the_bars_keeps_enough_wallets_for_every_terminal() {
        let small = Scale::FULL.part(0.001);
        assert_eq!((small.runs, small.wallets, small.flat), (5, 16_384, 20_000));
        assert_eq!(Scale::FULL.part(1.0), Scale::FULL);
    }

    #[test]
    fn a_verifier_that_says_less_is_named() {
        assert_eq!(number(&json!({"exit": 0, "said": {"records": 7}}), "records").unwrap(), 7);
        let error = number(&json!({"exit": 1, "said": "broken"}), "records").unwrap_err().to_string();
        assert!(error.contains("records") && error.contains("broken"), "{error}");
    }
}
