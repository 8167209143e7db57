//! Whose a request is.

use media_core::ports::RealmId;

use super::*;
use crate::auth::{CredentialSet, Login};
use crate::transport::{ListenerId, TlsPeer, Transport};
use crate::trunk::Network;

const UDP: ListenerId = ListenerId(0);
const TLS: ListenerId = ListenerId(1);
const PRIVATE_UDP: ListenerId = ListenerId(2);

fn listeners() -> Vec<Listener> {
    [
        (Transport::Udp, 0, "198.51.100.1"),
        (Transport::Tls, 0, "edge.example.com"),
        (Transport::Udp, 1, "198.51.100.1"),
    ]
    .map(|(transport, realm, advertised)| Listener {
        transport,
        address: "198.51.100.1:5060".parse().unwrap(),
        advertised_host: host(advertised),
        advertised_port: 5060,
        realm: RealmId(realm),
    })
    .to_vec()
}

fn trunk(domain: &str, mode: SecureMode, acl: &[&str], listener: ListenerId, realm: u16) -> Trunk {
    Trunk {
        domains: Some(domain)
            .filter(|domain| !domain.is_empty())
            .map(str::to_owned)
            .into_iter()
            .collect(),
        mode,
        acl: acl
            .iter()
            .map(|text| text.parse::<Network>().unwrap().into())
            .collect(),
        ..Trunk::new("", listener, RealmId(realm))
    }
}

fn host(text: &str) -> Host {
    match text.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(text.to_owned()),
    }
}

#[test]
fn trk_2_where_every_trunk_has_a_domain_an_address_is_the_wrong_host() {
    let trunks = [trunk(
        "a.sip.example.com",
        SecureMode::Disabled,
        &["192.0.2.0/24"],
        UDP,
        0,
    )]
    .map(Arc::new);
    for (called, source, trunk) in [
        ("198.51.100.1", "203.0.113.9", None),
        ("edge.example.com", "203.0.113.9", None),
        ("198.51.100.1", "192.0.2.9", Some(TrunkId(0))),
        ("b.sip.example.com", "203.0.113.9", None),
    ] {
        let origin = Origin {
            transport: Transport::Udp,
            listener: UDP,
            local: "198.51.100.1:5060".parse().unwrap(),
            remote: std::net::SocketAddr::new(source.parse().unwrap(), 5060),
            connection: None,
            tls: None,
        };
        let refused = NotAdmitted {
            trunk,
            refusal: Refusal::UNKNOWN_DOMAIN,
        };
        assert_eq!(
            admit(&trunks, &listeners(), Some(&host(called)), &origin),
            Err(refused),
            "{called} from {source}"
        );
    }
}

