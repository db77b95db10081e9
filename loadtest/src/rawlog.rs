//! Owns: the raw log of a run: what every figure of its report is computed from, on disk, re-readable by anybody.
//! Must never: hold a figure that is computed from another one of its files.
//! Laws: none. Latencies are standard `HdrHistogram` interval logs, everything else is JSON.
//!
//! A run is a directory: `run.json` (what was run, on which machine), `lanes.jsonl` (one line per lane),
//! `LANE.latency.hlog` and `LANE.lag.hlog` (a histogram per interval), `LANE.intervals.jsonl` (counts per interval),
//! `verify-NAME.json` (what `fanfare verify --json` said, untouched).

mod read;
mod write;

pub use read::{Run, RunLane, read};
pub use write::RunWriter;
pub(crate) use write::write_json;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::{CpuTicks, MachineFacts};
use crate::stats::CodeCount;

/// Format of the directory; a reader refuses another one.
pub const FORMAT: u32 = 1;

/// What was run, and on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFacts {
    /// Format of this directory.
    pub format: u32,
    /// `bars`, `limits` or the name of a profile.
    pub kind: String,
    /// The title of the report.
    pub title: String,
    /// The command that was given.
    pub command: String,
    /// What was asked for, in words: name and value.
    pub parameters: BTreeMap<String, String>,
    /// The machine.
    pub machine: MachineFacts,
}

/// Whether a lane measures the server or what the machine itself can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The server.
    Measured,
    /// The machine's own limit for the same work.
    Limit,
}

/// One stretch of measuring, without its intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneFacts {
    /// Which figure it belongs to: the name of a bar or profile.
    pub name: String,
    /// Which part of that figure: `server`, `echo`, `disk` ...
    pub part: String,
    /// Server or limit.
    pub role: Role,
    /// Which run, from 1.
    pub run: u32,
    /// What was done, in words.
    pub what: String,
    /// When measuring began on the run's clock.
    pub began_ns: u64,
    /// When it ended.
    pub ended_ns: u64,
    /// What the processors did meanwhile.
    pub cpu: CpuTicks,
    /// Requests a second that an open loop intended; absent in a closed loop.
    pub target_rate: Option<f64>,
    /// Single measurements: bytes, records, seconds.
    pub values: BTreeMap<String, f64>,
    /// Why its figures must not be used.
    pub invalid: Vec<String>,
    /// Declines are part of the plan, so they don't make the lane invalid.
    pub declines_planned: bool,
    /// So is `busy`: the load waits it out, and its figure counts only what was taken.
    #[serde(default)]
    pub busy_planned: bool,
    /// The load stands beside the figure, which is none of its latencies: it must keep its rate, not the moment of
    /// each request.
    #[serde(default)]
    pub load_beside: bool,
}

impl LaneFacts {
    /// The stem of the lane's files.
    pub fn stem(&self) -> String {
        format!("{}.{}.{}", self.name, self.part, self.run)
    }
}

/// Counts of one interval, as its line in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntervalCounts {
    /// Start on the run's clock.
    pub began_ns: u64,
    /// End on the run's clock.
    pub ended_ns: u64,
    /// Requests sent.
    pub sent: u64,
    /// Answers by class and code.
    pub counts: Vec<CodeCount>,
}

#[cfg(test)]
pub(crate) mod tests;
