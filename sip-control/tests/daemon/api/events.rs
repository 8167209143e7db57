//! Events of a running daemon, for clients that come back, read slowly or not at all.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{Api, by, read_until, request, trunks};
use crate::support::{SOON, receive, udp_peer, wait_until};

#[test]
fn ops_3_a_client_that_comes_back_after_a_restart_misses_nothing() {
    let stranger = udp_peer("127.0.0.9");
    let mut api = Api::start("");
    let refused = |api: &Api, id: &str| {
        api.invite(&stranger, "100", id);
        receive(&stranger, "SIP/2.0 403 ");
    };
    refused(&api, "one");
    let stream = |api: &Api, headers: &str| {
        let mut stream = UnixStream::connect(api.daemon.directory().path("control.sock")).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let path = "/events/stream?after=0&kinds=call_refused";
        let asked = request("GET", path, headers, &Value::Null);
        stream.write_all(asked.as_bytes()).unwrap();
        stream
    };
    let seen = read_until(&mut stream(&api, ""), "event: call_refused");
    let seen = &seen[seen
        .find("event: call_refused")
        .unwrap_or(0)
        .saturating_sub(40)..];
    let id: u64 = seen
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
        .parse()
        .unwrap();
    refused(&api, "two");
    wait_until(|| {
        api.get("/events?kinds=call_refused")["items"]
            .as_array()
            .unwrap()
            .len()
            == 2
    });
    api.daemon.restart();
    refused(&api, "three");
    let mut again = stream(&api, &format!("Last-Event-ID: {id}\r\n"));
    let seen = read_until(&mut again, "event: call_refused");
    let seen = match seen.matches("event: call_refused").count() {
        1 => seen + &read_until(&mut again, "event: call_refused"),
        _ => seen,
    };
    assert_eq!(seen.matches("event: call_refused").count(), 2, "{seen}");
}

#[test]
fn ops_3_events_come_over_a_websocket_too() {
    let api = Api::start("");
    let token = api.token("read");
    let mut stream = api.connect();
    let handshake = format!(
        "GET /api/v1/events/socket HTTP/1.1\r\nHost: edge\r\n{}Upgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        by(&token)
    );
    stream.write_all(handshake.as_bytes()).unwrap();
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // RFC 6455 section 1.3 has this key.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let stranger = udp_peer("127.0.0.9");
    api.invite(&stranger, "100", "ws");
    let seen = read_until(&mut stream, "call_refused");
    assert!(seen.contains("\"seq\":"), "{seen}");
}

#[test]
fn ops_3_clients_that_read_nothing_hold_up_no_call() {
    let (caller, callee) = (udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let api = Api::start(&trunks(callee.local_addr().unwrap()));
    let path = api.daemon.directory().path("control.sock");
    let asked = request("GET", "/events/stream?after=0", "", &Value::Null);
    let stalled: Vec<UnixStream> = (0..200)
        .map(|_| {
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(asked.as_bytes()).unwrap();
            stream
        })
        .collect();
    for id in 0..50 {
        let begun = Instant::now();
        api.set_up([&caller, &callee], &format!("s{id}"));
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }
    assert_eq!(api.get("/health")["events"]["clients"], 200);
    assert_eq!(
        api.get("/calls?limit=1")["items"].as_array().unwrap().len(),
        1
    );
    drop(stalled);
    wait_until(|| api.get("/health")["events"]["clients"] == 0);
}

#[test]
fn ops_1_the_daemon_ends_while_clients_listen() {
    let mut api = Api::start("");
    let path = api.daemon.directory().path("control.sock");
    let mut listening = UnixStream::connect(&path).unwrap();
    let asked = request("GET", "/events/stream", "", &Value::Null);
    listening.write_all(asked.as_bytes()).unwrap();
    read_until(&mut listening, "200 OK");
    let begun = Instant::now();
    api.daemon.signal(Signal::TERM);
    assert!(api.daemon.wait().success());
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!path.exists());
    assert!(
        api.daemon
            .log()
            .lines()
            .last()
            .unwrap()
            .ends_with("stopped")
    );
}
