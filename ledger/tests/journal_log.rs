//! The log at work: one write for all shards, inline or by the worker, room known beforehand, a full
//! disk, doors that go away, look-ups, threads.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ledger::block::{Draft, Head};
use ledger::ids::{RecordNumber, ShardId};
use ledger::journal::conformance::{draft, refill};
use ledger::journal::embedded::{
    Clock, Disk, DiskFile, DiskLock, Log, LogConfig, MAX_BLOCK_COST, MAX_FRAME, OsDisk, Page, Port, SimDisk,
    SimFault, SimKind, Step, Worker,
};
use ledger::journal::{Event, FetchError, Journal, Lookup, Replay, SubmitError, Waker};
use ledger::law::Law;

/// A clock the test moves.
fn still() -> (Clock, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(0));
    let hand = Arc::clone(&time);
    (Arc::new(move || time.load(Ordering::Relaxed)), hand)
}

fn config() -> LogConfig {
    LogConfig::small(still().0)
}

fn create(disk: &SimDisk, config: LogConfig) -> Log {
    Log::create(Arc::new(disk.clone()), config).unwrap()
}

fn events(port: &mut Port) -> Vec<Event> {
    let mut events = Vec::new();
    port.events(&mut events);
    events
}

fn run(worker: &mut Worker) {
    while !matches!(worker.step(), Step::Idle | Step::Dead) {}
}

fn submit_all(port: &mut Port, shards: std::ops::Range<u16>, fill: u16) {
    for shard in shards {
        port.submit(draft(shard, Head::default(), 1, fill)).unwrap();
    }
}

#[test]
fn one_write_and_one_flush_confirm_the_blocks_of_all_shards() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    let mut port = log.port(None);
    disk.keep_trace();
    submit_all(&mut port, 0..32, 100);
    port.commit(true);
    let kinds: Vec<_> = disk.trace().iter().map(|op| op.kind).collect();
    assert_eq!(kinds, [SimKind::Write, SimKind::Sync]);
    assert_eq!(events(&mut port).len(), 32);
    let stats = log.stats();
    assert_eq!((stats.frames, stats.inline, stats.blocks), (1, 1, 32));
}

