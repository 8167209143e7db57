//! What our XDP program adds to a packet's cost, beside a bare redirect, the kernel's IP
//! forwarding and nftables' address translation.
//!
//! One CPU does everything: it generates, receives, forwards, sends and drops at the sink, and
//! the clock runs meanwhile. What a forwarder adds is that time less the time of the same with a
//! drop at the ingress. Contenders take turns, and the median over the turns counts.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bench_ebpf::name;
use serde_json::{Map, json};

use super::forwarder::{CEILING_WINDOW_NS, FLOWS, Forwarder, PER_ADDRESS, WINDOW_PACKETS};
use super::frames::PORT_LOW;
use super::kernel::{Attached, Programs, Traffic};
use super::lab::{EGRESS_MAC, IN, Lab, OUT, SINK_MAC};
use super::measure::{alone, go_on, median, median_difference, per_packet_ns};
use super::nat;
use super::report::{Aim, Section, rounded, short};
use super::skb_source::{RtpSource, flat_out};
use super::sys;
use super::{Objects, Options};

/// Flows of the comparison.
const USUAL: u32 = 500;
/// Flow counts of ours.
const COUNTS: [u32; 4] = [1, USUAL, 10_000, FLOWS];
/// Packets of one turn with live frames, and of the run-up to it: tenths of a second.
const LIVE_TURN: (u32, u32) = (600_000, 60_000);
/// The same with one flow: what its ceiling allows in one window.
const SINGLE_TURN: (u32, u32) = (60_000, 4_000);
/// Packets of one turn with the packet socket.
const SKB_TURN: u64 = 200_000;

/// Frames that the generator has in flight at a time: as a driver's poll would have.
const LIVE_BATCH: u32 = 64;

struct Bench<'a> {
    lab: &'a Lab,
    /// Generator, drop and bare redirect.
    source: Programs,
    /// Of the edge: its bare redirect sends to the sink.
    edge: Programs,
    /// Of the sink.
    sink: Programs,
    ours: Forwarder,
    cpu: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Contender {
    Drop,
    Bare,
    Ours,
}

pub fn measure(lab: &Lab, objects: &Objects, options: &Options) -> Result<Section> {
    let mut bench = Bench::new(lab, objects, options.generator_cpu)?;
    let turns = if options.is_quick { 5 } else { 25 };
    bench.warm_up()?;
    let live = bench.live(turns)?;
    let skb = bench.skb(turns)?;
    section(&live, &skb)
}

/// Added nanoseconds per packet with live frames.
struct Live {
    drop: f64,
    bare: f64,
    /// By count of flows.
    ours: Vec<(u32, f64)>,
}

/// Added nanoseconds per packet with the packet socket.
struct Skb {
    bare: f64,
    ours: f64,
    ip_forward: f64,
    nft: f64,
}

