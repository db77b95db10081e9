//! Claim: the codec is no bottleneck, and a purchase with three lines takes at most 200 bytes of a
//! full block. The bytes per record are printed beside the time.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

use benches::{LEDGER, World};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::block::Draft;
use ledger::ids::{Epoch, ShardId};
use ledger::record::Record;

/// Wallets of one shard of 32.
const WALLETS: u32 = 16_000;

/// Fills the draft; says how many records it took.
fn fill(draft: &mut Draft, world: &World, records: &[Record]) -> usize {
    draft.begin(world.state().prologue(world.now().at));
    let room = records.iter().take_while(|record| {
        let room = draft.has_room();
        if room {
            draft.push(record);
        }
        room
    });
    room.count()
}

fn encode(c: &mut Criterion) {
    let mut world = World::new(WALLETS).expect("a funded world");
    let mut draft = Draft::new(LEDGER, ShardId(0), Epoch(1));
    let mut group = c.benchmark_group("a_purchase_takes_at_most_200_bytes");
    for lines in [1, 3] {
        let requests = world.purchases(8_192, WALLETS, lines).expect("requests");
        let records: Vec<_> = requests.iter().map(|request| world.record(request).expect("a sale")).collect();
        let count = fill(&mut draft, &world, &records);
        assert!(count < records.len(), "the block is not full");
        println!("{lines} lines: {} bytes a record in a full block of {count}", draft.sealed_len() / count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("encode a full block of purchases, lines each", lines), |b| {
            b.iter(|| fill(&mut draft, &world, &records));
        });
    }
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
