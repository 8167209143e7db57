//! A trunk whose origination URI is a domain (TRK-4), with dnsmasq as the carrier's name server.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;
use sip_core::transport::Transport;
use trunkline_tests::dns::{self, DOMAIN, NameServer, Zone};
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::{Host, LabOptions, ipv4};
use trunkline_tests::peer::Directory;
use trunkline_tests::privilege::require_root;
use trunkline_tests::sipp::Sipp;
use trunkline_tests::stage::{Party, Stage};

use crate::support::{House, assert_complete, tried};

/// The number that leads to the trunk.
const NUMBER: &str = "6200";
/// A target that says nothing has failed after that.
const NO_RESPONSE_S: u32 = 2;

/// A lab with a name server, and a daemon with a trunk to the name server's domain.
struct Named {
    server: NameServer,
    house: House,
}

impl Named {
    fn open(name: &str, zone: &Zone, ttl_s: u32) -> Named {
        let (files, stage) = (
            Directory::new(name).unwrap(),
            Stage::lab(LabOptions::default()).unwrap(),
        );
        let server = serve(&stage, &files, zone, ttl_s);
        let trunk = format!(
            "[[trunks]]\nname = \"named\"\nrealm = \"carrier\"\nprobe = \"off\"\nno_response = \"{NO_RESPONSE_S}s\"\n\
             destination = \"sip:{DOMAIN}\"\n[[routes]]\nprefix = \"{NUMBER}\"\nto = \"named\"\n"
        );
        let options = EdgeOptions {
            extra: dns::section(ipv4(Host::Carrier, 2)) + &trunk,
            ..EdgeOptions::default()
        };
        Named {
            server,
            house: House::on(stage, files, &options),
        }
    }

    fn carrier(&self, host: u8, port: u16, transport: Transport, calls: &str) -> Sipp {
        let mut post = self.house.post_at(Host::Carrier, at(host, port));
        post.transport = transport;
        self.house.callee(post, "answering_callee", &["-m", calls])
    }

    /// Calls, and gives the record; `before` calls have been made.
    fn call(&self, before: usize) -> Value {
        let mut caller = self.house.caller(Party::PbxPlain, "uac", NUMBER, &[]);
        self.house.finish(&mut [&mut caller]);
        let record = self.house.records(before + 1).remove(before);
        assert_complete(&record, "caller");
        record
    }
}

fn serve(stage: &Stage, files: &Directory, zone: &Zone, ttl_s: u32) -> NameServer {
    let namespace = stage.namespaces().unwrap().namespace(Host::Carrier);
    NameServer::start(namespace, ipv4(Host::Carrier, 2), files, zone, ttl_s).unwrap()
}

fn at(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(ipv4(Host::Carrier, host), port)
}

#[test]
fn trk_4_naptr_chooses_the_transport_and_srv_the_host_and_port() {
    if !require_root("the network lab") {
        return;
    }
    let zone = Zone::default()
        .naptr(10, "SIP+D2T", "_sip._tcp")
        .naptr(20, "SIP+D2U", "_sip._udp")
        .srv("_sip._tcp", "one", 5070, 10)
        .srv("_sip._tcp", "two", 5080, 5)
        .srv("_sip._udp", "one", 5060, 1)
        .host("one", ipv4(Host::Carrier, 2))
        .host("two", ipv4(Host::Carrier, 3));
    let named = Named::open("naptr", &zone, 60);
    let mut carrier = named.carrier(3, 5080, Transport::Tcp, "1");
    let record = named.call(0);
    named.house.finish(&mut [&mut carrier]);
    assert_eq!(tried(&record), ["192.0.2.3:5080 200"], "{record:#}");
    assert_eq!(record["callee"]["transport"], "tcp", "{record:#}");
    assert_eq!(named.server.times_asked("NAPTR", DOMAIN), 1);
    named.house.close();
}

