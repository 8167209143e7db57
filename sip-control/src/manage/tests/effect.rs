//! What a change does to calls: the next one follows it, and one that is up does not change (SEC-1).

use std::net::SocketAddr;
use std::time::Instant;

use rand_core::{OsRng, TryRngCore};
use serde_json::json;
use sip_core::stack::{Command, Stack};
use sip_core::transport::{Host, ListenerId, Origin, Transport};

use super::*;
use crate::manage::TrunkPart;
use crate::ports::{self, SharedPorts};

/// Signalling, and what it sends.
struct Edge {
    stack: Stack,
    now: Instant,
}

impl Edge {
    fn start(config: &Config) -> Edge {
        let now = Instant::now();
        let pool = ports::pool(&config.realms, config.port_cooldown).unwrap();
        let ports = Box::new(SharedPorts::new(pool));
        let rng = Box::new(OsRng.unwrap_err());
        Edge {
            stack: Stack::new(config.stack(), rng, ports, now),
            now,
        }
    }

    fn follow(&mut self, config: &Config) {
        let config = config.stack();
        self.stack.reconfigure(config.trunks, config.routes);
    }

    /// Takes a datagram; what is sent in return, with where to.
    fn take(&mut self, from: &str, message: &str) -> Vec<(SocketAddr, String)> {
        let remote: SocketAddr = from.parse().unwrap();
        let origin = Origin {
            transport: Transport::Udp,
            listener: ListenerId(0),
            local: "127.0.0.1:5060".parse().unwrap(),
            remote,
            connection: None,
            tls: None,
        };
        self.stack
            .handle_message(self.now, origin, message.as_bytes());
        let mut sent = Vec::new();
        while let Some(command) = self.stack.poll_command() {
            if let Command::Send(transmit) = command {
                let target = &transmit.target;
                let Host::Address(address) = &target.host else {
                    panic!("{:?}", target.host);
                };
                let to = SocketAddr::new(*address, target.port);
                sent.push((to, String::from_utf8(transmit.bytes).unwrap()));
            }
        }
        sent
    }

    fn invite(&mut self, from: &str, id: &str) -> Vec<(SocketAddr, String)> {
        let host = from.split(':').next().unwrap();
        let body = sdp(host);
        let invite = format!(
            "INVITE sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:200@{host}>;tag={id}\r\nTo: <sip:100@127.0.0.1>\r\n\
             Call-ID: {id}\r\nCSeq: 1 INVITE\r\nContact: <sip:200@{from}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.take(from, &invite)
    }
}

fn sdp(host: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
    )
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let mut lines = message.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}

/// The 200 of whoever got that INVITE.
fn ok(invite: &str, contact: &str) -> String {
    let host = contact.split(':').next().unwrap();
    let body = sdp(host);
    let vias: Vec<&str> = invite
        .lines()
        .filter(|line| line.starts_with("Via: "))
        .collect();
    format!(
        "SIP/2.0 200 OK\r\n{}\r\nFrom: {}\r\nTo: {};tag=callee\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:{contact}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        vias.join("\r\n"),
        header(invite, "From"),
        header(invite, "To"),
        header(invite, "Call-ID"),
        header(invite, "CSeq"),
        body.len()
    )
}

/// The file's listeners, and one for TLS.
fn file_with_tls(directory: &Directory) -> String {
    let issued = rcgen::generate_simple_self_signed(vec!["edge.example.com".to_owned()]).unwrap();
    let (certificate, key) = (directory.path("edge.pem"), directory.path("edge.key"));
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let listener = format!(
        "[[listeners]]\nname = \"tls\"\ntransport = \"tls\"\naddress = \"127.0.0.1:5061\"\n\
         realm = \"lo\"\ncertificate = \"{}\"\nkey = \"{}\"\n",
        certificate.display(),
        key.display()
    );
    FILE.replacen("[[trunks]]", &format!("{listener}[[trunks]]"), 1)
}

