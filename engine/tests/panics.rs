//! A panic harms only the command that caused it: its neighbours are answered, the shard comes
//! back from its journal, the repeated offender is quarantined by name. Runs in a build with the
//! `mutants` feature, where a request can be made to panic at a chosen place.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::{Command, Request};
use engine::core::{Core, CoreParts};
use engine::job::Told;
use engine::limits::{RESEND_MICROS, SWEEP_MICROS};
use ledger::block::Draft;
use ledger::ids::ShardId;
use ledger::journal::memory::{Door, Memory};
use ledger::journal::{Event, Journal, Lookup, SubmitError};
use ledger::mutant::{
    POISON_ANSWER, POISON_APPLY, POISON_DECIDE, POISON_ENCODE, Point, Strike, arm, is_armed,
};
use ledger::record::{Body, Envelope, Record};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const INTERNAL: Verdict = Verdict::Refused(Refusal::Internal);

fn poisoned(counter: u64, band: u8, poison: u32) -> Request {
    with_poison(buy(counter, band, 1), poison)
}

fn with_poison(request: Request, poison: u32) -> Request {
    Request { tag_counter: std::num::NonZeroU32::new(poison), ..request }
}

fn two_wallets() -> (Memory, Core<Door>) {
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    let requests = [open(1, 1), top_up(2, 1, 5_000), open(3, 2), top_up(4, 2, 5_000)];
    submit(&mut core, requests);
    assert_eq!(settle(&mut core, 1).len(), 4);
    (memory, core)
}

fn verdict(told: &[Told], token: u64) -> Verdict {
    told.iter().find(|told| told.reply.token == token).unwrap().message.answer().verdict
}

#[test]
fn a_panicking_decision_is_refused_and_its_neighbours_are_answered() {
    // One request that trips a defect stopped the sales of a whole shard.
    let _alone = alone();
    let (_memory, mut core) = two_wallets();
    submit(&mut core, [buy(1, 1, 1), poisoned(2, 1, POISON_DECIDE), buy(3, 2, 1)]);
    let told = settle(&mut core, 2);
    assert_eq!([verdict(&told, 0), verdict(&told, 1), verdict(&told, 2)], [APPLIED, INTERNAL, APPLIED]);
    assert_eq!((core.counters().panics, core.counters().rebuilds), (1, 0));
}

#[test]
fn a_shard_whose_state_broke_is_rebuilt_from_its_journal() {
    // State half changed by a record that was never stored.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    submit(&mut core, [buy(1, 1, 1), poisoned(2, 1, POISON_APPLY), buy(3, 2, 1)]);
    let told = settle(&mut core, 2);
    // The first was decided but never stored: nobody is told yes or no.
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [Verdict::Unknown, INTERNAL]);
    assert_eq!(verdict(&told, 2), Verdict::Refused(Refusal::Busy));
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [buy(1, 1, 1), buy(3, 2, 1)]);
    let told = settle(&mut core, 3);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [APPLIED, APPLIED]);
    assert_eq!(told[0].message.answer().balance, 5_000 - BEER);
    assert_eq!(core.counters().rebuilds, 1);
}

#[test]
fn an_actor_that_keeps_panicking_is_quarantined_by_name() {
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    for counter in 1..=3 {
        submit(&mut core, [poisoned(counter, 1, POISON_DECIDE)]);
        assert_eq!(verdict(&settle(&mut core, counter), 0), INTERNAL);
    }
    submit(&mut core, [buy(4, 1, 1), buy(5, 2, 1)]);
    let told = settle(&mut core, 5);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [Verdict::Refused(Refusal::Quarantined), APPLIED]);
    // It is a record: a restart does not lift it.
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [buy(4, 1, 1)]);
    assert_eq!(verdict(&settle(&mut core, 6), 0), Verdict::Refused(Refusal::Quarantined));
}

#[test]
fn an_actor_that_keeps_breaking_its_shard_is_quarantined_when_the_state_is_back() {
    // One band with one bad request dropped its shard at every retry, and with it every customer of that
    // shard was told to come back, all evening.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    for counter in 1..=3 {
        submit(&mut core, [poisoned(counter, 1, POISON_APPLY)]);
        assert_eq!(verdict(&settle(&mut core, counter), 0), INTERNAL);
        assert_eq!(rebuild(&mut core, &memory), 1);
    }
    submit(&mut core, [poisoned(4, 1, POISON_APPLY), buy(5, 2, 1)]);
    let told = settle(&mut core, 5);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [Verdict::Refused(Refusal::Quarantined), APPLIED]);
    assert_eq!((core.counters().quarantined, core.counters().rebuilds), (1, 3));
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [buy(6, 1, 1)]);
    assert_eq!(verdict(&settle(&mut core, 6), 0), Verdict::Refused(Refusal::Quarantined));
}

