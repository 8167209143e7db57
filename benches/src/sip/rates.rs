//! `rates`: how many whole calls a second each contender carries, and the generator alone.

use anyhow::{Result, ensure};
use serde_json::{Map, json};

use super::contender::{Bench, Who};
use super::rate_search::{Found, Search};
use super::scenario::Scenario;
use crate::media::measure::median;
use crate::media::report::{Aim, Section, rounded, short};

const AIM: f64 = 2.0;
/// Where searches begin, calls per second.
const FIRST: f64 = 500.0;
const FIRST_BACK_TO_BACK: f64 = 8000.0;

/// Caller against callee.
pub fn generator(bench: &Bench<'_>) -> Result<Section> {
    bench.lab.set_forwarding(true)?;
    let found = Search::by(bench, FIRST_BACK_TO_BACK).run_back_to_back(bench);
    bench.lab.set_forwarding(false)?;
    let found = found?;
    Ok(Section {
        key: "generator",
        values: json!({
            "calls_per_s_back_to_back": rounded(found.rate),
            "post_dial_us_back_to_back": rounded(found.outcome.post_dial.quantile_us(0.5)),
        }),
        lines: vec![format!(
            "caller against callee, no edge: {} calls/s",
            short(found.rate)
        )],
        aims: Vec::new(),
    })
}

pub fn measure(bench: &Bench<'_>) -> Result<Section> {
    let turns = if bench.is_quick { 1 } else { 3 };
    let (mut values, mut lines, mut aims) = (Map::new(), Vec::new(), Vec::new());
    for scenario in Scenario::ALL {
        let mut found: [Vec<Found>; 2] = Default::default();
        for _ in 0..turns {
            for (who, found) in Who::ALL.into_iter().zip(&mut found) {
                eprintln!("[bench]  {}, {}", who.name(), scenario.name());
                found.push(Search::by(bench, FIRST).run(bench, who, scenario)?);
            }
        }
        let rates = found.each_ref().map(|found| {
            let rates: Vec<f64> = found.iter().map(|found| found.rate).collect();
            median(&rates)
        });
        let [ours, kamailio] = rates;
        ensure!(
            ours > 0.0 && kamailio > 0.0,
            "{}: no rate works: {ours} and {kamailio} calls/s",
            scenario.name()
        );
        let key = scenario.key();
        let ratio = ours / kamailio;
        values.insert(format!("ratio_{key}"), rounded(ratio));
        for ((who, rate), found) in Who::ALL.into_iter().zip(rates).zip(&found) {
            let busy: Vec<f64> = found.iter().map(|found| found.outcome.busy).collect();
            let who = who.key();
            values.insert(format!("calls_per_s_{key}_{who}"), rounded(rate));
            values.insert(
                format!("generator_busy_{key}_{who}"),
                rounded(median(&busy)),
            );
        }
        lines.push(format!(
            "{}: {} times as many calls ({} / {} calls/s)",
            scenario.name(),
            short(ratio),
            short(ours),
            short(kamailio)
        ));
        let name = match scenario {
            Scenario::Udp => "ratio_udp",
            Scenario::TlsSrtp => "ratio_tls_srtp",
        };
        aims.push(Aim::at_least(name, AIM, ratio));
    }
    Ok(Section {
        key: "rates",
        values: values.into(),
        lines,
        aims,
    })
}
