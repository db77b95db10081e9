//! Hello, purchase, retry, cancel, lookup, statement, pipelining.

use wire::{Class, Decline, FrameKind, Outcome, Read, Refusal, Request, Roles, Statement, Tender};

use gateway::shared::FIRST_INCARNATION;

use crate::support::*;

#[test]
fn a_welcome_tells_the_terminal_who_it_is() {
    let mut server = Server::start();
    let mut terminal = Terminal::connect(&server, SELLER);
    let welcome = terminal.hello(&mut server);
    assert_eq!((welcome.version, welcome.roles, welcome.till), (1, Roles::SELL, 1));
    assert_eq!((welcome.configuration, welcome.incarnation, welcome.highest_counter), (1, 1, 0));
    assert_eq!((welcome.ledger, welcome.currency, welcome.exponent), (LEDGER.0, 978, 2));
    assert_eq!(welcome.server_time, START + 1_000_000);
    assert_eq!(welcome.limits, wire::ConnectionLimits::default());
}

#[test]
fn a_purchase_is_answered_and_its_retry_gets_the_first_answer_byte_for_byte() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let purchase = Request::purchase(bar.id(1), uid(1), &ONE_BEER);
    bar.ask(&[purchase]);
    let first = bar.frame(&mut server);
    bar.ask(&[Request { wait_ms: 9_000, ..purchase }]);
    let again = bar.frame(&mut server);
    assert_eq!(first, again);
    let answer = wire::answers(&first.body, 1).unwrap().next().unwrap().unwrap();
    assert_eq!((answer.outcome(), answer.command, answer.balance), (Outcome::Applied, 3, 4_350));
    assert!(answer.position.number() > 0);
    // The same id for another sale is refused: the guest would have paid for what he did not get.
    let other = bar.tap(&mut server, Request { amount: 1, ..purchase });
    assert_eq!(other.outcome(), Outcome::Refused(Refusal::IdReused));
}

#[test]
fn a_cancelled_purchase_gives_the_money_back_and_stays_cancelled() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let purchase = Request::purchase(bar.id(1), uid(1), &ONE_BEER);
    assert_eq!(bar.tap(&mut server, purchase).balance, 4_350);
    let cancel = bar.tap(&mut server, Request::cancel(bar.id(1), uid(1)));
    assert_eq!((cancel.class, cancel.code, cancel.command, cancel.balance), (Class::Applied, 4, 6, 5_000));
    let retry = bar.tap(&mut server, purchase);
    assert_eq!(retry.outcome(), Outcome::Declined(Decline::Cancelled));
    // An id that was never seen is burned: a straggler finds it closed.
    let burn = bar.tap(&mut server, Request::cancel(bar.id(2), uid(1)));
    assert_eq!((burn.class, burn.code), (Class::Applied, 5));
    let straggler = bar.tap(&mut server, Request::purchase(bar.id(2), uid(1), &ONE_BEER));
    assert_eq!(straggler.outcome(), Outcome::Declined(Decline::Burned));
}

#[test]
fn a_lookup_says_what_became_of_an_id_and_closes_nothing() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let never = bar.tap(&mut server, Request::lookup(bar.id(1), uid(1)));
    assert_eq!((never.outcome(), never.command), (Outcome::Read(Read::NeverSeen), 7));
    let bought = bar.tap(&mut server, Request::purchase(bar.id(1), uid(1), &ONE_BEER));
    let seen = bar.tap(&mut server, Request::lookup(bar.id(1), uid(1)));
    assert_eq!(seen, wire::Answer { command: 7, ..bought });
}

#[test]
fn a_statement_shows_the_balance_and_the_last_movements() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    bar.tap(&mut server, Request::purchase(bar.id(1), uid(1), &ONE_BEER));
    bar.ask(&[Request::balance(bar.id(2), uid(1))]);
    let frame = bar.frame(&mut server);
    assert_eq!(frame.kind, FrameKind::Statement);
    let statement = Statement::parse(&frame.body, frame.count).unwrap();
    assert_eq!((statement.answer.outcome(), statement.answer.balance), (Outcome::Read(Read::Balance), 4_350));
    let movements: Vec<_> = statement.movements().map(|movement| (movement.id, movement.balance)).collect();
    let desk = |counter| wire::RequestId::new(DESK, counter).unwrap();
    assert_eq!(movements, [(bar.id(1), 4_350), (desk(2), 5_000), (desk(1), 0)]);
}

