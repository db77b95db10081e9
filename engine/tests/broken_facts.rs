//! What nobody asked for and makes this build panic: a timer, the telling of a configuration, the first turn
//! of a start. Runs in a build with the `mutants` feature, where writing a record can be made to panic.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::Command;
use actors::festival::Festival;
use engine::core::Core;
use engine::limits::PANICS_TO_QUARANTINE;
use ledger::ids::{FestivalId, Office, ShardId, Version, WalletNumber};
use ledger::journal::memory::{Door, Memory};
use ledger::mutant::{Point, Strike, arm, is_armed};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const SECOND: u64 = 1_000_000;

fn wallet(band: u8) -> WalletNumber {
    keys().tag(&uid(band)).number.as_wallet()
}

fn verdicts(core: &mut Core<Door>, at: u64) -> Vec<Verdict> {
    let mut told = settle(core, at);
    told.sort_by_key(|told| told.reply.token);
    told.iter().map(|told| told.message.answer().verdict).collect()
}

#[test]
fn a_timer_that_breaks_its_shard_three_times_is_passed_over_and_counted() {
    // One deposit that tripped a defect when it came back: its shard was rebuilt twenty times a second, its
    // guests heard "busy" all night, and no alarm said why.
    let _alone = alone();
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1), top_up(2, 1, 5_000), open(3, 2), top_up(4, 2, 5_000)]);
    settle(&mut core, 1);
    submit(&mut core, [request(SELLER, 1, 1, Command::Authorise { amount: 2_000, seconds: 60 })]);
    settle(&mut core, 2);
    let mut at = 61 * SECOND;
    for _ in 0..PANICS_TO_QUARANTINE {
        arm(Point::Append, Strike::Panic);
        settle(&mut core, at);
        assert!(!is_armed());
        assert_eq!(rebuild(&mut core, &memory), 1);
        at += SECOND;
    }
    for _ in 0..10 {
        settle(&mut core, at);
        at += SECOND;
    }
    let state = core.inspect(ShardId(0)).unwrap().1.unwrap();
    assert_eq!(state.held(wallet(1)), 2_000);
    assert_eq!((core.take_rebuilds().len(), core.counters().given_up), (0, 1));
    // Whose deposit it is may buy on.
    submit(&mut core, [buy(2, 2, 1), buy(3, 1, 1)]);
    assert_eq!(verdicts(&mut core, at), [APPLIED; 2]);

    // A mended build gives the deposit back.
    let mut core = cores(&memory, 1).remove(0);
    settle(&mut core, at);
    settle(&mut core, at + SECOND);
    let state = core.inspect(ShardId(0)).unwrap().1.unwrap();
    assert_eq!((state.held(wallet(1)), core.counters().timers), (0, 1));
    check_audit(&memory);
}

#[test]
fn a_version_that_cannot_be_told_does_not_keep_its_shard_away() {
    // An organiser stopped a vendor, and every band of one shard was told to come back until the next build.
    let _alone = alone();
    let memory = Memory::new();
    found(&memory, 4);
    let mut core = cores(&memory, 1).remove(0);
    settle(&mut core, 1);
    let office = Office::Festival(FestivalId(1)).number().shard(4);
    let near = (1..=250).find(|band| wallet(*band).shard(4) == office).unwrap();
    let (mut settings, lists) = parts();
    settings.version = Version::new(2).unwrap();
    submit(&mut core, application(1, &Festival::new(settings, lists).unwrap()));
    let before = core.counters().records;
    while core.counters().records == before {
        core.turn(clock(2));
    }
    for round in 0..PANICS_TO_QUARANTINE {
        arm(Point::Append, Strike::Panic);
        settle(&mut core, 3);
        assert!(!is_armed(), "round {round}");
        assert_eq!(rebuild(&mut core, &memory), 1);
    }
    for round in 0..10 {
        settle(&mut core, 3 + round * SECOND);
    }
    assert!(core.take_rebuilds().is_empty());
    assert_eq!((core.counters().spread, core.counters().given_up), (0, 1));
    submit(&mut core, [open(100, near)]);
    assert_eq!(verdicts(&mut core, 20 * SECOND), [APPLIED]);
    // The next version is adopted at its office, and told: what cannot be told is that one version.
    let (mut settings, lists) = parts();
    settings.version = Version::new(3).unwrap();
    submit(&mut core, application(200, &Festival::new(settings, lists).unwrap()));
    (21..25).for_each(|at| drop(settle(&mut core, at * SECOND)));
    assert_eq!(core.in_force().map(|(version, _)| version.get()), Some(3));
    check_audit(&memory);
}

#[test]
fn a_shard_that_breaks_in_its_first_turn_still_says_which_start_it_is_of() {
    // Every later audit called a sound ledger unsound: its blocks were of a start that no record had opened.
    let _alone = alone();
    let memory = Memory::new();
    found(&memory, 1);
    settle(&mut cores(&memory, 1).remove(0), 1);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1)]);
    arm(Point::Append, Strike::Panic);
    assert_eq!(verdicts(&mut core, 2), [Verdict::Refused(Refusal::Internal)]);
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [open(1, 1)]);
    assert_eq!(verdicts(&mut core, 3), [APPLIED]);
    check_audit(&memory);
}
