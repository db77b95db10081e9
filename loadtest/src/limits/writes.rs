//! Owns: what a server's journal wrote during a stretch of load, by the server's own metrics, and the disk lane that
//! writes as much at a time and as often.
//! Must never: guess: a server that gives no such metric has no limit beside its figure, and that is an error.
//! Laws: none; it is the limit that L3 costs at the sizes and the rate of the figure it stands beside.

use std::net::SocketAddr;

use super::disk::{DiskLane, LARGEST_WRITE, SECTOR};
use crate::clock::Clock;
use crate::error::{LoadError, Result};
use crate::http;
use crate::num::{SECOND_NS, count, index, per_second, ratio, to_f64, to_u64};

/// Most seconds of a disk lane beside a figure.
const LONGEST_NS: u64 = 3 * SECOND_NS;

/// Writes with a flush each, and the bytes of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    /// How many.
    pub writes: u64,
    /// Their bytes, padding to whole sectors included.
    pub bytes: u64,
    /// When they were counted; of a stretch: how long it was.
    pub ns: u64,
}

impl Writes {
    /// All of a server so far, from its metrics.
    pub fn so_far(http: SocketAddr, clock: &Clock) -> Result<Self> {
        let (_, text) = http::get(http, "/metrics")?;
        Self::parse(&text, clock.now())
    }

    fn parse(text: &str, ns: u64) -> Result<Self> {
        let read = |name: &str| {
            let value = http::metric(text, name);
            value.map(to_u64).ok_or_else(|| LoadError::Server(format!("gives no metric {name}")))
        };
        let (writes, bytes) =
            (read("fanfare_journal_writes_total")?, read("fanfare_journal_written_bytes_total")?);
        Ok(Self { writes, bytes, ns })
    }

    /// Those of the stretch since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            writes: self.writes.saturating_sub(before.writes),
            bytes: self.bytes.saturating_sub(before.bytes),
            ns: self.ns.saturating_sub(before.ns),
        }
    }

    /// Mean bytes of a write, in whole sectors, as a disk lane writes them.
    pub fn mean_size(&self) -> usize {
        let mean = index(to_u64(ratio(to_f64(self.bytes), to_f64(self.writes))));
        mean.clamp(1, LARGEST_WRITE).next_multiple_of(SECTOR)
    }

    /// As single measurements of a lane.
    pub fn values(&self) -> [(String, f64); 3] {
        [
            ("journal_writes".to_owned(), to_f64(self.writes)),
            ("journal_written_bytes".to_owned(), to_f64(self.bytes)),
            ("journal_writes_per_second".to_owned(), per_second(self.writes, self.ns)),
        ]
    }

    /// The lane that appends and flushes the same mean size at the same mean rate; none when nothing was written.
    pub fn lane(&self, length_ns: u64) -> Option<DiskLane> {
        let rate = per_second(self.writes, self.ns);
        // At least a few hundred appends: a percentile of ten is none. A slow lane is long for that, not endless.
        let long_enough = to_u64(ratio(to_f64(count(200) * SECOND_NS), rate));
        (self.writes > 0 && self.ns > 0).then(|| DiskLane {
            write_size: self.mean_size(),
            rate: Some(rate),
            length_ns: length_ns.max(long_enough).min(LONGEST_NS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP fanfare_journal_writes Frames.\nfanfare_journal_writes_total 1500\n\
        fanfare_journal_inline_writes_total 3\nfanfare_journal_written_bytes_total 9216000\n";

    fn at(writes: u64, bytes: u64, ns: u64) -> Writes {
        Writes { writes, bytes, ns }
    }

    /// A disk lane of 4 KiB one after another stood beside frames of hundreds of KiB: whoever read the table took the
    /// disk for idle where it was the limit.
    #[test]
    fn the_lane_has_the_mean_size_and_rate_of_the_stretch() {
        let after = Writes::parse(TEXT, 5 * SECOND_NS).unwrap();
        let stretch = after.since(at(500, 1_024_000, 3 * SECOND_NS));
        assert_eq!(stretch, at(1_000, 8_192_000, 2 * SECOND_NS));
        let lane = stretch.lane(SECOND_NS).unwrap();
        assert_eq!((lane.write_size, lane.length_ns), (8_192, SECOND_NS));
        assert!((lane.rate.unwrap() - 500.0).abs() < 1e-9);
        assert!((stretch.values()[2].1 - 500.0).abs() < 1e-9);
    }

    #[test]
    fn a_size_is_in_whole_sectors_and_what_a_lane_can_write() {
        assert_eq!(at(3, 12_300, 1).mean_size(), 8_192);
        assert_eq!(at(1, 1, 1).mean_size(), SECTOR);
        assert_eq!(at(1, u64::MAX, 1).mean_size(), LARGEST_WRITE);
    }

    #[test]
    fn a_slow_lane_is_longer_and_none_is_endless() {
        assert_eq!(at(200, 819_200, SECOND_NS).lane(SECOND_NS / 4).unwrap().length_ns, SECOND_NS);
        assert_eq!(at(1, 4_096, SECOND_NS).lane(SECOND_NS).unwrap().length_ns, LONGEST_NS);
        assert_eq!(at(0, 0, SECOND_NS).lane(SECOND_NS), None);
    }

    #[test]
    fn a_server_without_the_metric_is_named() {
        let error = Writes::parse("fanfare_journal_writes_total 4\n", 0).unwrap_err().to_string();
        assert!(error.contains("fanfare_journal_written_bytes_total"), "{error}");
    }
}
