//! The simulated server process: the very types that `serve` runs, driven one step at a time on one
//! thread. Holds no state of its own beyond what a process would lose when it dies.

use std::collections::VecDeque;
use std::sync::Arc;

use actors::festival::Festival;
use crossbeam_channel::Receiver;
use engine::core::{Core, CoreParts, Layout, Parcel, Peer};
use engine::job::{Clock, Job, Told};
use engine::mail::Letter;
use engine::recovery::{self, Recovered, RecoveryError, Stopped};
use ledger::block::Draft;
use ledger::ids::{At, Epoch, ShardId};
use ledger::journal::Journal;
use ledger::journal::embedded::{Log, LogConfig, OpenError, Opened, Port, SimDisk, Step, Worker};
use thiserror::Error;

use super::fixture;
use super::mesh::Mesh;

/// Why a process could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A shard could not be recovered.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The ledger could not be founded.
    #[error(transparent)]
    Founding(#[from] engine::genesis::FoundingError),
}

/// A running server.
pub struct Process {
    log: Log,
    worker: Worker,
    cores: Vec<Core<Port>>,
    rebuilds: VecDeque<(usize, ShardId)>,
    /// The door of somebody else who writes to this store.
    intruder: Port,
    /// The start it is.
    pub epoch: Epoch,
}

/// Batches between two cores: few, so that the way is sometimes full.
const PARCELS: usize = 4;

/// Founds the ledger on an empty disk, as `fanfare init` does.
pub fn found(
    disk: &SimDisk,
    config: LogConfig,
    shards: u16,
    festival: &Festival,
    at: At,
) -> Result<(), StartError> {
    let log = Log::create(Arc::new(disk.clone()), config)?;
    let mut worker = log.worker();
    let mut port = log.port(None);
    engine::genesis::found(&mut port, &fixture::genesis(shards), festival, at, || {
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
    })?;
    drop(port);
    log.close().map_err(|error| StartError::Open(error.into()))
}

