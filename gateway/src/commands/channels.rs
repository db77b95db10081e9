//! `fanfare inspect --channels`: what each pair of shards has told each other, and what is on its way.

use std::io::Write;

use actors::shard_state::ShardState;
use ledger::ids::At;

use super::{Failure, show};
use crate::directory::Directory;
use engine::recovery::{RecoveryError, recover};
use ledger::journal::embedded::Log;

/// Lists the channels of the ledger in `directory` that ever carried a message, from its files alone.
pub(crate) fn channels(directory: &Directory, out: &mut dyn Write) -> Result<(), Failure> {
    let disk = directory.disk()?;
    let (looked, shards) = recover(1, |visit| Ok::<_, RecoveryError>(Log::look(&disk, visit)))?;
    let in_use = looked?.in_use;
    writeln!(
        out,
        "{:>6}{:>6}{:>12}{:>14}{:>12}{:>11}  oldest on its way",
        "from", "to", "sent", "acknowledged", "taken", "on the way"
    )?;
    for (state, _) in &shards {
        for (to, outbox) in state.channels().outboxes() {
            let receiver = shards.iter().map(|(state, _)| state).find(|state| state.shard() == to);
            let taken = receiver.map_or(0, |receiver| receiver.channels().taken_from(state.shard()));
            let oldest = outbox.after(taken).next().map(|waiting| waiting.at);
            let on_the_way = outbox.sent().saturating_sub(taken);
            line(state, to.0, [outbox.sent(), outbox.acknowledged(), taken, on_the_way], oldest, out)?;
        }
    }
    if in_use {
        writeln!(out, "... a server has this ledger open: its last second is not shown")?;
    }
    Ok(())
}

fn line(
    state: &ShardState,
    to: u16,
    [sent, acknowledged, taken, on_the_way]: [u64; 4],
    oldest: Option<At>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let from = state.shard();
    let oldest = oldest.map_or("-".to_owned(), show::time);
    writeln!(out, "{from:>6}{to:>6}{sent:>12}{acknowledged:>14}{taken:>12}{on_the_way:>11}  {oldest}")?;
    Ok(())
}
