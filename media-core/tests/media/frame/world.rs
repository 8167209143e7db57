//! Tables, and both answers to a frame: the relay's and the XDP program's.

use media_common::event::Event;
use media_common::flow::{
    ACTION_FORWARD, DSCP_KEEP, FLAG_CHECK_SOURCE, Flow, FlowEntry, MediaAddress, MediaAddressList,
    NO_TELEPHONE_EVENT, NextHop, ip_to_mapped,
};
use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::relay::frame::{self, FrameTables, FrameVerdict, PassReason};
use media_ebpf::frame::Frame;
use media_ebpf::relay::{Kernel, relay};
use media_ebpf::verdict::{Pass, Verdict};

use crate::common::at;

pub const FLOWS: usize = 12;
/// Where packets come by.
const INGRESS: u32 = 1;
/// Where they may leave by.
const INTERFACES: [u32; 3] = [INGRESS, 2, 3];

/// Three addresses of ours with four ports each, and what a packet needs of them.
#[derive(Clone, Debug)]
pub struct World {
    pub media: Vec<MediaAddress>,
    pub flows: Vec<FlowEntry>,
    pub next_hops: Vec<NextHop>,
}

/// What flows have counted, and what user space has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub flows: Vec<Flow>,
    pub incidents: Vec<FlowIncidents>,
    pub told: Vec<Event>,
}

pub const LOCALS: [&str; 3] = ["10.0.0.1", "2001:db8::1", "10.0.0.1"];
pub const PORTS: [u16; 3] = [10_000, 10_000, 20_000];
pub const PEERS: [&str; 4] = [
    "192.0.2.1:4000",
    "192.0.2.2:4000",
    "[2001:db8::a]:4000",
    "[::ffff:192.0.2.1]:4000",
];

impl World {
    pub fn new(flows: Vec<FlowEntry>, next_hops: Vec<NextHop>) -> World {
        let media = LOCALS.iter().zip(PORTS).enumerate();
        let media = media.map(|(at, (address, port_low))| MediaAddress {
            address: ip_to_mapped(address.parse().unwrap()),
            first_index: 4 * at as u32,
            port_low,
            port_high: port_low + 3,
        });
        World {
            media: media.collect(),
            flows,
            next_hops,
        }
    }

    /// Flows that have counted nothing yet.
    pub fn memory(&self) -> Memory {
        let flow = |entry: &FlowEntry| Flow {
            entry: *entry,
            ..Flow::default()
        };
        Memory {
            flows: self.flows.iter().map(flow).collect(),
            incidents: vec![FlowIncidents::default(); self.flows.len()],
            told: Vec::new(),
        }
    }

    /// What the relay says.
    pub fn relay(&self, frame: &[u8]) -> (FrameVerdict, Vec<u8>) {
        self.relay_at(&mut self.memory(), 0, frame)
    }

    /// What the relay says of a frame at that time, with flows that have seen others.
    pub fn relay_at(
        &self,
        memory: &mut Memory,
        now_ns: u64,
        frame: &[u8],
    ) -> (FrameVerdict, Vec<u8>) {
        let mut out = vec![0; frame.len() + 24];
        let mut tables = FrameTables {
            media_addresses: &self.media,
            flows: &mut memory.flows,
            incidents: &mut memory.incidents,
            next_hops: &self.next_hops,
            interfaces: &INTERFACES,
            has_worker: true,
        };
        let verdict = frame::decide(&mut tables, now_ns, frame, &mut out, &mut memory.told);
        let len = if let FrameVerdict::Transmit { len, .. } = verdict {
            len
        } else {
            0
        };
        out.truncate(len);
        (verdict, out)
    }

