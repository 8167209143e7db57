//! Calls through a real daemon, as the command line shows and controls them (OPS-1, OPS-3).

use std::net::UdpSocket;

use serde_json::Value;

use super::{Ran, ask};
use crate::support::{
    Authority, Daemon, Directory, Edge, ack, invite, ok, receive, udp_peer, wait_until,
};

struct Called {
    daemon: Daemon,
    edge: Edge,
    caller: UdpSocket,
    callee: UdpSocket,
}

impl Called {
    fn start() -> Called {
        let (edge, directory) = (Edge::new(), Directory::new());
        let (caller, callee) = (udp_peer("127.0.0.2"), udp_peer("127.0.0.3"));
        let more = format!(
            "[[trunks]]\nname = \"caller\"\nacl = [\"127.0.0.2\"]\n\
             [[trunks]]\nname = \"callee\"\nacl = [\"127.0.0.3\"]\ndestination = \"sip:{}\"\n\
             [[routes]]\nfrom = \"caller\"\nprefix = \"9\"\nreject = 603\n\
             [[routes]]\nfrom = \"caller\"\nto = \"callee\"\n[store]\npath = \"DIR/store.db\"\n",
            callee.local_addr().unwrap()
        );
        edge.configure(&directory, &Authority::new(), &more);
        Called {
            daemon: Daemon::start(directory),
            edge,
            caller,
            callee,
        }
    }

    fn ask(&self, words: &str) -> Ran {
        ask(&self.daemon.directory().path("control.sock"), words)
    }

    #[track_caller]
    fn both(&self, words: &str) -> (String, Value) {
        let shown = self.ask(words).done();
        (shown, self.ask(&format!("{words} --json")).json())
    }

    fn send(&self, message: &str) {
        self.caller
            .send_to(message.as_bytes(), ("127.0.0.1", self.edge.udp))
            .unwrap();
    }

    /// From INVITE to ACK; the number of the call.
    fn call(&self, id: &str) -> u64 {
        self.send(&invite(&self.caller, "100", id));
        let (request, from) = receive(&self.callee, "INVITE ");
        self.callee
            .send_to(ok(&self.callee, &request).as_bytes(), from)
            .unwrap();
        let (answer, _) = receive(&self.caller, "SIP/2.0 200 ");
        self.send(&ack(&self.caller, &answer));
        receive(&self.callee, "ACK ");
        let calls = self.ask("call list --json").json();
        calls["items"][0]["call"].as_u64().unwrap()
    }

    /// Both sides take the BYE.
    fn see_bye(&self) {
        for peer in [&self.caller, &self.callee] {
            let (bye, from) = receive(peer, "BYE ");
            peer.send_to(ok(peer, &bye).as_bytes(), from).unwrap();
        }
    }
}

#[test]
fn ops_3_a_call_is_seen_and_hung_up() {
    let edge = Called::start();
    let call = edge.call("seen");
    let (table, json) = edge.both("call list");
    let line = table.lines().nth(1).unwrap();
    for word in ["answered", "100", "caller", "callee", "udp", "RTP"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert_eq!(json["items"][0]["caller"]["call_id"], "seen");
    assert!(
        edge.ask("call list --search nobody")
            .done()
            .contains("no calls")
    );
    assert_eq!(
        edge.both("call list --trunk callee --search seen").1["items"][0]["call"],
        call
    );

    let (shown, json) = edge.both(&format!("call show {call}"));
    assert!(
        shown.contains("call_id") && shown.contains("call_answered"),
        "{shown}"
    );
    assert_eq!(json["call"], call);
    let (ladder, json) = edge.both(&format!("call ladder {call}"));
    for word in [
        "caller",
        "trunkline",
        "callee",
        "INVITE sip:100",
        "200 OK",
        "ACK",
    ] {
        assert!(ladder.contains(word), "{word}:\n{ladder}");
    }
    assert!(json["messages"].as_array().unwrap().len() >= 6, "{json}");
    let texts = edge
        .ask(&format!("call ladder {call} --messages --ascii"))
        .done();
    assert!(
        texts.contains("Call-ID: seen") && texts.contains("->|"),
        "{texts}"
    );
    edge.both(&format!("call quality {call}"));
    assert!(edge.both("flows").0.lines().count() > 2);
    let flow = edge.ask("flows --json").json()["items"][0]["flow"].as_u64();
    if let Some(flow) = flow {
        assert!(edge.both(&format!("flow {flow}")).0.contains("kernel"));
    }

    let said = edge.ask(&format!("call hang-up {call}")).done();
    assert_eq!(said, format!("call {call} is being ended\n"));
    edge.see_bye();
    wait_until(|| edge.ask("call list").done().contains("no calls"));
    edge.ask(&format!("call hold {call}")).failed(5);
    let (shown, json) = edge.both(&format!("call show {call}"));
    assert!(shown.contains("call_ended"), "{shown}");
    assert_eq!(json["caller"]["call_id"], "seen", "{json}");
    assert!(
        edge.ask(&format!("call ladder {call}"))
            .done()
            .contains("BYE")
    );
}

#[test]
fn ops_3_a_call_is_held_and_resumed() {
    let edge = Called::start();
    let call = edge.call("held");
    edge.ask(&format!("call hold {call}")).done();
    for peer in [&edge.callee, &edge.caller] {
        let (request, from) = receive(peer, "INVITE ");
        assert!(
            request.contains("a=inactive") || request.contains("a=sendonly"),
            "{request}"
        );
        peer.send_to(ok(peer, &request).as_bytes(), from).unwrap();
        receive(peer, "ACK ");
    }
    let events = edge
        .ask(&format!(
            "event follow --after 0 --call {call} --kind call_held --count 1"
        ))
        .done();
    assert!(events.contains("call_held"), "{events}");
    let (table, json) = edge.both("call list");
    assert!(table.contains("held"), "{table}");
    assert_eq!(json["items"][0]["state"], "held");
    edge.ask(&format!("call unhold {call} --json")).json();
    let (request, _) = receive(&edge.callee, "INVITE ");
    assert!(!request.contains("a=inactive"), "{request}");
}

#[test]
fn ops_3_a_refused_call_is_in_the_history_and_its_events_are_followed() {
    let edge = Called::start();
    edge.send(&invite(&edge.caller, "900", "refused"));
    receive(&edge.caller, "SIP/2.0 603 ");
    let followed = edge
        .ask("event follow --after 0 --kind call_refused --count 1 --json")
        .json();
    assert_eq!(followed["kind"], "call_refused", "{followed}");
    let number = followed["seq"].as_u64().unwrap();
    let (table, json) = edge.both(&format!(
        "event list --kind call_refused --after {}",
        number - 1
    ));
    assert!(
        table.contains("call_refused") && table.contains("32020"),
        "{table}"
    );
    assert_eq!(json["items"][0]["seq"], number);

    let started = std::time::Instant::now();
    let history = loop {
        let (table, json) = edge.both("call history --search refused --outcome refused --since 1h");
        if table.contains("603 32020") || started.elapsed() > crate::support::SOON {
            break (table, json);
        }
    };
    assert!(history.0.contains("603 32020"), "{}", history.0);
    assert_eq!(history.1["items"][0]["caller"]["call_id"], "refused");
    assert!(
        edge.ask("call history --outcome answered")
            .done()
            .contains("no calls")
    );
    let csv = edge.ask("call history --csv").done();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("603"), "{csv}");
}
