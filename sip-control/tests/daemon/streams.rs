//! TCP connections: framing, keep-alives, re-use, and what happens when they break.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, header, invite, options, receive, udp_peer,
};

pub(crate) const TRUNKS: &str = "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.0/8\"]\n";

pub(crate) fn start(more: &str) -> (Daemon, Edge) {
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &Authority::new(), more);
    (Daemon::start(directory), edge)
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// One message without a body.
pub(crate) fn read_message(stream: &mut impl Read) -> String {
    let mut message = Vec::new();
    let mut byte = [0];
    while !message.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        message.push(byte[0]);
    }
    String::from_utf8(message).unwrap()
}

/// Whether the daemon has closed the connection, waiting for it.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn messages_are_answered_however_the_stream_is_cut() {
    let (_daemon, edge) = start(TRUNKS);
    let mut stream = connect(edge.tcp);
    let from = stream.local_addr().unwrap();
    for byte in options("TCP", from, "split").as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    let answer = read_message(&mut stream);
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert_eq!(header(&answer, "Call-ID"), "split");

    let merged = options("TCP", from, "first") + &options("TCP", from, "second");
    stream.write_all(merged.as_bytes()).unwrap();
    let answers = [read_message(&mut stream), read_message(&mut stream)];
    assert_eq!(
        answers.each_ref().map(|answer| header(answer, "Call-ID")),
        ["first", "second"]
    );
}

#[test]
fn a_ping_is_answered_with_one_line_end() {
    let (_daemon, edge) = start(TRUNKS);
    let mut stream = connect(edge.tcp);
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    let from = stream.local_addr().unwrap();
    stream
        .write_all(options("TCP", from, "after").as_bytes())
        .unwrap();
    assert!(read_message(&mut stream).starts_with("SIP/2.0 200 "));
}

#[test]
fn a_stream_that_loses_its_framing_is_closed_and_logged_with_the_peer() {
    let (mut daemon, edge) = start(TRUNKS);
    let without_length =
        options("TCP", ([127, 0, 0, 1], 1).into(), "x").replace("Content-Length: 0\r\n", "");
    let too_long = format!("OPTIONS sip:a@b SIP/2.0\r\nX: {}", "x".repeat(70_000));
    for bytes in [
        "GET / HTTP/1.1\r\n\r\n",
        without_length.as_str(),
        too_long.as_str(),
    ] {
        let mut stream = connect(edge.tcp);
        let peer = stream.local_addr().unwrap();
        // The daemon may close before it has everything.
        let _ = stream.write_all(bytes.as_bytes());
        assert!(is_closed(&mut stream), "{}", &bytes[..20]);
        let line = daemon.wait_for_log(&format!("peer={peer}"));
        assert!(
            line.contains("WARN") && line.contains("connection closed: "),
            "{line}"
        );
    }
    assert_eq!(daemon.status()["counters"]["transport"]["framing_lost"], 3);
}

#[test]
fn calls_to_a_peer_share_a_connection_and_a_dead_one_is_replaced() {
    let pbx = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = pbx.local_addr().unwrap().port();
    let (_daemon, edge) = start(&format!(
        "{TRUNKS}[[trunks]]\nname = \"pbx\"\ndestination = \"sip:127.0.0.1:{port};transport=tcp\"\n[[routes]]\nto = \"pbx\"\n"
    ));
    let (caller, edge) = (
        udp_peer("127.0.0.2"),
        SocketAddr::from(([127, 0, 0, 1], edge.udp)),
    );
    let call = |id: &str| {
        caller
            .send_to(invite(&caller, "100", id).as_bytes(), edge)
            .unwrap()
    };

    call("one");
    let (mut connection, _) = pbx.accept().unwrap();
    connection.set_read_timeout(Some(SOON)).unwrap();
    assert!(read_message(&mut connection).starts_with("INVITE "));
    call("two");
    // The body of the first, then the second INVITE, by the same connection.
    while !read_message(&mut connection).contains("INVITE sip:100") {}

    drop(connection);
    // The daemon may take a moment to notice; a call that meets the dead connection fails over to none.
    for attempt in 0.. {
        std::thread::sleep(std::time::Duration::from_millis(100));
        call(&format!("three{attempt}"));
        pbx.set_nonblocking(true).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        if pbx.accept().is_ok() {
            break;
        }
        assert!(attempt < 20, "no new connection");
    }
}

#[test]
fn a_peer_that_refuses_the_connection_fails_the_call_at_once() {
    let port = crate::support::free_port();
    let (_daemon, edge) = start(&format!(
        "{TRUNKS}[[trunks]]\nname = \"pbx\"\ndestination = \"sip:127.0.0.1:{port};transport=tcp\"\n[[routes]]\nto = \"pbx\"\n"
    ));
    let caller = udp_peer("127.0.0.2");
    let started = std::time::Instant::now();
    caller
        .send_to(
            invite(&caller, "100", "refused").as_bytes(),
            ("127.0.0.1", edge.udp),
        )
        .unwrap();
    let (answer, _) = receive(&caller, "SIP/2.0 5");
    assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    let (daemon, edge) = start(&format!("{TRUNKS}[limits]\nmax_connections = 2\n"));
    let mut streams = [connect(edge.tcp), connect(edge.tcp)];
    for (index, stream) in streams.iter_mut().enumerate() {
        let from = stream.local_addr().unwrap();
        stream
            .write_all(options("TCP", from, &format!("c{index}")).as_bytes())
            .unwrap();
        assert!(read_message(stream).starts_with("SIP/2.0 200 "));
    }
    assert!(is_closed(&mut connect(edge.tcp)));
    assert_eq!(
        daemon.status()["counters"]["transport"]["connections_refused"],
        1
    );
}

