//! Claim: the chain costs a small part of what its records cost. BLAKE3 over the payload and the
//! header, from a block with one record to a full one.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

use benches::{LEDGER, World};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ledger::block::Draft;
use ledger::ids::{Epoch, ShardId};

const WALLETS: u32 = 16_000;

fn hash(c: &mut Criterion) {
    let mut world = World::new(WALLETS).expect("a funded world");
    let request = world.purchase(0, 1).expect("a request");
    let record = world.record(&request).expect("a sale");
    let mut group = c.benchmark_group("the_chain_costs_a_small_part");
    for count in [1, 16, 256, usize::MAX] {
        let mut draft = Draft::new(LEDGER, ShardId(0), Epoch(1));
        draft.begin(world.state().prologue(world.now().at));
        for _ in 0..count {
            if !draft.has_room() {
                break;
            }
            draft.push(&record);
        }
        group.throughput(Throughput::Bytes(draft.payload().len() as u64));
        group.bench_function(BenchmarkId::new("hash a block, records", draft.count()), |b| {
            b.iter(|| draft.seal());
        });
    }
    group.finish();
}

criterion_group!(benches, hash);
criterion_main!(benches);
