//! Money between shards (L5): it arrives or comes back, once, whatever the way loses, and no message
//! speaks of what could still be lost. Each test begins with what a user would have lost.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::sync::{Arc, Mutex};

use actors::answer::Verdict;
use actors::channels::WINDOW;
use actors::codes::{Decline, Outcome, Refusal};
use actors::command::Command;
use actors::shard_state::ShardState;
use engine::core::Core;
use engine::limits::{ACTOR_JOBS, MAILBOX_JOBS, RESEND_MICROS, SWEEP_MICROS};
use engine::mail::{Content, Letter, Post};
use engine::recovery;
use ledger::account::AccountKind;
use ledger::ids::{FestivalId, ShardId};
use ledger::journal::memory::{Door, Memory};
use ledger::money::Currency;
use ledger::record::Message;
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const SHARDS: u16 = 4;

fn shard_of(band: u8) -> ShardId {
    keys().tag(&uid(band)).number.as_wallet().shard(SHARDS)
}

/// Bands of two different shards: payer and payee.
fn two_bands() -> (u8, u8) {
    let other = (2..=250).find(|band| shard_of(*band) != shard_of(1)).unwrap();
    (1, other)
}

fn pay(counter: u64, payer: u8, payee: u8, amount: i64) -> actors::command::Request {
    let payee = keys().tag(&uid(payee)).number.as_wallet();
    request(DESK, counter, payer, Command::Transfer { payee, amount })
}

/// A core over a founded ledger in which the payer holds 50.00 and the payee nothing.
fn funded(memory: &Memory, payer: u8, payee: u8) -> Core<Door> {
    found(memory, SHARDS);
    let mut core = cores(memory, 1).remove(0);
    submit(&mut core, [open(1, payer), top_up(2, payer, 5_000), open(3, payee)]);
    assert!(settle(&mut core, 1).iter().all(|told| told.message.answer().verdict == APPLIED));
    core
}

fn balance(cores: &[Core<Door>], band: u8) -> i64 {
    let wallet = keys().tag(&uid(band)).number.as_wallet();
    let state = cores.iter().find_map(|core| core.inspect(shard_of(band))).and_then(|(_, state)| state);
    state.and_then(|state| state.balances(wallet)).map_or(0, |balances| balances.total())
}

/// The balance of all accounts of a kind, over all shards.
fn sum(cores: &[Core<Door>], kind: AccountKind) -> i64 {
    let states =
        (0..SHARDS).filter_map(|shard| cores.iter().find_map(|core| core.inspect(ShardId(shard))?.1));
    let stripes = states.flat_map(ShardState::stripes);
    stripes.filter(|(account, _)| account.kind == kind).map(|(_, minor)| minor).sum()
}

/// Messages not known to be taken, over all shards.
fn waiting(cores: &[Core<Door>]) -> usize {
    let states =
        (0..SHARDS).filter_map(|shard| cores.iter().find_map(|core| core.inspect(ShardId(shard))?.1));
    states
        .map(|state| state.channels().outboxes().map(|(_, outbox)| outbox.waiting().count()).sum::<usize>())
        .sum()
}

#[test]
fn money_for_a_friend_arrives_once() {
    // Ten euros sent to a friend: gone from one band and never on the other.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    submit(&mut core, [pay(4, payer, payee, 1_000), pay(4, payer, payee, 1_000)]);
    let told = settle(&mut core, 2);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].message.answer(), told[1].message.answer());
    assert_eq!((told[0].message.answer().verdict, told[0].message.answer().balance), (APPLIED, 4_000));
    let cores = [core];
    assert_eq!((balance(&cores, payer), balance(&cores, payee)), (4_000, 1_000));
    assert_eq!((sum(&cores, AccountKind::Transit), waiting(&cores)), (0, 0));
    assert_eq!((cores[0].counters().taken, cores[0].counters().returned), (1, 0));
}

