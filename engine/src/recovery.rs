//! Recovery by full replay: one pass over the log, shards in parallel, chain verified. Also the
//! rebuild of one shard while the others go on. A record that makes this build panic stops its own shard
//! and no other; a block that is not what it should be is damage, and stops everything.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actors::festival::Festival;
use actors::replay::apply_block_to;
use actors::shard_state::ShardState;
use ledger::block::{Block, BlockError, Head};
use ledger::ids::{DeviceNumber, Epoch, RecordNumber, ShardId, Version};
use ledger::journal::{Replay, ReplayError};
use ledger::record::leb::Reader;
use thiserror::Error;

/// Why a shard could not be recovered.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The journal could not be read back.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A block is not what it should be.
    #[error("shard {shard} block {seq}: {error}")]
    Block {
        /// Which shard.
        shard: ShardId,
        /// Which block.
        seq: u64,
        /// What is wrong with it.
        error: BlockError,
    },
    /// A record of it could not be applied: a defect of this build.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Where a shard stopped: on its way back, or at a message that it can neither take nor send back. Nothing
/// of it is lost: a build that was mended goes on from its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stopped {
    /// Which shard.
    pub shard: ShardId,
    /// Which block.
    pub seq: u64,
    /// Which record; of a message the one that was to take it, which the journal does not have.
    pub record: RecordNumber,
    /// The message, if one is to blame: from which shard, and its number.
    pub message: Option<(ShardId, u64)>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shard, seq, record, message } = self;
        match message {
            None => write!(out, "shard {shard} block {seq} could not be applied")?,
            Some((from, number)) => {
                write!(
                    out,
                    "shard {shard} could neither take message {number} of shard {from} nor send it back"
                )?;
            }
        }
        write!(out, ": record {record} makes this build panic")
    }
}

impl std::error::Error for Stopped {}

/// A shard as the journal has it.
pub type Recovered = (ShardState, Head);

/// What can be said of a shard that stopped.
#[derive(Clone, Debug)]
pub struct Remains {
    /// Where it stopped.
    pub stopped: Stopped,
    /// The last start that wrote to it.
    pub epoch: Epoch,
    /// The highest counter in its records from each device that has one there.
    pub highest: BTreeMap<DeviceNumber, u64>,
}

/// A shard as recovery leaves it.
pub type Found = Result<Recovered, Remains>;

/// Replays one shard, as it stands confirmed.
pub fn rebuild(replay: &dyn Replay, shard: ShardId) -> Result<Recovered, RecoveryError> {
    let mut recovering = Recovering::new(shard);
    replay.replay(Some(shard), &mut |block| {
        recovering.apply(&block, &mut None);
        Ok(())
    })?;
    Ok(recovering.finish()?.map_err(|remains| remains.stopped)?)
}

/// The shards that are back, and what is left of the others.
pub fn parted(found: Vec<Found>) -> (Vec<Recovered>, Vec<Remains>) {
    let (mut shards, mut remains) = (Vec::new(), Vec::new());
    for found in found {
        match found {
            Ok(recovered) => shards.push(recovered),
            Err(left) => remains.push(left),
        }
    }
    (shards, remains)
}

/// What a reader of a journal calls with each block.
pub type Visit<'a> = dyn FnMut(Block<'_>) -> Result<(), ReplayError> + 'a;

