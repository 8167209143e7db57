//! Our XDP program as the bench runs it: the shipped object with everything on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context as _, Result};
use aya::programs::xdp::XdpLink;
use media_common::flow::{
    ACTION_FORWARD, DSCP_KEEP, FLAG_CHECK_SOURCE, FlowEntry, MediaAddress, MediaAddressList,
    NextHop, ip_to_mapped,
};
use media_common::quality::CEILING_SHIFT;
use trunkline_tests::lab::Namespace;
use trunkline_tests::xdp::kernel::Kernel;

use super::frames::PORT_LOW;
use super::lab::{EGRESS_MAC, EXIT, MEDIA, OUT, SINK, SINK_MAC, SOURCE, index_of};

/// Flows of each media address: its ports from [`PORT_LOW`].
pub const PER_ADDRESS: u32 = 50_000;
/// Flows that are installed: all of both addresses.
pub const FLOWS: u32 = PER_ADDRESS * MEDIA.len() as u32;
/// Place of the exit's address among ours.
const EXIT_PLACE: u8 = MEDIA.len() as u8;
const NEXT_HOP: u16 = 1;

/// The program, loaded, with its flows installed.
pub struct Forwarder {
    kernel: Kernel,
}

impl Forwarder {
    pub fn load(object: &Path, edge: &Namespace) -> Result<Forwarder> {
        let exit = index_of(edge, OUT)?;
        let mut kernel = Kernel::load_from(object, FLOWS + PER_ADDRESS, 16)?;
        kernel.set_media_addresses(addresses())?;
        kernel.set_next_hop(
            NEXT_HOP.into(),
            NextHop {
                ifindex: exit,
                source_mac: EGRESS_MAC,
                destination_mac: SINK_MAC,
                ..NextHop::default()
            },
        )?;
        edge.enter(|| kernel.set_device(exit, exit))??;
        for flow in 0..FLOWS {
            kernel.set_flow(flow, entry(flow))?;
        }
        Ok(Forwarder { kernel })
    }

    /// Lets the driver of an interface of the edge run the program until the link is dropped.
    pub fn attach(&mut self, edge: &Namespace, interface: &str) -> Result<XdpLink> {
        let index = index_of(edge, interface)?;
        edge.enter(|| self.kernel.attach(index))?
            .with_context(|| format!("attaching our program to {interface}"))
    }

    /// Packets that it has redirected, and all that it has not.
    pub fn forwarded(&mut self) -> Result<(u64, String)> {
        let verdicts = self.kernel.verdicts()?;
        let dropped = verdicts
            .dropped()
            .map(|(reason, count)| (reason.name(), count));
        let others: Vec<String> = verdicts
            .passed()
            .chain(dropped)
            .filter(|(name, count)| *name != "redirect" && *count != 0)
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        Ok((verdicts.redirect, others.join(", ")))
    }
}

fn addresses() -> MediaAddressList {
    let mut list = MediaAddressList::default();
    for (place, address) in MEDIA.into_iter().chain([EXIT]).enumerate() {
        list.addresses[place] = MediaAddress {
            address: ip_to_mapped(address.into()),
            first_index: place as u32 * PER_ADDRESS,
            port_low: PORT_LOW,
            port_high: PORT_LOW + (PER_ADDRESS - 1) as u16,
        };
    }
    list
}

/// Everything on: source check, payload types, ceiling, loss and jitter (which are always on).
fn entry(flow: u32) -> FlowEntry {
    let port = PORT_LOW + (flow % PER_ADDRESS) as u16;
    let mut entry = FlowEntry {
        action: ACTION_FORWARD,
        flags: FLAG_CHECK_SOURCE,
        local_address: EXIT_PLACE,
        dscp: DSCP_KEEP,
        telephone_event: 101,
        clock_khz: 8,
        next_hop: NEXT_HOP,
        expected_port: port.to_be_bytes(),
        expected_address: ip_to_mapped(SOURCE.into()),
        local_port: port.to_be_bytes(),
        remote_port: target(port).port().to_be_bytes(),
        remote_address: ip_to_mapped(SINK.into()),
        ..FlowEntry::default()
    };
    entry.allow_payload_type(0);
    entry.allow_payload_type(101);
    entry.with_ceiling(CEILING)
}

/// How long the program counts packets for the ceiling, nanoseconds.
pub const CEILING_WINDOW_NS: u64 = 1 << CEILING_SHIFT;
/// Packets per second that a flow may have: about as many as an entry can say.
const CEILING: u32 = 61_000;
/// Packets of one flow that fit into one window.
pub const WINDOW_PACKETS: u32 = ((CEILING as u64 * CEILING_WINDOW_NS) / 1_000_000_000) as u32;

/// Where what arrives at `port` of the first media address is to go, whoever forwards it.
pub fn target(port: u16) -> SocketAddr {
    let at: Ipv4Addr = SINK;
    SocketAddr::new(at.into(), port)
}
