//! SEC-4, what a listener proves itself with: seen by `openssl s_client`, as an operator would look.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::process::Signal;

use crate::openssl::{rsa_key, s_client};
use crate::support::{
    Authority, Daemon, Directory, Edge, ack, invite, ok, receive, trunkline, udp_peer,
};
use crate::tls::{CALLER, probe, tls_client};

#[test]
fn sec_4_sni_and_the_clients_signature_schemes_choose_the_certificate() {
    let authority = Authority::new();
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &authority, CALLER);
    let (certificate, key) = authority.issue_for(&["edge.example.com"], rsa_key());
    directory.write("rsa.crt", &certificate);
    directory.write("rsa.key", &key);
    let (certificate, key) = authority.issue(&["*.sip.example.com"]);
    directory.write("tenants.crt", &certificate);
    directory.write("tenants.key", &key);
    edge.serve(
        &directory,
        "certificates = [{ certificate = \"DIR/rsa.crt\", key = \"DIR/rsa.key\" }, \
         { certificate = \"DIR/tenants.crt\", key = \"DIR/tenants.key\" }]",
        CALLER,
    );
    let daemon = Daemon::start(directory);
    let ca = daemon.directory().path("ca.crt");
    let ca = ca.to_str().unwrap();
    for (arguments, host, kind) in [
        ("-servername edge.example.com", "edge.example.com", "ECDSA"),
        (
            "-servername edge.example.com -sigalgs RSA-PSS+SHA256",
            "edge.example.com",
            "RSA-PSS",
        ),
        (
            "-servername edge.example.com -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256",
            "edge.example.com",
            "RSA-PSS",
        ),
        (
            "-servername edge.example.com -tls1_2",
            "edge.example.com",
            "ECDSA",
        ),
        (
            "-servername a.sip.example.com",
            "a.sip.example.com",
            "ECDSA",
        ),
        ("-servername elsewhere.example", "edge.example.com", "ECDSA"),
        ("-noservername", "edge.example.com", "ECDSA"),
        (
            "-noservername -sigalgs RSA-PSS+SHA256",
            "edge.example.com",
            "RSA-PSS",
        ),
    ] {
        let mut all: Vec<&str> = arguments.split(' ').collect();
        all.extend(["-CAfile", ca, "-verify_return_error"]);
        all.extend(["-verify_hostname", host]);
        let (success, output) = s_client(edge.tls, &all);
        assert!(success, "{arguments}:\n{output}");
        assert!(
            output.contains(&format!("Peer signature type: {kind}\n")),
            "{arguments}:\n{output}"
        );
    }
}

#[test]
fn sec_4_the_whole_chain_is_served_and_one_that_is_incomplete_is_warned_of() {
    let named = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    };
    let (params, key) = named("The Root");
    let root = CertifiedIssuer::self_signed(params, key).unwrap();
    let (params, key) = named("The Middle");
    let middle = CertifiedIssuer::signed_by(params, key, &root).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["edge.example.com".to_owned()])
        .unwrap()
        .signed_by(&key, &middle)
        .unwrap();
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &Authority::new(), CALLER);
    directory.write("ca.crt", &root.pem());
    directory.write("edge.key", &key.serialize_pem());
    directory.write("edge.crt", &(leaf.pem() + &middle.pem()));
    let mut daemon = Daemon::start(directory);
    let ca = daemon.directory().path("ca.crt");
    let arguments = [
        "-servername",
        "edge.example.com",
        "-showcerts",
        "-verify_return_error",
        "-CAfile",
        ca.to_str().unwrap(),
    ];
    let (success, output) = s_client(edge.tls, &arguments);
    assert!(success, "{output}");
    assert_eq!(output.matches("BEGIN CERTIFICATE").count(), 2, "{output}");
    assert!(!daemon.log().contains("the chain is incomplete"));

    daemon.directory().write("edge.crt", &leaf.pem());
    let config = daemon.directory().path("trunkline.toml");
    let (success, _, message) = trunkline(&["check", "--config"], &config);
    let warning = "listeners[2].certificate";
    assert!(success && message.contains(warning), "{message}");
    daemon.signal(Signal::HUP);
    let line = daemon.wait_for_log("the chain is incomplete");
    assert!(
        line.contains("WARN") && line.contains("is issued by The Middle"),
        "{line}"
    );
}

