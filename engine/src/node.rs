//! A node: one ledger directory opened by one process. Recovers every shard that this build can bring
//! back, takes the next epoch, and hands out what its threads run: cores for the loops, the journal's own work, look-ups,
//! rebuilds. Threads themselves are started by whoever supervises them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actors::festival::Festival;
use crossbeam_channel::{Receiver, Sender};
use ledger::ids::{DeviceNumber, Epoch, LedgerId, ShardId, WalletNumber};
use ledger::journal::embedded::{Log, LogConfig, OpenError, Opened, Port, Step};
use ledger::journal::{ReplayError, Waker};
use ledger::mutant::{self, Point};
use thiserror::Error;

use crate::core::{Core, CoreParts, Layout, Parcel, Peer};
use crate::host::Host;
use crate::job::Clock;
use crate::limits::{LOOP_BATCHES, room_for};
use crate::recovery::{self, Recovered, RecoveryError, Remains, Stopped};
use crate::supervise::{Part, Stop};

/// Why a node could not start.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A shard could not be recovered.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The machine said no.
    #[error("could not use the log's directory: {0}")]
    Io(#[from] std::io::Error),
    /// The log holds no ledger.
    #[error("the log holds no whole ledger: {0}; make one with `fanfare init`")]
    NoLedger(&'static str),
}

/// A recovered ledger, before its loops run.
pub struct Node {
    /// The log it stands on.
    pub log: Log,
    /// The ledger.
    pub ledger: LedgerId,
    /// Names the key it was made with.
    pub key_id: [u8; 16],
    /// This start.
    pub epoch: Epoch,
    /// What recovery found.
    pub opened: Opened,
    /// The configuration that every shard has in force, or a newer one: the oldest of all.
    pub festival: Arc<Festival>,
    /// The highest counter seen from each device of the festival.
    pub highest: HashMap<DeviceNumber, u64>,
    /// The shards that this build cannot bring back, by number.
    pub stopped: Vec<Stopped>,
    shards: Vec<Recovered>,
}

/// Opens the log and recovers every shard, on as many threads. A shard that a record stops is left out;
/// if that leaves none the first is the error.
pub fn open(host: &dyn Host, threads: usize) -> Result<Node, NodeError> {
    let disk = host.disk()?;
    let config = LogConfig::new(host.stopwatch());
    let ((log, opened), found) =
        recovery::recover_each(threads, |visit| Ok::<_, NodeError>(Log::open(disk, config, visit)?))?;
    let count = found.len();
    let (mut shards, remains) = recovery::parted(found);
    let first_stopped = remains.first().map(|remains| RecoveryError::from(remains.stopped));
    let genesis = match (shards.first(), first_stopped) {
        (Some((state, _)), _) => state.genesis().copied(),
        (None, Some(stopped)) => return Err(stopped.into()),
        (None, None) => None,
    };
    let genesis = genesis.ok_or(NodeError::NoLedger("shard 0 has no first block"))?;
    let whole = count == usize::from(genesis.shards)
        && shards.iter().all(|(state, _)| state.genesis() == Some(&genesis));
    if !whole {
        return Err(NodeError::NoLedger("shards are missing"));
    }
    let festival = share_configuration(&mut shards);
    let festival = festival.ok_or(NodeError::NoLedger("no configuration was adopted"))?;
    let highest = highest_counters(&festival, &shards, &remains);
    let epochs = shards.iter().map(|(state, head)| state.epoch().max(head.epoch));
    let last = epochs.chain(remains.iter().map(|remains| remains.epoch)).max().unwrap_or_default();
    let epoch = Epoch(last.0 + 1);
    let stopped = remains.iter().map(|remains| remains.stopped).collect();
    let (ledger, key_id) = (genesis.ledger, genesis.key_id);
    log.want_room(room_for(count));
    Ok(Node { log, ledger, key_id, epoch, opened, festival, highest, stopped, shards })
}

/// Lets equal configurations be held once. Returns the oldest: a newer one is still on its way.
fn share_configuration(shards: &mut [Recovered]) -> Option<Arc<Festival>> {
    let mut shared = None;
    let mut oldest: Option<Arc<Festival>> = None;
    for (state, _) in shards {
        state.share_configuration(&mut shared);
        let festival = state.adopted().map(|adopted| Arc::clone(&adopted.festival));
        oldest = oldest.into_iter().chain(festival).min_by_key(|festival| festival.version);
    }
    oldest
}

fn highest_counters(
    festival: &Festival,
    shards: &[Recovered],
    remains: &[Remains],
) -> HashMap<DeviceNumber, u64> {
    let highest = |device: DeviceNumber| {
        let of_shard = |(state, _): &Recovered| state.highest_counter(device);
        let of_stopped = |remains: &Remains| remains.highest.get(&device).copied().unwrap_or(0);
        shards.iter().map(of_shard).chain(remains.iter().map(of_stopped)).max().unwrap_or(0)
    };
    festival.devices().iter().map(|device| (device.number, highest(device.number))).collect()
}

/// What a node's threads run.
pub struct Running {
    /// One core for each loop; the opening record of this start is in every shard's first block.
    pub cores: Vec<Core<Port>>,
    /// Asks for a shard to be rebuilt.
    pub rebuilds: Sender<ShardId>,
    /// The journal's own thread, the look-ups' and the rebuilds'.
    pub parts: Vec<Part>,
}

impl Node {
    /// Whether an actor is quarantined; `None` if it never came into being. Of an actor whose shard
    /// stopped nobody knows.
    pub fn is_quarantined(&self, actor: WalletNumber) -> Result<Option<bool>, Stopped> {
        let shard = actor.shard(self.count());
        let stopped = self.stopped.iter().find(|stopped| stopped.shard == shard);
        let own = |(state, _): &&Recovered| state.shard() == shard;
        match stopped {
            Some(stopped) => Err(*stopped),
            None => Ok(self.shards.iter().find(own).and_then(|(state, _)| state.is_quarantined(actor))),
        }
    }

    /// How many shards the ledger has.
    pub fn count(&self) -> u16 {
        u16::try_from(self.shards.len() + self.stopped.len()).unwrap_or(u16::MAX)
    }

    /// Makes a core for each of `wakers`' loops; shard `s` belongs to loop `s` modulo their number.
    pub fn run(self, wakers: &[Waker], clock: Clock) -> Running {
        let count = self.count();
        let loops = u16::try_from(wakers.len()).unwrap_or(u16::MAX).clamp(1, count.max(1));
        let mut inboxes = Vec::new();
        let mut peers = Vec::new();
        for waker in wakers.iter().take(usize::from(loops)) {
            let (sender, inbox) = crossbeam_channel::bounded(LOOP_BATCHES);
            inboxes.push(inbox);
            peers.push(Peer { sender, waker: Arc::clone(waker) });
        }
        let layout = Layout::new((0..count).map(|shard| shard % loops).collect(), peers);
        let (rebuilds, asked) = crossbeam_channel::bounded(usize::from(count));
        let parts = vec![
            journal_part(self.log.clone()),
            lookup_part(self.log.clone()),
            recovery_part(self.log.clone(), asked, layout.clone()),
        ];
        let mut own: Vec<Vec<Recovered>> = (0..loops).map(|_| Vec::new()).collect();
        for recovered in self.shards {
            own[usize::from(recovered.0.shard().0 % loops)].push(recovered);
        }
        let cores = inboxes.into_iter().zip(own).zip(0..).map(|((inbox, shards), number)| {
            let waker = layout.peers.get(usize::from(number)).map(|peer| Arc::clone(&peer.waker));
            let journal = self.log.port(waker);
            let (ledger, epoch, layout) = (self.ledger, self.epoch, layout.clone());
            let own = |stopped: &&Stopped| stopped.shard.0 % loops == number;
            let stopped = self.stopped.iter().filter(own).copied().collect();
            let parts = CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox };
            let mut core = Core::new(parts);
            core.open_epoch(clock, epoch);
            core
        });
        Running { cores: cores.collect(), rebuilds, parts }
    }
}