#[test]
fn large_batches_go_to_the_worker_in_frames_of_at_most_a_mebibyte_shards_in_turn() {
    let disk = SimDisk::new(1);
    let log = create(&disk, LogConfig { segment_bytes: 8 << 20, ..config() });
    let (mut port, mut worker) = (log.port(None), log.worker());
    for shard in 0..12 {
        port.submit(draft(shard, Head::default(), 4, 50_000)).unwrap();
    }
    port.commit(true);
    assert!(events(&mut port).is_empty(), "2.4 MB were written on the caller's thread");
    let mut order = Vec::new();
    while let Step::Wrote { blocks, bytes } = worker.step() {
        assert!((1..=5).contains(&blocks) && bytes <= MAX_FRAME, "{blocks} blocks, {bytes} bytes");
        order.extend(events(&mut port).into_iter().map(|event| match event {
            Event::Confirmed { draft, .. } => draft.shard().0,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(order, (0..12).collect::<Vec<_>>());
    assert_eq!(log.stats().inline, 0);
}

#[test]
fn after_two_slow_flushes_in_a_row_the_worker_writes_until_one_is_fast() {
    let (now, hand) = still();
    let slow = Arc::new(AtomicBool::new(true));
    let (is_slow, time) = (Arc::clone(&slow), hand);
    // Every look at the clock costs ten milliseconds while the disk is slow.
    let now: Clock = Arc::new(move || {
        if is_slow.load(Ordering::Relaxed) {
            time.fetch_add(10_000, Ordering::Relaxed);
        }
        now()
    });
    let log = create(&SimDisk::new(1), LogConfig { now, ..config() });
    let (mut port, mut worker) = (log.port(None), log.worker());
    for slow in 1..=2 {
        submit_all(&mut port, slow..slow + 1, 0);
        port.commit(true);
        assert_eq!((events(&mut port).len(), log.stats().slow), (1, u64::from(slow)));
    }
    slow.store(false, Ordering::Relaxed);
    submit_all(&mut port, 3..4, 0);
    port.commit(true);
    assert!(events(&mut port).is_empty(), "written inline on a slow disk");
    run(&mut worker);
    assert_eq!(events(&mut port).len(), 1);
    submit_all(&mut port, 4..5, 0);
    port.commit(true);
    assert_eq!((events(&mut port).len(), log.stats().inline), (1, 3));
}

#[test]
fn a_waker_is_called_by_others_and_not_by_the_own_commit() {
    let log = create(&SimDisk::new(1), config());
    let woken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&woken);
    let waker: Waker = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let (mut port, mut other, mut worker) = (log.port(Some(waker)), log.port(None), log.worker());
    submit_all(&mut port, 0..2, 0);
    port.commit(true);
    assert_eq!(woken.load(Ordering::Relaxed), 0);
    submit_all(&mut port, 2..5, 0);
    other.commit(true);
    assert_eq!(woken.load(Ordering::Relaxed), 1, "written by another door: woken once");
    submit_all(&mut port, 5..6, 0);
    port.commit(false);
    run(&mut worker);
    port.fetch(Lookup { shard: ShardId(0), number: RecordNumber(0), token: 0 });
    assert!(log.serve_lookup());
    assert_eq!((woken.load(Ordering::Relaxed), events(&mut port).len()), (3, 7));
}

/// Blocks of all sizes until there is no room; every block that was taken must be confirmed.
fn fill_up(seed: u64, free: u64) {
    let disk = SimDisk::new(seed);
    disk.set_free(free);
    let (now, hand) = still();
    let log = create(&disk, LogConfig { now, ..config() });
    let (mut port, mut worker) = (log.port(None), log.worker());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut heads = [Head::default(); 6];
    let (mut taken, mut confirmed, mut full) = (0, 0, 0);
    while full < 40 {
        for shard in 0..6 {
            let ballast = [0, 1_000, 30_000, 62_000][random.usize(0..4)];
            let draft = draft(shard, heads[usize::from(shard)], random.u32(1..=4), ballast);
            let (length, room) = (draft.sealed_len() as u64, port.room());
            match port.submit(draft) {
                Ok(()) => taken += 1,
                Err(SubmitError::Full(draft)) => {
                    assert!(
                        room < length,
                        "room for {room} bytes was promised, {} refused",
                        draft.sealed_len()
                    );
                    full += 1;
                }
                Err(SubmitError::Dead(_)) => panic!("{:?}", log.dead()),
            }
        }
        port.commit(random.bool());
        run(&mut worker);
        hand.fetch_add(2_000_000, Ordering::Relaxed);
        for event in events(&mut port) {
            let Event::Confirmed { head, draft } = event else { panic!("{event:?}") };
            heads[usize::from(draft.shard().0)] = head;
            confirmed += 1;
        }
    }
    assert_eq!((taken, log.dead()), (confirmed, None));
    // Space returns, and with it room.
    disk.set_free(u64::MAX);
    run(&mut worker);
    assert!(port.room() > 0, "no room although there is space again");
    submit_all(&mut port, 9..10, 0);
    port.commit(false);
    run(&mut worker);
    assert_eq!(events(&mut port).len(), 1);
    assert_eq!(log.replay(None, &mut |_| Ok(())).unwrap()[..6], heads);
}

#[test]
fn a_block_that_was_taken_never_meets_a_full_disk() {
    for seed in 0..30 {
        fill_up(seed, 2_000_000 + seed * 150_000);
    }
}

#[test]
fn room_keeps_the_reserve_and_what_is_on_its_way() {
    let reserve_bytes = 100_000;
    let disk = SimDisk::new(1);
    let plain = create(&disk, LogConfig { segment_bytes: 8 << 20, ..config() });
    let kept = LogConfig { segment_bytes: 8 << 20, reserve_bytes, ..config() };
    let kept = create(&SimDisk::new(1), kept);
    let (mut port, other) = (plain.port(None), kept.port(None));
    assert_eq!(port.room() - other.room(), reserve_bytes);
    let before = port.room();
    submit_all(&mut port, 0..1, 0);
    assert!(before - port.room() >= 4_096, "a waiting block takes no room");
    assert!(!port.withdraw(ShardId(0)));
    assert_eq!(port.room(), before, "a withdrawn block keeps its room");
    let largest = {
        let mut draft = Box::new(Draft::clone(&draft(1, Head::default(), 1, 60_000)));
        refill(&mut draft, Head::default(), 4, 62_000);
        draft
    };
    assert!(largest.sealed_len() < MAX_BLOCK_COST);
    port.submit(largest).unwrap();
    plain.kill("ended by the test");
    assert_eq!(port.room(), 0);
}

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A disk that calls the test in the middle of a flush.
#[derive(Clone)]
struct Hooked {
    disk: SimDisk,
    hook: Hook,
}

struct HookedFile {
    file: Arc<dyn DiskFile>,
    hook: Hook,
}

impl Hooked {
    fn hooked(&self, file: io::Result<Arc<dyn DiskFile>>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(HookedFile { file: file?, hook: Arc::clone(&self.hook) }))
    }
}

impl Disk for Hooked {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.hooked(self.disk.create(name))
    }
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.hooked(self.disk.open(name))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
    fn lock(&self) -> io::Result<Box<dyn DiskLock>> {
        Disk::lock(&self.disk)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

impl DiskFile for HookedFile {
    fn read_at(&self, pages: &mut [Page], offset: u64) -> io::Result<()> {
        self.file.read_at(pages, offset)
    }
    fn write_at(&self, pages: &[Page], offset: u64) -> io::Result<()> {
        self.file.write_at(pages, offset)
    }
    fn sync(&self) -> io::Result<()> {
        let hook = self.hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        self.file.sync()
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}

fn hooked() -> (Hooked, Log) {
    let disk = Hooked { disk: SimDisk::new(1), hook: Arc::default() };
    let log = Log::create(Arc::new(disk.clone()), config()).unwrap();
    (disk, log)
}

#[test]
fn a_block_half_way_reports_to_who_took_the_shard_over() {
    let (disk, log) = hooked();
    let (mut first, mut second) = (log.port(None), log.port(None));
    let half_way = Arc::new(Mutex::new(None));
    let (seen, taker) = (Arc::clone(&half_way), Arc::new(Mutex::new(log.port(None))));
    let door = Arc::clone(&taker);
    *disk.hook.lock().unwrap() = Some(Box::new(move || {
        *seen.lock().unwrap() = Some(door.lock().unwrap().withdraw(ShardId(0)));
    }));
    submit_all(&mut first, 0..2, 0);
    first.commit(true);
    assert_eq!(*half_way.lock().unwrap(), Some(true));
    let told = events(&mut taker.lock().unwrap());
    assert!(matches!(&told[..], [Event::Confirmed { draft, .. }] if draft.shard() == ShardId(0)), "{told:?}");
    let told = events(&mut first);
    assert!(matches!(&told[..], [Event::Confirmed { draft, .. }] if draft.shard() == ShardId(1)), "{told:?}");
    assert!(!second.withdraw(ShardId(0)), "confirmed is not half-way");
}

#[test]
fn a_block_submitted_during_a_flush_waits_for_the_next_one() {
    // Told confirmed with the flush that was under way, a sale would be lost with the power.
    let (disk, log) = hooked();
    let (mut port, late) = (log.port(None), Arc::new(Mutex::new(log.port(None))));
    let door = Arc::clone(&late);
    *disk.hook.lock().unwrap() = Some(Box::new(move || {
        let mut port = door.lock().unwrap();
        port.submit(draft(7, Head::default(), 1, 0)).unwrap();
        port.commit(true);
    }));
    submit_all(&mut port, 0..1, 0);
    port.commit(true);
    assert_eq!((events(&mut port).len(), events(&mut late.lock().unwrap()).len()), (1, 0));
    run(&mut log.worker());
    assert_eq!(events(&mut late.lock().unwrap()).len(), 1);
}

#[test]
fn a_store_killed_during_a_flush_confirms_nothing() {
    let (disk, log) = hooked();
    let mut port = log.port(None);
    let killer = log.clone();
    *disk.hook.lock().unwrap() = Some(Box::new(move || killer.kill("the supervisor gave up")));
    submit_all(&mut port, 0..1, 0);
    port.commit(true);
    assert!(matches!(events(&mut port)[..], [Event::Dead { .. }]));
}

#[test]
fn too_many_lookups_are_told_to_come_back() {
    let log = create(&SimDisk::new(1), LogConfig { lookups: 4, ..config() });
    let mut port = log.port(None);
    submit_all(&mut port, 0..1, 0);
    port.commit(true);
    events(&mut port);
    for token in 0..6 {
        port.fetch(Lookup { shard: ShardId(0), number: RecordNumber(0), token });
    }
    let busy = |event: &Event| matches!(event, Event::Fetched { record: Err(FetchError::Busy), .. });
    let refused = events(&mut port);
    assert!(refused.len() == 2 && refused.iter().all(busy));
    while log.serve_lookup() {}
    assert_eq!(events(&mut port).len(), 4);
}

#[test]
fn a_lookup_of_rotten_bytes_says_so() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    let mut port = log.port(None);
    submit_all(&mut port, 0..1, 100);
    port.commit(true);
    events(&mut port);
    disk.flip("segment-0000000001", 4_096 + 250, 1);
    port.fetch(Lookup { shard: ShardId(0), number: RecordNumber(0), token: 1 });
    log.serve_lookup();
    let rotten = events(&mut port);
    assert!(
        matches!(&rotten[..], [Event::Fetched { record: Err(FetchError::Unreadable(_)), .. }]),
        "{rotten:?}"
    );
}

#[test]
fn a_journal_thread_that_dies_is_a_failed_flush() {
    let log = create(&SimDisk::new(1), config());
    let mut port = log.port(None);
    submit_all(&mut port, 0..1, 0);
    let worker = log.worker();
    let died = std::thread::spawn(move || {
        let _worker = worker;
        panic!("a bug in the journal thread");
    });
    assert!(died.join().is_err());
    assert!(matches!(events(&mut port)[..], [Event::Dead { .. }]));
    assert!(log.dead().is_some() && log.close().is_err());
}

#[test]
fn a_log_whose_lock_was_taken_away_dies_before_two_servers_write_to_it_for_long() {
    // LOCK was deleted under a running server, a second one started, and each wrote over the other's sales.
    let dir = tempfile::tempdir().unwrap();
    let (clock, hand) = still();
    let config = LogConfig::small(clock);
    let log = Log::create(Arc::new(OsDisk::open(dir.path()).unwrap()), config.clone()).unwrap();
    let (mut port, mut worker) = (log.port(None), log.worker());
    hand.fetch_add(config.mark_every_micros, Ordering::Relaxed);
    run(&mut worker);
    assert_eq!(log.dead(), None);
    std::fs::remove_file(dir.path().join("LOCK")).unwrap();
    hand.fetch_add(config.mark_every_micros, Ordering::Relaxed);
    let before = Law::OneWriter.broken();
    // A debug build panics.
    let _panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut worker)));
    assert_eq!(Law::OneWriter.broken(), before + 1);
    assert!(log.dead().unwrap().contains("LOCK"));
    assert!(matches!(&events(&mut port)[..], [Event::Dead { .. }]));
}