/// Replays all shards, as [`recover_each`] does; one that stops is an error.
pub fn recover<T, E: From<RecoveryError>>(
    threads: usize,
    read: impl FnOnce(&mut Visit<'_>) -> Result<T, E>,
) -> Result<(T, Vec<Recovered>), E> {
    let (read, found) = recover_each(threads, read)?;
    let whole = found.into_iter().collect::<Result<_, _>>();
    Ok((read, whole.map_err(|remains| E::from(remains.stopped.into()))?))
}

/// Replays all shards on `threads` threads, while `read` reads the journal on the calling thread.
/// What it returns comes back beside the shards, which are sorted by number. One that this build cannot
/// bring back stands among them as what is left of it.
pub fn recover_each<T, E: From<RecoveryError>>(
    threads: usize,
    read: impl FnOnce(&mut Visit<'_>) -> Result<T, E>,
) -> Result<(T, Vec<Found>), E> {
    let threads = threads.max(1);
    std::thread::scope(|scope| {
        let mut doors = Vec::new();
        let mut workers = Vec::new();
        for worker in 0..threads {
            let (door, batches) = crossbeam_channel::bounded::<Vec<u8>>(4);
            doors.push(Door { door, batch: Vec::new() });
            workers.push(scope.spawn(move || work(worker, threads, &batches)));
        }
        let read = read(&mut |block| {
            doors[usize::from(block.header.shard.0) % threads].pass(&block);
            Ok(())
        });
        doors.iter_mut().for_each(Door::flush);
        drop(doors);
        // A worker catches what its shards do: its own panic would lose them, and is found below
        // as shards that are missing.
        let mut all: Vec<_> =
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect();
        let read = read?;
        all.sort_by_key(|recovering| recovering.shard);
        Ok((read, all.into_iter().map(Recovering::finish).collect::<Result<Vec<_>, _>>()?))
    })
}

/// Bytes after which a batch of blocks is passed on.
const BATCH: usize = 4 * 1024 * 1024;

/// Blocks on their way to a worker, as bytes.
struct Door {
    door: crossbeam_channel::Sender<Vec<u8>>,
    batch: Vec<u8>,
}

impl Door {
    fn pass(&mut self, block: &Block<'_>) {
        self.batch.extend_from_slice(&block.header.to_bytes());
        self.batch.extend_from_slice(block.payload());
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        // A worker that is gone has lost its shards; the caller will miss them.
        let _gone = self.door.send(std::mem::take(&mut self.batch));
    }
}

/// Applies the blocks of every `threads`-th shard. Shards come into being with their first block.
fn work(worker: usize, threads: usize, batches: &crossbeam_channel::Receiver<Vec<u8>>) -> Vec<Recovering> {
    let mut recovering: Vec<Recovering> = Vec::new();
    let mut shared = None;
    while let Ok(batch) = batches.recv() {
        let mut reader = Reader::new(&batch);
        while reader.left() > 0 {
            let Ok(block) = Block::read(&mut reader) else { return recovering };
            let index = usize::from(block.header.shard.0) / threads;
            while recovering.len() <= index {
                let number = u16::try_from(recovering.len() * threads + worker).unwrap_or(u16::MAX);
                recovering.push(Recovering::new(ShardId(number)));
            }
            recovering[index].apply(&block, &mut shared);
        }
    }
    recovering
}

/// A shard on its way back.
struct Recovering {
    shard: ShardId,
    state: ShardState,
    head: Head,
    remains: Option<Remains>,
    damage: Option<RecoveryError>,
}

impl Recovering {
    fn new(shard: ShardId) -> Self {
        let (state, head) = (ShardState::new(shard), Head::default());
        Self { shard, state, head, remains: None, damage: None }
    }

    /// Applies the next block. A block that cannot be applied stops this shard only. A festival that
    /// another shard of this thread adopted too is held once, from the start: dozens of large ones
    /// would leave holes in memory that nothing fills again.
    fn apply(&mut self, block: &Block<'_>, common: &mut Option<Arc<Festival>>) {
        if self.damage.is_some() {
            return;
        }
        let before = self.version();
        let (shard, seq) = (block.header.shard, block.header.seq);
        let continued = block.header.continues(&self.head);
        let applied = continued.and_then(|()| match &mut self.remains {
            None => self.take(block),
            Some(remains) => remains.skim(block),
        });
        match applied {
            Ok(()) => self.head = block.header.head(),
            Err(error) => self.damage = Some(RecoveryError::Block { shard, seq, error }),
        }
        if self.version() != before {
            self.state.share_configuration(common);
        }
    }

    /// Applies a block's records; the one that makes this build panic ends that for good.
    fn take(&mut self, block: &Block<'_>) -> Result<(), BlockError> {
        let mut record = RecordNumber(0);
        let applied = catch_unwind(AssertUnwindSafe(|| apply_block_to(&mut self.state, block, &mut record)));
        applied.unwrap_or_else(|_| {
            let stopped = Stopped { shard: self.shard, seq: block.header.seq, record, message: None };
            // Half a record is in it: it is worth nothing.
            let state = std::mem::replace(&mut self.state, ShardState::new(self.shard));
            self.remains.insert(Remains::of(stopped, &state)).skim(block)
        })
    }

    fn version(&self) -> Option<Version> {
        self.state.adopted().map(|adopted| adopted.version)
    }

    fn finish(self) -> Result<Found, RecoveryError> {
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        Ok(match self.remains {
            None => Ok((self.state, self.head)),
            Some(remains) => Err(Remains { epoch: self.head.epoch, ..remains }),
        })
    }
}

impl Remains {
    /// Of `state`, as the panic left it: what it has seen of its devices is still right.
    fn of(stopped: Stopped, state: &ShardState) -> Self {
        let devices = state.adopted().into_iter().flat_map(|adopted| adopted.festival.devices());
        let highest = devices.map(|device| (device.number, state.highest_counter(device.number)));
        Self { stopped, epoch: Epoch(0), highest: highest.collect() }
    }

    /// Notes what devices sent. A terminal that lost its memory is told of it, or it would use ids again
    /// that the shard finds known when it is back. What even reading makes panic stays unseen.
    fn skim(&mut self, block: &Block<'_>) -> Result<(), BlockError> {
        let read = catch_unwind(AssertUnwindSafe(|| {
            block.each_record(|_, record| {
                let Some(id) = record.envelope.request else { return };
                let Some(device) = id.device() else { return };
                let highest = self.highest.entry(device).or_default();
                *highest = id.counter().max(*highest);
            })
        }));
        read.unwrap_or(Ok(()))
    }
}
