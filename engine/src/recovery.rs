//! Recovery by full replay: one pass over the log, shards in parallel, chain verified. Also the
//! rebuild of one shard while the others go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actors::festival::Festival;
use actors::replay::apply_block_to;
use actors::shard_state::ShardState;
use ledger::block::{Block, BlockError, Head};
use ledger::ids::{RecordNumber, ShardId, Version};
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
    #[error("shard {shard} block {seq} could not be applied: record {record} makes this build panic")]
    Panicked {
        /// Which shard.
        shard: ShardId,
        /// Which block.
        seq: u64,
        /// Which record.
        record: RecordNumber,
    },
}

/// A shard as the journal has it.
pub type Recovered = (ShardState, Head);

/// Replays one shard, as it stands confirmed.
pub fn rebuild(replay: &dyn Replay, shard: ShardId) -> Result<Recovered, RecoveryError> {
    let mut recovering = Recovering::new(shard);
    replay.replay(Some(shard), &mut |block| {
        recovering.apply(&block, &mut None);
        Ok(())
    })?;
    recovering.finish()
}

/// What a reader of a journal calls with each block.
pub type Visit<'a> = dyn FnMut(Block<'_>) -> Result<(), ReplayError> + 'a;

/// Replays all shards on `threads` threads, while `read` reads the journal on the calling thread.
/// What it returns comes back beside the shards, which are sorted by number.
pub fn recover<T, E: From<RecoveryError>>(
    threads: usize,
    read: impl FnOnce(&mut Visit<'_>) -> Result<T, E>,
) -> Result<(T, Vec<Recovered>), E> {
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
        let all: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect();
        let read = read?;
        let mut recovered = all.into_iter().map(Recovering::finish).collect::<Result<Vec<_>, _>>()?;
        recovered.sort_by_key(|(state, _)| state.shard());
        Ok((read, recovered))
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
    state: ShardState,
    head: Head,
    stopped: Option<RecoveryError>,
}

impl Recovering {
    fn new(shard: ShardId) -> Self {
        Self { state: ShardState::new(shard), head: Head::default(), stopped: None }
    }

    /// Applies the next block. A block that cannot be applied stops this shard only. A festival that
    /// another shard of this thread adopted too is held once, from the start: dozens of large ones
    /// would leave holes in memory that nothing fills again.
    fn apply(&mut self, block: &Block<'_>, common: &mut Option<Arc<Festival>>) {
        if self.stopped.is_some() {
            return;
        }
        let before = self.version();
        let (shard, seq) = (block.header.shard, block.header.seq);
        let continued = block.header.continues(&self.head);
        let applied = continued.map_err(|error| RecoveryError::Block { shard, seq, error }).and_then(|()| {
            let mut record = RecordNumber(0);
            let applied =
                catch_unwind(AssertUnwindSafe(|| apply_block_to(&mut self.state, block, &mut record)));
            let applied = applied.map_err(|_| RecoveryError::Panicked { shard, seq, record })?;
            applied.map_err(|error| RecoveryError::Block { shard, seq, error })
        });
        match applied {
            Ok(()) => self.head = block.header.head(),
            Err(error) => self.stopped = Some(error),
        }
        if self.version() != before {
            self.state.share_configuration(common);
        }
    }

    fn version(&self) -> Option<Version> {
        self.state.adopted().map(|adopted| adopted.version)
    }

    fn finish(self) -> Result<Recovered, RecoveryError> {
        match self.stopped {
            None => Ok((self.state, self.head)),
            Some(error) => Err(error),
        }
    }
}
