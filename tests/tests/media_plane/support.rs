//! Calls without signalling: sessions applied to a media plane, and endpoints that speak
//! RTP and SRTP through it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use media_core::quality::Codec;
use media_core::session::{
    CallId, LocalMedia, RemoteMedia, Security, Session, SourceRule, Stream, StreamLeg,
};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use rand_core::{OsRng, TryRngCore};

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, Call};

/// PCMU and telephone-event.
pub(crate) const PAYLOAD_TYPES: u128 = 1 << 0 | 1 << 101;

/// The keys of a secure leg, from the edge's side.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) receive: MasterKey,
    pub(crate) send: MasterKey,
}

impl Keys {
    pub(crate) fn generate(suite: Suite) -> Keys {
        let mut rng = OsRng.unwrap_err();
        Keys {
            receive: MasterKey::generate(suite, &mut rng),
            send: MasterKey::generate(suite, &mut rng),
        }
    }
}

/// A leg as a test describes it.
pub(crate) struct LegSpec {
    pub(crate) local: LocalMedia,
    /// What the peer's SDP says.
    pub(crate) remote: RemoteMedia,
    pub(crate) keys: Option<Keys>,
    pub(crate) source: SourceRule,
}

impl LegSpec {
    pub(crate) fn stream_leg(&self) -> StreamLeg {
        StreamLeg {
            local: self.local,
            remote: Some(self.remote),
            rtcp_mux: false,
            sdp_version: 1,
            security: match &self.keys {
                None => Security::Plain,
                Some(Keys { receive, send }) => Security::Srtp {
                    receive: receive.clone(),
                    send: send.clone(),
                },
            },
            source: self.source.clone(),
            payload_types: PAYLOAD_TYPES,
            telephone_event: Some(101),
            codec: Codec::named("PCMU", 8000),
            max_packet_rate: 0,
            dscp: None,
        }
    }
}

/// A call with one stream.
pub(crate) fn session(call: u64, caller: &LegSpec, callee: &LegSpec) -> Session {
    Session {
        call: CallId(call),
        streams: vec![Stream {
            legs: [caller.stream_leg(), callee.stream_leg()],
            on_hold: false,
            is_raw: false,
        }],
    }
}

pub(crate) fn local(address: IpAddr, rtp_port: u16) -> LocalMedia {
    LocalMedia {
        address,
        rtp_port,
        rtcp_port: rtp_port + 1,
    }
}

pub(crate) fn secure() -> Option<Keys> {
    Some(Keys::generate(Suite::AesCm128HmacSha1_80))
}

pub(crate) fn secure_32() -> Option<Keys> {
    Some(Keys::generate(Suite::AesCm128HmacSha1_32))
}

/// Packets that a test sends each way, where their number does not matter.
pub(crate) const PACKETS: u16 = 25;

/// Sends `count` packets each way, alternately, and answers how many arrived each way.
pub(crate) fn talk(call: &mut Call, count: u16) -> [u16; 2] {
    let mut arrived = [0; 2];
    for _ in 0..count {
        call.caller.send();
        call.callee.send();
        arrived[0] += u16::from(call.callee.receive(CALLER_SSRC).is_some());
        arrived[1] += u16::from(call.caller.receive(CALLEE_SSRC).is_some());
    }
    arrived
}

/// Waits until something holds: at once, or after ten seconds on a busy machine.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
