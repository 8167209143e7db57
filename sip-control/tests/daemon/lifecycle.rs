//! Start, reload, trouble and stop.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, ack, header, invite, ok, options, receive, trunkline,
    udp_peer, wait_until,
};

fn start(edge: &Edge, more: &str) -> Daemon {
    let directory = Directory::new();
    edge.configure(&directory, &Authority::new(), more);
    Daemon::start(directory)
}

fn udp(edge: &Edge) -> SocketAddr {
    ([127, 0, 0, 1], edge.udp).into()
}

fn trunks(caller_acl: &str, callee: &UdpSocket) -> String {
    format!(
        "[[trunks]]\nname = \"caller\"\nacl = [\"{caller_acl}\"]\n\
         [[trunks]]\nname = \"callee\"\nacl = [\"127.0.0.3\"]\ndestination = \"sip:{}\"\n\
         [[routes]]\nfrom = \"caller\"\nto = \"callee\"\n[cdr]\npath = \"DIR/calls.jsonl\"\n",
        callee.local_addr().unwrap()
    )
}

/// A call from INVITE to ACK.
fn set_up_call(edge: &Edge, caller: &UdpSocket, callee: &UdpSocket, id: &str) {
    caller
        .send_to(invite(caller, "100", id).as_bytes(), udp(edge))
        .unwrap();
    let (request, from) = receive(callee, "INVITE ");
    callee
        .send_to(ok(callee, &request).as_bytes(), from)
        .unwrap();
    let (answer, _) = receive(caller, "SIP/2.0 200 ");
    caller
        .send_to(ack(caller, &answer).as_bytes(), udp(edge))
        .unwrap();
    receive(callee, "ACK ");
}

