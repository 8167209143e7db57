//! CPU time per packet and highest rate of relaying between RTP and SRTP, beside rtpengine.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::contender::{Crypto, Way, source, start};
use super::lab::Lab;
use super::measure::median;
use super::relaying::{Capacity, Offer, Stage, Turn};
use super::report::{Aim, Section, rounded, short};
use super::{Objects, Options};

const RATES: [u32; 4] = [20_000, 50_000, 100_000, 200_000];
/// The rate of the headline figures.
const USUAL: u32 = 100_000;
const LOW: u32 = 20_000;

pub fn measure(lab: &Lab, objects: &Objects, options: &Options) -> Result<Section> {
    let plan = Plan {
        ways: &[Way::OursXdp, Way::OursSocket, Way::Rtpengine],
        directions: &[Crypto::ToSink, Crypto::FromSource],
        rates: &RATES,
        capacity: &[Way::OursXdp, Way::OursSocket, Way::Rtpengine],
        ..Plan::by(options)
    };
    let results = plan.run(lab, objects, options)?;
    section(&results)
}

/// What to measure, and how often.
pub struct Plan {
    pub ways: &'static [Way],
    pub directions: &'static [Crypto],
    pub rates: &'static [u32],
    /// Whose highest rate is searched, in the first direction.
    pub capacity: &'static [Way],
    pub rounds: usize,
    pub time: Duration,
    /// Steps of the search between a good and a bad rate.
    pub steps: usize,
}

impl Plan {
    pub fn by(options: &Options) -> Plan {
        let (rounds, millis, steps) = if options.is_quick {
            (1, 300, 3)
        } else {
            (3, 700, 5)
        };
        Plan {
            ways: &[],
            directions: &[],
            rates: &[],
            capacity: &[],
            rounds,
            time: Duration::from_millis(millis),
            steps,
        }
    }

    pub fn run(&self, lab: &Lab, objects: &Objects, options: &Options) -> Result<Results> {
        let mut stage = Stage::new(lab, objects, options)?;
        let mut results = Results::default();
        for _ in 0..self.rounds {
            for crypto in self.directions {
                for way in self.ways {
                    self.round(&mut stage, *way, *crypto, &mut results)
                        .with_context(|| format!("{} with {crypto:?}", way.name()))?;
                }
            }
        }
        Ok(results)
    }

    fn round(
        &self,
        stage: &mut Stage<'_>,
        way: Way,
        crypto: Crypto,
        results: &mut Results,
    ) -> Result<()> {
        let mut drops = BTreeMap::new();
        for rate in self.rates {
            let turn = stage.drop_turn(way, crypto, f64::from(*rate), self.time)?;
            drops.insert(*rate, turn.us_per_packet());
        }
        let relay = start(stage.lab, way, crypto, &stage.cpus)?;
        let mut source = source(stage.lab, relay.calls(), false)?;
        for rate in self.rates {
            let turn = stage.relay_turn(&mut *source, f64::from(*rate), self.time)?;
            let cell = results
                .cells
                .entry((way.name(), crypto.name(), *rate))
                .or_default();
            cell.add(&turn, drops[rate]);
        }
        drop((relay, source));
        if self.capacity.contains(&way) && self.directions.first() == Some(&crypto) {
            let offer = match way {
                Way::OursXdp => Offer::Live,
                _ => Offer::Skb,
            };
            let time = self.time.div_f64(1.5);
            let capacity = stage.capacity(way, crypto, offer, self.steps, time)?;
            results
                .capacities
                .entry(way.name())
                .or_default()
                .push(capacity);
        }
        Ok(())
    }
}

/// By way, direction and rate.
#[derive(Default)]
pub struct Results {
    cells: BTreeMap<(&'static str, &'static str, u32), Cell>,
    capacities: BTreeMap<&'static str, Vec<Capacity>>,
}

#[derive(Default)]
struct Cell {
    us: Vec<f64>,
    contender_us: Vec<f64>,
    loss: Vec<f64>,
    offered: Vec<f64>,
}

