//! Owns: a server under test from empty directory to verified journal: init, serve, prepare, load, stop, verify.
//! Must never: look into the server's files; what it knows comes over the wire, HTTP, /proc and `fanfare verify`.
//! Laws: checks L1 and L6 from outside (the books against the verifier's totals).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::driver::{Driver, Load, Measured, Pace, Progress, Until};
use crate::error::{LoadError, Result};
use crate::festival_file::Festival;
use crate::http;
use crate::lanes::{Bench, LaneName, PREPARE, SHORT_INTERVAL_NS, Shape};
use crate::limits::writes::Writes;
use crate::num::{SECOND_NS, to_f64, to_u64};
use crate::process::{Asked, HTTP, LISTENING, Server, answered, output};
use crate::traffic::{Mixed, Prepare, Sales, Step, Transfers, Wallets};

/// Desks that prepare wallets at the same time, each on its own connection.
const DESKS: u32 = 8;

/// Requests in a frame of the preparation, and frames in flight of each desk.
const PREPARE_FRAME: (u16, u16) = (1_000, 2);

/// How long transfers may be on their way after the last answer: the server promises seconds.
const SETTLE_NS: u64 = 30 * SECOND_NS;

/// How often it is looked whether they are.
const SETTLE_LOOK: Duration = Duration::from_millis(2);

/// How the server is run.
#[derive(Debug, Clone)]
pub struct Fanfare {
    /// The binary.
    pub binary: PathBuf,
    /// Core loops.
    pub loops: u32,
    /// The festival it is founded with.
    pub festival: Festival,
}

impl Fanfare {
    /// Founds a ledger in `dir`.
    pub fn init(&self, dir: &Path) -> Result<()> {
        let file = dir.with_extension("toml");
        self.festival.save(&file)?;
        let mut command = Command::new(&self.binary);
        command.arg("init").arg("--festival").arg(&file).arg(dir);
        let (code, out, err) = output(&mut command)?;
        if code != 0 {
            return Err(LoadError::Process(format!(
                "fanfare init ended with {code}: {} {}",
                out.trim(),
                err.trim()
            )));
        }
        Ok(())
    }

    /// Serves the ledger in `dir` on free ports; its output goes into `log`.
    pub fn serve(&self, dir: &Path, log: &Path) -> Result<Server> {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg(dir).args(["--plain", "127.0.0.1:0", "--http", "127.0.0.1:0", "--loops"]);
        command.arg(self.loops.to_string());
        Server::start(&mut command, &[LISTENING, HTTP], log)
    }

    /// Brings a festival into force over the wire, as the organiser does: looks at what differs, and says yes.
    pub fn apply(
        &self,
        server: SocketAddr,
        festival: &Festival,
        file: &Path,
        clock: Clock,
    ) -> Result<InForce> {
        festival.save(file)?;
        let mut command = Command::new(&self.binary);
        command.args(["festival", "apply"]).arg(file);
        command.arg("--server").arg(server.to_string());
        command.arg("--device").arg(festival.office().number.to_string());
        let mut agreed_ns = 0;
        let Asked { code, out, err, .. } = answered(&mut command, AGREE, "y\n", || agreed_ns = clock.now())?;
        let known_ns = clock.now();
        let millis = adopted_after(&out).filter(|_| code == 0).ok_or_else(|| {
            let said = format!("{} {}", out.trim(), err.trim());
            LoadError::Process(format!("fanfare festival apply ended with {code}: {}", said.trim()))
        })?;
        Ok(InForce { agreed_ns, millis, known_ns })
    }

    /// What `fanfare verify --json` says about the ledger in `dir`, with its exit code.
    pub fn verify(&self, dir: &Path) -> Result<Value> {
        let (code, out, err) = output(Command::new(&self.binary).arg("verify").arg(dir).arg("--json"))?;
        let said = serde_json::from_str(&out).unwrap_or_else(|_| json!(format!("{out}{err}")));
        Ok(json!({ "exit": code, "said": said }))
    }
}

/// What the command asks before it changes anything.
const AGREE: &str = "bring this into force? [y/N] ";

