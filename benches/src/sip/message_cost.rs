//! `message`: what parsing and writing one INVITE costs, in time and in allocations.

use std::hint::black_box;

use anyhow::Result;
use serde_json::json;

use super::contender::Bench;
use super::invite::{invite, parse, read};
use super::sys::allocations;
use crate::media::measure::median;
use crate::media::report::{Section, rounded, short};
use crate::media::sys::thread_cpu_time;

/// Messages of a round, and rounds; the median round counts.
const MESSAGES: u32 = 2000;
const ROUNDS: usize = 51;

struct Cost {
    ns: f64,
    allocations: f64,
}

pub fn measure(bench: &Bench<'_>) -> Result<Section> {
    let bytes = invite();
    let (both, parsing, reading) = bench.alone(|| {
        Ok((
            cost(|| drop(black_box(parse(black_box(&bytes)).to_bytes()))),
            cost(|| drop(black_box(parse(black_box(&bytes))))),
            cost(|| {
                black_box(read(&parse(black_box(&bytes))));
            }),
        ))
    })?;
    Ok(Section {
        key: "message",
        values: json!({
            "message_bytes": bytes.len(),
            "parse_ns": rounded(both.ns),
            "parse_allocations": rounded(both.allocations),
            "parse_only_ns": rounded(parsing.ns),
            "parse_only_allocations": rounded(parsing.allocations),
            "parse_and_read_ns": rounded(reading.ns),
            "parse_and_read_allocations": rounded(reading.allocations),
        }),
        lines: vec![format!(
            "INVITE of {} bytes: parse and write {} ns, {} allocations; parse {} ns, {}; \
             parse and read every header that a call needs {} ns, {}",
            bytes.len(),
            short(both.ns),
            both.allocations,
            short(parsing.ns),
            parsing.allocations,
            short(reading.ns),
            reading.allocations
        )],
        aims: Vec::new(),
    })
}

fn cost(mut work: impl FnMut()) -> Cost {
    let mut rounds = Vec::with_capacity(ROUNDS);
    let before = allocations();
    for _ in 0..ROUNDS {
        let begun = thread_cpu_time();
        for _ in 0..MESSAGES {
            work();
        }
        rounds.push((thread_cpu_time() - begun).as_nanos() as f64 / f64::from(MESSAGES));
    }
    let made = allocations() - before;
    Cost {
        ns: median(&rounds),
        allocations: made as f64 / (ROUNDS as f64 * f64::from(MESSAGES)),
    }
}