#[test]
fn two_wallets_of_one_shard_and_two_loops_take_the_same_way() {
    // Friends whose bands happen to live in one shard could not pay each other.
    for loops in [1, 2] {
        let memory = Memory::new();
        found(&memory, SHARDS);
        let mut cores = cores(&memory, loops);
        let same = (2..=250).find(|band| shard_of(*band) == shard_of(1)).unwrap();
        let (_, other) = two_bands();
        let requests = [open(1, 1), top_up(2, 1, 5_000), open(3, same), open(4, other)];
        submit(&mut cores[0], requests.into_iter().chain([pay(5, 1, same, 700), pay(6, 1, other, 300)]));
        for at in 1..40 {
            for core in &mut cores {
                core.turn(clock(at));
            }
        }
        let balances = [1, same, other].map(|band| balance(&cores, band));
        assert_eq!(balances, [4_000, 700, 300], "{loops} loops");
        assert_eq!((sum(&cores, AccountKind::Transit), waiting(&cores)), (0, 0));
    }
}

#[test]
fn at_rest_nothing_is_left_of_a_burst_at_either_end() {
    // A server that once had a busy minute held megabytes for its 1,024 channels ever after.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    // As many as the mailbox of one wallet takes; then time for the figures to be taken.
    submit(&mut core, (4..64).map(|counter| pay(counter, payer, payee, 1)));
    for tick in 1..=4 {
        settle(&mut core, tick * RESEND_MICROS);
    }
    let cores = [core];
    assert_eq!(cores[0].counters().taken, 60);
    assert_eq!((waiting(&cores), sum(&cores, AccountKind::Transit)), (0, 0));
    // Of 1 MiB for all channels between 32 shards: one carried messages.
    let bytes = cores[0].counters().mail.bytes;
    assert!((1..=1_024).contains(&bytes), "{bytes} bytes");
}

#[test]
fn money_for_a_band_that_nobody_opened_comes_back() {
    // A mistyped band: the money hung in between for ever.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    submit(&mut core, [pay(4, payer, 77, 1_000)]);
    assert_eq!(settle(&mut core, 2)[0].message.answer().balance, 4_000);
    let cores = [core];
    assert_eq!((balance(&cores, payer), sum(&cores, AccountKind::Transit)), (5_000, 0));
    assert_eq!((cores[0].counters().taken, cores[0].counters().returned, waiting(&cores)), (2, 1, 0));
}

#[test]
fn a_transfer_cannot_be_cancelled() {
    // The friend had spent it already, and the cancel paid it out a second time.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    submit(&mut core, [pay(4, payer, payee, 1_000)]);
    settle(&mut core, 2);
    submit(&mut core, [request(DESK, 4, payer, Command::Cancel)]);
    assert_eq!(settle(&mut core, 3)[0].message.answer().verdict, Verdict::Declined(Decline::TransferGone));
    assert_eq!(balance(&[core], payer), 4_000);
}

#[test]
fn a_message_leaves_only_when_its_record_is_stored() {
    // The friend got the money, then the machine died and the payer had it too.
    let memory = Memory::manual();
    let (payer, payee) = two_bands();
    found(&memory, SHARDS);
    let mut core = cores(&memory, 1).remove(0);
    let mut at = 0;
    let mut run = |core: &mut Core<Door>| {
        for _ in 0..8 {
            at += 1;
            core.turn(clock(at));
            memory.confirm(usize::from(SHARDS));
        }
        core.turn(clock(at));
    };
    run(&mut core);
    submit(&mut core, [open(1, payer), top_up(2, payer, 5_000), open(3, payee)]);
    run(&mut core);
    submit(&mut core, [pay(4, payer, payee, 1_000)]);
    for _ in 0..8 {
        core.turn(clock(100));
    }
    assert_eq!(core.counters().taken, 0, "taken before it was stored");
    memory.die(0, "pulled plug");
    core.turn(clock(101));
    let reopened = memory.reopen();
    let mut cores = cores(&reopened, 1);
    settle(&mut cores[0], 102);
    assert_eq!((balance(&cores, payer), balance(&cores, payee)), (5_000, 0));
}