impl Cell {
    fn add(&mut self, turn: &Turn, drop_us: f64) {
        self.us.push(turn.us_per_packet() - drop_us);
        self.contender_us.push(turn.per_packet(turn.used.contender));
        self.loss.push(turn.loss());
        self.offered.push(turn.used.rate());
    }
}

impl Results {
    /// CPU time per packet over a drop at the ingress, microseconds.
    pub fn us(&self, way: Way, crypto: Crypto, rate: u32) -> f64 {
        let cell = self.cells.get(&(way.name(), crypto.name(), rate));
        cell.map_or(f64::NAN, |cell| median(&cell.us))
    }

    pub fn ratio(&self, way: Way, crypto: Crypto, rate: u32) -> f64 {
        self.us(way, crypto, rate) / self.us(Way::Rtpengine, crypto, rate)
    }

    fn capacity(&self, way: Way, of: impl Fn(&Capacity) -> f64) -> f64 {
        let all = self.capacities.get(way.name()).into_iter().flatten();
        median(&all.map(of).collect::<Vec<_>>())
    }

    pub fn max_rate(&self, way: Way) -> f64 {
        self.capacity(way, |capacity| capacity.rate)
    }

    pub fn overload(&self, way: Way) -> f64 {
        self.capacity(way, |capacity| capacity.overload_throughput / capacity.rate)
    }

    fn is_generators_limit(&self, way: Way) -> bool {
        let all = self.capacities.get(way.name()).into_iter().flatten();
        all.into_iter().any(|capacity| capacity.is_generators_limit)
    }

    /// Everything, by way, direction and rate.
    pub fn by_rate(&self) -> Value {
        let mut ways = Map::new();
        for ((way, direction, rate), cell) in &self.cells {
            let entry = ways
                .entry((*direction).to_owned())
                .or_insert_with(|| json!({}))
                .as_object_mut()
                .and_then(|directions| {
                    directions
                        .entry((*way).to_owned())
                        .or_insert_with(|| json!({}))
                        .as_object_mut()
                });
            if let Some(rates) = entry {
                rates.insert(
                    rate.to_string(),
                    json!({
                        "us": rounded(median(&cell.us)),
                        "of_that_on_its_own_cpus_us": rounded(median(&cell.contender_us)),
                        "loss": rounded(median(&cell.loss)),
                        "offered": rounded(median(&cell.offered)),
                    }),
                );
            }
        }
        Value::Object(ways)
    }

    /// One line for each direction and rate.
    pub fn lines(&self, ways: &[Way], directions: &[Crypto], rates: &[u32]) -> Vec<String> {
        let mut lines = Vec::new();
        for crypto in directions {
            for rate in rates {
                let mut text = format!("{:12} {rate:>7}/s:", crypto.name());
                for way in ways {
                    let us = self.us(*way, *crypto, *rate);
                    let ratio = self.ratio(*way, *crypto, *rate);
                    text.push_str(&format!(
                        "  {} {} ({} us)",
                        way.name(),
                        short(ratio),
                        short(us)
                    ));
                }
                let loss = self.cells.iter().filter(|((_, direction, at), cell)| {
                    *direction == crypto.name() && at == rate && median(&cell.loss) > 0.0001
                });
                for ((way, ..), cell) in loss {
                    text.push_str(&format!(
                        "  [{way} lost {:.2} %]",
                        100.0 * median(&cell.loss)
                    ));
                }
                lines.push(text);
            }
        }
        lines
    }
}

impl Crypto {
    pub fn name(self) -> &'static str {
        match self {
            Crypto::None => "rtp_to_rtp",
            Crypto::ToSink => "rtp_to_srtp",
            Crypto::FromSource => "srtp_to_rtp",
        }
    }
}

