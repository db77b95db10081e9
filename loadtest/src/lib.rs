//! Owns: load over the wire: profiles, the machine's limits, open-loop pacing, the oracle, reports.
//! Must never: know the server from within; it sees the terminal protocol and the HTTP interface only.
//! Laws: checks L3 and L4 from outside (oracle); upholds none.

pub mod arrival;
pub mod clock;
pub mod error;
pub mod festival_file;
pub mod limits;
pub mod machine;
pub mod num;
pub mod pacing;
pub mod rawlog;
pub mod stats;
pub mod zipf;
