//! What the relay sections share: turns with a relay or with a drop in its place, and the search
//! for the highest rate.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench_ebpf::name;

use super::contender::{CALLS, Call, Crypto, Way, far_port, source};
use super::kernel::{Attached, Programs, Traffic};
use super::lab::{IN, Lab, OUT};
use super::measure::{alone, go_on};
use super::meter::{self, DRAIN, LONGEST, Use};
use super::ours;
use super::skb_source::Source;
use super::sys::BATCH;
use super::{Objects, Options};

/// The share of packets that may be lost at the highest rate.
pub const LOSS: f64 = 0.0001;
/// Sequence number of the first live frames: after those of the other turns, because a relay
/// that encrypts does not use an index twice.
const LIVE_FIRST: u16 = 20_000;
/// Live frames that leave at once, at most.
const LIVE_BATCH: u32 = 16;
/// Between turns, so that ordinary threads have their share.
const REST: Duration = Duration::from_millis(150);

/// The namespaces, the sink's counters, and the CPUs.
pub struct Stage<'a> {
    pub lab: &'a Lab,
    pub generator_cpu: usize,
    /// CPUs of the contenders.
    pub cpus: Vec<usize>,
    sink: Programs,
    edge: Programs,
    /// The live-frame generator.
    source: Programs,
}

/// A turn's outcome.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub used: Use,
    /// Packets that arrived at the sink.
    pub arrived: u64,
}

impl Turn {
    /// Share of the packets that did not arrive.
    pub fn loss(&self) -> f64 {
        1.0 - self.arrived as f64 / self.used.sent as f64
    }

    /// CPU time per packet, microseconds.
    pub fn us_per_packet(&self) -> f64 {
        self.per_packet(self.used.busy())
    }

    /// A part of the CPU time per packet, microseconds.
    pub fn per_packet(&self, part: Duration) -> f64 {
        part.as_secs_f64() * 1e6 / self.used.sent as f64
    }

    /// Packets per second that arrived.
    pub fn throughput(&self) -> f64 {
        self.arrived as f64 / self.used.time.as_secs_f64()
    }
}

impl<'a> Stage<'a> {
    pub fn new(lab: &'a Lab, objects: &Objects, options: &Options) -> Result<Stage<'a>> {
        Ok(Stage {
            lab,
            source: Programs::load(&objects.bench)?,
            generator_cpu: options.generator_cpu,
            cpus: options.contender_cpus.clone(),
            sink: Programs::load(&objects.bench)?,
            edge: Programs::load(&objects.bench)?,
        })
    }

    /// One turn through the relay that runs in the edge. The sink counts and drops what arrives.
    pub fn relay_turn(
        &mut self,
        source: &mut dyn Source,
        rate: f64,
        time: Duration,
    ) -> Result<Turn> {
        let _sink = self.sink.attach_tc(name::TC_SINK, &self.lab.sink, IN)?;
        self.turn(source, rate, time)
    }

    /// One turn with a drop at the ingress: what generator and ingress cost without a relay.
    pub fn drop_turn(
        &mut self,
        way: Way,
        crypto: Crypto,
        rate: f64,
        time: Duration,
    ) -> Result<Turn> {
        let mut source = source(self.lab, &unrelayed(crypto), false)?;
        let _drop = self.attach_drop(way)?;
        self.turn(&mut *source, rate, time)
    }

    /// Ours sees XDP frames, so its drop is an XDP program; the others' is a TC program.
    fn attach_drop(&mut self, way: Way) -> Result<Attached> {
        match way {
            Way::OursXdp => self.edge.attach_xdp(name::DROP, &self.lab.edge, IN),
            _ => self.edge.attach_tc(name::TC_DROP, &self.lab.edge, IN),
        }
    }

    fn turn(&mut self, source: &mut dyn Source, rate: f64, time: Duration) -> Result<Turn> {
        go_on()?;
        let time = time.min(LONGEST);
        source.prepare((rate * time.as_secs_f64()) as u64 + BATCH as u64)?;
        self.sink.reset_sink(false)?;
        std::thread::sleep(REST);
        let cpus = self.cpus.clone();
        let used = alone(&self.lab.source, self.generator_cpu, || {
            meter::turn(source, rate, time, &cpus)
        })?;
        let arrived = self.sink.arrived()?.packets;
        Ok(Turn { used, arrived })
    }
}

/// Calls as a generator needs them, without a relay.
fn unrelayed(crypto: Crypto) -> Vec<Call> {
    (0..CALLS)
        .map(|number| Call {
            ports: (far_port(number), far_port(number)),
            ..ours::call(number, crypto)
        })
        .collect()
}

/// The highest rate at which next to nothing is lost, and what comes of twice that.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Packets per second.
    pub rate: f64,
    /// Whether the generator could do no more, so that the relay may.
    pub is_generators_limit: bool,
    /// Packets per second that were offered to overload it.
    pub overload_offered: f64,
    /// Of what was offered then, packets per second that arrived.
    pub overload_throughput: f64,
}

