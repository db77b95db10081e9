//! Owns: tests of the traffics against a model server in memory that keeps balances and declines as the rules say.
//! Must never: touch a socket or a clock.
//! Laws: none.

use std::collections::{HashMap, HashSet, VecDeque};

use wire::{
    Answer, Command, Decline, Flags, FromTerminal, Position, Refusal, RequestId, RequestView, RequestsWriter,
    split_frame,
};

use super::{Day, Mix, Mixed, Prepare, Sales, Step, Transfers, Wallets, part};
use crate::driver::{Sent, Traffic};
use crate::festival_file::{Festival, Rules, Size};

/// Keeps wallets as the server's rules say, far enough to answer these traffics.
#[derive(Default)]
struct Model {
    balances: HashMap<Vec<u8>, i64>,
    sales: HashMap<RequestId, i64>,
    voided: HashSet<RequestId>,
    last: HashMap<Vec<u8>, (u32, i64)>,
    busy_every: u64,
    seen: u64,
    codes: HashMap<(Command, u16), u64>,
}

impl Model {
    fn answer(&mut self, request: &RequestView<'_>) -> Answer {
        self.seen += 1;
        let (id, number) = (request.id(), request.command().number());
        if self.busy_every > 0 && self.seen.is_multiple_of(self.busy_every) {
            return Answer::busy(id, number, 5);
        }
        let answer = self.decide(request);
        *self.codes.entry((request.command(), answer.code)).or_default() += 1;
        answer
    }

    fn decide(&mut self, request: &RequestView<'_>) -> Answer {
        let (id, number, uid) = (request.id(), request.command().number(), request.uid().to_vec());
        let at = Position::NONE;
        if request.command() == Command::OpenWallet {
            self.balances.insert(uid, 0);
            return Answer::applied(id, number, at, 0);
        }
        let Some(balance) = self.balances.get_mut(&uid) else {
            return Answer::refused(id, number, Refusal::UnknownTag);
        };
        let decline = |why, balance: i64| Answer::declined(id, number, why, at, balance);
        match request.command() {
            Command::TopUp if *balance + request.amount() > 25_000 => {
                return decline(Decline::OverCap, *balance);
            }
            Command::TopUp => *balance += request.amount(),
            Command::Purchase => {
                let same = self.last.get(&uid) == Some(&(request.till(), request.amount()));
                if same && !request.flags().has(Flags::CONFIRM) {
                    return decline(Decline::LooksRepeated, *balance);
                }
                if request.amount() > *balance {
                    return decline(Decline::InsufficientFunds, *balance);
                }
                *balance -= request.amount();
                self.last.insert(uid, (request.till(), request.amount()));
                self.sales.insert(id, request.amount());
            }
            Command::Void => {
                if !self.voided.insert(request.target()) {
                    return decline(Decline::AlreadyVoided, *balance);
                }
                *balance += self.sales[&request.target()];
            }
            Command::Transfer => {
                *balance -= request.amount();
                let left = *balance;
                let payee = request.other().unwrap().bytes;
                assert_ne!(payee, uid, "a wallet pays itself");
                *self.balances.get_mut(payee).unwrap() += request.amount();
                return Answer::applied(id, number, at, left);
            }
            _ => return Answer::read(id, number, wire::Read::Balance, at, *balance),
        }
        Answer::applied(id, number, at, *balance)
    }
}

