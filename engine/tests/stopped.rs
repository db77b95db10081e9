//! A record that this build cannot read back stops its own shard: the commands of that one are refused, its
//! neighbours sell on, what is meant for it waits, and a mended build goes on where it was. Runs in a build
//! with the `mutants` feature, where a record can be poisoned for its reading back.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::{Command, Request};
use actors::festival::Festival;
use engine::core::Core;
use engine::limits::{RESEND_MICROS, SWEEP_MICROS};
use engine::recovery::{self, Found, RecoveryError, Stopped};
use ledger::ids::{DeviceNumber, ShardId, Version};
use ledger::journal::Replay as _;
use ledger::journal::memory::{Door, Memory};
use ledger::mutant::{POISON_APPLY, POISON_REPLAY, mend};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const INTERNAL: Verdict = Verdict::Refused(Refusal::Internal);
const SHARDS: u16 = 4;

/// Whether the build is mended is said to the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    mend(false);
    alone
}

fn with_poison(request: Request, poison: u32) -> Request {
    Request { tag_counter: NonZeroU32::new(poison), ..request }
}

fn shard_of(band: u8) -> ShardId {
    keys().tag(&uid(band)).number.as_wallet().shard(SHARDS)
}

/// A band in each shard.
fn bands() -> [u8; SHARDS as usize] {
    std::array::from_fn(|shard| (1..=250).find(|band| usize::from(shard_of(*band).0) == shard).unwrap())
}

/// The shard that is to stop: neither the festival's office nor the bar's home lies there.
const BROKEN: usize = 3;

/// Every band holds 50.00 but for a beer; the sale of the broken shard's cannot be read back.
fn sold() -> (Memory, Core<Door>) {
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    for (counter, band) in (1..).step_by(2).zip(bands()) {
        submit(&mut core, [open(counter, band), top_up(counter + 1, band, 5_000)]);
        settle(&mut core, 1);
    }
    assert_eq!(told(&mut core, 2, sales(1)), [APPLIED; 4]);
    (memory, core)
}

/// A beer for each band, with these counters of the bar.
fn sales(first: u64) -> Vec<Request> {
    let sale = |(counter, (at, band))| {
        let poison = if at == BROKEN && first == 1 { POISON_REPLAY } else { 0 };
        with_poison(buy(counter, band, 1), poison)
    };
    (first..).zip(bands().into_iter().enumerate()).map(sale).collect()
}

/// What came of `requests`, in their order.
fn told(core: &mut Core<Door>, at: u64, requests: Vec<Request>) -> Vec<Verdict> {
    let count = requests.len();
    submit(core, requests);
    let mut told = settle(core, at);
    told.sort_by_key(|told| told.reply.token);
    assert_eq!(told.len(), count);
    told.iter().map(|told| told.message.answer().verdict).collect()
}

fn restarted(memory: &Memory) -> Core<Door> {
    cores(memory, 1).remove(0)
}

/// The running core after the shard's state was dropped and could not be rebuilt.
fn broken(memory: &Memory, mut core: Core<Door>) -> Core<Door> {
    let poisoned = with_poison(buy(20, bands()[BROKEN], 1), POISON_APPLY);
    assert_eq!(told(&mut core, 3, vec![poisoned]), [INTERNAL]);
    assert_eq!(core.take_rebuilds(), [ShardId(3)]);
    let Err(RecoveryError::Stopped(stopped)) = recovery::rebuild(memory, ShardId(3)) else {
        panic!("it came back")
    };
    assert_eq!(told(&mut core, 4, sales(11))[BROKEN], Verdict::Refused(Refusal::Busy));
    core.stop(stopped);
    core
}

fn balance(core: &Core<Door>, band: u8) -> Option<i64> {
    let (_, state) = core.inspect(shard_of(band)).unwrap();
    Some(state?.balances(keys().tag(&uid(band)).number.as_wallet())?.total())
}

/// Rounds enough for whatever lies between shards to arrive.
fn rounds(core: &mut Core<Door>, from: u64) {
    for round in 0..6 {
        settle(core, from + round * RESEND_MICROS);
    }
}

fn recovered(memory: &Memory) -> Vec<Found> {
    recovery::recover_each(1, |visit| memory.replay(None, visit).map_err(RecoveryError::from)).unwrap().1
}

#[test]
fn a_record_that_cannot_be_read_back_stops_its_shard_and_no_other() {
    // One record of millions, and after the restart no bar of the festival sold anything.
    let _alone = alone();
    let (memory, _) = sold();
    let mut core = restarted(&memory);
    let stopped: Vec<Stopped> = core.stopped().collect();
    assert_eq!((stopped.len(), stopped[0].shard), (1, ShardId(3)));
    assert!(core.inspect(ShardId(3)).unwrap().1.is_none());
    assert_eq!(told(&mut core, 3, sales(11)), [APPLIED, APPLIED, APPLIED, INTERNAL]);
    assert_eq!((core.counters().stopped, core.counters().refusals(Refusal::Internal)), (1, 1));
    assert!(core.take_rebuilds().is_empty());
    // Nothing of it keeps the loop awake.
    let turn = core.turn(clock(4));
    assert!(!turn.more && !turn.in_flight && !turn.dead);
}