#[test]
fn a_band_whose_opening_breaks_the_shard_is_kept_out_though_it_has_no_state() {
    // The same for a new band at a desk: nothing a record could name, so nothing ever stopped it.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    for counter in 11..=13 {
        submit(&mut core, [with_poison(open(counter, 9), POISON_APPLY)]);
        assert_eq!(verdict(&settle(&mut core, counter), 0), INTERNAL);
        assert_eq!(rebuild(&mut core, &memory), 1);
    }
    let again = with_poison(open(14, 9), POISON_APPLY);
    submit(&mut core, [again, request(DESK, 15, 9, Command::Lookup), buy(1, 2, 1)]);
    let told = settle(&mut core, 15);
    let kept_out = Verdict::Refused(Refusal::Quarantined);
    let verdicts = [verdict(&told, 0), verdict(&told, 1), verdict(&told, 2)];
    assert_eq!(verdicts, [kept_out, kept_out, APPLIED]);
    assert_eq!((core.counters().quarantined, core.counters().rebuilds), (0, 3));
}

#[test]
fn half_a_record_in_the_block_being_filled_is_never_handed_over() {
    // A block that no start can read again: the whole shard, at the next restart.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    submit(&mut core, [poisoned(1, 1, POISON_ENCODE), buy(2, 2, 1)]);
    let told = settle(&mut core, 2);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [INTERNAL, Verdict::Refused(Refusal::Busy)]);
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [buy(2, 2, 1)]);
    assert_eq!(verdict(&settle(&mut core, 3), 0), APPLIED);
    let live = core.inspect(ShardId(0)).unwrap().1.unwrap().digest();
    let (stored, _) = engine::recovery::rebuild(&memory, ShardId(0)).unwrap();
    assert_eq!(stored.digest(), live);
}

#[test]
fn what_was_refused_internal_is_not_booked_behind_the_terminals_back() {
    // A beer refused with an error at the bar, and paid for all the same.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    submit(&mut core, [poisoned(1, 1, POISON_ANSWER)]);
    assert_eq!(verdict(&settle(&mut core, 2), 0), INTERNAL);
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [request(SELLER, 1, 1, Command::Lookup), request(SELLER, 2, 1, Command::Balance)]);
    let told = settle(&mut core, 3);
    assert_eq!(verdict(&told, 0), Verdict::NeverSeen);
    assert_eq!(told[1].message.answer().balance, 5_000);
}

#[test]
fn the_neighbours_of_a_broken_shard_answer_on_while_it_is_away() {
    // One bad record, and every bar of the loop stood still until the shard was read back.
    let _alone = alone();
    let memory = Memory::new();
    found(&memory, 4);
    let mut core = cores(&memory, 1).remove(0);
    let shard_of = |band: u8| keys().tag(&uid(band)).number.as_wallet().shard(4);
    let bands: Vec<u8> =
        (0..4).map(|shard| (1..=250).find(|band| shard_of(*band) == ShardId(shard)).unwrap()).collect();
    for (counter, band) in (1..).step_by(2).zip(&bands) {
        submit(&mut core, [open(counter, *band), top_up(counter + 1, *band, 5_000)]);
        settle(&mut core, 1);
    }
    submit(&mut core, [poisoned(1, bands[0], POISON_APPLY)]);
    assert_eq!(verdict(&settle(&mut core, 2), 0), INTERNAL);
    // Not rebuilt yet.
    for round in 0..3 {
        submit(&mut core, bands.iter().map(|band| buy(10 + round, *band, 1)));
        let told = settle(&mut core, 3 + round);
        let verdicts: Vec<_> = (0..4).map(|token| verdict(&told, token)).collect();
        assert_eq!(verdicts, [Verdict::Refused(Refusal::Busy), APPLIED, APPLIED, APPLIED]);
    }
    assert_eq!(core.take_rebuilds(), [ShardId(0)]);
    core.install(engine::recovery::rebuild(&memory, ShardId(0)).unwrap());
    submit(&mut core, [buy(20, bands[0], 1)]);
    let told = settle(&mut core, 9);
    assert_eq!((verdict(&told, 0), told[0].message.answer().balance), (APPLIED, 5_000 - BEER));
}

