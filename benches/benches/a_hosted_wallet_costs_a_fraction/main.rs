//! Claim: a wallet hosted by its shard costs a fraction of a wallet that is an actor of a framework,
//! in memory and in time, for the same decision. Three lanes, each in a process of its own so that
//! its memory can be told: one ractor actor each, one actix actor each, hosted in one table.
//!
//! `cargo bench --bench a_hosted_wallet_costs_a_fraction -- [WALLETS] [MESSAGES]` prints the table; by default 500,000 wallets
//! and 4 million messages. Every lane has one thread that sends and one that runs the wallets.
#![allow(clippy::expect_used, clippy::cast_precision_loss, reason = "a bench")]

mod actix_lane;
mod hosted_lane;
mod ractor_lane;
mod wallet;

use std::process::Command;
use std::time::{Duration, Instant};

use wallet::Tally;

/// What runs a lane in its process.
type Run = fn(Size) -> Figures;

const LANES: [(&str, Run); 3] =
    [("ractor", ractor_lane::run), ("actix", actix_lane::run), ("hosted", hosted_lane::run)];

/// How much is asked of a lane.
#[derive(Clone, Copy)]
struct Size {
    wallets: u32,
    messages: u64,
}

/// What a lane measured.
struct Figures {
    bytes: u64,
    spent: Duration,
    tally: Tally,
}

/// Measures a lane: `start` makes the wallets, `finish` sends every message and waits for the last.
fn measure<T>(start: impl FnOnce() -> T, finish: impl FnOnce(T) -> Tally) -> Figures {
    let before = resident();
    let lane = start();
    let bytes = resident().saturating_sub(before);
    let started = Instant::now();
    let tally = finish(lane);
    Figures { bytes, spent: started.elapsed(), tally }
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>();
    kib.expect("the kernel tells the resident memory") * 1_024
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|word| word.parse().ok()).collect();
    let wallets = numbers.first().and_then(|wallets| u32::try_from(*wallets).ok()).unwrap_or(500_000);
    let size = Size { wallets, messages: numbers.get(1).copied().unwrap_or(4_000_000) };
    match LANES.iter().find(|(name, _)| arguments.first().is_some_and(|word| word == name)) {
        Some((name, run)) => print(name, size, &run(size)),
        None => run_all(size),
    }
}

fn print(name: &str, size: Size, figures: &Figures) {
    let each = figures.bytes as f64 / f64::from(size.wallets);
    let rate = size.messages as f64 / figures.spent.as_secs_f64() / 1e6;
    let Tally { applied, declined } = figures.tally;
    println!("{name:<8} {each:>16.0} {rate:>18.2} {applied:>12} {declined:>12}");
}

/// Each lane in a process of its own.
fn run_all(size: Size) {
    println!("{} wallets, {} messages", size.wallets, size.messages);
    println!(
        "{:<8} {:>16} {:>18} {:>12} {:>12}",
        "lane", "bytes per wallet", "million messages/s", "applied", "declined"
    );
    let program = std::env::current_exe().expect("a program has a path");
    for (name, _) in LANES {
        let numbers = [size.wallets.to_string(), size.messages.to_string()];
        let status = Command::new(&program).arg(name).args(numbers).status().expect("it starts again");
        assert!(status.success(), "lane {name} failed");
    }
}
