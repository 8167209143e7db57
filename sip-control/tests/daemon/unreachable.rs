//! TRK-3: a peer whose process is dead is known by ICMP, and calls go on at once.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::streams::{TRUNKS, start};
use crate::support::{SOON, free_port, invite, ok, options, receive, udp_peer};

/// A trunk with two targets by UDP; the second takes the calls that the first does not answer.
fn trunk(dead: u16, alive: u16) -> String {
    format!(
        "{TRUNKS}[[trunks]]\nname = \"pbx\"\nprobe = \"off\"\n\
         origination = [{{ uri = \"sip:127.0.0.1:{dead}\", priority = 1 }}, \
         {{ uri = \"sip:127.0.0.3:{alive}\", priority = 2 }}]\n[[routes]]\nto = \"pbx\"\n"
    )
}

#[test]
fn trk_3_a_target_whose_process_is_dead_is_passed_over_at_once() {
    let callee = udp_peer("127.0.0.3");
    let alive = callee.local_addr().unwrap().port();
    let (mut daemon, edge) = start(&trunk(free_port(), alive));
    let caller = udp_peer("127.0.0.2");
    let to = ("127.0.0.1", edge.udp);
    let started = Instant::now();
    caller
        .send_to(invite(&caller, "100", "dead").as_bytes(), to)
        .unwrap();
    let (request, from) = receive(&callee, "INVITE ");
    // Without ICMP it takes 4 s.
    assert!(started.elapsed() < Duration::from_secs(3));
    callee
        .send_to(ok(&callee, &request).as_bytes(), from)
        .unwrap();
    receive(&caller, "SIP/2.0 200 ");
    daemon.wait_for_log("port unreachable (ICMP)");
}

/// The error that ICMP leaves on the socket must not cost other peers their messages.
#[test]
fn trk_3_a_dead_peer_costs_others_no_messages() {
    let (daemon, edge) = start(TRUNKS);
    let to = ("127.0.0.1", edge.udp);
    let asker = udp_peer("127.0.0.2");
    for index in 0..50 {
        // Our answer finds nobody, while another peer is being answered.
        let gone = UdpSocket::bind("127.0.0.2:0").unwrap();
        let from = gone.local_addr().unwrap();
        gone.send_to(options("UDP", from, &format!("gone{index}")).as_bytes(), to)
            .unwrap();
        drop(gone);
        let id = format!("asked{index}");
        let from = asker.local_addr().unwrap();
        asker
            .send_to(options("UDP", from, &id).as_bytes(), to)
            .unwrap();
        asker
            .set_read_timeout(Some(Duration::from_millis(400)))
            .unwrap();
        receive(&asker, "SIP/2.0 200 ");
    }
    asker.set_read_timeout(Some(SOON)).unwrap();
    let counters = &daemon.status()["counters"];
    assert_eq!(
        counters["signalling"]["transport_failures"], 0,
        "{counters}"
    );
}
