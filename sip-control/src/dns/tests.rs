use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SOA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record as DnsRecord};
use sip_core::transport::Transport;
use sip_core::trunk::{Hop, TargetUri};
use tokio::net::UdpSocket;

use super::*;

/// A name server on loopback with a zone of its own.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    silent: Arc<AtomicBool>,
}

type Zone = Vec<(&'static str, u32, RData)>;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, last)))
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, name(target)))
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
    RData::NAPTR(NAPTR::new(
        order,
        preference,
        b"s".as_slice().into(),
        service.as_bytes().into(),
        Box::default(),
        name(replacement),
    ))
}

impl NameServer {
    async fn start(zone: Zone) -> NameServer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = NameServer {
            address: socket.local_addr().unwrap(),
            asked: Arc::default(),
            silent: Arc::default(),
        };
        let (asked, silent) = (Arc::clone(&server.asked), Arc::clone(&server.silent));
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let question = query.queries[0].clone();
                let wanted = format!("{} {}", question.query_type(), question.name());
                asked.lock().unwrap().push(wanted);
                if silent.load(Ordering::Relaxed) {
                    continue;
                }
                let reply = answer(&zone, &query).to_vec().unwrap();
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        server
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(&[self.address])
    }

    /// How often that was asked.
    fn times(&self, wanted: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| *asked == wanted).count()
    }
}

