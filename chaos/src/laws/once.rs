//! L4: a request takes effect at most once on its wallet, only if somebody asked for it, and every
//! answer to it is the first one byte for byte; after a cancel `cancelled`, for ever.

use std::collections::BTreeMap;

use actors::answer::{Answer, Verdict as Says};
use actors::codes::Decline;
use ledger::law::Law;

use super::{Release, Seen, Verdict, Violation, is_cancel};

/// First answers by band and id.
#[derive(Clone, Debug, Default)]
pub struct Once(BTreeMap<(u64, u64), First>);

#[derive(Clone, Copy, Debug, Default)]
struct First {
    /// To the request itself or a look-up of it.
    answer: Option<Answer>,
    /// To the same, once it was taken back.
    cancelled: Option<Answer>,
    /// To cancels of it.
    cancel: Option<Answer>,
}

/// A record of a request: somebody asked for exactly that, and the id is new to its wallet.
pub fn record(seen: &Seen<'_>) -> Verdict {
    let Some(id) = seen.record.envelope.request else { return Ok(()) };
    let broken = |what: &str| {
        let place = format!("shard {} record {} of {id}", seen.shard, seen.number);
        Err(Violation::new(Law::ExactlyOnce, format!("{place}: {what}: {:?}", seen.record.body)))
    };
    let mut decided = seen.asked.iter().filter_map(|asked| seen.book.as_decided(&asked.request, seen.record));
    let Some(decided) = decided.next() else {
        return broken("nobody asked for this");
    };
    let known = seen.book.known(&decided, seen.number);
    match (known, is_cancel(&decided)) {
        (Some(_), false) => broken("takes effect once more"),
        (Some(known), true) if known.stands.is_some() => broken("was told that it stands"),
        _ => Ok(()),
    }
}

impl Once {
    /// An answer leaves.
    pub fn released(&mut self, release: &Release<'_>) -> Verdict {
        let answer = *release.message.answer();
        if !matches!(answer.verdict, Says::Applied(_) | Says::Declined(_)) {
            return Ok(());
        }
        let request = &release.waiting.request;
        let first = self.0.entry((request.tag.number.get(), request.id.get())).or_default();
        let slot = if is_cancel(request) {
            &mut first.cancel
        } else if answer.verdict == Says::Declined(Decline::Cancelled) {
            &mut first.cancelled
        } else {
            &mut first.answer
        };
        // A look-up says the same under its own command number.
        let answer = Answer { command: 0, ..answer };
        match slot {
            Some(earlier) if *earlier != answer => {
                let what = format!("{answer:?} after {earlier:?} to {request:?}");
                Err(Violation::new(Law::ExactlyOnce, what))
            }
            _ => {
                *slot = Some(answer);
                Ok(())
            }
        }
    }
}