#[test]
fn closing_writes_what_waits_and_the_mark() {
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    let mut port = log.port(None);
    submit_all(&mut port, 0..3, 0);
    log.close().unwrap();
    assert_eq!(events(&mut port).len(), 3);
    assert!(matches!(port.submit(draft(5, Head::default(), 1, 0)), Err(SubmitError::Dead(_))));
    assert_eq!(log.worker().step(), Step::Dead);
    assert_eq!(log.stats().marks, 1);
    let (_log, opened) = Log::open(Arc::new(disk), config(), &mut |_| Ok(())).unwrap();
    assert_eq!((opened.blocks, opened.frames), (3, 1));
}

#[test]
fn a_segment_that_cannot_be_made_costs_room_and_no_more() {
    let disk = SimDisk::new(1);
    let (now, hand) = still();
    let log =
        create(&disk, LogConfig { now, mark_every_micros: u64::MAX, inline_bytes: MAX_FRAME, ..config() });
    let (mut port, mut worker) = (log.port(None), log.worker());
    let (mut head, mut refused) = (Head::default(), 0);
    for round in 0..80_u16 {
        match port.submit(draft(0, head, 2, 50_000)) {
            Ok(()) => {}
            Err(SubmitError::Full(_)) => refused += 1,
            Err(SubmitError::Dead(_)) => panic!("{:?}", log.dead()),
        }
        port.commit(true);
        for event in events(&mut port) {
            let Event::Confirmed { head: confirmed, .. } = event else { panic!("round {round}: {event:?}") };
            head = confirmed;
        }
        // Whatever the worker does now is about the next segment; in three of four rounds it fails.
        if round % 4 != 0 {
            disk.fail_at(disk.operations() + u64::from(round % 3), SimFault::Io);
        }
        run(&mut worker);
        disk.heal();
        hand.fetch_add(2_000_000, Ordering::Relaxed);
    }
    assert!(log.stats().segment_failures > 5 && head.next_seq > 20, "{refused} refused: {:?}", log.stats());
    assert_eq!(log.dead(), None);
}

