//! The HTTP API of a running daemon: at its socket, at its port, with good clients and bad ones.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, ack, free_port, invite, ok, receive, trunkline,
    udp_peer, wait_until,
};

/// Status, head and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

/// A daemon with the API at a port of the loopback, and what it takes to ask it.
pub(crate) struct Api {
    pub(crate) daemon: Daemon,
    pub(crate) edge: Edge,
    pub(crate) port: u16,
}

impl Api {
    pub(crate) fn start(more: &str) -> Api {
        Api::start_in(Directory::new(), &Authority::new(), &[], more)
    }

    /// With a directory and an authority of the test's own, and something in the environment.
    pub(crate) fn start_in(
        directory: Directory,
        authority: &Authority,
        environment: &[(&str, &str)],
        more: &str,
    ) -> Api {
        let (edge, port) = (Edge::new(), free_port());
        let mut api = format!("[api]\nlisten = \"127.0.0.1:{port}\"\n");
        if !more.contains("[store]") {
            api += "[store]\npath = \"DIR/store.db\"\n";
        }
        edge.configure(&directory, authority, &(api + more));
        // Calls of a test follow each other closely, and nobody speaks.
        let file = std::fs::read_to_string(directory.path("trunkline.toml")).unwrap();
        let file = file.replace(
            "[media]\n",
            "[media]\nport_cooldown = \"1s\"\ntimeout = \"600s\"\n",
        );
        directory.write("trunkline.toml", &file);
        Api {
            daemon: Daemon::start_with(directory, environment),
            edge,
            port,
        }
    }

