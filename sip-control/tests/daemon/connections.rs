//! SIG-3 over sockets: connections that we keep alive, lose and replace; SIG-9: large requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::streams::{TRUNKS, connect, read_message, start};
use crate::support::{SOON, ack, free_port, header, invite, ok, options, receive, udp_peer};

const CALLER: &str = "127.0.0.2";

/// A PBX that is reached by TCP at that port, and all calls go there.
fn pbx(port: u16, limits: &str) -> String {
    format!(
        "{TRUNKS}[[trunks]]\nname = \"pbx\"\ndestination = \"sip:127.0.0.1:{port};transport=tcp\"\nprobe = \"off\"\n\
         [[routes]]\nto = \"pbx\"\n[limits]\n{limits}\n"
    )
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// A message and its body.
fn read_whole(stream: &mut TcpStream) -> String {
    let mut message = loop {
        // A ping of ours may stand in front.
        let message = read_message(stream);
        if !message.trim().is_empty() {
            break message.trim_start().to_owned();
        }
    };
    let length = header(&message, "Content-Length").parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    message += &String::from_utf8(body).unwrap();
    message
}

/// The PBX answers the call on `stream`, both are up; the caller's 200.
fn answer(caller: &UdpSocket, edge: SocketAddr, stream: &mut TcpStream) -> String {
    let request = read_whole(stream);
    assert!(request.starts_with("INVITE "), "{request}");
    let local = stream.local_addr().unwrap();
    let answer = ok(caller, &request).replace(
        &format!("<sip:{}>", caller.local_addr().unwrap()),
        &format!("<sip:pbx@{local};transport=tcp>"),
    );
    stream.write_all(answer.as_bytes()).unwrap();
    assert!(read_whole(stream).starts_with("ACK "));
    let (answer, _) = receive(caller, "SIP/2.0 200 ");
    caller
        .send_to(ack(caller, &answer).as_bytes(), edge)
        .unwrap();
    answer
}

fn bye(caller: &UdpSocket, answer: &str) -> String {
    ack(caller, answer)
        .replace("ACK ", "BYE ")
        .replace("CSeq: 1 ACK", "CSeq: 2 BYE")
        .replace("z9hG4bKack", "z9hG4bKbye")
        .replace(" ACK\r\n", " BYE\r\n")
}

#[test]
fn sig_3_a_connection_that_we_opened_is_kept_alive_by_pings() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_daemon, edge) = start(&pbx(port, "keepalive = \"300ms\""));
    let caller = udp_peer(CALLER);
    let to = SocketAddr::from(([127, 0, 0, 1], edge.udp));
    caller
        .send_to(invite(&caller, "100", "kept").as_bytes(), to)
        .unwrap();
    let mut stream = accept(&listener);
    assert!(read_whole(&mut stream).starts_with("INVITE "));
    for _ in 0..3 {
        let mut ping = [0; 4];
        stream.read_exact(&mut ping).unwrap();
        assert_eq!(&ping, b"\r\n\r\n");
        stream.write_all(b"\r\n").unwrap();
    }
}

#[test]
fn sig_3_a_peer_that_answered_pings_and_stops_is_replaced_and_its_call_goes_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut daemon, edge) = start(&pbx(port, "keepalive = \"300ms\""));
    let caller = udp_peer(CALLER);
    let to = SocketAddr::from(([127, 0, 0, 1], edge.udp));
    caller
        .send_to(invite(&caller, "100", "silent").as_bytes(), to)
        .unwrap();
    let mut stream = accept(&listener);
    let answer = answer(&caller, to, &mut stream);
    // One answer, and then silence: as of a peer whose machine was switched off.
    let mut ping = [0; 4];
    stream.read_exact(&mut ping).unwrap();
    stream.write_all(b"\r\n").unwrap();
    daemon.wait_for_log("the peer does not answer pings any more");
    caller
        .send_to(bye(&caller, &answer).as_bytes(), to)
        .unwrap();
    let mut fresh = accept(&listener);
    let request = read_whole(&mut fresh);
    assert!(request.starts_with("BYE sip:pbx@127.0.0.1:"), "{request}");
    let status = daemon.status();
    assert_eq!(status["counters"]["transport"]["pings_unanswered"], 1);
}

