//! What next hops need of rtnetlink: routes, links, neighbours, and word of their changes.
//!
//! Requests are answered by the kernel before `send` returns, so nothing here waits.

mod messages;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourExtFlags, NeighbourFlags};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use messages::{
    answer_of, change_of, each_message, family, link_of, neighbour_message, neighbour_of, prefix,
    route_address, route_of,
};

// RTNLGRP_* (linux/rtnetlink.h).
const GROUPS: [u32; 4] = [
    1,  /* LINK */
    3,  /* NEIGH */
    7,  /* IPV4_ROUTE */
    11, /* IPV6_ROUTE */
];
/// No answer to one of our requests is longer.
const ANSWER_BYTES: usize = 32 * 1024;

pub(super) struct Netlink {
    requests: Socket,
    notifications: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

/// How a destination is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Out of that interface, to that neighbour: the gateway, or the destination itself.
    Via { ifindex: u32, neighbour: IpAddr },
    /// The destination is an address of this host.
    Local,
    /// There is no route, or one that refuses.
    None,
}

/// What frames that leave by an interface need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkInfo {
    pub(super) mac: [u8; 6],
    /// Longest IP packet, bytes.
    pub(super) mtu: u32,
    pub(super) is_up: bool,
    /// Whether, and how, frames are tagged.
    pub(super) vlan: Option<Vlan>,
}

/// The tag of a VLAN interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vlan {
    /// IEEE 802.1Q, by the interface under it.
    Customer { id: u16, parent: u32 },
    /// Another kind of tag, or incomplete.
    Other,
}

/// A neighbour whose address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) mac: [u8; 6],
    /// Set by hand: the kernel neither probes nor forgets it.
    pub(super) is_permanent: bool,
}

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Neighbour {
        ifindex: u32,
        address: IpAddr,
    },
    /// Links or routes, or more than the kernel could queue for us.
    Anything,
}

impl Netlink {
    /// In the thread's network namespace.
    pub(super) fn open() -> io::Result<Netlink> {
        let mut requests = Socket::new(NETLINK_ROUTE)?;
        requests.bind_auto()?;
        requests.connect(&SocketAddr::new(0, 0))?;
        requests.set_non_blocking(true)?;
        let mut notifications = Socket::new(NETLINK_ROUTE)?;
        notifications.bind_auto()?;
        notifications.set_non_blocking(true)?;
        for group in GROUPS {
            notifications.add_membership(group)?;
        }
        Ok(Netlink {
            requests,
            notifications,
            buffer: Vec::with_capacity(ANSWER_BYTES),
            sequence: 0,
        })
    }

    /// Readable when [`Netlink::changes`] has something.
    pub(super) fn changes_fd(&self) -> BorrowedFd<'_> {
        self.notifications.as_fd()
    }

    /// The route that a packet from `from` to `to` takes. An address that is not this
    /// host's is no hindrance: then the destination alone decides.
    pub(super) fn route(&mut self, to: IpAddr, from: IpAddr) -> io::Result<Route> {
        match self.lookup(to, Some(from)) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => self.lookup(to, None),
            result => result,
        }
    }

    fn lookup(&mut self, to: IpAddr, from: Option<IpAddr>) -> io::Result<Route> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(to);
        message.header.destination_prefix_length = prefix(to);
        message
            .attributes
            .push(RouteAttribute::Destination(route_address(to)));
        if let Some(from) = from {
            message.header.source_prefix_length = prefix(from);
            message
                .attributes
                .push(RouteAttribute::Source(route_address(from)));
        }
        match self.request(RouteNetlinkMessage::GetRoute(message), 0) {
            Ok(Some(RouteNetlinkMessage::NewRoute(answer))) => Ok(route_of(&answer, to)),
            Ok(_) => Ok(Route::None),
            Err(error) => match error.raw_os_error() {
                Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES) => Ok(Route::None),
                _ => Err(error),
            },
        }
    }

    /// `None` for an interface that does not exist or has no Ethernet address.
    pub(super) fn link(&mut self, ifindex: u32) -> io::Result<Option<LinkInfo>> {
        let mut message = LinkMessage::default();
        message.header.index = ifindex;
        let answer = match self.request(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(Some(RouteNetlinkMessage::NewLink(answer))) => answer,
            Ok(_) => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(link_of(&answer))
    }

    /// The neighbour, if its Ethernet address is known.
    pub(super) fn neighbour(
        &mut self,
        ifindex: u32,
        address: IpAddr,
    ) -> io::Result<Option<Neighbour>> {
        let message = neighbour_message(ifindex, address);
        match self.request(RouteNetlinkMessage::GetNeighbour(message), 0) {
            Ok(Some(RouteNetlinkMessage::NewNeighbour(answer))) => Ok(neighbour_of(&answer)),
            Ok(_) => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel resolve the neighbour now and, if `managed`, keep it resolved
    /// (`NTF_EXT_MANAGED`, Linux 5.16; an older kernel only resolves it). Not for a permanent
    /// neighbour, which `NTF_USE` makes an ordinary one.
    pub(super) fn use_neighbour(
        &mut self,
        ifindex: u32,
        address: IpAddr,
        managed: bool,
    ) -> io::Result<()> {
        let mut message = neighbour_message(ifindex, address);
        message.header.flags = NeighbourFlags::Use;
        if managed {
            message
                .attributes
                .push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        }
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        match self.request(RouteNetlinkMessage::NewNeighbour(message), flags) {
            Err(error) if managed && error.raw_os_error() == Some(libc::EINVAL) => {
                self.use_neighbour(ifindex, address, false)
            }
            result => result.map(drop),
        }
    }

    /// Everything that has changed since the last call.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            self.buffer.clear();
            match self.notifications.recv(&mut self.buffer, 0) {
                Ok(_) => each_message(&self.buffer, |payload| changes.extend(change_of(payload))),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    changes.push(Change::Anything);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return changes,
            }
        }
    }

    /// Sends one request and gives the answer, `None` for a bare acknowledgement.
    fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.requests.send(&bytes, 0)?;
        loop {
            self.buffer.clear();
            self.requests.recv(&mut self.buffer, 0)?;
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&self.buffer)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            // The answer to a request that went wrong half-way may still lie there.
            if answer.header.sequence_number == self.sequence {
                return answer_of(answer.payload);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_addresses_are_local_and_an_unknown_neighbour_has_no_address() {
        let mut netlink = Netlink::open().unwrap();
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(netlink.route(loopback, loopback).unwrap(), Route::Local);
        assert_eq!(
            netlink.neighbour(1, "192.0.2.77".parse().unwrap()).unwrap(),
            None
        );
        assert_eq!(
            netlink.link(1).unwrap(),
            None,
            "loopback has no Ethernet address"
        );
        assert_eq!(netlink.link(0x7fff_fff0).unwrap(), None);
    }
}
