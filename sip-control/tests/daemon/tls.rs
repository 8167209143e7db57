//! TLS: what peers are let through, what we let through, and certificates that change.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::openssl::s_client;
use crate::support::{
    Authority, Daemon, Directory, Edge, SOON, invite, options, receive, udp_peer,
};

pub(crate) const CALLER: &str = "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.0/8\"]\n";

fn server_config(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// Accepts one TLS connection after the other, tells the first bytes of each and keeps it open: what
/// is unanswered when a connection breaks is sent again by another one.
pub(crate) fn tls_server(certificate: &str, key: &str) -> (u16, mpsc::Receiver<String>) {
    let config = server_config(certificate, key);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let mut stream =
                StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            let mut buffer = [0; 2048];
            if let Ok(length) = stream.read(&mut buffer) {
                // The test may have seen enough.
                let _ = sender.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
                open.push(stream);
            }
        }
    });
    (port, heard)
}

/// Of each of several trunks its own, none the prefix of another.
fn number(index: usize) -> String {
    format!("{}", 100 + index)
}

/// As the sample configuration says that it is made.
fn pin_of(certificate: &str) -> String {
    let script = "openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | \
                  openssl dgst -sha256 -binary | base64";
    let mut shell = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(certificate.as_bytes()).unwrap();
    drop(stdin);
    let output = shell.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn sec_4_a_call_goes_out_only_to_a_peer_that_proves_what_its_trunk_asks() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let cases: &[(&str, &Authority, &str, &str, bool)] = &[
        // description, issuer, name in the certificate, settings of the trunk, whether the call goes out
        (
            "strict, the exact name",
            &trusted,
            "sip.example.com",
            "verify = \"strict\"\nserver_name = \"sip.example.com\"",
            true,
        ),
        (
            "strict, a wildcard",
            &trusted,
            "*.example.com",
            "verify = \"strict\"\nserver_name = \"sip.example.com\"",
            false,
        ),
        (
            "wildcard, one label",
            &trusted,
            "*.example.com",
            "server_name = \"sip.example.com\"",
            true,
        ),
        (
            "wildcard, two labels",
            &trusted,
            "*.example.com",
            "server_name = \"a.sip.example.com\"",
            false,
        ),
        (
            "wildcard, another name",
            &trusted,
            "sip.example.org",
            "server_name = \"sip.example.com\"",
            false,
        ),
        (
            "the destination's address",
            &trusted,
            "127.0.0.1",
            "verify = \"strict\"",
            true,
        ),
        ("another address", &trusted, "127.0.0.9", "", false),
        ("an unknown CA", &other, "127.0.0.1", "", false),
        (
            "off, an unknown CA and name",
            &other,
            "sip.example.org",
            "verify = \"off\"",
            true,
        ),
        (
            "a CA of the trunk's own",
            &other,
            "127.0.0.1",
            "ca = \"DIR/other.crt\"",
            true,
        ),
        (
            "pin, its key, whoever signed and whatever the name",
            &other,
            "sip.example.org",
            "verify = \"pin\"\npins = [\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\", \"PIN\"]",
            true,
        ),
        (
            "pin, another key under the right name",
            &trusted,
            "127.0.0.1",
            "verify = \"pin\"\npins = [\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"]",
            false,
        ),
    ];
    let mut sections = CALLER.to_owned();
    let mut servers = Vec::new();
    for (index, (_, issuer, name, settings, _)) in cases.iter().enumerate() {
        let (certificate, key) = issuer.issue(&[*name]);
        let (port, heard) = tls_server(&certificate, &key);
        servers.push(heard);
        let settings = settings.replace("PIN", &pin_of(&certificate));
        let number = number(index);
        sections += &format!(
            "[[trunks]]\nname = \"t{index}\"\nsecure = \"tls\"\ndestination = \"sip:127.0.0.1:{port}\"\n{settings}\n\
             [[routes]]\nprefix = \"{number}\"\nto = \"t{index}\"\n"
        );
    }
    let (edge, directory) = (Edge::new(), Directory::new());
    directory.write("other.crt", &other.pem());
    edge.configure(&directory, &trusted, &sections);
    let mut daemon = Daemon::start(directory);
    daemon.wait_for_log("the certificate of this peer is NOT verified");

    for (index, (description, _, _, _, goes_out)) in cases.iter().enumerate() {
        let caller = udp_peer("127.0.0.2");
        let id = format!("call{index}");
        caller
            .send_to(
                invite(&caller, &number(index), &id).as_bytes(),
                ("127.0.0.1", edge.udp),
            )
            .unwrap();
        if *goes_out {
            let heard = servers[index]
                .recv_timeout(SOON)
                .unwrap_or_else(|_| panic!("{description}: no call"));
            assert!(
                heard.starts_with(&format!("INVITE sip:{}@", number(index))),
                "{description}: {heard}"
            );
        } else {
            receive(&caller, "SIP/2.0 503 ");
            assert!(
                servers[index].try_recv().is_err(),
                "{description}: the call went out"
            );
        }
    }
    daemon.wait_for_log("call to a peer whose certificate is NOT verified");
}

