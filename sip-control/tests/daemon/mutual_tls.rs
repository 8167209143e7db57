//! SEC-4, mutual TLS: what we prove to peers that ask, and what peers of a trunk must prove to us.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};

use crate::openssl::s_client;
use crate::support::{Authority, Daemon, Directory, Edge, SOON, header, invite, receive, udp_peer};
use crate::tls::{CALLER, TlsClient};

fn store(authority: &Authority) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store
        .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
        .unwrap();
    store
}

fn pair(
    (certificate, key): &(String, String),
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    (
        chain,
        PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
    )
}

/// A carrier that lets in who has a certificate of `clients`; tells the first bytes of each.
fn demanding_server(own: &(String, String), clients: &Authority) -> (u16, mpsc::Receiver<String>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(store(clients)),
        Arc::clone(&provider),
    )
    .build()
    .unwrap();
    let (chain, key) = pair(own);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut buffer = [0; 2048];
            if let Ok(length) = stream.read(&mut buffer) {
                let _ = sender.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
            }
        }
    });
    (port, heard)
}

#[test]
fn sec_4_a_trunk_proves_itself_with_its_own_certificate_to_peers_that_ask() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let server = ours.issue(&["127.0.0.1"]);
    let (port, heard) = demanding_server(&server, &clients);
    let (certificate, key) = clients.issue(&["edge.example.com"]);
    let (edge, directory) = (Edge::new(), Directory::new());
    directory.write("client.crt", &certificate);
    directory.write("client.key", &key);
    let trunk = |name: &str, prefix: &str, more: &str| {
        format!(
            "[[trunks]]\nname = \"{name}\"\nsecure = \"tls\"\ndestination = \"sip:127.0.0.1:{port}\"\n{more}\
             [[routes]]\nprefix = \"{prefix}\"\nto = \"{name}\"\n"
        )
    };
    let with = "client_certificate = \"DIR/client.crt\"\nclient_key = \"DIR/client.key\"\n";
    let sections = [
        CALLER,
        &trunk("with", "1", with),
        &trunk("without", "2", ""),
    ]
    .concat();
    edge.configure(&directory, &ours, &sections);
    let _daemon = Daemon::start(directory);
    let caller = udp_peer("127.0.0.2");
    let call = |number: &str| {
        let invite = invite(&caller, number, &format!("mutual{number}"));
        caller
            .send_to(invite.as_bytes(), ("127.0.0.1", edge.udp))
            .unwrap()
    };
    call("200");
    receive(&caller, "SIP/2.0 503 ");
    assert!(
        heard.try_recv().is_err(),
        "the call went out without a certificate"
    );
    call("100");
    let message = heard.recv_timeout(SOON).unwrap();
    assert!(message.starts_with("INVITE sip:100@"), "{message}");
}

/// Connects to the edge, with a certificate or without.
pub(crate) fn client(port: u16, edge: &Authority, own: Option<&(String, String)>) -> TlsClient {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(store(edge));
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let (chain, key) = pair(own);
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = ServerName::try_from("edge.example.com").unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        stream,
    )
}

/// What an INVITE for that host is answered with, 100 aside.
fn call(client: &mut TlsClient, host: &str, id: &str) -> String {
    let from = client.sock.local_addr().unwrap();
    let body = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n";
    let invite = format!(
        "INVITE sip:100@{host} SIP/2.0\r\nVia: SIP/2.0/TLS {from};branch=z9hG4bK{id};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:caller@{from}>;tag={id}\r\nTo: <sip:100@{host}>\r\n\
         Call-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:caller@{from};transport=tls>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(invite.as_bytes()).unwrap();
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    loop {
        for message in heard.split("SIP/2.0 ").skip(1) {
            if !message.starts_with("100 ") && message.contains("\r\n\r\n") {
                return format!("SIP/2.0 {message}");
            }
        }
        let length = client.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "closed after {heard:?}");
        heard += &String::from_utf8_lossy(&buffer[..length]);
    }
}

