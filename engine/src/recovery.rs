//! Recovery by full replay: one pass over the log, shards in parallel, chain verified. Also the
//! rebuild of one shard while the others go on.

use actors::replay::apply_block;
use actors::shard_state::ShardState;
use ledger::block::{Block, BlockError, Head};
use ledger::ids::ShardId;
use ledger::journal::{Replay, ReplayError};
use ledger::record::leb::Reader;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
    #[error("shard {shard} block {seq} could not be applied: a record in it makes this build panic")]
    Panicked {
        /// Which shard.
        shard: ShardId,
        /// Which block.
        seq: u64,
    },
}

/// A shard as the journal has it.
pub type Recovered = (ShardState, Head);

/// Replays one shard, as it stands confirmed.
pub fn rebuild(replay: &dyn Replay, shard: ShardId) -> Result<Recovered, RecoveryError> {
    let mut recovering = Recovering::new(shard);
    replay.replay(Some(shard), &mut |block| {
        recovering.apply(&block);
        Ok(())
    })?;
    recovering.finish()
}

/// Replays all `shards` on `threads` threads; the calling thread reads and distributes.
pub fn recover(replay: &dyn Replay, shards: u16, threads: usize) -> Result<Vec<Recovered>, RecoveryError> {
    let threads = threads.clamp(1, usize::from(shards.max(1)));
    std::thread::scope(|scope| {
        let mut doors = Vec::new();
        let mut workers = Vec::new();
        for worker in 0..threads {
            let (door, blocks) = crossbeam_channel::bounded::<Batch>(4);
            doors.push(Door { door, batch: Batch::default() });
            workers.push(scope.spawn(move || work(worker, threads, shards, &blocks)));
        }
        let read = replay.replay(None, &mut |block| {
            doors[usize::from(block.header.shard.0) % threads].pass(&block);
            Ok(())
        });
        doors.iter_mut().for_each(Door::flush);
        drop(doors);
        let mut all = Vec::new();
        for worker in workers {
            let recovered = worker.join().unwrap_or_else(|_| Vec::new());
            all.extend(recovered);
        }
        read?;
        let mut recovered = all.into_iter().map(Recovering::finish).collect::<Result<Vec<_>, _>>()?;
        recovered.sort_by_key(|(state, _)| state.shard());
        Ok(recovered)
    })
}

/// Blocks on their way to a worker, as bytes.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
}

/// Bytes after which a batch is passed on.
const BATCH: usize = 4 * 1024 * 1024;

struct Door {
    door: crossbeam_channel::Sender<Batch>,
    batch: Batch,
}

impl Door {
    fn pass(&mut self, block: &Block<'_>) {
        self.batch.bytes.extend_from_slice(&block.header.to_bytes());
        self.batch.bytes.extend_from_slice(block.payload());
        if self.batch.bytes.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // A worker that is gone has stopped at a record; its shards say so when they finish.
        let _gone = self.door.send(batch);
    }
}

fn work(
    worker: usize,
    threads: usize,
    shards: u16,
    blocks: &crossbeam_channel::Receiver<Batch>,
) -> Vec<Recovering> {
    let own = (0..shards).skip(worker).step_by(threads);
    let mut recovering: Vec<_> = own.map(|shard| Recovering::new(ShardId(shard))).collect();
    while let Ok(batch) = blocks.recv() {
        let mut reader = Reader::new(&batch.bytes);
        while reader.left() > 0 {
            let Ok(block) = Block::read(&mut reader) else { return recovering };
            if let Some(shard) = recovering.get_mut(usize::from(block.header.shard.0) / threads) {
                shard.apply(&block);
            }
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

    /// Applies the next block. A block that cannot be applied stops this shard only.
    fn apply(&mut self, block: &Block<'_>) {
        if self.stopped.is_some() {
            return;
        }
        let (shard, seq) = (block.header.shard, block.header.seq);
        let continued = block.header.continues(&self.head);
        let applied = continued.map_err(|error| RecoveryError::Block { shard, seq, error }).and_then(|()| {
            let applied = catch_unwind(AssertUnwindSafe(|| apply_block(&mut self.state, block)));
            let applied = applied.map_err(|_| RecoveryError::Panicked { shard, seq })?;
            applied.map_err(|error| RecoveryError::Block { shard, seq, error })
        });
        match applied {
            Ok(()) => self.head = block.header.head(),
            Err(error) => self.stopped = Some(error),
        }
    }

    fn finish(self) -> Result<Recovered, RecoveryError> {
        match self.stopped {
            None => Ok((self.state, self.head)),
            Some(error) => Err(error),
        }
    }
}
