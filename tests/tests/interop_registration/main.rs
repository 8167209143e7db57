//! baresip and Linphone register with the edge and are called there, baresip also after the edge has
//! been started anew; the edge registers with Kamailio and is called through it.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::net::SocketAddr;
use std::path::Path;

use trunkline_tests::agent::Authority;
use trunkline_tests::baresip::{Phone, Settings};
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::kamailio::Registrar;
use trunkline_tests::lab::{Host, LabOptions};
use trunkline_tests::peer::Directory;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

use crate::support::{PATIENCE, account, assert_heard, call, wait_until};

mod linphone;
mod support;

/// This version of baresip gives up where it meets an algorithm that it does not know.
const BARESIP: &str = "MD5";

fn alice(stage: &Stage, files: &Path, secure: bool, password: &str) -> Phone {
    let party = Party::CarrierSecure;
    let edge = stage.edge_address(Host::Carrier);
    let (port, transport, media) = if secure {
        (5061, "tls", ";mediaenc=srtp-mand")
    } else {
        (5060, "udp", "")
    };
    let account = format!(
        "<sip:alice@phones.example.com;transport={transport}>;auth_user=al;auth_pass={password};\
         outbound=\"sip:{edge}:{port};transport={transport}\";regint=600{media}"
    );
    let settings = Settings {
        address: stage.address(party),
        account: &account,
        certificates: secure.then_some(files),
        tone: 1000,
        dial: None,
        seconds: 60,
    };
    let namespace = stage.namespaces().unwrap().namespace(party.side());
    Phone::start(namespace, &files.join("alice"), &settings).unwrap()
}

fn registers_and_is_called(secure: bool) {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let authority = Authority::new().unwrap();
    let files = Directory::new(if secure {
        "register-tls"
    } else {
        "register-udp"
    })
    .unwrap();
    let store = files.path().join("store.db");
    let options = EdgeOptions {
        extra: account(secure, BARESIP, &store),
        ..EdgeOptions::default()
    };
    let mut edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
    let address = stage.address(Party::CarrierSecure);
    let identity = authority.issue(&[], &[address]).unwrap();
    let pem = identity.certificate + &identity.key;
    std::fs::write(files.path().join("phone.pem"), pem).unwrap();
    std::fs::write(files.path().join("ca.crt"), authority.certificate()).unwrap();

    let phone = alice(&stage, files.path(), secure, "a-secret");
    wait_until(&edge, "registered", |status| {
        status["counters"]["bindings"] == 1
    });
    let counters = edge.status().unwrap()["counters"]["signalling"].clone();
    assert_eq!(counters["auth_challenges"], 1, "{counters}");
    assert_eq!(counters["auth_failures"], 0, "{counters}");
    let uri = format!("sip:6000@{}", stage.edge_address(Host::Pbx));
    let first = files.path().join("first");
    let caller = call((&edge, &stage), &first, Party::PbxPlain, &uri);
    assert_heard(caller.heard().unwrap(), 1000.0);
    let record = edge.wait_for_records(1).unwrap().remove(0);
    assert_eq!(record["callee"]["trunk"], "phones", "{record}");
    let (profile, transport) = if secure {
        ("RTP/SAVP", "tls")
    } else {
        ("RTP/AVP", "udp")
    };
    assert_eq!(record["callee"]["profile"], profile, "{record}");
    assert_eq!(record["callee"]["transport"], transport, "{record}");

    edge.restart(&stage).unwrap();
    let status = edge.status().unwrap();
    assert_eq!(status["counters"]["bindings"], 1, "{status:#}");
    if !secure {
        // A datagram still gets there; a connection would be gone.
        let second = files.path().join("second");
        let caller = call((&edge, &stage), &second, Party::PbxPlain, &uri);
        assert_heard(caller.heard().unwrap(), 1000.0);
    }
    assert_heard(phone.heard().unwrap(), 440.0);
    edge.stop().unwrap();
}