#[test]
fn sig_3_a_request_that_meets_a_connection_lost_without_a_word_goes_by_a_new_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (daemon, edge) = start(&pbx(port, ""));
    let caller = udp_peer(CALLER);
    let to = SocketAddr::from(([127, 0, 0, 1], edge.udp));
    caller
        .send_to(invite(&caller, "100", "lost").as_bytes(), to)
        .unwrap();
    let mut stream = accept(&listener);
    let answer = answer(&caller, to, &mut stream);
    // The BYE is read and the connection closed without an answer: as if the peer had begun anew.
    caller
        .send_to(bye(&caller, &answer).as_bytes(), to)
        .unwrap();
    let first = read_whole(&mut stream);
    assert!(first.starts_with("BYE "), "{first}");
    drop(stream);
    let mut fresh = accept(&listener);
    // The ACK before it may be lost, too.
    let second = loop {
        let message = read_whole(&mut fresh);
        if !message.starts_with("ACK ") {
            break message;
        }
    };
    assert_eq!(first, second, "the same transaction");
    fresh.write_all(ok(&caller, &second).as_bytes()).unwrap();
    receive(&caller, "SIP/2.0 200 ");
    let counters = &daemon.status()["counters"]["transport"];
    assert!(counters["messages_sent_again"].as_u64().unwrap() >= 1);
    // Once: a peer that closes every connection does not make us try for ever.
    caller
        .send_to(invite(&caller, "100", "again").as_bytes(), to)
        .unwrap();
    assert!(read_whole(&mut fresh).starts_with("INVITE "));
    drop(fresh);
    let mut third = accept(&listener);
    assert!(read_whole(&mut third).starts_with("INVITE "));
    drop(third);
    let (refusal, _) = receive(&caller, "SIP/2.0 5");
    assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
}

/// Whoever asks, is answered and goes has got what it wanted: nobody calls it back.
#[test]
fn sig_3_a_peer_that_closes_after_its_answer_is_not_called_back() {
    let (daemon, edge) = start(TRUNKS);
    let back = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = connect(edge.tcp);
    let request = options("TCP", back.local_addr().unwrap(), "gone");
    stream.write_all(request.as_bytes()).unwrap();
    assert!(read_message(&mut stream).starts_with("SIP/2.0 200 "));
    drop(stream);
    let started = Instant::now();
    while daemon.status()["counters"]["connections"] != 0 {
        assert!(started.elapsed() < SOON);
        std::thread::sleep(Duration::from_millis(10));
    }
    let counters = &daemon.status()["counters"]["transport"];
    assert_eq!(counters["connections_dialled"], 0);
}

/// The caller's Contact is an address that nobody could dial.
#[test]
fn sig_3_requests_within_a_dialog_use_the_accepted_connection_and_no_new_dial() {
    let callee = udp_peer("127.0.0.3");
    let address = callee.local_addr().unwrap();
    let (daemon, edge) = start(&format!(
        "{TRUNKS}[[trunks]]\nname = \"pbx\"\ndestination = \"sip:{address}\"\n[[routes]]\nto = \"pbx\"\n"
    ));
    let mut stream = connect(edge.tcp);
    let media = udp_peer(CALLER);
    let request = invite(&media, "100", "accepted")
        .replace("SIP/2.0/UDP", "SIP/2.0/TCP")
        .replace(
            &format!("Contact: <sip:caller@{}>", media.local_addr().unwrap()),
            "Contact: <sip:caller@10.99.99.99:5071;transport=tcp>",
        );
    stream.write_all(request.as_bytes()).unwrap();
    let (request, from) = receive(&callee, "INVITE ");
    callee
        .send_to(ok(&callee, &request).as_bytes(), from)
        .unwrap();
    let answer = loop {
        let answer = read_whole(&mut stream);
        if answer.starts_with("SIP/2.0 200 ") {
            break answer;
        }
    };
    let ack = ack(&media, &answer).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    stream.write_all(ack.as_bytes()).unwrap();
    receive(&callee, "ACK ");
    let from_to = |name: &str| header(&request, name).to_owned();
    let bye = format!(
        "BYE sip:x@127.0.0.1:{} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKbye;rport\r\n\
         Max-Forwards: 70\r\nFrom: {};tag=callee\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n\
         Content-Length: 0\r\n\r\n",
        edge.udp,
        from_to("To"),
        from_to("From"),
        from_to("Call-ID")
    );
    callee.send_to(bye.as_bytes(), from).unwrap();
    let bye = read_whole(&mut stream);
    assert!(bye.starts_with("BYE sip:caller@10.99.99.99:5071"), "{bye}");
    let counters = &daemon.status()["counters"]["transport"];
    assert_eq!(counters["connections_dialled"], 0);
}

#[test]
fn sig_9_a_large_request_to_a_udp_peer_goes_by_tcp_and_falls_back_to_udp() {
    for has_tcp in [true, false] {
        let port = free_port();
        let (_daemon, edge) = start(&format!(
            "{TRUNKS}[[trunks]]\nname = \"pbx\"\ndestination = \"sip:127.0.0.1:{port}\"\n[[routes]]\nto = \"pbx\"\n"
        ));
        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        udp.set_read_timeout(Some(SOON)).unwrap();
        let tcp = has_tcp.then(|| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let caller = udp_peer(CALLER);
        let large = invite(&caller, "100", "large").replace(
            "Content-Type:",
            &format!("X-Large: {}\r\nContent-Type:", "x".repeat(1200)),
        );
        caller
            .send_to(large.as_bytes(), ("127.0.0.1", edge.udp))
            .unwrap();
        let request = match tcp {
            Some(tcp) => read_whole(&mut accept(&tcp)),
            None => receive(&udp, "INVITE ").0,
        };
        let via = if has_tcp {
            "SIP/2.0/TCP "
        } else {
            "SIP/2.0/UDP "
        };
        assert!(header(&request, "Via").starts_with(via), "{request}");
        assert!(request.len() > 1300);
    }
}
