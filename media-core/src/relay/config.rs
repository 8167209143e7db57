//! What a flow is told by the flow plan.

use std::net::{IpAddr, SocketAddr};

use crate::srtp::key::MasterKey;

/// One direction of one media component, by value: what [`super::Flow`] runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// What arrives at the port, and where it leaves.
    pub carries: Carries,
    pub source: Source,
    /// RTP payload types that may pass: bit `n` for type `n`.
    pub payload_types: u128,
    /// Payload type of telephone-event (RFC 4733), where its payload can be read.
    pub telephone_event: Option<u8>,
    /// RTP clock rate of the codec, kHz, for the jitter; 0 if it is not known.
    pub clock_khz: u8,
    /// Packets per second that may pass; 0 for any number.
    pub max_packet_rate: u32,
    pub transform: Transform,
    /// DSCP (0–63) to send with; `None` keeps the packet's own.
    pub dscp: Option<u8>,
    /// Counts what the peer's SDP has changed: a latch lives as long as this stays.
    pub generation: u32,
}

/// What arrives at a local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    Rtp(Route),
    Rtcp(Route),
    /// RTP and RTCP on one port (RFC 5761); they may leave by different ones.
    Both {
        rtp: Route,
        rtcp: Route,
    },
    /// Datagrams that are neither, such as T.38's UDPTL: passed on as they are.
    Raw(Route),
}

/// Where a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Our address and port on the other leg.
    pub from: SocketAddr,
    /// The other peer; `None` while it is not known.
    pub to: Option<SocketAddr>,
}

/// Where a packet may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The peer is not known yet: nothing may pass.
    Unknown,
    Exactly(SocketAddr),
    /// The first packet that is sent on locks the source.
    Latch {
        /// Networks (address, prefix length) that the source must be in; empty means any.
        allowed: Vec<(IpAddr, u8)>,
        /// The source, if it is locked already.
        latched: Option<SocketAddr>,
    },
}

/// What is removed from a packet and added to it.
///
/// No value sends a packet of a secure leg without its protection by omission: plaintext
/// leaves only by `Copy` and `Decrypt`, which the flow plan makes when the leg that they
/// send to is plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transform {
    /// Keys are missing or the legs do not fit together: nothing may pass.
    Blocked,
    /// Plain on both legs.
    Copy,
    /// SRTP under keys that the peers share: passed on, and not ours to read.
    PassThrough,
    /// SRTP arrives, RTP leaves.
    Decrypt { receive: MasterKey },
    /// RTP arrives, SRTP leaves.
    Encrypt { send: MasterKey },
    /// SRTP arrives and leaves under another key.
    Reencrypt { receive: MasterKey, send: MasterKey },
}

impl Source {
    /// The one address and port that packets may come from, if that is decided.
    pub fn settled(&self) -> Option<SocketAddr> {
        match self {
            Source::Unknown => None,
            Source::Exactly(peer) => Some(*peer),
            Source::Latch { latched, .. } => *latched,
        }
    }
}

impl Transform {
    /// The key that arriving packets are under.
    pub fn receive(&self) -> Option<&MasterKey> {
        match self {
            Transform::Decrypt { receive } | Transform::Reencrypt { receive, .. } => Some(receive),
            Transform::Blocked
            | Transform::Copy
            | Transform::PassThrough
            | Transform::Encrypt { .. } => None,
        }
    }

    /// The key that leaving packets are under.
    pub fn send(&self) -> Option<&MasterKey> {
        match self {
            Transform::Encrypt { send } | Transform::Reencrypt { send, .. } => Some(send),
            Transform::Blocked
            | Transform::Copy
            | Transform::PassThrough
            | Transform::Decrypt { .. } => None,
        }
    }
}

impl Carries {
    /// Where RTP leaves, if RTP arrives.
    pub fn rtp(&self) -> Option<&Route> {
        match self {
            Carries::Rtp(route) | Carries::Both { rtp: route, .. } => Some(route),
            Carries::Rtcp(_) | Carries::Raw(_) => None,
        }
    }

    /// Where RTCP leaves, if RTCP arrives.
    pub fn rtcp(&self) -> Option<&Route> {
        match self {
            Carries::Rtcp(route) | Carries::Both { rtcp: route, .. } => Some(route),
            Carries::Rtp(_) | Carries::Raw(_) => None,
        }
    }

    /// Every way out: RTP's, or that of raw datagrams, first.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        let (first, second) = match self {
            Carries::Rtp(route) | Carries::Rtcp(route) | Carries::Raw(route) => (route, None),
            Carries::Both { rtp, rtcp } => (rtp, Some(rtcp)),
        };
        std::iter::once(first).chain(second)
    }

    pub fn is_raw(&self) -> bool {
        matches!(self, Carries::Raw(_))
    }

    /// Whether this is the stream itself, and not the RTCP beside it.
    pub fn is_media(&self) -> bool {
        !matches!(self, Carries::Rtcp(_))
    }
}