#[test]
fn sec_3_a_client_of_tls_1_0_is_refused_and_told_with_code_32222() {
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &Authority::new(), CALLER);
    let mut daemon = Daemon::start(directory);
    let mut stream = TcpStream::connect(("127.0.0.1", edge.tls)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    // ClientHello (RFC 2246 section 7.4.1.2): version 3.1, no session, TLS_RSA_WITH_AES_128_CBC_SHA.
    let mut hello = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 1];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    stream.write_all(&hello).unwrap();
    let mut alert = [0; 7];
    stream.read_exact(&mut alert).unwrap();
    assert_eq!((alert[0], alert[5]), (21, 2), "no fatal alert");
    let line = daemon.wait_for_log("tls_failed");
    let peer = format!("peer=\"tls:{}\"", stream.local_addr().unwrap());
    assert!(
        line.contains("code=32222") && line.contains(&peer) && line.contains("trunk=\"caller\""),
        "{line}"
    );
    assert_eq!(
        daemon.status()["counters"]["transport"]["tls_version_refused"],
        1
    );
}

/// As the clients of carriers do that have not been touched for years: without and with extensions
/// that came with TLS 1.2.
#[test]
fn sec_3_openssl_speaks_1_2_and_1_3_and_nothing_older() {
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &Authority::new(), CALLER);
    let mut daemon = Daemon::start(directory);
    let old = ["-cipher", "DEFAULT@SECLEVEL=0"];
    for (version, is_refused) in [
        ("-tls1", true),
        ("-tls1_1", true),
        ("-tls1_2", false),
        ("-tls1_3", false),
    ] {
        let (success, output) = s_client(edge.tls, &[&[version], &old[..]].concat());
        assert_eq!(success, !is_refused, "{version}:\n{output}");
        if is_refused {
            // RFC 8446 appendix D.5, or the first thing that is missing from so old a hello.
            let told = output.contains("alert protocol version")
                || output.contains("alert handshake failure");
            assert!(told, "{version}:\n{output}");
        }
    }
    let line = daemon.wait_for_logs("code=32222", 2);
    assert!(
        line.contains("tls_failed") && line.contains("trunk=\"caller\""),
        "{line}"
    );
    let counters = &daemon.status()["counters"]["transport"];
    assert_eq!(counters["tls_version_refused"], 2);
}

#[test]
fn sec_3_a_peer_that_answers_with_an_old_version_fails_the_call_with_code_32222() {
    let old = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = old.local_addr().unwrap().port();
    let (edge, directory) = (Edge::new(), Directory::new());
    let sections = format!(
        "{CALLER}[[trunks]]\nname = \"old\"\nsecure = \"tls\"\ndestination = \"sip:127.0.0.1:{port}\"\n\
         [[routes]]\nto = \"old\"\n"
    );
    edge.configure(&directory, &Authority::new(), &sections);
    let mut daemon = Daemon::start(directory);
    let caller = udp_peer("127.0.0.2");
    caller
        .send_to(
            invite(&caller, "100", "old").as_bytes(),
            ("127.0.0.1", edge.udp),
        )
        .unwrap();
    let (mut stream, _) = old.accept().unwrap();
    // A fatal alert: protocol_version (RFC 5246 section 7.2).
    stream.write_all(&[21, 3, 1, 0, 2, 2, 70]).unwrap();
    let (answer, _) = receive(&caller, "SIP/2.0 503 ");
    assert!(answer.contains("cause=32011"), "{answer}");
    let line = daemon.wait_for_log("connection failed: ");
    assert!(line.contains("32222"), "{line}");
}

