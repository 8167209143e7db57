//! SIG-3, RFC 5923: requests to a peer go by the TLS connection that it opened, if it asks for that and
//! has proven to be who we would connect to.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::Receiver;

use crate::mutual_tls::client;
use crate::streams::read_message;
use crate::support::{Authority, Daemon, Directory, Edge, SOON, header, invite, options, udp_peer};
use crate::tls::{TlsClient, tls_server};

const NAME: &str = "sip.carrier.example";
const LISTENER: &str = "client_ca = \"DIR/clients.pem\"\nclient_auth = \"optional\"";

/// A carrier to which all calls of 127.0.0.2 go, by TLS.
struct Scene {
    daemon: Daemon,
    edge: Edge,
    edge_ca: Authority,
    /// The carrier's own, and one that only the listener knows.
    carrier_ca: Authority,
    other_ca: Authority,
    /// Where the carrier says that it listens, and the first bytes of each connection that we open there.
    port: u16,
    dialled: Receiver<String>,
    caller: UdpSocket,
}

impl Scene {
    fn new() -> Scene {
        let (edge_ca, carrier_ca, other_ca) =
            (Authority::new(), Authority::new(), Authority::new());
        let (certificate, key) = carrier_ca.issue(&[NAME]);
        let (port, dialled) = tls_server(&certificate, &key);
        let (edge, directory) = (Edge::new(), Directory::new());
        directory.write("clients.pem", &(carrier_ca.pem() + &other_ca.pem()));
        directory.write("carrier.pem", &carrier_ca.pem());
        edge.configure(&directory, &edge_ca, "");
        edge.serve(&directory, LISTENER, &Scene::sections(port, NAME));
        Scene {
            daemon: Daemon::start(directory),
            edge,
            edge_ca,
            carrier_ca,
            other_ca,
            port,
            dialled,
            caller: udp_peer("127.0.0.2"),
        }
    }

    fn sections(port: u16, name: &str) -> String {
        format!(
            "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\n\
             [[trunks]]\nname = \"carrier\"\nsecure = \"tls\"\nacl = [\"127.0.0.1\"]\n\
             ca = \"DIR/carrier.pem\"\nserver_name = \"{name}\"\nprobe = \"off\"\n\
             destination = \"sip:127.0.0.1:{port}\"\n[[routes]]\nto = \"carrier\"\n"
        )
    }

    /// The carrier connects, and says where it listens.
    fn connect(&self, own: Option<&(String, String)>, via: &str) -> TlsClient {
        let mut carrier = client(self.edge.tls, &self.edge_ca, own);
        let from = SocketAddr::from(([127, 0, 0, 1], self.port));
        let request = options("TLS", from, "alias").replace(";rport", via);
        carrier.write_all(request.as_bytes()).unwrap();
        let answer = read_message(&mut carrier);
        assert!(answer.starts_with("SIP/2.0 "), "{answer}");
        carrier
    }

    fn call(&self, id: &str) {
        let to = ("127.0.0.1", self.edge.udp);
        let invite = invite(&self.caller, "100", id);
        self.caller.send_to(invite.as_bytes(), to).unwrap();
    }

    fn counter(&self, name: &str) -> u64 {
        let status = self.daemon.status();
        status["counters"]["transport"][name].as_u64().unwrap()
    }
}

/// An INVITE, and its body out of the way.
fn read_invite(carrier: &mut TlsClient) -> String {
    let request = read_message(carrier);
    assert!(request.starts_with("INVITE "), "{request}");
    let length: usize = header(&request, "Content-Length").parse().unwrap();
    std::io::Read::read_exact(carrier, &mut vec![0; length]).unwrap();
    request
}

