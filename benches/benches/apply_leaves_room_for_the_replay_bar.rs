//! Claim: `apply` leaves room for the replay bar of 1.5 million records a second, chain and decoding
//! included. Records of purchases over 500,000 wallets, each applied once; what they make the
//! wallets remember is part of the cost.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

use std::time::{Duration, Instant};

use benches::{WALLETS, World};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ledger::record::Record;

const SLICE: usize = 4_096;

fn apply(c: &mut Criterion) {
    let mut world = World::new(WALLETS).expect("a funded world");
    let mut random = fastrand::Rng::with_seed(2);
    let mut slice = |world: &mut World| -> Vec<Record> {
        let mut record = || {
            let request = world.purchase(random.u32(0..WALLETS), 1).expect("a request");
            world.record(&request).expect("a purchase")
        };
        (0..SLICE).map(|_| record()).collect()
    };
    let mut group = c.benchmark_group("apply_leaves_room_for_the_replay_bar");
    // Every record stays remembered for ever: few samples keep the bench within memory.
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(SLICE as u64));
    group.bench_function("apply one-line purchases", |b| {
        b.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            for _ in 0..times {
                let records = slice(&mut world);
                let started = Instant::now();
                for record in &records {
                    world.apply(record);
                }
                spent += started.elapsed();
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, apply);
criterion_main!(benches);