#[test]
fn sec_4_callers_of_a_trunk_prove_its_names_by_a_certificate_of_its_ca() {
    let (ours, ca_a, ca_b) = (Authority::new(), Authority::new(), Authority::new());
    let (edge, directory) = (Edge::new(), Directory::new());
    directory.write("clients.pem", &(ca_a.pem() + &ca_b.pem()));
    directory.write("a.pem", &ca_a.pem());
    // Calls that are let in have nowhere to go: 404 or 503 is as good as a call here, 403 is not.
    let trunk = |name: &str, more: &str| {
        format!(
            "[[trunks]]\nname = \"{name}\"\nsecure = \"tls\"\nacl = [\"127.0.0.0/8\"]\n\
             domains = [\"{name}.sip.example.com\"]\n{more}"
        )
    };
    let sections = [
        trunk(
            "a",
            "client_names = [\"sbc.a.example\"]\nca = \"DIR/a.pem\"\n",
        ),
        trunk("b", "client_names = [\"sbc.b.example\"]\n"),
        trunk("open", ""),
    ]
    .concat();
    edge.configure(&directory, &ours, &sections);
    edge.serve(
        &directory,
        "client_ca = \"DIR/clients.pem\"\nclient_auth = \"optional\"",
        &sections,
    );
    let mut daemon = Daemon::start(directory);
    let (a, b) = (
        ca_a.issue(&["sbc.a.example"]),
        ca_b.issue(&["sbc.b.example"]),
    );
    let wildcard = ca_a.issue(&["*.a.example"]);
    let forged = ca_b.issue(&["sbc.a.example"]);
    for (index, (description, own, host, status, code)) in [
        ("its own", Some(&a), "a", 404, 32012),
        ("a wildcard", Some(&wildcard), "a", 404, 32012),
        ("none", None, "a", 403, 32223),
        ("of another trunk", Some(&b), "a", 403, 32223),
        ("its name by another CA", Some(&forged), "a", 403, 32223),
        ("of a listener's CA alone", Some(&b), "b", 404, 32012),
        ("none where none is asked for", None, "open", 404, 32012),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = client(edge.tls, &ours, own);
        let host = format!("{host}.sip.example.com");
        let answer = call(&mut client, &host, &format!("names{index}"));
        let expected = format!("SIP/2.0 {status} ");
        assert!(answer.starts_with(&expected), "{description}: {answer}");
        let reason = header(&answer, "Reason");
        assert!(
            reason.contains(&format!("cause={code};")),
            "{description}: {reason}"
        );
    }
    let line = daemon.wait_for_log("code=32223");
    assert!(
        line.contains("trunk=\"a\"") && line.contains("call_refused"),
        "{line}"
    );

    // What a trunk asks for may change: a connection that is open is judged anew.
    let mut kept = client(edge.tls, &ours, Some(&a));
    assert!(call(&mut kept, "a.sip.example.com", "before").starts_with("SIP/2.0 404 "));
    let other = sections.replace("sbc.a.example", "new.a.example");
    edge.serve(
        daemon.directory(),
        "client_ca = \"DIR/clients.pem\"\nclient_auth = \"optional\"",
        &other,
    );
    daemon.signal(rustix::process::Signal::HUP);
    daemon.wait_for_log("reloaded trunks, routes and certificates");
    assert!(call(&mut kept, "a.sip.example.com", "after").starts_with("SIP/2.0 403 "));
}

#[test]
fn sec_4_where_certificates_are_required_nobody_gets_in_without_one() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let (edge, directory) = (Edge::new(), Directory::new());
    directory.write("clients.pem", &clients.pem());
    edge.configure(&directory, &ours, CALLER);
    edge.serve(&directory, "client_ca = \"DIR/clients.pem\"", CALLER);
    for (name, authority) in [("good", &clients), ("bad", &ours)] {
        let (certificate, key) = authority.issue(&["sbc.example"]);
        directory.write(&format!("{name}.crt"), &certificate);
        directory.write(&format!("{name}.key"), &key);
    }
    let mut daemon = Daemon::start(directory);
    let file = |name: &str| daemon.directory().path(name).to_str().unwrap().to_owned();
    let (good, good_key) = (file("good.crt"), file("good.key"));
    let (bad, bad_key) = (file("bad.crt"), file("bad.key"));
    for version in ["-tls1_2", "-tls1_3"] {
        let (success, output) = s_client(edge.tls, &[version, "-cert", &good, "-key", &good_key]);
        assert!(success, "{output}");
        for arguments in [&[version][..], &[version, "-cert", &bad, "-key", &bad_key]] {
            // In TLS 1.3 the client learns of it after its own handshake is done: by the alert.
            let (_, output) = s_client(edge.tls, arguments);
            assert!(output.contains("alert "), "{arguments:?}:\n{output}");
        }
    }
    let line = daemon.wait_for_log("tls_failed");
    assert!(line.contains("TLS handshake failed: "), "{line}");
    assert_eq!(
        daemon.status()["counters"]["transport"]["handshakes_failed"],
        4
    );
}