#[test]
fn sec_4_certificates_and_their_expiry_are_told_at_start_and_in_status_but_no_key() {
    let authority = Authority::new();
    let (edge, directory) = (Edge::new(), Directory::new());
    let (certificate, key) = authority.issue(&["client.example.com"]);
    directory.write("client.crt", &certificate);
    directory.write("client.key", &key);
    let carrier = "[[trunks]]\nname = \"carrier\"\nsecure = \"tls\"\n\
                   client_certificate = \"DIR/client.crt\"\nclient_key = \"DIR/client.key\"\n";
    edge.configure(&directory, &authority, &format!("{CALLER}{carrier}"));
    let mut daemon = Daemon::start(directory);
    let line = daemon.wait_for_log("certificate used_by=\"listener tls\"");
    assert!(
        line.contains("edge.example.com") && line.contains("not_after="),
        "{line}"
    );
    let status = daemon.status();
    let told = status["certificates"].as_array().unwrap();
    let users: Vec<&str> = told
        .iter()
        .map(|told| told["used_by"].as_str().unwrap())
        .collect();
    assert_eq!(users, ["listener tls", "trunk carrier"]);
    assert_eq!(told[1]["names"][0], "client.example.com");
    assert_eq!(told[0]["key"], "ECDSA");
    assert!(told[0]["days_left"].as_u64().unwrap() > 1000);
    let socket = daemon.directory().path("control.sock");
    let (success, text, _) = trunkline(&["status", "--socket"], &socket);
    assert!(
        success && text.contains("certificate of trunk carrier: client.example.com (ECDSA) until "),
        "{text}"
    );
    let secret: String = key.lines().skip(1).take(1).collect();
    for text in [text, status.to_string(), daemon.log()] {
        assert!(!text.contains(&secret) && !text.contains("PRIVATE"));
    }
}

struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A listener's new certificate every 50 ms, a client connecting all the time, a connection and a call
/// that stay.
#[test]
fn sec_4_certificates_change_under_load_and_nothing_is_dropped() {
    const RELOADS: usize = 20;
    let authority = Authority::new();
    let (edge, directory) = (Edge::new(), Directory::new());
    let callee = udp_peer("127.0.0.3");
    let address = callee.local_addr().unwrap();
    let trunks = format!(
        "{CALLER}[[trunks]]\nname = \"pbx\"\ndestination = \"sip:{address}\"\n[[routes]]\nto = \"pbx\"\n"
    );
    edge.configure(&directory, &authority, &trunks);
    let mut daemon = Daemon::start(directory);
    let mut early = tls_client(edge.tls, &[&authority]);
    assert!(probe(&mut early, "early").unwrap());
    let caller = udp_peer("127.0.0.2");
    let to = SocketAddr::from(([127, 0, 0, 1], edge.udp));
    caller
        .send_to(invite(&caller, "100", "stays").as_bytes(), to)
        .unwrap();
    let (request, from) = receive(&callee, "INVITE ");
    callee
        .send_to(ok(&callee, &request).as_bytes(), from)
        .unwrap();
    let (answer, _) = receive(&caller, "SIP/2.0 200 ");
    caller
        .send_to(ack(&caller, &answer).as_bytes(), to)
        .unwrap();

    let (done, handshakes) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..4 {
            let (done, handshakes, authority) = (&done, &handshakes, &authority);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let mut client_of = tls_client(edge.tls, &[authority]);
                    let count = handshakes.fetch_add(1, Ordering::Relaxed);
                    let id = format!("load{client}x{count}");
                    assert!(probe(&mut client_of, &id).expect("a handshake failed"));
                }
            });
        }
        // Also if something is not as it must be: the clients would go on for ever.
        let _stop = StopWhenDropped(&done);
        for reload in 0..RELOADS {
            let (certificate, key) = authority.issue(&["edge.example.com"]);
            // Together, as an operator's tool would: a pair that does not match is refused.
            for (name, text) in [("edge.crt", certificate), ("edge.key", key)] {
                let new = daemon.directory().write(&format!("{name}.new"), &text);
                fs::rename(new, daemon.directory().path(name)).unwrap();
            }
            daemon.signal(Signal::HUP);
            let reloaded = "reloaded trunks, routes and certificates";
            daemon.wait_for_logs(reloaded, reload + 1);
            assert!(probe(&mut early, &format!("kept{reload}")).unwrap());
        }
    });
    assert!(handshakes.load(Ordering::Relaxed) > RELOADS);
    let status = daemon.status();
    assert_eq!(status["counters"]["calls"], 1, "{status}");
    assert_eq!(status["counters"]["transport"]["handshakes_failed"], 0);
}