#[tokio::test]
async fn sec_1_the_next_call_follows_a_switched_trunk_and_a_live_call_stays() {
    let directory = Directory::new();
    let file = file_with_tls(&directory);
    let mut desk = Desk::start(&file, directory).await.with_carrier().await;
    let route = json!({"from": "carrier", "to": "pbx"});
    desk.create_route(route, None).await.unwrap();
    // What signalling was told last.
    let mut body = carrier();
    body["nat"] = json!(true);
    let body: TrunkSection = read_section(body).unwrap();
    let manager = Arc::clone(&desk.manager);
    let put = async move {
        manager
            .put_trunk(&admin(), "carrier", body, IfMatch::Any)
            .await
    };
    let (done, told) = desk.applied(put).await;
    done.unwrap();
    let mut edge = Edge::start(&told.unwrap());

    // The carrier calls the PBX, over UDP, and they talk.
    let carrier = "127.0.0.3:5070";
    let sent = edge.invite(carrier, "one");
    let (to, invite) = sent
        .iter()
        .find(|(_, text)| text.starts_with("INVITE "))
        .unwrap();
    assert_eq!(to.to_string(), "127.0.0.2:5070");
    let sent = edge.take("127.0.0.2:5070", &ok(invite, "127.0.0.2:5070"));
    let answered = |(to, text): &(SocketAddr, String)| {
        to.to_string() == carrier && text.starts_with("SIP/2.0 200 ")
    };
    let (_, answer) = sent.iter().find(|sent| answered(sent)).unwrap();
    let (from, to) = (
        header(answer, "From").to_owned(),
        header(answer, "To").to_owned(),
    );
    assert_eq!(edge.stack.calls(), 1);

    // Secure Trunking: TLS.
    let manager = Arc::clone(&desk.manager);
    let switch = async move {
        let (part, patch) = (
            TrunkPart::General,
            json!({"secure": "tls", "verify": "off"}),
        );
        manager
            .patch_trunk(&admin(), "carrier", part, patch, IfMatch::Any)
            .await
    };
    let (switched, told) = desk.applied(switch).await;
    switched.unwrap();
    edge.follow(&told.unwrap());

    let refused = edge.invite(carrier, "two");
    let (_, refusal) = refused
        .iter()
        .find(|(_, text)| text.contains("CSeq: 1 INVITE"))
        .unwrap();
    assert!(refusal.starts_with("SIP/2.0 403 "), "{refusal}");
    assert!(refusal.contains("32209"), "TLS required: {refusal}");

    // The live call goes on over UDP until its own end.
    assert_eq!(edge.stack.calls(), 1);
    let bye = format!(
        "BYE sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {carrier};branch=z9hG4bKbye;rport\r\n\
         Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: one\r\nCSeq: 2 BYE\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let sent = edge.take(carrier, &bye);
    assert!(
        sent.iter()
            .any(|(_, text)| text.starts_with("SIP/2.0 200 ")),
        "{sent:?}"
    );
    let to_pbx = sent
        .iter()
        .find(|(_, text)| text.starts_with("BYE "))
        .unwrap();
    assert_eq!(to_pbx.0.to_string(), "127.0.0.2:5070");
}

#[tokio::test]
async fn the_file_read_again_keeps_what_the_store_has() {
    let mut desk = Desk::new().await.with_carrier().await;
    let path = desk.directory.path("trunkline.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let more = format!("{text}\n[[trunks]]\nname = \"late\"\nacl = [\"127.0.0.8\"]\n");
    std::fs::write(&path, &more).unwrap();
    let manager = Arc::clone(&desk.manager);
    let ((), told) = desk.applied(manager.reload()).await;
    let told = told.unwrap();
    let names: Vec<&str> = told
        .trunks
        .iter()
        .map(|it| it.trunk.name.as_str())
        .collect();
    // Ids stay what they were, whatever the order of the file.
    assert_eq!(names, ["pbx", "carrier", "late"]);
    assert_eq!(told.routes.len(), 2);

    // A trunk that the store has may not come into the file as well: nothing is reloaded.
    std::fs::write(&path, format!("{more}\n[[trunks]]\nname = \"Carrier\"\n")).unwrap();
    let manager = Arc::clone(&desk.manager);
    let ((), told) = desk.applied(manager.reload()).await;
    assert!(told.is_none());
    assert_eq!(desk.manager.trunks().len(), 3);
}
