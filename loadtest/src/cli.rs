//! Owns: the subcommands: which library call each is, and what it prints.
//! Must never: measure or compute.
//! Laws: none.

mod args;
mod oracle;
mod progress;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use args::{
    BarsArgs, BulkArgs, EchoArgs, FestivalArgs, FestivalFileArgs, LimitsArgs, OpenArgs, OracleCommand,
    ProfileArgs, ReportArgs, ReportCommand, RunArgs, ServerArgs, TapsArgs,
};
use clap::{Parser, Subcommand};
use loadtest::arrival::{DAY_FROM_HOUR, DAY_TO_HOUR, PEAK_HOUR};
use loadtest::bars;
use loadtest::clock::Clock;
use loadtest::error::{LoadError, Result};
use loadtest::festival_file::{Festival, Rules, Size};
use loadtest::lanes::{Bench, Shape, fresh_dir, own_binary, seconds};
use loadtest::limits::disk::AppendFile;
use loadtest::limits::echo::EchoServer;
use loadtest::profiles::{self, FestivalDay, Options, Profile};
use loadtest::rawlog::{FORMAT, RunFacts, RunWriter};
use loadtest::session::Fanfare;
use loadtest::{limits, machine, report};

/// What `loadtest --version` says: the version, and the commit it was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("FANFARE_COMMIT"), ")");

/// Load over the wire, beside the machine's own limits.
#[derive(Debug, Parser)]
#[command(version = VERSION, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Terminals with one tap in flight each, as fast as they are answered
    Taps(TapsArgs),
    /// Taps at a rate, however fast they are answered
    Open(OpenArgs),
    /// Frames of thousands of sales
    Bulk(BulkArgs),
    /// A festival's peak hour or day, compressed
    // The last word counts: `./demo` says how long before what its caller says.
    #[command(args_override_self = true)]
    Festival(FestivalArgs),
    /// Everything that must be reached, beside the machine's limits
    Bars(BarsArgs),
    /// What this machine can do: TCP echo, append + flush
    Limits(LimitsArgs),
    /// Compute the report of a run from its raw log, or check one
    Report(ReportArgs),
    /// Keep what the server acknowledged and hold it to it
    #[command(subcommand)]
    Oracle(OracleCommand),
    /// Write the festival file of a load test
    FestivalFile(FestivalFileArgs),
    /// The echo that limits are measured against; ends with its last terminal
    #[command(hide = true)]
    EchoServer(EchoArgs),
}

/// Runs a subcommand.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Taps(args) => {
            let shape = Shape::closed(args.connections, 1, 1, seconds(args.profile.seconds));
            sales(&args.profile, "taps", Shape { lines: args.lines, ..shape })
        }
        Command::Open(args) => {
            let shape = Shape::open(args.connections, args.rate, seconds(args.profile.seconds));
            sales(&args.profile, "open", Shape { lines: args.lines, ..shape })
        }
        Command::Bulk(args) => {
            let shape =
                Shape::closed(args.connections, args.frame, args.frames, seconds(args.profile.seconds));
            sales(&args.profile, "bulk", Shape { lines: args.lines, ..shape })
        }
        Command::Festival(args) => run_festival(&args),
        Command::Bars(args) => run_bars(&args),
        Command::Limits(args) => run_limits(&args),
        Command::Report(args) => run_report(&args),
        Command::Oracle(command) => oracle::run(&command),
        Command::FestivalFile(args) => run_festival_file(&args),
        Command::EchoServer(args) => run_echo(&args),
    }
}

/// Opens the raw log of a run and its data directory.
fn open_run(args: &RunArgs, kind: &str, title: &str, parameters: &[(&str, String)]) -> Result<Bench> {
    let out = args.out.clone().unwrap_or_else(|| default_dir(kind));
    let data = args.data.clone().unwrap_or_else(|| out.join("data"));
    let facts = RunFacts {
        format: FORMAT,
        kind: kind.to_owned(),
        title: title.to_owned(),
        command: std::env::args().collect::<Vec<_>>().join(" "),
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
        machine: machine::facts(&data),
    };
    let log = RunWriter::create(&out, &facts)?;
    fresh_dir(&data)?;
    Ok(Bench { log, clock: Clock::start(), data })
}

/// Where a run goes that was told no place.
fn default_dir(kind: &str) -> PathBuf {
    let unix =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    PathBuf::from(format!("target/loadtest/{kind}-{unix}"))
}

