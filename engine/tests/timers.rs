//! Timers of a running core: what is due is decided by itself, a few at a time, also after a restart,
//! and never before its record could be stored. Each test begins with what a guest would have lost.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Decline, Outcome};
use actors::command::{AskedLine, Command, Request};
use engine::core::Core;
use engine::limits::TIMERS_AT_A_TIME;
use ledger::journal::memory::{Door, Memory};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const SECOND: u64 = 1_000_000;

fn hold(counter: u64, band: u8, amount: i64, seconds: u32) -> Request {
    request(SELLER, counter, band, Command::Authorise { amount, seconds })
}

fn capture(counter: u64, band: u8, hold: &Request) -> Request {
    let line = AskedLine { item: 1, quantity: 1, unit_price: u32::try_from(BEER).unwrap() };
    let lines = std::iter::once(line).collect();
    request(SELLER, counter, band, Command::Capture { hold: hold.id, lines, amount: BEER })
}

/// A core of one shard whose bands hold 50.00 each.
fn funded(memory: &Memory, bands: u8) -> Core<Door> {
    found(memory, 1);
    let mut core = cores(memory, 1).remove(0);
    let requests = (1..=bands).flat_map(|band| {
        let counter = u64::from(band) * 2;
        [open(counter, band), top_up(counter + 1, band, 5_000)]
    });
    submit(&mut core, requests);
    assert!(settle(&mut core, 1).iter().all(|told| told.message.answer().verdict == APPLIED));
    core
}

fn spendable(core: &Core<Door>, band: u8) -> i64 {
    let wallet = keys().tag(&uid(band)).number.as_wallet();
    let (_, state) = core.inspect(ledger::ids::ShardId(0)).unwrap();
    state.unwrap().balances(wallet).unwrap().total()
}

#[test]
fn what_nobody_captures_comes_back_by_itself() {
    // The deposit for a tent that was never rented was gone until somebody asked.
    let memory = Memory::new();
    let mut core = funded(&memory, 1);
    submit(&mut core, [hold(1, 1, 2_000, 60)]);
    assert_eq!(settle(&mut core, 2)[0].message.answer().balance, 3_000);
    settle(&mut core, 60 * SECOND - 1);
    assert_eq!(spendable(&core, 1), 3_000);
    settle(&mut core, 61 * SECOND);
    assert_eq!((spendable(&core, 1), core.counters().timers), (5_000, 1));
}

#[test]
fn a_restart_forgets_no_timer() {
    // The server was restarted in the night; the deposits of the evening never came back.
    let memory = Memory::new();
    let mut core = funded(&memory, 1);
    submit(&mut core, [hold(1, 1, 2_000, 60)]);
    settle(&mut core, 2);
    let memory = memory.reopen();
    let mut core = cores(&memory, 1).remove(0);
    settle(&mut core, 30 * SECOND);
    assert_eq!((spendable(&core, 1), core.counters().timers), (3_000, 0));
    settle(&mut core, 61 * SECOND);
    assert_eq!((spendable(&core, 1), core.counters().timers), (5_000, 1));
}

#[test]
fn a_capture_that_arrives_with_the_expiry_is_answered_by_what_was_decided_first() {
    // Charged and given back: the vendor's money came from nowhere.
    let memory = Memory::new();
    let mut core = funded(&memory, 2);
    let (first, second) = (hold(1, 1, 2_000, 60), hold(2, 2, 2_000, 60));
    submit(&mut core, [first.clone(), second.clone()]);
    settle(&mut core, 2);
    // Its time is up, and the next look at the timers is 40 ms away: the capture is in time.
    settle(&mut core, 60 * SECOND - 10_000);
    submit(&mut core, [capture(3, 1, &first)]);
    let told = settle(&mut core, 60 * SECOND + 10_000);
    assert_eq!((told[0].message.answer().verdict, spendable(&core, 1)), (APPLIED, 5_000 - BEER));
    assert_eq!((core.counters().timers, spendable(&core, 2)), (0, 3_000));
    settle(&mut core, 61 * SECOND);
    submit(&mut core, [capture(4, 2, &second)]);
    let told = settle(&mut core, 62 * SECOND);
    assert_eq!(told[0].message.answer().verdict, Verdict::Declined(Decline::HoldEnded));
    assert_eq!(spendable(&core, 2), 5_000);
}

#[test]
fn many_timers_at_once_leave_room_for_customers() {
    // At midnight every tab of the evening ran out, and nobody was served until all were done.
    let memory = Memory::new();
    let bands = 10;
    let mut core = funded(&memory, bands);
    let holds = (1..=bands)
        .flat_map(|band| (0..8).map(move |number| hold(u64::from(band) * 10 + number, band, 100, 60)));
    submit(&mut core, holds);
    settle(&mut core, 2);
    let all = u64::from(bands) * 8;
    assert!(all > 2 * TIMERS_AT_A_TIME as u64);
    submit(&mut core, [buy(1_000, 1, 1)]);
    core.turn(clock(61 * SECOND));
    let after_one = core.counters().clone();
    assert_eq!(after_one.timers, TIMERS_AT_A_TIME as u64);
    settle(&mut core, 61 * SECOND);
    assert_eq!(core.counters().timers, all);
    // Answered by the first turn, behind its own block.
    assert_eq!(
        (after_one.records + all - after_one.timers, spendable(&core, 2)),
        (core.counters().records, 5_000)
    );
}

#[test]
fn a_full_disk_expires_nothing_and_keeps_nobody_awake() {
    // The expiry was applied, the disk was full, and the next start held the money again.
    let memory = Memory::new();
    let mut core = funded(&memory, 1);
    submit(&mut core, [hold(1, 1, 2_000, 60)]);
    settle(&mut core, 2);
    memory.set_room(Some(0));
    settle(&mut core, 61 * SECOND);
    let turn = core.turn(clock(61 * SECOND));
    assert_eq!((turn.more, core.counters().timers, spendable(&core, 1)), (false, 0, 3_000));
    memory.set_room(None);
    settle(&mut core, 62 * SECOND);
    assert_eq!((core.counters().timers, spendable(&core, 1)), (1, 5_000));
}
