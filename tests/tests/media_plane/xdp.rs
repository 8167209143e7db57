//! The XDP backend between three network namespaces: real packets, real drivers, no signalling.

use std::net::SocketAddr;
use std::time::Duration;

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, Call, Edge, Party, config, start_plane};
use crate::support::Keys;
use media_core::report::{MediaEvent, MediaPath};
use media_core::srtp::profile::Suite;
use sip_control::media::{ActiveBackend, Attach, MediaError};
use trunkline_tests::lab::{EDGE, Host, Lab, LabOptions, run};
use trunkline_tests::privilege::require_root;

const PACKETS: u16 = 25;

/// Sends `count` packets each way, alternately, and answers how many arrived each way.
fn talk(call: &mut Call, count: u16) -> [u16; 2] {
    let mut arrived = [0; 2];
    for _ in 0..count {
        call.caller.send();
        call.callee.send();
        arrived[0] += u16::from(call.callee.receive(CALLER_SSRC).is_some());
        arrived[1] += u16::from(call.caller.receive(CALLEE_SSRC).is_some());
    }
    arrived
}

fn secure() -> Option<Keys> {
    Some(Keys::generate(Suite::AesCm128HmacSha1_80))
}

fn secure_32() -> Option<Keys> {
    Some(Keys::generate(Suite::AesCm128HmacSha1_32))
}

fn every_pairing_arrives_whole(options: LabOptions, attach: Attach) {
    let mut edge = Edge::start_with(options, |config| config.attach = attach);
    let mode = if attach == Attach::Generic {
        "generic"
    } else {
        "native"
    };
    assert_eq!(edge.plane().description().attach_mode(), Some(mode));
    let families = [(false, false), (true, true), (false, true), (true, false)];
    let pairings: [(&str, [Option<Keys>; 2]); 4] = [
        ("RTP to RTP", [None, None]),
        ("SRTP to RTP", [secure(), None]),
        ("RTP to SRTP", [None, secure_32()]),
        ("SRTP to SRTP", [secure(), secure()]),
    ];
    for (what, keys) in pairings {
        for (caller_v6, callee_v6) in families {
            let what = format!("{what}, IPv6: {caller_v6}, {callee_v6}; {options:?}");
            let [caller, callee] = keys.clone();
            let is_plain = caller.is_none() && callee.is_none();
            let mut call = edge.call(
                Party::new(Host::Carrier, caller_v6, caller),
                Party::new(Host::Pbx, callee_v6, callee),
            );
            assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2], "{what}");
            call.caller.send_rtcp();
            assert!(call.callee.receives_rtcp(CALLER_SSRC), "RTCP, {what}");
            call.callee.send_rtcp();
            assert!(call.caller.receives_rtcp(CALLEE_SSRC), "RTCP, {what}");

            let path = if is_plain && caller_v6 == callee_v6 {
                MediaPath::Xdp
            } else {
                MediaPath::AfXdp
            };
            for flow in edge.flows(&call) {
                assert_eq!(
                    (flow.path, flow.packets),
                    (path, u64::from(PACKETS)),
                    "{what}"
                );
            }
            let report = edge.remove(&call);
            assert_eq!(report.directions.len(), 2, "{what}");
            for direction in report.directions {
                assert_eq!(
                    (direction.path, direction.packets),
                    (path, u64::from(PACKETS))
                );
                assert_eq!(direction.dropped, []);
            }
        }
    }
    assert_eq!(
        edge.verdicts()
            .dropped()
            .map(|(_, count)| count)
            .sum::<u64>(),
        0
    );
}

#[test]
fn every_pairing_arrives_whole_with_partial_checksums() {
    if require_root("the namespace lab") {
        every_pairing_arrives_whole(LabOptions { tx_offload: true }, Attach::Auto);
    }
}

#[test]
fn every_pairing_arrives_whole_with_full_checksums() {
    if require_root("the namespace lab") {
        every_pairing_arrives_whole(LabOptions { tx_offload: false }, Attach::Native);
    }
}

#[test]
fn every_pairing_arrives_whole_in_generic_mode() {
    if require_root("the namespace lab") {
        every_pairing_arrives_whole(LabOptions { tx_offload: false }, Attach::Generic);
        every_pairing_arrives_whole(LabOptions { tx_offload: true }, Attach::Generic);
    }
}

