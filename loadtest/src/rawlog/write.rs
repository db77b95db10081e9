//! Owns: writing a raw log while a run goes on, lane by lane.
//! Must never: keep a finished lane in memory only; a run that breaks off leaves its finished lanes behind.
//! Laws: none.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use serde::Serialize;

use super::{IntervalCounts, LaneFacts, RunFacts};
use crate::error::{LoadError, Result};
use crate::num::{MILLI_NS, to_f64};
use crate::stats::Interval;

/// An open raw log.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
}

impl RunWriter {
    /// Creates the directory and writes the run's facts. Fails if the directory holds a run already.
    pub fn create(dir: &Path, facts: &RunFacts) -> Result<Self> {
        fs::create_dir_all(dir).map_err(LoadError::file("create", dir))?;
        let path = dir.join("run.json");
        if path.exists() {
            return Err(LoadError::format(dir, "holds a run already; name another directory or remove it"));
        }
        write_json(&path, facts)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Where the run lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds a finished lane.
    pub fn lane(&self, facts: &LaneFacts, intervals: &[Interval]) -> Result<()> {
        let stem = facts.stem();
        self.histograms(&stem, "latency", intervals, |interval| &interval.latency)?;
        self.histograms(&stem, "lag", intervals, |interval| &interval.lag)?;
        let path = self.dir.join(format!("{stem}.intervals.jsonl"));
        let mut lines = Vec::new();
        for interval in intervals {
            let counts = IntervalCounts {
                began_ns: interval.began_ns,
                ended_ns: interval.ended_ns,
                sent: interval.sent,
                counts: interval.counts.lines(),
            };
            push_line(&path, &mut lines, &counts)?;
        }
        fs::write(&path, lines).map_err(LoadError::file("write", &path))?;
        // The line that names the lane comes last: a lane without its files is never named.
        let path = self.dir.join("lanes.jsonl");
        let mut line = Vec::new();
        push_line(&path, &mut line, facts)?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(LoadError::file("open", &path))?;
        file.write_all(&line).map_err(LoadError::file("write", &path))
    }

    fn histograms(
        &self,
        stem: &str,
        kind: &str,
        intervals: &[Interval],
        pick: impl Fn(&Interval) -> &Histogram<u64>,
    ) -> Result<()> {
        if intervals.iter().all(|interval| pick(interval).is_empty()) {
            return Ok(());
        }
        let path = self.dir.join(format!("{stem}.{kind}.hlog"));
        let file = File::create(&path).map_err(LoadError::file("create", &path))?;
        let mut out = BufWriter::new(file);
        write_log(&mut out, intervals, pick).map_err(|problem| LoadError::format(&path, problem))?;
        out.flush().map_err(LoadError::file("write", &path))
    }

    /// Keeps what `fanfare verify --json` said, untouched.
    pub fn verify(&self, name: &str, said: &str) -> Result<()> {
        let path = self.dir.join(format!("verify-{name}.json"));
        fs::write(&path, said).map_err(LoadError::file("write", &path))
    }
}

fn write_log(
    out: &mut impl Write,
    intervals: &[Interval],
    pick: impl Fn(&Interval) -> &Histogram<u64>,
) -> std::result::Result<(), String> {
    let mut serializer = V2DeflateSerializer::new();
    // Values are nanoseconds; the log's own maximum is in milliseconds, as its readers expect.
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(
            "values are nanoseconds; interval bounds exact to the nanosecond are in the .jsonl beside",
        )
        .with_max_value_divisor(to_f64(MILLI_NS))
        .begin_log_with(out, &mut serializer)
        .map_err(|error| error.to_string())?;
    for interval in intervals {
        let length = Duration::from_nanos(interval.ended_ns - interval.began_ns);
        log.write_histogram(pick(interval), Duration::from_nanos(interval.began_ns), length, None)
            .map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}

fn push_line(path: &Path, lines: &mut Vec<u8>, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *lines, value).map_err(|error| LoadError::format(path, error.to_string()))?;
    lines.push(b'\n');
    Ok(())
}

/// Writes a value as a file that a person can read.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| LoadError::format(path, error.to_string()))?;
    text.push(b'\n');
    fs::write(path, text).map_err(LoadError::file("write", path))
}
