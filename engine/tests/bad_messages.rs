//! A message that makes this build panic: it goes back, those behind it are taken, and what cannot even be
//! sent back stops its own shard by name. Runs in a build with the `mutants` feature, where the taking of a
//! message can be made to panic.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::{Arc, Mutex};

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::{Command, Request};
use actors::festival::Festival;
use engine::core::Core;
use engine::limits::{BURIALS, RESEND_MICROS};
use engine::mail::{Content, Letter, Post};
use engine::recovery::Stopped;
use ledger::ids::{FestivalId, Office, ShardId, Version, WalletNumber};
use ledger::journal::memory::{Door, Memory};
use ledger::mutant::{POISON_TAKE, Point, Strike, arm, is_armed};
use ledger::record::Message;
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const SHARDS: u16 = 4;
const TICK: u64 = 50_000;

fn wallet(band: u8) -> WalletNumber {
    keys().tag(&uid(band)).number.as_wallet()
}

fn shard_of(band: u8) -> ShardId {
    wallet(band).shard(SHARDS)
}

/// A band of another shard than the payer's, which is band 1.
fn payee() -> u8 {
    (2..=250).find(|band| shard_of(*band) != shard_of(1)).unwrap()
}

fn balances(core: &Core<Door>) -> [i64; 2] {
    [1, payee()].map(|band| {
        let (_, state) = core.inspect(shard_of(band)).unwrap();
        state.and_then(|state| state.balances(wallet(band))).map_or(0, |balances| balances.total())
    })
}

fn pay(counter: u64, amount: i64) -> Request {
    request(DESK, counter, 1, Command::Transfer { payee: wallet(payee()), amount })
}

/// 10.00, 2.00 and 0.30 of 50.00 are on their way, and none of it was taken.
fn three_on_their_way() -> (Memory, Core<Door>) {
    on_their_way([1_000, 200, 30])
}

/// So much of 50.00 each is on its way, and none of it was taken.
fn on_their_way(amounts: [i64; 3]) -> (Memory, Core<Door>) {
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1), top_up(2, 1, 5_000), open(3, payee())]);
    settle(&mut core, 1);
    submit(&mut core, (4..).zip(amounts).map(|(counter, amount)| pay(counter, amount)));
    while core.counters().records < 6 {
        core.turn(clock(2));
    }
    let left = 5_000 - amounts.iter().sum::<i64>();
    assert_eq!((core.counters().taken, balances(&core)), (0, [left, 0]));
    (memory, core)
}

#[test]
fn a_message_that_nobody_can_decide_holds_up_none_of_those_behind_it() {
    // One transfer that trips a defect, and everything that this hall sent to that one never arrived.
    let _alone = alone();
    let (memory, mut core) = three_on_their_way();
    arm(Point::Receive, Strike::Panic);
    while is_armed() {
        core.turn(clock(2));
    }
    // In that very turn, and the shard was not away for it.
    assert_eq!((core.counters().taken, core.counters().returned), (3, 1));
    settle(&mut core, 3);
    assert_eq!(balances(&core), [4_770, 230]);
    assert!(core.take_rebuilds().is_empty());
    assert_eq!((core.counters().panics, core.counters().returned), (1, 1));
    check_audit(&memory);
}

#[test]
fn a_message_that_breaks_its_shard_holds_up_none_of_those_behind_it() {
    let _alone = alone();
    let (memory, mut core) = three_on_their_way();
    arm(Point::Append, Strike::Panic);
    settle(&mut core, 3);
    assert!(!is_armed());
    assert_eq!((rebuild(&mut core, &memory), core.counters().taken), (1, 0));
    for round in 1..=2 {
        settle(&mut core, 3 + round * RESEND_MICROS);
    }
    assert_eq!(balances(&core), [4_770, 230]);
    let counters = core.counters();
    assert_eq!((counters.panics, counters.returned, counters.rebuilds), (1, 1, 1));
    check_audit(&memory);
}

#[test]
fn two_bad_messages_in_a_row_hold_up_none_of_those_behind_them() {
    // Each took the burial of the other away, before it was confirmed, with the state that it broke: the shard
    // was rebuilt at every letter for ever, and its guests heard "busy" all night.
    let _alone = alone();
    let (memory, mut core) = on_their_way([POISON_TAKE, POISON_TAKE, 30]);
    for round in 1..=4 {
        settle(&mut core, 3 + round * RESEND_MICROS);
        rebuild(&mut core, &memory);
    }
    settle(&mut core, 3 + 5 * RESEND_MICROS);
    assert_eq!(balances(&core), [4_970, 30]);
    assert_eq!((core.counters().panics, core.counters().rebuilds), (2, 2));
    check_audit(&memory);
}