/// Drives a traffic against the model: `flight` requests stay unanswered so that they overlap.
fn drive(traffic: &mut impl Traffic, model: &mut Model, tills: &[u32], requests: u64, flight: usize) {
    let mut waiting: VecDeque<(usize, Sent, Answer)> = VecDeque::new();
    let mut counters = vec![0_u64; tills.len()];
    for number in 0..requests {
        let link = traffic.pick(number, tills.len());
        counters[link] += 1;
        let id = RequestId::new(u32::try_from(link).unwrap() + 1, counters[link]).unwrap();
        let mut bytes = Vec::new();
        let mut frame = RequestsWriter::begin(&mut bytes);
        let Some(sent) = traffic.next(link, id, tills[link], &mut frame) else { break };
        frame.finish().unwrap();
        let frame = split_frame(&bytes).unwrap().unwrap();
        let FromTerminal::Requests(mut requests) = FromTerminal::parse(&frame).unwrap() else { panic!() };
        let request = requests.next().unwrap().unwrap();
        assert_eq!(request.lines_total(), if request.line_count() == 0 { 0 } else { request.amount() });
        waiting.push_back((link, sent, model.answer(&request)));
        if waiting.len() > flight {
            let (link, sent, answer) = waiting.pop_front().unwrap();
            traffic.answered(link, sent, &answer).unwrap();
        }
    }
    for (link, sent, answer) in waiting {
        traffic.answered(link, sent, &answer).unwrap();
    }
}

fn prepare(wallets: &mut Wallets, model: &mut Model, step: Step, from: i64, to: i64) {
    let all = wallets.len();
    let mut traffic = Prepare::new(wallets, step, 3);
    // One round more than wallets for each that is told to come again; exhausted desks end a drive early.
    for _ in 0..200 {
        for link in 0..3 {
            let mut one = OneLink(&mut traffic, link);
            drive(&mut one, model, &[9, 9, 9], u64::from(all), 4);
        }
    }
    assert_eq!(traffic.done(), all);
    assert!((0..all).all(|wallet| (from..=to).contains(&wallets.balance(wallet))));
}

/// Lets a test drive one terminal of a traffic until it has nothing left.
struct OneLink<'a, 'b>(&'a mut Prepare<'b>, usize);

impl Traffic for OneLink<'_, '_> {
    fn pick(&mut self, _: u64, _: usize) -> usize {
        self.1
    }

    fn next(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        self.0.next(link, id, till, frame)
    }

    fn answered(&mut self, link: usize, sent: Sent, answer: &Answer) -> Result<(), String> {
        self.0.answered(link, sent, answer)
    }
}

fn prepared(count: u32, busy_every: u64, least: i64) -> (Wallets, Model) {
    let mut wallets = Wallets::new(count).unwrap();
    let mut model = Model { busy_every, ..Model::default() };
    prepare(&mut wallets, &mut model, Step::Open, 0, 0);
    prepare(&mut wallets, &mut model, Step::TopUp { from: least, to: 15_000 }, least, 15_000);
    model.busy_every = 0;
    (wallets, model)
}

#[test]
fn every_wallet_is_opened_and_funded_once_even_when_told_to_come_back() {
    let (wallets, model) = prepared(1_000, 7, 2_000);
    assert_eq!(model.balances.len(), 1_000);
    assert_eq!(model.codes[&(Command::OpenWallet, 0)], 1_000);
    assert_eq!(model.codes[&(Command::TopUp, 0)], 1_000);
    assert_eq!(model.balances.values().sum::<i64>(), wallets.total());
}

#[test]
fn sales_are_valid_and_the_books_agree_with_the_server() {
    let (mut wallets, mut model) = prepared(600, 0, 15_000);
    let festival = Festival::new(Size::SMALL, Rules::USUAL);
    let tills: Vec<u32> = (0..6).map(|nth| festival.seller(nth).till).collect();
    let mut sales = Sales::new(&mut wallets, &festival, &tills, 3, 50).unwrap();
    drive(&mut sales, &mut model, &tills, 600, 30);
    assert_eq!(model.balances.values().sum::<i64>(), wallets.total());
    assert!(model.codes.keys().all(|(_, code)| *code == 0), "{:?}", model.codes);
    let few = Sales::new(&mut wallets, &festival, &tills, 1, 101).unwrap_err().to_string();
    assert!(few.contains("too few"), "{few}");
}

