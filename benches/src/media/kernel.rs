//! The benches' own programs in the kernel: the live-frame generator, what it is compared with,
//! and the sink.

use std::os::fd::AsFd as _;
use std::path::Path;

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

use super::frames;
use super::lab::{MEDIA, index_of};
use super::sys::{Plain, fresh_state, write_map};

/// Frames that the generator has in flight at a time: as a driver's poll would have.
const LIVE_BATCH: u32 = 64;

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

    /// Says what is generated: that many flows in random order, spread over our media addresses
    /// with `per_address` each.
    pub fn set_generator(
        &mut self,
        flows: u32,
        per_address: u32,
        state: u32,
        macs: [[u8; 6]; 2],
    ) -> Result<()> {
        ensure!(flows <= per_address * MEDIA.len() as u32, "too many flows");
        let bytes = macs.concat();
        let generator = Generator {
            templates: std::array::from_fn(frames::template),
            sums: std::array::from_fn(frames::template_sum),
            flows,
            per_address,
            port_low: frames::PORT_LOW.into(),
            state,
            macs: std::array::from_fn(|at| u16::from_ne_bytes([bytes[2 * at], bytes[2 * at + 1]])),
        };
        let mut map: Array<&mut MapData, Plain<Generator>> = Array::try_from(
            self.ebpf
                .map_mut(name::GENERATOR)
                .context(name::GENERATOR)?,
        )?;
        map.set(0, Plain(generator), 0)?;
        Ok(())
    }

    /// Lets every flow begin anew.
    pub fn reset_states(&mut self) -> Result<()> {
        let fresh = fresh_state();
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
    pub fn generate(&mut self, packets: u32) -> Result<()> {
        let program: &mut Xdp = self
            .ebpf
            .program_mut(name::GENERATE)
            .context(name::GENERATE)?
            .try_into()?;
        program.test_run(TestRunOptions {
            data_in: Some(&frames::rtp_frame(0, frames::PORT_LOW)),
            repeat: packets,
            attrs: TestRunAttrs::new().xdp_live_frames(LIVE_BATCH),
            ..TestRunOptions::default()
        })?;
        Ok(())
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
