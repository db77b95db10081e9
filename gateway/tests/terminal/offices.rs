//! An administrator pays a vendor out: over the wire, between shards, out of what was swept home.

use wire::{Class, Command, Decline, Outcome, Read, Refusal, Request};

use crate::support::*;

fn home(server: &mut Server, desk: &mut Terminal, counter: u64) -> (i64, usize) {
    desk.ask(&[Request::of_office(Command::Balance, desk.id(counter), 1)]);
    let frame = desk.frame(server);
    let statement = wire::Statement::parse(&frame.body, frame.count).unwrap();
    assert_eq!(statement.answer.outcome(), Outcome::Read(Read::Balance));
    (statement.answer.balance, statement.movements().count())
}

#[test]
fn a_vendor_is_paid_out_of_what_came_home_and_not_a_cent_beyond() {
    for loops in [1, 2] {
        let mut server = Server::with(Setting { loops, ..Setting::default() });
        let _desk = funded(&mut server, 8);
        let mut bar = Terminal::welcomed(&mut server, SELLER);
        for band in 1..=8 {
            let sold = bar.tap(&mut server, Request::purchase(bar.id(band.into()), uid(band), &ONE_BEER));
            assert_eq!(sold.class, Class::Applied);
        }
        let mut office = Terminal::welcomed(&mut server, ADMINISTRATOR);
        let early = office.tap(&mut server, Request::pay_out(office.id(1), 1, 100, 5));
        assert_eq!(early.outcome(), Outcome::Declined(Decline::InsufficientFunds));
        // A sweep of every shard, and what it sent has arrived.
        for _ in 0..2 {
            server.pass(70_000_000);
            server.settle();
        }
        let mut office = Terminal::welcomed(&mut server, ADMINISTRATOR);
        let sold = 8 * i64::from(BEER);
        assert_eq!(home(&mut server, &mut office, 2), (sold, 1), "{loops} loops");
        let request = Request::pay_out(office.id(3), 1, 5_000, 5);
        let paid = office.tap(&mut server, request);
        assert_eq!((paid.outcome(), paid.balance), (Outcome::Applied, sold - 5_000));
        assert_eq!(office.tap(&mut server, request), paid, "a retry is no second payout");
        let beyond = office.tap(&mut server, Request::pay_out(office.id(4), 1, 5_000, 5));
        assert_eq!(beyond.outcome(), Outcome::Declined(Decline::InsufficientFunds));
        let cancel = Request::of_office(Command::Cancel, office.id(3), 1);
        let taken_back = office.tap(&mut server, cancel);
        assert_eq!((taken_back.class, taken_back.code, taken_back.balance), (Class::Applied, 4, sold));
        let looked = office.tap(&mut server, Request::of_office(Command::Lookup, office.id(3), 1));
        assert_eq!(looked.outcome(), Outcome::Declined(Decline::Cancelled));
        assert_eq!(home(&mut server, &mut office, 5), (sold, 3));
    }
}

#[test]
fn an_office_is_nobodys_but_the_administrators_and_no_wallet() {
    let mut server = Server::start();
    let mut desk = funded(&mut server, 1);
    let mut office = Terminal::welcomed(&mut server, ADMINISTRATOR);
    let refused = |answer: wire::Answer| match answer.outcome() {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let by_desk = Request::pay_out(desk.id(50), 1, 100, 5);
    assert_eq!(refused(desk.tap(&mut server, by_desk)), Refusal::NotYourRole);
    let read_by_desk = Request::of_office(Command::Balance, desk.id(51), 1);
    assert_eq!(refused(desk.tap(&mut server, read_by_desk)), Refusal::NotYourRole);
    let nobody = Request::pay_out(office.id(1), 1, 100, 0);
    assert_eq!(refused(office.tap(&mut server, nobody)), Refusal::NoOperator);
    for vendor in [0, 2] {
        let elsewhere = Request::pay_out(office.id(2), vendor, 100, 5);
        assert_eq!(refused(office.tap(&mut server, elsewhere)), Refusal::NotThisOffice);
    }
}