#[test]
fn both_legs_may_be_on_one_interface() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for keys in [None, secure()] {
        let mut call = edge.call(
            Party::new(Host::Carrier, false, keys),
            Party::new(Host::Carrier, false, None),
        );
        assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2]);
        edge.remove(&call);
    }
    assert_eq!(edge.verdicts().transmit, 2 * u64::from(PACKETS));
    assert_eq!(edge.verdicts().relayed, 2 * u64::from(PACKETS));
}

#[test]
fn a_latch_costs_at_most_three_packets_and_then_the_kernel_forwards() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let behind_nat: SocketAddr = "10.0.0.7:4000".parse().unwrap();
    for keys in [None, secure()] {
        let path = if keys.is_none() {
            MediaPath::Xdp
        } else {
            MediaPath::AfXdp
        };
        let mut caller = Party::new(Host::Carrier, false, keys);
        caller.latches = true;
        caller.claims = Some(behind_nat);
        let mut call = edge.call(caller, Party::new(Host::Pbx, false, None));
        let mut arrived = [0; 2];
        for _ in 0..PACKETS {
            call.caller.send();
            call.callee.send();
            std::thread::sleep(Duration::from_millis(20));
            arrived[0] += call.callee.drain();
            arrived[1] += call.caller.drain();
        }
        let enough = usize::from(PACKETS) - 3;
        assert!(
            arrived.iter().all(|arrived| *arrived >= enough),
            "{arrived:?}"
        );
        for flow in edge.flows(&call) {
            assert_eq!(flow.path, path);
        }

        // Locked: somebody else's packets do not pass.
        let before = edge.verdicts().drop_wrong_source;
        let packet = call.caller.next_packet();
        let stranger = edge
            .lab
            .namespace(Host::Carrier)
            .enter(|| std::net::UdpSocket::bind("192.0.2.3:0").unwrap())
            .unwrap();
        stranger.send_to(&packet, call.caller.edge_rtp()).unwrap();
        assert!(call.callee.hears_nothing());
        assert_eq!(edge.verdicts().drop_wrong_source, before + 1);
        edge.remove(&call);
    }
}

#[test]
fn packets_from_elsewhere_of_another_type_or_malformed_are_dropped_by_reason() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for keys in [None, secure()] {
        let mut call = edge.call(
            Party::new(Host::Carrier, false, keys),
            Party::new(Host::Pbx, false, None),
        );
        let before = edge.verdicts();
        let stranger = edge
            .lab
            .namespace(Host::Carrier)
            .enter(|| std::net::UdpSocket::bind("192.0.2.2:0").unwrap())
            .unwrap();
        let packet = call.caller.next_packet();
        stranger.send_to(&packet, call.caller.edge_rtp()).unwrap();
        let mut other_type = packet.clone();
        other_type[1] = 8;
        call.caller.send_raw(&other_type);
        call.caller.send_raw(&packet[..11]);
        call.caller.send_raw(b"\0not RTP at all");
        assert!(call.callee.hears_nothing());
        let after = edge.verdicts();
        assert_eq!(after.drop_wrong_source - before.drop_wrong_source, 1);
        assert_eq!(after.drop_payload_type - before.drop_payload_type, 1);
        assert_eq!(after.drop_malformed - before.drop_malformed, 2);
        assert_eq!(edge.flows(&call)[0].dropped, 4);
        assert_eq!(talk(&mut call, 3), [3, 3], "the call goes on");
        edge.remove(&call);
    }
}

#[test]
fn tampered_and_replayed_packets_are_dropped_by_reason() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    let first = call.caller.send();
    assert_eq!(call.callee.receive(CALLER_SSRC), Some(0));
    let mut tampered = call.caller.next_packet();
    tampered[40] ^= 1;
    call.caller.send_raw(&tampered);
    call.caller.send_raw(&first);
    assert!(call.callee.hears_nothing());
    let verdicts = edge.verdicts();
    assert_eq!((verdicts.drop_authentication, verdicts.drop_replay), (1, 1));
    assert_eq!(talk(&mut call, 3), [3, 3], "the call goes on");
    let report = edge.remove(&call);
    assert_eq!(
        report.directions[0].dropped,
        [("drop_authentication", 1), ("drop_replay", 1)]
    );
}