#[test]
fn requests_of_one_frame_are_answered_each_by_its_id_whatever_the_order() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 40);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let mut requests: Vec<_> =
        (1..=40).map(|band| Request::purchase(bar.id(band.into()), uid(band), &ONE_BEER)).collect();
    // A request that no wallet needs to see sits between good neighbours, and so does a read.
    requests[20].amount += 1;
    requests[30] = Request::balance(bar.id(31), uid(31));
    bar.ask(&requests);
    let mut answered = Vec::new();
    while answered.len() < 40 {
        let frame = bar.frame(&mut server);
        if frame.kind == FrameKind::Statement {
            answered.push(Statement::parse(&frame.body, frame.count).unwrap().answer);
        } else {
            answered.extend(wire::answers(&frame.body, frame.count).unwrap().map(Result::unwrap));
        }
    }
    answered.sort_by_key(|answer| answer.id);
    for (index, answer) in (1..).zip(&answered) {
        let expected = match index {
            21 => Outcome::Refused(Refusal::LinesDoNotAddUp),
            31 => Outcome::Read(Read::Balance),
            _ => Outcome::Applied,
        };
        assert_eq!((answer.id, answer.outcome()), (bar.id(index), expected));
    }
}

#[test]
fn nothing_is_told_before_its_block_is_confirmed() {
    let memory = ledger::journal::memory::Memory::manual();
    let mut server = Server::with(Setting { memory, ..Setting::default() });
    server.settle();
    server.memory.confirm(4);
    let mut desk = Terminal::welcomed(&mut server, DESK);
    desk.ask(&[Request::open_wallet(desk.id(1), uid(1))]);
    // A read behind it shows what could still be lost, so it waits for the same block.
    desk.ask(&[Request::lookup(desk.id(1), uid(1))]);
    server.settle();
    assert_eq!(desk.next(), None);
    server.memory.confirm(1);
    assert!(desk.answers(&mut server, 2).iter().all(|answer| answer.outcome() == Outcome::Applied));
}

#[test]
fn the_highest_counter_survives_connections_and_starts() {
    let memory = ledger::journal::memory::Memory::new();
    let mut server = Server::with(Setting { memory, ..Setting::default() });
    let mut desk = funded(&mut server, 3);
    // A refusal is no record: its counter was never used up.
    let refused = desk.tap(&mut server, Request::top_up(desk.id(99), uid(200), 500, Tender::Cash));
    assert_eq!(refused.outcome(), Outcome::Refused(Refusal::UnknownTag));
    let highest = |server: &mut Server| Terminal::connect(server, DESK).hello(server);
    assert_eq!(highest(&mut server).highest_counter, 6);
    let memory = server.memory.reopen();
    let mut server = Server::with(Setting { memory, ..Setting::default() });
    let welcome = highest(&mut server);
    assert_eq!(welcome.highest_counter, 6);
}

#[test]
fn a_restart_is_no_other_incarnation() {
    // A site whose standby had restarted more often than the server in use: its terminals would call
    // the right server an old copy and stop selling.
    let mut server = Server::start();
    let first = Terminal::connect(&server, DESK).hello(&mut server);
    let memory = server.memory.reopen();
    let mut server = Server::with(Setting { memory, ..Setting::default() });
    let second = Terminal::connect(&server, DESK).hello(&mut server);
    assert_eq!((first.incarnation, second.incarnation), (FIRST_INCARNATION, FIRST_INCARNATION));
}

#[test]
fn a_device_may_only_use_its_own_ids_and_its_own_roles() {
    let mut server = Server::start();
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let desk_id = wire::RequestId::new(DESK, 1).unwrap();
    let stolen = bar.tap(&mut server, Request::lookup(desk_id, uid(1)));
    assert_eq!(stolen.outcome(), Outcome::Refused(Refusal::NotYourId));
    let opened = bar.tap(&mut server, Request::open_wallet(bar.id(1), uid(1)));
    assert_eq!(opened.outcome(), Outcome::Refused(Refusal::NotYourRole));
}