#[test]
fn trk_2_a_request_belongs_to_the_trunk_of_its_host_and_else_of_its_source() {
    use SecureMode::{Disabled, Srtp};
    let trunks = [
        trunk("a.sip.example.com", Srtp, &["192.0.2.0/24"], TLS, 0),
        trunk("b.sip.example.com", Disabled, &["192.0.2.0/24"], UDP, 0),
        trunk("", Disabled, &["203.0.113.0/24"], UDP, 0),
        trunk("", Srtp, &["203.0.113.7"], TLS, 0),
        trunk("", Disabled, &["203.0.113.0/24"], PRIVATE_UDP, 1),
        trunk("", Disabled, &["203.0.113.8"], UDP, 0),
    ]
    .map(Arc::new);
    type Expected = Result<u16, (Option<u16>, Refusal)>;
    let cases: &[(&str, &str, ListenerId, Expected)] = &[
        ("a.sip.example.com", "192.0.2.1", TLS, Ok(0)),
        ("A.SIP.example.COM", "192.0.2.1", TLS, Ok(0)),
        ("a.sip.example.com.", "192.0.2.1", TLS, Ok(0)),
        (
            "a.sip.example.com",
            "192.0.2.1",
            UDP,
            Err((Some(0), Refusal::TLS_REQUIRED)),
        ),
        (
            "a.sip.example.com",
            "203.0.113.1",
            TLS,
            Err((Some(0), Refusal::ACL)),
        ),
        ("b.sip.example.com", "192.0.2.1", UDP, Ok(1)),
        ("b.sip.example.com", "192.0.2.1", TLS, Ok(1)),
        (
            "b.sip.example.com",
            "192.0.2.1",
            PRIVATE_UDP,
            Err((Some(1), Refusal::ACL)),
        ),
        (
            "c.sip.example.com",
            "192.0.2.1",
            TLS,
            Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
        ),
        (
            "198.51.100.1",
            "192.0.2.1",
            TLS,
            Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
        ),
        (
            "198.51.100.1",
            "198.51.100.99",
            UDP,
            Err((None, Refusal::ACL)),
        ),
        // Nobody's domain, whoever asks; an address is right for those that are known by theirs.
        (
            "c.sip.example.com",
            "198.51.100.99",
            UDP,
            Err((None, Refusal::UNKNOWN_DOMAIN)),
        ),
        (
            "edge.example.com",
            "198.51.100.99",
            UDP,
            Err((None, Refusal::ACL)),
        ),
        // The private network has no trunk with a domain.
        (
            "c.sip.example.com",
            "198.51.100.99",
            PRIVATE_UDP,
            Err((None, Refusal::ACL)),
        ),
        (
            "198.51.100.1",
            "192.0.2.1",
            PRIVATE_UDP,
            Err((None, Refusal::ACL)),
        ),
        ("198.51.100.1", "203.0.113.1", UDP, Ok(2)),
        ("198.51.100.1", "203.0.113.1", PRIVATE_UDP, Ok(4)),
        ("198.51.100.1", "203.0.113.7", TLS, Ok(3)),
        ("198.51.100.1", "203.0.113.7", UDP, Ok(2)),
        ("198.51.100.1", "203.0.113.8", UDP, Ok(5)),
    ];
    for (called, source, listener, expected) in cases {
        let host = host(called);
        let origin = Origin {
            transport: listeners()[usize::from(listener.0)].transport,
            listener: *listener,
            local: "198.51.100.1:5060".parse().unwrap(),
            remote: std::net::SocketAddr::new(source.parse().unwrap(), 5060),
            connection: None,
            tls: None,
        };
        let admitted = admit(&trunks, &listeners(), Some(&host), &origin);
        let expected = expected
            .map(TrunkId)
            .map_err(|(trunk, refusal)| NotAdmitted {
                trunk: trunk.map(TrunkId),
                refusal,
            });
        assert_eq!(admitted, expected, "{called} from {source} by {listener:?}");
    }
}

/// A trunk of each domain, and an edge with a name.
fn tenants() -> (Vec<Arc<Trunk>>, Vec<Listener>) {
    let tenant = |name: &str, certificate, refuses| Trunk {
        needs_certificate: certificate,
        refuse_other_server_names: refuses,
        ..trunk(name, SecureMode::Tls, &["0.0.0.0/0"], TLS, 0)
    };
    let trunks = vec![
        tenant("a.sip.example", false, false),
        tenant("b.sip.example", true, false),
        tenant("c.sip.example", false, true),
    ];
    let mut listeners = listeners();
    listeners[1].advertised_host = Host::Name("edge.example".to_owned());
    (trunks.into_iter().map(Arc::new).collect(), listeners)
}

fn by_tls(server_name: Option<&str>, proven: &[u16]) -> Origin {
    Origin {
        transport: Transport::Tls,
        listener: TLS,
        local: "198.51.100.1:5061".parse().unwrap(),
        remote: "203.0.113.7:40000".parse().unwrap(),
        connection: None,
        tls: Some(Arc::new(TlsPeer {
            server_name: server_name.map(str::to_owned),
            proven: proven.iter().copied().map(TrunkId).collect(),
        })),
    }
}

