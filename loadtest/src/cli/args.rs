//! Owns: the arguments of each subcommand.
//! Must never: compute; a default that needs thought has its reason where it is used.
//! Laws: none.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where a run goes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Directory of the raw log and the report; it must not hold a run [default: target/loadtest/KIND-TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Empty directory for data, on the mount that is measured [default: data in the directory of the raw log]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// How the server under test is run.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The server's binary [default: fanfare beside this one]
    #[arg(long, value_name = "FILE")]
    pub fanfare: Option<PathBuf>,
    /// Core loops of the server
    #[arg(long, default_value_t = 1)]
    pub loops: u32,
}

/// What each profile takes.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Wallets that are opened and topped up first
    #[arg(long, default_value_t = 500_000)]
    pub wallets: u32,
    /// Seconds of the profile
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Runs, limits interleaved. Those of `festival` found a ledger each, as what guests have spent is gone; those of
    /// the others follow one another on the same ledger
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// End without reading the journal back
    #[arg(long)]
    pub no_verify: bool,
    /// Keep the ledger for `fanfare inspect` and `fanfare explain`
    #[arg(long)]
    pub keep: bool,
}

/// `limits`
#[derive(Debug, Args)]
pub struct LimitsArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// Runs of each lane, interleaved
    #[arg(long, default_value_t = 3)]
    pub runs: u32,
    /// Seconds of each lane
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// Requests a second of the open-loop lanes
    #[arg(long, default_value_t = 2_000.0)]
    pub rate: f64,
    /// Bytes of each append of the paced lane: for the server's own, what a report says it wrote at a time
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..=4_194_304))]
    pub write_size: u32,
    /// Appends a second of the paced lane
    #[arg(long, default_value_t = 2_000.0)]
    pub write_rate: f64,
}

/// `taps`
#[derive(Debug, Args)]
pub struct TapsArgs {
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Terminals, a connection each, one tap in flight
    #[arg(long, default_value_t = 4_096)]
    pub connections: u32,
    /// Lines of each sale
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub lines: u8,
}

/// `open`
#[derive(Debug, Args)]
pub struct OpenArgs {
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Terminals, a connection each
    #[arg(long, default_value_t = 500)]
    pub connections: u32,
    /// Taps a second, measured from when each was meant to happen
    #[arg(long, default_value_t = 2_000.0)]
    pub rate: f64,
    /// Lines of each sale
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub lines: u8,
}

/// `bulk`
#[derive(Debug, Args)]
pub struct BulkArgs {
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Connections
    #[arg(long, default_value_t = 4)]
    pub connections: u32,
    /// Requests in a frame
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub frame: u16,
    /// Frames in flight of each connection
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub frames: u16,
    /// Lines of each sale
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub lines: u8,
}

/// `festival`
#[derive(Debug, Args)]
pub struct FestivalArgs {
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Terminals; one in forty stands at a desk
    #[arg(long, default_value_t = 4_096)]
    pub terminals: u32,
    /// Taps of the whole day, doors to midnight
    #[arg(long, default_value_t = 3_000_000)]
    pub day_taps: u64,
    /// The whole day instead of its peak hour
    #[arg(long)]
    pub whole_day: bool,
    /// Seed of what guests do
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// `bars`
#[derive(Debug, Args)]
pub struct BarsArgs {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Only this bar, by a line of the table or the name that lines of one measurement share; may be given several times
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Also write the table as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Runs of each bar, limits interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Part of the wallets, records and seconds; less than 1 is for trying out
    #[arg(long, default_value_t = 1.0)]
    pub scale: f64,
}

/// `festival-file`
#[derive(Debug, Args)]
pub struct FestivalFileArgs {
    /// The file to write
    pub file: PathBuf,
    /// A few vendors and devices instead of 200 and 9,000
    #[arg(long)]
    pub small: bool,
    /// Wallets that can pay for tens of thousands of sales
    #[arg(long)]
    pub deep: bool,
}

/// `report`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ReportArgs {
    #[command(subcommand)]
    pub command: Option<ReportCommand>,
    /// Directory of the run
    pub dir: Option<PathBuf>,
}

/// What can be done with a report beside writing it.
#[derive(Debug, Subcommand)]
pub enum ReportCommand {
    /// Recompute every figure from the raw log and name each that differs
    Verify {
        /// Directory of the run
        dir: PathBuf,
    },
}

/// `echo-server`
#[derive(Debug, Args)]
pub struct EchoArgs {
    /// Append and flush in this directory before each answer
    #[arg(long, value_name = "DIR")]
    pub append_in: Option<PathBuf>,
}

/// `oracle`
#[derive(Debug, Subcommand)]
pub enum OracleCommand {
    /// Ask as fast as the server takes it, writing down every request and every answer
    Drive {
        #[command(flatten)]
        oracle: OracleArgs,
        /// Seconds at most
        #[arg(long, default_value_t = 10.0)]
        seconds: f64,
        /// End at the first broken connection instead of coming back
        #[arg(long)]
        until_broken: bool,
    },
    /// After a restart: send every unanswered request again, ask answered ones again, read every balance
    Settle {
        #[command(flatten)]
        oracle: OracleArgs,
    },
    /// Start a server, kill it under the oracle, restart, settle, verify, compare; then show that a loss is found
    Rounds {
        #[command(flatten)]
        server: ServerArgs,
        /// Kills
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Seconds before each kill
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
        /// Empty directory for ledger, oracle's file and logs [default: target/loadtest/oracle-TIME]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Seed of what is asked
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Hold the books against what `fanfare verify --json` said
    Compare {
        /// The oracle's file
        #[arg(long, value_name = "FILE")]
        log: PathBuf,
        /// What the verifier printed
        #[arg(long, value_name = "FILE")]
        verify: PathBuf,
    },
}

/// What driving and settling have in common.
#[derive(Debug, Args)]
pub struct OracleArgs {
    /// Where the server listens for terminals
    #[arg(long, value_name = "HOST:PORT")]
    pub address: SocketAddr,
    /// The oracle's file; kept from round to round
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// The server was founded with `loadtest festival-file --deep --small`, not only `--deep`
    #[arg(long)]
    pub small: bool,
    /// Selling terminals
    #[arg(long, default_value_t = 24)]
    pub sellers: u32,
    /// Desks
    #[arg(long, default_value_t = 4)]
    pub desks: u32,
    /// Wallets
    #[arg(long, default_value_t = 2_000)]
    pub wallets: u32,
    /// Requests in flight of each terminal
    #[arg(long, default_value_t = 32)]
    pub in_flight: usize,
    /// Seed of what is asked
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}