#[test]
fn a_message_that_breaks_its_shard_comes_back_instead_of_breaking_it_for_ever() {
    // Ten euros sent to a friend, between two shards for ever, and the friend's shard dropped five times
    // a second by them.
    let _alone = alone();
    let memory = Memory::new();
    found(&memory, 4);
    let mut core = cores(&memory, 1).remove(0);
    let shard_of = |band: u8| keys().tag(&uid(band)).number.as_wallet().shard(4);
    let payee = (2..=250).find(|band| shard_of(*band) != shard_of(1)).unwrap();
    submit(&mut core, [open(1, 1), top_up(2, 1, 5_000), open(3, payee)]);
    settle(&mut core, 1);
    let to = keys().tag(&uid(payee)).number.as_wallet();
    submit(&mut core, [request(DESK, 4, 1, Command::Transfer { payee: to, amount: 1_000 })]);
    while core.counters().records < 4 {
        core.turn(clock(2));
    }
    arm(Point::Append, Strike::Panic);
    settle(&mut core, 3);
    assert!(!is_armed());
    assert_eq!(core.take_rebuilds(), [shard_of(payee)]);
    core.install(engine::recovery::rebuild(&memory, shard_of(payee)).unwrap());
    for round in 1..=4 {
        settle(&mut core, 3 + round * RESEND_MICROS);
    }
    let balance = |band: u8| {
        let (_, state) = core.inspect(shard_of(band)).unwrap();
        state.unwrap().balances(keys().tag(&uid(band)).number.as_wallet()).unwrap().total()
    };
    assert_eq!((balance(1), balance(payee)), (5_000, 0));
    assert_eq!((core.counters().returned, core.counters().rebuilds), (1, 1));
}

#[test]
fn a_sweep_that_panics_costs_its_shard_one_rebuild_and_no_sale() {
    // Panics outside of any command ended the loop, and with it every connection.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    submit(&mut core, [buy(1, 1, 1)]);
    settle(&mut core, 2);
    arm(Point::Sweep, Strike::Panic);
    let late = 2 * SWEEP_MICROS;
    for at in 0..3 {
        settle(&mut core, late + at * 100_000);
    }
    assert!(!is_armed());
    assert_eq!((core.counters().panics, core.counters().swept), (1, 0));
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [buy(2, 1, 1)]);
    let told = settle(&mut core, late + 500_000);
    assert_eq!(told[0].message.answer().balance, 5_000 - 2 * BEER);
    // Nothing asks for it again before its time, and then it is swept.
    for at in 1..=3 {
        settle(&mut core, late + at * SWEEP_MICROS);
    }
    assert_eq!((core.counters().panics, core.counters().swept), (1, 1));
}

#[test]
fn a_shard_that_fails_as_it_comes_back_is_rebuilt_again_and_its_core_goes_on() {
    // A rebuilt shard that failed once more took the whole loop along: every terminal of that loop lost its
    // connection for one shard's sake.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    submit(&mut core, [poisoned(1, 1, POISON_APPLY)]);
    settle(&mut core, 2);
    arm(Point::Install, Strike::Panic);
    assert_eq!(rebuild(&mut core, &memory), 1);
    assert!(!is_armed());
    submit(&mut core, [buy(2, 1, 1)]);
    assert_eq!(verdict(&settle(&mut core, 3), 0), Verdict::Refused(Refusal::Busy));
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [buy(2, 1, 1)]);
    let told = settle(&mut core, 4);
    assert_eq!((verdict(&told, 0), told[0].message.answer().balance), (APPLIED, 5_000 - BEER));
    assert_eq!((core.counters().panics, core.counters().rebuilds), (2, 1));
}

#[test]
fn a_look_up_that_fails_costs_its_shard_one_rebuild_and_nobody_an_answer() {
    // The same for a void, whose sale is looked up in the journal.
    let _alone = alone();
    let (memory, mut core) = two_wallets();
    let sale = buy(1, 1, 1);
    let void = |counter| request(DESK, counter, 1, Command::Void { sale: sale.id });
    submit(&mut core, [sale.clone()]);
    settle(&mut core, 2);
    arm(Point::Fetched, Strike::Panic);
    submit(&mut core, [void(10)]);
    assert_eq!(verdict(&settle(&mut core, 3), 0), Verdict::Refused(Refusal::Busy));
    assert!(!is_armed());
    assert_eq!(rebuild(&mut core, &memory), 1);
    submit(&mut core, [void(10)]);
    let told = settle(&mut core, 4);
    assert_eq!((verdict(&told, 0), told[0].message.answer().balance), (APPLIED, 5_000));
}

/// A door whose next block makes the store's own code panic.
struct Brittle {
    door: Door,
    breaks: bool,
}

impl Journal for Brittle {
    fn submit(&mut self, draft: Box<Draft>) -> Result<(), SubmitError> {
        assert!(!std::mem::take(&mut self.breaks), "as told");
        self.door.submit(draft)
    }

    fn room(&self) -> u64 {
        self.door.room()
    }

