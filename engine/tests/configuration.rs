//! A configuration that changes while the shards decide: every shard adopts it by its own record, at
//! any crash, and none ever decides by an older one than it already used. Each test begins with what
//! a user would have lost.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Decline, Outcome, Refusal};
use actors::festival::{Festival, Lists, Settings, Standing};
use actors::shard_state::ShardState;
use engine::core::Core;
use engine::limits::RESEND_MICROS;
use ledger::account::AccountKind;
use ledger::ids::{ShardId, Version};
use ledger::journal::memory::{Door, Memory};
use support::*;

const SHARDS: u16 = 4;
const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

/// Version `number`, in which something differs; with so many devices that it has several parts.
fn changed(number: u32, change: impl FnOnce(&mut Settings, &mut Lists)) -> Festival {
    let (mut settings, mut lists) = parts();
    settings.version = Version::new(number).unwrap();
    let device = lists.devices[0];
    lists.devices.extend((0..3_000).map(|index| {
        let number = ledger::ids::DeviceNumber::new(1_000 + index).unwrap();
        actors::festival::Device { number, ..device }
    }));
    change(&mut settings, &mut lists);
    Festival::new(settings, lists).unwrap()
}

fn versions(cores: &[Core<Door>]) -> Vec<u32> {
    let state = |shard| cores.iter().find_map(|core| core.inspect(ShardId(shard))?.1);
    let version = |state: &ShardState| state.adopted().map_or(0, |adopted| adopted.version.get());
    (0..SHARDS).filter_map(state).map(version).collect()
}

fn in_force(cores: &[Core<Door>]) -> Option<u32> {
    cores.iter().filter_map(Core::in_force).map(|(version, _)| version.get()).min()
}

#[test]
fn a_change_made_at_the_office_is_in_force_in_every_shard() {
    // The bar was stopped, and half of the bands went on paying for it.
    for loops in [1, 2] {
        let memory = Memory::new();
        found(&memory, SHARDS);
        let mut cores = cores(&memory, loops);
        let second = changed(2, |_, lists| lists.vendors[0].stopped = true);
        let requests = application(1, &second);
        let count = requests.len();
        submit(&mut cores[0], requests);
        let mut told = Vec::new();
        for at in 1..60 {
            for core in &mut cores {
                core.turn(clock(at));
                told.append(core.ready());
            }
        }
        assert_eq!(told.len(), count);
        assert!(told.iter().all(|told| told.message.answer().verdict == APPLIED));
        assert_eq!((versions(&cores), in_force(&cores)), (vec![2; 4], Some(2)), "{loops} loops");
        let festival = cores[0].in_force().and_then(|(_, festival)| festival);
        assert_eq!(festival.as_deref(), Some(&second));
        let bands: Vec<u8> = (1..=8).collect();
        let opened = bands.iter().zip(100..).map(|(band, counter)| open(counter, *band));
        submit(&mut cores[0], opened);
        let sales = bands.iter().zip(1..).map(|(band, counter)| buy(counter, *band, 1));
        submit(&mut cores[0], sales);
        let mut stopped = 0;
        for at in 60..120 {
            for core in &mut cores {
                core.turn(clock(at));
                let no = Verdict::Declined(Decline::VendorStopped);
                stopped += core.ready().drain(..).filter(|told| told.message.answer().verdict == no).count();
            }
        }
        assert_eq!(stopped, bands.len());
    }
}

#[test]
fn shards_of_one_loop_hold_a_festival_once() {
    // Thirty-two copies of a large festival at each change: the machine ran out of memory at night.
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, application(1, &changed(2, |_, _| {})));
    settle(&mut core, 1);
    let held = |shard| core.inspect(ShardId(shard)).unwrap().1.unwrap().adopted().unwrap().festival.clone();
    let first = held(0);
    assert!((1..SHARDS).all(|shard| std::sync::Arc::ptr_eq(&first, &held(shard))));
}