#[test]
fn sigterm_ends_calls_with_bye_writes_their_records_and_leaves_nothing_behind() {
    let (edge, caller, callee) = (Edge::new(), udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let mut daemon = start(&edge, &trunks("127.0.0.2", &callee));
    set_up_call(&edge, &caller, &callee, "live");

    let status = daemon.status();
    let call = &status["calls"][0];
    assert_eq!(
        (&call["caller"]["trunk"], &call["callee"]["trunk"]),
        (&"caller".into(), &"callee".into()),
        "{status}"
    );
    assert_eq!(status["backend"], "socket");
    let (success, table, _) = trunkline(
        &["status", "--socket"],
        &daemon.directory().path("control.sock"),
    );
    assert!(
        success && table.contains("caller udp RTP/AVP -> callee udp RTP/AVP"),
        "{table}"
    );

    daemon.signal(Signal::TERM);
    for peer in [&caller, &callee] {
        let (bye, from) = receive(peer, "BYE ");
        peer.send_to(ok(peer, &bye).as_bytes(), from).unwrap();
    }
    assert_eq!(daemon.wait().code(), Some(0));
    let records = std::fs::read_to_string(daemon.directory().path("calls.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(records.trim()).unwrap();
    assert_eq!(record["ended_by"], "trunkline", "{record}");
    assert_eq!(record["status"], 200);
    assert_eq!(record["caller"]["call_id"], "live");
    assert_eq!(record["codec"], "PCMU");
    assert!(!daemon.directory().path("control.sock").exists());
    assert!(
        daemon.log().lines().last().unwrap().ends_with("stopped"),
        "{}",
        daemon.log()
    );
}

#[test]
fn a_second_sigterm_does_not_wait_for_peers() {
    let (edge, caller, callee) = (Edge::new(), udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let mut daemon = start(&edge, &trunks("127.0.0.2", &callee));
    set_up_call(&edge, &caller, &callee, "deaf");
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping: no new calls");
    let asked = std::time::Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(asked.elapsed() < std::time::Duration::from_secs(4));
    daemon
        .log()
        .lines()
        .last()
        .filter(|line| line.ends_with("stopped"))
        .unwrap();
}

#[test]
fn sighup_changes_trunks_for_the_next_call_and_a_bad_file_changes_nothing() {
    let (edge, callee) = (Edge::new(), udp_peer("127.0.0.3"));
    let mut daemon = start(&edge, &trunks("127.0.0.4", &callee));
    let refused = |id: &str| {
        let caller = udp_peer("127.0.0.2");
        caller
            .send_to(invite(&caller, "100", id).as_bytes(), udp(&edge))
            .unwrap();
        receive(&caller, "SIP/2.0 403 ");
    };
    refused("before");

    edge.write(daemon.directory(), &trunks("127.0.0.2", &callee));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded trunks");
    let caller = udp_peer("127.0.0.2");
    caller
        .send_to(invite(&caller, "100", "after").as_bytes(), udp(&edge))
        .unwrap();
    receive(&callee, "INVITE ");

    edge.write(
        daemon.directory(),
        &trunks("127.0.0.2", &callee).replace("sip:", "sctp:"),
    );
    daemon.signal(Signal::HUP);
    let line = daemon.wait_for_log("not reloaded: ");
    assert!(
        line.contains("ERROR") && line.contains("trunks[1].destination (callee): scheme \"sctp\""),
        "{line}"
    );
    let caller = udp_peer("127.0.0.2");
    caller
        .send_to(invite(&caller, "100", "still").as_bytes(), udp(&edge))
        .unwrap();
    receive(&callee, "INVITE sip:100@");
}

#[test]
fn a_full_disk_stops_no_call() {
    let (edge, caller, callee) = (Edge::new(), udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let more = trunks("127.0.0.2", &callee).replace("DIR/calls.jsonl", "/dev/full");
    let mut daemon = start(&edge, &more);
    let stranger = udp_peer("127.0.0.9");
    for id in ["r1", "r2", "r3"] {
        stranger
            .send_to(invite(&stranger, "100", id).as_bytes(), udp(&edge))
            .unwrap();
        receive(&stranger, "SIP/2.0 403 ");
    }
    daemon.wait_for_log("call records cannot be written: No space left on device");
    set_up_call(&edge, &caller, &callee, "fine");
    // The first of them was told of before the writer came to the others.
    wait_until(|| daemon.status()["counters"]["records_lost"] == 3);
    assert_eq!(
        daemon
            .log()
            .matches("call records cannot be written")
            .count(),
        1
    );
}

#[test]
fn what_cannot_be_bound_is_one_line_that_names_the_listener() {
    let (edge, directory) = (Edge::new(), Directory::new());
    let taken = UdpSocket::bind(udp(&edge)).unwrap();
    edge.configure(&directory, &Authority::new(), "");
    let (success, _, errors) = trunkline(&["run", "--config"], &directory.path("trunkline.toml"));
    assert!(!success);
    let expected = format!(
        "trunkline: listener udp: udp {} cannot be bound: Address already in use (os error 98)",
        taken.local_addr().unwrap()
    );
    // A thread that has been started may still say so after it.
    assert!(errors.lines().any(|line| line == expected), "{errors}");
}

#[test]
fn options_is_answered_over_udp_and_malformed_messages_with_400() {
    let edge = Edge::new();
    let daemon = start(
        &edge,
        "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.0/8\"]\n",
    );
    let peer = udp_peer("127.0.0.2");
    let request = options("UDP", peer.local_addr().unwrap(), "probe");
    peer.send_to(request.as_bytes(), udp(&edge)).unwrap();
    let (answer, _) = receive(&peer, "SIP/2.0 200 ");
    assert_eq!(header(&answer, "Call-ID"), "probe");
    peer.send_to(
        request
            .replace("CSeq: 1 OPTIONS", "CSeq: one OPTIONS")
            .as_bytes(),
        udp(&edge),
    )
    .unwrap();
    receive(&peer, "SIP/2.0 400 ");
    peer.send_to(b"\r\n\r\n", udp(&edge)).unwrap();
    peer.send_to(b"hello", udp(&edge)).unwrap();
    peer.send_to(request.replace("probe", "alive").as_bytes(), udp(&edge))
        .unwrap();
    receive(&peer, "SIP/2.0 200 ");
    assert_eq!(
        daemon.status()["counters"]["signalling"]["malformed_dropped"],
        1
    );
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let (_nobody_reads, mut log) = std::io::pipe().unwrap();
    let blocking = rustix::fs::fcntl_getfl(&log).unwrap();
    rustix::fs::fcntl_setfl(&log, blocking | rustix::fs::OFlags::NONBLOCK).unwrap();
    while log.write(&[b'.'; 512]).is_ok() {}
    rustix::fs::fcntl_setfl(&log, blocking).unwrap();

    let (edge, directory, caller) = (Edge::new(), Directory::new(), udp_peer("127.0.0.2"));
    let trunks = trunks("127.0.0.2", &udp_peer("127.0.0.3"));
    edge.configure(&directory, &Authority::new(), &trunks);
    let mut daemon = Daemon::start_unready(directory, log);
    caller.set_read_timeout(Some(SOON / 100)).unwrap();
    let is_answered = |id: u32| {
        let request = options("UDP", caller.local_addr().unwrap(), &format!("stuck{id}"));
        // Refused while the daemon does not listen yet.
        let _ = caller.send_to(request.as_bytes(), udp(&edge));
        caller.recv_from(&mut [0; 2048]).is_ok()
    };
    assert!((0..100).any(is_answered), "no answer");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

/// Numbers of the calls in the records, once there are so many.
fn recorded_calls(daemon: &Daemon, count: usize) -> Vec<u64> {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(daemon.directory().path("calls.jsonl")).unwrap();
        let numbers: Vec<u64> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|record| record["call"].as_u64())
            .collect();
        if numbers.len() >= count {
            return numbers;
        }
        assert!(started.elapsed() < SOON, "{count} records expected: {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn ops_2_no_call_has_the_number_of_one_before_a_crash() {
    let (edge, callee, stranger) = (Edge::new(), udp_peer("127.0.0.3"), udp_peer("127.0.0.9"));
    let store = "[store]\npath = \"DIR/store.db\"\n";
    let mut daemon = start(&edge, &(trunks("127.0.0.2", &callee) + store));
    let refused = |id: &str| {
        let request = invite(&stranger, "100", id);
        stranger.send_to(request.as_bytes(), udp(&edge)).unwrap();
        receive(&stranger, "SIP/2.0 403 ");
    };
    refused("before-1");
    refused("before-2");
    recorded_calls(&daemon, 2);
    daemon.crash_and_restart();
    refused("after");
    let numbers = recorded_calls(&daemon, 3);
    assert_eq!(numbers[..2], [1, 2]);
    assert!(numbers[2] > 2, "{numbers:?}");
}

#[test]
fn a_store_that_is_deleted_under_us_is_counted_and_comes_back_while_calls_go_on() {
    let (edge, caller, callee) = (Edge::new(), udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let store = "[store]\npath = \"DIR/store.db\"\n";
    let mut daemon = start(&edge, &(trunks("127.0.0.2", &callee) + store));
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        std::fs::remove_file(daemon.directory().path(name)).unwrap();
    }
    set_up_call(&edge, &caller, &callee, "meanwhile");
    daemon.wait_for_log("the file was deleted; it has been written again");
    assert!(daemon.directory().path("store.db").exists());
}
