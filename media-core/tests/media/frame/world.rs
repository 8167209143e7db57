//! Tables, and both answers to a frame: the relay's and the XDP program's.

use media_common::flow::{
    ACTION_FORWARD, DSCP_KEEP, FLAG_CHECK_SOURCE, FlowEntry, MediaAddress, MediaAddressList,
    NextHop, ip_to_mapped,
};
use media_core::relay::frame::{self, FrameTables, FrameVerdict, PassReason};
use media_ebpf::frame::Frame;
use media_ebpf::relay::{Decision, Retag, Tables, decide, write_link};
use media_ebpf::verdict::Pass;

use crate::common::at;

pub(super) const FLOWS: usize = 12;

/// Three addresses of ours with four ports each, and what a packet needs of them.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) media: Vec<MediaAddress>,
    pub(super) flows: Vec<FlowEntry>,
    pub(super) next_hops: Vec<NextHop>,
}

pub(super) const LOCALS: [&str; 3] = ["10.0.0.1", "2001:db8::1", "10.0.0.1"];
pub(super) const PORTS: [u16; 3] = [10_000, 10_000, 20_000];
pub(super) const PEERS: [&str; 4] = [
    "192.0.2.1:4000",
    "192.0.2.2:4000",
    "[2001:db8::a]:4000",
    "[::ffff:192.0.2.1]:4000",
];

impl World {
    pub(super) fn new(flows: Vec<FlowEntry>, next_hops: Vec<NextHop>) -> World {
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

    pub(super) fn tables(&self) -> FrameTables<'_> {
        FrameTables {
            media_addresses: &self.media,
            flows: &self.flows,
            next_hops: &self.next_hops,
        }
    }

    /// What the relay says.
    pub(super) fn relay(&self, frame: &[u8]) -> (FrameVerdict, Vec<u8>) {
        let mut out = vec![0; frame.len() + 4];
        let verdict = frame::decide(&self.tables(), frame, &mut out);
        let len = if let FrameVerdict::Transmit { len, .. } = verdict {
            len
        } else {
            0
        };
        out.truncate(len);
        (verdict, out)
    }

    /// What the XDP program says.
    pub(super) fn program(&self, frame: &[u8]) -> (FrameVerdict, Vec<u8>) {
        // Room before the frame for a tag.
        let mut buffer = [&[0; 4], frame].concat();
        let tables = ProgramTables::new(self);
        let decision = decide(&mut Frame::from_bytes(&mut buffer[4..]).unwrap(), &tables);
        match decision {
            Decision::Pass(pass) => (FrameVerdict::Pass(reason(pass)), vec![]),
            Decision::Drop(reason, _) => (FrameVerdict::Drop(reason), vec![]),
            Decision::Worker(_) => (FrameVerdict::Worker, vec![]),
            Decision::Forward(next_hop, retag, _) => {
                let start = match retag {
                    Retag::Keep => 4,
                    Retag::Add(_) => 0,
                    Retag::Remove(_) => 8,
                };
                write_link(
                    &mut Frame::from_bytes(&mut buffer[start..]).unwrap(),
                    next_hop,
                    retag,
                )
                .unwrap();
                let out = buffer[start..].to_vec();
                (
                    FrameVerdict::Transmit {
                        len: out.len(),
                        ifindex: next_hop.ifindex,
                    },
                    out,
                )
            }
        }
    }
}

pub(super) struct ProgramTables<'a> {
    world: &'a World,
    list: MediaAddressList,
}

impl<'a> ProgramTables<'a> {
    pub(super) fn new(world: &'a World) -> ProgramTables<'a> {
        let mut list = MediaAddressList::default();
        list.addresses[..world.media.len()].copy_from_slice(&world.media);
        ProgramTables { world, list }
    }
}

impl Tables for ProgramTables<'_> {
    fn media_addresses(&self) -> Option<&MediaAddressList> {
        Some(&self.list)
    }

    fn flow(&self, index: u32) -> Option<&FlowEntry> {
        self.world.flows.get(index as usize)
    }

    fn next_hop(&self, index: u32) -> Option<&NextHop> {
        self.world.next_hops.get(index as usize)
    }
}

pub(super) fn reason(pass: Pass) -> PassReason {
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

pub(super) fn forward(from: &str, to: &str, local_address: u8, next_hop: u16) -> FlowEntry {
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
        payload_types: [1, 0, 0, 0],
        ..FlowEntry::default()
    }
}

pub(super) fn hop(ifindex: u32, vlan: u16) -> NextHop {
    NextHop {
        ifindex,
        vlan,
        source_mac: [2, 0, 0, 0, 1, 1],
        destination_mac: [2, 0, 0, 0, 1, 2],
        ..NextHop::default()
    }
}

pub(super) fn world(entry: FlowEntry) -> World {
    let mut flows = vec![FlowEntry::default(); FLOWS];
    flows[0] = entry;
    flows[4] = entry;
    World::new(flows, vec![hop(3, 0), hop(3, 7)])
}
