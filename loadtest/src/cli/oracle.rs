//! Owns: the oracle's subcommands: each prints one line of JSON and fails when something can't be.
//! Must never: judge; the books do.
//! Laws: none.

use std::process::ExitCode;
use std::time::Duration;

use loadtest::error::{LoadError, Result};
use loadtest::festival_file::{Festival, Rules, Size};
use loadtest::lanes::fresh_dir;
use loadtest::oracle::books::Books;
use loadtest::oracle::drive::{Drive, drive};
use loadtest::oracle::log::OracleLog;
use loadtest::oracle::rounds::Rounds;
use loadtest::oracle::settle::settle;
use loadtest::oracle::totals;
use serde::Serialize;

use super::args::{OracleArgs, OracleCommand};

/// Runs one step of the oracle.
pub fn run(command: &OracleCommand) -> Result<ExitCode> {
    match command {
        OracleCommand::Drive { oracle, seconds, until_broken } => {
            let (mut log, entries) = OracleLog::open(&oracle.log)?;
            let plan = plan(oracle, Duration::from_nanos(loadtest::lanes::seconds(*seconds)), *until_broken);
            let (driven, _) = drive(&plan, &mut log, Books::of(&entries))?;
            say(&driven, driven.contradictions.is_empty())
        }
        OracleCommand::Settle { oracle } => {
            let (mut log, entries) = OracleLog::open(&oracle.log)?;
            let (settlement, _) =
                settle(&plan(oracle, Duration::ZERO, false), &mut log, Books::of(&entries))?;
            say(&settlement, settlement.contradictions.is_empty() && settlement.settled == settlement.unknown)
        }
        OracleCommand::Rounds { server, rounds, seconds, out, seed } => {
            let fanfare = super::fanfare(server, Festival::new(Size::SMALL, Rules::DEEP))?;
            let dir = out.clone().unwrap_or_else(|| super::default_dir("oracle"));
            fresh_dir(&dir)?;
            let length = Duration::from_nanos(loadtest::lanes::seconds(*seconds));
            let rounds = Rounds { fanfare, dir, rounds: *rounds, length, seed: *seed };
            let outcome = rounds.run(|line| println!("{line}"))?;
            say(&outcome, outcome.is_good())
        }
        OracleCommand::Compare { log, verify } => {
            let (_, entries) = OracleLog::open(log)?;
            let text = std::fs::read_to_string(verify).map_err(LoadError::file("read", verify))?;
            let said =
                serde_json::from_str(&text).map_err(|error| LoadError::format(verify, error.to_string()))?;
            let differences = totals::differences(&Books::of(&entries), &said);
            say(&Compared { differences: &differences }, differences.is_empty())
        }
    }
}

#[derive(Serialize)]
struct Compared<'a> {
    differences: &'a [String],
}

fn plan(args: &OracleArgs, length: Duration, until_broken: bool) -> Drive {
    let size = if args.small { Size::SMALL } else { Size::FULL };
    Drive {
        address: args.address,
        festival: Festival::new(size, Rules::DEEP),
        sellers: args.sellers.min(size.sellers),
        desks: args.desks.min(size.desks),
        wallets: args.wallets,
        in_flight: args.in_flight,
        length,
        until_broken,
        seed: args.seed,
    }
}

fn say(result: &impl Serialize, good: bool) -> Result<ExitCode> {
    let text = serde_json::to_string(result).map_err(|error| LoadError::Arguments(error.to_string()))?;
    println!("{text}");
    Ok(super::exit(good))
}
