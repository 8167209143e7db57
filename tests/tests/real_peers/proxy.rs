//! Kamailio as the carrier's proxy: its user agent is on an address that only the proxy reaches,
//! so what does not follow the Record-Route does not arrive.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::transport::Transport;
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::kamailio::{BEHIND, INSIDE, Kamailio};
use trunkline_tests::lab::Host;
use trunkline_tests::privilege::require_root;
use trunkline_tests::sipp::{PATIENCE, Post, Sipp};
use trunkline_tests::stage::Party;

use crate::support::{House, assert_complete};

/// A lab with a proxy at the place of a carrier.
struct Proxied {
    kamailio: Kamailio,
    carrier: Party,
    house: House,
}

impl Proxied {
    fn open(name: &str, transport: Transport) -> Proxied {
        // Its user agent speaks RTP.
        let options = EdgeOptions {
            secure: "tls",
            ..EdgeOptions::default()
        };
        let house = House::open(name, &options);
        let carrier = match transport {
            Transport::Tls => Party::CarrierSecure,
            _ => Party::CarrierPlain,
        };
        let kamailio = start(&house, carrier, transport);
        Proxied {
            kamailio,
            carrier,
            house,
        }
    }

    fn behind(&self) -> Post<'_> {
        self.house.post_at(Host::Carrier, BEHIND)
    }

    /// Media does not go through the proxy.
    fn media_address(&self) -> String {
        self.house.stage.address(self.carrier).to_string()
    }

    /// The PBX calls the user agent behind the proxy.
    fn call_in(&self, caller: &str, callee: &str, ended_by: &str, before: usize) {
        let media = self.media_address();
        let mut callee = self.house.callee(self.behind(), callee, &["-mi", &media]);
        let number = self.carrier.number();
        let mut caller = self.house.caller(Party::PbxPlain, caller, number, &[]);
        self.finish(&mut caller, &mut callee, ended_by, before);
    }

    /// The user agent behind the proxy calls the PBX.
    fn call_out(&self, caller: &str, callee: &str, ended_by: &str, before: usize) {
        let media = self.media_address();
        let pbx = self.house.post(Party::PbxPlain);
        let mut callee = self.house.callee(pbx, callee, &[]);
        let to = (Party::PbxPlain.number(), INSIDE);
        let arguments = ["-mi", &media];
        let mut caller =
            Sipp::caller(self.behind(), &self.house.files, caller, to, &arguments).unwrap();
        self.finish(&mut caller, &mut callee, ended_by, before);
    }

    fn finish(&self, caller: &mut Sipp, callee: &mut Sipp, ended_by: &str, before: usize) {
        for sipp in [caller, callee] {
            sipp.finish(PATIENCE).unwrap_or_else(|error| {
                let (edge, proxy) = (self.house.edge().log(), self.kamailio.log());
                panic!("{error:#}\nproxy:\n{proxy}\nedge:\n{edge}")
            });
        }
        let record = self.house.records(before + 1).remove(before);
        assert_complete(&record, ended_by);
        let token = self.carrier.transport().uri_token();
        let leg = match record["caller"]["trunk"] == self.carrier.trunk() {
            true => "caller",
            false => "callee",
        };
        assert_eq!(record[leg]["transport"], token, "{record:#}");
    }
}

fn start(house: &House, carrier: Party, transport: Transport) -> Kamailio {
    let outside = SocketAddr::new(house.stage.address(carrier), house.stage.sip_port(carrier));
    Kamailio::start(
        house.namespace(Host::Carrier),
        &house.files,
        &house.authority,
        (transport, outside),
        house.stage.edge_listener(carrier),
    )
    .unwrap()
}

fn calls_go_through_the_proxy(name: &str, transport: Transport) {
    if !require_root("the network lab") {
        return;
    }
    let proxied = Proxied::open(name, transport);
    let proxy = &proxied.kamailio;
    // With two re-INVITEs, and BYE of the caller.
    proxied.call_in("hold_caller", "hold_callee", "caller", 0);
    let from_edge = ["ACK", "INVITE", "BYE"].map(|method| proxy.routed_from_edge(method));
    assert_eq!(from_edge, [3, 2, 1], "{}", proxy.log());
    // BYE of the callee.
    proxied.call_in("remaining_caller", "leaving_callee", "callee", 1);
    assert_eq!(proxy.routed_from_edge("ACK"), 4);
    assert_eq!(proxy.routed_from_behind("BYE"), 1);
    // From behind the proxy: its re-INVITEs and BYE, then a BYE of ours.
    proxied.call_out("hold_caller", "hold_callee", "caller", 2);
    let from_behind = ["ACK", "INVITE", "BYE"].map(|method| proxy.routed_from_behind(method));
    assert_eq!(from_behind, [3, 2, 2], "{}", proxy.log());
    proxied.call_out("remaining_caller", "leaving_callee", "callee", 3);
    assert_eq!(proxy.routed_from_edge("BYE"), 2);
    assert_eq!(proxy.strays(), 0, "{}", proxy.log());
    proxied.house.close();
}

#[test]
fn sig_1_kamailio_requests_within_a_call_follow_its_record_route() {
    calls_go_through_the_proxy("kamailio-udp", Transport::Udp);
}

#[test]
fn sig_1_kamailio_requests_within_a_call_follow_its_record_route_over_tls() {
    calls_go_through_the_proxy("kamailio-tls", Transport::Tls);
}

#[test]
fn sig_3_kamailio_restarts_and_a_call_that_is_up_ends_through_the_new_one() {
    if !require_root("the network lab") {
        return;
    }
    let mut proxied = Proxied::open("kamailio-restart", Transport::Tls);
    let media = proxied.media_address();
    let mut callee = {
        let behind = proxied.behind();
        let arguments = ["-mi", &media];
        proxied.house.callee(behind, "answering_callee", &arguments)
    };
    let (number, hold) = (proxied.carrier.number(), ["-d", "4000"]);
    let mut caller = proxied.house.caller(Party::PbxPlain, "uac", number, &hold);
    let started = Instant::now();
    while proxied.kamailio.routed_from_edge("ACK") == 0 {
        assert!(started.elapsed() < PATIENCE, "{}", proxied.kamailio.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Its connections go with it.
    proxied.kamailio.stop().unwrap();
    proxied.kamailio = start(&proxied.house, proxied.carrier, Transport::Tls);
    assert!(started.elapsed() < Duration::from_secs(4), "too slow");
    proxied.finish(&mut caller, &mut callee, "caller", 0);
    assert_eq!(proxied.kamailio.routed_from_edge("BYE"), 1);
    assert_eq!(proxied.kamailio.routed_from_edge("ACK"), 0);
    proxied.house.close();
}
