//! State runs ahead of the disk; answers never do (L3, L10). Each test begins with what a user would have
//! lost if it broke.

mod support;

use actors::answer::Verdict;
use actors::codes::{Decline, Outcome, Refusal};
use actors::command::Command;
use engine::job::Told;
use ledger::journal::memory::Memory;
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);

fn verdicts(told: &[Told]) -> Vec<(u64, Verdict)> {
    told.iter().map(|told| (told.reply.token, told.message.answer().verdict)).collect()
}

/// One core over a one-shard ledger whose journal confirms only when told to; a wallet with 10.00.
fn funded() -> (Memory, engine::core::Core<ledger::journal::memory::Door>) {
    let memory = Memory::manual();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    core.turn(clock(0));
    memory.confirm(1);
    submit(&mut core, [open(1, 1), top_up(2, 1, 1_000)]);
    core.turn(clock(1));
    memory.confirm(1);
    assert_eq!(verdicts(&settle(&mut core, 2)), [(0, APPLIED), (1, APPLIED)]);
    (memory, core)
}

#[test]
fn an_answer_leaves_only_when_its_block_is_stored() {
    // A beer handed out for a sale that a crash would have forgotten.
    let (memory, mut core) = funded();
    submit(&mut core, [buy(1, 1, 1)]);
    assert!(core.turn(clock(3)).in_flight);
    assert!(core.ready().is_empty());
    memory.confirm(1);
    assert_eq!(verdicts(&settle(&mut core, 4)), [(0, APPLIED)]);
}

#[test]
fn a_decline_decided_on_an_unconfirmed_sale_waits_for_that_sale() {
    // "Insufficient funds", and then the sale that used the money up was lost.
    let (memory, mut core) = funded();
    submit(&mut core, [buy(1, 1, 1)]);
    core.turn(clock(3));
    submit(&mut core, [buy(2, 1, 1)]);
    core.turn(clock(4));
    assert!(core.ready().is_empty());
    memory.confirm(1);
    core.turn(clock(5));
    assert_eq!(verdicts(core.ready()), [(0, APPLIED)]);
    core.ready().clear();
    memory.confirm(1);
    let declined = Verdict::Declined(Decline::InsufficientFunds);
    assert_eq!(verdicts(&settle(&mut core, 6)), [(0, declined)]);
}

#[test]
fn a_refusal_and_a_read_wait_behind_what_they_saw() {
    // A balance shown to a customer, and then the top-up behind it was lost.
    let (memory, mut core) = funded();
    submit(&mut core, [buy(1, 1, 1)]);
    core.turn(clock(3));
    let wrong_price = {
        let mut request = buy(2, 1, 1);
        request.till = ledger::ids::TillId::new(9);
        request
    };
    submit(&mut core, [request(SELLER, 3, 1, Command::Balance), wrong_price]);
    core.turn(clock(4));
    assert!(core.ready().is_empty());
    memory.confirm(1);
    let told = settle(&mut core, 5);
    let expected = [(0, APPLIED), (0, Verdict::Balance), (1, Verdict::Refused(Refusal::WrongTill))];
    assert_eq!(verdicts(&told), expected);
    assert_eq!(told[1].message.answer().balance, 1_000 - BEER);
}

#[test]
fn a_retry_of_an_unconfirmed_request_waits_and_gets_the_same_answer() {
    // Charged once, told twice: the retry overtook its own record.
    let (memory, mut core) = funded();
    submit(&mut core, [buy(1, 1, 1)]);
    core.turn(clock(3));
    submit(&mut core, [buy(1, 1, 1)]);
    core.turn(clock(4));
    assert!(core.ready().is_empty());
    memory.confirm(1);
    let told = settle(&mut core, 5);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].message, told[1].message);
    assert_eq!(told[0].message.answer().balance, 1_000 - BEER);
}

#[test]
fn when_the_store_dies_nobody_is_told_yes_or_no() {
    // A terminal shown "paid" for a sale of a block that never reached the disk.
    let (memory, mut core) = funded();
    submit(&mut core, [buy(1, 1, 1)]);
    core.turn(clock(3));
    submit(&mut core, [buy(2, 1, 1)]);
    core.turn(clock(4));
    memory.die(1, "flush failed");
    let told = settle(&mut core, 5);
    assert_eq!(verdicts(&told), [(0, Verdict::Unknown), (0, Verdict::Unknown)]);
    assert_eq!(core.death(), Some("flush failed"));

    // The first block was stored after all: resent, its request is answered from memory, once.
    let memory = memory.reopen();
    let mut core = cores(&memory, 1).remove(0);
    core.turn(clock(6));
    memory.confirm(1);
    submit(&mut core, [buy(1, 1, 1), buy(2, 1, 1)]);
    core.turn(clock(7));
    memory.confirm(1);
    let told = settle(&mut core, 8);
    let declined = Verdict::Declined(Decline::InsufficientFunds);
    assert_eq!(verdicts(&told), [(0, APPLIED), (1, declined)]);
    assert_eq!(told[0].message.answer().balance, 1_000 - BEER);
}

#[test]
fn a_void_of_an_unconfirmed_sale_waits_for_its_record() {
    // Money given back for a sale that was then lost.
    let (memory, mut core) = funded();
    submit(&mut core, [buy(1, 1, 1)]);
    core.turn(clock(3));
    let sale = buy(1, 1, 1).id;
    submit(&mut core, [request(DESK, 3, 1, Command::Void { sale })]);
    core.turn(clock(4));
    assert!(core.ready().is_empty());
    memory.confirm(1);
    core.turn(clock(5));
    assert_eq!(verdicts(core.ready()), [(0, APPLIED)]);
    core.ready().clear();
    for at in 6..10 {
        while memory.serve_lookup() {}
        core.turn(clock(at));
        memory.confirm(1);
    }
    let told = settle(&mut core, 11);
    assert_eq!(verdicts(&told), [(0, APPLIED)]);
    assert_eq!(told[0].message.answer().balance, 1_000);
}

#[test]
fn a_late_request_is_refused_but_a_known_one_gets_its_answer() {
    // "Too late" for a sale that had taken effect: the customer pays again in cash.
    let (memory, mut core) = funded();
    let late = |counter, token| {
        let mut job = job(0, token, buy(counter, 1, 1));
        job.deadline = Some(engine::job::Mono(10));
        job
    };
    core.submit(&mut vec![late(1, 0)]);
    core.turn(clock(5));
    memory.confirm(1);
    assert_eq!(verdicts(&settle(&mut core, 6)), [(0, APPLIED)]);
    core.submit(&mut vec![late(1, 1), late(2, 2)]);
    let told = settle(&mut core, 11);
    assert_eq!(verdicts(&told), [(1, APPLIED), (2, Verdict::Refused(Refusal::Late))]);
}