impl<'a> Bench<'a> {
    fn new(lab: &'a Lab, objects: &Objects, cpu: usize) -> Result<Bench<'a>> {
        let mut bench = Bench {
            lab,
            source: Programs::load(&objects.bench)?,
            edge: Programs::load(&objects.bench)?,
            sink: Programs::load(&objects.bench)?,
            ours: Forwarder::load(Path::new(&objects.media), &lab.edge)?,
            cpu,
        };
        bench.source.reset_states(0)?;
        bench.source.set_out(&lab.source, OUT)?;
        bench.edge.set_out(&lab.edge, OUT)?;
        bench.edge.set_macs(SINK_MAC, EGRESS_MAC)?;
        Ok(bench)
    }

    /// Every flow's first packet, which is reported to user space, is no steady state.
    fn warm_up(&mut self) -> Result<()> {
        let _sink = self.sink.attach_xdp(name::SINK, &self.lab.sink, IN)?;
        let _edge = self.ours.attach(&self.lab.edge, IN)?;
        self.source.set_traffic(&traffic(FLOWS, 1))?;
        for _ in 0..15 {
            self.generate(FLOWS)?;
        }
        let (forwarded, others) = self.ours.forwarded()?;
        ensure!(
            forwarded == u64::from(15 * FLOWS),
            "our program redirected {forwarded} of {} packets in the warm-up ({others})",
            15 * FLOWS
        );
        Ok(())
    }

    fn live(&mut self, turns: usize) -> Result<Live> {
        let _sink = self.sink.attach_xdp(name::SINK, &self.lab.sink, IN)?;
        let mut bare = Vec::new();
        let mut drop = Vec::new();
        let mut added = Vec::new();
        for flows in COUNTS {
            let (mut ours, mut baseline) = (Vec::new(), Vec::new());
            // With one flow each turn waits for a window.
            let turns = if flows == 1 { turns.min(9) } else { turns };
            for _ in 0..turns {
                go_on()?;
                let mut turn = |contender| self.live_turn(contender, flows);
                ours.push(turn(Contender::Ours)?);
                if flows == USUAL {
                    bare.push(turn(Contender::Bare)?);
                }
                baseline.push(turn(Contender::Drop)?);
            }
            added.push((flows, median_difference(&ours, &baseline)));
            if flows == USUAL {
                drop = baseline;
            }
        }
        Ok(Live {
            drop: median(&drop),
            bare: median_difference(&bare, &drop),
            ours: added,
        })
    }

    /// Nanoseconds per packet of one contender's turn; fails if packets are lost on the way.
    fn live_turn(&mut self, contender: Contender, flows: u32) -> Result<f64> {
        let edge = &self.lab.edge;
        let state = u32::from(contender == Contender::Ours);
        self.source.set_traffic(&traffic(flows, state))?;
        let _attached = match contender {
            Contender::Ours => Attached::Xdp {
                _link: self.ours.attach(edge, IN)?,
            },
            Contender::Bare => self.edge.attach_xdp(name::BARE, edge, IN)?,
            Contender::Drop => self.edge.attach_xdp(name::DROP, edge, IN)?,
        };
        let (turn, run_up) = match flows {
            1 => SINGLE_TURN,
            _ => LIVE_TURN,
        };
        if flows == 1 {
            await_window();
        }
        self.generate(run_up)?;
        self.sink.reset_sink(false)?;
        let time = self.generate(turn)?;
        let arrived = self.sink.arrived()?.packets;
        let expected = match contender {
            Contender::Drop => 0,
            _ => u64::from(turn),
        };
        ensure!(
            arrived == expected,
            "{arrived} of {expected} live frames arrived at the sink: {}",
            self.ours.forwarded()?.1
        );
        Ok(per_packet_ns(time, turn.into()))
    }

    fn generate(&mut self, packets: u32) -> Result<Duration> {
        let source = &mut self.source;
        alone(&self.lab.source, self.cpu, || {
            // CPU time, not the clock's: a run begins and ends with waiting for a grace period.
            let begun = sys::thread_cpu_time();
            source.generate(packets, LIVE_BATCH)?;
            Ok(sys::thread_cpu_time() - begun)
        })
        .context("running the live-frame generator")
    }

    fn skb(&mut self, turns: usize) -> Result<Skb> {
        let flows: Vec<_> = (0..USUAL as u16)
            .map(|flow| (PORT_LOW + flow, PORT_LOW + flow))
            .collect();
        let mut source = RtpSource::new(&self.lab.source, &flows, 0, false)?;
        let turns = turns.div_ceil(2);
        let mut samples: [Vec<f64>; 6] = Default::default();
        for _ in 0..turns {
            go_on()?;
            {
                let _sink = self.sink.attach_xdp(name::SINK, &self.lab.sink, IN)?;
                for (at, contender) in [Contender::Drop, Contender::Bare, Contender::Ours]
                    .into_iter()
                    .enumerate()
                {
                    samples[at].push(self.skb_xdp_turn(&mut source, contender)?);
                }
            }
            let _sink = self.sink.attach_tc(name::TC_SINK, &self.lab.sink, IN)?;
            {
                let _drop = self.edge.attach_tc(name::TC_DROP, &self.lab.edge, IN)?;
                samples[3].push(self.skb_turn(&mut source, false, "the drop")?);
            }
            {
                let _rules = nat::Routed::new(self.lab)?;
                samples[4].push(self.skb_turn(&mut source, true, "IP forwarding")?);
            }
            let _rules = nat::Translated::new(self.lab, PORT_LOW..=PORT_LOW + (USUAL as u16 - 1))?;
            samples[5].push(self.skb_turn(&mut source, true, "nftables")?);
        }
        let [drop, bare, ours, tc_drop, ip_forward, nft] = &samples;
        Ok(Skb {
            bare: median_difference(bare, drop),
            ours: median_difference(ours, drop),
            ip_forward: median_difference(ip_forward, tc_drop),
            nft: median_difference(nft, tc_drop),
        })
    }

    fn skb_xdp_turn(&mut self, source: &mut RtpSource, contender: Contender) -> Result<f64> {
        let edge = &self.lab.edge;
        let (_attached, what) = match contender {
            Contender::Ours => {
                let link = self.ours.attach(edge, IN)?;
                (Attached::Xdp { _link: link }, "our program")
            }
            Contender::Bare => (
                self.edge.attach_xdp(name::BARE, edge, IN)?,
                "the bare redirect",
            ),
            Contender::Drop => (self.edge.attach_xdp(name::DROP, edge, IN)?, "the drop"),
        };
        self.skb_turn(source, contender != Contender::Drop, what)
    }

    fn skb_turn(&mut self, source: &mut RtpSource, arrives: bool, what: &str) -> Result<f64> {
        let cpu = self.cpu;
        let mut send = |packets| alone(&self.lab.source, cpu, || flat_out(source, packets));
        send(SKB_TURN / 10)?;
        self.sink.reset_sink(false)?;
        let time = send(SKB_TURN)?;
        let arrived = self.sink.arrived()?.packets;
        let expected = if arrives { SKB_TURN } else { 0 };
        ensure!(
            arrived == expected,
            "{what}: {arrived} of {expected} packets arrived at the sink"
        );
        Ok(per_packet_ns(time, SKB_TURN))
    }
}

/// A memory of its own for our program, which looks at sequence numbers.
fn traffic(flows: u32, state: u32) -> Traffic {
    Traffic {
        flows,
        per_address: PER_ADDRESS,
        ports: (PORT_LOW, PORT_LOW),
        port_step: 1,
        interval_ns: 0,
        state,
    }
}

/// Sleeps until the program counts for the ceiling from zero.
fn await_window() {
    let now = sys::monotonic().as_nanos() as u64;
    let left = CEILING_WINDOW_NS - now % CEILING_WINDOW_NS;
    std::thread::sleep(Duration::from_nanos(left + 1_000_000));
}

fn section(live: &Live, skb: &Skb) -> Result<Section> {
    let by_count = |wanted: u32| {
        live.ours
            .iter()
            .find(|(flows, _)| *flows == wanted)
            .map(|(_, ns)| *ns)
            .context("a count of flows was not measured")
    };
    let ours = by_count(USUAL)?;
    let to_bare = ours / live.bare;
    let to_nft = ours / skb.nft;
    let to_nft_skb = skb.ours / skb.nft;
    let to_bare_skb = skb.ours / skb.bare;
    let growth = by_count(FLOWS)? / by_count(1)?;
    let mut flows = Map::new();
    for (count, ns) in &live.ours {
        flows.insert(count.to_string(), rounded(*ns));
    }
    let values = json!({
        "ours_ns": rounded(ours),
        "bare_redirect_ns": rounded(live.bare),
        "nft_nat_ns": rounded(skb.nft),
        "ip_forward_ns": rounded(skb.ip_forward),
        "ratio_to_bare": rounded(to_bare),
        "ratio_to_nft": rounded(to_nft),
        "ratio_to_nft_skb": rounded(to_nft_skb),
        "ratio_to_bare_skb": rounded(to_bare_skb),
        "ratio_100000_to_1_flows": rounded(growth),
        "flows": flows,
        "generator_and_drop_ns": rounded(live.drop),
        "skb_ours_ns": rounded(skb.ours),
        "skb_bare_redirect_ns": rounded(skb.bare),
    });
    let counts: Vec<String> = live
        .ours
        .iter()
        .map(|(count, ns)| format!("{count}: {}", short(*ns)))
        .collect();
    let lines = vec![
        format!(
            "ours / bare redirect          {}   ({} / {} ns, live frames)",
            short(to_bare),
            short(ours),
            short(live.bare)
        ),
        format!(
            "ours / nftables NAT           {}   ({} ns of live frames / {} ns)",
            short(to_nft),
            short(ours),
            short(skb.nft)
        ),
        format!(
            "ours / nftables NAT, skb both {}   ({} / {} ns)",
            short(to_nft_skb),
            short(skb.ours),
            short(skb.nft)
        ),
        format!(
            "100,000 flows / 1 flow        {}   (ns by flows: {})",
            short(growth),
            counts.join(", ")
        ),
        format!(
            "IP forwarding {} ns, bare redirect of skbs {} ns, generator with drop {} ns",
            short(skb.ip_forward),
            short(skb.bare),
            short(live.drop)
        ),
    ];
    let aims = vec![
        Aim::at_most("xdp_forward.ratio_to_bare", 2.3, to_bare),
        Aim::at_most("xdp_forward.ratio_to_nft", 1.0 / 6.0, to_nft),
        Aim::at_most("xdp_forward.ratio_to_nft_skb", 1.0 / 3.0, to_nft_skb),
        Aim::at_most("xdp_forward.ratio_100000_to_1_flows", 2.0, growth),
    ];
    Ok(Section {
        key: "xdp_forward",
        values,
        lines,
        aims,
    })
}

const _: () = assert!(SINGLE_TURN.0 + SINGLE_TURN.1 <= WINDOW_PACKETS);
const _: () = assert!(PER_ADDRESS * 2 == FLOWS && FLOWS as usize <= bench_ebpf::MAX_FLOWS);
