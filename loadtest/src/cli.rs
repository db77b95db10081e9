//! Owns: the arguments of each subcommand and what it prints.
//! Must never: measure or compute.
//! Laws: none.

mod progress;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use loadtest::clock::Clock;
use loadtest::error::{LoadError, Result};
use loadtest::festival_file::{Festival, Rules, Size};
use loadtest::lanes::{Bench, fresh_dir, seconds};
use loadtest::limits::disk::AppendFile;
use loadtest::limits::echo::EchoServer;
use loadtest::rawlog::{FORMAT, RunFacts, RunWriter};
use loadtest::{limits, machine, report};

/// Load over the wire, beside the machine's own limits.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure what this machine can do: TCP echo, append + flush
    Limits(LimitsArgs),
    /// Write the festival file of a load test
    Festival(FestivalArgs),
    /// Compute the report of a run from its raw log, or check one
    Report(ReportArgs),
    /// The echo that limits are measured against; ends with its last terminal
    #[command(hide = true)]
    EchoServer(EchoArgs),
}

/// Where a run goes.
#[derive(Debug, Args)]
struct RunArgs {
    /// Directory of the raw log and the report; it must not hold a run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Empty directory for data, on the mount that is measured [default: data in the directory of the raw log]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct LimitsArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Runs of each lane, interleaved
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Seconds of each lane
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Requests a second of the open-loop lanes
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
}

#[derive(Debug, Args)]
struct FestivalArgs {
    /// The file to write
    file: PathBuf,
    /// A few vendors and devices instead of 200 and 9,000
    #[arg(long)]
    small: bool,
    /// Wallets that can pay for tens of thousands of sales
    #[arg(long)]
    deep: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
struct ReportArgs {
    #[command(subcommand)]
    command: Option<ReportCommand>,
    /// Directory of the run
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// Recompute every figure from the raw log and name each that differs
    Verify {
        /// Directory of the run
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
struct EchoArgs {
    /// Append and flush in this directory before each answer
    #[arg(long, value_name = "DIR")]
    append_in: Option<PathBuf>,
}

/// Runs a subcommand.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Limits(args) => run_limits(&args),
        Command::Festival(args) => run_festival(&args),
        Command::Report(args) => run_report(&args),
        Command::EchoServer(args) => run_echo(&args),
    }
}

/// Opens the raw log of a run and its data directory.
fn open_run(args: &RunArgs, kind: &str, title: &str, parameters: BTreeMap<String, String>) -> Result<Bench> {
    let data = args.data.clone().unwrap_or_else(|| args.out.join("data"));
    let facts = RunFacts {
        format: FORMAT,
        kind: kind.to_owned(),
        title: title.to_owned(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        parameters,
        machine: machine::facts(&data),
    };
    let log = RunWriter::create(&args.out, &facts)?;
    fresh_dir(&data)?;
    Ok(Bench { log, clock: Clock::start(), data })
}

/// Computes the report of a finished run and says where it is.
fn finish_run(dir: &Path) -> Result<ExitCode> {
    let report = report::render(dir)?;
    print!("{}", report::text::summary(&report));
    println!("report: {}", dir.join(report::HTML).display());
    Ok(if report.valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_limits(args: &LimitsArgs) -> Result<ExitCode> {
    let parameters = BTreeMap::from([
        ("runs".to_owned(), args.runs.to_string()),
        ("seconds a lane".to_owned(), args.seconds.to_string()),
        ("open rate".to_owned(), args.rate.to_string()),
    ]);
    let bench = open_run(&args.run, "limits", "The machine's own limits", parameters)?;
    let bar = progress::Bar::new("limits");
    limits::measure(&bench, args.runs, seconds(args.seconds), args.rate, &mut bar.answers())?;
    bar.finish();
    finish_run(bench.log.dir())
}

fn run_festival(args: &FestivalArgs) -> Result<ExitCode> {
    let size = if args.small { Size::SMALL } else { Size::FULL };
    let rules = if args.deep { Rules::DEEP } else { Rules::USUAL };
    Festival::new(size, rules).save(&args.file)?;
    println!("{}", args.file.display());
    Ok(ExitCode::SUCCESS)
}

fn run_report(args: &ReportArgs) -> Result<ExitCode> {
    match (&args.command, &args.dir) {
        (Some(ReportCommand::Verify { dir }), _) => {
            let (compared, differences) = report::verify(dir)?;
            for difference in &differences {
                let report::Difference { at, reported, recomputed } = difference;
                println!("{at}: the report says {reported}, the raw log gives {recomputed}");
            }
            println!("{compared} figures compared, {} differ", differences.len());
            Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        (None, Some(dir)) => finish_run(dir),
        (None, None) => Err(LoadError::Arguments("name the directory of a run".to_owned())),
    }
}

fn run_echo(args: &EchoArgs) -> Result<ExitCode> {
    // If the load tester dies the echo must not stay behind; where this is refused, it ends with its terminals.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let append = match &args.append_in {
        Some(dir) => Some(AppendFile::create(dir, "echo.scratch")?),
        None => None,
    };
    let mut server = EchoServer::bind(append)?;
    println!("{}{}", loadtest::process::LISTENING, server.address()?);
    server.serve()?;
    Ok(ExitCode::SUCCESS)
}
