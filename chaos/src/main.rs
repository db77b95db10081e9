//! The `chaos` command: breaks the engine on purpose and says whether every law held. Prints what it
//! did; exits with 1 if a law broke, and with 2 if a run proved too little.
#![allow(clippy::print_stdout, reason = "a command's output")]

use std::path::PathBuf;
use std::process::ExitCode;

use chaos::points::{self, Points};
use chaos::{kill, sim, strace};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Breaks the engine on purpose", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the simulator over many seeds.
    Sim {
        /// How many seeds.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
        /// The first seed. For one that fails the command that prints its trace is said.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Prints every line of the trace.
        #[arg(long)]
        trace: bool,
        /// Writes the table here.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// One run for every call of the disk in a fixed scenario, and every way it can go wrong.
    Points {
        /// Only every so manyth call.
        #[arg(long, default_value_t = 1)]
        stride: usize,
        /// Different remains of each power loss.
        #[arg(long, default_value_t = 4)]
        subsets: u64,
    },
    /// Switches on each deliberately wrong line, until the simulator or a trial notices.
    #[cfg(feature = "mutants")]
    Mutants {
        /// Seeds after which a mutant that nobody noticed has survived.
        #[arg(long, default_value_t = 40)]
        seeds: u64,
    },
    /// Kills the real server under load and compares what is left with what was acknowledged.
    Kill(kill::Args),
    /// Traces the real server: no answer before its flush, also when writes and flushes fail.
    Strace(strace::Args),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Sim { seeds, seed, trace, json } => {
            let campaign = sim::Campaign { seeds, first: seed, trace, json };
            ExitCode::from(sim::run(&campaign))
        }
        Command::Points { stride, subsets } => {
            let points = Points { stride, subsets, ..Points::default() };
            ExitCode::from(points::run(&points))
        }
        #[cfg(feature = "mutants")]
        Command::Mutants { seeds } => ExitCode::from(chaos::mutants::run(&chaos::mutants::Hunt { seeds })),
        Command::Kill(args) => ExitCode::from(kill::run(&args)),
        Command::Strace(args) => ExitCode::from(strace::run(&args)),
    }
}