#[test]
fn sig_4_baresip_registers_by_udp_and_is_called_also_after_a_restart() {
    registers_and_is_called(false);
}

#[test]
fn sig_4_baresip_registers_by_tls_and_is_called_with_srtp() {
    registers_and_is_called(true);
}

#[test]
fn sig_4_baresip_with_a_wrong_password_is_not_registered() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let files = Directory::new("register-wrong").unwrap();
    let store = files.path().join("store.db");
    let options = EdgeOptions {
        extra: account(false, BARESIP, &store),
        ..EdgeOptions::default()
    };
    let authority = Authority::new().unwrap();
    let mut edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
    let mut phone = alice(&stage, files.path(), false, "a-guess");
    phone.peer.wait_for("403", PATIENCE).unwrap();
    let status = edge.status().unwrap();
    assert_eq!(status["counters"]["bindings"], 0, "{status:#}");
    assert_eq!(status["counters"]["signalling"]["auth_failures"], 1);
    edge.stop().unwrap();
}

fn registers_with_kamailio(algorithm: &str) {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let lab = stage.namespaces().unwrap();
    let files = Directory::new(&format!("kamailio-{algorithm}")).unwrap();
    let provider = Party::CarrierPlain;
    let address = stage.address(provider);
    let registrar = Registrar::start(
        lab.namespace(provider.side()),
        &files,
        SocketAddr::new(address, 5060),
        (algorithm, "a-secret"),
    )
    .unwrap();

    let lines = "auth = { user = \"+49301\", password = \"a-secret\" }\n\
                 register = { aor = \"sip:+49301@provider.example\", expires = \"600s\" }";
    let options = EdgeOptions {
        trunk_lines: vec![(provider, lines.to_owned())],
        extra: "[[routes]]\nprefix = \"+49301\"\nto = \"pbx-plain\"\n".to_owned(),
        ..EdgeOptions::default()
    };
    let authority = Authority::new().unwrap();
    let mut edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
    wait_until(&edge, "registered", |status| {
        status["registrations"][0]["registered"] == true
    });

    let pbx = Party::PbxPlain;
    let account = format!("<sip:+49301@{}>;regint=0", stage.address(pbx));
    let settings = Settings {
        address: stage.address(pbx),
        account: &account,
        certificates: None,
        tone: 1000,
        dial: None,
        seconds: 60,
    };
    let place = files.path().join("pbx");
    let mut callee = Phone::start(lab.namespace(pbx.side()), &place, &settings).unwrap();
    callee.peer.wait_for("baresip is ready", PATIENCE).unwrap();
    let uri = format!("sip:+49301@{address}");
    let place = files.path().join("caller");
    let caller = call((&edge, &stage), &place, Party::CarrierSecure, &uri);
    assert_heard(caller.heard().unwrap(), 1000.0);
    let record = edge.wait_for_records(1).unwrap().remove(0);
    assert_eq!(record["caller"]["trunk"], provider.trunk(), "{record}");
    assert_eq!(record["status"], 200, "{record}");
    // It takes its leave, and the provider is told so before it ends.
    edge.stop().unwrap();
    let log = registrar.log();
    let lines: Vec<&str> = log
        .lines()
        .filter_map(|line| Some(line.split_once("<script>: ")?.1))
        .collect();
    let user = "registered +49301 for";
    assert_eq!(
        lines,
        [
            "challenged sip:+49301@provider.example",
            &format!("{user} 600"),
            &format!("{user} 0"),
        ],
        "{log}\nedge:\n{}",
        edge.log()
    );
}

#[test]
fn sig_5_the_edge_registers_with_kamailio_by_md5_and_is_called_there() {
    registers_with_kamailio("MD5");
}

#[test]
fn sig_5_the_edge_registers_with_kamailio_by_sha_256() {
    registers_with_kamailio("SHA-256");
}