/// What one trial of the search gave.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Packets per second.
    pub offered: f64,
    /// Packets per second that arrived.
    pub throughput: f64,
    /// Share of the packets.
    pub loss: f64,
}

/// Searches by halves between a rate that works and one that does not.
pub fn capacity(steps: usize, mut trial: impl FnMut(f64) -> Result<Trial>) -> Result<Capacity> {
    let (mut good, mut bad) = (0.0_f64, f64::INFINITY);
    let mut is_generators_limit = false;
    let mut rate = 100_000.0;
    let mut refinements = 0;
    while refinements < steps {
        let result = trial(rate)?;
        if result.loss <= LOSS {
            good = good.max(result.offered);
            if result.offered < 0.97 * rate {
                is_generators_limit = true;
                break;
            }
        } else {
            bad = bad.min(result.offered);
        }
        if bad.is_infinite() {
            rate *= 1.6;
        } else {
            refinements += 1;
            rate = match good > 0.0 {
                true => (good + bad) / 2.0,
                false => bad / 2.0,
            };
        }
    }
    ensure!(good > 0.0, "packets are lost at every rate");
    let overload = trial(2.0 * good).context("overloading")?;
    Ok(Capacity {
        rate: good,
        is_generators_limit,
        overload_offered: overload.offered,
        overload_throughput: overload.throughput,
    })
}

impl Stage<'_> {
    /// A trial with ordinary packets.
    pub fn skb_trial(
        &mut self,
        source: &mut dyn Source,
        rate: f64,
        time: Duration,
    ) -> Result<Trial> {
        let turn = self.relay_turn(source, rate, time)?;
        Ok(Trial {
            offered: turn.used.rate(),
            throughput: turn.throughput(),
            loss: turn.loss(),
        })
    }

    /// To be called before the first [`Stage::live_trial`] with a relay.
    pub fn begin_live(&mut self) -> Result<()> {
        self.source.reset_states(LIVE_FIRST)?;
        self.source.set_out(&self.lab.source, OUT)
    }

    /// A trial with live frames, for a relay of ours by XDP: RTP of the calls, in random order.
    pub fn live_trial(&mut self, rate: f64, time: Duration) -> Result<Trial> {
        go_on()?;
        let _sink = self.sink.attach_tc(name::TC_SINK, &self.lab.sink, IN)?;
        self.source.set_traffic(&Traffic {
            flows: CALLS.into(),
            per_address: CALLS.into(),
            ports: (far_port(0), ours::near_port(0)),
            port_step: far_port(1) - far_port(0),
            interval_ns: (1e9 / rate) as u32,
            state: 0,
        })?;
        self.sink.reset_sink(false)?;
        std::thread::sleep(REST);
        let packets = (rate * time.min(LONGEST).as_secs_f64()) as u32;
        let source = &mut self.source;
        let each = alone(&self.lab.source, self.generator_cpu, || {
            source.generate(packets, LIVE_BATCH)
        })?;
        std::thread::sleep(DRAIN);
        let arrived = self.sink.arrived()?.packets;
        let offered = 1e9 / each.as_nanos().max(1) as f64;
        Ok(Trial {
            offered,
            throughput: offered * arrived as f64 / f64::from(packets),
            loss: 1.0 - arrived as f64 / f64::from(packets),
        })
    }
}
