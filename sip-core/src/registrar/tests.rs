use std::net::SocketAddr;

use super::*;
use crate::message::{Message, Request};
use crate::transport::{ListenerId, Origin, Transport};
use crate::trunk::Network;

struct Bench {
    now: Instant,
    registrar: Registrar,
    aor: Aor,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            now: Instant::now(),
            registrar: Registrar::default(),
            aor: Aor::new("alice", "Office.Example.Com."),
        }
    }

    fn register(&mut self, call_id: &str, cseq: u32, lines: &str) -> Result<Change, RegisterError> {
        let registration =
            Registration::of(&request(call_id, cseq, lines), &origin(None), &[]).unwrap();
        self.registrar.register(self.now, &self.aor, &registration)
    }

    fn contacts(&self) -> Vec<String> {
        let bindings = self.registrar.bindings(self.now, &self.aor);
        bindings
            .iter()
            .map(|binding| binding.contact.uri().to_string())
            .collect()
    }
}

fn request(call_id: &str, cseq: u32, lines: &str) -> Request {
    let text = format!(
        "REGISTER sip:office.example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@office.example.com>;tag=1\r\n\
         To: <sip:alice@office.example.com>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}\r\n"
    );
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn origin(connection: Option<u64>) -> Origin {
    let remote: SocketAddr = "192.0.2.7:40000".parse().unwrap();
    Origin {
        transport: connection.map_or(Transport::Udp, |_| Transport::Tcp),
        listener: ListenerId(3),
        local: "198.51.100.1:5060".parse().unwrap(),
        remote,
        connection: connection.map(ConnectionId),
        tls: None,
    }
}

#[test]
fn sig_4_times_are_granted_capped_and_refused() {
    for (lines, granted) in [
        ("Contact: <sip:a@10.0.0.1>\r\n", Ok(3600)),
        ("Contact: <sip:a@10.0.0.1>\r\nExpires: 100\r\n", Ok(100)),
        (
            "Contact: <sip:a@10.0.0.1>;expires=90\r\nExpires: 100\r\n",
            Ok(90),
        ),
        ("Contact: <sip:a@10.0.0.1>;expires=60\r\n", Ok(60)),
        ("Contact: <sip:a@10.0.0.1>;expires=7200\r\n", Ok(3600)),
        ("Contact: <sip:a@10.0.0.1>\r\nExpires: soon\r\n", Ok(3600)),
        (
            "Contact: <sip:a@10.0.0.1>;expires=59\r\n",
            Err(RegisterError::TooBrief),
        ),
        (
            "Contact: <sip:a@10.0.0.1>\r\nExpires: 1\r\n",
            Err(RegisterError::TooBrief),
        ),
    ] {
        let mut bench = Bench::new();
        let result = bench.register("1", 1, lines);
        let bindings = bench.registrar.bindings(bench.now, &bench.aor);
        match granted {
            Ok(seconds) => {
                assert_eq!(
                    bindings[0].expires,
                    bench.now + Duration::from_secs(seconds),
                    "{lines}"
                );
            }
            Err(error) => assert_eq!((result, bindings.len()), (Err(error), 0), "{lines}"),
        }
    }
}

#[test]
fn sig_4_an_older_register_of_the_same_call_id_changes_nothing() {
    let mut bench = Bench::new();
    bench
        .register("1", 5, "Contact: <sip:a@10.0.0.1>\r\n")
        .unwrap();
    for (call_id, cseq, lines, result) in [
        (
            "1",
            5,
            "Contact: <sip:a@10.0.0.1>;expires=0\r\n",
            Err(RegisterError::OutOfOrder),
        ),
        (
            "1",
            4,
            "Contact: *\r\nExpires: 0\r\n",
            Err(RegisterError::OutOfOrder),
        ),
        // All or nothing: the new one is not taken either.
        (
            "1",
            5,
            "Contact: <sip:b@10.0.0.2>, <sip:a@10.0.0.1>\r\n",
            Err(RegisterError::OutOfOrder),
        ),
        ("1", 6, "Contact: <sip:a@10.0.0.1>;expires=0\r\n", Ok(())),
        ("1", 7, "Contact: <sip:a@10.0.0.1>\r\n", Ok(())),
        ("2", 1, "Contact: *\r\nExpires: 0\r\n", Ok(())),
    ] {
        let before = bench.contacts();
        assert_eq!(
            bench.register(call_id, cseq, lines).map(|_| ()),
            result,
            "{lines}"
        );
        if result.is_err() {
            assert_eq!(bench.contacts(), before, "{lines}");
        }
    }
    assert!(bench.contacts().is_empty());
}

#[test]
fn sig_4_ten_bindings_and_not_one_more() {
    let mut bench = Bench::new();
    for index in 0..MAX_BINDINGS {
        let lines = format!("Contact: <sip:a@10.0.0.{index}>\r\n");
        bench.register("1", index as u32 + 1, &lines).unwrap();
    }
    let more = "Contact: <sip:a@10.0.1.1>\r\n";
    assert_eq!(bench.register("2", 1, more), Err(RegisterError::TooMany));
    // One for another is no more; and a refresh is not, either.
    let swap = "Contact: <sip:a@10.0.0.0>;expires=0, <sip:a@10.0.1.1>\r\n";
    assert_eq!(bench.register("2", 1, swap).unwrap().added, 1);
    bench.register("2", 2, more).unwrap();
    assert_eq!(bench.contacts().len(), MAX_BINDINGS);
}

#[test]
fn sig_4_a_register_of_very_many_or_very_long_contacts_is_not_worked_on() {
    let contacts = |count: usize, more: &str| -> String {
        (0..count)
            .map(|n| format!("Contact: <sip:a@10.0.{n}.1{more}>;expires=0\r\n"))
            .collect()
    };
    let mut bench = Bench::new();
    let put_instead = contacts(10, "")
        + &(0..10)
            .map(|n| format!("Contact: <sip:b@10.0.{n}.1>\r\n"))
            .collect::<String>();
    assert_eq!(bench.register("1", 1, &put_instead).unwrap().added, 10);
    let one_more = contacts(21, "");
    assert_eq!(
        bench.register("1", 2, &one_more),
        Err(RegisterError::TooMany)
    );
    let many: String = (0..6_000).map(|n| format!(",a:{n}")).collect();
    let many = format!("Contact: <sip:a@h>{}\r\n", &many[..8_000]);
    assert_eq!(bench.register("1", 3, &many), Err(RegisterError::TooMany));
    assert_eq!(bench.contacts().len(), 10);
    for lines in [
        contacts(1, &format!(";x={}", "y".repeat(1024))),
        contacts(1, &";a;b".repeat(20)),
        contacts(1, &format!("?{}", "a=b&".repeat(40))),
        "Path: <sip:p;lr>\r\n".repeat(230) + &contacts(1, ""),
    ] {
        let request = request("1", 4, &lines);
        assert!(
            Registration::of(&request, &origin(None), &[]).is_err(),
            "{lines}"
        );
    }
    let long =
        contacts(1, &format!(";x={}", "y".repeat(900))) + "Path: <sip:p1;lr>, <sip:p2;lr>\r\n";
    bench.register("1", 5, &long).unwrap();
}

#[test]
fn sig_4_a_star_removes_all_only_with_expires_0() {
    for lines in [
        "Contact: *\r\n",
        "Contact: *\r\nExpires: 100\r\n",
        "Contact: *, <sip:a@b>\r\nExpires: 0\r\n",
    ] {
        assert!(
            Registration::of(&request("1", 1, lines), &origin(None), &[]).is_err(),
            "{lines}"
        );
    }
    let mut bench = Bench::new();
    bench
        .register("1", 1, "Contact: <sip:a@10.0.0.1>, <sip:b@10.0.0.2>\r\n")
        .unwrap();
    let change = bench
        .register("1", 2, "Contact: *\r\nExpires: 0\r\n")
        .unwrap();
    assert_eq!(change.removed, 2);
    assert_eq!(bench.registrar.len(), 0);
    assert_eq!(bench.registrar.next_expiry(), None);
}

#[test]
fn sig_4_bindings_expire_by_the_clock() {
    let mut bench = Bench::new();
    bench
        .register(
            "1",
            1,
            "Contact: <sip:a@10.0.0.1>;expires=60, <sip:b@10.0.0.2>;expires=100\r\n",
        )
        .unwrap();
    let start = bench.now;
    assert_eq!(
        bench.registrar.next_expiry(),
        Some(start + Duration::from_secs(60))
    );
    bench.now += Duration::from_secs(60);
    assert_eq!(bench.contacts(), ["sip:b@10.0.0.2"]);
    let expired = bench.registrar.expire_next(bench.now);
    assert_eq!(expired, Some((bench.aor.clone(), 1)));
    assert_eq!(bench.registrar.expire_next(bench.now), None);
    bench.now += Duration::from_secs(40);
    assert_eq!(bench.registrar.expire_next(bench.now).unwrap().1, 1);
    assert_eq!(
        (bench.registrar.len(), bench.registrar.next_expiry()),
        (0, None)
    );
}

#[test]
fn sig_3_an_instance_replaces_its_own_flow_whatever_its_contact() {
    let mut bench = Bench::new();
    let contact = |host: &str, reg_id: u32| {
        format!(
            "Supported: path, outbound\r\nContact: <sip:a@{host}>;+sip.instance=\"<urn:uuid:1>\";reg-id={reg_id}\r\n"
        )
    };
    bench.register("1", 1, &contact("10.0.0.1", 1)).unwrap();
    bench.register("1", 2, &contact("10.0.0.2", 2)).unwrap();
    assert_eq!(bench.contacts().len(), 2);
    // After a restart of the phone: another Call-ID, another address.
    let change = bench.register("2", 1, &contact("10.0.0.9", 1)).unwrap();
    assert_eq!((change.added, change.removed, change.any), (0, 0, true));
    assert_eq!(bench.contacts(), ["sip:a@10.0.0.9", "sip:a@10.0.0.2"]);
}

#[test]
fn sig_4_the_source_is_the_way_back_unless_a_proxy_of_the_trunks_names_another() {
    let proxy = ["192.0.2.0/24".parse::<Network>().unwrap().into()];
    let everybody = ["0.0.0.0/0".parse::<Network>().unwrap().into()];
    let two_vias = "Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0\r\n";
    for (acl, lines, by_flow) in [
        (&[][..], "Contact: <sip:a@10.0.0.1>\r\n".to_owned(), true),
        (&proxy, "Contact: <sip:a@192.0.2.9>\r\n".to_owned(), true),
        // Whoever sent that, only a proxy that is known is believed.
        (
            &[],
            format!("{two_vias}Contact: <sip:a@192.0.2.9>\r\n"),
            true,
        ),
        (
            &[],
            "Path: <sip:192.0.2.9;lr>\r\nContact: <sip:a@h>\r\n".to_owned(),
            true,
        ),
        (
            &everybody,
            format!("{two_vias}Contact: <sip:a@192.0.2.9>\r\n"),
            true,
        ),
        (
            &proxy,
            format!("{two_vias}Contact: <sip:a@192.0.2.9>\r\n"),
            false,
        ),
        (
            &proxy,
            "Path: <sip:192.0.2.9;lr>\r\nContact: <sip:a@h>\r\n".to_owned(),
            false,
        ),
        // And that only where the trunk is.
        (
            &proxy,
            format!("{two_vias}Contact: <sip:a@198.51.100.9>\r\n"),
            true,
        ),
        (
            &proxy,
            format!("{two_vias}Contact: <sip:a@host.example>\r\n"),
            true,
        ),
        (
            &proxy,
            "Path: <sip:198.51.100.9;lr>\r\nContact: <sip:a@192.0.2.9>\r\n".to_owned(),
            true,
        ),
    ] {
        let request = request("1", 1, &lines);
        let registration = Registration::of(&request, &origin(Some(9)), acl).unwrap();
        let bindings = registration.apply(Instant::now(), &[]).unwrap();
        let flow = bindings[0].flow;
        assert_eq!(flow.is_some(), by_flow, "{lines}");
        if let Some(flow) = flow {
            assert_eq!(flow.remote, origin(None).remote);
            assert_eq!(flow.connection, Some(ConnectionId(9)));
        }
    }
}

#[test]
fn a_connection_that_closes_is_forgotten_by_what_came_by_it_alone() {
    let mut registrar = Registrar::default();
    let now = Instant::now();
    let (alice, bob) = (Aor::new("alice", "h"), Aor::new("bob", "h"));
    let put = |registrar: &mut Registrar, aor: &Aor, call_id: &str, host: &str, by| {
        let lines = format!("Contact: <sip:a@{host}>\r\n");
        let registration = Registration::of(&request(call_id, 1, &lines), &origin(Some(by)), &[]);
        registrar
            .register(now, aor, &registration.unwrap())
            .unwrap();
    };
    put(&mut registrar, &alice, "1", "h1", 1);
    put(&mut registrar, &alice, "2", "h2", 2);
    put(&mut registrar, &bob, "3", "h3", 1);
    // Registers again by another connection, and closes the old one.
    put(&mut registrar, &bob, "4", "h3", 3);
    let flows = |registrar: &Registrar, aor: &Aor| -> Vec<Option<ConnectionId>> {
        let bindings = registrar.bindings(now, aor);
        let by = bindings.iter().map(|binding| binding.connection());
        by.collect()
    };
    registrar.connection_closed(ConnectionId(9));
    registrar.connection_closed(ConnectionId(1));
    assert_eq!(flows(&registrar, &alice), [None, Some(ConnectionId(2))]);
    assert_eq!(flows(&registrar, &bob), [Some(ConnectionId(3))]);
    // Those that nobody closes any more are no memory of ours, either.
    let star = "Contact: *\r\nExpires: 0\r\n";
    for aor in [&alice, &bob] {
        let registration = Registration::of(&request("5", 1, star), &origin(None), &[]).unwrap();
        registrar.register(now, aor, &registration).unwrap();
    }
    assert!(registrar.connections.is_empty());
}

#[test]
fn sig_4_what_the_store_kept_is_there_again() {
    let mut bench = Bench::new();
    let lines = "Contact: \"A\" <sip:a@10.0.0.1;x=1>;q=0.5;expires=60\r\nContact: <sip:b@10.0.0.2>;expires=600\r\n";
    bench.register("1", 7, lines).unwrap();
    let kept = bench.registrar.snapshot(&bench.aor);
    let mut again = Registrar::default();
    let later = bench.now + Duration::from_secs(61);
    assert_eq!(again.restore(later, &kept.aor, &kept.bindings, |_| true), 1);
    let bindings = again.bindings(later, &bench.aor);
    let original = bench.registrar.bindings(later, &bench.aor);
    assert_eq!(bindings, original);
    let mut damaged = kept;
    damaged.bindings[1].contact = b"<".to_vec();
    let restored = again.restore(bench.now, &damaged.aor, &damaged.bindings, |_| true);
    assert_eq!(restored, 1);
    // Of a connection only who was at its end.
    again.restore(bench.now, &damaged.aor, &damaged.bindings, |_| false);
    let binding = again.bindings(bench.now, &bench.aor).remove(0);
    assert_eq!(
        (binding.flow, binding.source),
        (None, damaged.bindings[0].source)
    );
    assert!(binding.source.is_some());
}

#[test]
fn the_preferred_place_comes_first() {
    let mut bench = Bench::new();
    bench
        .register(
            "1",
            1,
            "Contact: <sip:a@h>;q=0.2, <sip:b@h>;q=0.9, <sip:c@h>\r\n",
        )
        .unwrap();
    assert_eq!(bench.contacts(), ["sip:c@h", "sip:b@h", "sip:a@h"]);
}
