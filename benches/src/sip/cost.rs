//! `cost`: CPU time per call at a fixed rate, and what the edge adds to the post-dial delay.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use super::contender::{Bench, Who, cpu_times};
use super::load::{Load, Outcome};
use super::rate_search::TALK;
use super::scenario::Scenario;
use crate::media::report::{Aim, Section, rounded, short};

/// Half of what Kamailio with rtpengine carries on one CPU, or less.
const RATE: f64 = 400.0;
const AIM: f64 = 0.4;

struct Cost {
    /// By process, microseconds per call.
    by_process: Vec<(&'static str, f64)>,
    outcome: Outcome,
}

impl Cost {
    fn us(&self) -> f64 {
        self.by_process.iter().map(|(_, us)| us).sum()
    }
}

pub fn measure(bench: &Bench<'_>) -> Result<Section> {
    // What only absorbs retransmissions lives for 32 s (RFC 3261 timers D and H, RFC 6026 timers L
    // and M): from then on as much is forgotten as is made.
    let (warm_up, time) = match bench.is_quick {
        true => (Duration::from_secs(2), Duration::from_secs(4)),
        false => (Duration::from_secs(34), Duration::from_secs(10)),
    };
    let base = back_to_back(bench, time)?;
    let (mut values, mut lines, mut aims) = (Map::new(), Vec::new(), Vec::new());
    let mut enter = |key: String, value: f64| values.insert(key, rounded(value));
    enter("cost_rate".to_owned(), RATE);
    enter("cost_warm_up_s".to_owned(), warm_up.as_secs_f64());
    for scenario in Scenario::ALL {
        // The keys without a scenario are of UDP.
        let suffix = match scenario {
            Scenario::Udp => "",
            Scenario::TlsSrtp => "_tls_srtp",
        };
        let mut us = [f64::NAN; 2];
        for (who, us) in Who::ALL.into_iter().zip(&mut us) {
            let cost = of(bench, who, scenario, warm_up, time)
                .with_context(|| format!("{}, {}", who.name(), scenario.name()))?;
            *us = cost.us();
            let key = who.key();
            enter(format!("cpu_us_per_call{suffix}_{key}"), *us);
            for (process, us) in cost.by_process.iter().filter(|_| who == Who::Kamailio) {
                enter(format!("cpu_us_per_call{suffix}_of_{process}"), *us);
            }
            let added = [0.5, 0.99].map(|share| {
                let base = base.post_dial.quantile_us(0.5);
                cost.outcome.post_dial.quantile_us(share) - base
            });
            enter(format!("post_dial_added_us_median{suffix}_{key}"), added[0]);
            enter(format!("post_dial_added_us_p99{suffix}_{key}"), added[1]);
            lines.push(format!(
                "{}, {}: {} us of CPU per call{}; 180 comes {} us later (p99 {} us)",
                scenario.name(),
                who.name(),
                short(*us),
                parts(&cost.by_process),
                short(added[0]),
                short(added[1])
            ));
        }
        let ratio = us[0] / us[1];
        enter(format!("cpu_ratio{suffix}"), ratio);
        let name = match scenario {
            Scenario::Udp => "cpu_ratio",
            Scenario::TlsSrtp => "cpu_ratio_tls_srtp",
        };
        aims.push(Aim::at_most(name, AIM, ratio));
    }
    Ok(Section {
        key: "cost",
        values: Value::Object(values),
        lines,
        aims,
    })
}

fn back_to_back(bench: &Bench<'_>, time: Duration) -> Result<Outcome> {
    bench.lab.set_forwarding(true)?;
    let mut generator = bench.back_to_back()?;
    let outcome = bench.alone(|| generator.run(&load(time)));
    bench.lab.set_forwarding(false)?;
    outcome
}

fn of(
    bench: &Bench<'_>,
    who: Who,
    scenario: Scenario,
    warm_up: Duration,
    time: Duration,
) -> Result<Cost> {
    let edge = bench.start(who, scenario)?;
    let mut generator = bench.generator(scenario)?;
    bench.alone(|| generator.run(&load(warm_up)))?;
    let before = cpu_times(&*edge)?;
    let outcome = bench.alone(|| generator.run(&load(time)))?;
    let after = cpu_times(&*edge)?;
    ensure!(
        outcome.failed() == 0,
        "{} of {} calls failed at {RATE} calls/s",
        outcome.failed(),
        outcome.offered
    );
    let by_process = before
        .into_iter()
        .zip(after)
        .map(|((name, before), (_, after))| {
            let us = (after - before).as_secs_f64() * 1e6 / outcome.offered as f64;
            (name, us)
        })
        .collect();
    Ok(Cost {
        by_process,
        outcome,
    })
}

fn load(time: Duration) -> Load {
    Load {
        rate: RATE,
        time,
        talk: TALK,
    }
}

fn parts(by_process: &[(&'static str, f64)]) -> String {
    if by_process.len() < 2 {
        return String::new();
    }
    let parts: Vec<String> = by_process
        .iter()
        .map(|(name, us)| format!("{name} {}", short(*us)))
        .collect();
    format!(" ({})", parts.join(", "))
}
