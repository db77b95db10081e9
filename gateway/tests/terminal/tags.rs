//! Bands of a wallet, over the wire: tickets, further bands, lost ones, and desks that race; on one loop
//! and on two, so that the band, its wallet and the desk live in different places.

use wire::{Class, Decline, Name, Outcome, Read, Refusal, Request};

use crate::support::*;

/// Asks for the balance until the band has arrived, as the specification tells a desk to.
fn balance(server: &mut Server, desk: &mut Terminal, counter: u64, name: Name) -> Result<i64, Refusal> {
    desk.ask(&[Request::balance(desk.id(counter), name)]);
    let frame = desk.frame(server);
    if let Ok(statement) = wire::Statement::parse(&frame.body, frame.count) {
        assert_eq!(statement.answer.outcome(), Outcome::Read(Read::Balance));
        return Ok(statement.answer.balance);
    }
    let answer = wire::answers(&frame.body, frame.count).unwrap().next().unwrap().unwrap();
    match answer.outcome() {
        Outcome::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn ticket(number: u8) -> Name {
    Name::ticket([number; 10])
}

#[test]
fn a_guest_with_a_ticket_gets_a_band_loses_it_and_gets_another() {
    // The ticket was topped up at home; on the ground the band knew nothing of it.
    for loops in [1, 2] {
        let mut server = Server::with(Setting { shards: 4, loops, ..Setting::default() });
        let mut desk = funded(&mut server, 1);
        for guest in 1..=8_u8 {
            let id = |nth: u64| desk.id(1_000 + u64::from(guest) * 100 + nth);
            let (open, top_up, pair, block, pay, again) = (id(1), id(2), id(3), id(4), id(5), id(6));
            let (first, second) = (uid(10 + 2 * guest), uid(11 + 2 * guest));
            let name = ticket(guest);
            assert_eq!(desk.tap(&mut server, Request::open_wallet(open, name)).outcome(), Outcome::Applied);
            let request = Request::top_up(top_up, name, 4_000, wire::Tender::Cash);
            assert_eq!(desk.tap(&mut server, request).outcome(), Outcome::Applied);
            let paired = Request::pair(pair, first, name, None, 5);
            let answer = desk.tap(&mut server, paired);
            assert_eq!(answer.outcome(), Outcome::Applied);
            server.settle();
            assert_eq!(balance(&mut server, &mut desk, 9_000, first.into()), Ok(4_000), "{loops} loops");
            assert_eq!(desk.tap(&mut server, paired), answer, "a retry, now that requests go to the wallet");
            // Paid with the band, by another one of the same wallet.
            let transfer = Request::transfer(pay, first, uid(1), 500);
            let paid = desk.tap(&mut server, transfer);
            assert_eq!((paid.outcome(), paid.balance), (Outcome::Applied, 3_500));
            // Lost, and replaced.
            let blocked = desk.tap(&mut server, Request::block_tag(block, first, 5));
            assert_eq!(blocked.outcome(), Outcome::Applied);
            let declined =
                desk.tap(&mut server, Request::transfer(id_of(&desk, guest, 7), first, uid(1), 500));
            assert_eq!(declined.outcome(), Outcome::Declined(Decline::WalletBlocked));
            let replaced = Request::pair(again, second, name, Some(first.into()), 5);
            assert_eq!(desk.tap(&mut server, replaced).outcome(), Outcome::Applied);
            server.settle();
            let declined =
                desk.tap(&mut server, Request::transfer(id_of(&desk, guest, 8), first, uid(1), 500));
            assert_eq!(declined.outcome(), Outcome::Declined(Decline::TagReplaced));
            let retried = desk.tap(&mut server, transfer);
            assert_eq!(retried, paid, "through the old band: its first answer");
            // Money for any band of the wallet arrives.
            let back = Request::transfer(id_of(&desk, guest, 9), uid(1), second, 500);
            assert_eq!(desk.tap(&mut server, back).outcome(), Outcome::Applied);
            server.settle();
            assert_eq!(balance(&mut server, &mut desk, 9_001, second.into()), Ok(4_000), "{loops} loops");
        }
    }
}

fn id_of(desk: &Terminal, guest: u8, nth: u64) -> wire::RequestId {
    desk.id(1_000 + u64::from(guest) * 100 + nth)
}

#[test]
fn of_two_wallets_that_are_given_one_band_one_has_it() {
    // Two guests, one band: the second desk's guest paid with the first one's money.
    for loops in [1, 2] {
        let mut server = Server::with(Setting { shards: 4, loops, ..Setting::default() });
        let mut desk = funded(&mut server, 2);
        for band in 20..36 {
            let counter = 2_000 + 10 * u64::from(band);
            let (one, other) = (desk.id(counter), desk.id(counter + 1));
            let pairs = [
                Request::pair(one, uid(band), uid(1), None, 5),
                Request::pair(other, uid(band), uid(2), None, 5),
            ];
            desk.ask(&pairs);
            let answers = desk.answers(&mut server, 2);
            let won = |answer: &&wire::Answer| answer.outcome() == Outcome::Applied;
            assert_eq!(answers.iter().filter(won).count(), 1);
            let winner = usize::from(answers.iter().find(won).unwrap().id == other);
            server.settle();
            // The slower desk asks again if it was told to come back.
            let second = desk.tap(&mut server, pairs[1 - winner]);
            assert_eq!(second.outcome(), Outcome::Declined(Decline::TagTaken));
            let stands = desk.tap(&mut server, Request::cancel(one, uid(band)));
            assert!(
                [(Class::Declined, Decline::Stands.number()), (Class::Applied, Decline::TagTaken.number())]
                    .contains(&(stands.class, stands.code))
            );
        }
        // A wallet has sixteen further bands at most: the others are free again.
        for band in 40..57 {
            let pair = Request::pair(desk.id(4_000 + u64::from(band)), uid(band), uid(1), None, 5);
            assert_eq!(desk.tap(&mut server, pair).outcome(), Outcome::Applied);
        }
        server.settle();
        let mut of_wallet = |band: u8| {
            let counter = 8_000 + u64::from(band);
            balance(&mut server, &mut desk, counter, uid(band).into())
        };
        assert!((20..36).map(&mut of_wallet).all(|answer| answer == Ok(5_000)));
        let others: Vec<_> = (40..57).map(&mut of_wallet).collect();
        assert!(others.iter().all(|answer| matches!(answer, Ok(5_000) | Err(Refusal::UnknownTag))));
        assert!(others.contains(&Err(Refusal::UnknownTag)));
    }
}

#[test]
fn a_band_for_a_wallet_that_nobody_opened_is_free_again() {
    let mut server = Server::start();
    let mut desk = funded(&mut server, 1);
    let id = desk.id(1_000);
    let answer = desk.tap(&mut server, Request::pair(id, uid(50), ticket(9), None, 5));
    assert_eq!(answer.outcome(), Outcome::Applied);
    server.settle();
    assert_eq!(balance(&mut server, &mut desk, 1_001, uid(50).into()), Err(Refusal::UnknownTag));
    let second = Request::pair(desk.id(1_002), uid(50), uid(1), None, 5);
    assert_eq!(desk.tap(&mut server, second).outcome(), Outcome::Applied);
    server.settle();
    assert_eq!(balance(&mut server, &mut desk, 1_003, uid(50).into()), Ok(5_000));
}