#[test]
fn a_mended_build_goes_on_where_the_shard_stopped() {
    // What the stopped shard's bands had, and what friends sent them meanwhile.
    let _alone = alone();
    let (memory, _) = sold();
    let mut core = restarted(&memory);
    let [payer, .., payee] = bands();
    let to = keys().tag(&uid(payee)).number.as_wallet();
    let transfer = request(DESK, 30, payer, Command::Transfer { payee: to, amount: 1_000 });
    assert_eq!(told(&mut core, 3, vec![transfer.clone()]), [APPLIED]);
    rounds(&mut core, 4);
    assert_eq!(balance(&core, payer), Some(4_000 - BEER));
    mend(true);
    let mut core = restarted(&memory);
    assert_eq!(core.stopped().count(), 0);
    rounds(&mut core, 5_000_000);
    assert_eq!((balance(&core, payer), balance(&core, payee)), (Some(4_000 - BEER), Some(6_000 - BEER)));
    // Every retry gets its first answer.
    assert_eq!(told(&mut core, 9_000_000, sales(1)), [APPLIED; 4]);
    assert_eq!(told(&mut core, 9_000_000, vec![transfer]), [APPLIED]);
    assert_eq!((balance(&core, payer), balance(&core, payee)), (Some(4_000 - BEER), Some(6_000 - BEER)));
}

#[test]
fn a_shard_that_cannot_be_rebuilt_stops_while_the_others_serve() {
    // A rebuild that failed ended the loops, the journal and every connection, five times, and then the
    // process.
    let _alone = alone();
    let (memory, core) = sold();
    let mut core = broken(&memory, core);
    assert_eq!(core.stopped().map(|stopped| stopped.shard).collect::<Vec<_>>(), [ShardId(3)]);
    assert_eq!(told(&mut core, 5, sales(21)), [APPLIED, APPLIED, APPLIED, INTERNAL]);
    // Sweeps, timers and letters pass it by.
    for round in 1..=4 {
        settle(&mut core, round * SWEEP_MICROS);
    }
    assert!(core.counters().swept > 0 && core.take_rebuilds().is_empty());
    mend(true);
    let core = restarted(&memory);
    assert_eq!(balance(&core, bands()[BROKEN]), Some(5_000 - BEER));
}

#[test]
fn a_new_configuration_is_in_force_although_a_shard_stopped() {
    // A bar that was stopped went on selling: one shard that served nobody held the others back.
    let _alone = alone();
    for at_the_start in [true, false] {
        mend(false);
        let (memory, running) = sold();
        let mut core = if at_the_start { restarted(&memory) } else { broken(&memory, running) };
        assert_eq!(core.stopped().count(), 1);
        let (mut settings, lists) = parts();
        settings.version = Version::new(2).unwrap();
        let second = Festival::new(settings, lists).unwrap();
        let applied = told(&mut core, 3, application(1, &second));
        assert!(applied.iter().all(|verdict| *verdict == APPLIED));
        rounds(&mut core, 4);
        assert_eq!(core.in_force().map(|(version, _)| version.get()), Some(2));
        mend(true);
        let mut core = restarted(&memory);
        assert_eq!(core.in_force().map(|(version, _)| version.get()), Some(1));
        rounds(&mut core, 5_000_000);
        assert_eq!(core.in_force().map(|(version, _)| version.get()), Some(2));
    }
}

#[test]
fn counters_behind_the_record_are_known_to_whoever_welcomes_a_device() {
    // A terminal that lost its memory began again with ids that the stopped shard holds: after the mending
    // its sales were taken for copies, and the beers were free.
    let _alone = alone();
    let (memory, mut core) = sold();
    assert_eq!(told(&mut core, 3, vec![buy(99, bands()[BROKEN], 1)]), [APPLIED]);
    let (whole, remains) = recovery::parted(recovered(&memory));
    assert_eq!((whole.len(), remains.len()), (3, 1));
    assert_eq!(remains[0].highest.get(&DeviceNumber::new(SELLER).unwrap()), Some(&99));
    assert_eq!(remains[0].highest.get(&DeviceNumber::new(DESK).unwrap()), Some(&8));
    assert_eq!(remains[0].epoch.0, 1);
}

#[test]
fn damage_behind_the_record_still_stops_the_start() {
    // A log with a hole in it, served on as if it were whole.
    let _alone = alone();
    let (memory, mut core) = sold();
    for counter in 50..53 {
        assert_eq!(told(&mut core, 3, vec![buy(counter, bands()[BROKEN], 1)]), [APPLIED]);
    }
    let last = core.inspect(ShardId(3)).unwrap().0.next_seq - 1;
    let with_hole = recovery::recover_each(1, |visit| {
        let mut holed = |block: ledger::block::Block<'_>| {
            let hole = (block.header.shard, block.header.seq) == (ShardId(3), last - 1);
            if hole { Ok(()) } else { visit(block) }
        };
        memory.replay(None, &mut holed).map_err(RecoveryError::from)
    });
    let error = with_hole.err().unwrap().to_string();
    assert!(error.contains(&format!("shard 3 block {last}")), "{error}");
}
