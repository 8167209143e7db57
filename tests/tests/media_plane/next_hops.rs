//! Peers that are reached by routes and neighbours, and followed when those change.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use trunkline_tests::lab::{Host, LabOptions, run};
use trunkline_tests::privilege::require_root;

use crate::edge::{Call, Edge, Party, with_third};
use crate::support::{PACKETS, secure, talk, until};

/// From a change of route or neighbour until packets go the new way.
const FOLLOWED: Duration = Duration::from_secs(2);

/// Runs `ip` on a host of the lab.
fn ip(edge: &Edge, host: Host, arguments: &str) {
    let mut command = edge.lab.namespace(host).command("ip");
    run(command.args(arguments.split(' '))).unwrap();
}

/// Where the callee is, behind a gateway.
const BEHIND: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 3));

/// A call with a callee behind a gateway; plain, and with a secure callee's leg.
fn calls_to_a_peer_behind_a_gateway(edge: &mut Edge) -> Vec<Call> {
    ip(edge, Host::Pbx, &format!("address add {BEHIND}/32 dev lo"));
    ip(
        edge,
        Host::Edge,
        &format!("route add {BEHIND}/32 via 198.51.100.2"),
    );
    let mut call = |keys| {
        let mut callee = Party::new(Host::Pbx, false, keys);
        callee.address = Some(BEHIND);
        edge.call(Party::new(Host::Carrier, false, None), callee)
    };
    vec![call(None), call(secure())]
}

/// Sends one packet each 5 ms for `duration`; how many did not arrive.
fn losses(call: &mut Call, duration: Duration) -> usize {
    let begun = Instant::now();
    let (mut sent, mut arrived) = (0, 0);
    while begun.elapsed() < duration {
        call.caller.send();
        sent += 1;
        std::thread::sleep(Duration::from_millis(5));
        arrived += call.callee.drain();
    }
    // The last ones, on a busy machine.
    while begun.elapsed() < duration + FOLLOWED && arrived < sent {
        std::thread::sleep(Duration::from_millis(5));
        arrived += call.callee.drain();
    }
    sent - arrived
}

#[test]
fn a_change_of_gateway_loses_no_packet() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    for mut call in calls_to_a_peer_behind_a_gateway(&mut edge) {
        assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2]);
        for gateway in ["198.51.100.3", "198.51.100.2"] {
            // Every address is to be asked for again.
            ip(&edge, Host::Edge, "neighbour flush dev to-pbx");
            ip(
                &edge,
                Host::Edge,
                &format!("route replace {BEHIND}/32 via {gateway}"),
            );
            assert_eq!(losses(&mut call, Duration::from_millis(500)), 0);
        }
        // A gateway that takes its time: until it answers, the old way is good enough.
        ip(
            &edge,
            Host::Edge,
            &format!("route replace {BEHIND}/32 via 198.51.100.77"),
        );
        assert_eq!(losses(&mut call, Duration::from_millis(300)), 0);
        ip(&edge, Host::Pbx, "address add 198.51.100.77/24 dev uplink");
        let begun = Instant::now();
        while talk(&mut call, 5) != [5, 5] {
            assert!(begun.elapsed() < Duration::from_secs(5), "when it answers");
        }
        // The next call finds a gateway that is there.
        ip(
            &edge,
            Host::Edge,
            &format!("route replace {BEHIND}/32 via 198.51.100.2"),
        );
        assert_eq!(losses(&mut call, Duration::from_millis(300)), 0);
        ip(
            &edge,
            Host::Pbx,
            "address delete 198.51.100.77/24 dev uplink",
        );
        edge.remove(&call);
    }
}

/// A socket in a host's namespace at the callee's very address.
fn callee_at(edge: &Edge, host: Host, address: SocketAddr) -> UdpSocket {
    let open = || {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    edge.lab.namespace(host).enter(open).unwrap()
}

/// The callee's address is anycast: it is behind the pbx and behind the third host, and the
/// route alone says which of them hears.
#[test]
fn a_route_that_moves_to_another_interface_is_followed_within_two_seconds() {
    if !require_root("the namespace lab") {
        return;
    }
    let options = LabOptions {
        stranger: true,
        ..LabOptions::default()
    };
    let mut edge = Edge::start_with(options, with_third);
    ip(
        &edge,
        Host::Stranger,
        &format!("address add {BEHIND}/32 dev lo"),
    );
    for mut call in calls_to_a_peer_behind_a_gateway(&mut edge) {
        assert_eq!(talk(&mut call, PACKETS), [PACKETS; 2]);
        let elsewhere = callee_at(&edge, Host::Stranger, call.callee.sdp().rtp);
        let heard_elsewhere = || {
            let mut buffer = [0; 2048];
            std::iter::from_fn(|| elsewhere.recv(&mut buffer).ok()).count()
        };
        for (gateway, is_elsewhere) in [("203.0.113.2", true), ("198.51.100.2", false)] {
            let replace = format!("route replace {BEHIND}/32 via {gateway}");
            let changed = Instant::now();
            ip(&edge, Host::Edge, &replace);
            let followed = loop {
                call.caller.send();
                std::thread::sleep(Duration::from_millis(10));
                let by_the_new_way = if is_elsewhere {
                    call.callee.drain();
                    heard_elsewhere()
                } else {
                    heard_elsewhere();
                    call.callee.drain()
                };
                if by_the_new_way > 0 {
                    break changed.elapsed();
                }
                assert!(changed.elapsed() < 5 * FOLLOWED, "the route by {gateway}");
            };
            assert!(followed < FOLLOWED, "{followed:?} by {gateway}");
            // And none goes astray any more.
            std::thread::sleep(Duration::from_millis(50));
            call.callee.drain();
            heard_elsewhere();
            for _ in 0..20 {
                call.caller.send();
            }
            let begun = Instant::now();
            let (mut there, mut here) = (0, 0);
            while there + here < 20 && begun.elapsed() < FOLLOWED {
                there += heard_elsewhere();
                here += call.callee.drain();
                std::thread::sleep(Duration::from_millis(5));
            }
            let expected = if is_elsewhere { (20, 0) } else { (0, 20) };
            assert_eq!((there, here), expected, "by {gateway}");
        }
        edge.remove(&call);
    }
}

#[test]
fn a_peer_with_a_new_ethernet_address_is_followed_within_two_seconds() {
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
        let changed = Instant::now();
        ip(
            &edge,
            Host::Edge,
            &format!("neighbour replace {neighbour} lladdr {mac} dev to-pbx"),
        );
        loop {
            call.caller.send();
            std::thread::sleep(Duration::from_millis(10));
            if call.callee.drain() > 0 {
                break;
            }
            assert!(changed.elapsed() < FOLLOWED, "{:?}", changed.elapsed());
        }
        assert!(call.callee.hears_nothing());
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
        until("they are counted", || {
            edge.verdicts().drop_next_hop - before == 5
        });

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
                let socket = UdpSocket::bind(specs[1].remote.rtp).unwrap();
                socket
                    .set_read_timeout(Some(Duration::from_millis(200)))
                    .unwrap();
                socket
            })
            .unwrap();
        let answered = (0..10).any(|_| {
            call.caller.send();
            arrived.recv(&mut [0; 2048]).is_ok()
        });
        assert!(answered, "within two seconds of its coming");
        edge.remove(&call);
    }
}