/// A configuration that came into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// When the organiser said yes.
    pub agreed_ns: u64,
    /// Milliseconds from then until it was in force in every shard, as the command says.
    pub millis: u64,
    /// When the command had said so.
    pub known_ns: u64,
}

/// The milliseconds in "version 2 is in force in every shard, after 34 ms".
fn adopted_after(out: &str) -> Option<u64> {
    let last = out.lines().last()?;
    let (_, millis) = last.strip_prefix("version ")?.split_once(" is in force in every shard, after ")?;
    millis.strip_suffix(" ms")?.parse().ok()
}

/// What one stretch of purchases came to.
#[derive(Debug)]
pub struct Sold {
    /// What was measured.
    pub measured: Measured,
    /// What the server's journal wrote meanwhile.
    pub writes: Writes,
}

/// What one stretch of transfers came to.
#[derive(Debug)]
pub struct SentOff {
    /// What was measured, up to the last answer.
    pub measured: Measured,
    /// Transfers whose money left their payers.
    pub transfers: u64,
    /// When the last of them was known to have arrived, for good.
    pub settled_ns: u64,
    /// What the server's journal wrote from the first to that moment.
    pub writes: Writes,
    /// Bytes that the server's channels hold then.
    pub channel_bytes: u64,
}

/// A running server with its wallets.
#[derive(Debug)]
pub struct Session<'a> {
    /// Where it is measured and logged.
    pub bench: &'a Bench,
    /// How it is run.
    pub fanfare: &'a Fanfare,
    /// The tester's books.
    pub wallets: Wallets,
    dir: PathBuf,
    server: Option<Server>,
}

impl<'a> Session<'a> {
    /// Founds a ledger under a name and serves it; no wallet is open yet.
    pub fn start(bench: &'a Bench, fanfare: &'a Fanfare, name: &str, wallets: u32) -> Result<Self> {
        let dir = bench.data.join(name);
        fanfare.init(&dir)?;
        let wallets = Wallets::new(wallets)?;
        let mut session = Self { bench, fanfare, wallets, dir, server: None };
        session.serve()?;
        Ok(session)
    }

    /// Starts the server (again) on the same ledger.
    pub fn serve(&mut self) -> Result<()> {
        self.server = Some(self.fanfare.serve(&self.dir, &self.dir.with_extension("log"))?);
        Ok(())
    }

    fn running(&self) -> Result<&Server> {
        self.server.as_ref().ok_or_else(|| LoadError::Process("the server is not running".to_owned()))
    }

    /// Where terminals connect.
    pub fn address(&self) -> Result<SocketAddr> {
        self.running()?.address(LISTENING)
    }

    /// Where metrics are read.
    pub fn http(&self) -> Result<SocketAddr> {
        self.running()?.address(HTTP)
    }