/// A way that loses every letter while it is cut.
struct Cut {
    cut: Arc<Mutex<bool>>,
    letters: Arc<Mutex<Vec<Letter>>>,
}

impl Post for Cut {
    fn post(&mut self, letters: &mut Vec<Letter>) {
        if *self.cut.lock().unwrap() {
            letters.clear();
        }
        self.letters.lock().unwrap().append(letters);
    }
}

#[test]
fn what_the_way_loses_or_doubles_is_sent_again_and_taken_once() {
    // A switch that dropped packets for a minute lost the money that was on its way.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    let (cut, letters) = (Arc::new(Mutex::new(true)), Arc::new(Mutex::new(Vec::new())));
    core.set_post(Box::new(Cut { cut: Arc::clone(&cut), letters: Arc::clone(&letters) }));
    submit(&mut core, [pay(4, payer, payee, 1_000), pay(5, payer, payee, 500)]);
    settle(&mut core, 10);
    assert_eq!(core.counters().taken, 0);
    *cut.lock().unwrap() = false;
    for round in 1..20 {
        settle(&mut core, 10 + round * RESEND_MICROS);
        // Everything twice, and backwards.
        let mut came: Vec<_> = letters.lock().unwrap().drain(..).collect();
        came.extend(came.clone());
        came.reverse();
        core.arrive(came, clock(10 + round * RESEND_MICROS));
    }
    let cores = [core];
    assert_eq!((balance(&cores, payer), balance(&cores, payee)), (3_500, 1_500));
    assert_eq!((cores[0].counters().taken, waiting(&cores)), (2, 0));
    assert!(cores[0].counters().resent > 0);
}

#[test]
fn the_age_of_what_waits_is_shown_and_gone_when_it_has_arrived() {
    // A cut between two halls that nobody noticed: the metric to be alarmed by stayed at zero.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    let (cut, letters) = (Arc::new(Mutex::new(true)), Arc::new(Mutex::new(Vec::new())));
    core.set_post(Box::new(Cut { cut: Arc::clone(&cut), letters: Arc::clone(&letters) }));
    submit(&mut core, [pay(4, payer, payee, 1_000)]);
    settle(&mut core, RESEND_MICROS);
    submit(&mut core, [pay(5, payer, payee, 500)]);
    settle(&mut core, 2 * RESEND_MICROS);
    settle(&mut core, 9 * RESEND_MICROS);
    let facts = core.counters().mail;
    assert_eq!((facts.waiting, facts.oldest_micros), (2, 8 * RESEND_MICROS), "by the older one");
    *cut.lock().unwrap() = false;
    for round in 10..20 {
        settle(&mut core, round * RESEND_MICROS);
        let came: Vec<_> = letters.lock().unwrap().drain(..).collect();
        core.arrive(came, clock(round * RESEND_MICROS));
    }
    let facts = core.counters().mail;
    assert_eq!((facts.waiting, facts.oldest_micros), (0, 0));
}

