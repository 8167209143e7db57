//! Messages of rtnetlink, made and read.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::{
    InfoData, InfoVlan, LinkAttribute, LinkFlags, LinkInfo as Info, LinkMessage, VlanProtocol,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Change, LinkInfo, Neighbour, Route, Vlan};

pub(super) fn answer_of(
    payload: NetlinkPayload<RouteNetlinkMessage>,
) -> io::Result<Option<RouteNetlinkMessage>> {
    match payload {
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        _ => Ok(None),
    }
}

/// Calls `with` for each message of a datagram; what cannot be read ends it.
pub(super) fn each_message(
    mut bytes: &[u8],
    mut with: impl FnMut(NetlinkPayload<RouteNetlinkMessage>),
) {
    while !bytes.is_empty() {
        let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
            return;
        };
        // Messages are aligned to four bytes (RFC 3549 section 2.3.2).
        let length = (message.header.length as usize).next_multiple_of(4).max(4);
        with(message.payload);
        bytes = bytes.get(length..).unwrap_or_default();
    }
}

pub(super) fn change_of(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Change> {
    let NetlinkPayload::InnerMessage(message) = payload else {
        return None;
    };
    match message {
        RouteNetlinkMessage::NewNeighbour(neighbour)
        | RouteNetlinkMessage::DelNeighbour(neighbour) => {
            let address = neighbour
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
                        Some(IpAddr::V4(*address))
                    }
                    NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
                        Some(IpAddr::V6(*address))
                    }
                    _ => None,
                })?;
            Some(Change::Neighbour {
                ifindex: neighbour.header.ifindex,
                address,
            })
        }
        _ => Some(Change::Anything),
    }
}

pub(super) fn route_of(answer: &RouteMessage, to: IpAddr) -> Route {
    match answer.header.kind {
        RouteType::Local => return Route::Local,
        RouteType::Unicast => {}
        _ => return Route::None,
    }
    let mut interface = None;
    let mut gateway = None;
    for attribute in &answer.attributes {
        match attribute {
            RouteAttribute::Oif(ifindex) => interface = Some(*ifindex),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                gateway = Some(IpAddr::V4(*address));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
                gateway = Some(IpAddr::V6(*address));
            }
            // An IPv6 gateway of an IPv4 route (RFC 8950).
            RouteAttribute::Via(RouteVia::Inet6(address)) => gateway = Some(IpAddr::V6(*address)),
            RouteAttribute::Via(RouteVia::Inet(address)) => gateway = Some(IpAddr::V4(*address)),
            _ => {}
        }
    }
    match interface {
        Some(ifindex) => Route::Via {
            ifindex,
            neighbour: gateway.unwrap_or(to),
        },
        None => Route::None,
    }
}

/// `None` for a link without an Ethernet address.
pub(super) fn link_of(answer: &LinkMessage) -> Option<LinkInfo> {
    let mut mac = None;
    let mut mtu = 0;
    let mut parent = None;
    let mut tag = None;
    for attribute in &answer.attributes {
        match attribute {
            LinkAttribute::Address(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
            LinkAttribute::Mtu(bytes) => mtu = *bytes,
            LinkAttribute::Link(ifindex) => parent = Some(*ifindex),
            LinkAttribute::LinkInfo(infos) => {
                tag = infos.iter().find_map(|info| match info {
                    Info::Data(InfoData::Vlan(vlan)) => Some(vlan.as_slice()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(LinkInfo {
        mac: mac.filter(|mac| *mac != [0; 6])?,
        mtu,
        is_up: answer.header.flags.contains(LinkFlags::Up),
        vlan: tag.map(|tag| vlan_of(tag, parent)),
    })
}

fn vlan_of(tag: &[InfoVlan], parent: Option<u32>) -> Vlan {
    let id = tag.iter().find_map(|info| match info {
        InfoVlan::Id(id) => Some(*id),
        _ => None,
    });
    // Kernels before 3.10 do not say; they know no other.
    let is_customer = tag.iter().all(|info| match info {
        InfoVlan::Protocol(protocol) => *protocol == VlanProtocol::Ieee8021Q,
        _ => true,
    });
    match (id, parent) {
        (Some(id), Some(parent)) if is_customer => Vlan::Customer { id, parent },
        _ => Vlan::Other,
    }
}

pub(super) fn neighbour_message(ifindex: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = ifindex;
    message
        .attributes
        .push(NeighbourAttribute::Destination(address.into()));
    message
}

/// A neighbour in a state that the kernel itself sends in.
pub(super) fn neighbour_of(neighbour: &NeighbourMessage) -> Option<Neighbour> {
    let is_permanent = match neighbour.header.state {
        NeighbourState::Permanent => true,
        NeighbourState::Reachable
        | NeighbourState::Stale
        | NeighbourState::Delay
        | NeighbourState::Probe => false,
        _ => return None,
    };
    neighbour
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(mac) => {
                let mac = <[u8; 6]>::try_from(mac.as_slice()).ok()?;
                Some(Neighbour { mac, is_permanent })
            }
            _ => None,
        })
}

pub(super) fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(super) fn prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ip link show` has it of `ip link add link eth0 name eth0.7 type vlan id 7`.
    fn vlan_interface(protocol: VlanProtocol, parent: Option<u32>) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.flags = LinkFlags::Up;
        let tag = vec![InfoVlan::Protocol(protocol), InfoVlan::Id(7)];
        message.attributes = vec![
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 7]),
            LinkAttribute::Mtu(1500),
            LinkAttribute::LinkInfo(vec![Info::Data(InfoData::Vlan(tag))]),
        ];
        message.attributes.extend(parent.map(LinkAttribute::Link));
        message
    }

    #[test]
    fn a_vlan_interface_names_its_tag_and_the_interface_under_it() {
        let vlan = |message| link_of(&message).and_then(|link| link.vlan);
        let customer = Vlan::Customer { id: 7, parent: 3 };
        let cases = [
            (VlanProtocol::Ieee8021Q, Some(3), customer),
            (VlanProtocol::Ieee8021Ad, Some(3), Vlan::Other),
            (VlanProtocol::Ieee8021Q, None, Vlan::Other),
        ];
        for (protocol, parent, expected) in cases {
            assert_eq!(vlan(vlan_interface(protocol, parent)), Some(expected));
        }
        let mut plain = vlan_interface(VlanProtocol::Ieee8021Q, Some(3));
        plain.attributes.truncate(2);
        assert_eq!(
            link_of(&plain),
            Some(LinkInfo {
                mac: [2, 0, 0, 0, 0, 7],
                mtu: 1500,
                is_up: true,
                vlan: None
            })
        );
        plain.attributes.remove(0);
        assert_eq!(link_of(&plain), None, "no Ethernet address");
    }
}
