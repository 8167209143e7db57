//! Where calls go: DNS, failover and probes, by a daemon with real sockets.

use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};

use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, header, invite, ok, receive, udp_peer,
};
use crate::tls::tls_server;

type Zone = Vec<(&'static str, RData)>;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn srv(priority: u16, peer: &UdpSocket, target: &str) -> RData {
    let port = peer.local_addr().unwrap().port();
    RData::SRV(SRV::new(priority, 1, port, name(target)))
}

fn a(peer: &UdpSocket) -> RData {
    match peer.local_addr().unwrap().ip() {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(_) => panic!("an IPv4 peer"),
    }
}

/// A name server on loopback, for the life of the process.
fn name_server(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let question = query.queries[0].clone();
            let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
            reply.add_query(question.clone());
            for (owner, data) in &zone {
                if name(owner) == *question.name() && data.record_type() == question.query_type() {
                    reply.add_answer(Record::from_rdata(name(owner), 60, data.clone()));
                }
            }
            if reply.answers.is_empty() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
        }
    });
    address
}

fn start(edge: &Edge, more: &str) -> Daemon {
    let directory = Directory::new();
    edge.configure(&directory, &Authority::new(), more);
    Daemon::start(directory)
}

fn call(edge: &Edge, caller: &UdpSocket, id: &str) {
    let to = SocketAddr::from(([127, 0, 0, 1], edge.udp));
    caller
        .send_to(invite(caller, "100", id).as_bytes(), to)
        .unwrap();
}

const CALLER: &str = "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\n\
                      [[routes]]\nto = \"callee\"\n[cdr]\npath = \"DIR/calls.jsonl\"\n";

#[test]
fn trk_4_a_call_follows_srv_records_to_the_second_host_when_the_first_is_dead() {
    let [caller, dead, alive] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(udp_peer);
    let server = name_server(vec![
        ("_sip._udp.pbx.example.", srv(10, &dead, "a.pbx.example.")),
        ("_sip._udp.pbx.example.", srv(20, &alive, "b.pbx.example.")),
        ("a.pbx.example.", a(&dead)),
        ("b.pbx.example.", a(&alive)),
    ]);
    let edge = Edge::new();
    let daemon = start(
        &edge,
        &format!(
            "{CALLER}[dns]\nservers = [\"{server}\"]\n[[trunks]]\nname = \"callee\"\n\
             no_response = \"500ms\"\ndestination = \"sip:pbx.example;transport=udp\"\n"
        ),
    );
    call(&edge, &caller, "first");
    let (at_dead, _) = receive(&dead, "INVITE ");
    assert!(at_dead.starts_with("INVITE sip:100@pbx.example SIP/2.0"));
    let (at_alive, from) = receive(&alive, "INVITE ");
    assert_ne!(header(&at_dead, "Call-ID"), header(&at_alive, "Call-ID"));
    alive
        .send_to(ok(&alive, &at_alive).as_bytes(), from)
        .unwrap();
    let (answer, _) = receive(&caller, "SIP/2.0 200 ");
    assert_eq!(header(&answer, "Call-ID"), "first");

    // The second call knows better.
    let began = Instant::now();
    call(&edge, &caller, "second");
    receive(&alive, "INVITE ");
    assert!(began.elapsed() < Duration::from_millis(400));
    drop(daemon);
}

/// A peer that names no port in its Contact is found as targets are; one that names what we called
/// stays where the call is, whatever else DNS has for that name.
#[test]
fn trk_4_requests_within_a_call_follow_srv_records_too() {
    let [caller, called, other] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(udp_peer);
    let server = name_server(vec![
        ("_sip._udp.pbx.example.", srv(10, &called, "a.pbx.example.")),
        ("_sip._udp.pbx.example.", srv(20, &other, "b.pbx.example.")),
        ("_sip._udp.gw.example.", srv(10, &other, "b.pbx.example.")),
        ("a.pbx.example.", a(&called)),
        ("b.pbx.example.", a(&other)),
    ]);
    let edge = Edge::new();
    let _daemon = start(
        &edge,
        &format!(
            "{CALLER}[dns]\nservers = [\"{server}\"]\n[[trunks]]\nname = \"callee\"\n\
             destination = \"sip:pbx.example;transport=udp\"\n"
        ),
    );
    for (id, contact, reached) in [
        ("elsewhere", "<sip:x@gw.example>", &other),
        ("here", "<sip:x@pbx.example>", &called),
    ] {
        call(&edge, &caller, id);
        let (invite, from) = receive(&called, "INVITE ");
        let answer = ok(&called, &invite);
        let own = format!("<sip:{}>", called.local_addr().unwrap());
        let answer = answer.replace(&own, contact);
        called.send_to(answer.as_bytes(), from).unwrap();
        let (ack, _) = receive(reached, "ACK ");
        assert!(ack.starts_with(&format!("ACK {} ", &contact[1..contact.len() - 1])));
        assert_eq!(header(&ack, "Call-ID"), header(&invite, "Call-ID"));
    }
}

