//! Actors by address: each comes into being when it is first addressed by something that must be kept,
//! lies in the one shard that its number names, and is looked at by its number. Each test begins with
//! what a user would have lost.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::Command;
use engine::core::Core;
use ledger::ids::{ShardId, WalletNumber};
use ledger::journal::memory::{Door, Memory};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const SHARDS: u16 = 4;

fn number(band: u8) -> WalletNumber {
    keys().tag(&uid(band)).number.as_wallet()
}

/// Actors that came into being, over all shards.
fn alive(core: &Core<Door>) -> usize {
    (0..SHARDS).map(|shard| core.inspect(ShardId(shard)).unwrap().1.unwrap().wallets()).sum()
}

fn answer(core: &mut Core<Door>, request: actors::command::Request) -> Verdict {
    submit(core, [request]);
    settle(core, 1)[0].message.answer().verdict
}

#[test]
fn an_actor_is_activated_by_what_must_be_kept_and_by_nothing_else() {
    // Memory for every band that anybody holds against a reader; and a burned id forgotten, so that a
    // late copy of a request that was given up still took money.
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    let unknown = Verdict::Refused(Refusal::UnknownTag);
    assert_eq!(answer(&mut core, request(SELLER, 1, 1, Command::Balance)), unknown);
    assert_eq!(answer(&mut core, buy(1, 1, 1)), unknown);
    assert_eq!(answer(&mut core, request(SELLER, 1, 1, Command::Lookup)), Verdict::NeverSeen);
    assert_eq!(alive(&core), 0);
    let burned = answer(&mut core, request(SELLER, 1, 1, Command::Cancel));
    assert!(matches!(burned, Verdict::Applied(Outcome::Declined(_))), "{burned:?}");
    assert_eq!(alive(&core), 1);
    assert_eq!(answer(&mut core, open(1, 2)), APPLIED);
    assert_eq!(answer(&mut core, open(1, 2)), APPLIED);
    assert_eq!(alive(&core), 2);
}

#[test]
fn an_actor_is_inspected_by_its_number_in_the_shard_that_the_number_names() {
    // A wallet that nobody finds again, or two of it.
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    for band in 1..=40 {
        let counter = u64::from(band) * 2;
        assert_eq!(answer(&mut core, open(counter, band)), APPLIED);
        assert_eq!(answer(&mut core, top_up(counter + 1, band, 100 * i64::from(band))), APPLIED);
    }
    assert_eq!(alive(&core), 40);
    for band in 1..=40 {
        for shard in (0..SHARDS).map(ShardId) {
            let state = core.inspect(shard).unwrap().1.unwrap();
            let balance = state.balances(number(band)).map(|balances| balances.total());
            let lives_here = number(band).shard(SHARDS) == shard;
            assert_eq!(balance, lives_here.then_some(100 * i64::from(band)));
            assert_eq!(state.is_quarantined(number(band)), lives_here.then_some(false));
        }
    }
    assert_eq!(core.inspect(ShardId(SHARDS)).map(|(head, _)| head), None);
}
