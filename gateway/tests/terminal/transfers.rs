//! A terminal sends money from one wallet to another: over the wire, between shards, on one loop and
//! on two; it arrives, or it comes back.

use wire::{Class, Decline, Outcome, Read, Request};

use crate::support::*;

fn balance(server: &mut Server, desk: &mut Terminal, counter: u64, band: u8) -> i64 {
    desk.ask(&[Request::balance(desk.id(counter), uid(band))]);
    let frame = desk.frame(server);
    let statement = wire::Statement::parse(&frame.body, frame.count).unwrap();
    assert_eq!(statement.answer.outcome(), Outcome::Read(Read::Balance));
    statement.answer.balance
}

#[test]
fn money_sent_to_another_band_arrives_on_one_loop_and_on_two() {
    // Ten euros for a friend: gone from one band, never on the other.
    for loops in [1, 2] {
        let mut server = Server::with(Setting { shards: 4, loops, ..Setting::default() });
        let mut desk = funded(&mut server, 12);
        for payee in 2..=12 {
            let id = desk.id(1_000 + u64::from(payee));
            let answer = desk.tap(&mut server, Request::transfer(id, uid(1), uid(payee), 100));
            assert_eq!(answer.outcome(), Outcome::Applied);
            assert_eq!(desk.tap(&mut server, Request::transfer(id, uid(1), uid(payee), 100)), answer);
        }
        server.settle();
        assert_eq!(balance(&mut server, &mut desk, 2_000, 1), 5_000 - 1_100, "{loops} loops");
        for payee in 2..=12 {
            let counter = 2_000 + u64::from(payee);
            assert_eq!(balance(&mut server, &mut desk, counter, payee), 5_100, "band {payee}, {loops} loops");
        }
    }
}

#[test]
fn money_for_a_band_that_nobody_opened_is_back_in_the_wallet() {
    let mut server = Server::start();
    let mut desk = funded(&mut server, 1);
    let id = desk.id(1_000);
    let answer = desk.tap(&mut server, Request::transfer(id, uid(1), uid(99), 700));
    assert_eq!((answer.outcome(), answer.balance), (Outcome::Applied, 4_300));
    server.settle();
    assert_eq!(balance(&mut server, &mut desk, 1_001, 1), 5_000);
    let cancelled = desk.tap(&mut server, Request::cancel(id, uid(1)));
    assert_eq!((cancelled.class, cancelled.code), (Class::Declined, Decline::TransferGone.number()));
}
