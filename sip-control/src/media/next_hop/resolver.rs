//! One look at routes, links and neighbours: the next hop to a peer, as of now.

use std::io;
use std::net::IpAddr;

use media_common::flow::NextHop;

use super::Peer;
use crate::media::netlink::{LinkInfo, Netlink, Route, Vlan};

pub(super) struct Resolver {
    pub(super) netlink: Netlink,
    /// Interfaces that the program is attached to.
    interfaces: Vec<u32>,
}

/// Why a look at routes and neighbours gave nothing.
pub(super) enum Unresolved {
    OwnAddress(IpAddr),
    /// The kernel did not answer: what was known before is still the best to go by.
    NoAnswer(String),
}

/// Why a look is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The kernel said that something has changed. It is not asked for a neighbour again:
    /// that too is a change, and would go round in circles.
    Change,
    /// The next hop is new, or a second has passed.
    Turn,
}

/// The neighbour that a next hop is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watched {
    /// Of the interface that the route names: a VLAN's, not the one under it.
    pub(super) ifindex: u32,
    pub(super) address: IpAddr,
    /// The kernel was asked to keep it resolved.
    pub(super) is_managed: bool,
}

/// What a look at routes and neighbours gave.
#[derive(Default)]
pub(super) struct Resolution {
    pub(super) value: NextHop,
    pub(super) neighbour: Option<Watched>,
    /// Why it is not resolved, if that is worth a word.
    pub(super) trouble: Option<String>,
}

impl Resolver {
    pub(super) fn new(netlink: Netlink, interfaces: Vec<u32>) -> Resolver {
        Resolver {
            netlink,
            interfaces,
        }
    }

    /// Route, link and neighbour; `before` is the neighbour that the next hop was about.
    pub(super) fn resolve(
        &mut self,
        peer: Peer,
        before: Option<Watched>,
        occasion: Occasion,
    ) -> Result<Resolution, Unresolved> {
        let in_trouble = |why: String| {
            Ok(Resolution {
                trouble: Some(why),
                ..Resolution::default()
            })
        };
        let no_answer = |error: io::Error| Unresolved::NoAnswer(format!("rtnetlink: {error}"));
        let (ifindex, address) = match self
            .netlink
            .route(peer.remote, peer.local)
            .map_err(no_answer)?
        {
            Route::Via { ifindex, neighbour } => (ifindex, neighbour),
            Route::Local => return Err(Unresolved::OwnAddress(peer.remote)),
            Route::None => return in_trouble("there is no route".to_owned()),
        };
        let link = match self.netlink.link(ifindex).map_err(no_answer)? {
            Some(link) if link.is_up => link,
            _ => return in_trouble(format!("interface {ifindex} is down or not Ethernet")),
        };
        let (exit, vlan) = match self.exit(ifindex, &link).map_err(no_answer)? {
            Ok(exit) => exit,
            Err(why) => return in_trouble(why),
        };
        if !self.interfaces.contains(&exit) {
            return in_trouble(format!(
                "its route leaves by interface {exit}, which is not one for media"
            ));
        }
        let known = self
            .netlink
            .neighbour(ifindex, address)
            .map_err(no_answer)?;
        let is_managed = known.is_none_or(|known| !known.is_permanent);
        let neighbour = Watched {
            ifindex,
            address,
            is_managed,
        };
        let is_new = before != Some(neighbour);
        let mut trouble = None;
        if is_managed && (is_new || known.is_none() && occasion == Occasion::Turn) {
            self.netlink
                .use_neighbour(ifindex, address, true)
                .map_err(no_answer)?;
            // Not worth a word at first: the answer usually takes a millisecond.
            trouble = (!is_new).then(|| format!("neighbour {address} does not answer"));
        }
        let value = known.map_or(NextHop::default(), |known| {
            next_hop(exit, vlan, &link, known.mac)
        });
        Ok(Resolution {
            value,
            neighbour: Some(neighbour),
            trouble,
        })
    }

    /// Where frames of an interface leave: a VLAN's by the interface under it, with a tag.
    /// The inner error says why they cannot.
    fn exit(&mut self, ifindex: u32, link: &LinkInfo) -> io::Result<Result<(u32, u16), String>> {
        let Some(vlan) = link.vlan else {
            return Ok(Ok((ifindex, 0)));
        };
        let Vlan::Customer { id, parent } = vlan else {
            return Ok(Err(format!(
                "interface {ifindex} has VLAN tags that are not 802.1Q"
            )));
        };
        Ok(match self.netlink.link(parent)? {
            Some(under) if under.is_up && under.vlan.is_none() => Ok((parent, id)),
            Some(under) if under.vlan.is_some() => {
                Err(format!("interface {ifindex} has more than one VLAN tag"))
            }
            _ => Err(format!(
                "interface {parent}, under {ifindex}, is down or not Ethernet"
            )),
        })
    }
}

fn next_hop(ifindex: u32, vlan: u16, link: &LinkInfo, mac: [u8; 6]) -> NextHop {
    NextHop {
        ifindex,
        vlan,
        source_mac: link.mac,
        destination_mac: mac,
        mtu: u16::try_from(link.mtu).unwrap_or(u16::MAX),
        ..NextHop::default()
    }
}