    fn fetch(&mut self, lookup: Lookup) {
        self.door.fetch(lookup);
    }

    fn withdraw(&mut self, shard: ShardId) -> bool {
        self.door.withdraw(shard)
    }

    fn commit(&mut self, eager: bool) {
        self.door.commit(eager);
    }

    fn events(&mut self, into: &mut Vec<Event>) {
        self.door.events(into);
    }
}

#[test]
fn a_block_that_could_not_be_handed_over_leaves_nobody_without_an_answer() {
    // A terminal that hears nothing at all: its barman waits until the connection is given up.
    let _alone = alone();
    let (memory, core) = two_wallets();
    drop(core);
    let mut core = brittle(&memory);
    submit(&mut core, [buy(1, 1, 1), buy(2, 2, 1)]);
    let told = settle(&mut core, 2);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [Verdict::Unknown; 2]);
    let asked = core.take_rebuilds();
    assert_eq!(asked, [ShardId(0)]);
    core.install(engine::recovery::rebuild(&memory, asked[0]).unwrap());
    submit(&mut core, [buy(1, 1, 1), buy(2, 2, 1)]);
    let told = settle(&mut core, 3);
    assert_eq!([verdict(&told, 0), verdict(&told, 1)], [APPLIED; 2]);
    assert_eq!(told[0].message.answer().balance, 5_000 - BEER);
}

fn brittle(memory: &Memory) -> Core<Brittle> {
    let CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox } =
        core_parts(memory, 1).remove(0);
    let journal = Brittle { door: journal, breaks: true };
    Core::new(CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox })
}

#[test]
fn a_record_that_cannot_be_read_back_is_named() {
    // A start that fails, and nothing to search for in millions of records.
    let _alone = alone();
    let (memory, core) = two_wallets();
    let (head, state) = core.inspect(ShardId(0)).unwrap();
    let state = state.unwrap();
    let at = state.last_at();
    let mut draft = Box::new(Draft::new(state.genesis().unwrap().ledger, ShardId(0), state.epoch()));
    draft.begin(state.prologue(at));
    for poison in [None, std::num::NonZeroU32::new(POISON_APPLY)] {
        let envelope = Envelope { tag_counter: poison, ..Envelope::default() };
        draft.push(&Record::fact(at, envelope, Body::EpochOpened { epoch: state.epoch() }));
    }
    draft.place(head);
    let culprit = head.next_record.next();
    let mut door = memory.door(None);
    door.submit(draft).unwrap();
    door.commit(true);
    let error = engine::recovery::rebuild(&memory, ShardId(0)).err().unwrap().to_string();
    assert!(error.contains(&format!("shard 0 block {}", head.next_seq)), "{error}");
    assert!(error.contains(&format!("record {culprit} makes this build panic")), "{error}");
}

/// Four shards, of which one panics while it appends something of a change of the configuration: after
/// `turns` turns of the change, if anything is appended then. The versions in force afterwards, and how many
/// messages went back.
fn change_with_a_panic(turns: u64, changes: &[Request]) -> (Vec<u32>, u64) {
    let memory = Memory::new();
    found(&memory, 4);
    let mut core = cores(&memory, 1).remove(0);
    settle(&mut core, 1);
    submit(&mut core, changes.iter().cloned());
    for _ in 0..turns {
        core.turn(clock(2));
    }
    arm(Point::Append, Strike::Panic);
    for round in 0..12 {
        settle(&mut core, 3 + round * RESEND_MICROS);
        rebuild(&mut core, &memory);
        // What was not applied is sent again, as its terminal does.
        submit(&mut core, changes.iter().cloned());
    }
    settle(&mut core, 13 * RESEND_MICROS);
    // Nothing was left to append.
    let _struck = std::panic::catch_unwind(|| ledger::mutant::struck(Point::Append));
    check_audit(&memory);
    let version = |shard| core.inspect(ShardId(shard)).unwrap().1.unwrap().adopted().unwrap().version.get();
    ((0..4).map(version).collect(), core.counters().returned)
}

#[test]
fn a_shard_that_panicked_on_a_part_of_a_configuration_is_told_all_of_it_again() {
    // A vendor was stopped, and in one shard's bands went on selling until the next change of the festival.
    let _alone = alone();
    let (mut settings, lists) = parts();
    settings.version = ledger::ids::Version::new(2).unwrap();
    let changes = application(1, &actors::festival::Festival::new(settings, lists).unwrap());
    let mut returned = 0;
    for turns in 0..12 {
        let (versions, back) = change_with_a_panic(turns, &changes);
        assert_eq!(versions, [2; 4], "{turns} turns");
        returned += back;
    }
    assert!(returned > 0, "no panic met a message");
}
