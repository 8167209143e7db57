//! A planned flow and its entry in the kernel's table.

use std::net::SocketAddr;

use media_common::flow::{
    ACTION_FORWARD, ACTION_WORKER, DSCP_KEEP, FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP,
    FLAG_RTCP_MUX, FlowEntry, NO_TELEPHONE_EVENT, ip_to_mapped,
};

use crate::quality::Codec;
use crate::relay::{Carries, FlowConfig, Route, Transform};
use crate::session::Side;

/// Who runs a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The XDP program; the worker too where there is no XDP.
    Forward,
    /// The worker alone.
    Worker,
}

/// One flow of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFlow {
    /// Our address and port that its packets arrive at.
    pub local: SocketAddr,
    pub action: Action,
    pub config: FlowConfig,
    /// The leg that its packets come from.
    pub side: Side,
    /// Place of its m-line in the session.
    pub stream: usize,
    /// What its RTP is coded in.
    pub codec: Codec,
}

impl PlannedFlow {
    /// How the kernel sends its packets: from our address and port, to the peer.
    ///
    /// `None` for a flow of the worker.
    pub fn exit(&self) -> Option<(SocketAddr, SocketAddr)> {
        if self.action == Action::Worker {
            return None;
        }
        let Forwarding { from, to } = Forwarding::of(&self.config)?;
        Some((from, to))
    }

    /// The entry for the flow table.
    ///
    /// `local_address` is the index of [`PlannedFlow::exit`]'s own address in the media
    /// addresses, `next_hop` that of the way to its peer; neither is used for a flow of the
    /// worker, whose entry holds what the kernel checks before it hands a packet over, and
    /// not where the packet goes.
    pub fn entry(&self, local_address: u8, next_hop: u16) -> FlowEntry {
        let admission = self.admission();
        match (self.action, Forwarding::of(&self.config)) {
            (Action::Forward, Some(Forwarding { from, to })) => FlowEntry {
                action: ACTION_FORWARD,
                local_address,
                dscp: self.config.dscp.unwrap_or(DSCP_KEEP),
                next_hop,
                local_port: from.port().to_be_bytes(),
                remote_port: to.port().to_be_bytes(),
                remote_address: ip_to_mapped(to.ip()),
                ..admission
            },
            (Action::Forward, None) | (Action::Worker, _) => FlowEntry {
                action: ACTION_WORKER,
                dscp: DSCP_KEEP,
                ..admission
            },
        }
    }

    /// What a packet must be before anything is done with it: source, kind, payload type.
    fn admission(&self) -> FlowEntry {
        let kind = match self.config.carries {
            Carries::Rtp(_) => 0,
            Carries::Rtcp(_) => FLAG_RTCP,
            Carries::Both { .. } => FLAG_RTCP_MUX,
            Carries::Raw(_) => FLAG_RAW,
        };
        let entry = FlowEntry {
            flags: kind,
            telephone_event: self.config.telephone_event.unwrap_or(NO_TELEPHONE_EVENT),
            clock_khz: self.config.clock_khz,
            payload_types: words(self.config.payload_types),
            ..FlowEntry::default().with_ceiling(self.config.max_packet_rate)
        };
        match self.config.source.settled() {
            None => entry,
            Some(peer) => FlowEntry {
                flags: kind | FLAG_CHECK_SOURCE,
                expected_port: peer.port().to_be_bytes(),
                expected_address: ip_to_mapped(peer.ip()),
                ..entry
            },
        }
    }
}

/// What the kernel needs to forward a flow: exists only for flows that it may forward.
pub(super) struct Forwarding {
    from: SocketAddr,
    to: SocketAddr,
}

impl Forwarding {
    /// `None` if the flow needs keys or a decision.
    pub(super) fn of(config: &FlowConfig) -> Option<Forwarding> {
        if !matches!(config.transform, Transform::Copy | Transform::PassThrough) {
            return None;
        }
        config.source.settled()?;
        let Route { from, to } = match &config.carries {
            Carries::Rtp(route) | Carries::Rtcp(route) | Carries::Raw(route) => *route,
            Carries::Both { rtp, rtcp } if rtp == rtcp => *rtp,
            Carries::Both { .. } => return None,
        };
        let to = to?;
        // The way in may be of the other family, the way out must be of one.
        (is_v4(from) == is_v4(to)).then_some(Forwarding { from, to })
    }
}

fn is_v4(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_ipv4()
}

fn words(payload_types: u128) -> [u32; 4] {
    [0, 32, 64, 96].map(|shift| (payload_types >> shift) as u32)
}
