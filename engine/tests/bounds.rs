//! Limits (L12), foreign shards, full disk, and what is left after a restart (L6).
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use actors::command::{AskedLine, AskedLines, Command, Request};
use engine::core::Core;
use engine::job::{Job, Lane};
use engine::limits::{ACTOR_JOBS, BACKLOG_BYTES, BACKLOG_JOBS, MAILBOX_BYTES, MAILBOX_JOBS, PARKED_JOBS};
use ledger::ids::{DeviceNumber, RequestId, ShardId, Version};
use ledger::journal::Journal;
use ledger::journal::memory::{Door, Memory};
use support::*;

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const BUSY: Verdict = Verdict::Refused(Refusal::Busy);

/// Answers of this verdict that are ready to leave, and none after.
fn take<J: Journal>(core: &mut Core<J>, verdict: Verdict) -> usize {
    let told = std::mem::take(core.ready());
    told.iter().filter(|told| told.message.answer().verdict == verdict).count()
}

/// A request about a wristband of its own.
fn about(band: u32, command: Command) -> Request {
    let [a, b, c, d] = band.to_le_bytes();
    let mut request = request(DESK, u64::from(band) + 1, 1, command);
    request.tag = keys().tag(&[9, a, b, c, d, 6, 7]);
    request
}

fn jobs(lane: Lane, requests: impl Iterator<Item = Request>) -> Vec<Job> {
    requests.map(|request| Job { lane, ..job(0, 0, request) }).collect()
}

fn one_shard(memory: &Memory) -> Core<Door> {
    found(memory, 1);
    cores(memory, 1).remove(0)
}

#[test]
fn a_mailbox_takes_so_many_jobs_and_leaves_customers_their_quarter() {
    // Memory without an end when a site comes back; and customers at the bar told to come back because
    // its uploads fill every place there is.
    let memory = Memory::new();
    let mut core = one_shard(&memory);
    let storm = u32::try_from(BACKLOG_JOBS).unwrap() + 5;
    core.submit(&mut jobs(Lane::Backlog, (0..storm).map(|band| about(band, Command::Balance))));
    assert_eq!(take(&mut core, BUSY), 5);
    let quarter = u32::try_from(MAILBOX_JOBS - BACKLOG_JOBS).unwrap();
    let customers = (storm..storm + quarter + 3).map(|band| about(band, Command::Balance));
    core.submit(&mut jobs(Lane::Live, customers));
    assert_eq!(take(&mut core, BUSY), 3);
    assert_eq!(settle(&mut core, 1).len(), MAILBOX_JOBS);
}

/// A command that holds more than its fixed size, as long as the wire lets it be.
type Long = fn() -> Command;

const LONG: [(&str, Long); 3] = [
    ("purchase", || Command::Purchase { lines: lines(), amount: 650, confirmed: true }),
    ("capture", || Command::Capture { hold: RequestId::new(1).unwrap(), lines: lines(), amount: 650 }),
    ("stage_configuration", || {
        let part = vec![7; 4_000].into_boxed_slice();
        Command::StageConfiguration { version: Version::new(2).unwrap(), part: 0, bytes: part }
    }),
];

fn lines() -> AskedLines {
    std::iter::repeat_n(AskedLine { item: 1, quantity: 1, unit_price: 650 }, 64).collect()
}

/// What such a command holds elsewhere in memory, told by its own parts.
fn weight(command: &Command) -> usize {
    match command {
        Command::Purchase { lines, .. } | Command::Capture { lines, .. } => {
            lines.capacity() * size_of::<AskedLine>()
        }
        Command::StageConfiguration { bytes, .. } => bytes.len(),
        _ => 0,
    }
}

#[test]
fn the_bytes_of_every_long_command_are_counted_too() {
    // A few thousand requests with all the lines that the wire allows: within the count, and out of memory.
    // Captures weighed nothing here once.
    for (name, command) in LONG {
        let memory = Memory::new();
        let mut core = one_shard(&memory);
        let long = |band: u32| about(band, command());
        let each = weight(&command());
        let (backlog, all) = (BACKLOG_BYTES / each, MAILBOX_BYTES / each);
        assert!(each > 0 && all < MAILBOX_JOBS, "{name}");
        let band = |at: usize| u32::try_from(at).unwrap();
        core.submit(&mut jobs(Lane::Backlog, (0..band(backlog) + 4).map(long)));
        assert_eq!(take(&mut core, BUSY), 4, "{name}");
        core.submit(&mut jobs(Lane::Live, (band(backlog) + 4..band(all) + 11).map(long)));
        assert_eq!(take(&mut core, BUSY), 7, "{name}");
        let held = core.held(ShardId(0)).unwrap();
        assert_eq!((held.mailbox, held.bytes), (all, all * each), "{name}");
        // When they have been decided there is room again.
        assert_eq!(settle(&mut core, 1).len(), all, "{name}");
        assert_eq!(core.held(ShardId(0)).unwrap().bytes, 0, "{name}");
        core.submit(&mut jobs(Lane::Backlog, (0..band(backlog)).map(long)));
        assert_eq!(take(&mut core, BUSY), 0, "{name}");
    }
}