#[test]
fn whoever_is_silent_is_written_to_ever_more_seldom_until_something_is_heard() {
    // A hall that was cut off for a night: everything on its way there was copied again, five times a second,
    // by the loop that served all the others.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    let (cut, letters) = (Arc::new(Mutex::new(true)), Arc::new(Mutex::new(Vec::new())));
    core.set_post(Box::new(Cut { cut: Arc::clone(&cut), letters: Arc::clone(&letters) }));
    submit(&mut core, [top_up(4, payee, 1_000), pay(5, payer, payee, 1_000)]);
    let tick = RESEND_MICROS / 4;
    let ticks = 60 * 1_000_000 / tick;
    for now in 1..=ticks {
        settle(&mut core, now * tick);
    }
    // After 0.2, 0.6, 1.4 and 3.0 seconds, and every 1.6 from there on.
    let resent = core.counters().resent;
    assert!((38..=40).contains(&resent), "{resent} times in a minute");
    *cut.lock().unwrap() = false;
    // The next time would be in more than a second. Anything at all is a sign of life.
    submit(&mut core, [pay(6, payee, payer, 100)]);
    settle(&mut core, (ticks + 1) * tick);
    let came: Vec<Letter> = letters.lock().unwrap().drain(..).collect();
    assert!(!came.is_empty() && came.iter().all(|letter| letter.from == shard_of(payee)), "{came:?}");
    core.arrive(came, clock((ticks + 1) * tick));
    for now in ticks + 2..ticks + 6 {
        settle(&mut core, now * tick);
        let came = letters.lock().unwrap().drain(..).collect();
        core.arrive(came, clock(now * tick));
    }
    let cores = [core];
    assert_eq!((balance(&cores, payer), balance(&cores, payee)), (4_100, 1_900));
    assert_eq!((sum(&cores, AccountKind::Transit), waiting(&cores)), (0, 0));
}

#[test]
fn without_a_place_for_what_may_have_to_go_back_letters_wait_and_keep_nobody_awake() {
    // Money for bands that nobody opened was taken and could not be sent back; or the loop turned without end
    // on letters that it could not take.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    core.set_post(Box::new(Cut { cut: Arc::new(Mutex::new(true)), letters: Arc::default() }));
    let wallet = |band| keys().tag(&uid(band)).number.as_wallet();
    let (from, to) = (shard_of(payer), shard_of(payee));
    let nobody = (2..=250).find(|band| shard_of(*band) == to && *band != payee).unwrap();
    let (festival, currency) = (FestivalId(1), Currency::EUR);
    let (payer, payee) = (wallet(payer), wallet(nobody));
    let letter = |number| {
        let message = Message::Transfer { festival, payer, payee, currency, amount: 1 };
        Letter { from, to, content: Content::Message { number, message } }
    };
    core.arrive((1..=WINDOW + 1).map(letter).collect(), clock(2));
    settle(&mut core, 2);
    assert_eq!((core.counters().taken, core.counters().returned), (WINDOW, WINDOW));
    assert!(!core.turn(clock(2)).more);
    // Sent again while there is no place: nothing new. One return has arrived: one place.
    core.arrive(vec![letter(WINDOW + 1)], clock(3));
    settle(&mut core, 3);
    assert_eq!(core.counters().taken, WINDOW);
    core.arrive(
        vec![Letter { from, to, content: Content::Taken { up_to: 1 } }, letter(WINDOW + 1)],
        clock(4),
    );
    settle(&mut core, 4);
    assert_eq!((core.counters().taken, core.counters().returned), (WINDOW + 1, WINDOW + 1));
}