#[test]
fn room_that_is_wanted_is_there_however_full_the_current_segment_is() {
    // A ledger of 128 shards wants more room than one segment has: near its end everything was answered
    // `busy`, so nothing was written, so the next segment was never begun.
    const WANTED: u64 = 3_000_000;
    let disk = SimDisk::new(1);
    let log = create(&disk, config());
    let (mut port, mut worker) = (log.port(None), log.worker());
    assert!(port.room() < WANTED);
    log.want_room(WANTED);
    let mut head = Head::default();
    for _ in 0..60 {
        assert!(port.room() >= WANTED, "{}", port.room());
        port.submit(draft(0, head, 2, 50_000)).unwrap();
        port.commit(false);
        // No more than that: under load the worker is never idle.
        while !matches!(worker.step(), Step::Wrote { .. }) {}
        let Some(Event::Confirmed { head: confirmed, .. }) = events(&mut port).pop() else { panic!() };
        head = confirmed;
    }
}

#[test]
fn a_full_disk_is_left_as_it_is_and_a_torn_tail_on_it_can_be_cut() {
    // Half a segment took the last byte, and the server did not start until somebody deleted a file.
    const SPARE: u64 = 64 * 1_024;
    let disk = SimDisk::new(1);
    let (now, hand) = still();
    let config = LogConfig { now, segment_bytes: 8 << 20, spare_bytes: SPARE, ..config() };
    let log = create(&disk, config.clone());
    let (mut port, mut worker) = (log.port(None), log.worker());
    let segments = log.stats().segments;
    disk.set_free(config.segment_bytes + SPARE - 4_096);
    let mut head = Head::default();
    while let Ok(()) = port.submit(draft(0, head, 2, 50_000)) {
        port.commit(false);
        run(&mut worker);
        hand.fetch_add(2_000_000, Ordering::Relaxed);
        let Some(Event::Confirmed { head: confirmed, .. }) = events(&mut port).pop() else { panic!() };
        head = confirmed;
    }
    let stats = log.stats();
    assert!(stats.segment_failures > 0 && stats.segments == segments, "{stats:?}");
    assert!(disk.list().unwrap().iter().all(|name| name != "next.tmp"));
    // Begun with room enough, that somebody else then took.
    disk.set_free(config.segment_bytes + SPARE);
    hand.fetch_add(2_000_000, Ordering::Relaxed);
    worker.step();
    let disk = disk.restart();
    assert!(disk.list().unwrap().iter().any(|name| name == "next.tmp"));
    disk.set_free(0);
    let opened = Log::open(Arc::new(disk.clone()), config, &mut |_| Ok(())).unwrap().1;
    assert_eq!(opened.heads, [head]);
    assert!(disk.list().unwrap().iter().all(|name| name != "next.tmp"));
}