    /// By the socket, where we need no token.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
        let socket = UnixStream::connect(self.daemon.directory().path("control.sock")).unwrap();
        exchange(socket, &request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "", &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn token(&self, role: &str) -> String {
        let made = self.ask("POST", "/tokens", "", &json!({"label": role, "role": role}));
        assert_eq!(made.status, 201, "{}", made.body);
        made.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    pub(crate) fn udp(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.edge.udp).into()
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &str, body: &Value) -> String {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn by(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// What comes until the other end closes.
pub(crate) fn exchange(mut stream: impl Read + Write, request: &str) -> Answer {
    // The daemon may have seen enough of it.
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

pub(crate) fn trunks(callee: SocketAddr) -> String {
    format!(
        "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\nmax_calls_per_second = 0\n\
         [[trunks]]\nname = \"callee\"\nacl = [\"127.0.0.3\"]\ndestination = \"sip:{callee}\"\nmax_calls_per_second = 0\n\
         [[routes]]\nfrom = \"caller\"\nto = \"callee\"\n"
    )
}

#[test]
fn ops_1_the_socket_is_for_the_daemons_user_and_its_group() {
    let api = Api::start("");
    let path = api.daemon.directory().path("control.sock");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let who = api.get("/session");
    assert_eq!(who["role"], "admin");
    // A second daemon takes nothing away from the first.
    let (success, _, errors) = trunkline(
        &["run", "--config"],
        &api.daemon.directory().path("trunkline.toml"),
    );
    assert!(!success, "{errors}");
    assert_eq!(api.get("/live"), json!({"ready": true}));
}

#[test]
fn ops_1_a_socket_of_a_daemon_that_died_is_replaced() {
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &Authority::new(), "");
    drop(std::os::unix::net::UnixListener::bind(directory.path("control.sock")).unwrap());
    let daemon = Daemon::start(directory);
    assert_eq!(daemon.status()["backend"], "socket");
}

#[test]
fn ops_1_a_trunk_that_is_made_by_the_api_takes_the_next_call_and_outlives_a_restart() {
    let callee = udp_peer("127.0.0.3");
    let mut api = Api::start("");
    let caller = udp_peer("127.0.0.2");
    caller
        .send_to(invite(&caller, "100", "before").as_bytes(), api.udp())
        .unwrap();
    receive(&caller, "SIP/2.0 403 ");
    for (path, body) in [
        ("/trunks", json!({"name": "caller", "acl": ["127.0.0.2"]})),
        (
            "/trunks",
            json!({"name": "callee", "acl": ["127.0.0.3"], "probe": "off",
                           "destination": format!("sip:{}", callee.local_addr().unwrap())}),
        ),
        ("/routes", json!({"from": "caller", "to": "callee"})),
    ] {
        let made = api.ask("POST", path, "", &body);
        assert_eq!(made.status, 201, "{}", made.body);
    }
    caller
        .send_to(invite(&caller, "100", "after").as_bytes(), api.udp())
        .unwrap();
    receive(&callee, "INVITE sip:100@");
    api.daemon.restart();
    assert_eq!(api.get("/trunks/callee")["origin"], "store");
    let caller = udp_peer("127.0.0.2");
    caller
        .send_to(invite(&caller, "101", "again").as_bytes(), api.udp())
        .unwrap();
    receive(&callee, "INVITE sip:101@");
}

#[test]
fn ops_1_the_port_wants_a_token_and_a_wrong_one_waits() {
    let api = Api::start("");
    let token = api.token("read");
    let ask = |headers: &str| {
        exchange(
            api.connect(),
            &request("GET", "/trunks", headers, &Value::Null),
        )
    };
    assert_eq!(ask("").status, 401);
    assert_eq!(ask(&by(&token)).status, 200);
    let begun = Instant::now();
    assert_eq!(ask(&by("tk_a_b")).status, 401);
    assert_eq!(ask(&by("tk_a_b")).status, 401);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let denied = exchange(
        api.connect(),
        &request("POST", "/drain", &by(&token), &json!({"on": true})),
    );
    assert_eq!(denied.status, 403);
    assert_eq!(denied.header("content-type"), "application/problem+json");
    assert_eq!(
        denied.json()["type"],
        "https://trunkline.dev/problems/forbidden"
    );
}

#[test]
fn ops_1_beyond_the_loopback_the_port_must_be_tls() {
    let (edge, directory) = (Edge::new(), Directory::new());
    let port = free_port();
    edge.configure(
        &directory,
        &Authority::new(),
        &format!("[api]\nlisten = \"0.0.0.0:{port}\"\n"),
    );
    let (success, _, errors) = trunkline(&["check", "--config"], &directory.path("trunkline.toml"));
    assert!(
        !success && errors.contains("api.certificate: missing"),
        "{errors}"
    );
    let more = format!(
        "[api]\nlisten = \"0.0.0.0:{port}\"\ncertificate = \"DIR/edge.crt\"\nkey = \"DIR/edge.key\"\n"
    );
    edge.write(&directory, &more);
    let daemon = Daemon::start(directory);
    let live = request("GET", "/live", "", &Value::Null);
    let answer = exchange(tls(&daemon, port, "edge.example.com"), &live);
    assert_eq!(answer.json(), json!({"ready": true}));
    // Whoever speaks no TLS is told nothing.
    let plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(exchange(plain, &live).status, 0);
}

/// A client that trusts the daemon's CA, and wants that name.
fn tls(daemon: &Daemon, port: u16, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    let ca = std::fs::read(daemon.directory().path("ca.crt")).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    StreamOwned::new(tls, stream)
}

#[test]
fn ops_3_a_call_is_seen_with_its_messages_and_hung_up() {
    let (caller, callee) = (udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
    let api = Api::start(&trunks(callee.local_addr().unwrap()));
    caller
        .send_to(invite(&caller, "100", "seen").as_bytes(), api.udp())
        .unwrap();
    let (asked, from) = receive(&callee, "INVITE ");
    callee
        .send_to(ok(&callee, &asked).as_bytes(), from)
        .unwrap();
    let (answer, _) = receive(&caller, "SIP/2.0 200 ");
    caller
        .send_to(ack(&caller, &answer).as_bytes(), api.udp())
        .unwrap();
    receive(&callee, "ACK ");
    let calls = api.get("/calls");
    let call = &calls["items"][0];
    assert_eq!(call["state"], "answered", "{calls}");
    assert_eq!(call["caller"]["trunk"], "caller");
    let number = call["call"].as_u64().unwrap();
    let is_told = |details: &Value| {
        let timeline = details["timeline"].as_array().unwrap();
        timeline
            .iter()
            .any(|event| event["kind"] == "call_answered")
    };
    // Events come a moment after what they tell of.
    wait_until(|| is_told(&api.get(&format!("/calls/{number}"))));
    let details = api.get(&format!("/calls/{number}"));
    let messages = details["ladder"]["messages"].as_array().unwrap();
    assert!(
        messages[0]["summary"]
            .as_str()
            .unwrap()
            .starts_with("INVITE "),
        "{details}"
    );
    let trunk = api.get("/trunks/callee");
    assert_eq!(trunk["state"]["calls"], 1, "{trunk}");
    let done = api.ask(
        "POST",
        &format!("/calls/{number}/hang-up"),
        "",
        &Value::Null,
    );
    assert_eq!(done.status, 202, "{}", done.body);
    for peer in [&caller, &callee] {
        let (bye, from) = receive(peer, "BYE ");
        peer.send_to(ok(peer, &bye).as_bytes(), from).unwrap();
    }
    // The call is there until its ports are free again.
    let hang_up = format!("/calls/{number}/hang-up");
    wait_until(|| api.ask("POST", &hang_up, "", &Value::Null).status == 404);
    wait_until(|| api.get("/history")["items"][0]["call"] == number);
    assert_eq!(api.get(&format!("/calls/{number}"))["state"], "ended");
}

/// Reads a stream until it has that text.
fn read_until(stream: &mut impl Read, text: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains(text) {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "ended without {text:?}: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    seen
}

#[test]
fn ops_3_a_client_that_comes_back_after_a_restart_misses_nothing() {
    let stranger = udp_peer("127.0.0.9");
    let mut api = Api::start("");
    let refused = |api: &Api, id: &str| {
        stranger
            .send_to(invite(&stranger, "100", id).as_bytes(), api.udp())
            .unwrap();
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
    stranger
        .send_to(invite(&stranger, "100", "ws").as_bytes(), api.udp())
        .unwrap();
    let seen = read_until(&mut stream, "call_refused");
    assert!(seen.contains("\"seq\":"), "{seen}");
}

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
        caller
            .send_to(
                invite(&caller, "100", &format!("s{id}")).as_bytes(),
                api.udp(),
            )
            .unwrap();
        let (asked, from) = receive(&callee, "INVITE ");
        callee
            .send_to(ok(&callee, &asked).as_bytes(), from)
            .unwrap();
        let (answer, _) = receive(&caller, "SIP/2.0 200 ");
        caller
            .send_to(ack(&caller, &answer).as_bytes(), api.udp())
            .unwrap();
        receive(&callee, "ACK ");
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

#[test]
fn ops_1_the_certificate_of_the_port_is_read_again() {
    let (edge, directory, port) = (Edge::new(), Directory::new(), free_port());
    let authority = Authority::new();
    let more = format!(
        "[api]\nlisten = \"127.0.0.1:{port}\"\ncertificate = \"DIR/api.crt\"\nkey = \"DIR/api.key\"\n"
    );
    let renew = |directory: &Directory, name: &str| {
        let (certificate, key) = authority.issue(&[name]);
        directory.write("api.crt", &certificate);
        directory.write("api.key", &key);
    };
    renew(&directory, "old.example.com");
    edge.configure(&directory, &authority, &more);
    let mut daemon = Daemon::start(directory);
    let live = request("GET", "/live", "", &Value::Null);
    let shown =
        |daemon: &Daemon, name: &str| exchange(tls(daemon, port, name), &live).status == 200;
    assert!(shown(&daemon, "old.example.com") && !shown(&daemon, "new.example.com"));
    renew(daemon.directory(), "new.example.com");
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded trunks");
    wait_until(|| shown(&daemon, "new.example.com"));
}