/// Computes the report of a finished run and says where it is.
fn finish_run(dir: &Path) -> Result<report::Report> {
    let report = report::render(dir)?;
    print!("{}", report::text::summary(&report));
    println!("report: {}", dir.join(report::HTML).display());
    Ok(report)
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fanfare(args: &ServerArgs, festival: Festival) -> Result<Fanfare> {
    let beside = || Ok::<_, LoadError>(own_binary()?.with_file_name("fanfare"));
    let binary = args.fanfare.clone().map_or_else(beside, Ok)?;
    if !binary.exists() {
        let path = binary.display();
        return Err(LoadError::Arguments(format!(
            "no server at {path}; build it, or name it with --fanfare"
        )));
    }
    Ok(Fanfare { binary, loops: args.loops, festival })
}

fn sales(args: &ProfileArgs, name: &'static str, shape: Shape) -> Result<ExitCode> {
    let festival = Festival::new(Size::FULL, Rules::DEEP);
    let title = format!("Fanfare under load: {name}");
    run_profile(args, name, &title, festival, &Profile::Sales { name, shape })
}

fn run_festival(args: &FestivalArgs) -> Result<ExitCode> {
    let (from_hour, to_hour) = if args.whole_day { (DAY_FROM_HOUR, DAY_TO_HOUR) } else { PEAK_HOUR };
    let day = FestivalDay {
        from_hour,
        to_hour,
        day_taps: args.day_taps,
        length_ns: seconds(args.profile.seconds),
        terminals: args.terminals,
        seed: args.seed,
    };
    let festival = Festival::new(Size::FULL, Rules::USUAL);
    run_profile(&args.profile, "festival", "A festival on Fanfare", festival, &Profile::Festival(day))
}

fn run_profile(
    args: &ProfileArgs,
    kind: &str,
    title: &str,
    festival: Festival,
    profile: &Profile,
) -> Result<ExitCode> {
    let fanfare = fanfare(&args.server, festival)?;
    let parameters = [
        ("runs", args.runs.to_string()),
        ("wallets", args.wallets.to_string()),
        ("core loops", args.server.loops.to_string()),
    ];
    let bench = open_run(&args.run, kind, title, &parameters)?;
    let mut bar = progress::Bar::new();
    let options =
        Options { runs: args.runs, wallets: args.wallets, verify: !args.no_verify, keep: args.keep };
    let result = profiles::run(&bench, &fanfare, profile, options, &mut bar);
    bar.finish();
    result?;
    let report = finish_run(bench.log.dir())?;
    Ok(exit(report.valid && report.journal.values().all(|journal| journal.verified)))
}

fn run_bars(args: &BarsArgs) -> Result<ExitCode> {
    let groups = bars::groups_of(&args.only)?;
    let fanfare = fanfare(&args.server, Festival::new(Size::FULL, Rules::DEEP))?;
    let scale = bars::Scale { runs: args.runs, ..bars::Scale::FULL }.part(args.scale);
    let parameters = [
        ("runs", args.runs.to_string()),
        ("scale", args.scale.to_string()),
        ("wallets", scale.wallets.to_string()),
        ("core loops", args.server.loops.to_string()),
    ];
    let bench = open_run(&args.run, "bars", "Fanfare: what must be reached", &parameters)?;
    let mut bar = progress::Bar::new();
    for name in groups {
        let result = bars::measure(&bench, &fanfare, name, scale, &mut bar);
        if let Err(error) = result {
            bar.finish();
            // What was measured before is in the raw log and still makes a report; the run itself has failed.
            finish_run(bench.log.dir())?;
            return Err(error);
        }
    }
    bar.finish();
    let report = finish_run(bench.log.dir())?;
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report.bars)
            .map_err(|error| LoadError::Arguments(format!("the table can't be written: {error}")))?;
        std::fs::write(path, text + "\n").map_err(LoadError::file("write", path))?;
    }
    let verified = report.journal.values().all(|journal| journal.verified);
    Ok(exit(verified && report.bars.iter().all(|line| line.status.good())))
}

fn run_limits(args: &LimitsArgs) -> Result<ExitCode> {
    let parameters = [
        ("runs", args.runs.to_string()),
        ("seconds a lane", args.seconds.to_string()),
        ("open rate", args.rate.to_string()),
        ("paced appends", format!("{} bytes at {}/s", args.write_size, args.write_rate)),
    ];
    let bench = open_run(&args.run, "limits", "The machine's own limits", &parameters)?;
    let mut bar = progress::Bar::new();
    let asked = limits::Asked {
        runs: args.runs,
        length_ns: seconds(args.seconds),
        rate: args.rate,
        write_size: loadtest::num::index(u64::from(args.write_size)),
        write_rate: args.write_rate,
    };
    let result = limits::measure(&bench, asked, &mut bar);
    bar.finish();
    result?;
    finish_run(bench.log.dir()).map(|report| exit(report.valid))
}

fn run_festival_file(args: &FestivalFileArgs) -> Result<ExitCode> {
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
            Ok(exit(differences.is_empty()))
        }
        (None, Some(dir)) => finish_run(dir).map(|report| exit(report.valid)),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Bars alone could be run more than once: a profile's figure came from one run, and nobody saw how far two are apart.
    #[test]
    fn every_profile_can_be_run_several_times() {
        for name in ["taps", "open", "bulk", "festival"] {
            for (runs, said) in [(1, &[][..]), (3, &["--runs", "3"][..])] {
                let words = [&["loadtest", name][..], said].concat();
                let profile = match Cli::try_parse_from(words).unwrap().command {
                    Command::Taps(args) => args.profile,
                    Command::Open(args) => args.profile,
                    Command::Bulk(args) => args.profile,
                    Command::Festival(args) => args.profile,
                    _ => panic!("another command"),
                };
                assert_eq!(profile.runs, runs, "{name}");
            }
            assert!(Cli::try_parse_from(["loadtest", name, "--runs", "0"]).is_err(), "{name}");
        }
    }

    #[test]
    fn who_calls_the_demo_has_the_last_word() {
        let words = ["loadtest", "festival", "--seconds", "300", "--seconds", "600"];
        let Command::Festival(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("another command")
        };
        assert!((args.profile.seconds - 600.0).abs() < 1e-9);
    }
}