#[test]
fn trk_2_the_name_that_was_connected_to_is_a_hint_and_no_proof() {
    let (trunks, listeners) = tenants();
    let names = ["a.sip.example", "b.sip.example", "c.sip.example"];
    let [a, b, c] = names.map(Some);
    for (host, server_name, proven, expected) in [
        ("a.sip.example", a, &[][..], Ok(0)),
        ("a.sip.example", None, &[], Ok(0)),
        ("a.sip.example", Some("elsewhere.example"), &[], Ok(0)),
        // Only told, unless the trunk called refuses it.
        ("a.sip.example", c, &[], Ok(0)),
        ("c.sip.example", c, &[], Ok(2)),
        (
            "c.sip.example",
            a,
            &[],
            Err((Some(2), Refusal::SERVER_NAME)),
        ),
        // The edge as a whole was called: the connection's name says which trunk.
        ("edge.example", a, &[], Ok(0)),
        ("EDGE.example", Some("A.sip.example."), &[], Ok(0)),
        (
            "edge.example",
            None,
            &[],
            Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
        ),
        // An address is no domain, and another name is nobody's.
        (
            "198.51.100.1",
            a,
            &[],
            Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
        ),
        (
            "other.example",
            a,
            &[],
            Err((Some(0), Refusal::UNKNOWN_DOMAIN)),
        ),
        // What a trunk asks for is asked whatever was connected to.
        ("b.sip.example", b, &[1], Ok(1)),
        (
            "b.sip.example",
            b,
            &[0, 2],
            Err((Some(1), Refusal::CERTIFICATE)),
        ),
        ("edge.example", b, &[], Err((Some(1), Refusal::CERTIFICATE))),
    ] {
        let called = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) => Host::Name(host.to_owned()),
        };
        let origin = by_tls(server_name, proven);
        let admitted = admit(&trunks, &listeners, Some(&called), &origin);
        let expected = expected
            .map(TrunkId)
            .map_err(|(trunk, refusal)| NotAdmitted {
                trunk: trunk.map(TrunkId),
                refusal,
            });
        assert_eq!(admitted, expected, "{host} by {server_name:?}");
    }
    let other = connected_to_other(&trunks, TrunkId(0), &by_tls(c, &[]));
    assert_eq!(other.map(|trunk| trunk.domains[0].as_str()), c);
    assert!(connected_to_other(&trunks, TrunkId(0), &by_tls(a, &[])).is_none());
}

#[test]
fn trk_1_credentials_open_a_trunk_without_an_acl_and_do_not_open_an_acl() {
    let set = CredentialSet::new("r", vec![Login::of_password("u", "r", "p")]).unwrap();
    let with_credentials = |acl: &[&str]| {
        let mut trunk = trunk("", SecureMode::Disabled, acl, ListenerId(0), 0);
        trunk.credentials = Some(Arc::new(set.clone()));
        trunk
    };
    let source: SocketAddr = "192.0.2.1:5060".parse().unwrap();
    let open = with_credentials(&[]);
    assert!(open.allows(source) && !open.knows(source.ip()));
    let closed = with_credentials(&["198.51.100.0/24"]);
    assert!(!closed.allows(source) && !closed.knows(source.ip()));
    let nobody = trunk("", SecureMode::Disabled, &[], ListenerId(0), 0);
    assert!(!nobody.allows(source));
}

#[test]
fn trk_1_an_acl_may_name_the_ports_that_requests_come_from() {
    let mut trunk = trunk(
        "carrier.example.com",
        SecureMode::Disabled,
        &["192.0.2.0/24", "2001:db8::/32"],
        ListenerId(0),
        0,
    );
    for allowed in &mut trunk.acl {
        allowed.ports = Some(5060..=5061);
    }
    let trunks = [Arc::new(trunk)];
    let host = host("carrier.example.com");
    for (source, admitted) in [
        ("192.0.2.1:5060", true),
        ("192.0.2.1:5061", true),
        ("192.0.2.1:5059", false),
        ("192.0.2.1:5062", false),
        ("192.0.3.1:5060", false),
        ("[2001:db8::1]:5061", true),
        ("[2001:db8::1]:1024", false),
    ] {
        let origin = Origin {
            transport: Transport::Udp,
            remote: source.parse().unwrap(),
            local: "198.51.100.1:5060".parse().unwrap(),
            listener: ListenerId(0),
            connection: None,
            tls: None,
        };
        let result = admit(&trunks, &listeners(), Some(&host), &origin);
        let refusal = result.map_err(|not| not.refusal).err();
        let expected = (!admitted).then_some(Refusal::ACL);
        assert_eq!(refusal, expected, "{source}");
    }
}
