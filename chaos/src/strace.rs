//! `chaos strace`: the real binary under strace. Once undisturbed: for every answer a completed flush lies
//! between the write of its block and the send that carries it. Then with writes and flushes that fail:
//! nothing of a failed block is answered, the server comes back by itself, nothing acknowledged is lost.
//! Must never: count a run in which nothing was answered, or nothing failed.
//! Laws: checks L3 and L4 on the system calls of a running server.
#![allow(clippy::print_stdout, reason = "a command's output")]

pub mod judge;
#[cfg(test)]
mod tests;
pub mod trace;

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::kill::client::LinkEnd;
use crate::kill::oracle::{Books, Wrong};
use crate::kill::process::Fanfare;
use crate::kill::terminal::{Terminal, Watch};
use crate::kill::{self, Trouble, each, festival};
use judge::{Counts, Judge};

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Taps of each run.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub taps: u32,
    /// What the requests and the failing calls are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The server's binary; without it the one beside this program.
    #[arg(long)]
    pub fanfare: Option<PathBuf>,
    /// Only the run in which no call is made to fail.
    #[arg(long)]
    pub undisturbed: bool,
    /// Where the ledgers are made; without it where temporary files are.
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

/// Terminals, each with one tap in flight.
const TERMINALS: u32 = 32;
const WALLETS: usize = 200;
/// Bytes of a buffer that strace shows: frames of this load are far smaller, and zero-filling a segment
/// does not matter.
const SHOWN: &str = "65536";
/// Whatever could write to the log, flush it, or speak to a terminal.
const CALLS: &str = "trace=pwrite64,pwritev,pwritev2,fdatasync,fsync,sendto,sendmsg,write,writev";
/// Connections that a terminal tries before it gives up on a server that should come back.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// What fails, and how.
const FAULTS: [(&str, &str); 4] =
    [("fdatasync", "EIO"), ("fdatasync", "ENOSPC"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC")];

/// One run under strace.
struct Traced {
    judge: Judge,
    wrong: Wrong,
    decided: u64,
    breaks: u64,
    restarts: usize,
}

/// All runs; 0 if everything held, 1 if not, 2 if they prove nothing.
pub fn run(args: &Args) -> u8 {
    match runs(args) {
        Ok(wrong) => {
            for wrong in &wrong {
                println!("wrong: {wrong}");
            }
            u8::from(!wrong.is_empty())
        }
        Err(trouble) => kill::verdict(&trouble),
    }
}

fn runs(args: &Args) -> Result<Vec<String>, Trouble> {
    let there = Command::new("strace").arg("--version").output();
    there.map_err(|error| Trouble::setup(format!("strace does not run ({error}): install it")))?;
    let mut random = fastrand::Rng::with_seed(args.seed);
    let clean = traced(args, None)?;
    let Counts { writes, flushes, sends, answers, .. } = clean.judge.counts;
    println!(
        "{answers} answers to {} requests ({} taps): each left after a completed flush of its block: {}; \
         {writes} writes to the log, {flushes} flushes, {sends} sends",
        clean.decided,
        args.taps,
        if clean.judge.wrong.is_empty() { "yes" } else { "NO" },
    );
    if clean.judge.counts.answers < u64::from(args.taps) {
        return Err(Trouble::setup("fewer answers than taps were seen in the trace"));
    }
    let mut wrong = clean.all_wrong();
    if args.undisturbed {
        return Ok(wrong);
    }
    // strace counts the calls of each thread by itself, and a part that is started anew is a new thread:
    // from a third of the calls on, there are few failures and at least one.
    for (call, error) in FAULTS {
        let mut when = random.u64(flushes / 3..=flushes / 2).max(1);
        let mut fault = traced(args, Some(format!("inject={call}:error={error}:when={when}")))?;
        // How many calls a thread makes depends on how its writes group: earlier, if none was struck.
        while fault.judge.counts.struck == 0 && when > 8 {
            when /= 2;
            fault = traced(args, Some(format!("inject={call}:error={error}:when={when}")))?;
        }
        let Counts { injected, struck, unknown, answers, .. } = fault.judge.counts;
        println!(
            "{call} fails with {error} at call {when} of a thread: {injected} failed, {struck} requests in those \
             blocks, {} connections broke, {unknown} told to resend, {} restarts; {answers} answers, {} decided, \
             lost {}, doubled {}",
            fault.breaks, fault.restarts, fault.decided, fault.wrong.lost, fault.wrong.doubled
        );
        if injected == 0 || struck == 0 || fault.restarts == 0 || fault.breaks + unknown == 0 {
            return Err(Trouble::setup("no request was in a block that failed: the run proves nothing"));
        }
        wrong.extend(fault.all_wrong());
    }
    Ok(wrong)
}

impl Traced {
    fn all_wrong(self) -> Vec<String> {
        self.judge.wrong.into_iter().chain(self.wrong.said).collect()
    }
}

/// Serves a new ledger under strace and judges the trace.
fn traced(args: &Args, inject: Option<String>) -> Result<Traced, Trouble> {
    kill::in_a_directory("chaos-strace", args.dir.as_deref(), |place| {
        let fanfare = Fanfare::new(args.fanfare.as_deref(), place, 1)?;
        fanfare.init(&festival::text(TERMINALS))?;
        let trace = fanfare.beside("trace");
        let options =
            ["strace", "-f", "-y", "-xx", "--seccomp-bpf", "-s", SHOWN, "-e", "signal=none", "-e", CALLS];
        let mut under: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        under.extend(inject.into_iter().flat_map(|inject| ["-e".to_owned(), inject]));
        under.extend(["-o".to_owned(), trace.display().to_string()]);
        let server = fanfare.serve(&under)?;
        let address = server.address();
        let mut terminals: Vec<Terminal> =
            (1..=TERMINALS).map(|device| Terminal::new(device, TERMINALS, WALLETS, args.seed)).collect();
        let most = args.taps.div_ceil(TERMINALS) as usize;
        each(&mut terminals, |terminal| terminal.prepare(address, &Watch::quiet()))?;
        each(&mut terminals, |terminal| work(terminal, address, most))?;
        let books = Books::of(&terminals);
        let mut wrong = books.against_statements(address, &mut terminals[0])?;
        server.stop()?;
        wrong.add(books.against(&fanfare.verify()?));
        wrong.add(Wrong::changed(&terminals));
        let judge = judged(&trace, &terminals)?;
        let breaks = terminals.iter().map(|terminal| terminal.tally.breaks).sum();
        let said = std::fs::read_to_string(fanfare.beside("serve.log")).unwrap_or_default();
        let restarts = said.matches("is started anew").count();
        Ok(Traced { judge, wrong, decided: books.decided(), breaks, restarts })
    })
}

/// Sells `most` times, whatever happens to the connections; then compares everything.
fn work(terminal: &mut Terminal, server: SocketAddr, most: usize) -> Result<(), Trouble> {
    let end = terminal.orders().len() + most;
    for _ in 0..ATTEMPTS {
        let left = end.saturating_sub(terminal.orders().len());
        let done = terminal
            .settle(server)
            .and_then(|_| terminal.sell(server, 1, left, &Watch::quiet()))
            .and_then(|()| terminal.compare(server, 0, 0));
        match done {
            Err(Trouble::Link(LinkEnd::Broken(_) | LinkEnd::Fault { .. })) => {
                terminal.tally.breaks += 1;
                terminal.cut();
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
    Err(Trouble::setup(format!("the server did not come back in {ATTEMPTS} attempts")))
}

/// Reads a trace. Whatever a terminal knows to be decided must have been seen leaving.
fn judged(trace: &Path, terminals: &[Terminal]) -> Result<Judge, Trouble> {
    let mut judge = Judge::default();
    for line in BufReader::new(File::open(trace)?).lines() {
        judge.take(trace::read(&line?));
    }
    let decided = terminals.iter().flat_map(Terminal::orders).filter(|order| order.answer.is_some());
    let unseen = decided.filter(|order| !judge.answered.contains(&(order.id, order.is_cancel()))).count();
    if unseen > 0 {
        return Err(Trouble::setup(format!("{unseen} answers that terminals had are not in the trace")));
    }
    Ok(judge)
}