#[test]
fn a_day_has_all_kinds_of_requests_and_noes_and_its_books_agree_with_the_server() {
    let (mut wallets, mut model) = prepared(300, 0, 2_000);
    model.codes.clear();
    let festival = Festival::new(Size::SMALL, Rules::USUAL);
    let mut tills: Vec<u32> = (0..12).map(|nth| festival.seller(nth).till).collect();
    tills.extend((0..3).map(|nth| festival.desk(nth).till));
    let mut day = Day::new(&mut wallets, &festival, &tills, Mix::USUAL, 5).unwrap();
    drive(&mut day, &mut model, &tills, 20_000, 40);
    assert_eq!(model.balances.values().sum::<i64>(), wallets.total());
    for (command, code) in [
        (Command::Purchase, 0),
        (Command::Purchase, Decline::InsufficientFunds.number()),
        (Command::Purchase, Decline::LooksRepeated.number()),
        (Command::TopUp, 0),
        (Command::Void, 0),
        (Command::Balance, 128),
    ] {
        assert!(
            model.codes.contains_key(&(command, code)),
            "{command:?} {code} never came: {:?}",
            model.codes
        );
    }
    assert!(Day::new(&mut wallets, &festival, &tills[..12], Mix::USUAL, 5).is_err(), "no desk");
}

/// The books of transfers would be right in sum with the money at the wrong wallets: each is read afterwards.
#[test]
fn transfers_reach_the_wallets_that_the_books_name() {
    let (mut wallets, mut model) = prepared(300, 0, 15_000);
    let all = wallets.total();
    model.busy_every = 10;
    let mut transfers = Transfers::new(&mut wallets, 3, 40, 1).unwrap();
    drive(&mut transfers, &mut model, &[9, 9, 9], 1_000, 60);
    assert_eq!(transfers.sent_off(), 900, "what was told busy is not counted");
    assert!((0..300).any(|wallet| wallets.balance(wallet) != 15_000));
    assert_eq!(wallets.total(), all);
    model.busy_every = 0;
    let mut read = Prepare::new(&mut wallets, Step::Read, 1);
    drive(&mut read, &mut model, &[9], 300, 4);
    assert_eq!(read.done(), 300);
    assert!(Transfers::new(&mut wallets, 3, 100, 1).is_err(), "too few payers");
}

/// A load of mixed requests without a transfer in it would have reached its bar for ever.
#[test]
fn one_request_in_so_many_is_a_transfer_and_no_other() {
    let (mut wallets, mut model) = prepared(600, 0, 15_000);
    let festival = Festival::new(Size::SMALL, Rules::USUAL);
    let tills: Vec<u32> = (0..6).map(|nth| festival.banker(nth).till).collect();
    for (one_in, transfers) in [(Some(20), 30), (None, 0)] {
        model.codes.clear();
        let mut mixed = Mixed::new(&mut wallets, &festival, &tills, one_in, 1).unwrap();
        drive(&mut mixed, &mut model, &tills, 600, 5);
        assert_eq!(mixed.sent_off(), transfers);
        assert_eq!(model.codes.get(&(Command::Transfer, 0)).copied().unwrap_or(0), transfers);
        assert_eq!(model.codes.values().sum::<u64>(), 600);
    }
    assert_eq!(model.balances.values().sum::<i64>(), wallets.total());
    assert!((525..600).any(|wallet| wallets.balance(wallet) > 15_000));
    let mut read = Prepare::new(&mut wallets, Step::Read, 1);
    drive(&mut read, &mut model, &[9], 600, 4);
    assert_eq!(read.done(), 600);
}

#[test]
fn parts_cover_all_wallets_once() {
    for (wallets, links) in [(10, 3), (500_000, 4_096), (3, 5), (0, 2)] {
        let mut at = 0;
        for link in 0..links {
            let (from, count) = part(wallets, link, links);
            assert_eq!(from, at);
            at += count;
        }
        assert_eq!(at, wallets);
    }
}
