//! The `fanfare` command: what an operator types, and the exit codes. 0: done, and nothing found;
//! 1: something was found that must not be (`verify`, `explain`); 2: it could not be done; 3: the files
//! are sound, but this build cannot replay them, or not to the same wallets (`verify`).
//!
//! One file per subcommand; each has a library function that tests call, and what it prints.

mod channels;
pub mod explain;
pub mod festival;
pub mod init;
pub mod inspect;
mod reading;
pub mod release;
pub mod serve;
mod show;
pub mod verify;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ledger::ids::At;
use ledger::journal::embedded::LogConfig;

use crate::festival_file;

/// What `fanfare --version` says: the version, and the commit it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("FANFARE_COMMIT"), ")");

/// Fanfare: the ledger of a cashless festival.
#[derive(Debug, Parser)]
#[command(name = "fanfare", version = VERSION)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Found a ledger for a festival.
    Init {
        /// The festival file; see deploy/festival.example.toml.
        #[arg(long, value_name = "FILE")]
        festival: PathBuf,
        /// Logical shards; never changes in the ledger's life.
        #[arg(long, default_value_t = 32)]
        shards: u16,
        /// The directory to make; must not exist, or be empty.
        dir: PathBuf,
    },
    /// Serve a ledger to terminals.
    Serve(serve::Args),
    /// Show or change the configuration of a running festival.
    Festival(festival::Args),
    /// Audit a ledger from its files alone; exit code 1 if they are not sound, 3 if this build cannot replay them.
    Verify(verify::Args),
    /// Show blocks and records.
    Inspect(inspect::Args),
    /// Show one request's records, or one record, and decide again; exit code 1 if that differs.
    Explain(explain::Args),
    /// Let a quarantined wallet act again; the server must be stopped.
    Release(release::Args),
}

/// What ends a command early: any error, told as it is.
pub type Failure = Box<dyn std::error::Error>;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = run(&cli.command, &mut out);
    match result.and_then(|code| Ok(out.flush().map(|()| code)?)) {
        Ok(code) => code,
        // Whoever reads the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "fanfare: {error}");
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(command: &Command, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    match command {
        Command::Init { festival, shards, dir } => {
            let at = now();
            let festival = festival_file::load(festival, at)?;
            let segment_bytes = LogConfig::new(std::sync::Arc::new(|| 0)).segment_bytes;
            let founding = init::Founding { shards: *shards, segment_bytes, at };
            let ledger = init::init(dir, &festival, &founding)?;
            writeln!(out, "{}", init::describe(dir, ledger, &festival, *shards)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Serve(args) => serve::serve(args, out),
        Command::Festival(args) => festival::festival(args, out),
        Command::Verify(args) => {
            let verified = verify::verify(&args.dir)?;
            if args.json {
                writeln!(out, "{:#}", verify::json(&verified))?;
            } else {
                verify::print(&verified, out)?;
            }
            Ok(ExitCode::from(verified.code()))
        }
        Command::Inspect(args) => inspect::inspect(args, out).map(|()| ExitCode::SUCCESS),
        Command::Explain(args) => {
            let subject = explain::parse(&args.id)?;
            let found = explain::explain(&args.dir, subject)?;
            let same = explain::print(subject, &found, out)?;
            Ok(success_if(same && !found.records.is_empty()))
        }
        Command::Release(args) => release::release(args, out).map(|()| ExitCode::SUCCESS),
    }
}

fn success_if(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn now() -> At {
    At(jiff::Timestamp::now().as_microsecond())
}