#[test]
fn a_message_that_can_neither_be_taken_nor_sent_back_stops_its_shard_by_name() {
    // The shard was rebuilt five times a second all night, its bands were told to come back each time, and
    // no alarm said why.
    let _alone = alone();
    for point in [Point::Append, Point::Receive] {
        let (memory, mut core) = three_on_their_way();
        arm(Point::Append, Strike::Panic);
        settle(&mut core, 3);
        let mut at = 3;
        for burial in 0..BURIALS {
            assert_eq!((rebuild(&mut core, &memory), core.stopped().count()), (1, 0), "burial {burial}");
            arm(point, Strike::Panic);
            at += RESEND_MICROS;
            settle(&mut core, at);
            assert!(!is_armed());
        }
        let stopped: Vec<Stopped> = core.stopped().collect();
        let message = Some((shard_of(1), 1));
        assert_eq!((stopped.len(), stopped[0].shard, stopped[0].message), (1, shard_of(payee()), message));
        let named = format!(
            "shard {} could neither take message 1 of shard {} nor send it back: record {} makes this build panic",
            shard_of(payee()),
            shard_of(1),
            stopped[0].record
        );
        assert_eq!(stopped[0].to_string(), named);
        let (state, _) = engine::recovery::rebuild(&memory, shard_of(payee())).unwrap();
        assert_eq!(state.next_record(), stopped[0].record);
        let counters = core.counters();
        assert_eq!((counters.stopped, counters.panics), (1, 1 + u64::from(BURIALS)));

        // Nobody rebuilds it, its bands are told, and the others sell on.
        for round in 1..=10 {
            settle(&mut core, at + round * RESEND_MICROS);
        }
        assert!(core.take_rebuilds().is_empty());
        submit(&mut core, [buy(1, 1, 1), buy(2, payee(), 1)]);
        let mut told = settle(&mut core, at + 11 * RESEND_MICROS);
        told.sort_by_key(|told| told.reply.token);
        let verdicts: Vec<_> = told.iter().map(|told| told.message.answer().verdict).collect();
        assert_eq!(verdicts, [APPLIED, Verdict::Refused(Refusal::Internal)]);

        // A build that can take it takes all of them.
        let mut core = cores(&memory, 1).remove(0);
        assert_eq!(core.stopped().count(), 0);
        for round in 1..=2 {
            settle(&mut core, round * RESEND_MICROS);
        }
        assert_eq!(balances(&core), [3_770 - BEER, 1_230]);
        check_audit(&memory);
    }
}

#[test]
fn a_message_that_was_buried_at_last_is_not_held_against_the_next_one() {
    // Two defects in a week stopped a shard that had got over each of them.
    let _alone = alone();
    let (memory, mut core) = three_on_their_way();
    let mut at = 3;
    for another in [None, Some(pay(7, 1_000))] {
        let before = core.counters().records;
        submit(&mut core, another.clone());
        while another.is_some() && core.counters().records == before {
            core.turn(clock(at));
        }
        // Its taking panics, and then sending it back, but once less than stops a shard.
        for _ in 0..BURIALS {
            arm(Point::Append, Strike::Panic);
            settle(&mut core, at);
            assert!(!is_armed());
            assert_eq!(rebuild(&mut core, &memory), 1);
            at += RESEND_MICROS;
        }
        settle(&mut core, at);
    }
    assert_eq!((core.stopped().count(), core.counters().returned), (0, 2));
    assert_eq!(balances(&core), [4_770, 230]);
}

#[test]
fn letters_to_a_shard_that_is_away_get_rare_and_leave_at_once_when_it_is_back() {
    // A rebuild of an hour: a thousand letters a channel were copied five times a second, by the loop that
    // serves everybody else; or, written seldom, came long after the shard was back.
    let _alone = alone();
    let (memory, mut core) = three_on_their_way();
    arm(Point::Append, Strike::Panic);
    let ticks = 400;
    for tick in 0..ticks {
        settle(&mut core, 3 + tick * TICK);
    }
    let resent = core.counters().resent;
    assert!((13..=16).contains(&resent), "written again {resent} times in {ticks} ticks");
    assert_eq!(rebuild(&mut core, &memory), 1);
    for tick in ticks..ticks + 3 {
        settle(&mut core, 3 + tick * TICK);
    }
    assert_eq!(balances(&core), [4_770, 230]);
}

/// Letters wait here until they are made to arrive.
struct Bag(Arc<Mutex<Vec<Letter>>>);

impl Post for Bag {
    fn post(&mut self, letters: &mut Vec<Letter>) {
        self.0.lock().unwrap().append(letters);
    }
}

fn versions(core: &Core<Door>) -> Vec<u32> {
    let adopted = |shard| core.inspect(ShardId(shard)).unwrap().1.unwrap().adopted().unwrap();
    (0..SHARDS).map(|shard| adopted(shard).version.get()).collect()
}

#[test]
fn a_shard_that_could_not_take_a_version_has_it_after_a_restart() {
    // A vendor was stopped; the bands of one shard bought on, and the mended build that was started for that
    // was never told.
    let _alone = alone();
    let memory = Memory::new();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    let office = Office::Festival(FestivalId(1)).number().shard(SHARDS);
    let unlucky = ShardId((office.0 + 1) % SHARDS);
    let bag = Arc::new(Mutex::new(Vec::new()));
    core.set_post(Box::new(Bag(Arc::clone(&bag))));
    let (mut settings, lists) = parts();
    settings.version = Version::new(2).unwrap();
    submit(&mut core, application(1, &Festival::new(settings, lists).unwrap()));
    let mut panics = 0;
    for round in 1..=20 {
        let now = clock(round * RESEND_MICROS);
        settle(&mut core, now.mono.0);
        let came = std::mem::take(&mut *bag.lock().unwrap());
        for letter in came {
            let taken = core.inspect(unlucky).unwrap().1.unwrap().channels().taken_from(office);
            let part = matches!(letter.content,
                Content::Message { number, message: Message::ConfigurationPart { .. } } if number > taken);
            if part && letter.to == unlucky {
                arm(Point::Receive, Strike::Panic);
                panics += 1;
            }
            core.arrive(vec![letter], now);
            core.turn(now);
            assert!(!is_armed());
        }
    }
    let mut expected = vec![2; usize::from(SHARDS)];
    expected[usize::from(unlucky.0)] = 1;
    assert_eq!((versions(&core), panics), (expected, 4), "told once, and three times again");
    let mut core = cores(&memory, 1).remove(0);
    settle(&mut core, 1);
    assert_eq!((versions(&core), core.in_force().map(|(version, _)| version.get())), (vec![2; 4], Some(2)));
    check_audit(&memory);
}
