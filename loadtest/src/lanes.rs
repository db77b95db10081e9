//! Owns: running one lane and putting it into the raw log: the echo in a child process, the disk, any traffic.
//! Must never: leave a lane out of the log because its figures are poor.
//! Laws: none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clock::Clock;
use crate::driver::{Driver, Load, Measured, Pace, Progress, Until};
use crate::error::{LoadError, Result};
use crate::limits::disk::{self, AppendFile, DiskLane};
use crate::limits::reading::ReadFile;
use crate::limits::writes::Writes;
use crate::machine::CpuTicks;
use crate::num::{MILLI_NS, SECOND_NS, count, to_f64};
use crate::pacing::Plan;
use crate::process::{LISTENING, Server};
use crate::rawlog::{LaneFacts, Role, RunWriter};
use crate::stats::Interval;
use crate::traffic::{Fixed, Wallets};

/// Length of an interval of the raw log in short lanes.
pub const SHORT_INTERVAL_NS: u64 = 250 * MILLI_NS;

/// What is not measured at the start of a closed lane.
pub const WARM_UP_NS: u64 = 500 * MILLI_NS;

/// What the part of a disk lane begins with that writes what the server wrote; the server's part follows.
pub const SAME_WRITES: &str = "same-writes-";

/// The name of the lanes that open wallets and fill them.
pub const PREPARE: &str = "prepare";

/// The value of a disk lane that says how many bytes each append has.
pub const WRITE_BYTES: &str = "write_bytes";

/// The value of a lane that reads and hashes: how long that took.
pub const READ_SECONDS: &str = "read_seconds";

/// Length of a lane of the same writes, if its writes are frequent enough.
const SAME_WRITES_NS: u64 = SECOND_NS;

/// Wallets that an echo lane walks over: enough that the client's own cache behaves as against the server.
const ECHO_WALLETS: u32 = 500_000;

/// Requests that one terminal of an open loop may have in flight: a stall of seconds at a few requests a second.
const OPEN_IN_FLIGHT: usize = 1_024;

/// Which lane: bar or profile, part, number of the run.
#[derive(Debug, Clone)]
pub struct LaneName {
    /// The bar or profile.
    pub name: String,
    /// Which part of it.
    pub part: String,
    /// Server or limit.
    pub role: Role,
    /// Which run, from 1.
    pub run: u32,
}

impl LaneName {
    /// The machine's limit for a figure.
    pub fn limit(name: &str, part: &str, run: u32) -> Self {
        Self { name: name.to_owned(), part: part.to_owned(), role: Role::Limit, run }
    }

    /// The server's figure.
    pub fn measured(name: &str, part: &str, run: u32) -> Self {
        Self { name: name.to_owned(), part: part.to_owned(), role: Role::Measured, run }
    }

    /// For whoever watches.
    pub fn words(&self) -> String {
        format!("run {} {} {}", self.run, self.name, self.part)
    }

    /// The lane's facts from what was measured.
    pub fn facts(&self, what: &str, measured: &Measured) -> LaneFacts {
        LaneFacts {
            name: self.name.clone(),
            part: self.part.clone(),
            role: self.role,
            run: self.run,
            what: what.to_owned(),
            began_ns: measured.began_ns,
            ended_ns: measured.ended_ns,
            cpu: measured.cpu,
            target_rate: measured.target_rate,
            values: BTreeMap::new(),
            invalid: Vec::new(),
            declines_planned: false,
            busy_planned: false,
            load_beside: false,
        }
    }
}

/// The shape of a load: what server and echo lanes have in common.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Connections, one terminal each.
    pub connections: u32,
    /// Lines of a purchase.
    pub lines: u8,
    /// How terminals send.
    pub pace: Pace,
    /// How long it is measured; an open loop lasts as long as its plan.
    pub length_ns: u64,
}

impl Shape {
    /// Terminals with frames of so many requests in flight.
    pub fn closed(connections: u32, frame: u16, frames: u16, length_ns: u64) -> Self {
        Self { connections, lines: 1, pace: Pace::Closed { frame, frames }, length_ns }
    }

    /// An even rate.
    pub fn open(connections: u32, rate: f64, length_ns: u64) -> Self {
        Self { connections, lines: 1, pace: Pace::Open(Plan::Even { rate, length_ns }), length_ns }
    }

    /// The load of this shape.
    pub fn load(&self) -> Load {
        Load {
            pace: self.pace.clone(),
            until: Until::Time(self.length_ns),
            warm_up_ns: WARM_UP_NS,
            interval_ns: SHORT_INTERVAL_NS,
        }
    }

    /// Requests that one terminal may have in flight.
    pub fn in_flight(&self) -> usize {
        match self.pace {
            Pace::Closed { frame, frames } => usize::from(frame) * usize::from(frames),
            Pace::Open(_) => OPEN_IN_FLIGHT,
        }
    }

