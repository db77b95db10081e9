//! Owns: the machine's own limits, measured with the same loop and sizes as what they are compared with.
//! Must never: be measured at another time than the figure they stand beside: machines drift within minutes.
//! Laws: none.

pub mod disk;
pub mod echo;
pub mod reading;
pub mod writes;

use disk::DiskLane;

use crate::driver::Progress;
use crate::error::Result;
use crate::lanes::{Bench, LaneName, Shape};

/// The closed echo shapes of `loadtest limits`: name, connections, frame, frames in flight.
const ECHOES: [(&str, u32, u16, u16); 5] = [
    ("lone", 1, 1, 1),
    ("64", 64, 1, 1),
    ("4096", 4_096, 1, 1),
    ("bulk-one", 1, 1_000, 1),
    ("bulk", 4, 2_000, 2),
];

/// The append sizes of `loadtest limits`, in bytes.
const APPENDS: [(&str, usize); 3] = [("4k", 4 << 10), ("64k", 64 << 10), ("1m", 1 << 20)];

/// What `loadtest limits` is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked {
    /// How often each is measured.
    pub runs: u32,
    /// How long each lane is.
    pub length_ns: u64,
    /// Requests a second of the open-loop lanes.
    pub rate: f64,
    /// Bytes of each append of the paced lane.
    pub write_size: usize,
    /// Appends a second of the paced lane.
    pub write_rate: f64,
}

/// Measures every limit, interleaved.
pub fn measure(bench: &Bench, asked: Asked, progress: Progress<'_>) -> Result<()> {
    let Asked { runs, length_ns, rate, write_size, write_rate } = asked;
    for run in 1..=runs {
        for (name, connections, frame, frames) in ECHOES {
            let lane = LaneName::limit("echo", name, run);
            bench.echo(&lane, &Shape::closed(connections, frame, frames, length_ns), false, progress)?;
        }
        for (name, write_size) in APPENDS {
            let lane = DiskLane { write_size, rate: None, length_ns };
            bench.disk(&LaneName::limit("append", name, run), lane, progress)?;
        }
        let paced = DiskLane { write_size, rate: Some(write_rate), length_ns };
        bench.disk(&LaneName::limit("append", "paced", run), paced, progress)?;
        let open = Shape::open(500, rate, length_ns);
        bench.echo(&LaneName::limit("open", "echo", run), &open, false, progress)?;
        bench.echo(&LaneName::limit("open", "echo-flush", run), &open, true, progress)?;
    }
    Ok(())
}
