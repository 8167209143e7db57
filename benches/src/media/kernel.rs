//! The benches' own programs in the kernel: the live-frame generator, what it is compared with,
//! and the sink.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use aya::maps::xdp::DevMap;
use aya::maps::{Array, Map, MapData, PerCpuArray, PerCpuValues};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{
    LinkOrder, SchedClassifier, TcAttachType, TestRun as _, TestRunAttrs, TestRunOptions, Xdp,
};
use aya::{Ebpf, EbpfLoader};
use bench_ebpf::{BUCKETS, Generator, STATES, Sink, bucket_middle, name};
use trunkline_tests::lab::Namespace;

use super::frames::{self, Ports};
use super::lab::{MEDIA, index_of};
use super::sys::{Plain, fresh_state, write_map};

/// What the generator sends.
pub struct Traffic {
    /// In random order.
    pub flows: u32,
    /// Of each of our media addresses.
    pub per_address: u32,
    /// Source and destination port of an address's first flow.
    pub ports: Ports,
    /// From one flow's ports to the next one's.
    pub port_step: u16,
    /// Between packets, nanoseconds; 0 for as fast as it goes.
    pub interval_ns: u32,
    /// Which of the generator's memories to use.
    pub state: u32,
}

fn generator() -> Generator {
    Generator {
        templates: std::array::from_fn(frames::template),
        sums: std::array::from_fn(frames::template_sum),
        flows: 1,
        per_address: 1,
        port_low: 0,
        source_low: 0,
        port_step: 1,
        interval_ns: 0,
        state: 0,
        macs: [0; 6],
    }
}

/// One copy of the object with maps of its own.
pub struct Programs {
    ebpf: Ebpf,
}

/// A program at an interface; dropping it takes it away.
pub enum Attached {
    Xdp { _link: XdpLink },
    Tc { _link: SchedClassifierLink },
}

/// What has arrived at a sink.
#[derive(Clone)]
pub struct Arrived {
    pub packets: u64,
    histogram: Vec<u64>,
}

impl Programs {
    pub fn load(object: &Path) -> Result<Programs> {
        let bytes =
            std::fs::read(object).with_context(|| format!("cannot read {}", object.display()))?;
        let mut ebpf = EbpfLoader::new().load(&bytes)?;
        for program in [name::GENERATE, name::DROP, name::BARE, name::SINK] {
            let program: &mut Xdp = ebpf.program_mut(program).context(program)?.try_into()?;
            program.load().context("the verifier refused a program")?;
        }
        for program in [name::TC_DROP, name::TC_SINK] {
            let program: &mut SchedClassifier =
                ebpf.program_mut(program).context(program)?.try_into()?;
            program.load().context("the verifier refused a program")?;
        }
        let mut programs = Programs { ebpf };
        programs.reset_sink(false)?;
        Ok(programs)
    }

    /// Lets the generator and the bare redirect send by that interface of that namespace.
    pub fn set_out(&mut self, namespace: &Namespace, interface: &str) -> Result<()> {
        let index = index_of(namespace, interface)?;
        let map = self.ebpf.map_mut(name::OUT).context(name::OUT)?;
        namespace.enter(|| -> Result<()> {
            DevMap::try_from(map)?.set(0, index, None, 0)?;
            Ok(())
        })?
    }

    /// Says what is generated.
    pub fn set_traffic(&mut self, traffic: &Traffic) -> Result<()> {
        ensure!(
            traffic.flows <= traffic.per_address * MEDIA.len() as u32,
            "too many flows"
        );
        self.set_generator(Generator {
            flows: traffic.flows,
            per_address: traffic.per_address,
            port_low: traffic.ports.1.into(),
            source_low: traffic.ports.0.into(),
            port_step: traffic.port_step.into(),
            interval_ns: traffic.interval_ns,
            state: traffic.state,
            ..generator()
        })
    }

    /// Says which destination and source MAC the bare redirect writes.
    pub fn set_macs(&mut self, destination: [u8; 6], source: [u8; 6]) -> Result<()> {
        let bytes = [destination, source].concat();
        self.set_generator(Generator {
            macs: std::array::from_fn(|at| u16::from_ne_bytes([bytes[2 * at], bytes[2 * at + 1]])),
            ..generator()
        })
    }

    fn set_generator(&mut self, generator: Generator) -> Result<()> {
        let map = self.ebpf.map_mut(name::GENERATOR);
        let mut map: Array<&mut MapData, Plain<Generator>> =
            Array::try_from(map.context(name::GENERATOR)?)?;
        map.set(0, Plain(generator), 0)?;
        Ok(())
    }

