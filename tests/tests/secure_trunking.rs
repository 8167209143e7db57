//! One trunk's Secure Trunking is switched by the API while its calls are up (SEC-1): each call is what
//! the trunk was when it began, for as long as it lasts.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use hyper::Method;
use media_core::srtp::profile::Suite;
use serde_json::{Value, json};
use sip_core::transport::Transport;
use trunkline_tests::agent::{Agent, AgentConfig, Authority, Pattern};
use trunkline_tests::api::Api;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::Host;
use trunkline_tests::stage::{Party, Stage};

const TRUNK: &str = "switched";
const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// A second of speech.
const PACKETS: u32 = 50;
const SOON: Duration = Duration::from_secs(20);

/// What the caller speaks: its transport, and whether its media is SRTP.
#[derive(Clone, Copy)]
struct Speaks {
    transport: Transport,
    srtp: bool,
}

const PLAIN: Speaks = Speaks {
    transport: Transport::Udp,
    srtp: false,
};
const TLS: Speaks = Speaks {
    transport: Transport::Tls,
    srtp: false,
};
const SRTP: Speaks = Speaks {
    transport: Transport::Tls,
    srtp: true,
};

/// The daemon, and whom its trunk is for.
struct Setup {
    stage: Stage,
    authority: Authority,
    edge: Edge,
    api: Api,
    /// Of the calls so far: each has ports and payloads of its own.
    calls: u32,
}

/// A call that is up.
struct Up {
    caller: Agent,
    callee: Agent,
    from: String,
}

impl Setup {
    async fn start() -> Setup {
        let (stage, authority) = (Stage::loopback(), Authority::new().unwrap());
        let options = EdgeOptions {
            keeps_store: true,
            ..EdgeOptions::default()
        };
        let edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
        let api = Api::over_socket(&edge.control_socket()).await.unwrap();
        let mut setup = Setup {
            stage,
            authority,
            edge,
            api,
            calls: 0,
        };
        let trunk =
            json!({"name": TRUNK, "acl": [setup.address().to_string()], "realm": "carrier"});
        let made = setup
            .api
            .send(Method::POST, "/trunks", Some(&trunk), None)
            .await
            .unwrap();
        assert_eq!(made.status, 201, "{:?}", made.body);
        setup
    }

    /// The trunk's only address.
    fn address(&self) -> IpAddr {
        let IpAddr::V4(other) = self.stage.address(Party::CarrierPlain) else {
            panic!("loopback is IPv4");
        };
        let [first, second, third, _] = other.octets();
        Ipv4Addr::new(first, second, third, 77).into()
    }

    async fn switch(&mut self, mode: &str) {
        let path = format!("/trunks/{TRUNK}");
        let patch = json!({"secure": mode});
        let trunk = self.api.get(&path).await.unwrap();
        let switched = self
            .api
            .send(Method::PATCH, &path, Some(&patch), trunk.etag.as_deref())
            .await
            .unwrap();
        assert_eq!(switched.status, 200, "{:?}", switched.body);
        assert_eq!(switched.json().unwrap()["secure"], mode);
    }

    async fn caller(&self, speaks: Speaks) -> Agent {
        let address = self.address();
        let port = speaks.transport.default_port();
        self.agent(AgentConfig {
            place: self.stage.place(Host::Carrier),
            user: format!("caller{}", self.calls),
            address,
            // Calls that are up keep theirs.
            sip_port: 6000 + 2 * self.calls as u16,
            rtp_port: 20_000 + 4 * self.calls as u16,
            announced_rtp_port: None,
            transport: speaks.transport,
            events: 101,
            suite: speaks.srtp.then_some(SUITE),
            credentials: Some(self.authority.credentials(&[address]).unwrap()),
            edge: SocketAddr::new(self.stage.edge_address(Host::Carrier), port),
            pattern: Pattern {
                call: self.calls,
                side: 0,
            },
        })
        .await
    }

    async fn callee(&self, party: Party) -> Agent {
        let address = self.stage.address(party);
        self.agent(AgentConfig {
            place: self.stage.place(party.side()),
            user: party.number().to_owned(),
            address,
            sip_port: self.stage.sip_port(party),
            rtp_port: 20_002 + 4 * self.calls as u16,
            announced_rtp_port: None,
            transport: party.transport(),
            events: party.events(),
            suite: party.is_secure().then_some(SUITE),
            credentials: Some(self.authority.credentials(&[address]).unwrap()),
            edge: self.stage.edge_listener(party),
            pattern: Pattern {
                call: self.calls,
                side: 1,
            },
        })
        .await
    }

    async fn agent(&self, config: AgentConfig) -> Agent {
        Agent::start(config).await.unwrap()
    }

