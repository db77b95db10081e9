//! A vendor's office against a naive model: payouts out of what came home, retries, cancels, look-ups,
//! failures set aside, in any order. A vendor paid twice, or out of what others sold, is the
//! organiser's loss.

use std::collections::BTreeMap;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::{Command, Request};
use ledger::account::AccountKind;
use ledger::ids::{Office, VendorId};
use ledger::record::{Body, Envelope, Record};
use proptest::prelude::*;

use crate::model::{APPLIED, DECLINED, class_and_code};
use crate::world::{self, ADMINISTRATOR, HOME_VENDOR, Reply, World};

const DONE: Verdict = Verdict::Applied(Outcome::Applied);

fn pay_out(world: &World, counter: u64, amount: i64) -> Request {
    world::to_office(&world.keys, ADMINISTRATOR, counter, HOME_VENDOR, Command::PayOut { amount })
}

fn also(world: &World, request: &Request, command: Command) -> Request {
    let mut other = Request { command, ..request.clone() };
    other.content = world.keys.content(&other);
    other
}

fn holds(world: &World, kind: AccountKind) -> i64 {
    let of_vendor = |owner: u64| owner == u64::from(HOME_VENDOR);
    let stripes = world.state.stripes();
    stripes.iter().filter(|(a, _)| a.kind == kind && of_vendor(a.owner)).map(|(_, minor)| -minor).sum()
}

/// What the office remembers of an id: amount, code of its outcome, whether it still stands.
#[derive(Clone, Copy, Debug)]
struct Known {
    amount: i64,
    code: u8,
    record: u64,
    balance: i64,
}

/// What an office ought to do, with a map.
#[derive(Default)]
struct Naive {
    home: i64,
    due: i64,
    known: BTreeMap<u64, Known>,
}

impl Naive {
    /// Class, code and whether a record is left.
    fn pay_out(&mut self, counter: u64, amount: i64, record: u64) -> (u8, u8, bool) {
        if let Some(known) = self.known.get(&counter) {
            let class = if known.code == 0 { APPLIED } else { DECLINED };
            return if known.amount == amount || known.code == 5 {
                (class, known.code, false)
            } else {
                (2, 73, false)
            };
        }
        if amount <= 0 {
            return (2, 71, false);
        }
        let code = u8::from(amount > self.home);
        if code == 0 {
            (self.home, self.due) = (self.home - amount, self.due + amount);
        }
        self.known.insert(counter, Known { amount, code, record, balance: self.home });
        (if code == 0 { APPLIED } else { DECLINED }, code, true)
    }

    fn cancel(&mut self, counter: u64, record: u64) -> (u8, u8, bool) {
        let Some(known) = self.known.get_mut(&counter) else {
            self.known.insert(counter, Known { amount: 0, code: 5, record, balance: self.home });
            return (APPLIED, 5, true);
        };
        if known.code != 0 {
            return (APPLIED, known.code, false);
        }
        (self.home, self.due) = (self.home + known.amount, self.due - known.amount);
        (known.code, known.record, known.balance) = (4, record, self.home);
        (APPLIED, 4, true)
    }
}

fn check(world: &mut World, naive: &Naive, request: &Request, expected: (u8, u8, bool)) {
    let before = world.history.len();
    let reply = world.ask(request);
    let (class, code) = class_and_code(reply.verdict());
    assert_eq!((class, code, world.history.len() > before), expected, "{request:?}");
    if class != 2 {
        let known = naive.known[&request.id.counter()];
        assert_eq!((reply.answer().record.0, reply.answer().balance), (known.record, known.balance));
        assert_eq!(world.ask(request), reply, "asked again");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn an_office_does_what_the_naive_model_says(
        steps in proptest::collection::vec((0_u8..8, 1_u64..12, -50_i64..3_000), 1..100),
    ) {
        let mut world = World::new();
        let mut naive = Naive::default();
        for (what, counter, amount) in steps {
            let request = pay_out(&world, counter, amount);
            let record = world.history.len() as u64;
            match what {
                0 if amount > 0 => {
                    world.bring_home(amount);
                    naive.home += amount;
                }
                1 | 2 => {
                    let expected = naive.cancel(counter, record);
                    let cancel = also(&world, &request, Command::Cancel);
                    check(&mut world, &naive, &cancel, expected);
                }
                3 => {
                    let lookup = also(&world, &request, Command::Lookup);
                    let seen = naive.known.get(&counter).map(|known| known.code);
                    let code = class_and_code(world.ask(&lookup).verdict()).1;
                    prop_assert_eq!(code, seen.unwrap_or(129));
                }
                _ => {
                    let expected = naive.pay_out(counter, amount, record);
                    check(&mut world, &naive, &request, expected);
                }
            }
            let held = (holds(&world, AccountKind::VendorHome), holds(&world, AccountKind::PayoutsDue));
            prop_assert_eq!(held, (naive.home, naive.due));
        }
        crate::audit::check_audit(&world);
        let history = &world.history;
        let replayed = world.replayed(&mut |state, record| {
            crate::programs::check_decided_again(state, record, history);
        });
        prop_assert_eq!(replayed.digest(), world.state.digest());
    }
}

#[test]
fn a_balance_of_an_office_is_what_the_home_holds_and_its_last_payouts() {
    // An administrator who sees another figure than the one the payout is decided on pays too much.
    let mut world = World::new();
    let balance = world::to_office(&world.keys, ADMINISTRATOR, 90, HOME_VENDOR, Command::Balance);
    world.bring_home(700);
    let Reply::Statement(before) = world.ask(&balance) else { panic!() };
    assert_eq!((before.answer.balance, before.movements.len()), (700, 0));
    let request = pay_out(&world, 1, 300);
    assert_eq!(world.ask(&request).verdict(), DONE);
    let Reply::Statement(after) = world.ask(&balance) else { panic!() };
    assert_eq!((after.answer.balance, after.movements.len()), (400, 1));
    assert_eq!((after.movements[0].id, after.movements[0].balance), (request.id, 400));
}

#[test]
fn an_office_that_made_the_server_fail_is_set_aside_by_name_and_comes_back() {
    // An office is an actor: what its failure keeps from acting is itself, until a person has looked.
    let mut world = World::new();
    world.bring_home(700);
    let first = pay_out(&world, 1, 300);
    assert_eq!(world.ask(&first).verdict(), DONE);
    let office = Office::Vendor(VendorId::new(HOME_VENDOR).unwrap()).number();
    for (body, expected) in
        [(Body::Quarantined, Verdict::Refused(Refusal::Quarantined)), (Body::Released, DONE)]
    {
        let envelope = Envelope { wallet: Some(office), ..Envelope::default() };
        let at = world.state.ledger_time(world.clock);
        world.push(Record::fact(at, envelope, body));
        let next = pay_out(&world, 2, 100);
        assert_eq!(world.ask(&next).verdict(), expected);
    }
    // Sales go on coming home meanwhile: no customer waits for an office.
    world.bring_home(50);
    assert_eq!(holds(&world, AccountKind::VendorHome), 350);
}
