//! What a message costs: parsing, reading what a back-to-back user agent reads, writing, framing.
//! Aim: parse and read a 950-byte INVITE in under 5 µs.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sip_core::framing::StreamFramer;
use trunkline_benches::sip::invite::{invite, parse, read};

fn benches(criterion: &mut Criterion) {
    let bytes = invite();
    let mut group = criterion.benchmark_group(format!("INVITE of {} bytes", bytes.len()));
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("parse and read", |bencher| {
        bencher.iter(|| read(&parse(black_box(&bytes))));
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| parse(black_box(&bytes)));
    });
    let request = parse(&bytes);
    group.bench_function("write", |bencher| {
        bencher.iter(|| black_box(&request).to_bytes());
    });
    group.bench_function("frame", |bencher| {
        bencher.iter_batched_ref(
            StreamFramer::default,
            |framer| {
                framer.push(black_box(&bytes));
                framer.next()
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(message, benches);
criterion_main!(message);
