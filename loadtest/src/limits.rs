//! Owns: the machine's own limits, measured with the same loop and sizes as what they are compared with.
//! Must never: be measured at another time than the figure they stand beside: machines drift within minutes.
//! Laws: none.

pub mod disk;
pub mod echo;

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

/// Measures every limit `runs` times, interleaved, each lane for `length_ns`.
pub fn measure(bench: &Bench, runs: u32, length_ns: u64, rate: f64, progress: Progress<'_>) -> Result<()> {
    for run in 1..=runs {
        for (name, connections, frame, frames) in ECHOES {
            let lane = LaneName::limit("echo", name, run);
            bench.echo(&lane, &Shape::closed(connections, frame, frames, length_ns), false, progress)?;
        }
        for (name, write_size) in APPENDS {
            let lane = DiskLane { write_size, rate: None, length_ns };
            bench.disk(&LaneName::limit("append", name, run), lane, progress)?;
        }
        let paced = DiskLane { write_size: 4 << 10, rate: Some(rate), length_ns };
        bench.disk(&LaneName::limit("append", "4k-paced", run), paced, progress)?;
        let open = Shape::open(500, rate, length_ns);
        bench.echo(&LaneName::limit("open", "echo", run), &open, false, progress)?;
        bench.echo(&LaneName::limit("open", "echo-flush", run), &open, true, progress)?;
    }
    Ok(())
}