#[test]
fn a_customer_is_decided_before_a_storm_that_came_earlier() {
    // A customer waiting behind three thousand uploads of a site that has just come back.
    let memory = Memory::new();
    let mut core = one_shard(&memory);
    core.submit(&mut jobs(Lane::Backlog, (0..3_000).map(|band| about(band, Command::Open))));
    core.submit(&mut vec![Job { lane: Lane::Live, ..job(0, 1, open(1, 1)) }]);
    let told = settle(&mut core, 1);
    assert_eq!((told.len(), told[0].reply.token, told[0].message.answer().verdict), (3_001, 1, APPLIED));
    let first = |at: usize| told[at].message.answer().record;
    assert!(first(0) < first(1));
}

/// A core whose look-ups are held, with sales of `wallets` bands to be voided.
fn sold(memory: &Memory, wallets: u32) -> Core<Door> {
    let mut core = one_shard(memory);
    let tender = ledger::record::Tender::Cash;
    for band in 0..wallets {
        let mut fund = about(band, Command::TopUp { tender, amount: 1_000 });
        fund.id = RequestId::of(fund.device, u64::from(band) + 10_000).unwrap();
        let sale = Request { tag: fund.tag, ..buy(u64::from(band) + 1, 1, 1) };
        submit(&mut core, [about(band, Command::Open), fund, sale]);
        assert!(settle(&mut core, 1).iter().all(|told| told.message.answer().verdict == APPLIED));
    }
    memory.hold_lookups(true);
    core
}

/// Voids of a band's sale, each under its own id.
fn voids(band: u32, count: usize) -> impl Iterator<Item = Request> {
    let sale = RequestId::of(DeviceNumber::new(SELLER).unwrap(), u64::from(band) + 1).unwrap();
    (0..count as u64).map(move |at| {
        let mut void = about(band, Command::Void { sale });
        void.id = RequestId::of(void.device, 100_000 + u64::from(band) * 1_000 + at).unwrap();
        void
    })
}

#[test]
fn jobs_that_wait_for_evidence_count_for_their_wallet() {
    // One band with a thousand voids in the look-up: nobody else's purchase could be taken back.
    let memory = Memory::new();
    let mut core = sold(&memory, 1);
    core.submit(&mut jobs(Lane::Live, voids(0, ACTOR_JOBS)));
    assert_eq!(take(&mut core, BUSY), 0);
    // All of them are set aside now; the mailbox is empty.
    core.turn(clock(2));
    assert_eq!(core.ready().len(), 0);
    core.submit(&mut jobs(Lane::Live, voids(0, ACTOR_JOBS + 2).skip(ACTOR_JOBS)));
    assert_eq!(take(&mut core, BUSY), 2);
    core.submit(&mut jobs(Lane::Live, [about(50, Command::Open)].into_iter()));
    assert_eq!(settle(&mut core, 3).len(), 1);
    // Answered, they count no more.
    while memory.serve_lookup() {}
    assert_eq!(settle(&mut core, 4).len(), ACTOR_JOBS);
    core.submit(&mut jobs(Lane::Live, voids(0, 1)));
    assert_eq!(take(&mut core, BUSY), 0);
}

#[test]
fn so_many_jobs_of_a_shard_wait_for_evidence() {
    // Voids waiting without an end while the disk is slow.
    let memory = Memory::new();
    let wallets = u32::try_from(PARKED_JOBS / ACTOR_JOBS).unwrap() + 1;
    let mut core = sold(&memory, wallets);
    core.submit(&mut jobs(Lane::Live, (0..wallets).flat_map(|band| voids(band, ACTOR_JOBS))));
    assert_eq!(take(&mut core, BUSY), 0);
    let refused = settle(&mut core, 2);
    assert_eq!(refused.len(), wallets as usize * ACTOR_JOBS - PARKED_JOBS);
    assert!(refused.iter().all(|told| told.message.answer().verdict == BUSY));
    while memory.serve_lookup() {}
    assert_eq!(settle(&mut core, 3).len(), PARKED_JOBS);
}

#[test]
fn one_wallet_cannot_fill_the_mailbox_of_all() {
    // A broken terminal hammering one band kept every other customer of the shard waiting.
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    let hammer = (1..=ACTOR_JOBS as u64 + 3).map(|counter| open(counter, 1));
    submit(&mut core, hammer.chain([open(1_000, 2)]));
    let busy =
        core.ready().iter().filter(|told| told.message.answer().verdict == Verdict::Refused(Refusal::Busy));
    assert_eq!(busy.count(), 3);
    core.ready().clear();
    let told = settle(&mut core, 1);
    assert_eq!(told.len(), ACTOR_JOBS + 1);
    assert_eq!(told.last().unwrap().message.answer().verdict, APPLIED);
}

