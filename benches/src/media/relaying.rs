//! What the relay sections share: turns with a relay or with a drop in its place, and the search
//! for the highest rate.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bench_ebpf::name;

use super::contender::{CALLS, Call, Crypto, Relay, Way, far_port, source, start};
use super::kernel::{Arrived, Attached, Programs, Traffic};
use super::lab::{EGRESS_MAC, IN, Lab, OUT, SINK_MAC};
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

/// As what packets reach the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// From a socket, or from an AF_XDP socket in copy mode.
    Skb,
    /// Redirected by an XDP program: veth wants a program at the far end.
    Xdp,
}

impl Egress {
    /// How a relay's packets leave.
    pub fn of(way: Way, crypto: Crypto) -> Egress {
        match (way, crypto) {
            (Way::OursXdp, Crypto::None) => Egress::Xdp,
            _ => Egress::Skb,
        }
    }
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
        self.passing_turn(Egress::Skb, source, rate, time)
    }

    /// Turns with timed packets through whatever is in the edge; what arrived in all of them,
    /// and the share of the packets that did not.
    pub fn timed_turns(
        &mut self,
        egress: Egress,
        source: &mut dyn Source,
        rate: f64,
        turns: usize,
    ) -> Result<(Arrived, f64)> {
        let _sink = self.attach_sink(egress)?;
        self.sink.reset_sink(true)?;
        let mut sent = 0;
        for _ in 0..turns {
            sent += self.turn(source, rate, LONGEST)?.used.sent;
        }
        let arrived = self.sink.arrived()?;
        let loss = 1.0 - arrived.packets as f64 / sent as f64;
        Ok((arrived, loss))
    }

    /// Puts the bare redirect into the edge.
    pub fn attach_bare(&mut self) -> Result<Attached> {
        self.edge.set_out(&self.lab.edge, OUT)?;
        self.edge.set_macs(SINK_MAC, EGRESS_MAC)?;
        self.edge.attach_xdp(name::BARE, &self.lab.edge, IN)
    }

    fn attach_sink(&mut self, egress: Egress) -> Result<Attached> {
        match egress {
            Egress::Skb => self.sink.attach_tc(name::TC_SINK, &self.lab.sink, IN),
            Egress::Xdp => self.sink.attach_xdp(name::SINK, &self.lab.sink, IN),
        }
    }

    /// One turn through whatever is in the edge.
    pub fn passing_turn(
        &mut self,
        egress: Egress,
        source: &mut dyn Source,
        rate: f64,
        time: Duration,
    ) -> Result<Turn> {
        let _sink = self.attach_sink(egress)?;
        self.sink.reset_sink(false)?;
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
        self.sink.reset_sink(false)?;
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
        let before = self.sink.arrived()?.packets;
        std::thread::sleep(REST);
        let cpus = self.cpus.clone();
        let used = alone(&self.lab.source, self.generator_cpu, || {
            meter::turn(source, rate, time, &cpus)
        })?;
        let arrived = self.sink.arrived()?.packets - before;
        self.settle()?;
        Ok(Turn { used, arrived })
    }

    /// Waits until what a relay has queued is through: the next turn must not count it.
    fn settle(&mut self) -> Result<()> {
        const QUIET: Duration = Duration::from_millis(20);
        const PATIENCE: u32 = 250;
        let mut last = self.sink.arrived()?.packets;
        for _ in 0..PATIENCE {
            std::thread::sleep(QUIET);
            let now = self.sink.arrived()?.packets;
            if now == last {
                return Ok(());
            }
            last = now;
        }
        bail!("a relay still sends five seconds after the last packet")
    }
}

/// Calls as a generator needs them, without a relay.
pub fn unrelayed(crypto: Crypto) -> Vec<Call> {
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
///
/// What arrives late is lost here: sockets' buffers together hold more than a trial sends. Every
/// trial after one that lost packets begins with a new relay: in rtpengine (10.5) a flow whose
/// socket's buffer has once been full stays silent.
fn search(
    steps: usize,
    loss: f64,
    mut trial: impl FnMut(f64) -> Result<Trial>,
) -> Result<Capacity> {
    let (mut good, mut bad) = (0.0_f64, f64::INFINITY);
    let mut is_generators_limit = false;
    let mut rate = 100_000.0;
    let mut refinements = 0;
    while refinements < steps {
        let result = trial(rate)?;
        if result.loss <= loss {
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

/// Which packets a search sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Skb,
    /// Live frames, which only our XDP program can take: a packet socket's own CPU time would be
    /// the limit.
    Live,
}

impl Stage<'_> {
    /// The highest rate of a relay, with relays of its own.
    pub fn capacity(
        &mut self,
        way: Way,
        crypto: Crypto,
        offer: Offer,
        steps: usize,
        time: Duration,
    ) -> Result<Capacity> {
        let lab = self.lab;
        let egress = Egress::of(way, crypto);
        let mut running: Option<(Box<dyn Relay>, Box<dyn Source>)> = None;
        search(steps, LOSS, |rate| {
            let (relay, mut packets) = match running.take() {
                Some(running) => running,
                None => {
                    let relay = start(lab, way, crypto, &self.cpus)?;
                    let packets = source(lab, relay.calls(), false)?;
                    self.begin_live()?;
                    (relay, packets)
                }
            };
            let trial = match offer {
                Offer::Live => self.live_trial(rate, time)?,
                Offer::Skb => self.skb_trial(egress, &mut *packets, rate, time)?,
            };
            if trial.loss <= LOSS {
                running = Some((relay, packets));
            }
            Ok(trial)
        })
    }

    /// A trial with ordinary packets.
    fn skb_trial(
        &mut self,
        egress: Egress,
        source: &mut dyn Source,
        rate: f64,
        time: Duration,
    ) -> Result<Trial> {
        let turn = self.passing_turn(egress, source, rate, time)?;
        Ok(Trial {
            offered: turn.used.rate(),
            throughput: turn.throughput(),
            loss: turn.loss(),
        })
    }

    /// To be called before the first [`Stage::live_trial`] with a relay.
    fn begin_live(&mut self) -> Result<()> {
        self.source.reset_states(LIVE_FIRST)?;
        self.source.set_out(&self.lab.source, OUT)
    }

    /// A trial with live frames, for a relay of ours by XDP: RTP of the calls, in random order.
    fn live_trial(&mut self, rate: f64, time: Duration) -> Result<Trial> {
        go_on()?;
        let _sink = self.attach_sink(Egress::Skb)?;
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
        self.settle()?;
        let offered = 1e9 / each.as_nanos().max(1) as f64;
        Ok(Trial {
            offered,
            throughput: offered * arrived as f64 / f64::from(packets),
            loss: 1.0 - arrived as f64 / f64::from(packets),
        })
    }
}
