//! Owns: reading a raw log back, checking that its files belong together.
//! Must never: repair; a log that does not fit is refused.
//! Laws: none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde::de::DeserializeOwned;

use super::{FORMAT, IntervalCounts, LaneFacts, RunFacts};
use crate::error::{LoadError, Result};
use crate::stats::{Counts, Interval, histogram};

/// A run, read back.
#[derive(Debug)]
pub struct Run {
    /// What was run, and on what.
    pub facts: RunFacts,
    /// Its lanes, in the order in which they ended.
    pub lanes: Vec<RunLane>,
    /// What `fanfare verify --json` said, by name.
    pub verified: BTreeMap<String, serde_json::Value>,
}

/// A lane, read back.
#[derive(Debug)]
pub struct RunLane {
    /// Its line in the log.
    pub facts: LaneFacts,
    /// Its intervals.
    pub intervals: Vec<Interval>,
}

/// Reads a run's directory.
pub fn read(dir: &Path) -> Result<Run> {
    let facts: RunFacts = parse(&dir.join("run.json"), &text(&dir.join("run.json"))?)?;
    if facts.format != FORMAT {
        return Err(LoadError::format(dir, format!("format {} is not {FORMAT}", facts.format)));
    }
    let path = dir.join("lanes.jsonl");
    let listed = if path.exists() { text(&path)? } else { String::new() };
    let mut lanes = Vec::new();
    for line in listed.lines() {
        let named: LaneFacts = parse(&path, line)?;
        let intervals = intervals(dir, &named)?;
        lanes.push(RunLane { facts: named, intervals });
    }
    Ok(Run { facts, lanes, verified: verified(dir)? })
}

fn verified(dir: &Path) -> Result<BTreeMap<String, serde_json::Value>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(LoadError::file("list", dir))? {
        let path = entry.map_err(LoadError::file("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = name.strip_prefix("verify-").and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        all.insert(name.to_owned(), parse(&path, &text(&path)?)?);
    }
    Ok(all)
}

fn intervals(dir: &Path, facts: &LaneFacts) -> Result<Vec<Interval>> {
    let stem = facts.stem();
    let path = dir.join(format!("{stem}.intervals.jsonl"));
    let latency = histograms(&dir.join(format!("{stem}.latency.hlog")))?;
    let lag = histograms(&dir.join(format!("{stem}.lag.hlog")))?;
    let mut intervals = Vec::new();
    for (place, line) in text(&path)?.lines().enumerate() {
        let line: IntervalCounts = parse(&path, line)?;
        intervals.push(Interval {
            began_ns: line.began_ns,
            ended_ns: line.ended_ns,
            sent: line.sent,
            counts: Counts::from_lines(&line.counts),
            latency: take(latency.as_deref(), place)?,
            lag: take(lag.as_deref(), place)?,
        });
    }
    for log in [&latency, &lag].into_iter().flatten() {
        if log.len() != intervals.len() {
            let problem = format!("{} histograms for {} intervals of {stem}", log.len(), intervals.len());
            return Err(LoadError::format(dir, problem));
        }
    }
    let fits = |interval: &Interval| {
        interval.latency.is_empty() || interval.latency.len() == interval.counts.total()
    };
    if let Some(place) = intervals.iter().position(|interval| !fits(interval)) {
        let problem = format!("interval {place} of {stem} counts other answers than it times");
        return Err(LoadError::format(dir, problem));
    }
    Ok(intervals)
}

fn take(log: Option<&[Histogram<u64>]>, place: usize) -> Result<Histogram<u64>> {
    match log.and_then(|log| log.get(place)) {
        Some(found) => Ok(found.clone()),
        None => histogram(),
    }
}

/// The histograms of an interval log; none when there is no such file.
fn histograms(path: &Path) -> Result<Option<Vec<Histogram<u64>>>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(LoadError::file("read", path))?;
    let mut deserializer = Deserializer::new();
    let mut all = Vec::new();
    for entry in IntervalLogIterator::new(&bytes) {
        let entry = entry.map_err(|error| LoadError::format(path, format!("no interval log: {error:?}")))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let packed = decode(interval.encoded_histogram())
            .ok_or_else(|| LoadError::format(path, "a histogram is not base64"))?;
        let histogram = deserializer
            .deserialize(&mut packed.as_slice())
            .map_err(|error| LoadError::format(path, format!("a histogram can't be read: {error:?}")))?;
        all.push(histogram);
    }
    Ok(Some(all))
}

/// Base64 with the standard alphabet; the interval log gives its histograms in it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits).to_le_bytes()[0]);
        }
    }
    Some(bytes)
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(LoadError::file("read", path))
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| LoadError::format(path, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(decode("Zm9vYmFy").unwrap(), b"foobar");
        assert_eq!(decode("Zm9vYg==").unwrap(), b"foob");
        assert_eq!(decode("+/+/").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decode("a b"), None);
    }
}
