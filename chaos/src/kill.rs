//! `chaos kill`: the real binary over a real directory, killed with -9 at random moments while hundreds of
//! requests have no answer, started again, and compared with what its terminals remember. Owns the rounds
//! and the verdict.
//! Must never: count a round in which too little was unanswered.
//! Laws: checks L3, L4 and L7 on a process that dies.
//!
//! What it does not test: power loss. A killed process loses nothing that it had written, flushed or not,
//! for the page cache survives it. That an answer waits for the flush is shown by `chaos strace`, and that
//! every subset of unflushed sectors is survived by the simulator.
#![allow(clippy::print_stdout, reason = "a command's output")]

pub mod client;
pub mod festival;
pub mod oracle;
pub mod process;
pub mod terminal;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use serde::Serialize;

use client::{Link, LinkEnd};
use oracle::{Books, Wrong};
use process::{Fanfare, Server};
use terminal::{Terminal, Watch, is_break};

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How often the server is killed.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// What the moments of the kills and the requests are drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many terminals send at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub terminals: u32,
    /// Requests that each keeps in flight.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub window: u16,
    /// Core loops of the server.
    #[arg(long, default_value_t = 1)]
    pub loops: u16,
    /// The server's binary; without it the one beside this program.
    #[arg(long)]
    pub fanfare: Option<PathBuf>,
    /// Where the ledger is made; without it where temporary files are.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Tells the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Why a run is over before its time.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A law does not hold.
    #[error("{0} is broken: {1}")]
    Law(&'static str, String),
    /// The run proves nothing.
    #[error("{0}")]
    Setup(String),
    /// The system refused.
    #[error("the system refused: {0}")]
    Io(#[from] io::Error),
    /// A connection ended where none should.
    #[error(transparent)]
    Link(#[from] LinkEnd),
}

impl Trouble {
    /// A law does not hold.
    pub fn law(law: &'static str, what: impl Into<String>) -> Self {
        Self::Law(law, what.into())
    }

    /// The run proves nothing.
    pub fn setup(what: impl Into<String>) -> Self {
        Self::Setup(what.into())
    }
}

/// Fewer requests without an answer make a kill worth nothing.
const LEAST_UNANSWERED: u64 = 100;
/// Wallets that all terminals share.
const WALLETS: usize = 2_000;
/// Answers after which a kill may come.
const KILL_AFTER: std::ops::Range<u64> = 300..5_000;
/// Requests of earlier rounds that each terminal compares again in a round.
const OLDER: usize = 100;
/// Longest time until a round's kill is due.
const ROUND: Duration = Duration::from_mins(1);

/// One kill.
#[derive(Debug, Default, Serialize)]
struct Round {
    acknowledged: u64,
    unanswered: u64,
    resent: u64,
    compared: u64,
    /// Answers `busy`, and answers `unknown, resend`.
    busy: u64,
    unknown: u64,
    recovery_ms: u64,
}

/// All kills.
#[derive(Debug, Default, Serialize)]
struct Summary {
    seed: u64,
    rounds: Vec<Round>,
    acknowledged: u64,
    unanswered: u64,
    resent: u64,
    compared: u64,
    decided: u64,
    /// Requests given up after they took effect, and before they came.
    cancelled: u64,
    burned: u64,
    starts: usize,
    recovery_ms_p50: u64,
    recovery_ms_p99: u64,
    lost: u64,
    doubled: u64,
    wrong: Vec<String>,
}

/// Runs the rounds; 0 if everything held, 1 if not, 2 if the run proves nothing.
pub fn run(args: &Args) -> u8 {
    match in_a_directory("chaos-kill", args.dir.as_deref(), |place| campaign(args, place)) {
        Ok(summary) => tell(args, &summary),
        Err(trouble) => verdict(&trouble),
    }
}

/// Says what went wrong; the exit code for it.
pub fn verdict(trouble: &Trouble) -> u8 {
    println!("{trouble}");
    match trouble {
        Trouble::Law(..) | Trouble::Link(LinkEnd::Protocol(_)) => 1,
        _ => 2,
    }
}

/// Runs in a directory of its own, which stays if something is wrong.
pub fn in_a_directory<T>(
    name: &str,
    parent: Option<&Path>,
    run: impl FnOnce(&Path) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(name);
    let place = parent.map_or_else(|| builder.tempdir(), |parent| builder.tempdir_in(parent))?;
    let done = run(place.path());
    if done.is_err() {
        println!("everything is kept in {}", place.keep().display());
    }
    done
}

struct Campaign<'a> {
    args: &'a Args,
    fanfare: Fanfare,
    terminals: Vec<Terminal>,
    random: fastrand::Rng,
    recoveries: Vec<Duration>,
}

fn campaign(args: &Args, place: &Path) -> Result<Summary, Trouble> {
    let fanfare = Fanfare::new(args.fanfare.as_deref(), place, args.loops)?;
    fanfare.init(&festival::text(args.terminals))?;
    let terminals =
        (1..=args.terminals).map(|device| Terminal::new(device, args.terminals, WALLETS, args.seed));
    let terminals = terminals.collect();
    let random = fastrand::Rng::with_seed(args.seed);
    let mut campaign = Campaign { args, fanfare, terminals, random, recoveries: Vec::new() };
    let mut summary = Summary { seed: args.seed, ..Summary::default() };
    let mut server = campaign.start()?;
    let address = server.address();
    each(&mut campaign.terminals, |terminal| terminal.prepare(address, &Watch::quiet()))?;
    for number in 1..=args.rounds {
        let (round, wrong) = campaign.round(server)?;
        if !args.json {
            println!(
                "round {number}: {} acknowledged, killed with {} unanswered, {} resent, {} compared, \
                 {} busy, {} unknown, recovered in {} ms",
                round.acknowledged,
                round.unanswered,
                round.resent,
                round.compared,
                round.busy,
                round.unknown,
                round.recovery_ms
            );
        }
        summary.rounds.push(round);
        (summary.lost, summary.doubled, summary.wrong) = (wrong.lost, wrong.doubled, wrong.said);
        if !summary.wrong.is_empty() {
            break;
        }
        server = campaign.start()?;
    }
    campaign.sum_up(&mut summary);
    if summary.wrong.is_empty() && summary.cancelled.min(summary.burned) == 0 {
        return Err(Trouble::setup(
            "no request was given up before it came, or none after: take more rounds",
        ));
    }
    Ok(summary)
}

impl Campaign<'_> {
    /// Starts the server and waits until it welcomes a terminal.
    fn start(&mut self) -> Result<Server, Trouble> {
        let started = Instant::now();
        let server = self.fanfare.serve(&[])?;
        Link::open(server.address(), 1)?;
        self.recoveries.push(started.elapsed());
        Ok(server)
    }

    /// Sells, kills, compares. What does not hold.
    fn round(&mut self, server: Server) -> Result<(Round, Wrong), Trouble> {
        let before: Vec<usize> = self.terminals.iter().map(|terminal| terminal.orders().len()).collect();
        let (acknowledged, unanswered) = self.sell_until_killed(server)?;
        if unanswered < LEAST_UNANSWERED {
            let few =
                format!("only {unanswered} requests were unanswered: take more terminals or a larger window");
            return Err(Trouble::setup(few));
        }
        let mut wrong = Books::of(&self.terminals).against(&self.fanfare.verify()?);
        let server = self.start()?;
        let recovery = self.recoveries.last().copied().unwrap_or_default();
        let address = server.address();
        let resent = each(&mut self.terminals, |terminal| terminal.settle(address))?.into_iter().sum();
        each_with(&mut self.terminals, before, |terminal, from| terminal.compare(address, from, OLDER))?;
        let books = Books::of(&self.terminals);
        wrong.add(books.against_statements(address, &mut self.terminals[0])?);
        // An orderly end or none: both leave the same ledger.
        if self.random.bool() {
            server.stop()?;
        } else {
            server.kill()?;
        }
        wrong.add(books.against(&self.fanfare.verify()?));
        wrong.add(Wrong::changed(&self.terminals));
        let mut round = Round { acknowledged, unanswered, resent, ..Round::default() };
        for terminal in &mut self.terminals {
            let tally = std::mem::take(&mut terminal.tally);
            round.compared += tally.compared;
            round.busy += tally.busy;
            round.unknown += tally.unknown;
        }
        round.recovery_ms = millis(recovery);
        Ok((round, wrong))
    }

    fn sell_until_killed(&mut self, server: Server) -> Result<(u64, u64), Trouble> {
        let (bell, rung) = sync_channel(1);
        let watch = Watch::ringing(self.random.u64(KILL_AFTER), LEAST_UNANSWERED, bell);
        let address = server.address();
        let window = usize::from(self.args.window);
        let random = &mut self.random;
        let terminals = &mut self.terminals;
        std::thread::scope(|scope| {
            let watch = &watch;
            let selling: Vec<_> = terminals
                .iter_mut()
                .map(|terminal| {
                    scope.spawn(move || match terminal.sell(address, window, usize::MAX, watch) {
                        Err(trouble) if is_break(&trouble) => Ok(()),
                        Err(trouble) => Err(trouble),
                        Ok(()) => Err(Trouble::setup("a terminal ran out of work")),
                    })
                })
                .collect();
            let rung = rung.recv_timeout(ROUND);
            // Not always in the same step of the loop that rang.
            (0..random.u32(..50_000)).for_each(|_| std::hint::spin_loop());
            let killed = server.kill();
            let ended: Result<Vec<()>, Trouble> = selling.into_iter().map(joined).collect();
            killed?;
            ended?;
            rung.map_err(|_| Trouble::setup("too little was answered in a minute to kill anything"))
        })?;
        Ok((watch.answered(), self.terminals.iter_mut().map(Terminal::cut).sum()))
    }

    fn sum_up(&mut self, summary: &mut Summary) {
        let rounds = &summary.rounds;
        summary.acknowledged = rounds.iter().map(|round| round.acknowledged).sum();
        summary.unanswered = rounds.iter().map(|round| round.unanswered).sum();
        summary.resent = rounds.iter().map(|round| round.resent).sum();
        summary.compared = rounds.iter().map(|round| round.compared).sum();
        let books = Books::of(&self.terminals);
        summary.decided = books.decided();
        (summary.cancelled, summary.burned) = books.given_up();
        self.recoveries.sort_unstable();
        summary.starts = self.recoveries.len();
        let at = |per_cent: usize| self.recoveries.get((self.recoveries.len() * per_cent).div_ceil(100) - 1);
        summary.recovery_ms_p50 = at(50).copied().map_or(0, millis);
        summary.recovery_ms_p99 = at(99).copied().map_or(0, millis);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Lets every terminal do the same at once, each on a thread of its own.
pub fn each<T: Send>(
    terminals: &mut [Terminal],
    act: impl Fn(&mut Terminal) -> Result<T, Trouble> + Sync,
) -> Result<Vec<T>, Trouble> {
    let nothing = vec![(); terminals.len()];
    each_with(terminals, nothing, |terminal, ()| act(terminal))
}

fn each_with<A: Send, T: Send>(
    terminals: &mut [Terminal],
    arguments: Vec<A>,
    act: impl Fn(&mut Terminal, A) -> Result<T, Trouble> + Sync,
) -> Result<Vec<T>, Trouble> {
    let act = &act;
    std::thread::scope(|scope| {
        let both = terminals.iter_mut().zip(arguments);
        let acting: Vec<_> =
            both.map(|(terminal, argument)| scope.spawn(move || act(terminal, argument))).collect();
        acting.into_iter().map(joined).collect()
    })
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T, Trouble>>) -> Result<T, Trouble> {
    thread.join().unwrap_or_else(|_| Err(Trouble::setup("a terminal's thread panicked")))
}

fn tell(args: &Args, summary: &Summary) -> u8 {
    summary.wrong.iter().for_each(|wrong| println!("wrong: {wrong}"));
    if args.json {
        println!("{}", serde_json::to_string_pretty(summary).unwrap_or_default());
    } else {
        println!(
            "{} kills (seed {}): {} acknowledged, {} unknown at the kills, {} resent and decided once, \
             {} compared byte by byte; {} decided in all, {} of them cancelled, {} burned",
            summary.rounds.len(),
            summary.seed,
            summary.acknowledged,
            summary.unanswered,
            summary.resent,
            summary.compared,
            summary.decided,
            summary.cancelled,
            summary.burned
        );
        println!(
            "start to first welcome over {} starts: p50 {} ms, p99 {} ms",
            summary.starts, summary.recovery_ms_p50, summary.recovery_ms_p99
        );
        println!("lost {}, doubled {}", summary.lost, summary.doubled);
        println!("(a kill is no power loss: the page cache survives it; see `chaos sim` and `chaos strace`)");
    }
    u8::from(!summary.wrong.is_empty())
}
