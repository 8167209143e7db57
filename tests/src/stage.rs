//! Where the parties of a test call stand: in the lab's namespaces, or all on loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use sip_core::transport::Transport;

use crate::agent::Place;
use crate::lab::{self, Host, Lab};

/// The four parties that the edge has a trunk for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A carrier on TLS and SRTP.
    CarrierSecure,
    /// A carrier on UDP and RTP.
    CarrierPlain,
    /// A PBX on UDP and RTP.
    PbxPlain,
    /// A PBX on TLS and SRTP.
    PbxSecure,
    /// A carrier on TLS and SRTP over IPv6, where the stage has it beside IPv4.
    CarrierSecureV6,
}

impl Party {
    pub const ALL: [Party; 4] = [
        Party::CarrierSecure,
        Party::CarrierPlain,
        Party::PbxPlain,
        Party::PbxSecure,
    ];

    pub fn side(self) -> Host {
        match self {
            Party::CarrierSecure | Party::CarrierPlain | Party::CarrierSecureV6 => Host::Carrier,
            Party::PbxPlain | Party::PbxSecure => Host::Pbx,
        }
    }

    pub fn is_secure(self) -> bool {
        matches!(
            self,
            Party::CarrierSecure | Party::PbxSecure | Party::CarrierSecureV6
        )
    }

    pub fn transport(self) -> Transport {
        if self.is_secure() {
            Transport::Tls
        } else {
            Transport::Udp
        }
    }

    /// Name of its trunk.
    pub fn trunk(self) -> &'static str {
        match self {
            Party::CarrierSecure => "carrier-secure",
            Party::CarrierPlain => "carrier-plain",
            Party::PbxPlain => "pbx-plain",
            Party::PbxSecure => "pbx-secure",
            Party::CarrierSecureV6 => "carrier-secure-v6",
        }
    }

    /// The number that routes to it.
    pub fn number(self) -> &'static str {
        match self {
            Party::PbxPlain => "1000",
            Party::CarrierSecure => "2000",
            Party::CarrierPlain => "3000",
            Party::PbxSecure => "4000",
            Party::CarrierSecureV6 => "5000",
        }
    }

    /// The payload type with which it wants to receive telephone-event: not everybody's is the same.
    pub fn events(self) -> u8 {
        match self {
            Party::PbxPlain => 96,
            _ => 101,
        }
    }

    /// Host part of its address.
    fn host(self) -> u8 {
        match self {
            Party::CarrierSecure | Party::PbxPlain | Party::CarrierSecureV6 => 2,
            Party::CarrierPlain | Party::PbxSecure => 3,
        }
    }
}

/// The network that the parties and the edge share.
pub enum Stage {
    /// Three namespaces and real XDP.
    Lab {
        lab: Box<Lab>,
        /// The sides that speak IPv6.
        ipv6: Vec<Host>,
        /// [`Party::CarrierSecureV6`] plays too.
        v6_carrier: bool,
    },
    /// One network of 127.0.0.0/8 for each side: no privilege needed.
    Loopback {
        /// Second octet of every address: runs of the same moment do not meet.
        octet: u8,
        /// [`Party::CarrierSecureV6`] plays too.
        v6_carrier: bool,
    },
}

impl Stage {
    /// A stage on loopback of this process's own.
    pub fn loopback() -> Stage {
        Stage::Loopback {
            octet: 64 + (std::process::id() % 128) as u8,
            v6_carrier: false,
        }
    }

    /// Namespaces; IPv4 on both sides.
    pub fn lab(options: lab::LabOptions) -> Result<Stage> {
        Stage::lab_with_ipv6(options, &[])
    }

    /// Namespaces; IPv6 on the sides named, IPv4 on the others.
    pub fn lab_with_ipv6(options: lab::LabOptions, sides: &[Host]) -> Result<Stage> {
        Ok(Stage::Lab {
            lab: Box::new(Lab::new(options)?),
            ipv6: sides.to_vec(),
            v6_carrier: false,
        })
    }

    /// With a carrier on IPv6, beside the one on IPv4.
    #[must_use]
    pub fn with_v6_carrier(mut self) -> Stage {
        match &mut self {
            Stage::Lab { v6_carrier, .. } | Stage::Loopback { v6_carrier, .. } => {
                *v6_carrier = true;
            }
        }
        self
    }

    /// Who has a trunk.
    pub fn parties(&self) -> Vec<Party> {
        let (Stage::Lab { v6_carrier, .. } | Stage::Loopback { v6_carrier, .. }) = self;
        let fifth = v6_carrier.then_some(Party::CarrierSecureV6);
        Party::ALL.into_iter().chain(fifth).collect()
    }

    /// The namespaces, if there are any.
    pub fn namespaces(&self) -> Option<&Lab> {
        match self {
            Stage::Lab { lab, .. } => Some(lab),
            Stage::Loopback { .. } => None,
        }
    }

    pub fn place(&self, host: Host) -> Place {
        self.namespaces()
            .map_or_else(Place::here, |lab| lab.namespace(host).place())
    }

    pub fn address(&self, party: Party) -> IpAddr {
        match party {
            Party::CarrierSecureV6 => self.v6_address(party.host()),
            _ => self.address_at(party.side(), party.host()),
        }
    }

    /// The edge's IPv6 address towards [`Party::CarrierSecureV6`].
    pub fn edge_v6_address(&self) -> IpAddr {
        self.v6_address(lab::EDGE)
    }

    /// Loopback has one IPv6 address, for the edge and for its peer.
    fn v6_address(&self, host: u8) -> IpAddr {
        match self {
            Stage::Lab { .. } => lab::ipv6(Host::Carrier, host),
            Stage::Loopback { .. } => Ipv6Addr::LOCALHOST.into(),
        }
    }

    /// Where a party listens for signalling.
    pub fn sip_port(&self, party: Party) -> u16 {
        match (self, party) {
            (Stage::Loopback { octet, .. }, Party::CarrierSecureV6) => 5070 + u16::from(*octet),
            _ => party.transport().default_port(),
        }
    }

    /// The edge's address towards a side.
    pub fn edge_address(&self, side: Host) -> IpAddr {
        self.address_at(side, lab::EDGE)
    }

    /// The edge's listener for a party.
    pub fn edge_listener(&self, party: Party) -> SocketAddr {
        let address = match party {
            Party::CarrierSecureV6 => self.edge_v6_address(),
            _ => self.edge_address(party.side()),
        };
        SocketAddr::new(address, party.transport().default_port())
    }

    /// The edge's interface towards a side.
    pub fn edge_interface(&self, side: Host) -> Option<&'static str> {
        self.namespaces().map(|_| lab::edge_interface(side))
    }

    /// Directory for the daemon's pins.
    pub fn bpffs(&self) -> Option<PathBuf> {
        self.namespaces().map(|lab| lab.bpffs().to_owned())
    }

    fn address_at(&self, side: Host, host: u8) -> IpAddr {
        match self {
            Stage::Lab { ipv6, .. } if ipv6.contains(&side) => lab::ipv6(side, host),
            Stage::Lab { .. } => lab::ipv4(side, host),
            Stage::Loopback { octet, .. } => {
                let network = if side == Host::Pbx { 20 } else { 10 };
                Ipv4Addr::new(127, *octet, network, host).into()
            }
        }
    }
}
