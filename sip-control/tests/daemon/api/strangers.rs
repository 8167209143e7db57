//! Whoever sends what no client of ours does.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Api, by, exchange, read_until, request};
use crate::support::wait_until;

#[test]
fn garbage_huge_heads_and_huge_bodies_are_refused_and_others_are_served() {
    let api = Api::start("");
    let token = api.token("admin");
    let mut garbage = b"\x16\x03\x01 nonsense\r\n\r\n".to_vec();
    garbage.extend([0xff; 4096]);
    let mut stream = api.connect();
    stream.write_all(&garbage).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "));
    let large = format!("X-Large: {}\r\n", "x".repeat(100_000));
    let answer = exchange(
        api.connect(),
        &request("GET", "/live", &large, &Value::Null),
    );
    assert_eq!(answer.status, 431);
    let many: String = (0..200).map(|place| format!("X-{place}: 1\r\n")).collect();
    let answer = exchange(api.connect(), &request("GET", "/live", &many, &Value::Null));
    assert_eq!(answer.status, 431);
    let body = json!({"name": "x".repeat(2 << 20)});
    let answer = exchange(
        api.connect(),
        &request("POST", "/trunks", &by(&token), &body),
    );
    assert_eq!(answer.status, 413);
    assert_eq!(
        exchange(api.connect(), "GET /api/v1/live HTTP/1.1\r\n\r\n").status,
        400
    );
    assert_eq!(api.get("/live"), json!({"ready": true}));
}

#[test]
fn no_path_leads_out_of_the_console() {
    let api = Api::start("");
    for path in [
        "/assets/../../../../etc/passwd",
        "/../../etc/passwd.txt",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets//etc/passwd",
        "/..%2f..%2fetc%2fpasswd.txt",
    ] {
        let asked = format!("GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n");
        let answer = exchange(api.connect(), &asked);
        assert!(
            [400, 404].contains(&answer.status),
            "{path}: {}",
            answer.status
        );
        assert!(!answer.body.contains("root:"), "{path}");
    }
    let asked = "GET / HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n";
    let answer = exchange(api.connect(), asked);
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[test]
fn strangers_who_only_hold_connections_leave_room_for_others() {
    let api = Api::start("");
    let token = api.token("read");
    // Those who have shown a token count no more.
    let mut proven = api.connect();
    let asked =
        request("GET", "/trunks", &by(&token), &Value::Null).replace("Connection: close\r\n", "");
    proven.write_all(asked.as_bytes()).unwrap();
    read_until(&mut proven, "\"items\"");
    let mut held: Vec<TcpStream> = (0..64).map(|_| api.connect()).collect();
    for stream in &mut held {
        stream
            .write_all(b"GET /api/v1/live HTTP/1.1\r\nHo")
            .unwrap();
    }
    // The next one of that address is closed.
    wait_until(|| exchange(api.connect(), &request("GET", "/live", "", &Value::Null)).status == 0);
    proven.write_all(asked.as_bytes()).unwrap();
    read_until(&mut proven, "\"items\"");
    assert_eq!(api.get("/live"), json!({"ready": true}));
    drop(held);
    wait_until(|| {
        exchange(api.connect(), &request("GET", "/live", "", &Value::Null)).status == 200
    });
}
