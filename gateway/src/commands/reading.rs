//! Reading a ledger's blocks from its files, for the commands that look at one. Nothing is changed.

use std::io;
use std::ops::ControlFlow;

use ledger::block::Block;
use ledger::journal::ReplayError;
use ledger::journal::embedded::{Log, Look};
use ledger::record::{Body, Genesis};

use super::Failure;
use crate::directory::Directory;

/// What a reader of blocks answers: go on, or it has seen enough.
pub(crate) type Flow = Result<ControlFlow<()>, Failure>;

/// Calls `visit` with every block in the order of the log, frames and chain checked. `None` if it
/// had seen enough before the end.
pub(crate) fn each_block(
    directory: &Directory,
    mut visit: impl FnMut(&Block<'_>) -> Flow,
) -> Result<Option<Look>, Failure> {
    let disk = directory.disk()?;
    let mut ended = None;
    let looked = Log::look(&disk, &mut |block| match visit(&block) {
        Ok(ControlFlow::Continue(())) => Ok(()),
        stopped => {
            ended = Some(stopped);
            Err(ReplayError::Unreadable(io::Error::other("the reader has seen enough")))
        }
    });
    match ended {
        Some(Ok(_)) => Ok(None),
        Some(Err(failure)) => Err(failure),
        None => Ok(Some(looked?)),
    }
}

/// What the ledger's first record says.
pub(crate) fn genesis(directory: &Directory) -> Result<Genesis, Failure> {
    let mut genesis = None;
    each_block(directory, |block| {
        block.each_record(|_, record| {
            if let Body::LedgerOpened(said) = record.body {
                genesis.get_or_insert(said);
            }
        })?;
        Ok(ControlFlow::Break(()))
    })?;
    genesis.ok_or_else(|| "the journal does not begin with the ledger's record: run `fanfare verify`".into())
}
