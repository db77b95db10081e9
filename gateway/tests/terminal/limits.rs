//! What happens at each limit: `busy` with a time to come back, or a fault.

use gateway::limits::{LIVE_FRAME, Limits};
use ledger::journal::memory::Memory;
use wire::{Class, Decline, FrameKind, Outcome, Refusal, Request, RequestId, Tender};

use crate::support::*;

fn manual(limits: Limits) -> Server {
    let mut server =
        Server::with(Setting { memory: Memory::manual(), shards: 1, limits, ..Setting::default() });
    server.settle();
    server.memory.confirm(1);
    server.settle();
    server
}

#[test]
fn requests_above_a_connections_limit_are_busy_and_come_back_later() {
    let mut server = manual(Limits { in_flight: 3, ..Limits::default() });
    let mut desk = Terminal::welcomed(&mut server, DESK);
    let requests: Vec<_> = (1..=5).map(|n| Request::open_wallet(desk.id(n.into()), uid(n))).collect();
    desk.ask(&requests);
    let busy = desk.answers(&mut server, 2);
    for (answer, counter) in busy.iter().zip([4, 5]) {
        assert_eq!((answer.id, answer.outcome()), (desk.id(counter), Outcome::Refused(Refusal::Busy)));
        assert!(answer.come_back_ms > 0);
    }
    server.memory.confirm(1);
    let answers = desk.answers(&mut server, 3);
    assert!(answers.iter().all(|answer| answer.outcome() == Outcome::Applied));
    desk.ask(&requests[3..]);
    server.settle();
    server.memory.confirm(1);
    assert!(desk.answers(&mut server, 2).iter().all(|answer| answer.outcome() == Outcome::Applied));
}

#[test]
fn a_tap_is_decided_before_a_frame_of_uploads_that_came_earlier() {
    // A customer at the bar behind everything that a site uploads after an outage.
    let mut server = Server::with(Setting { shards: 1, ..Setting::default() });
    let mut desk = funded(&mut server, 2);
    let frame = |from: u64, count: usize| -> Vec<_> {
        let counters = (from..).take(count);
        let top_up =
            |counter| Request::top_up(RequestId::new(DESK, counter).unwrap(), uid(1), 100, Tender::Cash);
        counters.map(top_up).collect()
    };
    // Up to the limit a frame is live and keeps its turn; above it everything else comes first.
    for (counter, count, first) in [(1_000, LIVE_FRAME, false), (2_000, LIVE_FRAME + 1, true)] {
        desk.ask(&frame(counter, count));
        // Both are in the socket before anything is read.
        let tap = desk.id(counter + 500);
        desk.ask(&[Request::top_up(tap, uid(2), 100, Tender::Cash)]);
        let answers = desk.answers(&mut server, count + 1);
        let (taps, uploads): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.id == tap);
        let applied = uploads.iter().filter(|answer| answer.class == Class::Applied);
        assert!(applied.clone().count() >= LIVE_FRAME);
        let before = applied.filter(|answer| taps[0].position.raw() < answer.position.raw()).count();
        assert_eq!(before, if first { LIVE_FRAME } else { 0 });
    }
}

#[test]
fn requests_above_the_loops_limit_are_busy() {
    let mut server = manual(Limits { loop_in_flight: 1, ..Limits::default() });
    let mut desk = Terminal::welcomed(&mut server, DESK);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    server.settle();
    let busy = bar.tap(&mut server, Request::lookup(bar.id(1), uid(1)));
    assert_eq!(busy.outcome(), Outcome::Refused(Refusal::Busy));
    server.memory.confirm(1);
    desk.answers(&mut server, 1);
    assert_ne!(bar.tap(&mut server, Request::lookup(bar.id(1), uid(1))).class, Class::Refused);
}

#[test]
fn one_connection_too_many_is_told_busy() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let mut server = Server::with(Setting { limits, ..Setting::default() });
    let _first = Terminal::welcomed(&mut server, SELLER);
    let mut second = Terminal::connect(&server, DESK);
    assert_eq!(second.faulted(&mut server), Refusal::Busy.number());
}

