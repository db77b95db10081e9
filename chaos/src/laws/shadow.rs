//! The shadow: a replica of every shard that applies blocks only once they are durable. What it does
//! not hold may not be spoken of (L3, L10); what it holds is never lost. Never reads live state.

use actors::shard_state::ShardState;
use ledger::block::{Block, Head, Header};
use ledger::ids::{RecordNumber, ShardId};
use ledger::law::Law;
use ledger::record::Record;

use super::{Verdict, Violation, chain};

/// Every shard as far as it is durable.
#[derive(Clone, Debug)]
pub struct Shadow {
    states: Vec<ShardState>,
    heads: Vec<Head>,
}

impl Shadow {
    /// Nothing is durable yet.
    pub fn new(shards: u16) -> Self {
        let states = (0..shards).map(|shard| ShardState::new(ShardId(shard))).collect();
        Self { states, heads: vec![Head::default(); usize::from(shards)] }
    }

    /// How many shards.
    pub fn shards(&self) -> u16 {
        u16::try_from(self.heads.len()).unwrap_or(u16::MAX)
    }

    /// The heads, by shard.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// The replicas, by shard.
    pub fn states(&self) -> &[ShardState] {
        &self.states
    }

    /// How many records of a shard are durable.
    pub fn durable(&self, shard: ShardId) -> u64 {
        self.heads[usize::from(shard.0)].next_record.0
    }

    /// L7: whether `block` is the next one.
    pub fn continues(&self, block: &Block<'_>) -> Verdict {
        let head = self.heads.get(usize::from(block.header.shard.0));
        let head = head.ok_or_else(|| Violation::new(Law::Chain, "a block of no shard of this ledger"))?;
        chain::continues(head, block)
    }

    /// Applies a record.
    pub fn apply(&mut self, shard: ShardId, number: u64, record: &Record) {
        self.states[usize::from(shard.0)].apply(RecordNumber(number), record);
    }

    /// All of a block is applied.
    pub fn moved(&mut self, header: &Header) {
        self.heads[usize::from(header.shard.0)] = header.head();
    }

    /// Follows the chain only, without applying, and checks that a block known before is the same
    /// as it was: `before` are the heads then.
    pub fn follow(&mut self, block: &Block<'_>, before: &[Head]) -> Verdict {
        self.continues(block)?;
        self.moved(&block.header);
        let before = before[usize::from(block.header.shard.0)];
        let head = block.header.head();
        if head.next_seq == before.next_seq && head != before {
            let what = format!("shard {} has another block {}", block.header.shard, block.header.seq);
            return Err(Violation::new(Law::DurableBeforeTold, what));
        }
        Ok(())
    }
}
