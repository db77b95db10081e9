//! The scripts of `chaos points`: one hold's life, and money that goes from shard to shard: transfers, a
//! sweep and a payout, an allowance. Where the next scene needs what the one before moved, it is asked
//! for all of it: money that was lost is missed, and money that was there twice is found.

use actors::address::Tag;
use actors::codes::Decline;
use actors::command::{AskedLine, AskedLines, Command};
use ledger::ids::{DeviceNumber, RequestId, ShardId};
use ledger::record::Tender;

use super::SHARDS;
use crate::world::fixture;
use crate::world::script::{DEVICE, Scene, Script};
use crate::world::tally::Row;

/// Device [`DEVICE`] sells for it; its home is in shard 0.
const VENDOR: u32 = 2;

/// Nobody says what happens.
pub fn crowd() -> Script {
    Script { name: "a crowd", ..Script::default() }
}

/// All that say what happens; `None` if a shard had no wristband.
pub fn all() -> Option<Vec<Script>> {
    [holds(), transfers(), payout(), allowance()].into_iter().collect()
}

/// The wristbands of a shard.
fn bands(shard: u16) -> impl Iterator<Item = Tag> {
    let keys = fixture::keys();
    let tags = (0..1_000).map(move |band| fixture::tag(&keys, band));
    tags.filter(move |tag| tag.number.as_wallet().shard(SHARDS) == ShardId(shard))
}

const fn cash(amount: i64) -> Command {
    Command::TopUp { tender: Tender::Cash, amount }
}

/// Of the two things that the device's till sells, so many.
fn sale(dear: u16, cheap: u16) -> Command {
    let line = |(item, quantity, unit_price): (u32, u16, u32)| AskedLine { item, quantity, unit_price };
    let lines = [(4, dear, 1_100), (5, cheap, 50)].into_iter().filter(|line| line.1 > 0);
    let lines: AskedLines = lines.map(line).collect();
    let amount = i64::from(dear) * 1_100 + i64::from(cheap) * 50;
    Command::Purchase { lines, amount, confirmed: true }
}

/// A transfer that arrives, one that comes back from where no wallet is, and one of what came back.
pub fn transfers() -> Option<Script> {
    let (payer, mut others) = (bands(0).next()?, bands(1));
    let (payee, nobody) = (others.next()?, others.next()?);
    let to = |payee: Tag| Command::Transfer { payee: payee.number.as_wallet(), amount: 1_500 };
    let scenes = vec![
        Scene::Ask(payer, 1, Command::Open),
        Scene::Ask(payer, 2, cash(3_000)),
        Scene::Ask(payee, 3, Command::Open),
        Scene::Ask(payer, 4, to(payee)),
        Scene::Rest,
        Scene::Ask(payer, 4, to(payee)),
        Scene::Ask(payer, 5, to(nobody)),
        Scene::Rest,
        Scene::Ask(payer, 5, to(nobody)),
        Scene::Ask(payer, 6, to(payee)),
        Scene::Rest,
        Scene::Ask(payee, 7, Command::Transfer { payee: payer.number.as_wallet(), amount: 3_000 }),
    ];
    let short = (Row::Declined(Decline::InsufficientFunds.number()), 0);
    Some(Script { name: "transfers", scenes, ends: vec![(Row::Taken, 5), (Row::Returned, 1), short] })
}

/// A sale in the shard that is not its vendor's, its sweep home, and a payout of all of it, once.
pub fn payout() -> Option<Script> {
    let (guest, office) = (bands(1).next()?, fixture::office(VENDOR)?);
    let mut scenes = vec![
        Scene::Ask(guest, 1, Command::Open),
        Scene::Ask(guest, 2, cash(2_000)),
        Scene::Ask(guest, 3, sale(1, 0)),
    ];
    // A process that is new sweeps within five seconds; after each power loss there is a new one.
    scenes.extend(std::iter::repeat_n([Scene::Pass(5), Scene::Rest], 4).flatten());
    scenes.extend([
        Scene::Ask(office, 4, Command::PayOut { amount: 1_100 }),
        Scene::Ask(office, 4, Command::PayOut { amount: 1_100 }),
        Scene::Ask(office, 5, Command::PayOut { amount: 1 }),
    ]);
    let ends = vec![(Row::Swept, 1), (Row::Taken, 1), (Row::Returned, 0), (Row::PaidOut, 1)];
    Some(Script { name: "a sweep and a payout", scenes, ends })
}

/// An allowance is set, a sale falls below its mark, and it is filled up.
pub fn allowance() -> Option<Script> {
    let (parent, kept) = (bands(0).next()?, bands(1).next()?);
    let child = kept.number.as_wallet();
    let set = Command::SetAllowance { child, target: 2_000, mark: 600 };
    let scenes = vec![
        Scene::Ask(parent, 1, Command::Open),
        Scene::Ask(parent, 2, cash(4_000)),
        Scene::Ask(kept, 3, Command::Open),
        Scene::Ask(parent, 4, set.clone()),
        Scene::Rest,
        Scene::Ask(parent, 4, set),
        // 550 are left.
        Scene::Ask(kept, 5, sale(1, 7)),
        Scene::Rest,
        Scene::Ask(kept, 5, sale(1, 7)),
        // 2,000 again, and 900 after it.
        Scene::Ask(kept, 6, sale(1, 0)),
        Scene::Ask(kept, 7, Command::Balance),
    ];
    let short = (Row::Declined(Decline::InsufficientFunds.number()), 0);
    let ends = vec![(Row::AllowanceAsked, 1), (Row::Returned, 0), (Row::AllowanceReturned, 0), short];
    Some(Script { name: "an allowance", scenes, ends })
}

/// One hold's life, in each of its four ways to end.
pub fn holds() -> Option<Script> {
    let (guest, device) = (bands(0).next()?, DeviceNumber::new(DEVICE)?);
    let hold = |amount, seconds| Command::Authorise { amount, seconds };
    let line = AskedLine { item: 4, quantity: 1, unit_price: 1_100 };
    let captured = |hold| Command::Capture { hold, lines: std::iter::once(line).collect(), amount: 1_100 };
    let scenes = vec![
        Scene::Ask(guest, 1, Command::Open),
        Scene::Ask(guest, 2, cash(fixture::TOP_UP_MAX)),
        Scene::Ask(guest, 3, hold(2_000, 3_600)),
        Scene::Ask(guest, 5, hold(500, 3_600)),
        Scene::Ask(guest, 7, hold(600, 5)),
        Scene::Ask(guest, 8, hold(700, 3_600)),
        Scene::Ask(guest, 8, Command::Cancel),
        Scene::Pass(4),
        Scene::Pass(2),
        Scene::Ask(guest, 4, captured(RequestId::of(device, 3)?)),
        Scene::Ask(guest, 6, Command::ReleaseHold { hold: RequestId::of(device, 5)? }),
        // Too late: time has given it back.
        Scene::Ask(guest, 9, captured(RequestId::of(device, 7)?)),
    ];
    Some(Script { name: "holds", scenes, ends: Vec::new() })
}
