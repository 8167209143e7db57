//! What becomes of each torture message when it comes to the edge by UDP: an INVITE goes on, a
//! request is answered, or nothing is said.

use std::time::Instant;

use media_core::ports::{MediaPorts, NoPorts, RealmId};
use media_core::session::LocalMedia;
use rand_core::{CryptoRng, RngCore};
use sip_core::message::{HeaderName, Limits, Message, Method, Response};
use sip_core::refusal::Refusal;
use sip_core::stack::{CallRecord, Command, Event, EventKind, Stack, StackConfig};
use sip_core::transport::{Host, Listener, ListenerId, Origin, Transport};

use sip_core::trunk::{Network, Origination, Route, TargetUri, Trunk, TrunkId};

use crate::{messages, rfc4475, wire, with_lines};

/// What the sender sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Our INVITE or MESSAGE goes to the far side.
    Call,
    /// The final response.
    Answer(u16),
    Nothing,
}

use Outcome::{Answer, Call, Nothing};

/// Every message but those that ask for a registration or carry a text: who serves those decides.
const OUTCOMES: &[(&str, Outcome)] = &[
    // A To tag: within a dialog that we do not have.
    ("wsinv", Answer(481)),
    ("intmeth", Answer(501)),
    ("esc01", Call),
    ("esc02", Answer(501)),
    ("lwsdisp", Answer(200)),
    ("longreq", Call),
    ("semiuri", Answer(200)),
    ("transports", Answer(200)),
    ("unreason", Nothing),
    ("noreason", Nothing),
    ("badinv01", Answer(400)),
    ("clerr", Answer(400)),
    ("ncl", Answer(400)),
    ("scalar02", Answer(400)),
    ("scalarlg", Nothing),
    ("quotbal", Answer(400)),
    ("ltgtruri", Answer(400)),
    ("lwsruri", Answer(400)),
    ("lwsstart", Answer(400)),
    ("trws", Answer(400)),
    ("escruri", Answer(400)),
    // A Date is for those who read it.
    ("baddate", Call),
    ("badaspec", Answer(400)),
    ("baddn", Answer(400)),
    ("badvers", Answer(505)),
    ("mismatch01", Answer(400)),
    ("mismatch02", Answer(400)),
    ("bigcode", Nothing),
    ("badbranch", Answer(200)),
    // Without From, To and Call-ID no response can be made that its sender would know.
    ("insuf", Nothing),
    ("unkscm", Answer(416)),
    ("novelsc", Answer(416)),
    ("bext01", Answer(420)),
    ("invut", Answer(415)),
    ("multi01", Answer(400)),
    ("mcl01", Answer(400)),
    ("bcast", Nothing),
    // It has arrived: only who sends it on counts hops.
    ("zeromf", Answer(200)),
    ("sdp01", Answer(406)),
    ("ipv6-bad", Answer(400)),
    ("via-received-param-with-delim", Answer(481)),
    ("via-received-param-no-delim", Answer(200)),
    ("mult-ip-in-header", Answer(481)),
    ("ipv6-bug-abnf-3-colons", Answer(200)),
    ("ipv6-correct-abnf-2-colons", Answer(200)),
];

#[test]
fn every_message_gets_the_right_answer() {
    for (name, outcome) in OUTCOMES {
        let edge = Edge::asked(&rfc4475(name));
        assert_eq!(edge.outcome(), *outcome, "{name}: {:?}", edge.events);
    }
}

/// The rest, too: whatever the answer, there is one, and it is no 5xx but for 501.
#[test]
fn every_other_request_is_answered() {
    for (name, bytes) in messages::all() {
        if OUTCOMES.iter().any(|(listed, _)| *listed == name) {
            continue;
        }
        match Edge::asked(&bytes).outcome() {
            Call => {}
            Answer(status) => assert!((200..500).contains(&status) || status == 501, "{name}"),
            Nothing => panic!("{name}"),
        }
    }
}

#[test]
fn a_refused_invite_leaves_a_record_and_what_cannot_be_read_an_event() {
    for (name, outcome) in OUTCOMES {
        let bytes = rfc4475(name);
        let edge = Edge::asked(&bytes);
        let is_malformed = Message::parse(&bytes).is_err();
        let told = edge.has_event(EventKind::Malformed);
        assert_eq!(told, is_malformed, "{name}");
        let is_invite = bytes.starts_with(b"INVITE");
        // With a To tag it starts no call; without From it cannot be told from noise.
        let starts_call = !["wsinv", "lwsruri", "insuf"].contains(name);
        if is_invite && starts_call && *outcome != Call {
            let Answer(status) = *outcome else {
                panic!("{name} is an INVITE");
            };
            let statuses: Vec<_> = edge.records.iter().map(|record| record.status).collect();
            assert_eq!(statuses, [status], "{name}");
        }
    }
}

