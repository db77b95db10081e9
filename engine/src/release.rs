//! Lets a quarantined actor act again: a record that no terminal can ask for, written by an operator
//! while no server runs. It takes the ordinary way: recovery, this start's own epoch, a decided
//! record, a flushed block. The log's lock keeps it and a server apart (L8).

use std::sync::Arc;

use ledger::ids::{RecordNumber, ShardId, WalletNumber};
use ledger::journal::embedded::Step;
use thiserror::Error;

use crate::host::Host;
use crate::node::{self, NodeError};
use crate::recovery::Stopped;

/// Why an actor was not released.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// The ledger could not be opened; a server may have it.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Nothing is known of it.
    #[error("no actor {0} ever came into being in this ledger")]
    Unknown(WalletNumber),
    /// Nobody knows what it is now.
    #[error("{0}; until a mended build brings its shard back, nobody in it can be released")]
    Stopped(#[from] Stopped),
    /// There is nothing to lift.
    #[error("{0} is not quarantined")]
    NotQuarantined(WalletNumber),
    /// The record is not on disk for sure: to be tried again.
    #[error("the journal failed: {0}")]
    Journal(String),
    /// The log could not be closed in order.
    #[error("the record is stored, but the log was not closed: {0}")]
    Close(std::io::Error),
}

/// Releases `actor`; where its record stands.
pub fn release(
    host: &dyn Host,
    threads: usize,
    actor: WalletNumber,
) -> Result<(ShardId, RecordNumber), ReleaseError> {
    let node = node::open(host, threads)?;
    let refused = match node.is_quarantined(actor) {
        Ok(Some(true)) => None,
        Ok(Some(false)) => Some(ReleaseError::NotQuarantined(actor)),
        Ok(None) => Some(ReleaseError::Unknown(actor)),
        Err(stopped) => Some(stopped.into()),
    };
    if let Some(refused) = refused {
        node.log.close().map_err(ReleaseError::Close)?;
        return Err(refused);
    }
    let log = node.log.clone();
    let mut worker = log.worker();
    let mut running = node.run(&[Arc::new(|| {})], host.clock());
    let Some(core) = running.cores.first_mut() else {
        return Err(ReleaseError::Journal("there is no core to write with".to_owned()));
    };
    let stored = core.release(host.clock(), actor);
    loop {
        let turn = core.turn(host.clock());
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
        if turn.dead {
            let cause = core.death().unwrap_or("the store is dead").to_owned();
            return Err(ReleaseError::Journal(cause));
        }
        if !turn.more && !turn.in_flight {
            break;
        }
    }
    let (shard, record) = stored.ok_or(ReleaseError::Unknown(actor))?;
    // A panic of something else in the same shard takes the block along that it was in.
    let is_stored = core.inspect(shard).is_some_and(|(head, _)| record < head.next_record);
    if !is_stored {
        let cause = "its shard dropped the record with a block that something else spoiled".to_owned();
        return Err(ReleaseError::Journal(cause));
    }
    drop(running);
    log.close().map_err(ReleaseError::Close)?;
    Ok((shard, record))
}