#[test]
fn without_af_xdp_sockets_a_secure_leg_is_silent_and_counted() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let pins = edge
        .lab
        .bpffs()
        .join("trunkline")
        .join(format!("v{}", media_common::ABI_VERSION));
    let map = aya::maps::MapData::from_pin(pins.join("XSKS")).unwrap();
    let mut sockets = aya::maps::XskMap::try_from(aya::maps::Map::XskMap(map)).unwrap();
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    for slot in 0..sockets.len() {
        let _ = sockets.unset(slot);
    }
    for _ in 0..10 {
        call.callee.send();
        call.caller.send();
    }
    assert!(call.caller.hears_nothing() && call.callee.hears_nothing());
    assert_eq!(edge.verdicts().drop_xsk_unbound, 20);
}

#[test]
fn keys_and_peers_change_in_the_middle_of_a_call() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 5), [5, 5]);
    for keys in [secure(), secure(), None] {
        call.specs[0].keys = keys.clone();
        call.caller.set_keys(keys.as_ref());
        edge.apply(&call);
        assert_eq!(talk(&mut call, 5), [5, 5]);
    }
    // The pbx moves to another address.
    let moved = edge.prepare(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    let edge_port = call.specs[1].local;
    call.callee = edge
        .lab
        .namespace(Host::Pbx)
        .enter(|| {
            let address = moved.callee.sdp().rtp.ip();
            crate::endpoint::Endpoint::open(address, edge_port, None, CALLEE_SSRC)
        })
        .unwrap();
    call.specs[1].remote = call.callee.sdp();
    edge.apply(&call);
    assert_eq!(talk(&mut call, 5), [5, 5]);
    let report = edge.remove(&call);
    assert_eq!(report.directions[0].packets, 25);
}

/// Runs `ip` on a host of the lab.
fn ip(edge: &Edge, host: Host, arguments: &str) {
    let mut command = edge.lab.namespace(host).command("ip");
    run(command.args(arguments.split(' '))).unwrap();
}

/// A talk of one packet each way at a time, until one passes whole.
fn recovers_within(call: &mut Call, limit: Duration) -> bool {
    let begun = std::time::Instant::now();
    while begun.elapsed() < limit {
        if talk(call, 1) == [1, 1] {
            return true;
        }
    }
    false
}

#[test]
fn a_peer_behind_a_gateway_is_reached_and_followed_to_another_address() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    ip(&edge, Host::Pbx, "address add 203.0.113.3/32 dev lo");
    ip(
        &edge,
        Host::Edge,
        "route add 203.0.113.0/24 via 198.51.100.2",
    );
    for keys in [None, secure()] {
        let mut callee = Party::new(Host::Pbx, false, keys);
        callee.address = Some("203.0.113.3".parse().unwrap());
        let mut call = edge.call(Party::new(Host::Carrier, false, None), callee);
        assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2]);

        ip(
            &edge,
            Host::Edge,
            "route replace 203.0.113.0/24 via 198.51.100.3",
        );
        assert!(
            recovers_within(&mut call, Duration::from_secs(5)),
            "after a change of gateway"
        );
        assert_eq!(talk(&mut call, 5), [5, 5]);
        ip(
            &edge,
            Host::Edge,
            "route replace 203.0.113.0/24 via 198.51.100.2",
        );
        assert!(
            recovers_within(&mut call, Duration::from_secs(5)),
            "and back"
        );
        edge.remove(&call);
    }
}

#[test]
fn a_peer_with_a_new_ethernet_address_is_followed() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for (keys, mac) in [(None, "02:00:00:00:00:51"), (secure(), "02:00:00:00:00:52")] {
        let mut call = edge.call(
            Party::new(Host::Carrier, false, keys),
            Party::new(Host::Pbx, false, None),
        );
        assert_eq!(talk(&mut call, 3), [3, 3]);
        ip(&edge, Host::Pbx, &format!("link set uplink address {mac}"));
        // As an announcement of the peer, or the kernel's own probe, would.
        let neighbour = "198.51.100.3";
        ip(
            &edge,
            Host::Edge,
            &format!("neighbour replace {neighbour} lladdr {mac} dev to-pbx"),
        );
        assert!(recovers_within(&mut call, Duration::from_secs(3)));
        assert_eq!(talk(&mut call, 3), [3, 3]);
        edge.remove(&call);
    }
}