    /// What the XDP program says of it.
    pub fn program_at(
        &self,
        memory: &mut Memory,
        now_ns: u64,
        frame: &[u8],
    ) -> (FrameVerdict, Vec<u8>) {
        const HEADROOM: usize = 24;
        let mut buffer = [&[0; HEADROOM], frame].concat();
        let mut list = MediaAddressList::default();
        list.addresses[..self.media.len()].copy_from_slice(&self.media);
        let Memory {
            flows,
            incidents,
            told,
        } = memory;
        let mut kernel = Tables {
            list: &list,
            flows: Some(flows),
            incidents,
            next_hops: &self.next_hops,
            now_ns,
            departs_by: 0,
            told,
        };
        let outcome = relay(&mut Frame::from_bytes(&mut buffer[HEADROOM..]), &mut kernel);
        let ifindex = kernel.departs_by;
        match outcome.verdict {
            Verdict::Pass(pass) => (FrameVerdict::Pass(reason(pass)), vec![]),
            Verdict::Drop(reason) => (FrameVerdict::Drop(reason), vec![]),
            Verdict::Worker => (FrameVerdict::Worker, vec![]),
            Verdict::Redirect | Verdict::Transmit => {
                let mut start = HEADROOM;
                if let Some(reshape) = outcome.reshape {
                    start = start.checked_add_signed(reshape.delta as isize).unwrap();
                    let frame = &mut Frame::from_bytes(&mut buffer[start..]);
                    reshape.write(frame).unwrap();
                }
                let len = buffer.len() - start;
                (
                    FrameVerdict::Transmit { len, ifindex },
                    buffer.split_off(start),
                )
            }
        }
    }
}

/// The maps, as memory.
struct Tables<'t> {
    list: &'t MediaAddressList,
    /// Taken by the one look-up that the program makes.
    flows: Option<&'t mut Vec<Flow>>,
    incidents: &'t mut Vec<FlowIncidents>,
    next_hops: &'t [NextHop],
    now_ns: u64,
    departs_by: u32,
    told: &'t mut Vec<Event>,
}

impl<'t> Kernel<'t> for Tables<'t> {
    fn media_addresses(&mut self) -> Option<&'t MediaAddressList> {
        Some(self.list)
    }

    fn flow(&mut self, index: u32) -> Option<(&'t FlowEntry, &'t mut FlowCounters)> {
        let flow = self.flows.take().unwrap().get_mut(index as usize)?;
        Some((&flow.entry, &mut flow.counters))
    }

    fn incidents(&mut self, index: u32) -> Option<&mut FlowIncidents> {
        self.incidents.get_mut(index as usize)
    }

    fn next_hop(&mut self, index: u32) -> Option<&'t NextHop> {
        self.next_hops.get(index as usize)
    }

    fn now_ns(&mut self) -> u64 {
        self.now_ns
    }

    fn depart(&mut self, ifindex: u32) -> Option<Verdict> {
        self.departs_by = ifindex;
        INTERFACES
            .contains(&ifindex)
            .then_some(if ifindex == INGRESS {
                Verdict::Transmit
            } else {
                Verdict::Redirect
            })
    }

    fn hand_to_worker(&mut self) -> Option<Verdict> {
        Some(Verdict::Worker)
    }

    fn may_report(&mut self, _now_ns: u64) -> bool {
        true
    }

    fn tell(&mut self, event: Event) {
        self.told.push(event);
    }
}

pub fn reason(pass: Pass) -> PassReason {
    match pass {
        Pass::NotIp => PassReason::NotIp,
        Pass::IpOptions => PassReason::IpOptions,
        Pass::ExtensionHeader => PassReason::ExtensionHeader,
        Pass::Fragment => PassReason::Fragment,
        Pass::NotUdp => PassReason::NotUdp,
        Pass::Truncated => PassReason::Truncated,
        Pass::NotMedia => PassReason::NotMedia,
    }
}

pub fn forward(from: &str, to: &str, local_address: u8, next_hop: u16) -> FlowEntry {
    let (from, to) = (at(from), at(to));
    FlowEntry {
        action: ACTION_FORWARD,
        flags: FLAG_CHECK_SOURCE,
        local_address,
        dscp: DSCP_KEEP,
        next_hop,
        expected_port: from.port().to_be_bytes(),
        expected_address: ip_to_mapped(from.ip()),
        local_port: 20_002_u16.to_be_bytes(),
        remote_port: to.port().to_be_bytes(),
        remote_address: ip_to_mapped(to.ip()),
        telephone_event: NO_TELEPHONE_EVENT,
        clock_khz: 8,
        payload_types: [1, 0, 0, 0],
        ..FlowEntry::default()
    }
}

pub fn hop(ifindex: u32, vlan: u16) -> NextHop {
    NextHop {
        ifindex,
        vlan,
        source_mac: [2, 0, 0, 0, 1, 1],
        destination_mac: [2, 0, 0, 0, 1, 2],
        ..NextHop::default()
    }
}

pub fn world(entry: FlowEntry) -> World {
    let mut flows = vec![FlowEntry::default(); FLOWS];
    flows[0] = entry;
    flows[4] = entry;
    World::new(flows, vec![hop(3, 0), hop(3, 7)])
}
