//! Crash points of one change of the configuration: power is lost at every call of the disk while a
//! festival's office changes it, letters between shards are lost and doubled meanwhile, and the server
//! is started again. No shard may decide by an older version than it had used for good, what the office
//! was told stands, and within ten simulated seconds every shard has the new version.
//! Must never: help the change along in another way than a terminal that sends its requests again.
//! Laws: L3, L5 and L6 on a configuration.

use std::sync::Arc;

use actors::answer::Verdict;
use actors::command::{Command, Request};
use actors::festival::Festival;
use engine::job::{Job, Lane, Reply};
use fastrand::Rng;
use ledger::ids::{Office, ShardId, Version};
use ledger::journal::embedded::{LogConfig, SimDisk, Step};
use ledger::record::Message;

use super::SEED;
use crate::laws::replay;
use crate::world::clock::SimClock;
use crate::world::fixture::{self, ADMINISTRATOR};
use crate::world::mesh::{Fate, Mesh};
use crate::world::organiser;
use crate::world::process::{self, Process};

/// How it went.
#[derive(Debug, Default)]
pub struct Changed {
    /// Mutating calls of one change.
    pub calls: u64,
    /// Changes.
    pub runs: u64,
    /// Of these, those after whose power loss the office's shard had the new version.
    pub adopted: u64,
    /// Those after whose power loss only some of the shards had it.
    pub apart: u64,
    /// The first that broke a law, and how.
    pub broken: Option<String>,
}

const SHARDS: u16 = 4;
/// Rounds of a change before its requests are sent again, and their length.
const ROUNDS: u32 = 60;
const ROUND_MICROS: u32 = 20_000;
/// Rounds in which a healed world must be done: ten simulated seconds.
const HEALING: u32 = 500;

/// Changes once for every `stride`th call and so many remains of each power loss.
pub fn all(stride: usize, subsets: u64) -> Changed {
    let mut outcome = Changed::default();
    let clean = match change(None) {
        Ok(run) => run,
        Err(what) => return Changed { broken: Some(format!("without any fault: {what}")), ..outcome },
    };
    outcome.calls = clean.calls;
    for at in (0..outcome.calls).step_by(stride.max(1)) {
        for subset in 0..subsets {
            outcome.runs += 1;
            match change(Some((at, subset))) {
                Ok(run) => {
                    outcome.adopted += u64::from(run.left.contains(&2));
                    outcome.apart += u64::from(run.left.contains(&1) && run.left.contains(&2));
                }
                Err(what) => {
                    outcome.broken = Some(format!("change, call {at}, remains {subset}: {what}"));
                    return outcome;
                }
            }
        }
    }
    outcome
}

/// One change on a good machine, and a restart after it.
pub fn undisturbed() -> Result<(), String> {
    change(None).map(|_| ())
}

/// What is known of a run.
struct Run {
    calls: u64,
    /// Versions in force by what the power loss left, by shard.
    left: Vec<u32>,
}

/// One change, cut by a power loss at mutating call `at`, and what comes of it.
fn change(blow: Option<(u64, u64)>) -> Result<Run, String> {
    let first = fixture::festival(true).map_err(text)?;
    let second = second(&first)?;
    let disk = SimDisk::new(SEED);
    process::found(&disk, LogConfig::small(Arc::new(|| 0)), SHARDS, &first, fixture::START).map_err(text)?;
    let mut site = Site::start(disk, Mesh::default())?;
    let begun = site.disk.operations();
    if let Some((at, _)) = blow {
        site.disk.crash_at(begun + at);
    }
    site.submit(&second)?;
    site.run(ROUNDS);
    let calls = site.disk.operations() - begun;
    let acknowledged = site.acknowledged;
    let subset = blow.map_or(0, |(_, subset)| subset);
    // Whether the power was lost in the middle or now: it starts again from what is left.
    let disk = site.disk.reboot(subset);
    let left = versions(&disk)?;
    let office = Office::Festival(fixture::FESTIVAL).number().shard(SHARDS);
    if acknowledged && left[usize::from(office.0)] != 2 {
        return Err("the office was told of a change that is not there".to_owned());
    }
    // Letters of the first start arrive at the second.
    let mut site = Site::start(disk, site.mesh)?;
    site.not_older_than(&left)?;
    site.submit(&second)?;
    site.run(HEALING);
    site.not_older_than(&left)?;
    let in_force = site.process.core(0).in_force().map(|(version, _)| version.get());
    if site.live() != vec![2; usize::from(SHARDS)] || in_force != Some(2) {
        let (live, said) = (site.live(), site.said);
        return Err(format!(
            "ten seconds later the shards have versions {live:?}; the order came to {said:?}"
        ));
    }
    Ok(Run { calls, left })
}