#[test]
fn packets_to_an_unresolved_peer_are_counted_and_flow_when_it_answers() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for (keys, host_part) in [(None, 44), (secure(), 45)] {
        let absent = format!("198.51.100.{host_part}");
        let mut call = edge.prepare(
            Party::new(Host::Carrier, false, keys),
            Party::new(Host::Pbx, false, None),
        );
        let mut sdp = call.specs[1].remote;
        sdp.rtp.set_ip(absent.parse().unwrap());
        sdp.rtcp.set_ip(absent.parse().unwrap());
        call.specs[1].remote = sdp;
        edge.apply(&call);
        let before = edge.verdicts().drop_next_hop;
        for _ in 0..5 {
            call.caller.send();
        }
        assert!(call.callee.hears_nothing());
        assert_eq!(edge.verdicts().drop_next_hop - before, 5);

        ip(
            &edge,
            Host::Pbx,
            &format!("address add {absent}/24 dev uplink"),
        );
        let specs = &call.specs;
        let arrived = edge
            .lab
            .namespace(Host::Pbx)
            .enter(|| {
                let socket = std::net::UdpSocket::bind(specs[1].remote.rtp).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_millis(200)))
                    .unwrap();
                socket
            })
            .unwrap();
        let answered = (0..25).any(|_| {
            call.caller.send();
            arrived.recv(&mut [0; 2048]).is_ok()
        });
        assert!(answered, "within five seconds of its coming");
        edge.remove(&call);
    }
}

#[test]
fn what_is_not_for_a_media_port_is_the_hosts() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let call = edge.call(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    // A port of ours without a flow, and one outside of the range.
    for port in [30_098, 5060] {
        let host = edge
            .lab
            .namespace(Host::Edge)
            .enter(|| {
                let address = SocketAddr::new(call.specs[0].local.address, port);
                let socket = std::net::UdpSocket::bind(address).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_secs(1)))
                    .unwrap();
                socket
            })
            .unwrap();
        call.caller
            .rtp
            .send_to(b"for the host", host.local_addr().unwrap())
            .unwrap();
        let mut buffer = [0; 64];
        assert_eq!(host.recv(&mut buffer).unwrap(), 12);
    }
    edge.remove(&call);
}

#[test]
fn a_silent_call_times_out_each_time_unless_it_is_on_hold() {
    if !require_root("the namespace lab") {
        return;
    }
    let timeout = Duration::from_secs(2);
    let mut edge = Edge::start_with(LabOptions::default(), |config| {
        config.timeout = Some(timeout);
    });
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    let [caller, callee] = &call.specs;
    let mut on_hold = crate::support::session(call.id.0, caller, callee);
    on_hold.streams[0].on_hold = true;
    edge.plane().apply(on_hold);
    assert_eq!(
        edge.event(timeout * 2),
        None,
        "a call on hold does not time out"
    );
    edge.apply(&call);
    for _ in 0..3 {
        assert_eq!(talk(&mut call, 1), [1, 1]);
        assert_eq!(
            edge.event(timeout / 2),
            None,
            "a call with RTP does not time out"
        );
    }
    // Signalling may let a call go on that is silent: it hears of it each time.
    for silent in [timeout, 2 * timeout] {
        match edge.event(timeout * 2) {
            Some(MediaEvent::Timeout {
                call: id,
                silent_for,
            }) => {
                assert_eq!(id, call.id);
                assert!(silent_for >= silent, "{silent_for:?}");
            }
            other => panic!("expected a timeout, not {other:?}"),
        }
    }
    edge.remove(&call);
}

#[test]
fn a_peer_on_this_host_is_refused_with_the_way_out() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut caller = Party::new(Host::Carrier, false, None);
    caller.claims = Some(SocketAddr::new(
        crate::edge::address(Host::Carrier, EDGE, false),
        4000,
    ));
    let call = edge.call(caller, Party::new(Host::Pbx, false, None));
    match edge.event(Duration::from_secs(1)) {
        Some(MediaEvent::Failed { call: id, reason }) => {
            assert_eq!(id, call.id);
            assert!(reason.contains("socket"), "{reason}");
        }
        other => panic!("expected a failure, not {other:?}"),
    }
    edge.remove(&call);
}

