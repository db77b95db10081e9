//! Limits (L12), foreign shards, full disk, and what is left after a restart (L6).

mod support;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::Command;
use engine::limits::ACTOR_JOBS;
use ledger::ids::ShardId;
use ledger::journal::memory::Memory;
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

#[test]
fn one_wallet_cannot_fill_the_mailbox_of_all() {
    // A broken terminal hammering one band kept every other customer of the shard waiting.
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    let hammer = (1..=ACTOR_JOBS as u64 + 3).map(|counter| open(counter, 1));
    submit(&mut core, hammer.chain([open(1_000, 2)]));
    let busy =
        core.ready().iter().filter(|told| told.message.answer().verdict == Verdict::Refused(Refusal::Busy));
    assert_eq!(busy.count(), 3);
    core.ready().clear();
    let told = settle(&mut core, 1);
    assert_eq!(told.len(), ACTOR_JOBS + 1);
    assert_eq!(told.last().unwrap().message.answer().verdict, APPLIED);
}

#[test]
fn a_full_disk_refuses_what_needs_a_record_and_goes_on_reading() {
    // Sales applied in memory that no disk had room for.
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1), top_up(2, 1, 1_000)]);
    settle(&mut core, 1);
    memory.set_room(Some(100_000));
    submit(&mut core, [buy(1, 1, 1), request(SELLER, 2, 1, Command::Balance), top_up(2, 1, 1_000)]);
    let told = settle(&mut core, 2);
    let verdicts: Vec<_> = told.iter().map(|told| told.message.answer().verdict).collect();
    assert_eq!(verdicts, [Verdict::Refused(Refusal::Busy), Verdict::Balance, APPLIED]);
    memory.set_room(None);
    submit(&mut core, [buy(1, 1, 1)]);
    assert_eq!(settle(&mut core, 3)[0].message.answer().verdict, APPLIED);
}

#[test]
fn a_wallet_of_another_core_is_reached_through_it() {
    // A terminal told "unknown band" because its connection landed on the wrong thread.
    let memory = Memory::new();
    found(&memory, 4);
    let mut cores = cores(&memory, 2);
    let bands = 1..=40_u8;
    let requests = bands.clone().flat_map(|band| {
        let counter = u64::from(band) * 2;
        [open(counter, band), top_up(counter + 1, band, 1_000)]
    });
    submit(&mut cores[0], requests);
    let mut told = Vec::new();
    for at in 1..20 {
        for core in &mut cores {
            core.turn(clock(at));
        }
        told.append(cores[0].ready());
        assert!(cores[1].ready().is_empty());
    }
    assert_eq!(told.len(), 80);
    assert!(told.iter().all(|told| told.message.answer().verdict == APPLIED));
    let mut tokens: Vec<_> = told.iter().map(|told| told.reply.token).collect();
    tokens.sort_unstable();
    assert!(tokens.into_iter().eq(0..80));
    let shards: std::collections::BTreeSet<_> = told.iter().map(|told| told.message.answer().shard).collect();
    assert_eq!(shards.len(), 4);
}

#[test]
fn what_is_recovered_is_what_was_live() {
    // Balances that changed over a restart.
    let memory = Memory::new();
    found(&memory, 3);
    let mut core = cores(&memory, 1).remove(0);
    for band in 1..=30 {
        let counter = u64::from(band) * 10;
        submit(&mut core, [open(counter, band), top_up(counter + 1, band, 1_000), buy(counter, band, 1)]);
        settle(&mut core, counter);
        submit(&mut core, [request(SELLER, counter, band, Command::Cancel), buy(counter + 1, band, 1)]);
        settle(&mut core, counter + 1);
    }
    let live: Vec<_> =
        (0..3).map(|shard| core.inspect(ShardId(shard)).unwrap().1.unwrap().digest()).collect();
    let read = |visit: &mut engine::recovery::Visit<'_>| {
        ledger::journal::Replay::replay(&memory, None, visit).map_err(engine::recovery::RecoveryError::Replay)
    };
    let (_, recovered) = engine::recovery::recover(2, read).unwrap();
    let replayed: Vec<_> = recovered.iter().map(|(state, _)| state.digest()).collect();
    assert_eq!(live, replayed);
    let (state, _) = engine::recovery::rebuild(&memory, ShardId(1)).unwrap();
    assert_eq!(state.digest(), live[1]);
}