    /// The server's process.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.running()?.pid())
    }

    /// Stops the server gracefully.
    pub fn stop(&mut self) -> Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        let status = server.stop()?;
        if status.success() {
            Ok(())
        } else {
            Err(LoadError::Process(format!("the server ended with {status} after SIGTERM")))
        }
    }

    /// Verifies the stopped server's ledger and keeps what the verifier said in the raw log.
    pub fn verify(&self, name: &str) -> Result<Value> {
        let said = self.fanfare.verify(&self.dir)?;
        self.bench.log.verify(name, &said.to_string())?;
        Ok(said)
    }

    /// Removes the ledger.
    pub fn remove(&self) -> Result<()> {
        std::fs::remove_dir_all(&self.dir).map_err(LoadError::file("remove", &self.dir))
    }

    /// One stretch of transfers between random wallets, from the first until all have arrived.
    pub fn transfer(&mut self, shape: &Shape, seed: u64, progress: Progress<'_>) -> Result<SentOff> {
        let devices: Vec<u32> =
            (0..shape.connections).map(|nth| self.fanfare.festival.desk(nth).number).collect();
        let mut driver = self.connect(&devices, shape.in_flight())?;
        let (before, taken) = (self.written()?, self.metric("fanfare_messages_taken_total")?);
        let mut traffic = Transfers::new(&mut self.wallets, devices.len(), shape.in_flight(), seed)?;
        // What leaves in a warm-up would arrive in the stretch that is measured: there is none.
        let load = Load { warm_up_ns: 0, ..shape.load() };
        let measured = driver.run(&mut traffic, &load, progress)?;
        let transfers = traffic.sent_off();
        let settled_ns = self.settled(taken + transfers)?;
        let writes = self.written()?.since(before);
        Ok(SentOff {
            measured,
            transfers,
            settled_ns,
            writes,
            channel_bytes: self.metric("fanfare_channel_bytes")?,
        })
    }

    /// Purchases of a shape with one request in flight each, one in so many a transfer, logged as a lane, and beside
    /// it the disk with the same writes. Every transfer has arrived before it returns.
    pub fn mixed(
        &mut self,
        name: &LaneName,
        shape: &Shape,
        one_in: Option<u64>,
        progress: Progress<'_>,
    ) -> Result<()> {
        progress.stage(&name.words());
        let devices: Vec<u32> =
            (0..shape.connections).map(|nth| self.fanfare.festival.banker(nth).number).collect();
        let mut driver = self.connect(&devices, shape.in_flight())?;
        let tills: Vec<u32> = driver.links().iter().map(|link| link.till).collect();
        let (before, taken) = (self.written()?, self.metric("fanfare_messages_taken_total")?);
        let festival = &self.fanfare.festival;
        let mut traffic = Mixed::new(&mut self.wallets, festival, &tills, one_in, u64::from(name.run))?;
        let measured = driver.run(&mut traffic, &shape.load(), progress)?;
        let transfers = traffic.sent_off();
        let writes = self.written()?.since(before);
        drop(driver);
        let mut facts = name.facts(&shape.words(), &measured);
        facts.values.extend(writes.values());
        facts.values.insert("transfers".to_owned(), to_f64(transfers));
        self.bench.log.lane(&facts, &measured.intervals)?;
        self.bench.same_writes(name, writes, progress)?;
        self.settled(taken + transfers).map(drop)
    }

    /// Waits until so many messages have been taken and none is on its way; returns when that was seen.
    fn settled(&self, taken: u64) -> Result<u64> {
        let until = self.bench.clock.now() + SETTLE_NS;
        loop {
            let now = self.bench.clock.now();
            // The metrics of a core may be a moment old: what it has sent since then would be missed by the waiting
            // ones alone.
            let (waiting, came) =
                (self.metric("fanfare_messages_waiting")?, self.metric("fanfare_messages_taken_total")?);
            if waiting == 0 && came >= taken {
                return Ok(now);
            }
            if now > until {
                return Err(LoadError::Server(format!(
                    "let {waiting} messages wait, with {came} of {taken} taken, for {} s after the last answer",
                    SETTLE_NS / SECOND_NS
                )));
            }
            std::thread::sleep(SETTLE_LOOK);
        }
    }

    /// A whole number out of the server's metrics.
    fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = http::get(self.http()?, "/metrics")?;
        let value = http::metric(&text, name);
        value.map(to_u64).ok_or_else(|| LoadError::Server(format!("gives no metric {name}")))
    }

    /// Asks what every wallet holds; one that differs from the books is an error.
    pub fn read_all(&mut self, progress: Progress<'_>) -> Result<()> {
        let (_, read) = self.prepare_step(Step::Read, progress)?;
        if read == self.wallets.len() {
            return Ok(());
        }
        Err(LoadError::Server(format!("told the balance of {read} of {} wallets", self.wallets.len())))
    }

    /// Opens every wallet and tops it up by an amount between the two.
    pub fn prepare(&mut self, from: i64, to: i64, run: u32, progress: Progress<'_>) -> Result<()> {
        for (part, step) in [("open", Step::Open), ("top-up", Step::TopUp { from, to })] {
            let name = LaneName::measured(PREPARE, &format!("{part}-{}", self.name()), run);
            progress.stage(&format!("{} wallets: {part}", self.wallets.len()));
            let (measured, done) = self.prepare_step(step, progress)?;
            let what =
                format!("{DESKS} desks, frames of {}, {} in flight each", PREPARE_FRAME.0, PREPARE_FRAME.1);
            let mut facts = name.facts(&what, &measured);
            // `busy` is an answer that the preparation expects and waits out.
            (facts.declines_planned, facts.busy_planned) = (true, true);
            self.bench.log.lane(&facts, &measured.intervals)?;
            if done != self.wallets.len() {
                return Err(LoadError::Server(format!(
                    "took step {part} for {done} of {} wallets",
                    self.wallets.len()
                )));
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    fn prepare_step(&mut self, step: Step, progress: Progress<'_>) -> Result<(Measured, u32)> {
        let (frame, frames) = PREPARE_FRAME;
        let devices: Vec<u32> = (0..DESKS).map(|nth| self.fanfare.festival.desk(nth).number).collect();
        let in_flight = usize::from(frame) * usize::from(frames);
        let mut driver = self.connect(&devices, in_flight)?;
        let mut traffic = Prepare::new(&mut self.wallets, step, devices.len());
        let load = Load {
            pace: Pace::Closed { frame, frames },
            until: Until::Exhausted,
            warm_up_ns: 0,
            interval_ns: SHORT_INTERVAL_NS,
        };
        let measured = driver.run(&mut traffic, &load, progress)?;
        Ok((measured, traffic.done()))
    }

    /// Connects a terminal for each device.
    pub fn connect(&self, devices: &[u32], in_flight: usize) -> Result<Driver> {
        Driver::connect(self.address()?, self.fanfare.festival.id, devices, in_flight, self.bench.clock)
    }

    /// What the server's journal has written so far.
    pub fn written(&self) -> Result<Writes> {
        Writes::so_far(self.http()?, &self.bench.clock)
    }

    /// Purchases of a shape over the whole catalogue, logged as a lane, and beside it the disk with the same writes.
    pub fn sales(
        &mut self,
        name: &LaneName,
        shape: &Shape,
        until: Option<Until>,
        progress: Progress<'_>,
    ) -> Result<()> {
        progress.stage(&name.words());
        let mut load = shape.load();
        if let Some(until) = until {
            load.until = until;
            load.warm_up_ns = 0;
        }
        let mut driver = self.sellers(shape)?;
        let sold = self.sell(&mut driver, shape, &load, progress)?;
        drop(driver);
        let mut facts = name.facts(&shape.words(), &sold.measured);
        facts.values.extend(sold.writes.values());
        self.bench.log.lane(&facts, &sold.measured.intervals)?;
        self.bench.same_writes(name, sold.writes, progress)
    }

    /// Selling terminals for a shape.
    pub fn sellers(&self, shape: &Shape) -> Result<Driver> {
        let devices: Vec<u32> =
            (0..shape.connections).map(|nth| self.fanfare.festival.seller(nth).number).collect();
        self.connect(&devices, shape.in_flight())
    }

    /// One stretch of purchases over terminals that are connected already.
    pub fn sell(
        &mut self,
        driver: &mut Driver,
        shape: &Shape,
        load: &Load,
        progress: Progress<'_>,
    ) -> Result<Sold> {
        let tills: Vec<u32> = driver.links().iter().map(|link| link.till).collect();
        let lines = u32::from(shape.lines);
        let (festival, before) = (&self.fanfare.festival, self.written()?);
        let mut traffic = Sales::new(&mut self.wallets, festival, &tills, lines, shape.wallets_needed())?;
        let measured = driver.run(&mut traffic, load, progress)?;
        let writes = self.written()?.since(before);
        Ok(Sold { measured, writes })
    }
}

#[cfg(test)]
mod tests {
    use super::adopted_after;

    /// "nothing differs" read as 0 ms would have been the fastest adoption of all.
    #[test]
    fn only_an_adoption_everywhere_has_a_time() {
        let said = "from version 1 to 2:\n  item 5: 1.00 -> 1.50\nversion 2 is in force in every shard, after 34 ms\n";
        assert_eq!(adopted_after(said), Some(34));
        for other in ["", "nothing differs from version 2, which is in force\n", "nothing was changed\n"] {
            assert_eq!(adopted_after(other), None, "{other}");
        }
    }
}
