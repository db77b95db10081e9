//! Claim: cache misses are the whole cost of a tap, and gathering before prefetching hides them. The
//! same purchases on 500,000 wallets are decided one by one, and in slices whose wallets were asked
//! for beforehand.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use actors::command::Request;
use actors::shard_state::Ahead;
use benches::{WALLETS, World};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Taps of one round.
const SLICE: usize = 256;

fn decide_all(world: &World, slice: &[Request]) {
    let now = world.now();
    for request in slice {
        black_box(world.state().decide(&now, request));
    }
}

fn prefetch(world: &World, slice: &[Request]) {
    let state = world.state();
    for ahead in [Ahead::Far, Ahead::Near, Ahead::Next] {
        for request in slice {
            state.prefetch(ahead, request);
        }
    }
}

fn decide(c: &mut Criterion) {
    let mut world = World::new(WALLETS).expect("a funded world");
    let requests = world.purchases(SLICE * 1_024, WALLETS, 1).expect("requests");
    let mut group = c.benchmark_group("prefetch_hides_cache_misses");
    group.throughput(Throughput::Elements(SLICE as u64));
    for gathered in [false, true] {
        let mut slices = requests.chunks(SLICE).cycle();
        let id =
            BenchmarkId::new("decide one-line purchases", if gathered { "prefetched" } else { "one by one" });
        group.bench_function(id, |b| {
            b.iter(|| {
                let slice = slices.next().unwrap_or_default();
                if gathered {
                    prefetch(&world, slice);
                }
                decide_all(&world, slice);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
