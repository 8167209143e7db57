//! The object in the kernel, its maps, and one run of the program on one packet.
#![allow(unsafe_code)] // A socket, and map values that are plain bytes, which aya has to be told.

use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use aya::maps::xdp::{DevMapHash, XskMap};
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, Pod};
use media_common::counters::Verdicts;
use media_common::event::Event;
use media_common::flow::{Flow, FlowEntry, MediaAddressList, NextHop};
use media_common::maps;
use media_common::quality::{FlowCounters, FlowIncidents};

/// Names the object; `cargo xtask test` sets it.
pub const OBJECT: &str = "TRUNKLINE_EBPF_OBJECT";

/// The interface that test runs pretend to receive by: the loopback of the namespace.
pub const INGRESS: u32 = 1;

/// An AF_XDP socket that is bound to nothing: enough for a slot of the socket map.
pub fn unbound_xdp_socket() -> std::io::Result<OwnedFd> {
    // SAFETY: socket takes integers; the descriptor that it gives is owned by nobody else.
    let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Where the object is.
///
/// # Panics
/// If [`OBJECT`] does not say so.
pub fn object_path() -> PathBuf {
    let path = std::env::var_os(OBJECT).filter(|path| !path.is_empty());
    PathBuf::from(path.unwrap_or_else(|| panic!("{OBJECT} is not set: run `cargo xtask test`")))
}

/// The program with maps of its own, attached to nothing.
pub struct Kernel {
    ebpf: Ebpf,
    /// The map forgets a socket that is closed.
    sockets: Vec<OwnedFd>,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `XDP_*`.
    pub code: u32,
    /// The frame as the program left it.
    pub frame: Vec<u8>,
    /// The verdict counters that moved, and by how much.
    pub moved: Vec<(&'static str, u64)>,
}

impl Kernel {
    /// Loads the object of [`object_path`] with room for that many flows and next hops.
    pub fn load(flows: u32, next_hops: u32) -> Result<Kernel> {
        Kernel::load_from(&object_path(), flows, next_hops)
    }

    /// Loads that object.
    pub fn load_from(object: &Path, flows: u32, next_hops: u32) -> Result<Kernel> {
        let bytes =
            std::fs::read(object).with_context(|| format!("cannot read {}", object.display()))?;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(maps::FLOWS, flows)
            .map_max_entries(maps::INCIDENTS, flows)
            .map_max_entries(maps::NEXT_HOPS, next_hops)
            .load(&bytes)?;
        let program: &mut Xdp = ebpf
            .program_mut(maps::PROGRAM)
            .context("no such program")?
            .try_into()?;
        program.load().context("the verifier refused the program")?;
        Ok(Kernel {
            ebpf,
            sockets: Vec::new(),
        })
    }

    pub fn set_media_addresses(&mut self, list: MediaAddressList) -> Result<()> {
        self.array::<MediaAddressList>(maps::MEDIA_ADDRESSES)?
            .set(0, Plain(list), 0)?;
        Ok(())
    }

    /// Writes the entry, and sets what is counted to zero.
    pub fn set_flow(&mut self, index: u32, entry: FlowEntry) -> Result<()> {
        self.set_whole_flow(
            index,
            Flow {
                entry,
                ..Flow::default()
            },
        )
    }

    /// Writes entry and counters.
    pub fn set_whole_flow(&mut self, index: u32, flow: Flow) -> Result<()> {
        self.array::<Flow>(maps::FLOWS)?
            .set(index, Plain(flow), 0)?;
        self.array::<FlowIncidents>(maps::INCIDENTS)?.set(
            index,
            Plain(FlowIncidents::default()),
            0,
        )?;
        Ok(())
    }

    pub fn set_next_hop(&mut self, index: u32, next_hop: NextHop) -> Result<()> {
        self.array::<NextHop>(maps::NEXT_HOPS)?
            .set(index, Plain(next_hop), 0)?;
        Ok(())
    }

    /// Lets packets for interface `key` leave; `interface` is the real one.
    pub fn set_device(&mut self, key: u32, interface: u32) -> Result<()> {
        let map = self.map(maps::DEVICES)?;
        DevMapHash::try_from(map)?.insert(key, interface, None, 0)?;
        Ok(())
    }

    /// Says where the sockets of an interface begin.
    pub fn set_queue_base(&mut self, interface: u32, base: u32) -> Result<()> {
        let map = self.map(maps::QUEUES)?;
        HashMap::<_, u32, u32>::try_from(map)?.insert(interface, base, 0)?;
        Ok(())
    }

    /// Puts an AF_XDP socket into a slot, for as long as this lives.
    pub fn set_socket(&mut self, slot: u32, socket: OwnedFd) -> Result<()> {
        XskMap::try_from(self.map(maps::XSKS)?)?.set(slot, socket.as_raw_fd(), 0)?;
        self.sockets.push(socket);
        Ok(())
    }

    pub fn counters(&mut self, index: u32) -> Result<FlowCounters> {
        Ok(self.flow(index)?.counters)
    }

    pub fn incidents(&mut self, index: u32) -> Result<FlowIncidents> {
        Ok(self
            .array::<FlowIncidents>(maps::INCIDENTS)?
            .get(&index, 0)?
            .0)
    }

    fn flow(&mut self, index: u32) -> Result<Flow> {
        Ok(self.array::<Flow>(maps::FLOWS)?.get(&index, 0)?.0)
    }

    /// The verdict counters of all CPUs together.
    pub fn verdicts(&mut self) -> Result<Verdicts> {
        let map = PerCpuArray::<_, Plain<Verdicts>>::try_from(self.map(maps::VERDICTS)?)?;
        let mut total = Verdicts::default();
        for counters in map.get(&0, 0)?.iter() {
            total.add(&counters.0);
        }
        Ok(total)
    }

    /// The events since the last call.
    pub fn events(&mut self) -> Result<Vec<Event>> {
        let mut ring = RingBuf::try_from(self.map(maps::EVENTS)?)?;
        let mut events = Vec::new();
        while let Some(bytes) = ring.next() {
            events.push(Event::from_bytes(&bytes).ok_or_else(|| anyhow!("not an event"))?);
        }
        Ok(events)
    }

    /// Everything in a ring buffer since the last call, as it lies there.
    pub fn ring_bytes(&mut self, name: &str) -> Result<Vec<u8>> {
        let mut ring = RingBuf::try_from(self.map(name)?)?;
        let mut all = Vec::new();
        while let Some(bytes) = ring.next() {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// The kernel's identifier of a map, for bpftool.
    pub fn map_id(&mut self, name: &str) -> Result<u32> {
        match self.map(name)? {
            Map::Array(map) => Ok(map.info()?.id()),
            _ => Err(anyhow!("{name} is not an array")),
        }
    }

    /// Lets the driver of an interface of the thread's network namespace run the program, until
    /// the link is dropped.
    pub fn attach(&mut self, interface: u32) -> Result<XdpLink> {
        let program: &mut Xdp = self
            .ebpf
            .program_mut(maps::PROGRAM)
            .context("no such program")?
            .try_into()?;
        let id = program.attach_to_if_index(interface, XdpMode::Driver)?;
        Ok(program.take_link(id)?)
    }

    /// Runs the program once on a frame that came by [`INGRESS`], queue 0.
    pub fn run(&mut self, frame: &[u8]) -> Result<Outcome> {
        let before = self.verdicts()?;
        let mut output = vec![0; frame.len() + 64];
        let program: &mut Xdp = self
            .ebpf
            .program_mut(maps::PROGRAM)
            .context("no such program")?
            .try_into()?;
        let result = program.test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut output),
            ..TestRunOptions::default()
        })?;
        output.truncate(result.data_size_out as usize);
        let moved = moved(&before, &self.verdicts()?);
        Ok(Outcome {
            code: result.return_value,
            frame: output,
            moved,
        })
    }

    /// Average duration of a run, nanoseconds, over that many.
    ///
    /// The frame is not restored between runs: it should be one that stays as it is, or whose
    /// changes do not matter.
    pub fn time(&mut self, frame: &[u8], repeat: u32) -> Result<u128> {
        let program: &mut Xdp = self
            .ebpf
            .program_mut(maps::PROGRAM)
            .context("no such program")?
            .try_into()?;
        let result = program.test_run(TestRunOptions {
            data_in: Some(frame),
            repeat,
            ..TestRunOptions::default()
        })?;
        Ok(result.duration.as_nanos())
    }

    fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf
            .map_mut(name)
            .with_context(|| format!("no map {name}"))
    }

    fn array<T: Copy + 'static>(&mut self, name: &str) -> Result<Array<&mut MapData, Plain<T>>> {
        Ok(Array::try_from(self.map(name)?)?)
    }
}

/// The counters that are not equal, and by how much they grew.
fn moved(before: &Verdicts, after: &Verdicts) -> Vec<(&'static str, u64)> {
    fn all(verdicts: &Verdicts) -> impl Iterator<Item = (&'static str, u64)> {
        let dropped = verdicts
            .dropped()
            .map(|(reason, count)| (reason.name(), count));
        verdicts.passed().chain(dropped)
    }
    all(before)
        .zip(all(after))
        .map(|((name, before), (_, after))| (name, after - before))
        .filter(|(_, count)| *count != 0)
        .collect()
}

/// A value of the ABI as aya takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Plain<T>(T);

// SAFETY: only used with the structs of `media_common`, which are `repr(C)`, made of integers
// and arrays of them, and without implicit padding: any bytes are a value.
unsafe impl<T: Copy + 'static> Pod for Plain<T> {}