impl Process {
    /// Starts a server over what `disk` holds: recovery by full replay, then an opening record of
    /// this start in every shard that is back. `loops` cores share the shards in turn.
    pub fn start(
        disk: &SimDisk,
        config: LogConfig,
        loops: u16,
        clock: Clock,
        mesh: &Mesh,
    ) -> Result<(Self, Opened), StartError> {
        let read = |visit: &mut recovery::Visit<'_>| -> Result<(Log, Opened), StartError> {
            Ok(Log::open(Arc::new(disk.clone()), config, visit)?)
        };
        let ((log, opened), found) = recovery::recover_each(1, read)?;
        let (shards, remains) = recovery::parted(found);
        let of_whole = shards.iter().map(|(state, head)| state.epoch().max(head.epoch).0);
        let last = of_whole.chain(remains.iter().map(|left| left.epoch.0)).max().unwrap_or_default();
        let epoch = Epoch(last + 1);
        let stopped = remains.iter().map(|left| left.stopped).collect();
        let cores = cores(&log, (shards, stopped), loops, epoch, clock, mesh);
        let (worker, intruder) = (log.worker(), log.port(None));
        Ok((Self { log, worker, cores, rebuilds: VecDeque::new(), intruder, epoch }, opened))
    }

    /// How many cores.
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// One core.
    pub fn core(&self, core: usize) -> &Core<Port> {
        &self.cores[core]
    }

    /// The log.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The shards that stopped.
    pub fn stopped(&self) -> impl Iterator<Item = ShardId> {
        self.cores.iter().flat_map(Core::stopped).map(|stopped| stopped.shard)
    }

    /// Hands a batch to a core.
    pub fn submit(&mut self, core: usize, jobs: &mut Vec<Job>) {
        self.cores[core].submit(jobs);
    }

    /// A clean stop.
    pub fn close(self) -> std::io::Result<()> {
        let Self { log, worker, cores, intruder, .. } = self;
        drop((worker, cores, intruder));
        log.close()
    }

    /// One round of a core.
    pub fn turn(&mut self, core: usize, clock: Clock) -> engine::core::Turn {
        let turn = self.cores[core].turn(clock);
        let rebuilds = self.cores[core].take_rebuilds();
        self.rebuilds.extend(rebuilds.into_iter().map(|shard| (core, shard)));
        turn
    }

    /// Answers of a core that may leave.
    pub fn told(&mut self, core: usize) -> Vec<Told> {
        std::mem::take(self.cores[core].ready())
    }

    /// A letter arrives at its shard's core.
    pub fn arrive(&mut self, letter: Letter, clock: Clock) {
        let core = usize::from(letter.to.0) % self.cores.len();
        self.cores[core].arrive(vec![letter], clock);
    }

    /// One step of the journal thread.
    pub fn work(&mut self) -> Step {
        self.worker.step()
    }

    /// Somebody else writes the next block of a shard, an empty one: whatever its owner hands over
    /// from then on is fenced off. `false` if the store took nothing.
    pub fn intrude(&mut self, shard: ShardId, at: At) -> bool {
        self.intruder.events(&mut Vec::new());
        let core = &self.cores[usize::from(shard.0) % self.cores.len()];
        let Some((head, Some(state))) = core.inspect(shard) else { return false };
        let mut draft = Box::new(Draft::new(fixture::LEDGER, shard, self.epoch));
        draft.begin(state.prologue(state.ledger_time(at)));
        draft.place(head);
        self.intruder.submit(draft).is_ok()
    }

    /// One look-up.
    pub fn look_up(&self) -> bool {
        self.log.serve_lookup()
    }

    /// Whether a shard waits to be rebuilt.
    pub fn wants_rebuild(&self) -> bool {
        !self.rebuilds.is_empty()
    }

    /// Rebuilds the oldest dropped shard, as the recovery thread does, and hands it back, or stops it.
    pub fn rebuild(&mut self) -> Result<Option<ShardId>, RecoveryError> {
        let Some((core, shard)) = self.rebuilds.pop_front() else { return Ok(None) };
        match recovery::rebuild(&self.log, shard) {
            Ok(rebuilt) => self.cores[core].install(rebuilt),
            Err(RecoveryError::Replay(_)) => self.rebuilds.push_back((core, shard)),
            Err(RecoveryError::Stopped(stopped)) => self.cores[core].stop(stopped),
            Err(error) => return Err(error),
        }
        Ok(Some(shard))
    }
}

fn cores(
    log: &Log,
    (shards, stopped): (Vec<Recovered>, Vec<Stopped>),
    loops: u16,
    epoch: Epoch,
    clock: Clock,
    mesh: &Mesh,
) -> Vec<Core<Port>> {
    let mut peers = Vec::new();
    let mut inboxes: Vec<Receiver<Parcel>> = Vec::new();
    for _ in 0..loops {
        let (sender, inbox) = crossbeam_channel::bounded(PARCELS);
        peers.push(Peer { sender, waker: Arc::new(|| {}) });
        inboxes.push(inbox);
    }
    let of_whole = shards.iter().map(|(state, _)| state.shard());
    let mut all: Vec<ShardId> = of_whole.chain(stopped.iter().map(|stopped| stopped.shard)).collect();
    all.sort();
    let homes = all.iter().map(|shard| shard.0 % loops).collect();
    let layout = Layout::new(homes, peers);
    let mut own: Vec<Vec<Recovered>> = (0..loops).map(|_| Vec::new()).collect();
    for recovered in shards {
        own[usize::from(recovered.0.shard().0 % loops)].push(recovered);
    }
    let mut cores = Vec::new();
    for ((shards, inbox), number) in own.into_iter().zip(inboxes).zip(0..) {
        let (ledger, layout, journal) = (fixture::LEDGER, layout.clone(), log.port(None));
        let stopped = stopped.iter().filter(|stopped| stopped.shard.0 % loops == number).copied().collect();
        let parts = CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox };
        let mut core = Core::new(parts);
        core.set_post(Box::new(mesh.clone()));
        core.open_epoch(clock, epoch);
        cores.push(core);
    }
    cores
}