#[test]
fn a_change_reaches_every_shard_wherever_the_server_stopped_and_never_goes_back() {
    // The server stopped in the middle of a change: one shard went on at yesterday's prices for ever.
    let second = changed(2, |settings, _| settings.transfers = false);
    let mut apart = 0;
    for turns in 0..40 {
        let memory = Memory::manual();
        found(&memory, SHARDS);
        let mut core = cores(&memory, 1).remove(0);
        let requests = application(1, &second);
        let order = requests.len() as u64 - 1;
        submit(&mut core, requests);
        for at in 0..turns {
            core.turn(clock(at));
            memory.confirm(1);
        }
        memory.die(0, "pulled plug");
        core.turn(clock(turns));
        let acknowledged = core
            .ready()
            .drain(..)
            .any(|told| told.reply.token == order && told.message.answer().verdict == APPLIED);
        drop(core);
        let reopened = memory.reopen();
        let mut core = cores(&reopened, 1).remove(0);
        let before = versions(std::slice::from_ref(&core));
        assert!(!acknowledged || before.contains(&2), "an acknowledged change was lost");
        apart += u32::from(before.contains(&1) && before.contains(&2));
        for round in 0..6 {
            reopened_turns(&mut core, &reopened, 100 + round * RESEND_MICROS);
            let now = versions(std::slice::from_ref(&core));
            assert!(now.iter().zip(&before).all(|(now, before)| now >= before), "{before:?} to {now:?}");
        }
        let now = versions(std::slice::from_ref(&core));
        let adopted = before.contains(&2);
        assert_eq!(now, vec![if adopted { 2 } else { 1 }; 4], "stopped after {turns} turns");
        // Sent again under the same ids it is done, whatever had been done before.
        submit(&mut core, application(1, &second));
        for round in 6..12 {
            reopened_turns(&mut core, &reopened, 100 + round * RESEND_MICROS);
        }
        assert_eq!(in_force(std::slice::from_ref(&core)), Some(2), "stopped after {turns} turns");
    }
    assert!(apart > 0, "no stop came between two shards' adoptions");
}

fn reopened_turns(core: &mut Core<Door>, memory: &Memory, at: u64) {
    for _ in 0..40 {
        core.turn(clock(at));
        memory.confirm(usize::from(SHARDS));
    }
}

#[test]
fn what_is_not_stored_everywhere_is_not_called_in_force() {
    // Terminals were told of new prices that a shard, after a crash, did not know.
    let memory = Memory::manual();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    for at in 0..20 {
        core.turn(clock(at));
        memory.confirm(usize::from(SHARDS));
    }
    submit(&mut core, application(1, &changed(2, |_, _| {})));
    for at in 20..200 {
        core.turn(clock(at));
        // All but the last shard's blocks are stored.
        for shard in 0..SHARDS - 1 {
            memory.confirm_shard(ShardId(shard));
        }
    }
    assert_eq!(versions(std::slice::from_ref(&core))[..3], [2, 2, 2]);
    assert_eq!(in_force(std::slice::from_ref(&core)), Some(1));
    for at in 200..400 {
        core.turn(clock(at));
        memory.confirm(usize::from(SHARDS));
    }
    assert_eq!(in_force(std::slice::from_ref(&core)), Some(2));
}

#[test]
fn a_revoked_device_is_refused_by_every_shard() {
    // A stolen terminal went on giving money away over its open connection.
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, (1..=8).map(|band| open(u64::from(band), band)));
    settle(&mut core, 1);
    submit(&mut core, application(1, &changed(2, |_, lists| lists.devices[1].revoked = true)));
    settle(&mut core, 2);
    submit(&mut core, (1..=8).map(|band| top_up(100 + u64::from(band), band, 500)));
    let told = settle(&mut core, 3);
    assert_eq!(told.len(), 8);
    let refused = Verdict::Refused(Refusal::DeviceRevoked);
    assert!(told.iter().all(|told| told.message.answer().verdict == refused));
}

#[test]
fn a_closed_festival_brings_its_vendors_money_home_at_once() {
    // The accounts of the last evening lacked what was still lying in the shards.
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1), top_up(2, 1, 5_000), buy(1, 1, 2)]);
    settle(&mut core, 1);
    submit(&mut core, application(1, &changed(2, |settings, _| settings.standing = Standing::Closed)));
    settle(&mut core, 2);
    // A tick of the engine's own, not a minute.
    for round in 1..4 {
        settle(&mut core, round * 60_000);
    }
    let cores = [core];
    let states = (0..SHARDS).filter_map(|shard| cores[0].inspect(ShardId(shard))?.1);
    let home: i64 = states
        .flat_map(ShardState::stripes)
        .filter(|(account, _)| account.kind == AccountKind::VendorHome)
        .map(|(_, minor)| minor)
        .sum();
    assert_eq!(home, -2 * BEER);
}
