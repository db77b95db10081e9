//! L9: what happens to one wallet is one line of history. Every record must be what the model makes
//! of its request, by the version that it names, on the state left by the records before it; it lies behind everything that was
//! durable when the request was first handed over; ledger time never falls within a shard.

use std::collections::BTreeMap;

use actors::codes::Decline;
use actors::command::Request;
use ledger::ids::{At, ShardId};
use ledger::law::Law;

use super::book::Said;
use super::{Asked, Seen, Verdict, Violation, rules};

/// Ledger time by shard.
#[derive(Clone, Debug, Default)]
pub struct Order {
    last_at: BTreeMap<u16, At>,
}

impl Order {
    /// Ledger time of the last record of a shard.
    pub fn last_at(&self, shard: ShardId) -> At {
        self.last_at.get(&shard.0).copied().unwrap_or(At(i64::MIN))
    }

    /// The next record of a shard.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        let last = self.last_at.entry(seen.shard.0).or_insert(At(i64::MIN));
        if seen.record.at < *last {
            return broken(seen, &format!("ledger time fell from {last:?}"));
        }
        *last = seen.record.at;
        if seen.record.envelope.request.is_none() {
            return Ok(());
        }
        let mut verdict = broken(seen, "nobody asked for this");
        for asked in seen.asked {
            let Some(request) = seen.book.as_decided(&asked.request, seen.record) else { continue };
            verdict = decided(seen, asked, &request);
            if verdict.is_ok() {
                return Ok(());
            }
        }
        verdict
    }
}

/// Whether the record is what the model decides about `request` at this place.
fn decided(seen: &Seen<'_>, asked: &Asked, request: &Request) -> Verdict {
    let from = asked.from[usize::from(seen.shard.0)].records;
    if seen.number < from {
        return broken(seen, &format!("stands before record {from}, where it was asked for"));
    }
    match seen.book.say_by(seen.festival, request, seen.number, seen.record.at) {
        Said::Record(expected) => {
            let decline = seen.record.decline.and_then(Decline::from_record);
            let moves = rules::moves(seen.record);
            if (decline, &moves) == (expected.decline, &expected.moves) {
                return Ok(());
            }
            broken(seen, &format!("the history before it gives {expected:?}"))
        }
        said => broken(seen, &format!("the history before it gives no record but {said:?}")),
    }
}

fn broken(seen: &Seen<'_>, what: &str) -> Verdict {
    let place = format!("shard {} record {}", seen.shard, seen.number);
    Err(Violation::new(Law::Order, format!("{place}: {what}: {:?}", seen.record)))
}