    /// Lets every flow begin anew, after that sequence number.
    pub fn reset_states(&mut self, first: u16) -> Result<()> {
        let fresh = fresh_state(first);
        let Some(Map::Array(map)) = self.ebpf.map_mut(name::STATE) else {
            bail!("no array {}", name::STATE);
        };
        for key in 0..STATES as u32 {
            write_map(map.fd().as_fd(), key, &*fresh)?;
        }
        Ok(())
    }

    /// Sends that many live frames out of the interface of [`Programs::set_out`]; to be called
    /// on a thread in its namespace. Returns when all of them have been dealt with on this CPU.
    /// The time per packet as the kernel saw it.
    pub fn generate(&mut self, packets: u32, batch: u32) -> Result<Duration> {
        let program: &mut Xdp = self
            .ebpf
            .program_mut(name::GENERATE)
            .context(name::GENERATE)?
            .try_into()?;
        let result = program.test_run(TestRunOptions {
            data_in: Some(&frames::rtp_frame(0, (frames::PORT_LOW, frames::PORT_LOW))),
            repeat: packets,
            attrs: TestRunAttrs::new().xdp_live_frames(batch),
            ..TestRunOptions::default()
        })?;
        Ok(result.duration)
    }

    /// Lets the driver of an interface run one of the XDP programs.
    pub fn attach_xdp(
        &mut self,
        program: &str,
        namespace: &Namespace,
        interface: &str,
    ) -> Result<Attached> {
        let index = index_of(namespace, interface)?;
        let xdp: &mut Xdp = self
            .ebpf
            .program_mut(program)
            .context("no program")?
            .try_into()?;
        namespace.enter(|| -> Result<Attached> {
            let id = xdp
                .attach_to_if_index(index, XdpMode::Driver)
                .with_context(|| format!("attaching {program} to {interface}"))?;
            Ok(Attached::Xdp {
                _link: xdp.take_link(id)?,
            })
        })?
    }

    /// Runs one of the TC programs on what arrives at an interface.
    pub fn attach_tc(
        &mut self,
        program: &str,
        namespace: &Namespace,
        interface: &str,
    ) -> Result<Attached> {
        let tc: &mut SchedClassifier = self
            .ebpf
            .program_mut(program)
            .context("no program")?
            .try_into()?;
        namespace.enter(|| -> Result<Attached> {
            let id = tc
                .attach_with_options(
                    interface,
                    TcAttachType::Ingress,
                    TcAttachOptions::TcxOrder(LinkOrder::default()),
                )
                .with_context(|| format!("attaching {program} to {interface}"))?;
            Ok(Attached::Tc {
                _link: tc.take_link(id)?,
            })
        })?
    }

    /// Forgets what has arrived, and says whether packets carry their time of sending.
    pub fn reset_sink(&mut self, is_timed: bool) -> Result<()> {
        let fresh = Plain(Sink {
            packets: 0,
            is_timed: is_timed.into(),
            histogram: [0; BUCKETS],
        });
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        let mut map: PerCpuArray<&mut MapData, Plain<Sink>> =
            PerCpuArray::try_from(self.ebpf.map_mut(name::SINK_MAP).context(name::SINK_MAP)?)?;
        map.set(0, PerCpuValues::try_from(vec![fresh; cpus])?, 0)?;
        Ok(())
    }

    /// What has arrived since [`Programs::reset_sink`].
    pub fn arrived(&self) -> Result<Arrived> {
        let map: PerCpuArray<&MapData, Plain<Sink>> =
            PerCpuArray::try_from(self.ebpf.map(name::SINK_MAP).context(name::SINK_MAP)?)?;
        let mut arrived = Arrived {
            packets: 0,
            histogram: vec![0; BUCKETS],
        };
        for cpu in map.get(&0, 0)?.iter() {
            arrived.packets += cpu.0.packets;
            for (sum, count) in arrived.histogram.iter_mut().zip(&cpu.0.histogram) {
                *sum += count;
            }
        }
        Ok(arrived)
    }
}

impl Arrived {
    /// The time below which that share (0 to 1) of the packets was on its way, nanoseconds;
    /// `None` without timed packets.
    pub fn quantile_ns(&self, share: f64) -> Option<f64> {
        let total: u64 = self.histogram.iter().sum();
        let wanted = (share * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let at = self.histogram.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(bucket_middle(at))
    }
}