/// The carrier is busy, and hears our ACK.
fn decline(carrier: &mut TlsClient, request: &str) {
    let answer = format!(
        "SIP/2.0 486 Busy Here\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=busy\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Content-Length: 0\r\n\r\n",
        header(request, "Via"),
        header(request, "From"),
        header(request, "To"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
    );
    carrier.write_all(answer.as_bytes()).unwrap();
    let ack = read_message(carrier);
    assert!(ack.starts_with("ACK "), "{ack}");
}

#[test]
fn sig_3_calls_go_by_the_connection_of_a_peer_that_asks_for_it_and_has_proven_its_name() {
    let scene = Scene::new();
    let own = scene.carrier_ca.issue(&[NAME]);
    let mut carrier = scene.connect(Some(&own), ";alias");
    for id in ["first", "second"] {
        scene.call(id);
        let request = read_invite(&mut carrier);
        assert!(request.starts_with("INVITE sip:100@127.0.0.1"), "{request}");
        decline(&mut carrier, &request);
    }
    assert_eq!(scene.counter("connections_dialled"), 0);
    // Twice if the trunks had been applied in between: the log would tell.
    let reused = scene.counter("connections_reused");
    assert_eq!(reused, 1, "{}", scene.daemon.log());

    // RFC 5923: the alias ends with its connection.
    drop(carrier);
    scene.call("third");
    let first = scene.dialled.recv_timeout(SOON).unwrap();
    assert!(first.starts_with("INVITE "), "{first}");
    assert_eq!(scene.counter("connections_dialled"), 1);
}

/// RFC 3261 section 17.2.3: the same branch, so that whoever has it already knows it again.
#[test]
fn sig_3_what_a_lent_connection_leaves_unanswered_goes_by_one_of_ours() {
    let scene = Scene::new();
    let own = scene.carrier_ca.issue(&[NAME]);
    let mut carrier = scene.connect(Some(&own), ";alias");
    scene.call("first");
    let request = read_invite(&mut carrier);
    drop(carrier);
    let again = scene.dialled.recv_timeout(SOON).unwrap();
    assert!(again.starts_with("INVITE "), "{again}");
    assert_eq!(header(&again, "Via"), header(&request, "Via"));
    assert_eq!(scene.counter("messages_sent_again"), 1);
    assert_eq!(scene.counter("connections_dialled"), 1);
}

#[test]
fn sig_3_a_peer_that_does_not_ask_or_has_not_proven_to_be_the_target_is_called_by_a_new_connection()
{
    type Own = fn(&Scene) -> Option<(String, String)>;
    let cases: [(&str, Own, &str); 5] = [
        (
            "it does not ask",
            |scene| Some(scene.carrier_ca.issue(&[NAME])),
            ";rport",
        ),
        ("no certificate", |_| None, ";alias"),
        // RFC 5923 on virtual servers: one machine of several domains has not proven to be this one.
        (
            "another of its names",
            |scene| Some(scene.carrier_ca.issue(&["other.carrier.example"])),
            ";alias",
        ),
        (
            "its name by another CA",
            |scene| Some(scene.other_ca.issue(&[NAME])),
            ";alias",
        ),
        (
            "it listens elsewhere",
            |scene| Some(scene.carrier_ca.issue(&[NAME])),
            ";other",
        ),
    ];
    for (description, own, via) in cases {
        let mut scene = Scene::new();
        let port = scene.port;
        if via == ";other" {
            scene.port = 1;
        }
        let own = own(&scene);
        let _carrier = scene.connect(own.as_ref(), &via.replace("other", "alias"));
        scene.port = port;
        scene.call("dialled");
        let first = scene.dialled.recv_timeout(SOON);
        let first = first.unwrap_or_else(|error| panic!("{description}: {error}"));
        assert!(first.starts_with("INVITE "), "{description}: {first}");
        assert_eq!(scene.counter("connections_reused"), 0, "{description}");
    }
}

#[test]
fn sig_3_who_lends_a_connection_is_judged_anew_when_its_trunk_changes() {
    let mut scene = Scene::new();
    let own = scene.carrier_ca.issue(&[NAME]);
    let mut carrier = scene.connect(Some(&own), ";alias");
    scene.call("before");
    read_invite(&mut carrier);

    let sections = Scene::sections(scene.port, "new.carrier.example");
    let directory = scene.daemon.directory();
    scene.edge.serve(directory, LISTENER, &sections);
    scene.daemon.signal(rustix::process::Signal::HUP);
    scene
        .daemon
        .wait_for_log("reloaded trunks, routes and certificates");
    scene.call("after");
    // Neither it nor who listens there has a certificate for the new name.
    scene.daemon.wait_for_log("connection failed");
    assert_eq!(scene.counter("connections_reused"), 1);
}

#[test]
fn sig_3_we_ask_for_requests_by_our_connection_where_we_can_prove_ourselves() {
    let (ours, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.issue(&["127.0.0.1"]);
    let (port, heard) = tls_server(&certificate, &key);
    let (edge, directory) = (Edge::new(), Directory::new());
    let (certificate, key) = clients.issue(&["edge.example.com"]);
    directory.write("client.crt", &certificate);
    directory.write("client.key", &key);
    let trunk = |name: &str, prefix: &str, more: &str| {
        format!(
            "[[trunks]]\nname = \"{name}\"\nsecure = \"tls\"\nprobe = \"off\"\ndestination = \"sip:127.0.0.1:{port}\"\n{more}\
             [[routes]]\nprefix = \"{prefix}\"\nto = \"{name}\"\n"
        )
    };
    let proven = "client_certificate = \"DIR/client.crt\"\nclient_key = \"DIR/client.key\"\n";
    let sections = [
        "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\n",
        &trunk("proven", "1", proven),
        &trunk("unproven", "2", ""),
    ]
    .concat();
    edge.configure(&directory, &ours, &sections);
    let _daemon = Daemon::start(directory);
    let caller = udp_peer("127.0.0.2");
    for (number, asks) in [("100", true), ("200", false)] {
        let invite = invite(&caller, number, number);
        caller
            .send_to(invite.as_bytes(), ("127.0.0.1", edge.udp))
            .unwrap();
        let request = heard.recv_timeout(SOON).unwrap();
        assert!(
            request.starts_with(&format!("INVITE sip:{number}@")),
            "{request}"
        );
        let via = header(&request, "Via");
        assert_eq!(via.ends_with(";alias"), asks, "{via}");
    }
}