    /// Wallets that a terminal needs so that it never has two requests of one in flight.
    pub fn wallets_needed(&self) -> usize {
        match self.pace {
            Pace::Closed { .. } => self.in_flight(),
            // An open loop at a rate that the server can follow has a handful in flight; a stall makes it more.
            Pace::Open(_) => 64,
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        let connections = self.connections;
        match &self.pace {
            Pace::Closed { frame: 1, frames: 1 } => {
                format!("{connections} connections, one tap in flight each")
            }
            Pace::Closed { frame, frames } => {
                format!("{connections} connections, frames of {frame}, {frames} frames in flight each")
            }
            Pace::Open(Plan::Even { rate, .. }) => {
                format!("open loop {rate:.0}/s over {connections} connections")
            }
            Pace::Open(Plan::Along(curve)) => {
                format!("open loop along a curve of {} taps over {connections} connections", curve.total())
            }
        }
    }
}

/// Where lanes run and are logged.
#[derive(Debug)]
pub struct Bench {
    /// The raw log.
    pub log: RunWriter,
    /// The run's clock.
    pub clock: Clock,
    /// A directory on the mount that is measured, for scratch files and data.
    pub data: PathBuf,
}

impl Bench {
    /// The echo with the shape of a lane; with `append` each round is appended and flushed before it is answered.
    pub fn echo(&self, name: &LaneName, shape: &Shape, append: bool, progress: Progress<'_>) -> Result<()> {
        let mut command = Command::new(own_binary()?);
        command.arg("echo-server");
        if append {
            command.arg("--append-in").arg(&self.data);
        }
        progress.stage(&name.words());
        let server = Server::start(&mut command, &[LISTENING], &self.data.join("echo.log"))?;
        let what = if append { "TCP echo that appends and flushes first: " } else { "TCP echo: " };
        let mut traffic = Fixed::new(Wallets::new(ECHO_WALLETS)?, shape.lines);
        let devices: Vec<u32> = (1..=shape.connections).collect();
        let address = server.address(LISTENING)?;
        let mut driver = Driver::connect(address, 1, &devices, shape.in_flight(), self.clock)?;
        let measured = driver.run(&mut traffic, &shape.load(), progress)?;
        drop(driver);
        drop(server);
        self.log.lane(&name.facts(&format!("{what}{}", shape.words()), &measured), &measured.intervals)
    }

    /// Appends with flush into a zero-filled file.
    pub fn disk(&self, name: &LaneName, lane: DiskLane, progress: Progress<'_>) -> Result<()> {
        progress.stage(&name.words());
        let mut file = AppendFile::create(&self.data, "disk.scratch")?;
        let path = if file.direct() { "direct" } else { "through the page cache" };
        let rate = lane.rate.map_or_else(|| "one after another".to_owned(), |rate| format!("{rate:.0}/s"));
        let what = format!("append {} bytes + flush, {path}, zero-filled file, {rate}", lane.write_size);
        let (began_ns, cpu) = (self.clock.now(), CpuTicks::now());
        let intervals = disk::run(&mut file, lane, &self.clock, SHORT_INTERVAL_NS)?;
        let measured = Measured {
            began_ns,
            ended_ns: ended(&intervals, began_ns),
            cpu: CpuTicks::now().since(cpu),
            target_rate: lane.rate,
            intervals,
        };
        let mut facts = name.facts(&what, &measured);
        facts.values.insert(WRITE_BYTES.to_owned(), to_f64(count(lane.write_size)));
        self.log.lane(&facts, &measured.intervals)
    }

    /// Reads and hashes a file of the tester's own, once over, on as many threads as this machine has.
    pub fn read_and_hash(&self, name: &LaneName, file: &ReadFile, progress: Progress<'_>) -> Result<()> {
        progress.stage(&name.words());
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (began_ns, cpu) = (self.clock.now(), CpuTicks::now());
        let hashed = file.read_and_hash(threads)?;
        let ended_ns = self.clock.now();
        let cpu = CpuTicks::now().since(cpu);
        let measured = Measured { intervals: Vec::new(), began_ns, ended_ns, cpu, target_rate: None };
        let what = format!(
            "read and hash {hashed} bytes of a file of the tester's own, {threads} threads, warm cache"
        );
        let mut facts = name.facts(&what, &measured);
        facts.values.insert("bytes".to_owned(), to_f64(hashed));
        facts.values.insert(READ_SECONDS.to_owned(), to_f64(ended_ns - began_ns) / to_f64(SECOND_NS));
        self.log.lane(&facts, &measured.intervals)
    }

    /// Beside a figure of the server: appends with flush of the same mean size at the same mean rate as its journal's.
    pub fn same_writes(&self, of: &LaneName, writes: Writes, progress: Progress<'_>) -> Result<()> {
        let Some(lane) = writes.lane(SAME_WRITES_NS) else { return Ok(()) };
        let part = format!("{SAME_WRITES}{}", of.part);
        self.disk(&LaneName::limit(&of.name, &part, of.run), lane, progress)
    }
}

fn ended(intervals: &[Interval], began_ns: u64) -> u64 {
    intervals.last().map_or(began_ns, |interval| interval.ended_ns)
}

/// The binary that runs, for its children.
pub fn own_binary() -> Result<PathBuf> {
    std::env::current_exe().map_err(LoadError::system("find the own binary"))
}

/// Creates an empty directory for the data of a run. One that is not empty is not touched.
pub fn fresh_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(LoadError::file("create", dir))?;
    let mut entries = std::fs::read_dir(dir).map_err(LoadError::file("list", dir))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(LoadError::format(dir, "is not empty; name another directory or remove it")),
    }
}

/// Seconds as nanoseconds.
pub fn seconds(seconds: f64) -> u64 {
    crate::num::to_u64(seconds * to_f64(SECOND_NS))
}