fn answer(zone: &Zone, query: &Message) -> Message {
    let question = &query.queries[0];
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_available = true;
    reply.add_query(question.clone());
    let mut exists = false;
    for (owner, ttl, data) in zone {
        if name(owner) != *question.name() {
            continue;
        }
        exists = true;
        if data.record_type() == question.query_type() {
            reply.add_answer(DnsRecord::from_rdata(name(owner), *ttl, data.clone()));
        }
    }
    if !exists {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    if reply.answers.is_empty() {
        let soa = SOA::new(name("example."), name("root.example."), 1, 60, 60, 60, 60);
        reply.add_authority(DnsRecord::from_rdata(name("example."), 60, RData::SOA(soa)));
    }
    reply
}

fn target(host: &str, port: Option<u16>) -> TargetUri {
    TargetUri {
        host: Host::Name(host.to_owned()),
        port,
        transport: None,
    }
}

/// As `udp 192.0.2.1:5060`, in order.
fn shown(hops: &[Hop]) -> Vec<String> {
    hops.iter()
        .map(|hop| format!("{} {}", hop.transport.uri_token(), hop.address))
        .collect()
}

const ANY_PLAIN: [Transport; 2] = [Transport::Udp, Transport::Tcp];

#[tokio::test]
async fn trk_4_naptr_leads_to_srv_and_srv_to_addresses_in_order() {
    let server = NameServer::start(vec![
        (
            "carrier.example.",
            60,
            naptr(20, 10, "SIP+D2U", "_sip._udp.carrier.example."),
        ),
        (
            "carrier.example.",
            60,
            naptr(10, 20, "SIP+D2T", "_sip._tcp.far.example."),
        ),
        (
            "carrier.example.",
            60,
            naptr(10, 10, "SIPS+D2T", "_sips._tcp.carrier.example."),
        ),
        ("_sip._tcp.far.example.", 60, srv(20, 0, 5070, "b.example.")),
        ("_sip._tcp.far.example.", 60, srv(10, 0, 5080, "a.example.")),
        (
            "_sip._udp.carrier.example.",
            60,
            srv(1, 0, 5060, "c.example."),
        ),
        ("a.example.", 60, a(1)),
        ("a.example.", 60, a(2)),
        ("b.example.", 60, a(3)),
        ("c.example.", 60, a(4)),
    ])
    .await;
    let found = server.resolver();
    // The lowest order that has a transport of ours decides: TLS is not for this trunk, and UDP is
    // of another order.
    let hops = found
        .locate(&target("carrier.example", None), &ANY_PLAIN)
        .await
        .unwrap();
    assert_eq!(
        shown(&hops),
        [
            "tcp 192.0.2.1:5080",
            "tcp 192.0.2.2:5080",
            "tcp 192.0.2.3:5070"
        ]
    );
}

#[tokio::test]
async fn trk_4_without_naptr_each_transport_has_its_srv() {
    let server = NameServer::start(vec![
        ("_sip._udp.pbx.example.", 60, srv(1, 1, 5062, "a.example.")),
        ("_sip._tcp.pbx.example.", 60, srv(1, 1, 5064, "b.example.")),
        ("_sips._tcp.pbx.example.", 60, srv(1, 1, 5066, "c.example.")),
        ("pbx.example.", 60, a(9)),
        ("a.example.", 60, a(1)),
        ("b.example.", 60, a(2)),
        ("c.example.", 60, a(3)),
    ])
    .await;
    let resolver = server.resolver();
    let pbx = target("pbx.example", None);
    for (transports, expected) in [
        (
            &ANY_PLAIN[..],
            vec!["udp 192.0.2.1:5062", "tcp 192.0.2.2:5064"],
        ),
        (&[Transport::Tcp], vec!["tcp 192.0.2.2:5064"]),
        (&[Transport::Tls], vec!["tls 192.0.2.3:5066"]),
    ] {
        let hops = resolver.locate(&pbx, transports).await.unwrap();
        assert_eq!(shown(&hops), expected, "{transports:?}");
    }
    // A transport that is settled needs no NAPTR, a port no SRV either.
    assert_eq!(server.times("NAPTR pbx.example."), 1);
    let hops = resolver
        .locate(&target("pbx.example", Some(5070)), &ANY_PLAIN)
        .await
        .unwrap();
    assert_eq!(shown(&hops), ["udp 192.0.2.9:5070"]);
    assert_eq!(server.times("NAPTR pbx.example."), 1);
}

#[tokio::test]
async fn trk_4_a_name_with_addresses_alone_has_the_default_port_of_its_transport() {
    let server = NameServer::start(vec![
        ("pbx.example.", 60, a(9)),
        (
            "pbx.example.",
            60,
            RData::AAAA(AAAA("2001:db8::9".parse().unwrap())),
        ),
    ])
    .await;
    let resolver = server.resolver();
    for (transport, expected) in [
        (
            Transport::Udp,
            ["udp 192.0.2.9:5060", "udp [2001:db8::9]:5060"],
        ),
        (
            Transport::Tls,
            ["tls 192.0.2.9:5061", "tls [2001:db8::9]:5061"],
        ),
    ] {
        let hops = resolver
            .locate(&target("pbx.example", None), &[transport])
            .await
            .unwrap();
        assert_eq!(shown(&hops), expected);
    }
}

#[tokio::test]
async fn trk_4_srv_weights_share_the_first_place() {
    let server = NameServer::start(vec![
        ("_sip._udp.pbx.example.", 60, srv(1, 90, 5060, "a.example.")),
        ("_sip._udp.pbx.example.", 60, srv(1, 10, 5060, "b.example.")),
        ("a.example.", 60, a(1)),
        ("b.example.", 60, a(2)),
    ])
    .await;
    let resolver = server.resolver();
    let mut first_is_a = 0;
    for _ in 0..1_000 {
        let hops = resolver
            .locate(&target("pbx.example", None), &[Transport::Udp])
            .await
            .unwrap();
        assert_eq!(hops.len(), 2, "the other one is for failover");
        first_is_a += usize::from(shown(&hops)[0].starts_with("udp 192.0.2.1"));
    }
    assert!((800..980).contains(&first_is_a), "{first_is_a}");
    // All of that from one answer.
    assert_eq!(server.times("SRV _sip._udp.pbx.example."), 1);
}

#[tokio::test]
async fn trk_4_a_service_that_is_decidedly_not_there_is_an_error() {
    let server = NameServer::start(vec![
        ("_sip._udp.pbx.example.", 60, srv(0, 0, 0, ".")),
        ("pbx.example.", 60, a(9)),
    ])
    .await;
    let located = server
        .resolver()
        .locate(&target("pbx.example", None), &[Transport::Udp])
        .await;
    assert_eq!(
        located.unwrap_err().to_string(),
        "pbx.example cannot be resolved: its SRV records say that there is no such service"
    );
}

#[tokio::test]
async fn trk_4_records_hold_as_long_as_their_ttl() {
    let server = NameServer::start(vec![
        ("short.example.", 1, a(1)),
        ("long.example.", 60, a(2)),
    ])
    .await;
    let resolver = server.resolver();
    let short = Host::Name("short.example".to_owned());
    let long = Host::Name("long.example".to_owned());
    for host in [&short, &long, &short, &long] {
        resolver.addresses(host, false).await.unwrap();
    }
    assert_eq!(server.times("A short.example."), 1);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(resolver.known(&short, false), None);
    resolver.addresses(&short, false).await.unwrap();
    resolver.addresses(&long, false).await.unwrap();
    assert_eq!(server.times("A short.example."), 2);
    assert_eq!(server.times("A long.example."), 1);
}

#[tokio::test]
async fn trk_4_an_expired_answer_serves_while_nobody_answers() {
    let server = NameServer::start(vec![("pbx.example.", 1, a(1))]).await;
    let resolver = server.resolver();
    let host = Host::Name("pbx.example".to_owned());
    let expected = vec![IpAddr::from([192, 0, 2, 1])];
    assert_eq!(resolver.addresses(&host, false).await, Ok(expected.clone()));
    server.silent.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(resolver.addresses(&host, false).await, Ok(expected));
}

#[tokio::test]
async fn trk_4_a_call_does_not_wait_for_name_servers_that_are_silent() {
    let server = NameServer::start(vec![
        (
            "_sip._udp.carrier.example.",
            1,
            srv(10, 0, 5060, "one.example."),
        ),
        ("one.example.", 1, a(1)),
    ])
    .await;
    let resolver = server.resolver();
    // That there is no NAPTR record is known too.
    let carrier = target("carrier.example", None);
    let expected = resolver.locate(&carrier, &ANY_PLAIN).await.unwrap();
    assert_eq!(shown(&expected), ["udp 192.0.2.1:5060"]);
    server.silent.store(true, Ordering::Relaxed);
    resolver.memory.expire();
    let begun = Instant::now();
    let found = resolver.locate(&carrier, &ANY_PLAIN).await;
    assert_eq!(found, Ok(expected.clone()));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    // What was not answered is not asked again at once.
    let begun = Instant::now();
    let found = resolver.locate(&carrier, &ANY_PLAIN).await;
    assert_eq!(found, Ok(expected));
    assert!(begun.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn trk_4_a_late_answer_is_kept_for_who_comes_next() {
    let server = NameServer::start(vec![("pbx.example.", 60, a(1))]).await;
    let resolver = server.resolver();
    let host = Host::Name("pbx.example".to_owned());
    let address = Ok(vec![IpAddr::from([192, 0, 2, 1])]);
    assert_eq!(resolver.addresses(&host, false).await, address);
    server.silent.store(true, Ordering::Relaxed);
    resolver.memory.expire();
    assert_eq!(resolver.addresses(&host, false).await, address);
    let question = ("pbx.example".to_owned(), Kind::Addresses);
    let stale = resolver.memory.holds_until(&question);
    // The second try of that lookup is answered.
    server.silent.store(false, Ordering::Relaxed);
    let begun = Instant::now();
    while resolver.memory.holds_until(&question) <= stale {
        assert!(begun.elapsed() < LONGEST_LOOKUP);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_an_error_that_names_it() {
    let server = NameServer::start(Vec::new()).await;
    let resolver = server.resolver();
    let host = Host::Name("nothing.example".to_owned());
    assert_eq!(
        resolver
            .addresses(&host, false)
            .await
            .unwrap_err()
            .to_string(),
        "nothing.example has no IPv4 address"
    );
    let located = resolver
        .locate(&target("nothing.example", None), &ANY_PLAIN)
        .await;
    assert_eq!(
        located.unwrap_err().to_string(),
        "nothing.example cannot be resolved: it has no address"
    );
}

#[tokio::test]
async fn an_address_needs_no_resolver() {
    let host = Host::Address([192, 0, 2, 1].into());
    let resolver = Resolver::new(&["127.0.0.1:9".parse().unwrap()]);
    assert_eq!(
        resolver.known(&host, false),
        Some(vec![[192, 0, 2, 1].into()])
    );
}

#[tokio::test]
async fn who_asks_while_a_name_is_asked_for_shares_the_answer() {
    let server = NameServer::start(vec![("pbx.example.", 60, a(1))]).await;
    let resolver = server.resolver();
    let host = Host::Name("pbx.example".to_owned());
    let (one, other) = tokio::join!(
        resolver.addresses(&host, false),
        resolver.addresses(&host, false)
    );
    assert_eq!(one, other);
    assert_eq!(server.times("A pbx.example."), 1);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_moment_only() {
    let resolver = Resolver::new(&["127.0.0.1:9".parse().unwrap()]);
    let question = ("pbx.example".to_owned(), Kind::Addresses);
    let failure = resolver
        .records("pbx.example", Kind::Addresses)
        .await
        .unwrap_err();
    assert_eq!(resolver.memory.remembered(&question), Some(Err(failure)));
    let until = resolver.memory.holds_until(&question);
    assert!(until <= Instant::now() + memory::FAILURE_KEPT);
}

#[tokio::test]
async fn the_systems_hosts_are_known() {
    let resolver = Resolver::new(&[]);
    let host = Host::Name("localhost".to_owned());
    let found = resolver.addresses(&host, false).await.unwrap();
    assert!(found.contains(&[127, 0, 0, 1].into()));
}
