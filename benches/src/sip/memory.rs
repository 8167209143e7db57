//! `memory`: bytes per established call, by what the processes' proportional set grows.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use super::contender::{Bench, Edge, Who};
use super::load::Load;
use super::rate_search::TALK;
use super::scenario::Scenario;
use crate::media::report::{Aim, Section, rounded, short};

const CALLS: usize = 10_000;
const QUICK_CALLS: usize = 2_000;
/// rtpengine has four sockets for each call, and a process may have 20,000 descriptors here.
const RTPENGINE_CALLS: usize = 4_800;
const RATE: f64 = 500.0;
/// Bytes in the daemon.
const AIM: f64 = 24.0 * 1024.0;
/// Until transactions that only absorb retransmissions are forgotten (64 times T1).
const FORGOTTEN: Duration = Duration::from_secs(36);

pub fn measure(bench: &Bench<'_>) -> Result<Section> {
    let (mut values, mut lines) = (Map::new(), Vec::new());
    let mut bytes = [f64::NAN; 2];
    for (who, bytes) in Who::ALL.into_iter().zip(&mut bytes) {
        let calls = match (bench.is_quick, who) {
            (true, _) => QUICK_CALLS,
            (false, Who::Ours) => CALLS,
            (false, Who::Kamailio) => RTPENGINE_CALLS,
        };
        let (at_once, later) = of(bench, who, calls).context(who.name())?;
        *bytes = at_once;
        let key = who.key();
        values.insert(format!("bytes_per_call_{key}"), rounded(at_once));
        values.insert(format!("bytes_per_call_later_{key}"), rounded(later));
        values.insert(format!("memory_calls_{key}"), rounded(calls as f64));
        lines.push(format!(
            "{}: {} bytes per call with {calls} up{}",
            who.name(),
            short(at_once),
            if later.is_finite() {
                format!(", {} when their transactions are over", short(later))
            } else {
                String::new()
            }
        ));
    }
    let [ours, kamailio] = bytes;
    values.insert("memory_ratio".to_owned(), rounded(ours / kamailio));
    Ok(Section {
        key: "memory",
        values: Value::Object(values),
        lines,
        aims: vec![
            Aim::at_most("bytes_per_call_ours", AIM, ours),
            Aim::at_most("memory_ratio", 1.0, ours / kamailio),
        ],
    })
}

/// With all calls up, and when their transactions are over (not in a quick run).
fn of(bench: &Bench<'_>, who: Who, calls: usize) -> Result<(f64, f64)> {
    let edge = bench.start(who, Scenario::Udp)?;
    let mut generator = bench.generator(Scenario::Udp)?;
    // The first call has everything set up that all calls share.
    let first = Load {
        rate: 10.0,
        time: Duration::from_millis(200),
        talk: TALK,
    };
    bench.alone(|| generator.run(&first))?;
    let before = memory(&*edge)?;
    let established = bench.alone(|| generator.establish(calls, RATE))?;
    ensure!(
        established == calls as u64,
        "{established} of {calls} calls were established"
    );
    let per_call = |after: u64| (after as f64 - before as f64) / calls as f64;
    let at_once = per_call(memory(&*edge)?);
    if bench.is_quick {
        return Ok((at_once, f64::NAN));
    }
    std::thread::sleep(FORGOTTEN);
    Ok((at_once, per_call(memory(&*edge)?)))
}

fn memory(edge: &dyn Edge) -> Result<u64> {
    edge.processes()
        .into_iter()
        .map(super::process::Process::memory)
        .sum()
}