#[test]
fn a_terminal_that_is_declined_all_the_time_is_busy_until_the_minute_ends() {
    let limits = Limits { declines_per_minute: 10, ..Limits::default() };
    let mut server = Server::with(Setting { limits, ..Setting::default() });
    let mut desk = funded(&mut server, 1);
    let mut broken = Terminal::welcomed(&mut server, SELLER);
    let dear = [wire::Line { item: 1, quantity: 10, unit_price: BEER }];
    for counter in 1..=11 {
        let answer = broken.tap(&mut server, Request::purchase(broken.id(counter), uid(1), &dear));
        assert_eq!(answer.outcome(), Outcome::Declined(Decline::InsufficientFunds), "{counter}");
    }
    let busy = broken.tap(&mut server, Request::purchase(broken.id(12), uid(1), &dear));
    // The clock stands at one second.
    assert_eq!((busy.outcome(), busy.come_back_ms), (Outcome::Refused(Refusal::Busy), 59_000));
    // It may still ask what became of its requests, and others go on.
    let seen = broken.tap(&mut server, Request::lookup(broken.id(1), uid(1)));
    assert_eq!(seen.outcome(), Outcome::Declined(Decline::InsufficientFunds));
    let topped = desk.tap(&mut server, Request::top_up(desk.id(9), uid(1), 500, Tender::Cash));
    assert_eq!(topped.outcome(), Outcome::Applied);
    server.pass(u64::from(busy.come_back_ms) * 1_000);
    let mut ping = Vec::new();
    wire::push_empty(&mut ping, FrameKind::Ping, 1);
    let answer = broken.tap(&mut server, Request::purchase(broken.id(12), uid(1), &dear));
    assert_eq!(answer.outcome(), Outcome::Declined(Decline::InsufficientFunds));
}

/// The first bytes of a frame of a million.
fn begun(bytes: usize) -> Vec<u8> {
    let mut half = Vec::new();
    wire::push_empty(&mut half, FrameKind::Requests, 0);
    half[..4].copy_from_slice(&1_000_000_u32.to_le_bytes());
    half.resize(bytes, 0);
    half
}

#[test]
fn frames_in_part_cannot_take_all_memory() {
    let limits = Limits { partial_bytes: 100_000, ..Limits::default() };
    let mut server = Server::with(Setting { limits, ..Setting::default() });
    let half = begun(60_000);
    let mut first = Terminal::welcomed(&mut server, SELLER);
    first.send(&half);
    server.settle();
    let mut second = Terminal::welcomed(&mut server, DESK);
    second.send(&half);
    assert_eq!(second.faulted(&mut server), Refusal::Busy.number());
    // The first is still in.
    let mut third = Terminal::connect(&server, DESK);
    third.hello(&mut server);
    assert_eq!(first.next(), None);
}

#[test]
fn frames_that_were_never_finished_are_not_held_against_those_that_come_later() {
    // Uploads that broke off on a bad mobile link: after some hundred of them every frame that came in two
    // parts was told "busy", until the server was started anew.
    let limits = Limits { partial_bytes: 100_000, ..Limits::default() };
    let mut server = Server::with(Setting { limits, ..Setting::default() });
    for _ in 0..4 {
        let mut cut_off = Terminal::welcomed(&mut server, SELLER);
        cut_off.send(&begun(60_000));
        server.settle();
        server.pass(limits.whole_frame + 1_000_000);
        assert_eq!(cut_off.faulted(&mut server), Refusal::Late.number());
        drop(cut_off);
        server.pass(1_000_000);
    }
    let mut whole = Terminal::welcomed(&mut server, DESK);
    whole.send(&begun(60_000));
    server.settle();
    assert_eq!(whole.next(), None);
}

#[test]
fn who_has_not_said_hello_cannot_begin_a_long_frame() {
    // Whoever reaches the port held a megabyte of the loop's memory with sixteen bytes.
    let mut server = Server::start();
    let mut stranger = Terminal::connect(&server, SELLER);
    stranger.send(&begun(100));
    assert_eq!(stranger.faulted(&mut server), Refusal::Unauthenticated.number());
}

#[test]
fn a_device_that_gives_up_more_than_a_person_could_is_told_to_wait() {
    // A stolen gate closed a million ids that nobody had used: each is kept for ever.
    let limits = Limits { cancels_per_minute: 5, ..Limits::default() };
    let mut server = Server::with(Setting { limits, ..Setting::default() });
    let mut desk = funded(&mut server, 1);
    let mut gate = Terminal::welcomed(&mut server, SELLER);
    for counter in 1..=5 {
        let answer = gate.tap(&mut server, Request::cancel(gate.id(counter), uid(7)));
        assert_eq!(answer.outcome(), Outcome::Applied);
    }
    let busy = gate.tap(&mut server, Request::cancel(gate.id(6), uid(7)));
    assert_eq!((busy.outcome(), busy.come_back_ms), (Outcome::Refused(Refusal::Busy), 59_000));
    // It may sell, and others may give up.
    let sold = gate.tap(&mut server, Request::purchase(gate.id(7), uid(1), &ONE_BEER));
    assert_eq!(sold.outcome(), Outcome::Applied);
    let other = desk.tap(&mut server, Request::cancel(desk.id(90), uid(1)));
    assert_eq!(other.outcome(), Outcome::Applied);
    server.pass(u64::from(busy.come_back_ms) * 1_000);
    let mut gate = Terminal::welcomed(&mut server, SELLER);
    let answer = gate.tap(&mut server, Request::cancel(gate.id(6), uid(7)));
    assert_eq!(answer.outcome(), Outcome::Applied);
}
