//! Peers that are reached by routes and neighbours, and followed when those change.

use std::time::Duration;

use trunkline_tests::lab::{Host, LabOptions, run};
use trunkline_tests::privilege::require_root;

use crate::edge::{Call, Edge, Party};
use crate::support::{PACKETS, secure, talk};

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
