//! Who gets in: by the socket, by the port, with a token, over TLS.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use super::{Api, by, exchange, request};
use crate::support::{Authority, Daemon, Directory, Edge, SOON, free_port, trunkline, wait_until};

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
fn ops_1_the_last_use_of_a_token_is_known_after_a_restart() {
    let mut api = Api::start("");
    let token = api.token("read");
    let last = |api: &Api| api.get("/tokens")["items"][0]["last_used_ms"].as_i64();
    let looks = |api: &Api| {
        let look = request("GET", "/trunks", &by(&token), &Value::Null);
        assert_eq!(exchange(api.connect(), &look).status, 200);
    };
    assert_eq!(last(&api), None);
    looks(&api);
    let first = last(&api).unwrap();
    // Of these only the last is written, and only at the end.
    while last(&api) == Some(first) {
        looks(&api);
    }
    let used = last(&api).unwrap();
    api.daemon.restart();
    assert_eq!(last(&api), Some(used));
    looks(&api);
    assert!(last(&api) > Some(used));
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
