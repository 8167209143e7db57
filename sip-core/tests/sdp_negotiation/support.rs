//! Two peers, a list of ports and a generator that repeats.

use std::net::IpAddr;
use std::time::Instant;

use media_core::ports::{MediaPorts, NoPorts, RealmId};
use media_core::session::{CallId, LocalMedia, Security, Session, Side, StreamLeg};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use rand_core::{CryptoRng, RngCore};
use sip_core::refusal::Refusal;
use sip_core::sdp::{LegPolicy, Negotiation};
use sip_core::trunk::{AdvertisedMedia, Passthrough, SourceMode};

pub(crate) const SUITE_80: &str = "AES_CM_128_HMAC_SHA1_80";
pub(crate) const SUITE_32: &str = "AES_CM_128_HMAC_SHA1_32";

/// Keys of the peers: thirty bytes of base64, each its own.
pub(crate) const KEY_A: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
pub(crate) const KEY_B: &str = "YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2";
pub(crate) const KEY_C: &str = "NzB4d1BINDAvLCVwKTF7SzwxYT4ofSUrTDIxQDFB";

/// Where the peers are; the second is the one that must never cross.
pub(crate) const CALLER: &str = "192.168.7.7";
pub(crate) const CALLEE: &str = "172.16.9.9";

/// Our media addresses, by realm.
pub(crate) const OURS: [&str; 2] = ["198.51.100.1", "203.0.113.1"];
pub(crate) const OURS_V6: [&str; 2] = ["2001:db8:a::1", "2001:db8:b::1"];

pub(crate) struct ListedPorts {
    pub(crate) next: u16,
    pub(crate) left: usize,
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
}

impl MediaPorts for ListedPorts {
    fn allocate(&mut self, realm: RealmId, ipv6: bool) -> Result<LocalMedia, NoPorts> {
        if !(if ipv6 { self.ipv6 } else { self.ipv4 }) {
            return Err(NoPorts::NoAddress);
        }
        self.left = self.left.checked_sub(1).ok_or(NoPorts::Exhausted)?;
        let list = if ipv6 { OURS_V6 } else { OURS };
        let rtp_port = self.next;
        self.next += 2;
        Ok(LocalMedia {
            address: list[usize::from(realm.0)].parse().expect("a literal"),
            rtp_port,
            rtcp_port: rtp_port + 1,
        })
    }

    fn release(&mut self, _: Instant, _: RealmId, _: LocalMedia) {}
}

/// Repeats from its seed; no two keys alike.
pub(crate) struct Repeating(pub(crate) u64);

impl RngCore for Repeating {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = (self.next_u64() >> 56) as u8;
        }
    }
}

impl CryptoRng for Repeating {}

pub(crate) struct Call {
    pub(crate) negotiation: Negotiation,
    pub(crate) ports: ListedPorts,
    pub(crate) rng: Repeating,
}

pub(crate) fn plain(realm: u16) -> LegPolicy {
    LegPolicy {
        secure: false,
        opportunistic: false,
        suites: vec![Suite::AesCm128HmacSha1_80],
        codecs: ["PCMU", "PCMA", "TELEPHONE-EVENT"].map(String::from).into(),
        source: SourceMode::Strict,
        media_acl: Vec::new(),
        passthrough: Passthrough::Never,
        mki: false,
        video: false,
        t38: false,
        dscp: None,
        max_packet_rate: None,
        realm: RealmId(realm),
        advertised: AdvertisedMedia::default(),
        ipv6_first: false,
    }
}

/// An SRTP leg whose trunk allows both suites inbound when asked to.
pub(crate) fn secure(realm: u16, suites: &[Suite]) -> LegPolicy {
    LegPolicy {
        secure: true,
        suites: suites.to_vec(),
        ..plain(realm)
    }
}

impl Call {
    pub(crate) fn new(caller: LegPolicy, callee: LegPolicy) -> Call {
        Call {
            negotiation: Negotiation::new(CallId(7), caller, callee),
            ports: ListedPorts {
                next: 20_000,
                left: 1000,
                ipv4: true,
                ipv6: true,
            },
            rng: Repeating(1),
        }
    }

    pub(crate) fn plain() -> Call {
        Call::new(plain(0), plain(1))
    }