#[test]
fn a_full_window_says_busy_and_drains_beside_a_full_mailbox() {
    // One shard was away for an hour and its window full; when it was back, customers filled its mailbox
    // and the money on its way found no place in it.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    let (cut, letters) = (Arc::new(Mutex::new(true)), Arc::new(Mutex::new(Vec::new())));
    core.set_post(Box::new(Cut { cut: Arc::clone(&cut), letters: Arc::clone(&letters) }));
    let window = usize::try_from(WINDOW).unwrap();
    let mut told = Vec::new();
    for few in (4..4 + WINDOW).collect::<Vec<_>>().chunks(ACTOR_JOBS) {
        submit(&mut core, few.iter().map(|counter| pay(*counter, payer, payee, 1)));
        told.extend(settle(&mut core, 10));
    }
    assert_eq!(told.iter().filter(|told| told.message.answer().verdict == APPLIED).count(), window);
    submit(&mut core, [pay(4 + WINDOW, payer, payee, 1)]);
    let told = settle(&mut core, 11);
    assert_eq!(told[0].message.answer().verdict, Verdict::Refused(Refusal::Busy));

    *cut.lock().unwrap() = false;
    let mut at = 11;
    while letters.lock().unwrap().is_empty() {
        at += RESEND_MICROS;
        settle(&mut core, at);
    }
    // Every place of the receiver's mailbox is taken, and one more is refused, when the letters come.
    let home = shard_of(payee);
    let strangers = (0_u32..).map(stranger).filter(|request| request.actor().shard(SHARDS) == home);
    let mut jobs: Vec<_> = strangers.take(MAILBOX_JOBS + 1).map(|request| job(0, 7, request)).collect();
    core.submit(&mut jobs);
    let refused = std::mem::take(core.ready());
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].message.answer().verdict, Verdict::Refused(Refusal::Busy));
    let mut answered = 0;
    for _ in 0..100 {
        let came: Vec<_> = letters.lock().unwrap().drain(..).collect();
        core.arrive(came, clock(at));
        core.turn(clock(at));
        assert!(core.counters().taken > 0, "the letters are sent again only later");
        answered += settle(&mut core, at).len();
        at += RESEND_MICROS;
        if waiting(std::slice::from_ref(&core)) == 0 {
            break;
        }
    }
    assert_eq!(answered, MAILBOX_JOBS);
    submit(&mut core, [pay(5 + WINDOW, payer, payee, 1)]);
    assert_eq!(settle(&mut core, at)[0].message.answer().verdict, APPLIED);
    let cores = [core];
    let sent = i64::try_from(WINDOW).unwrap();
    assert_eq!((balance(&cores, payer), balance(&cores, payee)), (4_999 - sent, sent));
    assert_eq!((cores[0].counters().taken, cores[0].counters().returned), (WINDOW, 0));
}

/// A look at a band that nobody opened, one of many.
fn stranger(number: u32) -> actors::command::Request {
    let [a, b, c, d] = number.to_le_bytes();
    let mut request = request(DESK, u64::from(number) + 10_000, 1, Command::Balance);
    request.tag = keys().tag(&[9, a, b, c, d, 6, 7]);
    request
}

#[test]
fn a_shard_that_is_rebuilt_sends_what_was_on_its_way() {
    // The server restarted between the two halves of a transfer: the second half never came.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    let lost = Cut { cut: Arc::new(Mutex::new(true)), letters: Arc::default() };
    core.set_post(Box::new(lost));
    submit(&mut core, [pay(4, payer, payee, 1_000)]);
    settle(&mut core, 2);
    let before = core.inspect(shard_of(payer)).unwrap().1.unwrap().digest();
    drop(core);
    let (rebuilt, _) = recovery::rebuild(&memory, shard_of(payer)).unwrap();
    assert_eq!(rebuilt.digest(), before, "L6");
    let mut cores = cores(&memory, 2);
    for at in 3..40 {
        for core in &mut cores {
            core.turn(clock(at));
        }
    }
    assert_eq!((balance(&cores, payer), balance(&cores, payee)), (4_000, 1_000));
    assert_eq!((sum(&cores, AccountKind::Transit), waiting(&cores)), (0, 0));
}

#[test]
fn sales_come_home_within_two_minutes() {
    // A vendor could not be paid what stood in 32 stripes.
    let memory = Memory::new();
    let (payer, payee) = two_bands();
    let mut core = funded(&memory, payer, payee);
    submit(&mut core, [top_up(9, payee, 5_000), buy(1, payer, 1), buy(2, payee, 2)]);
    settle(&mut core, 2);
    assert_eq!(sum(std::slice::from_ref(&core), AccountKind::VendorSales), -3 * BEER);
    for tick in 1..=24 {
        settle(&mut core, tick * SWEEP_MICROS / 12);
    }
    let cores = [core];
    assert_eq!(sum(&cores, AccountKind::VendorSales), 0);
    assert_eq!(sum(&cores, AccountKind::VendorHome), -3 * BEER);
    assert_eq!((sum(&cores, AccountKind::Transit), waiting(&cores)), (0, 0));
    assert_eq!(cores[0].counters().swept, 2);
}
