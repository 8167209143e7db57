//! What signalling tells the media plane: the media of one call between its two legs.
//!
//! Plain data. `sip-core` builds it from offer and answer; [`crate::flow_plan`] turns it
//! into flows. A session is sent whole each time: the media plane compares it with what
//! it has and changes only what differs (keys that stay keep their ROC, RFC 3711 section 3.3.1).

use std::net::{IpAddr, SocketAddr};

use crate::quality::Codec;
use crate::srtp::key::MasterKey;
use crate::srtp::profile::Suite;

/// Identifies a call between signalling and media; unique for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// The caller's or the called party's leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    Caller,
    Callee,
}

impl Side {
    pub fn other(self) -> Side {
        match self {
            Side::Caller => Side::Callee,
            Side::Callee => Side::Caller,
        }
    }

    /// 0 or 1, for arrays of both legs.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// All media of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub call: CallId,
    /// One per relayed m-line, in the order of the SDP.
    pub streams: Vec<Stream>,
}

/// One m-line, both legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Indexed by [`Side::index`].
    pub legs: [StreamLeg; 2],
    /// No media timeout while set: a side has put the other on hold.
    pub on_hold: bool,
    /// Not RTP, but datagrams to be passed on as they are, such as T.38's UDPTL: the
    /// RTP ports alone carry them. Never on a secure leg.
    pub is_raw: bool,
}

/// One m-line on one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLeg {
    /// Where the peer sends its RTP and RTCP: our ports.
    pub local: LocalMedia,
    /// Where the peer receives, from its SDP; `None` before it is known.
    pub remote: Option<RemoteMedia>,
    /// RTCP arrives at and goes to the RTP ports (RFC 5761).
    pub rtcp_mux: bool,
    /// Version of the peer's SDP, from its `o=` (RFC 8866 section 5.2): another one is a new
    /// SDP, even if it says the same of this stream. 0 before there is one.
    pub sdp_version: u64,
    pub security: Security,
    pub source: SourceRule,
    /// Payload types that may arrive from the peer: bit `n` for type `n`.
    pub payload_types: u128,
    /// Payload type of telephone-event from the peer.
    pub telephone_event: Option<u8>,
    /// What the peer sends, as far as the SDP tells.
    pub codec: Codec,
    /// Packets per second that may arrive at each port; 0 for any number.
    pub max_packet_rate: u32,
    /// DSCP (0–63) of what we send to the peer; `None` keeps the packet's own.
    pub dscp: Option<u8>,
}

/// Our ports of a leg; RTCP is the odd port above (RFC 3550 section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalMedia {
    pub address: IpAddr,
    pub rtp_port: u16,
    pub rtcp_port: u16,
}

/// The peer's addresses of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RemoteMedia {
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
}

/// What protects the packets of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// RTP.
    Plain,
    /// SRTP that we terminate: packets from the peer are under `receive`, to it under `send`.
    Srtp { receive: MasterKey, send: MasterKey },
    /// SRTP offered or expected on this leg, but the keys are not settled yet: nothing may pass.
    Pending,
    /// SRTP under keys that both peers share through us: passed on untouched.
    Passthrough { suite: Suite },
}

/// Where packets of a leg may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceRule {
    /// Only the address and port of the SDP.
    Strict,
    /// The first packet that passes every other check locks the source until a new SDP;
    /// `allowed` networks (address, prefix length) bound it, empty means any.
    Latch { allowed: Vec<(IpAddr, u8)> },
}
