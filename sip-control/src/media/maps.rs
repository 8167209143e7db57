//! The program's maps, typed.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use aya::Ebpf;
use aya::maps::xdp::DevMapHash;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf, XskMap};
use media_common::counters::Verdicts;
use media_common::event::Event;
use media_common::flow::{FlowEntry, MediaAddressList, NextHop};
use media_common::maps;
use media_common::quality::{FlowCounters, FlowIncidents};

use super::error::MediaError;
use super::sys::{Abi, FlowTable};

/// What control writes and reads while the program runs.
pub(super) struct KernelMaps {
    flows: FlowTable,
    verdicts: PerCpuArray<MapData, Abi<Verdicts>>,
    sockets: XskMap<MapData>,
    events: RingBuf<MapData>,
}

/// The maps that are written at start: everything else of [`KernelMaps`]' object.
pub(super) struct SetupMaps {
    pub(super) next_hops: Array<MapData, Abi<NextHop>>,
    addresses: Array<MapData, Abi<MediaAddressList>>,
    devices: DevMapHash<MapData>,
    queues: HashMap<MapData, u32, u32>,
}

impl KernelMaps {
    /// Takes the maps out of the loaded object, whose flow table has room for `flows`.
    pub(super) fn take(ebpf: &mut Ebpf, flows: u32) -> Result<(KernelMaps, SetupMaps), MediaError> {
        let kernel = KernelMaps {
            flows: flow_table(ebpf, flows)?,
            verdicts: take(ebpf, maps::VERDICTS)?,
            sockets: take(ebpf, maps::XSKS)?,
            events: take(ebpf, maps::EVENTS)?,
        };
        let setup = SetupMaps {
            next_hops: take(ebpf, maps::NEXT_HOPS)?,
            addresses: take(ebpf, maps::MEDIA_ADDRESSES)?,
            devices: take(ebpf, maps::DEVICES)?,
            queues: take(ebpf, maps::QUEUES)?,
        };
        Ok((kernel, setup))
    }

    pub(super) fn set_flow(&mut self, index: u32, entry: FlowEntry) {
        self.flows.set_entry(index, entry);
    }

    pub(super) fn counters(&self, index: u32) -> FlowCounters {
        self.flows.counters(index)
    }

    pub(super) fn incidents(&self, index: u32) -> FlowIncidents {
        self.flows.incidents(index)
    }

    /// For a flow that is not open.
    pub(super) fn reset_counters(&mut self, index: u32) {
        self.flows.clear(index);
    }

    /// All CPUs together.
    pub(super) fn verdicts(&self) -> Verdicts {
        let mut sum = Verdicts::default();
        if let Ok(cpus) = self.verdicts.get(&0, 0) {
            cpus.iter().for_each(|Abi(cpu)| sum.add(cpu));
        }
        sum
    }

    pub(super) fn set_socket(&mut self, slot: u32, socket: &OwnedFd) -> Result<(), MapError> {
        self.sockets.set(slot, socket.as_raw_fd(), 0)
    }

    /// A slot that is empty already is no error: the kernel empties it with the socket.
    pub(super) fn clear_socket(&mut self, slot: u32) {
        let _ = self.sockets.unset(slot);
    }

    /// Readable when [`KernelMaps::next_event`] has one.
    pub(super) fn events_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        loop {
            let item = self.events.next()?;
            if let Some(event) = Event::from_bytes(&item) {
                return Some(event);
            }
        }
    }
}

impl SetupMaps {
    pub(super) fn set_addresses(&mut self, list: MediaAddressList) -> Result<(), MediaError> {
        self.addresses
            .set(0, Abi(list), 0)
            .map_err(|error| failed(maps::MEDIA_ADDRESSES, &error))
    }

    /// Lets packets leave by the interface, and says where the sockets of its queues are.
    pub(super) fn add_interface(
        &mut self,
        ifindex: u32,
        first_slot: u32,
    ) -> Result<(), MediaError> {
        self.devices
            .insert(ifindex, ifindex, None, 0)
            .map_err(|error| failed(maps::DEVICES, &error))?;
        self.queues
            .insert(ifindex, first_slot, 0)
            .map_err(|error| failed(maps::QUEUES, &error))
    }
}

fn take<T: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, MediaError> {
    let map = ebpf
        .take_map(name)
        .ok_or_else(|| failed(name, &"the object has no such map"))?;
    T::try_from(map).map_err(|error| failed(name, &error))
}

fn flow_table(ebpf: &mut Ebpf, values: u32) -> Result<FlowTable, MediaError> {
    let flows = map(ebpf, maps::FLOWS)?;
    let incidents = map(ebpf, maps::INCIDENTS)?;
    FlowTable::new(flows.fd(), incidents.fd(), values)
        .map_err(|error| failed(maps::FLOWS, &format!("mapping it into memory: {error}")))
}

/// An array, as it is known to the kernel.
fn map(ebpf: &mut Ebpf, name: &'static str) -> Result<MapData, MediaError> {
    match ebpf.take_map(name) {
        Some(Map::Array(map)) => Ok(map),
        _ => Err(failed(name, &"the object has no such array")),
    }
}

fn failed(map: &'static str, detail: &dyn std::fmt::Display) -> MediaError {
    MediaError::Map {
        map,
        detail: detail.to_string(),
    }
}