    async fn call(&mut self, speaks: Speaks, to: Party) -> Up {
        self.calls += 1;
        let (mut caller, mut callee) = (self.caller(speaks).await, self.callee(to).await);
        let up = tokio::try_join!(caller.call(to.number()), callee.answer());
        up.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", self.edge.log()));
        Up {
            caller,
            callee,
            from: format!("caller{}", self.calls),
        }
    }

    /// Calls, and is refused with that status and code: in the answer, in an event, in the history.
    async fn is_refused(&mut self, speaks: Speaks, status: u16, code: u64) {
        self.calls += 1;
        let mut caller = self.caller(speaks).await;
        let refused = caller.call(Party::PbxPlain.number()).await.unwrap_err();
        let words = format!("the call was refused: SIP/2.0 {status} ");
        assert!(format!("{refused:#}").contains(&words), "{refused:#}");
        let from = format!("caller{}", self.calls);
        let history = self
            .until(&format!("/history?search={from}"), "items")
            .await;
        assert_eq!(
            (&history["status"], &history["code"]),
            (&json!(status), &json!(code)),
            "{history}"
        );
        let call = &history["call"];
        let path = format!("/events?kinds=call_refused&call={call}");
        let event = self.until(&path, "items").await;
        assert_eq!(
            (&event["code"], &event["trunk"]),
            (&json!(code), &json!(TRUNK)),
            "{event}"
        );
    }

    /// The first of a list, as soon as it has one.
    async fn until(&mut self, path: &str, list: &str) -> Value {
        let begun = Instant::now();
        loop {
            let found = self.api.get_json(path).await.unwrap();
            if found[list][0].is_object() {
                return found[list][0].clone();
            }
            assert!(begun.elapsed() < SOON, "{path}: {found}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How each side of a call is secured, as the API says: transport and profile, caller first.
    async fn security(&mut self, up: &Up) -> [[String; 2]; 2] {
        let call = self
            .until(&format!("/calls?search={}", up.from), "items")
            .await;
        ["caller", "callee"].map(|leg| {
            ["transport", "profile"].map(|field| {
                let value = call[leg][field].as_str();
                value.unwrap_or_else(|| panic!("{call}")).to_owned()
            })
        })
    }

    /// Both sides hear a second of each other, and nothing else.
    async fn talk(&self, up: &Up) {
        let sides = [&up.caller, &up.callee].map(|agent| agent.media());
        let wanted = sides.map(|media| media.counts().received.len() + PACKETS as usize);
        tokio::try_join!(sides[0].send(PACKETS), sides[1].send(PACKETS)).unwrap();
        for (media, wanted) in sides.into_iter().zip(wanted) {
            let seen = media
                .counts_when(|seen| seen.received.len() >= wanted)
                .await;
            assert_eq!(
                (seen.received.len(), seen.payload_errors, seen.plaintext),
                (wanted, 0, 0),
                "{}",
                up.from
            );
        }
    }
}

impl Up {
    async fn hang_up(mut self) -> Result<()> {
        tokio::try_join!(self.caller.hang_up(), self.callee.await_hang_up())?;
        Ok(())
    }
}

fn is(transport: &str, profile: &str) -> [String; 2] {
    [transport.to_owned(), profile.to_owned()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_1_a_trunk_that_is_switched_by_the_api_changes_the_next_call_and_no_other() {
    let mut setup = Setup::start().await;

    // Default: disabled.
    let plain = setup.call(PLAIN, Party::PbxSecure).await;
    let of_plain = [is("udp", "RTP/AVP"), is("tls", "RTP/SAVP")];
    assert_eq!(setup.security(&plain).await, of_plain);
    setup.talk(&plain).await;

    setup.switch("srtp").await;
    setup.is_refused(PLAIN, 403, 32209).await;
    setup.is_refused(TLS, 488, 32208).await;
    let srtp = setup.call(SRTP, Party::PbxPlain).await;
    let of_srtp = [is("tls", "RTP/SAVP"), is("udp", "RTP/AVP")];
    assert_eq!(setup.security(&srtp).await, of_srtp);
    setup.talk(&srtp).await;

    setup.switch("tls").await;
    setup.is_refused(PLAIN, 403, 32209).await;
    setup.is_refused(SRTP, 488, 32207).await;
    let tls = setup.call(TLS, Party::CarrierPlain).await;
    let of_tls = [is("tls", "RTP/AVP"), is("udp", "RTP/AVP")];
    assert_eq!(setup.security(&tls).await, of_tls);
    setup.talk(&tls).await;

    setup.switch("disabled").await;
    // Each is still what it was.
    for (up, security) in [(&plain, of_plain), (&srtp, of_srtp), (&tls, of_tls)] {
        assert_eq!(setup.security(up).await, security, "{}", up.from);
        setup.talk(up).await;
    }
    for up in [plain, srtp, tls] {
        let from = up.from.clone();
        up.hang_up().await.unwrap();
        let record = setup
            .until(&format!("/history?search={from}"), "items")
            .await;
        assert_eq!(record["status"], 200, "{record}");
    }
}
