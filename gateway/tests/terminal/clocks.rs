//! The three clocks of a connection, and frames that arrive byte by byte. Time passes by hand.

use wire::{FrameKind, Outcome, Refusal, Request};

use crate::support::*;

const SECOND: u64 = 1_000_000;

#[test]
fn whoever_says_nothing_is_asked_to_leave_after_the_handshake_clock() {
    let mut server = Server::start();
    let mut silent = Terminal::connect(&server, SELLER);
    server.settle();
    server.pass(4 * SECOND);
    assert_eq!(silent.next(), None);
    server.pass(2 * SECOND);
    assert_eq!(silent.faulted(&mut server), Refusal::Late.number());
    drop(silent);
    server.pass(SECOND);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_frame_once_begun_must_be_finished() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let mut bytes = Vec::new();
    wire::push_empty(&mut bytes, FrameKind::Ping, 5);
    bar.send(&bytes[..9]);
    server.settle();
    server.pass(9 * SECOND);
    // Another byte does not start the clock again: that is how a slow attacker would hold on.
    bar.send(&bytes[9..10]);
    server.settle();
    server.pass(2 * SECOND);
    assert_eq!(bar.faulted(&mut server), Refusal::Late.number());
}

#[test]
fn a_frame_that_arrives_byte_by_byte_is_one_frame() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let mut bytes = Vec::new();
    let mut frame = wire::RequestsWriter::begin(&mut bytes);
    assert!(frame.push(&Request::purchase(bar.id(1), uid(1), &ONE_BEER)));
    assert!(frame.push(&Request::lookup(bar.id(2), uid(1))));
    frame.finish().unwrap();
    wire::push_empty(&mut bytes, FrameKind::Ping, 5);
    for byte in bytes.chunks(1) {
        bar.send(byte);
        server.turn();
    }
    let mut outcomes = Vec::new();
    let mut pongs = Vec::new();
    while outcomes.len() < 2 || pongs.is_empty() {
        let frame = bar.frame(&mut server);
        if frame.kind == FrameKind::Pong {
            pongs.push(frame.cookie);
        } else {
            outcomes
                .extend(wire::answers(&frame.body, frame.count).unwrap().map(|one| one.unwrap().outcome()));
        }
    }
    assert_eq!(pongs, [5]);
    assert!(outcomes.contains(&Outcome::Applied), "{outcomes:?}");
}

#[test]
fn the_largest_frames_in_pieces_of_any_size_are_all_answered() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let mut random = fastrand::Rng::with_seed(3);
    let mut bytes = Vec::new();
    for frame_number in 0..2_u64 {
        let mut frame = wire::RequestsWriter::begin(&mut bytes);
        for counter in 1..=4_096 {
            assert!(frame.push(&Request::lookup(bar.id(frame_number * 4_096 + counter), uid(1))));
        }
        frame.finish().unwrap();
    }
    let mut rest = &bytes[..];
    let mut seen = 0;
    while seen < 8_192 {
        let piece = random.usize(1..100_000).min(rest.len());
        bar.send(&rest[..piece]);
        rest = &rest[piece..];
        server.turn();
        while let Some(frame) = bar.next() {
            assert_eq!(frame.kind, FrameKind::Answers);
            seen += usize::from(frame.count);
        }
    }
    assert_eq!((seen, rest.len()), (8_192, 0));
}

#[test]
fn silence_ends_a_session_and_a_ping_keeps_it() {
    let mut server = Server::start();
    let mut quiet = Terminal::welcomed(&mut server, SELLER);
    let mut pinging = Terminal::welcomed(&mut server, DESK);
    for cookie in 0..4 {
        server.pass(20 * SECOND);
        let mut ping = Vec::new();
        wire::push_empty(&mut ping, FrameKind::Ping, cookie);
        pinging.send(&ping);
        let reply = pinging.frame(&mut server);
        assert_eq!((reply.kind, reply.cookie), (FrameKind::Pong, cookie));
    }
    assert_eq!(quiet.faulted(&mut server), Refusal::Late.number());
    drop(quiet);
    server.pass(SECOND);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_session_that_is_owed_an_answer_is_not_silent() {
    let memory = ledger::journal::memory::Memory::manual();
    let mut server = Server::with(Setting { memory, shards: 1, ..Setting::default() });
    server.settle();
    server.memory.confirm(1);
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    server.pass(100 * SECOND);
    server.memory.confirm(1);
    assert_eq!(desk.answers(&mut server, 1)[0].outcome(), Outcome::Applied);
}

#[test]
fn whoever_does_not_read_is_not_read_from_and_then_closed() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut deaf = Terminal::welcomed(&mut server, SELLER);
    let mut pings = Vec::new();
    (0..1_000).for_each(|cookie| wire::push_empty(&mut pings, FrameKind::Ping, cookie));
    // Both socket buffers and the server's own fill up; then nothing more is taken.
    let mut all = 0;
    loop {
        let sent = deaf.stuff(&pings);
        server.settle();
        all += sent;
        if sent == 0 {
            break;
        }
        assert!(all < 1 << 30, "the server takes from who takes nothing");
    }
    server.pass(9 * SECOND);
    assert_eq!(server.connections(), 2);
    server.pass(2 * SECOND);
    assert_eq!(server.connections(), 1);
}
