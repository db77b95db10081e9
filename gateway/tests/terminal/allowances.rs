//! A parent keeps a child in money, over the wire, between shards, on one loop and on two: filled up when it
//! runs low, and given back when the festival closes.

use actors::festival::Standing;
use ledger::ids::Version;
use wire::{Class, Decline, Line, Outcome, Read, Refusal, Request};

use crate::support::*;

const PARENT: u8 = 1;
/// Who gives it money is at the desk, under this operator.
const OPERATOR: u32 = 7;
/// Filled up to 20 euros when it falls below 5.
const TWENTY: (i64, i64) = (2_000, 500);

fn balance(server: &mut Server, desk: &mut Terminal, counter: u64, band: u8) -> i64 {
    desk.ask(&[Request::balance(desk.id(counter), uid(band))]);
    let frame = desk.frame(server);
    let statement = wire::Statement::parse(&frame.body, frame.count).unwrap();
    assert_eq!(statement.answer.outcome(), Outcome::Read(Read::Balance));
    statement.answer.balance
}

fn beers(quantity: u16) -> [Line; 1] {
    [Line { item: 1, quantity, unit_price: BEER }]
}

/// The administrator closes the festival, at its office.
fn close(server: &mut Server) {
    let closed = festival_with(|settings| {
        settings.version = Version::new(2).unwrap();
        settings.standing = Standing::Closed;
    });
    let bytes = closed.encode();
    let mut office = Terminal::welcomed(server, ADMINISTRATOR);
    let staged = office.tap(server, Request::stage(office.id(1), 2, 0, &bytes));
    assert_eq!(staged.class, Class::Applied);
    let adopted = office.tap(server, Request::adopt(office.id(2), 2, 1, *blake3::hash(&bytes).as_bytes()));
    assert_eq!(adopted.class, Class::Applied);
    wait(server);
}

/// What is due comes about, and arrives.
fn wait(server: &mut Server) {
    (0..3).for_each(|_| server.pass(2_000_000));
}

#[test]
fn a_child_is_filled_up_when_it_runs_low_and_the_rest_comes_back_at_the_close() {
    // A child without money in the crowd, or a parent whose money stays on a band that nobody wears any more.
    for loops in [1, 2] {
        let mut server = Server::with(Setting { loops, ..Setting::default() });
        let mut desk = funded(&mut server, 1);
        let mut bar = Terminal::welcomed(&mut server, SELLER);
        // Children in every shard, one after the other.
        for (round, child) in (1_u64..).zip(11..=14) {
            let of = |counter| round * 100 + counter;
            let opened = desk.tap(&mut server, Request::open_wallet(desk.id(of(1)), uid(child)));
            assert_eq!(opened.class, Class::Applied);
            let more = Request::top_up(desk.id(of(2)), uid(PARENT), 5_000, wire::Tender::Cash);
            let had = desk.tap(&mut server, more).balance;
            let set = Request::set_allowance(desk.id(of(3)), uid(PARENT), uid(child), TWENTY, OPERATOR);
            let answer = desk.tap(&mut server, set);
            assert_eq!((answer.outcome(), answer.balance), (Outcome::Applied, had - 2_000));
            assert_eq!(desk.tap(&mut server, set), answer, "a retry gives nothing more");
            server.settle();
            assert_eq!(balance(&mut server, &mut desk, of(4), child), 2_000, "{loops} loops");
            let two = beers(2);
            let sold = bar.tap(&mut server, Request::purchase(bar.id(of(1)), uid(child), &two));
            assert_eq!((sold.outcome(), sold.balance), (Outcome::Applied, 700));
            server.settle();
            assert_eq!(balance(&mut server, &mut desk, of(5), child), 700, "not below the mark yet");
            let sold = bar.tap(&mut server, Request::purchase(bar.id(of(2)), uid(child), &ONE_BEER));
            assert_eq!((sold.outcome(), sold.balance), (Outcome::Applied, 50));
            server.settle();
            assert_eq!(balance(&mut server, &mut desk, of(6), child), 2_000, "filled up, {loops} loops");
            assert_eq!(balance(&mut server, &mut desk, of(7), PARENT), had - 3_950);
        }
        let before = balance(&mut server, &mut desk, 900, PARENT);
        close(&mut server);
        let mut desk = Terminal::welcomed(&mut server, DESK);
        for (counter, child) in (1_000..).zip(11..=14) {
            assert_eq!(balance(&mut server, &mut desk, counter, child), 0, "band {child}, {loops} loops");
        }
        assert_eq!(balance(&mut server, &mut desk, 1_100, PARENT), before + 4 * 2_000);
    }
}

#[test]
fn an_allowance_that_is_ended_comes_back_and_what_the_child_paid_in_stays() {
    let mut server = Server::start();
    let mut desk = funded(&mut server, 2);
    let set = Request::set_allowance(desk.id(100), uid(1), uid(2), TWENTY, OPERATOR);
    assert_eq!(desk.tap(&mut server, set).balance, 3_000);
    server.settle();
    let end = Request::set_allowance(desk.id(101), uid(1), uid(2), (0, 0), OPERATOR);
    assert_eq!(desk.tap(&mut server, end).outcome(), Outcome::Applied);
    wait(&mut server);
    assert_eq!(balance(&mut server, &mut desk, 102, 1), 5_000);
    assert_eq!(balance(&mut server, &mut desk, 103, 2), 5_000);
    let cancelled = desk.tap(&mut server, Request::cancel(desk.id(100), uid(1)));
    assert_eq!(cancelled.outcome(), Outcome::Declined(Decline::TransferGone));
}

#[test]
fn a_festival_without_allowances_refuses_them() {
    // An issuer without the licence for it would have moved guests' money between them.
    let festival = festival_with(|settings| settings.allowances = false);
    let mut server = Server::with(Setting { festival, ..Setting::default() });
    let mut desk = funded(&mut server, 2);
    let set = Request::set_allowance(desk.id(100), uid(1), uid(2), TWENTY, OPERATOR);
    assert_eq!(desk.tap(&mut server, set).outcome(), Outcome::Refused(Refusal::AllowancesOff));
    assert_eq!(balance(&mut server, &mut desk, 101, 1), 5_000);
}