#[test]
fn a_change_that_cannot_be_made_closes_what_ran_before() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = edge.call(
        Party::new(Host::Carrier, false, None),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    let own = crate::edge::address(Host::Pbx, EDGE, false);
    call.specs[1].remote.rtp.set_ip(own);
    edge.apply(&call);
    assert!(matches!(
        edge.event(Duration::from_secs(1)),
        Some(MediaEvent::Failed { .. })
    ));
    call.caller.send();
    assert!(call.callee.hears_nothing(), "the old peer hears no more");
    edge.remove(&call);
}

#[test]
fn stopping_leaves_no_pin_and_no_program_behind() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let attached = |lab: &Lab| {
        let output = lab
            .namespace(Host::Edge)
            .command("ip")
            .args(["-d", "link"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .matches("prog/xdp")
            .count()
    };
    let pin_dir = edge.lab.bpffs().join("trunkline");
    assert_eq!(attached(&edge.lab), 2);
    assert!(
        pin_dir
            .join(format!("v{}", media_common::ABI_VERSION))
            .join("FLOWS")
            .exists()
    );
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    let verdicts = edge.plane.take().unwrap().stop();
    assert_eq!(verdicts.relayed, 6);
    assert_eq!(attached(&edge.lab), 0);
    assert!(!pin_dir.exists());
    // And it may start again at once.
    let (plane, _events) = start_plane(&edge.lab, config(&edge.lab)).unwrap();
    assert_eq!(attached(&edge.lab), 2);
    drop(plane);
    assert!(!pin_dir.exists());
}

#[test]
fn without_a_bpffs_nothing_is_pinned_and_calls_go_on() {
    if !require_root("the namespace lab") {
        return;
    }
    let elsewhere = std::env::temp_dir().join("not-a-bpffs");
    let mut edge = Edge::start_with(LabOptions::default(), |config| {
        config.pin_dir = elsewhere.clone();
    });
    let ActiveBackend::Xdp { pins, .. } = &edge.plane().description().backend else {
        panic!("XDP was demanded");
    };
    assert_eq!(*pins, None);
    let mut call = edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(Host::Pbx, false, None),
    );
    assert_eq!(talk(&mut call, 3), [3, 3]);
    edge.plane.take().unwrap().stop();
    assert!(!elsewhere.exists());
}

#[test]
fn an_interface_that_does_not_exist_is_named_and_nothing_is_left() {
    if !require_root("the namespace lab") {
        return;
    }
    let lab = Lab::new(LabOptions::default()).unwrap();
    let mut wrong = config(&lab);
    wrong.interfaces[1] = "no-such-if".to_owned();
    match start_plane(&lab, wrong) {
        Err(error @ MediaError::NoInterface(_)) => {
            assert!(error.to_string().contains("no-such-if"));
        }
        Err(other) => panic!("the wrong error: {other}"),
        Ok(_) => panic!("attached to nothing"),
    }
    assert!(!lab.bpffs().join("trunkline").exists());
}

#[test]
fn a_live_daemons_pins_are_respected_and_a_dead_ones_removed() {
    if !require_root("the namespace lab") {
        return;
    }
    let edge = Edge::start(LabOptions::default());
    match start_plane(&edge.lab, config(&edge.lab)) {
        Err(MediaError::AlreadyRunning(path)) => assert!(path.starts_with(edge.lab.bpffs())),
        Err(other) => panic!("the wrong error: {other}"),
        Ok(_) => panic!("two planes on the same pins"),
    }
    drop(edge);

    let lab = Lab::new(LabOptions::default()).unwrap();
    let directory = lab
        .bpffs()
        .join("trunkline")
        .join(format!("v{}", media_common::ABI_VERSION));
    std::fs::create_dir_all(&directory).unwrap();
    let left_behind = aya::maps::HashMap::<_, u32, u32>::create(4, 0).unwrap();
    left_behind.pin(directory.join("FLOWS")).unwrap();
    let (plane, _events) = start_plane(&lab, config(&lab)).unwrap();
    plane.stop();
    assert!(!directory.exists());
}