#[test]
fn half_open_handshakes_are_few_and_short() {
    let (edge, directory) = (Edge::new(), Directory::new());
    let limits = "[limits]\nmax_handshakes = 1\nhandshake_timeout = \"2s\"\n";
    edge.configure(&directory, &Authority::new(), &format!("{CALLER}{limits}"));
    let mut daemon = Daemon::start(directory);
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", edge.tls)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    };
    let closed = |mut stream: TcpStream| matches!(stream.read(&mut [0; 16]), Ok(0));
    let silent = connect();
    std::thread::sleep(Duration::from_millis(200));
    assert!(closed(connect()), "a second handshake was begun");
    daemon.wait_for_log("too many handshakes");
    assert!(closed(silent), "the silent peer was kept");
    daemon.wait_for_log("TLS handshake failed: not finished in time");
}

pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn tls_client(port: u16, roots: &[&Authority]) -> TlsClient {
    let mut store = RootCertStore::empty();
    for authority in roots {
        store
            .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
            .unwrap();
    }
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store)
            .with_no_client_auth();
    let name = ServerName::try_from("edge.example.com").unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        stream,
    )
}

/// Whether an OPTIONS is answered; an error is a failed handshake.
pub(crate) fn probe(client: &mut TlsClient, id: &str) -> std::io::Result<bool> {
    let from = client.sock.local_addr()?;
    client.write_all(options("TLS", from, id).as_bytes())?;
    let mut buffer = [0; 2048];
    let length = client.read(&mut buffer)?;
    Ok(buffer[..length].starts_with(b"SIP/2.0 200 "))
}

#[test]
fn new_certificates_are_served_without_dropping_a_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(&directory, &old, CALLER);
    let mut daemon = Daemon::start(directory);
    let mut early = tls_client(edge.tls, &[&old]);
    assert!(probe(&mut early, "early").unwrap());

    edge.configure(daemon.directory(), &new, CALLER);
    daemon.signal(Signal::HUP);
    daemon.wait_for_log("reloaded trunks, routes and certificates");
    assert!(probe(&mut tls_client(edge.tls, &[&new]), "late").unwrap());
    assert!(probe(&mut tls_client(edge.tls, &[&old]), "wrong").is_err());
    assert!(probe(&mut early, "again").unwrap());
}

#[test]
fn calls_that_wait_for_a_slow_handshake_go_out_when_it_is_done() {
    const CALLS: usize = 200;
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["127.0.0.1"]);
    let pbx = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = pbx.local_addr().unwrap().port();
    let (edge, directory) = (Edge::new(), Directory::new());
    edge.configure(
        &directory,
        &authority,
        &format!(
            "{CALLER}max_calls_per_second = 0\n[[trunks]]\nname = \"pbx\"\nsecure = \"tls\"\n\
             max_calls_per_second = 0\ndestination = \"sip:127.0.0.1:{port}\"\n\
             [[routes]]\nto = \"pbx\"\n"
        ),
    );
    let _daemon = Daemon::start(directory);
    let caller = udp_peer("127.0.0.2");
    for id in 0..CALLS {
        let invite = invite(&caller, "100", &format!("waits{id}"));
        caller
            .send_to(invite.as_bytes(), ("127.0.0.1", edge.udp))
            .unwrap();
        receive(&caller, "SIP/2.0 100 ");
    }
    let (stream, _) = pbx.accept().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let connection = ServerConnection::new(server_config(&certificate, &key)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let (mut heard, mut buffer) = (Vec::new(), [0; 65_536]);
    while String::from_utf8_lossy(&heard)
        .matches("INVITE sip:100@")
        .count()
        < CALLS
    {
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the connection was closed");
        heard.extend_from_slice(&buffer[..length]);
    }
}
