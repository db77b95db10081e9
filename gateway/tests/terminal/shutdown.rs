//! The ends: a terminal's goodbye, the server's, and the store's death.

use gateway::core_loop::End;
use ledger::journal::memory::Memory;
use wire::{FrameKind, Notice, Outcome, Request};

use crate::support::*;

fn manual() -> Server {
    let mut server = Server::with(Setting { memory: Memory::manual(), shards: 1, ..Setting::default() });
    server.settle();
    server.memory.confirm(1);
    server.settle();
    server
}

fn goodbye() -> Vec<u8> {
    let mut out = Vec::new();
    wire::push_empty(&mut out, FrameKind::Goodbye, 0);
    out
}

#[test]
fn a_terminal_that_says_goodbye_is_answered_in_full_first() {
    let mut server = manual();
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    desk.send(&goodbye());
    server.settle();
    assert_eq!(desk.next(), None);
    server.memory.confirm(1);
    assert_eq!(desk.answers(&mut server, 1)[0].outcome(), Outcome::Applied);
    assert_eq!(desk.frame(&mut server).kind, FrameKind::ServerGoodbye);
    desk.gone(&mut server);
    drop(desk);
    server.pass(250_000);
    assert_eq!(server.connections(), 0);
}

#[test]
fn closing_ones_own_side_is_a_goodbye_too() {
    let mut server = manual();
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    desk.half_close();
    server.settle();
    server.memory.confirm(1);
    assert_eq!(desk.answers(&mut server, 1)[0].outcome(), Outcome::Applied);
    assert_eq!(desk.frame(&mut server).kind, FrameKind::ServerGoodbye);
    desk.gone(&mut server);
    server.pass(250_000);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_server_that_stops_answers_what_is_in_flight_and_says_goodbye() {
    let mut server = manual();
    let mut idle = Terminal::welcomed(&mut server, SELLER);
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    server.settle();
    // Already in the socket when the order comes: it is still taken.
    desk.ask(&[Request::lookup(desk.id(2), uid(1))]);
    server.shared.stop();
    server.settle();
    for terminal in [&mut idle, &mut desk] {
        let notice = terminal.frame(&mut server);
        assert_eq!(Notice::parse(&notice.body), Ok(Notice::GoingAway));
    }
    assert_eq!(idle.frame(&mut server).kind, FrameKind::ServerGoodbye);
    idle.gone(&mut server);
    assert_eq!((desk.next(), server.ends.len()), (None, 0));
    server.memory.confirm(1);
    assert_eq!(desk.answers(&mut server, 2).len(), 2);
    assert_eq!(desk.frame(&mut server).kind, FrameKind::ServerGoodbye);
    desk.gone(&mut server);
    drop((idle, desk));
    server.settle();
    assert!(matches!(server.ends[..], [End::Stopped]), "{:?}", server.ends);
}

#[test]
fn a_loop_without_terminals_goes_on_deciding_for_the_others() {
    // At every restart, the customers whose wallets lie in a shard of a loop that was done first: paid
    // or not, their bars heard nothing before the connection closed.
    let setting = Setting { memory: Memory::manual(), loops: 2, shards: 4, ..Setting::default() };
    let mut server = Server::with(setting);
    server.settle();
    server.memory.confirm(4);
    server.settle();
    let mut desk = Terminal::welcomed(&mut server, DESK);
    let home = usize::from(server.loops[1].counts().accepted > 0);
    let requests: Vec<_> =
        (1..=12).map(|band| Request::open_wallet(desk.id(band.into()), uid(band))).collect();
    desk.ask(&requests[..6]);
    server.settle();
    assert!(server.loops[1 - home].core().counters().jobs > 0);
    // These wait in the socket; the blocks of the first are in flight.
    desk.ask(&requests[6..]);
    server.shared.stop();
    server.settle();
    assert!(matches!(server.ends[..], [End::Stopped]), "{:?}", server.ends);
    assert_eq!(server.loops.len(), 1);
    assert_eq!(Notice::parse(&desk.frame(&mut server).body), Ok(Notice::GoingAway));
    for _ in 0..4 {
        server.memory.confirm(4);
        server.settle();
    }
    let answers = desk.answers(&mut server, requests.len());
    assert!(answers.iter().all(|answer| answer.outcome() == Outcome::Applied), "{answers:?}");
    assert_eq!(desk.frame(&mut server).kind, FrameKind::ServerGoodbye);
    desk.gone(&mut server);
    drop(desk);
    server.settle();
    assert!(matches!(server.ends[..], [End::Stopped, End::Stopped]), "{:?}", server.ends);
}

#[test]
fn a_terminal_that_does_not_leave_does_not_keep_the_server() {
    let mut server = manual();
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    server.settle();
    server.shared.stop();
    server.settle();
    assert!(server.ends.is_empty());
    server.pass(6_000_000);
    assert!(matches!(server.ends[..], [End::Stopped]), "{:?}", server.ends);
}

#[test]
fn when_the_store_dies_everybody_is_told_to_send_again() {
    let mut server = manual();
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    server.settle();
    // Stored, but nobody was told: whether it happened is known only after the next start.
    server.memory.die(1, "a flush failed");
    let answer = desk.answers(&mut server, 1)[0];
    assert_eq!((answer.outcome(), answer.position.raw(), answer.balance), (Outcome::Unknown, 0, 0));
    assert_eq!(Notice::parse(&desk.frame(&mut server).body), Ok(Notice::GoingAway));
    assert_eq!(desk.frame(&mut server).kind, FrameKind::ServerGoodbye);
    desk.gone(&mut server);
    drop(desk);
    server.settle();
    assert!(matches!(&server.ends[..], [End::StoreDead(cause)] if cause == "a flush failed"));
    let memory = server.memory.reopen();
    let mut server = Server::with(Setting { memory, shards: 1, ..Setting::default() });
    server.settle();
    server.memory.confirm(1);
    let mut desk = Terminal::welcomed(&mut server, DESK);
    let retry = desk.tap(&mut server, Request::open_wallet(desk.id(1), uid(1)));
    assert_eq!(retry.outcome(), Outcome::Applied);
}
