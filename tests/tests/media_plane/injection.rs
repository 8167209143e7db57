//! Source injection and "RTP bleed": what a stranger sends to our ports reaches nobody, and
//! nothing comes back to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use media_core::session::SourceRule;
use media_core::srtp::profile::Suite;
use sip_control::media::Backend;
use trunkline_tests::capture::Capture;
use trunkline_tests::lab::{Host, LabOptions, STRANGER_INTERFACE, UPLINK};
use trunkline_tests::privilege::require_root;
use trunkline_tests::sys;
use trunkline_tests::xdp::packet::{Packet, rtp};

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, Call, Edge, PORTS, Party, media_addresses};
use crate::stranger::Stranger;
use crate::support::{Keys, secure, talk};

/// Flows of a call with separate RTCP: each is sprayed.
const FLOWS: u64 = 4;
const CARRIER_NETWORK: (IpAddr, u8) = (IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 0)), 24);

const WITH_STRANGER: LabOptions = LabOptions {
    tx_offload: true,
    queues: 1,
    stranger: true,
};

/// What arrives at carrier and pbx from our media ports.
struct Wires([Capture; 2]);

impl Wires {
    fn tap(edge: &Edge) -> Wires {
        Wires(
            [Host::Carrier, Host::Pbx]
                .map(|side| Capture::start(edge.lab.namespace(side), UPLINK).unwrap()),
        )
    }

    fn media_datagrams(&self) -> [usize; 2] {
        self.0.each_ref().map(|wire| {
            wire.all_datagrams()
                .iter()
                .filter(|datagram| {
                    media_addresses().contains(&datagram.source.ip())
                        && PORTS.contains(&datagram.source.port())
                })
                .count()
        })
    }
}

fn latching(host: Host, keys: Option<Keys>, allowed: Vec<(IpAddr, u8)>) -> Party {
    let mut party = Party::new(host, false, keys);
    (party.latches, party.allowed) = (true, allowed);
    party
}

/// A call's parties in every mode that a trunk's media can have.
fn modes() -> Vec<(&'static str, [Party; 2])> {
    let strict = |host, keys| Party::new(host, false, keys);
    let carrier = || vec![CARRIER_NETWORK];
    vec![
        (
            "plain, strict",
            [strict(Host::Carrier, None), strict(Host::Pbx, None)],
        ),
        (
            "SRTP and RTP, strict",
            [strict(Host::Carrier, secure()), strict(Host::Pbx, None)],
        ),
        (
            "SRTP, strict",
            [strict(Host::Carrier, secure()), strict(Host::Pbx, secure())],
        ),
        (
            "plain, latching within the carrier's network",
            [
                latching(Host::Carrier, None, carrier()),
                strict(Host::Pbx, None),
            ],
        ),
        (
            "SRTP, latching within the carrier's network",
            [
                latching(Host::Carrier, secure(), carrier()),
                strict(Host::Pbx, None),
            ],
        ),
    ]
}

/// Packets dropped so far, and those of them that were dropped for their source.
fn dropped(edge: &Edge) -> [u64; 2] {
    let verdicts = edge.verdicts();
    let all = verdicts.dropped().map(|(_, count)| count).sum();
    [all, verdicts.drop_wrong_source]
}

/// The drops since `before`, once there are `count` of them or five seconds have passed.
fn drops_since(edge: &Edge, before: [u64; 2], count: u64) -> [u64; 2] {
    let begun = Instant::now();
    loop {
        let now = dropped(edge);
        let drops = [now[0] - before[0], now[1] - before[1]];
        if drops[0] >= count || begun.elapsed() > Duration::from_secs(5) {
            return drops;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Both sides talk while the stranger sprays; each hears the other and nobody else.
fn talk_under_fire(call: &mut Call, stranger: &Stranger) -> u16 {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stranger.spray();
            is_over.store(true, Ordering::Relaxed);
        });
        let mut said = 0;
        while !is_over.load(Ordering::Relaxed) || said < 10 {
            assert_eq!(talk(call, 1), [1, 1], "packet {said}");
            said += 1;
        }
        said
    })
}

