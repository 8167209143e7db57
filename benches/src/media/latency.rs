//! How long packets are on their way, by path, beside rtpengine.
//!
//! The RTP timestamp, which every relay leaves alone, carries the time of sending; the sink's
//! program reads the clock when the packet arrives and counts into a histogram. What a path adds
//! is that less the median of a bare redirect in its place.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::contender::{Crypto, Way, source, start};
use super::kernel::Arrived;
use super::lab::Lab;
use super::relaying::{Egress, Offer, Stage, unrelayed};
use super::report::{Aim, Section, rounded, short};
use super::{Objects, Options};

/// Of the highest rate.
const LOAD: f64 = 0.3;
/// Of the search for it.
const TRIAL: Duration = Duration::from_millis(300);
/// Rates at which AF_XDP is measured besides, packets per second.
const LOW: [u32; 2] = [1_000, 20_000];
/// What AF_XDP may add at these, microseconds.
const LOW_P99_US: f64 = 500.0;

/// A way through the edge.
struct Path {
    name: &'static str,
    way: Way,
    crypto: Crypto,
}

const PATHS: [Path; 4] = [
    Path {
        name: "xdp",
        way: Way::OursXdp,
        crypto: Crypto::None,
    },
    Path {
        name: "af_xdp",
        way: Way::OursXdp,
        crypto: Crypto::ToSink,
    },
    Path {
        name: "socket",
        way: Way::OursSocket,
        crypto: Crypto::ToSink,
    },
    Path {
        name: "rtpengine",
        way: Way::Rtpengine,
        crypto: Crypto::ToSink,
    },
];

/// Microseconds.
struct Delay {
    rate: f64,
    median: f64,
    p99: f64,
}

impl Delay {
    fn of(rate: f64, arrived: &Arrived, loss: f64) -> Result<Delay> {
        ensure!(
            loss < 0.01,
            "{:.2} % of the packets were lost at {rate:.0} packets/s",
            100.0 * loss
        );
        let quantile = |share| -> Result<f64> {
            let ns = arrived.quantile_ns(share).context("no packet was timed")?;
            Ok(ns / 1e3)
        };
        Ok(Delay {
            rate,
            median: quantile(0.5)?,
            p99: quantile(0.99)?,
        })
    }

    fn json(&self, bare: f64) -> Value {
        json!({
            "rate": rounded(self.rate),
            "median_us": rounded(self.median),
            "p99_us": rounded(self.p99),
            "added_median_us": rounded(self.median - bare),
            "added_p99_us": rounded(self.p99 - bare),
        })
    }
}

pub fn measure(lab: &Lab, objects: &Objects, options: &Options) -> Result<Section> {
    let mut stage = Stage::new(lab, objects, options)?;
    let (turns, steps) = if options.is_quick { (1, 3) } else { (5, 4) };
    let bare = bare(&mut stage, turns)?;
    let mut values = Map::new();
    values.insert("bare_redirect".to_owned(), bare.json(bare.median));
    let mut lines = vec![format!(
        "bare redirect: median {} us, p99 {} us, one way",
        short(bare.median),
        short(bare.p99)
    )];
    let mut aims = Vec::new();
    for path in &PATHS {
        let delays = path.measure(&mut stage, turns, steps).context(path.name)?;
        let mut add = |key: String, delay: &Delay| {
            lines.push(format!(
                "{key:13} at {:>7.0}/s: added median {} us, p99 {} us",
                delay.rate,
                short(delay.median - bare.median),
                short(delay.p99 - bare.median)
            ));
            values.insert(key, delay.json(bare.median));
        };
        add(path.name.to_owned(), &delays.loaded);
        for (rate, delay) in LOW.iter().zip(&delays.low) {
            add(format!("{}_{rate}", path.name), delay);
            let name = match rate {
                1_000 => "latency.af_xdp_1000.added_p99_us",
                _ => "latency.af_xdp_20000.added_p99_us",
            };
            aims.push(Aim::at_most(name, LOW_P99_US, delay.p99 - bare.median));
        }
    }
    Ok(Section {
        key: "latency",
        values: Value::Object(values),
        lines,
        aims,
    })
}

fn bare(stage: &mut Stage<'_>, turns: usize) -> Result<Delay> {
    const RATE: f64 = 100_000.0;
    let _bare = stage.attach_bare()?;
    let mut source = source(stage.lab, &unrelayed(Crypto::None), true)?;
    let (arrived, loss) = stage.timed_turns(Egress::Xdp, &mut *source, RATE, turns)?;
    Delay::of(RATE, &arrived, loss).context("bare redirect")
}

struct Delays {
    loaded: Delay,
    /// At [`LOW`], for AF_XDP.
    low: Vec<Delay>,
}

impl Path {
    fn measure(&self, stage: &mut Stage<'_>, turns: usize, steps: usize) -> Result<Delays> {
        // With packets of a packet socket, whose own limit this may be.
        let capacity = stage.capacity(self.way, self.crypto, Offer::Skb, steps, TRIAL)?;
        let rate = LOAD * capacity.rate;
        let relay = start(stage.lab, self.way, self.crypto, &stage.cpus)?;
        let mut source = source(stage.lab, relay.calls(), true)?;
        let egress = Egress::of(self.way, self.crypto);
        let mut delay = |rate| -> Result<Delay> {
            let (arrived, loss) = stage.timed_turns(egress, &mut *source, rate, turns)?;
            Delay::of(rate, &arrived, loss)
        };
        let loaded = delay(rate)?;
        let mut low = Vec::new();
        if self.name == "af_xdp" {
            for rate in LOW {
                low.push(delay(rate.into())?);
            }
        }
        Ok(Delays { loaded, low })
    }
}
