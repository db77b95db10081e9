//! Claims: one flush confirms the blocks of all shards, and a small block is confirmed sooner when the
//! thread that has it writes it itself than when the journal's thread is woken for it. The time from
//! handing over the blocks of 1, 8 and 32 shards to the last one confirmed, and of one shard's block
//! by either thread, on the disk under the target directory.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use benches::{LEDGER, World};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::block::Draft;
use ledger::ids::{Epoch, ShardId};
use ledger::journal::embedded::{Log, LogConfig, OsDisk, Port, Step};
use ledger::journal::{Event, Journal};
use ledger::record::{Prologue, Record};

const SHARDS: [u16; 3] = [1, 8, 32];
/// Records of a block: what a shard gathers in a round at a few thousand taps a second.
const RECORDS: usize = 4;

/// A log of its own in `dir`, with the thread that makes its segments.
fn log(dir: &std::path::Path) -> (Log, thread::JoinHandle<()>) {
    let disk = Arc::new(OsDisk::open(dir).expect("a directory"));
    let started = Instant::now();
    let clock = move || u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let log = Log::create(disk, LogConfig::new(Arc::new(clock))).expect("an empty directory");
    let mut worker = log.worker();
    let parked = log.clone();
    let thread = thread::spawn(move || {
        loop {
            match worker.step() {
                Step::Dead => break,
                Step::Idle => parked.wait_for_work(Duration::from_millis(100)),
                Step::Wrote { .. } | Step::Filled | Step::Marked => {}
            }
        }
    });
    (log, thread)
}

/// Which thread writes.
#[derive(Clone, Copy, PartialEq)]
enum Writer {
    Own,
    Journal,
}

/// Fills and hands over every draft, and takes them back confirmed.
#[expect(clippy::vec_box, reason = "the journal takes and gives back boxes")]
fn round(
    port: &mut Port,
    drafts: &mut Vec<Box<Draft>>,
    (prologue, record): (Prologue, &Record),
    writer: Writer,
) {
    let count = drafts.len();
    for mut draft in drafts.drain(..) {
        draft.begin(prologue);
        for _ in 0..RECORDS {
            draft.push(record);
        }
        port.submit(draft).expect("room");
    }
    let mut events = Vec::new();
    while drafts.len() < count {
        port.commit(writer == Writer::Own);
        if writer == Writer::Journal {
            // The log wakes it; a wake that came before is not lost.
            thread::park_timeout(Duration::from_millis(100));
        }
        port.events(&mut events);
        for event in events.drain(..) {
            let Event::Confirmed { head, mut draft } = event else { continue };
            draft.place(head);
            drafts.push(draft);
        }
    }
}

/// Confirms the blocks of so many shards, by one thread or the other.
fn bench(c: &mut Criterion, (claim, id): (&str, BenchmarkId), shards: u16, writer: Writer) {
    let mut world = World::new(1).expect("a funded world");
    let request = world.purchase(0, 1).expect("a request");
    let record = world.record(&request).expect("a sale");
    let prologue = world.state().prologue(world.now().at);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (log, worker) = log(dir.path());
    let own = thread::current();
    let mut port = log.port(Some(Arc::new(move || own.unpark())));
    let draft = |shard| Box::new(Draft::new(LEDGER, ShardId(shard), Epoch(1)));
    let mut drafts: Vec<_> = (0..shards).map(draft).collect();
    let mut group = c.benchmark_group(claim);
    group.throughput(Throughput::Elements(u64::from(shards) * RECORDS as u64));
    group.bench_function(id, |b| b.iter(|| round(&mut port, &mut drafts, (prologue, &record), writer)));
    group.finish();
    log.close().expect("a live log");
    worker.join().expect("it ends with the log");
}

fn flush(c: &mut Criterion) {
    for shards in SHARDS {
        let id = BenchmarkId::new("blocks of shards confirmed", shards);
        bench(c, ("one_flush_confirms_all_shards", id), shards, Writer::Own);
    }
    for (name, writer) in [("own thread", Writer::Own), ("journal's thread", Writer::Journal)] {
        let id = BenchmarkId::new("one block written by the", name);
        bench(c, ("a_small_block_is_confirmed_sooner_by_its_own_thread", id), 1, writer);
    }
}

criterion_group!(benches, flush);
criterion_main!(benches);