#[test]
fn trk_5_probes_show_in_status_and_keep_calls_from_a_dead_target() {
    let [caller, dead, alive] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"].map(udp_peer);
    let edge = Edge::new();
    let mut daemon = start(
        &edge,
        &format!(
            "{CALLER}[[trunks]]\nname = \"callee\"\nprobe = \"10s\"\nprobe_failures = 1\n\
             no_response = \"500ms\"\n[[trunks.origination]]\nuri = \"sip:{}\"\n\
             [[trunks.origination]]\nuri = \"sip:{}\"\npriority = 1\n",
            dead.local_addr().unwrap(),
            alive.local_addr().unwrap()
        ),
    );
    let (options, from) = receive(&alive, "OPTIONS ");
    alive
        .send_to(ok(&alive, &options).as_bytes(), from)
        .unwrap();
    daemon.wait_for_log("target_out_of_service");
    let began = Instant::now();
    loop {
        let status = daemon.status();
        let states: Vec<_> = [0, 1]
            .map(|place| {
                status["targets"][place]["state"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .to_vec();
        if states == ["out_of_service", "in_service"]
            && status["targets"][1]["latest_probe"] == "200 OK"
        {
            break;
        }
        assert!(began.elapsed() < SOON, "{status}");
        std::thread::sleep(Duration::from_millis(20));
    }
    call(&edge, &caller, "avoids");
    receive(&alive, "INVITE ");
    dead.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65_535];
    while let Ok((length, _)) = dead.recv_from(&mut buffer) {
        assert!(buffer[..length].starts_with(b"OPTIONS "));
    }
}

/// A connection that is refused is tried again within the round; who refuses in the handshake has been
/// started, and will refuse again.
#[test]
fn trk_5_a_probe_that_fails_in_the_tls_handshake_dials_once_a_round() {
    let (certificate, key) = Authority::new().issue(&["127.0.0.1"]);
    let (mistrusted, _heard) = tls_server(&certificate, &key);
    let alerting = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = alerting.local_addr().unwrap().port();
    let accepted = std::thread::spawn(move || {
        let mut stream = alerting.accept().unwrap().0;
        // A fatal alert: handshake_failure (RFC 8446 section 6).
        stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).unwrap();
        alerting.set_nonblocking(true).unwrap();
        alerting
    });
    let edge = Edge::new();
    let mut daemon = start(
        &edge,
        &format!(
            "{CALLER}[[trunks]]\nname = \"callee\"\nsecure = \"tls\"\nprobe = \"10s\"\nprobe_failures = 1\n\
             [[trunks.origination]]\nuri = \"sip:127.0.0.1:{mistrusted}\"\n\
             [[trunks.origination]]\nuri = \"sip:127.0.0.1:{port}\"\npriority = 1\n"
        ),
    );
    daemon.wait_for_logs("target_out_of_service", 2);
    let status = daemon.status();
    for place in [0, 1] {
        let target = &status["targets"][place];
        assert_eq!(target["state"], "out_of_service", "{status}");
        let latest = target["latest_probe"].as_str().unwrap();
        assert!(latest.contains("TLS: "), "{latest}");
    }
    let transport = &status["counters"]["transport"];
    assert_eq!(transport["connections_dialled"], 2, "{transport}");
    assert_eq!(transport["connections_failed"], 2, "{transport}");
    assert!(accepted.join().unwrap().accept().is_err(), "dialled once");
}
