//! Claim: reading a frame of requests costs far less than deciding them. A frame of 2,000 one-line
//! purchases is walked and read in place, nothing is copied or allocated.
#![allow(missing_docs, clippy::expect_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wire::{FromTerminal, Line, Request, RequestId, RequestsWriter, Uid, split_frame};

const REQUESTS: u64 = 2_000;

fn frame() -> Vec<u8> {
    let lines = [Line { item: 1, quantity: 1, unit_price: 650 }];
    let mut out = Vec::new();
    let mut writer = RequestsWriter::begin(&mut out);
    for counter in 1..=REQUESTS {
        let [a, b, c, d, ..] = counter.to_le_bytes();
        let uid = Uid::new(&[4, a, b, c, d, 6, 7]).expect("seven bytes");
        let id = RequestId::new(1, counter).expect("a small counter");
        assert!(writer.push(&Request::purchase(id, uid, &lines)), "the frame is full");
    }
    writer.finish().expect("it fits");
    out
}

/// Adds up what a server looks at first, so that nothing is optimized away.
fn read(bytes: &[u8]) -> i64 {
    let frame = split_frame(bytes).expect("a sound frame").expect("a whole frame");
    let FromTerminal::Requests(requests) = FromTerminal::parse(&frame).expect("sound requests") else {
        return 0;
    };
    requests.filter_map(Result::ok).map(|request| request.amount() + request.lines_total()).sum()
}

fn decode(c: &mut Criterion) {
    let bytes = frame();
    let mut group = c.benchmark_group("reading_a_frame_costs_less_than_deciding");
    group.throughput(Throughput::Elements(REQUESTS));
    group.bench_function("decode the one-line purchases of a frame", |b| b.iter(|| read(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