fn a_stranger_is_neither_heard_nor_answered(backend: Backend, is_media_interface: bool) {
    let mut edge = Edge::start_with(WITH_STRANGER, |config| {
        config.backend = backend;
        if is_media_interface {
            config.interfaces.push(STRANGER_INTERFACE.to_owned());
        }
    });
    let wires = Wires::tap(&edge);
    let mut sent = [0; 2];
    for (mode, [caller, callee]) in modes() {
        let mut call = edge.prepare(caller, callee);
        let overheard = call.caller.next_packet();
        let stranger = Stranger::new(&edge.lab, &overheard);
        // What the program does not see, the host's network stack drops.
        let counts = backend == Backend::Socket || is_media_interface;
        let per_call = if counts {
            FLOWS * stranger.per_port()
        } else {
            0
        };

        // Before a latch has locked, form and payload type are looked at first.
        let all_for_their_source = call.specs[0].source == SourceRule::Strict;
        let assert_dropped = |edge: &Edge, start, count, when| {
            let [all, for_their_source] = drops_since(edge, start, count);
            assert_eq!(all, count, "{mode}: {when}");
            let least = if all_for_their_source {
                count
            } else {
                count / 2
            };
            assert!(for_their_source >= least, "{mode}: {when}");
        };

        let start = dropped(&edge);
        stranger.probe();
        assert_dropped(&edge, start, 0, "before the call");

        edge.apply(&call);
        stranger.spray();
        assert_dropped(&edge, start, per_call, "before the first packet");

        let said = talk_under_fire(&mut call, &stranger);
        assert_dropped(&edge, start, 2 * per_call, "during the call");
        call.caller.send_rtcp();
        assert!(call.callee.receives_rtcp(CALLER_SSRC), "{mode}");
        call.callee.send_rtcp();
        assert!(call.caller.receives_rtcp(CALLEE_SSRC), "{mode}");

        edge.remove(&call);
        stranger.probe();
        for endpoint in [&call.caller, &call.callee] {
            assert!(endpoint.hears_nothing(), "{mode}");
            assert_eq!(endpoint.drain_rtcp(), 0, "{mode}");
        }
        assert_eq!(stranger.heard(), [], "{mode}: an answer to the stranger");
        // The carrier hears what the callee said, the pbx what the caller said, each with one report.
        sent = sent.map(|sent| sent + usize::from(said) + 1);
        assert_eq!(wires.media_datagrams(), sent, "{mode}: on the wires");
    }
}

#[test]
fn a_stranger_on_a_media_interface_is_neither_heard_nor_answered() {
    if require_root("the namespace lab") {
        a_stranger_is_neither_heard_nor_answered(Backend::Xdp, true);
    }
}

#[test]
fn a_stranger_behind_another_interface_is_neither_heard_nor_answered() {
    if require_root("the namespace lab") {
        a_stranger_is_neither_heard_nor_answered(Backend::Xdp, false);
    }
}

#[test]
fn a_stranger_is_neither_heard_nor_answered_by_sockets() {
    if require_root("the namespace lab") {
        a_stranger_is_neither_heard_nor_answered(Backend::Socket, true);
    }
}

/// Where any address may latch, a tag is what counts.
#[test]
fn on_a_secure_leg_nothing_locks_without_a_valid_tag() {
    if !require_root("the namespace lab") {
        return;
    }
    for backend in [Backend::Xdp, Backend::Socket] {
        let mut edge = Edge::start_with(WITH_STRANGER, |config| {
            config.backend = backend;
            config.interfaces.push(STRANGER_INTERFACE.to_owned());
        });
        let mut call = edge.call(
            latching(Host::Carrier, secure(), Vec::new()),
            Party::new(Host::Pbx, false, None),
        );
        let forged = Keys::generate(Suite::AesCm128HmacSha1_80);
        call.callee.set_keys(Some(&forged));
        let under_another_key = call.callee.next_packet();
        call.callee.set_keys(None);
        let stranger = Stranger::new(&edge.lab, &under_another_key);
        stranger.spray();
        assert!(call.callee.hears_nothing(), "{backend:?}");
        assert!(edge.verdicts().drop_authentication > 0, "{backend:?}");
        // The first that proves itself locks, and the stranger is wrong from then on.
        assert_eq!(talk(&mut call, 5), [5, 5], "{backend:?}");
        let before = dropped(&edge);
        stranger.spray();
        let rtp_both_ways = 2 * stranger.per_port();
        let [_, for_their_source] = drops_since(&edge, before, FLOWS * stranger.per_port());
        assert!(for_their_source >= rtp_both_ways, "{backend:?}");
        assert_eq!(talk(&mut call, 5), [5, 5], "{backend:?}");
        assert_eq!(stranger.heard(), [], "{backend:?}");
    }
}

/// An address can be forged on a network that lets it pass; a tag cannot.
#[test]
fn with_the_peers_own_address_a_stranger_still_lacks_the_key() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start_with(WITH_STRANGER, |config| {
        config.interfaces.push(STRANGER_INTERFACE.to_owned());
    });
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, secure()),
    );
    assert_eq!(talk(&mut call, 5), [5, 5]);
    let namespace = edge.lab.namespace(Host::Stranger);
    let wire = namespace
        .enter(|| sys::packet_socket(UPLINK, Duration::from_millis(50)).unwrap())
        .unwrap();
    for (count, (endpoint, ssrc)) in [(&call.caller, CALLER_SSRC), (&call.callee, CALLEE_SSRC)]
        .into_iter()
        .enumerate()
    {
        let plain = rtp(0, 500, ssrc, &[0x55; 170]);
        let source: SocketAddr = endpoint.sdp().rtp;
        let packet = Packet::udp(source, endpoint.edge_rtp(), plain);
        for _ in 0..20 {
            sys::send_frame(&wire, &packet.build()).unwrap();
        }
        let begun = Instant::now();
        let due = 20 * (count as u64 + 1);
        while edge.verdicts().drop_authentication < due && begun.elapsed().as_secs() < 5 {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(edge.verdicts().drop_authentication, due);
    }
    assert_eq!(talk(&mut call, 5), [5, 5], "and nothing else was heard");
}
