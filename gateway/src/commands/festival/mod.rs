//! `fanfare festival`: shows and changes the configuration of a running festival, over the wire like
//! any device. Safe to repeat after any interruption: what is in force already is not done again.

mod client;
mod describe;

use std::io::{BufRead as _, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use actors::festival::{Festival, MAX_PARTS};
use clap::{Parser, Subcommand};
use ledger::ids::{At, Version};
use wire::limits::MAX_PART;
use wire::{Answer, Decline, Outcome, Refusal, Request};

pub use client::Client;
pub use describe::{describe, difference};

use super::{Failure, now};
use crate::festival_file;

/// What `fanfare festival` is told.
#[derive(Debug, Parser)]
pub struct Args {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Bring a festival file into force while the festival runs; shows first what changes.
    Apply {
        /// The festival file; see deploy/festival.example.toml.
        file: PathBuf,
        #[command(flatten)]
        at: Where,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Show the configuration in force.
    Show {
        #[command(flatten)]
        at: Where,
        /// The festival's number.
        #[arg(long, value_name = "N", default_value_t = 1)]
        festival: u16,
    },
}

/// Where the server is, and who asks.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Where {
    /// Where the server takes terminals.
    #[arg(long, value_name = "ADDRESS")]
    server: SocketAddr,
    /// A device with the role administer.
    #[arg(long, value_name = "N")]
    device: u32,
}

/// What became of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The file says what is in force everywhere.
    Nothing(Version),
    /// Somebody said no.
    Left,
    /// It is in force everywhere, after so many milliseconds.
    InForce(Version, u128),
}

/// How often a change that somebody else's came before is made anew.
const ATTEMPTS: usize = 5;

pub(super) fn festival(args: &Args, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    match &args.command {
        What::Apply { file, at, yes } => {
            let festival = festival_file::load(file, now())?;
            let mut client = Client::connect(at.server, festival.id.0, at.device)?;
            let agree = |out: &mut dyn Write| if *yes { Ok(true) } else { asked(out) };
            let applied = apply(&mut client, &festival, now(), out, agree)?;
            match applied {
                Applied::Nothing(version) => {
                    writeln!(out, "nothing differs from version {version}, which is in force")?;
                }
                Applied::Left => writeln!(out, "nothing was changed")?,
                Applied::InForce(version, millis) => {
                    writeln!(out, "version {version} is in force in every shard, after {millis} ms")?;
                }
            }
            Ok(if applied == Applied::Left { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        What::Show { at, festival } => {
            let festival = Client::connect(at.server, *festival, at.device)?.configuration()?;
            writeln!(out, "version {}", festival.version)?;
            describe(&festival).iter().try_for_each(|line| writeln!(out, "{line}"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn asked(out: &mut dyn Write) -> Result<bool, Failure> {
    write!(out, "bring this into force? [y/N] ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Brings what `file` says into force. `agree` is asked once the changes are shown.
pub fn apply(
    client: &mut Client,
    file: &Festival,
    now: At,
    out: &mut dyn Write,
    mut agree: impl FnMut(&mut dyn Write) -> Result<bool, Failure>,
) -> Result<Applied, Failure> {
    for _ in 0..ATTEMPTS {
        let current = client.configuration()?;
        let next = next_version(file, &current, now)?;
        let lines = difference(&current, &next);
        if lines.is_empty() {
            return Ok(Applied::Nothing(current.version));
        }
        writeln!(out, "from version {} to {}:", current.version, next.version)?;
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        next.follows(&current)?;
        if !agree(out)? {
            return Ok(Applied::Left);
        }
        // Another change in that time is found by its version, as one that comes now is.
        client.connect_again()?;
        let begun = Instant::now();
        let decided = change(client, &next)?;
        client.wait_for(next.version.get())?;
        if decided {
            return Ok(Applied::InForce(next.version, begun.elapsed().as_millis()));
        }
        writeln!(out, "another change came before this one")?;
    }
    Err("others change the configuration all the time: agree with them, and run the command again".into())
}

/// The file's configuration as the one that follows `current`. A time zone that means the same from
/// now on is no change, although the file's offsets are counted from another day.
fn next_version(file: &Festival, current: &Festival, now: At) -> Result<Festival, Failure> {
    let mut next = file.clone();
    let version = current.version.get().checked_add(1).and_then(Version::new);
    next.version = version.ok_or("the versions are used up")?;
    if same_clock(&next, current, now) {
        next.local_time = current.local_time.clone();
    }
    Ok(next)
}

fn same_clock(one: &Festival, other: &Festival, now: At) -> bool {
    const YEAR: i64 = 366 * 86_400 * 1_000_000;
    let (one, other) = (&one.local_time, &other.local_time);
    let moments = one.transitions.iter().chain(&other.transitions).map(|(from, _)| *from);
    let last =
        |clock: &actors::festival::LocalTime| clock.transitions.last().map_or(At(0), |(from, _)| *from);
    let until = last(one).min(last(other));
    // A list that ends soon lacks changes that the other one knows.
    let reaches = other.transitions.len() < 2 || until.0 > now.0.saturating_add(YEAR);
    let same = |at: At| one.offset(at) == other.offset(at);
    let mut judged = moments.filter(|at| at.0 > now.0.saturating_sub(YEAR) && *at <= until);
    one.cut_over_hour == other.cut_over_hour && reaches && same(now) && judged.all(same)
}

/// Stages and adopts. `false` where another version came first.
fn change(client: &mut Client, next: &Festival) -> Result<bool, Failure> {
    let bytes = next.encode();
    let version = next.version.get();
    let parts = u16::try_from(bytes.chunks(MAX_PART).count()).ok().filter(|parts| *parts <= MAX_PARTS);
    let parts = parts.ok_or("the festival is too large to be changed while it runs")?;
    let hash = *blake3::hash(&bytes).as_bytes();
    loop {
        let till = client.till();
        let mut requests = Vec::new();
        for (part, bytes) in (0..).zip(bytes.chunks(MAX_PART)) {
            requests.push(Request { till, ..Request::stage(client.new_id()?, version, part, bytes) });
        }
        let order = Request { till, ..Request::adopt(client.new_id()?, version, parts, hash) };
        let mut answers = client.ask(&requests)?;
        if answers.iter().all(|answer| answer.outcome() == Outcome::Applied) {
            answers = client.ask(&[order])?;
        }
        match verdict(&answers)? {
            Some(decided) => return Ok(decided),
            None => client.skip_ids(),
        }
    }
}

/// Whether all took effect; `None` where ids were used by another run of this device.
fn verdict(answers: &[Answer]) -> Result<Option<bool>, Failure> {
    for answer in answers {
        match answer.outcome() {
            Outcome::Applied => {}
            Outcome::Declined(Decline::StaleConfiguration) => return Ok(Some(false)),
            Outcome::Refused(Refusal::IdReused) => return Ok(None),
            Outcome::Declined(Decline::BadConfiguration) => {
                return Err("the server found that this configuration may not follow the one in force; \
                            was another change staged meanwhile? run the command again"
                    .into());
            }
            _ => return Err(format!("the server says {}", wire::codes::name(answer.code)).into()),
        }
    }
    Ok(Some(true))
}