/// The next version: so much more is sold that it comes in several parts.
fn second(first: &Festival) -> Result<Festival, String> {
    let (mut settings, mut lists) = organiser::taken_apart(first);
    settings.version = Version::new(2).ok_or("no version")?;
    organiser::enlarge(&mut lists);
    Festival::new(settings, lists).map_err(text)
}

/// The versions that a full replay of a disk finds in force, by shard.
fn versions(disk: &SimDisk) -> Result<Vec<u32>, String> {
    let replayed = replay::from_image(&disk.image(), SHARDS).map_err(text)?;
    let version =
        |state: &actors::shard_state::ShardState| state.adopted().map_or(0, |adopted| adopted.version.get());
    Ok(replayed.states.iter().map(version).collect())
}

/// A server, and the office's terminal before it.
struct Site {
    disk: SimDisk,
    clock: SimClock,
    mesh: Mesh,
    process: Process,
    rng: Rng,
    /// Token of the order to adopt.
    order: u64,
    acknowledged: bool,
    /// What the order last came to.
    said: Option<Verdict>,
}

impl Site {
    fn start(disk: SimDisk, mesh: Mesh) -> Result<Self, String> {
        let clock = SimClock::new(fixture::START);
        // Room for the blocks in flight and filling of all shards, or everything is refused.
        let ahead_bytes = engine::limits::room_for(SHARDS.into()) + (1 << 20);
        let config = LogConfig { ahead_bytes, ..LogConfig::small(clock.for_journal()) };
        let (process, _) = Process::start(&disk, config, 1, clock.read(), &mesh).map_err(text)?;
        let rng = Rng::with_seed(SEED);
        Ok(Self { disk, clock, mesh, process, rng, order: 0, acknowledged: false, said: None })
    }

    /// Hands over all requests of the change, under the ids that they always have.
    fn submit(&mut self, festival: &Festival) -> Result<(), String> {
        let (version, bytes) = (festival.version, festival.encode());
        let mut commands: Vec<Command> = (0..)
            .zip(bytes.chunks(Message::MAX_PART))
            .map(|(part, bytes)| Command::StageConfiguration { version, part, bytes: bytes.into() })
            .collect();
        let parts = u16::try_from(commands.len()).map_err(text)?;
        let hash = *blake3::hash(&bytes).as_bytes();
        commands.push(Command::AdoptConfiguration { version, parts, hash });
        self.order = commands.len() as u64;
        let mut jobs = Vec::new();
        for (counter, command) in (1..).zip(commands) {
            let request = at_office(counter, command).ok_or("no such request")?;
            let reply = Reply { home: 0, token: counter };
            jobs.push(Job { reply, deadline: None, lane: Lane::Live, ways: 0, request });
        }
        self.process.submit(0, &mut jobs);
        Ok(())
    }

    /// Some rounds: the core turns, the journal works, letters arrive, get lost, or come twice.
    fn run(&mut self, rounds: u32) {
        for _ in 0..rounds {
            for _ in 0..4 {
                self.process.turn(0, self.clock.read());
                if matches!(self.process.work(), Step::Idle | Step::Dead) {
                    break;
                }
            }
            for _ in 0..self.mesh.len() {
                match self.mesh.next(&mut self.rng, 5, 10) {
                    Some(Fate::Arrives(letter) | Fate::ArrivesTwice(letter)) => {
                        self.process.arrive(letter, self.clock.read());
                    }
                    Some(Fate::Lost(_)) | None => {}
                }
            }
            for told in self.process.told(0) {
                if told.reply.token == self.order {
                    self.said = Some(told.message.answer().verdict);
                    self.acknowledged |= matches!(self.said, Some(Verdict::Applied(_)));
                }
            }
            if self.disk.frozen() {
                return;
            }
            self.clock.pass(ROUND_MICROS);
        }
    }

    fn live(&self) -> Vec<u32> {
        let state = |shard| self.process.core(0).inspect(ShardId(shard)).and_then(|(_, state)| state);
        let version = |state: &actors::shard_state::ShardState| {
            state.adopted().map_or(0, |adopted| adopted.version.get())
        };
        (0..SHARDS).map(|shard| state(shard).map_or(0, version)).collect()
    }

    fn not_older_than(&self, before: &[u32]) -> Result<(), String> {
        let now = self.live();
        let fell = now.iter().zip(before).any(|(now, before)| now < before);
        if fell { Err(format!("versions {before:?} were in force, and now {now:?} are")) } else { Ok(()) }
    }
}

/// A request of the administrator to the festival's office.
fn at_office(counter: u64, command: Command) -> Option<Request> {
    let tag = actors::office::tag(Office::Festival(fixture::FESTIVAL));
    fixture::request(&fixture::keys(), ADMINISTRATOR, counter, tag, command)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn text(error: impl ToString) -> String {
    error.to_string()
}