    pub(crate) fn try_offer(&mut self, from: Side, body: &str) -> Result<String, Refusal> {
        self.negotiation
            .offer(from, body.as_bytes(), &mut self.ports, &mut self.rng)
            .map(text)
    }

    pub(crate) fn try_answer(&mut self, from: Side, body: &str) -> Result<String, Refusal> {
        self.negotiation
            .answer(from, body.as_bytes(), &mut self.ports, &mut self.rng)
            .map(text)
    }

    pub(crate) fn offer(&mut self, from: Side, body: &str) -> String {
        self.try_offer(from, body)
            .expect("an offer that is accepted")
    }

    pub(crate) fn answer(&mut self, from: Side, body: &str) -> String {
        self.try_answer(from, body)
            .expect("an answer that is accepted")
    }

    /// The caller offers, the callee answers, the answer is final.
    pub(crate) fn agree(&mut self, offer: &str, answer: &str) -> (String, String) {
        let offered = self.offer(Side::Caller, offer);
        let answered = self.answer(Side::Callee, answer);
        self.negotiation.confirm();
        (offered, answered)
    }

    pub(crate) fn session(&self) -> Session {
        self.negotiation.session().expect("media is agreed")
    }

    /// A leg of the first stream.
    pub(crate) fn leg(&self, side: Side) -> StreamLeg {
        self.session().streams[0].legs[side.index()].clone()
    }

    /// Our key and the peer's on a leg: `(receive, send)`.
    pub(crate) fn keys(&self, side: Side) -> (MasterKey, MasterKey) {
        match self.leg(side).security {
            Security::Srtp { receive, send } => (receive, send),
            other => panic!("not terminated SRTP: {other:?}"),
        }
    }
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).expect("text in, text out")
}

/// Lines to a body.
pub(crate) fn body(lines: &str) -> String {
    lines
        .trim()
        .lines()
        .map(|line| format!("{}\r\n", line.trim()))
        .collect()
}

/// A description with one audio line at an address, and more lines below it.
pub(crate) fn sdp(address: &str, media: &str, more: &[&str]) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    let more: String = more.iter().map(|line| format!("{line}\n")).collect();
    body(&format!(
        "v=0\no=peer 1000 1 IN {family} {address}\ns=call\nc=IN {family} {address}\nt=0 0\n{media}\n{more}"
    ))
}

/// The plain offer or answer of a peer.
pub(crate) fn avp(address: &str) -> String {
    sdp(
        address,
        "m=audio 4000 RTP/AVP 0 8 101",
        &["a=rtpmap:101 telephone-event/8000"],
    )
}

/// The secure offer or answer of a peer with these crypto lines.
pub(crate) fn savp(address: &str, crypto: &[&str]) -> String {
    let lines: Vec<String> = crypto
        .iter()
        .map(|line| format!("a=crypto:{line}"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    sdp(
        address,
        "m=audio 4000 RTP/SAVP 0 8 101",
        &[&["a=rtpmap:101 telephone-event/8000"], &lines[..]].concat(),
    )
}

/// A crypto line without its name.
pub(crate) fn crypto(tag: u32, suite: &str, key: &str) -> String {
    format!("{tag} {suite} inline:{key}")
}

/// The values of the lines that start so.
pub(crate) fn values<'a>(body: &'a str, start: &str) -> Vec<&'a str> {
    body.lines()
        .filter_map(|line| line.strip_prefix(start))
        .collect()
}

/// The `(tag, suite, inline)` of every crypto line.
pub(crate) fn crypto_lines(body: &str) -> Vec<(&str, &str, &str)> {
    let words = |line| {
        let mut words = str::split_whitespace(line);
        let mut next = || words.next().unwrap_or_default();
        (next(), next(), next())
    };
    values(body, "a=crypto:").into_iter().map(words).collect()
}

/// The version in `o=`.
pub(crate) fn version(body: &str) -> u64 {
    let origin = values(body, "o=")[0];
    origin
        .split(' ')
        .nth(2)
        .and_then(|word| word.parse().ok())
        .expect("a version")
}

pub(crate) fn ip(address: &str) -> IpAddr {
    address.parse().expect("an address")
}