#[test]
fn trk_4_the_first_two_hosts_of_a_service_are_dead_and_the_third_answers() {
    if !require_root("the network lab") {
        return;
    }
    let zone = Zone::default()
        .srv("_sip._udp", "one", 5070, 10)
        .srv("_sip._udp", "two", 5080, 20)
        .srv("_sip._udp", "two", 5060, 30)
        .host("one", ipv4(Host::Carrier, 2))
        .host("two", ipv4(Host::Carrier, 3));
    let named = Named::open("srv", &zone, 60);
    let side = named.house.namespace(Host::Carrier);
    // They take what comes, without a word.
    let dead = [at(2, 5070), at(3, 5080)];
    let _dead = dead.map(|address| side.enter(|| UdpSocket::bind(address).unwrap()).unwrap());
    let mut living = named.carrier(3, 5060, Transport::Udp, "2");

    let record = named.call(0);
    let all = ["192.0.2.2:5070 -", "192.0.2.3:5080 -", "192.0.2.3:5060 200"];
    assert_eq!(tried(&record), all, "{record:#}");
    let setup = record["setup_ms"].as_f64().unwrap();
    let silence = f64::from(NO_RESPONSE_S) * 1000.0;
    assert!(
        (2.0 * silence..3.5 * silence).contains(&setup),
        "{record:#}"
    );

    // What failed is remembered: the next call does not wait for it.
    let record = named.call(1);
    assert_eq!(tried(&record), ["192.0.2.3:5060 200"], "{record:#}");
    named.house.finish(&mut [&mut living]);
    let service = format!("_sip._udp.{DOMAIN}");
    assert_eq!(named.server.times_asked("SRV", &service), 1);
    named.house.close();
}

#[test]
fn trk_4_a_zone_that_changes_is_followed_when_its_ttl_is_over_and_not_before() {
    if !require_root("the network lab") {
        return;
    }
    const TTL_S: u32 = 4;
    let zone = |host| {
        Zone::default()
            .srv("_sip._udp", "sbc", 5070, 10)
            .host("sbc", ipv4(Host::Carrier, host))
    };
    let mut named = Named::open("ttl", &zone(2), TTL_S);
    let mut before = named.carrier(2, 5070, Transport::Udp, "2");
    let mut after = named.carrier(3, 5070, Transport::Udp, "1");
    let asked = Instant::now();
    let old = ["192.0.2.2:5070 200"];
    assert_eq!(tried(&named.call(0)), old);
    let service = format!("_sip._udp.{DOMAIN}");
    assert_eq!(named.server.times_asked("SRV", &service), 1);

    named.server.stop().unwrap();
    named.server = serve(&named.house.stage, &named.house.files, &zone(3), TTL_S);
    let record = named.call(1);
    assert!(asked.elapsed() < Duration::from_secs(TTL_S.into()), "slow");
    assert_eq!(tried(&record), old, "{record:#}");
    assert_eq!(named.server.times_asked("SRV", &service), 0);

    let over = Duration::from_secs(TTL_S.into()) + Duration::from_millis(500);
    std::thread::sleep(over.saturating_sub(asked.elapsed()));
    let record = named.call(2);
    assert_eq!(tried(&record), ["192.0.2.3:5070 200"], "{record:#}");
    named.house.finish(&mut [&mut before, &mut after]);
    named.house.close();
}

#[test]
fn trk_4_while_no_name_server_answers_the_last_records_are_used() {
    if !require_root("the network lab") {
        return;
    }
    const TTL_S: u32 = 1;
    let zone = Zone::default()
        .srv("_sip._udp", "sbc", 5070, 10)
        .host("sbc", ipv4(Host::Carrier, 3));
    let named = Named::open("stale", &zone, TTL_S);
    let mut carrier = named.carrier(3, 5070, Transport::Udp, "2");
    let known = ["192.0.2.3:5070 200"];
    assert_eq!(tried(&named.call(0)), known);
    named.server.stop().unwrap();
    std::thread::sleep(Duration::from_secs((TTL_S + 1).into()));
    let mut caller = named.house.caller(Party::PbxPlain, "uac", NUMBER, &[]);
    named.house.finish(&mut [&mut caller, &mut carrier]);
    let record = named.house.records(2).remove(1);
    assert_complete(&record, "caller");
    assert_eq!(tried(&record), known, "{record:#}");
    named.house.close();
}