/// bext01 (3.3.5): Unsupported names what Require asked for, and nothing of Proxy-Require.
#[test]
fn bext01_says_what_is_not_supported() {
    let response = Edge::asked(&rfc4475("bext01")).response();
    let unsupported: Vec<_> = response
        .headers
        .option_tags(HeaderName::Unsupported)
        .map(str::to_owned)
        .collect();
    assert_eq!(
        unsupported,
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
}

/// Section 8.2.1 of RFC 3261 comes before 8.2.2: a method that we do not have is refused as such.
#[test]
fn the_method_is_looked_at_before_the_scheme_and_the_extensions() {
    for (start, cseq, status) in [
        ("NOVEL nobodyKnows:x SIP/2.0", "CSeq: 8 NOVEL", 501),
        ("PUBLISH nobodyKnows:x SIP/2.0", "CSeq: 8 PUBLISH", 405),
        ("OPTIONS nobodyKnows:x SIP/2.0", "CSeq: 8 OPTIONS", 416),
        ("OPTIONS sip:a@b SIP/2.0", "CSeq: 8 OPTIONS", 420),
        ("INVITE nobodyKnows:x SIP/2.0", "CSeq: 8 INVITE", 416),
        ("INVITE tel:+1201 SIP/2.0", "CSeq: 8 INVITE", 420),
    ] {
        let lines = "Require: unheard-of\nContact: <sip:caller@192.0.2.77>";
        let edge = Edge::asked(&wire(&with_lines(start, cseq, lines)));
        assert_eq!(edge.outcome(), Answer(status), "{start}");
        let response = edge.response();
        let lists_methods = response.headers.contains(HeaderName::Allow);
        assert_eq!(lists_methods, matches!(status, 405 | 501), "{start}");
    }
}

/// invut (3.3.6) and sdp01 (3.3.15): what the peer may send instead, or why it got nothing.
#[test]
fn a_body_that_is_not_sdp_and_a_peer_that_takes_none() {
    let response = Edge::asked(&rfc4475("invut")).response();
    let accept = response.headers.value(HeaderName::Accept).unwrap();
    assert!(accept.starts_with(b"application/sdp"));
    let edge = Edge::asked(&rfc4475("sdp01"));
    assert_eq!(edge.records[0].code, Some(Refusal::SDP_NOT_ACCEPTED.code));
    for (accept, outcome) in [
        ("application/sdp", Call),
        ("text/plain;q=0.3, Application / SDP ;level=1", Call),
        ("application/*", Call),
        ("*/*", Call),
        ("", Answer(406)),
        ("application/sdpx", Answer(406)),
        ("sdp", Answer(406)),
    ] {
        let line = format!("Accept: {accept}\r\n");
        let text = String::from_utf8(rfc4475("sdp01")).unwrap();
        let text = text.replace("Accept: text/nobodyKnowsThis\r\n", &line);
        assert_eq!(Edge::asked(text.as_bytes()).outcome(), outcome, "{accept}");
    }
}

/// badbranch (3.2.1): a branch that is the cookie alone tells no transaction from another.
#[test]
fn badbranch_two_requests_with_the_cookie_alone_are_two() {
    let first = rfc4475("badbranch");
    let text = String::from_utf8(first.clone()).unwrap();
    let second = text
        .replace("CSeq: 8", "CSeq: 9")
        .replace("badbranch.", "other.");
    let mut edge = Edge::asked(&first);
    edge.ask(second.as_bytes());
    edge.ask(&first);
    let call_ids: Vec<_> = edge
        .responses
        .iter()
        .map(|response| response.headers.call_id().unwrap().to_owned())
        .collect();
    // The third is a retransmission: its answer comes again.
    assert_eq!(call_ids.len(), 3);
    assert!(call_ids[1].starts_with("other."));
    assert_eq!(call_ids[0], call_ids[2]);
}

/// SIG-9
#[test]
fn sig_9_each_limit_is_refused_in_its_own_words() {
    let limits = Limits {
        message_bytes: 2000,
        headers: 12,
        header_bytes: 300,
        vias: 3,
    };
    let options = "OPTIONS sip:user@example.com SIP/2.0";
    let with = |lines: &str| with_lines(options, "CSeq: 8 OPTIONS", lines);
    let long_uri = format!("OPTIONS sip:{}@b SIP/2.0", "a".repeat(300));
    let long_body = with("X: 1") + &"x".repeat(2000);
    for (text, status, reason) in [
        (long_body, 513, "message longer than 2000 bytes"),
        (
            with("Content-Length: 1999"),
            513,
            "message longer than 2000 bytes",
        ),
        (
            with_lines(&long_uri, "CSeq: 8 OPTIONS", ""),
            414,
            "Request-URI longer than 300 bytes",
        ),
        (
            with(&["X: 1"; 7].join("\n")),
            400,
            "more than 12 header lines",
        ),
        (
            with(&format!("X: {}", "x".repeat(298))),
            400,
            "header longer than 300 bytes",
        ),
        (
            with("Via: SIP/2.0/UDP a, SIP/2.0/UDP b\nv: SIP/2.0/UDP c\nVia: SIP/2.0/UDP d"),
            400,
            "more than 3 Via",
        ),
    ] {
        let mut edge = Edge::new(StackConfig {
            message_limits: limits,
            ..config()
        });
        edge.ask(&wire(&text));
        assert_eq!(edge.outcome(), Answer(status), "{reason}");
        let response = edge.response();
        assert_eq!(String::from_utf8_lossy(&response.reason), reason);
        assert!(edge.has_event(EventKind::Malformed));
        let mut usual = Edge::new(config());
        usual.ask(&wire(&text));
        assert_ne!(usual.outcome(), Answer(status), "{reason}");
    }
}

/// Our edge between a carrier that may come from anywhere and a PBX.
struct Edge {
    stack: Stack,
    now: Instant,
    responses: Vec<Response>,
    /// Answers with headers as malformed as those that came.
    unreadable: Vec<Vec<u8>>,
    /// INVITEs and MESSAGEs to the PBX.
    invites: usize,
    events: Vec<Event>,
    records: Vec<CallRecord>,
}

impl Edge {
    fn new(config: StackConfig) -> Edge {
        let now = Instant::now();
        Edge {
            stack: Stack::new(config, Box::new(Counting(7)), Box::new(Ports(20_000)), now),
            now,
            responses: Vec::new(),
            unreadable: Vec::new(),
            invites: 0,
            events: Vec::new(),
            records: Vec::new(),
        }
    }

    fn asked(bytes: &[u8]) -> Edge {
        let mut edge = Edge::new(config());
        edge.ask(bytes);
        edge
    }

    fn ask(&mut self, bytes: &[u8]) {
        let origin = Origin {
            transport: Transport::Udp,
            listener: ListenerId(0),
            local: "203.0.113.1:5060".parse().expect("an address"),
            remote: "192.0.2.77:5060".parse().expect("an address"),
            connection: None,
            tls: None,
        };
        self.stack.handle_message(self.now, origin, bytes);
        while let Some(command) = self.stack.poll_command() {
            match command {
                Command::Send(transmit) => match Message::parse(&transmit.bytes) {
                    Ok(Message::Response(response)) => self.responses.push(response),
                    Ok(Message::Request(request)) => {
                        let goes_on = [Method::Invite, Method::Message];
                        assert!(goes_on.contains(&request.method), "{}", request.method);
                        self.invites += 1;
                    }
                    // What could not be read is copied into the answer.
                    Err(_) => self.unreadable.push(transmit.bytes),
                },
                Command::Event(event) => self.events.push(event),
                Command::Record(record) => self.records.push(*record),
                Command::Media(_) => {}
                Command::Resolve(_) => panic!("no names in its configuration"),
                Command::Store(_) => panic!("no accounts in its configuration"),
            }
        }
    }

    fn outcome(&self) -> Outcome {
        let last = self
            .responses
            .iter()
            .rfind(|answer| answer.status.is_final());
        match (self.invites, last, &self.unreadable[..]) {
            (0, None, []) => Nothing,
            (0, Some(response), []) => Answer(response.status.code()),
            (0, None, [bytes]) => {
                assert!(self.has_event(EventKind::Malformed));
                assert!(bytes.starts_with(b"SIP/2.0 400 "));
                Answer(400)
            }
            (1, None, []) => Call,
            other => panic!("{other:?}"),
        }
    }

    /// The last one.
    fn response(&self) -> Response {
        self.responses.last().expect("a response").clone()
    }

    fn has_event(&self, kind: EventKind) -> bool {
        self.events.iter().any(|event| event.kind == kind)
    }
}

fn config() -> StackConfig {
    let address = |text: &str| -> std::net::SocketAddr { text.parse().expect("an address") };
    let carrier = Trunk {
        acl: vec![
            Network {
                address: address("0.0.0.0:0").ip(),
                prefix: 0,
            }
            .into(),
        ],
        ..Trunk::new("carrier", ListenerId(0), RealmId(0))
    };
    let pbx = address("198.51.100.20:5060");
    let target = TargetUri {
        host: Host::Address(pbx.ip()),
        port: Some(pbx.port()),
        transport: Some(Transport::Udp),
    };
    let pbx = Trunk {
        name: "pbx".to_owned(),
        acl: Vec::new(),
        origination: Origination::to(target),
        ..carrier.clone()
    };
    let edge = address("203.0.113.1:5060");
    StackConfig {
        trunks: vec![carrier, pbx],
        routes: vec![Route::new(Some(TrunkId(0)), "", TrunkId(1))],
        listeners: vec![Listener {
            transport: Transport::Udp,
            address: edge,
            advertised_host: Host::Address(edge.ip()),
            advertised_port: edge.port(),
            realm: RealmId(0),
        }],
        ..StackConfig::default()
    }
}

/// Every pair after the other.
struct Ports(u16);

impl MediaPorts for Ports {
    fn allocate(&mut self, _: RealmId, _: bool) -> Result<LocalMedia, NoPorts> {
        self.0 += 2;
        Ok(LocalMedia {
            address: "203.0.113.9".parse().expect("an address"),
            rtp_port: self.0,
            rtcp_port: self.0 + 1,
        })
    }

    fn release(&mut self, _: Instant, _: RealmId, _: LocalMedia) {}
}

/// Numbers in order, which is enough for tags and branches that differ.
struct Counting(u64);

impl RngCore for Counting {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next_u64() as u8;
        }
    }
}

impl CryptoRng for Counting {}
