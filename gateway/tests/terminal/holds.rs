//! A terminal has money held for a sale to come, over the wire: the balance shows what can be spent, a
//! capture sells out of what is held, and a retry of any of it gets its first answer.

use wire::{Class, Decline, Line, Outcome, Request};

use crate::support::*;

#[test]
fn money_is_held_sold_out_of_and_given_back() {
    // The deposit was drunk meanwhile; or the rest of it never came back.
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let hold = bar.id(1);
    let authorise = Request::authorise(hold, uid(1), 2_000, 60);
    let held = bar.tap(&mut server, authorise);
    assert_eq!((held.outcome(), held.balance), (Outcome::Applied, 3_000));
    assert_eq!(bar.tap(&mut server, authorise), held);
    let beer = [Line { item: 1, quantity: 1, unit_price: 650 }];
    let above = [Line { item: 1, quantity: 4, unit_price: 650 }];
    let declined = bar.tap(&mut server, Request::capture(bar.id(2), uid(1), hold, &above));
    assert_eq!((declined.class, declined.code), (Class::Declined, Decline::AboveHold.number()));
    let sold = bar.tap(&mut server, Request::capture(bar.id(3), uid(1), hold, &beer));
    assert_eq!((sold.outcome(), sold.balance), (Outcome::Applied, 4_350));
    assert_eq!(bar.tap(&mut server, Request::capture(bar.id(3), uid(1), hold, &beer)), sold);
    let released = bar.tap(&mut server, Request::release_hold(bar.id(4), uid(1), hold));
    assert_eq!((released.class, released.code), (Class::Declined, Decline::HoldEnded.number()));
    // A retry of the authorisation is the first answer for ever.
    assert_eq!(bar.tap(&mut server, authorise), held);
}

#[test]
fn a_release_gives_all_of_it_back() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let hold = bar.id(1);
    assert_eq!(bar.tap(&mut server, Request::authorise(hold, uid(1), 2_000, 60)).balance, 3_000);
    let released = bar.tap(&mut server, Request::release_hold(bar.id(2), uid(1), hold));
    assert_eq!((released.outcome(), released.balance), (Outcome::Applied, 5_000));
    // The festival of the tests allows an hour.
    let longer = bar.tap(&mut server, Request::authorise(bar.id(3), uid(1), 2_000, 3_601));
    assert_eq!(longer.class, Class::Refused);
}

#[test]
fn what_nobody_captures_is_back_when_its_time_is_up() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let hold = bar.id(1);
    assert_eq!(bar.tap(&mut server, Request::authorise(hold, uid(1), 2_000, 30)).balance, 3_000);
    server.pass(31_000_000);
    server.settle();
    let late = bar.tap(&mut server, Request::capture(bar.id(2), uid(1), hold, &ONE_BEER));
    assert_eq!((late.class, late.code, late.balance), (Class::Declined, Decline::HoldEnded.number(), 5_000));
}
