//! Owns: load over the wire: profiles, the machine's limits, open-loop pacing, the oracle, reports.
//! Must never: know the server from within; it sees the terminal protocol and the HTTP interface only.
//! Laws: checks L3 and L4 from outside (oracle); upholds none.

pub mod arrival;
pub mod bars;
pub mod client;
pub mod clock;
pub mod driver;
pub mod error;
pub mod festival_file;
pub mod http;
pub mod lanes;
pub mod limits;
pub mod machine;
pub mod num;
pub mod oracle;
pub mod pacing;
pub mod process;
pub mod profiles;
pub mod rawlog;
pub mod report;
pub mod session;
pub mod stats;
pub mod traffic;
pub mod zipf;
