//! `cost`: CPU time per call at a fixed rate, and what the edge adds to the post-dial delay.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use super::contender::{Bench, Who, cpu_times};
use super::generator::Generator;
use super::histogram::Histogram;
use super::load::{Load, Outcome};
use super::rate_search::TALK;
use super::scenario::Scenario;
use crate::media::report::{Aim, Section, rounded, short};

/// Half of what Kamailio with rtpengine carries on one CPU, or less.
const RATE: f64 = 400.0;
const AIM: f64 = 0.4;

/// What is measured at a time.
const STRETCH: Duration = Duration::from_secs(1);
/// So many stretches are made for each that is wanted, until enough were not disturbed.
const PATIENCE: usize = 4;

/// A second of calls.
struct Stretch {
    /// CPU time, by process.
    spent: Vec<(&'static str, Duration)>,
    outcome: Outcome,
}

/// What calls took in the stretches that count.
struct Cost {
    /// By process, microseconds per call.
    by_process: Vec<(&'static str, f64)>,
    post_dial: Histogram,
    /// Stretches that were made.
    made: usize,
    /// Those of them that were disturbed.
    disturbed: usize,
    /// Calls that failed in stretches that do not count; one in those that do is an error.
    failed_elsewhere: u64,
}

impl Cost {
    fn us(&self) -> f64 {
        self.by_process.iter().map(|(_, us)| us).sum()
    }
}

pub fn measure(bench: &Bench<'_>) -> Result<Section> {
    // What only absorbs retransmissions lives for 32 s (RFC 3261 timers D and H, RFC 6026 timers L
    // and M): from then on as much is forgotten as is made.
    let (warm_up, stretches) = match bench.is_quick {
        true => (Duration::from_secs(2), 4),
        false => (Duration::from_secs(34), 10),
    };
    let base = back_to_back(bench, stretches)?;
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
            let cost = of(bench, who, scenario, warm_up, stretches)
                .with_context(|| format!("{}, {}", who.name(), scenario.name()))?;
            *us = cost.us();
            let key = who.key();
            enter(format!("cpu_us_per_call{suffix}_{key}"), *us);
            for (process, us) in cost.by_process.iter().filter(|_| who == Who::Kamailio) {
                enter(format!("cpu_us_per_call{suffix}_of_{process}"), *us);
            }
            let added = [0.5, 0.99].map(|share| {
                let base = base.post_dial.quantile_us(0.5);
                cost.post_dial.quantile_us(share) - base
            });
            enter(format!("post_dial_added_us_median{suffix}_{key}"), added[0]);
            enter(format!("post_dial_added_us_p99{suffix}_{key}"), added[1]);
            enter(format!("stretches{suffix}_{key}"), cost.made as f64);
            enter(
                format!("stretches_disturbed{suffix}_{key}"),
                cost.disturbed as f64,
            );
            enter(
                format!("failed_in_disturbed{suffix}_{key}"),
                cost.failed_elsewhere as f64,
            );
            lines.push(format!(
                "{}, {}: {} us of CPU per call{}; 180 comes {} us later (p99 {} us); {} of {} seconds were disturbed, {} calls failed in those left out",
                scenario.name(),
                who.name(),
                short(*us),
                parts(&cost.by_process),
                short(added[0]),
                short(added[1]),
                cost.disturbed,
                cost.made,
                cost.failed_elsewhere
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

fn back_to_back(bench: &Bench<'_>, stretches: usize) -> Result<Cost> {
    bench.lab.set_forwarding(true)?;
    let mut generator = bench.back_to_back()?;
    let cost = steady(stretches, || {
        stretch(bench, &mut generator, || Ok(Vec::new()))
    });
    bench.lab.set_forwarding(false)?;
    cost
}

fn of(
    bench: &Bench<'_>,
    who: Who,
    scenario: Scenario,
    warm_up: Duration,
    stretches: usize,
) -> Result<Cost> {
    let edge = bench.start(who, scenario)?;
    let mut generator = bench.generator(scenario)?;
    bench.run(&mut generator, &load(warm_up))?;
    steady(stretches, || {
        stretch(bench, &mut generator, || cpu_times(&*edge))
    })
}

/// What a second of calls takes.
fn stretch(
    bench: &Bench<'_>,
    generator: &mut Generator,
    cpu_times: impl Fn() -> Result<Vec<(&'static str, Duration)>>,
) -> Result<Stretch> {
    let before = cpu_times()?;
    let outcome = bench.run(generator, &load(STRETCH))?;
    let spent = before
        .into_iter()
        .zip(cpu_times()?)
        .map(|((name, before), (_, after))| (name, after - before))
        .collect();
    Ok(Stretch { spent, outcome })
}

/// Of so many stretches that the host did not disturb, or that it disturbed least.
fn steady(wanted: usize, mut stretch: impl FnMut() -> Result<Stretch>) -> Result<Cost> {
    let mut all: Vec<Stretch> = Vec::new();
    let undisturbed = |all: &[Stretch]| {
        let stretches = all.iter().map(|stretch| stretch.outcome.slowdown);
        stretches
            .filter(|slowdown| !slowdown.is_disturbance())
            .count()
    };
    while undisturbed(&all) < wanted && all.len() < PATIENCE * wanted {
        all.push(stretch()?);
    }
    let (made, disturbed) = (all.len(), all.len() - undisturbed(&all));
    all.sort_by(|a, b| a.outcome.slowdown.0.total_cmp(&b.outcome.slowdown.0));
    let left_out = all.split_off(wanted.min(all.len()));
    let mut cost = Cost {
        by_process: Vec::new(),
        post_dial: Histogram::default(),
        disturbed,
        made,
        failed_elsewhere: left_out.iter().map(|left| left.outcome.failed()).sum(),
    };
    let mut calls = 0;
    for Stretch { spent, outcome } in &all {
        ensure!(
            outcome.failed() == 0,
            "{} of {} calls failed at {RATE} calls/s",
            outcome.failed(),
            outcome.offered
        );
        calls += outcome.offered;
        cost.post_dial.add_all(&outcome.post_dial);
        for (at, (name, spent)) in spent.iter().enumerate() {
            if cost.by_process.len() == at {
                cost.by_process.push((*name, 0.0));
            }
            cost.by_process[at].1 += spent.as_secs_f64() * 1e6;
        }
    }
    for (_, us) in &mut cost.by_process {
        *us /= calls as f64;
    }
    Ok(cost)
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