fn section(results: &Results) -> Result<Section> {
    let (to_sink, from_source) = (Crypto::ToSink, Crypto::FromSource);
    let direction = |crypto| {
        json!({
            "ours_af_xdp_us": rounded(results.us(Way::OursXdp, crypto, USUAL)),
            "ours_socket_us": rounded(results.us(Way::OursSocket, crypto, USUAL)),
            "rtpengine_us": rounded(results.us(Way::Rtpengine, crypto, USUAL)),
            "ratio_af_xdp": rounded(results.ratio(Way::OursXdp, crypto, USUAL)),
            "ratio_socket": rounded(results.ratio(Way::OursSocket, crypto, USUAL)),
            "ratio_af_xdp_20k": rounded(results.ratio(Way::OursXdp, crypto, LOW)),
        })
    };
    let mut values = direction(to_sink);
    let (max_ours, max_rtpengine) = (
        results.max_rate(Way::OursXdp),
        results.max_rate(Way::Rtpengine),
    );
    let more = json!({
        "max_rate_ours": rounded(max_ours),
        "max_rate_rtpengine": rounded(max_rtpengine),
        "overload_fraction": rounded(results.overload(Way::OursXdp)),
        "max_rate_ratio": rounded(max_ours / max_rtpengine),
        "max_rate_ours_is_the_generators": results.is_generators_limit(Way::OursXdp),
        "max_rate_ours_socket": rounded(results.max_rate(Way::OursSocket)),
        "overload_fraction_socket": rounded(results.overload(Way::OursSocket)),
        "overload_fraction_rtpengine": rounded(results.overload(Way::Rtpengine)),
        "overload_offered": rounded(results.capacity(Way::OursXdp, |capacity| capacity.overload_offered)),
        "srtp_to_rtp": direction(from_source),
        "by_rate": results.by_rate(),
    });
    if let (Some(values), Value::Object(more)) = (values.as_object_mut(), more) {
        values.extend(more);
    }
    let mut lines = vec![format!(
        "highest rate: ours / rtpengine {} ({} / {} packets/s{}); overloaded: AF_XDP {}, socket {}, rtpengine {} of it",
        short(max_ours / max_rtpengine),
        short(max_ours),
        short(max_rtpengine),
        if results.is_generators_limit(Way::OursXdp) {
            ", the generator's limit"
        } else {
            ""
        },
        short(results.overload(Way::OursXdp)),
        short(results.overload(Way::OursSocket)),
        short(results.overload(Way::Rtpengine)),
    )];
    lines.extend(results.lines(
        &[Way::OursXdp, Way::OursSocket, Way::Rtpengine],
        &[to_sink, from_source],
        &RATES,
    ));
    let ratio = |way, crypto, rate| results.ratio(way, crypto, rate);
    let aims = vec![
        Aim::at_most(
            "srtp_relay.ratio_af_xdp",
            0.2,
            ratio(Way::OursXdp, to_sink, USUAL),
        ),
        Aim::at_most(
            "srtp_relay.srtp_to_rtp.ratio_af_xdp",
            0.2,
            ratio(Way::OursXdp, from_source, USUAL),
        ),
        Aim::at_most(
            "srtp_relay.ratio_af_xdp_20k",
            1.0 / 3.0,
            ratio(Way::OursXdp, to_sink, LOW),
        ),
        Aim::at_most(
            "srtp_relay.srtp_to_rtp.ratio_af_xdp_20k",
            1.0 / 3.0,
            ratio(Way::OursXdp, from_source, LOW),
        ),
        Aim::at_most(
            "srtp_relay.ratio_socket",
            0.8,
            ratio(Way::OursSocket, to_sink, USUAL),
        ),
        Aim::at_most(
            "srtp_relay.srtp_to_rtp.ratio_socket",
            0.8,
            ratio(Way::OursSocket, from_source, USUAL),
        ),
        Aim::at_least("srtp_relay.max_rate_ratio", 4.0, max_ours / max_rtpengine),
        Aim::at_least(
            "srtp_relay.overload_fraction",
            0.9,
            results.overload(Way::OursXdp),
        ),
    ];
    Ok(Section {
        key: "srtp_relay",
        values,
        lines,
        aims,
    })
}