/// How long an idle thread sleeps before it looks whether it is to end.
const IDLE: Duration = Duration::from_secs(1);

/// The journal thread: large writes, segments ahead, the MARK.
fn journal_part(log: Log) -> Part {
    let nudge = log.clone();
    let run = move |stop: &Stop| {
        let mut worker = log.worker();
        while !stop.is_set() {
            if mutant::struck(Point::Journal) {
                log.kill("the journal thread ended");
                return Ok(());
            }
            match worker.step() {
                Step::Idle => log.wait_for_work(IDLE),
                Step::Dead => return Err(log.dead().unwrap_or_else(|| "the store is dead".into())),
                Step::Wrote { .. } | Step::Filled | Step::Marked => {}
            }
        }
        Ok(())
    };
    Part { name: "journal".into(), run: Box::new(run), wake: Arc::new(move || nudge.nudge()) }
}

/// Serves look-ups by position, beside the journal thread so that reads never delay a write.
fn lookup_part(log: Log) -> Part {
    let nudge = log.clone();
    let run = move |stop: &Stop| {
        while !stop.is_set() {
            if mutant::struck(Point::Lookup) {
                return Ok(());
            }
            if !log.serve_lookup() {
                log.wait_for_lookup(IDLE);
            }
        }
        Ok(())
    };
    Part { name: "lookups".into(), run: Box::new(run), wake: Arc::new(move || nudge.nudge()) }
}

/// Rebuilds shards whose state was dropped and sends them back to their core, or says that one stopped.
fn recovery_part(log: Log, asked: Receiver<ShardId>, layout: Layout) -> Part {
    let run = move |stop: &Stop| {
        while !stop.is_set() {
            if mutant::struck(Point::Recovery) {
                return Ok(());
            }
            let Ok(shard) = asked.recv_timeout(IDLE) else { continue };
            let parcel = match recovery::rebuild(&log, shard) {
                Ok(rebuilt) => Parcel::Rebuilt(Box::new(rebuilt)),
                Err(RecoveryError::Stopped(stopped)) => Parcel::Stopped(stopped),
                Err(error) => return Err(error.to_string()),
            };
            send_back(&layout, shard, parcel);
        }
        Ok(())
    };
    // Its sleep is short and nothing is lost by waiting for its end.
    Part { name: "recovery".into(), run: Box::new(run), wake: Arc::new(|| {}) }
}

fn send_back(layout: &Layout, shard: ShardId, parcel: Parcel) {
    let home = layout.homes.get(usize::from(shard.0));
    let Some(peer) = home.and_then(|home| layout.peers.get(usize::from(*home))) else { return };
    // A core that is gone is being restarted with all its shards.
    let _gone = peer.sender.send(parcel);
    (peer.waker)();
}

impl From<ReplayError> for NodeError {
    fn from(error: ReplayError) -> Self {
        Self::Recovery(RecoveryError::Replay(error))
    }
}