#[test]
fn sec_4_sessions_are_resumed_in_both_versions() {
    let authority = Authority::new();
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &authority, CALLER);
    let mut daemon = Daemon::start(directory);
    let session = daemon.directory().path("session.pem");
    let session = session.to_str().unwrap().to_owned();
    let name = ["-servername", "edge.example.com"];
    for version in ["-tls1_2", "-tls1_3"] {
        let save = [&name[..], &[version, "-sess_out", &session]].concat();
        let (_, output) = s_client(edge.tls, &save);
        assert!(output.contains("New, "), "{version}:\n{output}");
        let again = [&name[..], &[version, "-sess_in", &session]].concat();
        let (success, output) = s_client(edge.tls, &again);
        assert!(
            success && output.contains("Reused, "),
            "{version}:\n{output}"
        );
        // Another name is another identity: RFC 6066 section 3, RFC 8446 section 4.6.1.
        let other = [
            version,
            "-servername",
            "other.example",
            "-sess_in",
            &session,
        ];
        let (_, output) = s_client(edge.tls, &other);
        assert!(!output.contains("Reused, "), "{version}:\n{output}");
    }
    let (_, output) = s_client(edge.tls, &[&name[..], &["-tls1_2", "-reconnect"]].concat());
    assert_eq!(output.matches("Reused, TLSv1.2").count(), 5, "{output}");

    // A reload makes new keys for tickets: the session is not resumed, and the handshake works.
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded trunks, routes and certificates");
    let again = [&name[..], &["-tls1_3", "-sess_in", &session]].concat();
    let (_, output) = s_client(edge.tls, &again);
    assert!(output.contains("New, "), "{output}");
}

#[test]
fn sec_4_every_root_of_a_bundle_is_read_and_their_number_is_said() {
    let authorities = [Authority::new(), Authority::new(), Authority::new()];
    let (certificate, key) = authorities[2].issue(&["127.0.0.1"]);
    let (port, heard) = crate::tls::tls_server(&certificate, &key);
    let (edge, directory) = (Edge::new(), Directory::new());
    let bundle: String = authorities
        .iter()
        .map(|authority| format!("# A root\nsubject=x\n{}\n", authority.pem()))
        .collect();
    directory.write("bundle.pem", &bundle);
    let trunks = format!(
        "{CALLER}[[trunks]]\nname = \"carrier\"\nsecure = \"tls\"\ndestination = \"sip:127.0.0.1:{port}\"\n\
         ca = \"DIR/bundle.pem\"\n[[routes]]\nto = \"carrier\"\n"
    );
    edge.configure(&directory, &Authority::new(), &trunks);
    let mut daemon = Daemon::start(directory);
    let line = daemon.wait_for_log("name=\"carrier\"");
    assert!(line.contains("roots=3"), "{line}");
    let caller = udp_peer("127.0.0.2");
    let call = invite(&caller, "100", "third");
    caller
        .send_to(call.as_bytes(), ("127.0.0.1", edge.udp))
        .unwrap();
    assert!(heard.recv().unwrap().starts_with("INVITE "));
}

#[test]
fn sec_3_session_secrets_are_written_only_where_the_configuration_says_so() {
    let authority = Authority::new();
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &authority, CALLER);
    let stray = directory.path("environment.log");
    let mut daemon = Daemon::start_with(directory, &[("SSLKEYLOGFILE", stray.to_str().unwrap())]);
    assert!(probe(&mut tls_client(edge.tls, &[&authority]), "unlogged").unwrap());
    assert!(!stray.exists(), "SSLKEYLOGFILE was honoured");

    let path = daemon.directory().path("keys.log");
    let text = fs::read_to_string(daemon.directory().path("trunkline.toml")).unwrap();
    let key_log = format!("[tls]\nkey_log = \"{}\"\n", path.display());
    daemon
        .directory()
        .write("trunkline.toml", &text.replace("[tls]\n", &key_log));
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("the secrets of EVERY TLS session are written to");
    daemon.wait_for_log("reloaded trunks, routes and certificates");
    assert!(probe(&mut tls_client(edge.tls, &[&authority]), "logged").unwrap());
    let secrets = fs::read_to_string(&path).unwrap();
    assert!(
        secrets.starts_with("SERVER_") || secrets.starts_with("CLIENT_"),
        "{secrets}"
    );
    assert!(secrets.contains("CLIENT_TRAFFIC_SECRET_0 "), "{secrets}");
    let mode = fs::metadata(&path).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
}