#[test]
fn a_silent_connection_is_closed_after_the_idle_timeout() {
    let (_daemon, edge) = start(&format!("{TRUNKS}[limits]\nidle_timeout = \"500ms\"\n"));
    let mut stream = connect(edge.tcp);
    let from = stream.local_addr().unwrap();
    stream
        .write_all(options("TCP", from, "once").as_bytes())
        .unwrap();
    assert!(read_message(&mut stream).starts_with("SIP/2.0 200 "));
    assert!(is_closed(&mut stream));
}

#[test]
fn a_burst_on_one_stream_is_answered_to_the_last_message() {
    let (_daemon, edge) = start(TRUNKS);
    let mut stream = connect(edge.tcp);
    let from = stream.local_addr().unwrap();
    let burst: String = (0..800)
        .map(|id| options("TCP", from, &format!("burst{id}")))
        .collect();
    stream.write_all(burst.as_bytes()).unwrap();
    for id in 0..800 {
        let answer = read_message(&mut stream);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        assert_eq!(header(&answer, "Call-ID"), format!("burst{id}"));
    }
}

#[test]
fn a_peer_that_does_not_read_loses_its_connection_and_no_other() {
    let (mut daemon, edge) = start(TRUNKS);
    let mut deaf = connect(edge.tcp);
    deaf.set_write_timeout(Some(SOON)).unwrap();
    let from = deaf.local_addr().unwrap();
    // Until the answers fill what the kernel keeps for both, and the requests too.
    for id in 0..40_000 {
        let request = options("TCP", from, &format!("deaf{id}"));
        if deaf.write_all(request.as_bytes()).is_err() {
            break;
        }
    }
    let mut other = connect(edge.tcp);
    let from = other.local_addr().unwrap();
    other
        .write_all(options("TCP", from, "other").as_bytes())
        .unwrap();
    assert!(read_message(&mut other).starts_with("SIP/2.0 200 "));
    // The daemon gives it 20 s.
    daemon.wait_for_logs_within(2 * SOON, "the peer does not read", 1);
}

/// SIG-9: what is too long is refused, and then the connection closes, as nobody knows where the
/// next message would begin.
#[test]
fn sig_9_a_message_that_is_too_long_is_answered_513_before_the_connection_closes() {
    let limits = "[limits]\nmax_message_bytes = 4096\nmax_headers = 32\nmax_header_bytes = 512\n";
    let (_daemon, edge) = start(&format!("{limits}{TRUNKS}"));
    let mut stream = connect(edge.tcp);
    let from = stream.local_addr().unwrap();
    let fits = options("TCP", from, "fits");
    let crowded = fits.replace(
        "Content-Length",
        &("X: 1\r\n".repeat(26) + "Content-Length"),
    );
    stream.write_all(crowded.as_bytes()).unwrap();
    let answer = read_message(&mut stream);
    assert!(
        answer.starts_with("SIP/2.0 400 more than 32 header lines\r\n"),
        "{answer}"
    );
    let far = fits.replacen(
        "OPTIONS sip:",
        &format!("OPTIONS sip:{}", "a".repeat(600)),
        1,
    );
    stream.write_all(far.as_bytes()).unwrap();
    let answer = read_message(&mut stream);
    assert!(
        answer.starts_with("SIP/2.0 414 Request-URI longer than 512 bytes\r\n"),
        "{answer}"
    );
    let long = fits.replace("Content-Length: 0", "Content-Length: 9000") + &"x".repeat(9000);
    stream.write_all(long.as_bytes()).unwrap();
    let answer = read_message(&mut stream);
    assert!(
        answer.starts_with("SIP/2.0 513 message longer than 4096 bytes\r\n"),
        "{answer}"
    );
    assert_eq!(header(&answer, "Call-ID"), "fits");
    assert!(is_closed(&mut stream));
}

/// The same limits, whatever the transport.
#[test]
fn sig_9_a_datagram_that_is_too_long_is_answered_513() {
    let (_daemon, edge) = start(&format!("[limits]\nmax_message_bytes = 4096\n{TRUNKS}"));
    let peer = udp_peer("127.0.0.1");
    let from = peer.local_addr().unwrap();
    let long = options("UDP", from, "long") + &"x".repeat(5000);
    peer.send_to(long.as_bytes(), ("127.0.0.1", edge.udp))
        .unwrap();
    let (answer, _) = receive(&peer, "SIP/2.0 513 ");
    assert_eq!(header(&answer, "Call-ID"), "long");
}
