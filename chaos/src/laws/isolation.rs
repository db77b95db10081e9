//! L13: a device acts only in its festival and its roles, as they are in the version that the record
//! names, and sees and moves only the wallet that the band it read is of. The first is judged from the
//! record alone, the second from who answered.

use actors::answer::Verdict as Says;
use actors::festival::Role;
use ledger::ids::WalletNumber;
use ledger::law::Law;
use ledger::record::{Body, Tender};

use super::{Release, Seen, Verdict, Violation};

/// A record of a request names a device that may do this, on an id of its own, at its own till.
pub fn record(seen: &Seen<'_>) -> Verdict {
    let envelope = &seen.record.envelope;
    let Some(id) = envelope.request else { return Ok(()) };
    let broken = |what: &str| {
        let place = format!("shard {} record {}", seen.shard, seen.number);
        Err(Violation::new(Law::Isolation, format!("{place}: {what}: {:?}", seen.record)))
    };
    if envelope.device.is_some() && envelope.device != id.device() {
        return broken("acts on another device's id");
    }
    let Some(festival) = seen.festival else { return broken("names no configuration") };
    let Some(device) = id.device().and_then(|device| festival.device(device)) else {
        return broken("the device is not enrolled");
    };
    if device.revoked {
        return broken("the device was revoked");
    }
    let role = match &seen.record.body {
        Body::TagSet { .. } if envelope.operator.is_none() => return broken("no operator is named"),
        Body::TagSet { .. } if device.roles.has(Role::Supervise) => Role::Supervise,
        Body::WalletOpened { .. } | Body::TagPaired { .. } | Body::TagSet { .. } => Role::Pair,
        Body::ToppedUp { tender: Tender::Cash, .. }
        | Body::TransferSent { .. }
        | Body::AllowanceSet { .. } => Role::TopUp,
        Body::ToppedUp { tender: Tender::Bonus, .. } => Role::Supervise,
        Body::Purchased { .. } | Body::Held { .. } | Body::Captured { .. } | Body::HoldReleased { .. } => {
            Role::Sell
        }
        Body::Voided { .. } => Role::Refund,
        Body::PaidOut { .. } | Body::ConfigurationStaged { .. } | Body::ConfigurationAdopted { .. } => {
            Role::Administer
        }
        _ => return Ok(()),
    };
    if !device.roles.has(role) {
        return broken("the device lacks the role");
    }
    match envelope.till {
        Some(till) if till != device.till => broken("the device stands at another till"),
        None if matches!(role, Role::Sell) || matches!(seen.record.body, Body::ToppedUp { .. }) => {
            broken("no till is named")
        }
        _ => Ok(()),
    }
}

/// What shows or changes a wallet comes from the band itself or from the wallet that took it.
pub fn released(release: &Release<'_>) -> Verdict {
    let answer = release.message.answer();
    let shows = matches!(answer.verdict, Says::Applied(_) | Says::Declined(_) | Says::Balance);
    let request = &release.waiting.request;
    let owner = release.book.owner(request.tag.number.get()).and_then(WalletNumber::new);
    let mut actors = owner.into_iter().chain([request.tag.number.as_wallet()]);
    if !shows || actors.any(|actor| release.book.shard_of_actor(actor) == answer.shard) {
        return Ok(());
    }
    let what = format!("{answer:?} comes from a wallet that the band is not of: {request:?}");
    Err(Violation::new(Law::Isolation, what))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use actors::answer::Answer;
    use actors::command::Command;
    use engine::job::{Message, Mono};
    use ledger::ids::{At, RecordNumber, ShardId};

    use super::*;
    use crate::laws::book::Book;
    use crate::laws::{Violation, Waiting};
    use crate::world::fixture;

    #[test]
    fn a_balance_comes_from_the_shard_of_the_band_or_of_its_wallet() {
        // A stranger's band showed a guest's balance, on the word of an entry that was wrong.
        let keys = fixture::keys();
        let request = fixture::request(&keys, 1, 1, fixture::tag(&keys, 1), Command::Balance).unwrap();
        let book = Book::new(Arc::new(fixture::festival(true).unwrap()), 4);
        let home = book.shard_of(&request);
        let told = |shard| {
            let waiting = Waiting {
                request: Rc::new(request.clone()),
                from: Rc::new([]),
                deadline: None,
                retry: false,
            };
            let answer = Answer {
                id: request.id,
                command: request.command.number(),
                verdict: Says::Balance,
                shard,
                record: RecordNumber(0),
                balance: 500,
            };
            let message = Message::Answer(answer);
            let (waiting, message, book) = (&waiting, &message, &book);
            let (now, at) = (Mono(0), At(0));
            released(&Release {
                waiting,
                message,
                from: 0,
                since: at,
                durable: 0,
                now,
                book,
                poisoned: &std::collections::BTreeMap::new(),
                latest: at,
                stopped: false,
            })
        };
        assert_eq!(told(home), Ok(()));
        let other = told(ShardId((home.0 + 1) % 4));
        assert_eq!(other.map_err(|Violation { law, .. }| law), Err(Law::Isolation));
    }
}