#[test]
fn a_full_disk_refuses_what_needs_a_record_and_goes_on_reading() {
    // Sales applied in memory that no disk had room for.
    let memory = Memory::new();
    found(&memory, 1);
    let mut core = cores(&memory, 1).remove(0);
    submit(&mut core, [open(1, 1), top_up(2, 1, 1_000)]);
    settle(&mut core, 1);
    memory.set_room(Some(100_000));
    submit(&mut core, [buy(1, 1, 1), request(SELLER, 2, 1, Command::Balance), top_up(2, 1, 1_000)]);
    let told = settle(&mut core, 2);
    let verdicts: Vec<_> = told.iter().map(|told| told.message.answer().verdict).collect();
    assert_eq!(verdicts, [Verdict::Refused(Refusal::Busy), Verdict::Balance, APPLIED]);
    memory.set_room(None);
    submit(&mut core, [buy(1, 1, 1)]);
    assert_eq!(settle(&mut core, 3)[0].message.answer().verdict, APPLIED);
}

#[test]
fn a_wallet_of_another_core_is_reached_through_it() {
    // A terminal told "unknown band" because its connection landed on the wrong thread.
    let memory = Memory::new();
    found(&memory, 4);
    let mut cores = cores(&memory, 2);
    let bands = 1..=40_u8;
    let requests = bands.clone().flat_map(|band| {
        let counter = u64::from(band) * 2;
        [open(counter, band), top_up(counter + 1, band, 1_000)]
    });
    submit(&mut cores[0], requests);
    let mut told = Vec::new();
    for at in 1..20 {
        for core in &mut cores {
            core.turn(clock(at));
        }
        told.append(cores[0].ready());
        assert!(cores[1].ready().is_empty());
    }
    assert_eq!(told.len(), 80);
    assert!(told.iter().all(|told| told.message.answer().verdict == APPLIED));
    let mut tokens: Vec<_> = told.iter().map(|told| told.reply.token).collect();
    tokens.sort_unstable();
    assert!(tokens.into_iter().eq(0..80));
    let shards: std::collections::BTreeSet<_> = told.iter().map(|told| told.message.answer().shard).collect();
    assert_eq!(shards.len(), 4);
}

#[test]
fn what_finds_the_way_between_two_loops_full_is_told_so_by_its_own_loop() {
    // A band was sent on between two loops while one stood still: a stranger's terminal was told "busy", and
    // the one that had asked never heard anything.
    let memory = Memory::new();
    found(&memory, 4);
    let mut cores = cores(&memory, 2);
    let there =
        (1..=250).find(|band| keys().tag(&uid(*band)).number.as_wallet().shard(4).0 % 2 == 1).unwrap();
    let lookup = |counter| request(SELLER, counter, there, Command::Lookup);
    // More parcels than the way has places: loop 1 does not turn.
    for counter in 1..=80 {
        submit(&mut cores[0], [lookup(counter)]);
        cores[0].turn(clock(counter));
    }
    cores[0].ready().clear();
    cores[0].submit(&mut vec![job(1, 777, lookup(100))]);
    cores[0].turn(clock(100));
    assert!(cores[0].ready().is_empty());
    for at in 101..110 {
        for core in &mut cores {
            core.turn(clock(at));
        }
    }
    let told: Vec<_> = cores[1].ready().iter().map(|told| told.reply.token).collect();
    assert_eq!(told, [777]);
    assert_eq!(cores[1].ready()[0].message.answer().verdict, Verdict::Refused(Refusal::Busy));
}

#[test]
fn what_is_recovered_is_what_was_live() {
    // Balances that changed over a restart.
    let memory = Memory::new();
    found(&memory, 3);
    let mut core = cores(&memory, 1).remove(0);
    for band in 1..=30 {
        let counter = u64::from(band) * 10;
        submit(&mut core, [open(counter, band), top_up(counter + 1, band, 1_000), buy(counter, band, 1)]);
        settle(&mut core, counter);
        submit(&mut core, [request(SELLER, counter, band, Command::Cancel), buy(counter + 1, band, 1)]);
        settle(&mut core, counter + 1);
    }
    let live: Vec<_> =
        (0..3).map(|shard| core.inspect(ShardId(shard)).unwrap().1.unwrap().digest()).collect();
    let read = |visit: &mut engine::recovery::Visit<'_>| {
        ledger::journal::Replay::replay(&memory, None, visit).map_err(engine::recovery::RecoveryError::Replay)
    };
    let (_, recovered) = engine::recovery::recover(2, read).unwrap();
    let replayed: Vec<_> = recovered.iter().map(|(state, _)| state.digest()).collect();
    assert_eq!(live, replayed);
    let (state, _) = engine::recovery::rebuild(&memory, ShardId(1)).unwrap();
    assert_eq!(state.digest(), live[1]);
}