/// A loop with shards of its own: keeps one block of each in flight until all rounds are confirmed.
fn drive(log: &Log, shards: std::ops::Range<u16>, rounds: u64) -> Vec<(u16, Head)> {
    let thread = std::thread::current();
    let mut port = log.port(Some(Arc::new(move || thread.unpark())));
    let mut done = Vec::new();
    for shard in shards.clone() {
        port.submit(draft(shard, Head::default(), 3, 70)).unwrap();
    }
    let mut happened = Vec::new();
    while done.len() < shards.len() {
        port.commit(true);
        port.events(&mut happened);
        if happened.is_empty() {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        for event in happened.drain(..) {
            let Event::Confirmed { head, mut draft } = event else { panic!("{event:?}") };
            if head.next_seq == rounds {
                done.push((draft.shard().0, head));
                continue;
            }
            refill(&mut draft, head, 3, 70);
            port.submit(draft).unwrap();
        }
    }
    done
}

#[test]
fn several_loops_a_worker_and_a_reader_share_one_log() {
    const ROUNDS: u64 = 150;
    let dir = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    let now: Clock = Arc::new(move || u64::try_from(start.elapsed().as_micros()).unwrap());
    let config = LogConfig { segment_bytes: 4 << 20, ahead_bytes: 4 << 20, ..LogConfig::small(now) };
    let log = Log::create(Arc::new(OsDisk::open(dir.path()).unwrap()), config.clone()).unwrap();
    let stop = AtomicBool::new(false);
    let mut heads = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut worker = log.worker();
            while !stop.load(Ordering::Relaxed) {
                if worker.step() == Step::Idle {
                    log.wait_for_work(Duration::from_secs(1));
                }
            }
        });
        let reader = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Whatever is confirmed at this moment reads back whole while others append.
                log.replay(None, &mut |_| Ok(())).unwrap();
            }
        });
        let loops = [0..8, 8..12, 12..13].map(|shards| scope.spawn(|| drive(&log, shards, ROUNDS)));
        let heads: Vec<_> = loops.into_iter().flat_map(|driven| driven.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        log.nudge();
        worker.join().unwrap();
        reader.join().unwrap();
        heads
    });
    heads.sort_unstable_by_key(|(shard, _)| *shard);
    log.close().unwrap();
    let opened = Log::open(Arc::new(OsDisk::open(dir.path()).unwrap()), config, &mut |_| Ok(())).unwrap().1;
    let expected: Vec<_> = heads.into_iter().map(|(_, head)| head).collect();
    assert_eq!((opened.heads, opened.blocks), (expected, 13 * ROUNDS));
}
