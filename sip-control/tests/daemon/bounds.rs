//! What one address, or a crowd of silent ones, may take of us: few places, for a short time.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::streams::{TRUNKS, connect, is_closed, read_message, start};
use crate::support::{Authority, Daemon, Directory, Edge, SOON, options};
use crate::tls::{CALLER, probe, tls_client};

fn connect_from(from: [u8; 4], port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(from)), 0);
    socket.bind(&from.into()).unwrap();
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[test]
fn one_address_cannot_take_every_handshake() {
    let (edge, directory) = (Edge::new(), Directory::new());
    let authority = Authority::new();
    let limits = "[limits]\nmax_handshakes = 100\nmax_handshakes_per_address = 3\n";
    edge.configure(&directory, &authority, &format!("{CALLER}{limits}"));
    let mut daemon = Daemon::start(directory);
    // Half-open: connected, and not a byte of TLS.
    let mut silent: Vec<TcpStream> = (0..20)
        .map(|_| connect_from([127, 0, 0, 9], edge.tls))
        .collect();
    let line = daemon.wait_for_log("limits.max_handshakes_per_address");
    assert!(line.contains("peer=127.0.0.9:"), "{line}");
    assert!(probe(&mut tls_client(edge.tls, &[&authority]), "other").unwrap());
    let refused = daemon.status()["counters"]["transport"]["connections_refused"].clone();
    assert_eq!(refused, 17);
    // Their time is over, too.
    assert!(is_closed(&mut silent[0]));
}

#[test]
fn one_address_cannot_take_every_connection() {
    let (daemon, edge) = start(&format!(
        "{TRUNKS}[limits]\nmax_connections_per_address = 2\n"
    ));
    let mut streams = [connect(edge.tcp), connect(edge.tcp)];
    for (index, stream) in streams.iter_mut().enumerate() {
        let from = stream.local_addr().unwrap();
        stream
            .write_all(options("TCP", from, &format!("a{index}")).as_bytes())
            .unwrap();
        assert!(read_message(stream).starts_with("SIP/2.0 200 "));
    }
    assert!(is_closed(&mut connect(edge.tcp)));
    let mut other = connect_from([127, 0, 0, 5], edge.tcp);
    let from = other.local_addr().unwrap();
    other
        .write_all(options("TCP", from, "other").as_bytes())
        .unwrap();
    assert!(read_message(&mut other).starts_with("SIP/2.0 200 "));
    let counters = &daemon.status()["counters"]["transport"];
    assert_eq!(counters["connections_refused"], 1);
}

/// A byte now and then keeps an ordinary timeout from ever being over.
#[test]
fn sig_9_a_message_that_trickles_in_is_not_waited_for_for_ever() {
    let (mut daemon, edge) = start(&format!("{TRUNKS}[limits]\nmessage_timeout = \"700ms\"\n"));
    let mut slow = connect(edge.tcp);
    let from = slow.local_addr().unwrap();
    let began = Instant::now();
    for byte in options("TCP", from, "slow").as_bytes() {
        if slow.write_all(&[*byte]).is_err() || began.elapsed() > SOON {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_closed(&mut slow));
    assert!(began.elapsed() < Duration::from_secs(10));
    let line = daemon.wait_for_log("no whole message in time");
    assert!(line.contains(&format!("peer={from}")), "{line}");
    // Silence between whole messages is something else.
    let mut calm = connect(edge.tcp);
    let from = calm.local_addr().unwrap();
    for id in ["calm1", "calm2"] {
        calm.write_all(options("TCP", from, id).as_bytes()).unwrap();
        assert!(read_message(&mut calm).starts_with("SIP/2.0 200 "));
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(daemon.status()["counters"]["transport"]["slow_senders"], 1);
}

/// Every way to cut two messages and a ping in two, and the same in one piece.
#[test]
fn sig_9_a_stream_may_be_cut_and_joined_anywhere() {
    let (daemon, edge) = start(TRUNKS);
    let mut stream = connect(edge.tcp);
    let from = stream.local_addr().unwrap();
    let text = |id: usize| {
        let pair = [format!("first{id}"), format!("second{id}")];
        let [first, second] = pair.each_ref().map(|id| options("TCP", from, id));
        (first + "\r\n\r\n" + &second).into_bytes()
    };
    let length = text(10_000).len();
    for cut in (0..length).step_by(3) {
        let bytes = text(10_000 + cut);
        let (head, tail) = bytes.split_at(cut);
        stream.write_all(head).unwrap();
        stream.flush().unwrap();
        stream.write_all(tail).unwrap();
        let mut answers = String::new();
        while answers.matches("SIP/2.0 200 ").count() < 2 || !answers.ends_with("\r\n\r\n") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "closed at {cut}");
            answers += &String::from_utf8_lossy(&buffer[..count]);
        }
        assert!(answers.contains(&format!("first{}", 10_000 + cut)), "{cut}");
        assert!(
            answers.contains(&format!("second{}", 10_000 + cut)),
            "{cut}"
        );
    }
    assert_eq!(daemon.status()["counters"]["transport"]["framing_lost"], 0);
}
