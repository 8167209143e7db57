//! baresip ↔ Trunkline ↔ baresip: TLS with mandatory SRTP on one side, plain SIP on the other; hold,
//! and a transfer to a third. Each sends a tone; the other end's recording must have its frequency.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::time::Duration;

use trunkline_tests::agent::Authority;
use trunkline_tests::baresip::{Phone, Settings};
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::LabOptions;
use trunkline_tests::peer::Directory;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::tap::Tap;

const PATIENCE: Duration = Duration::from_secs(15);
const HELD: Duration = Duration::from_secs(1);

/// The telephone of a party, with TLS and SRTP if that wants them.
fn start(stage: &Stage, files: &Directory, party: Party, tone: u32, dial: Option<&str>) -> Phone {
    let (address, number) = (stage.address(party), party.number());
    let account = if party.is_secure() {
        format!("<sip:{number}@{address};transport=tls>;regint=0;mediaenc=srtp-mand")
    } else {
        format!("<sip:{number}@{address}>;regint=0")
    };
    let settings = Settings {
        address,
        account: &account,
        certificates: party.is_secure().then_some(files.path()),
        tone,
        dial,
        seconds: 40,
    };
    let namespace = stage.namespaces().unwrap().namespace(party.side());
    Phone::start(namespace, &files.path().join(party.trunk()), &settings).unwrap()
}

/// The authority's certificate, and one for the phones of those parties.
fn write_certificates(files: &Directory, authority: &Authority, stage: &Stage, parties: &[Party]) {
    let addresses: Vec<_> = parties.iter().map(|party| stage.address(*party)).collect();
    let identity = authority.issue(&[], &addresses).unwrap();
    let pem = identity.certificate + &identity.key;
    std::fs::write(files.path().join("phone.pem"), pem).unwrap();
    std::fs::write(files.path().join("ca.crt"), authority.certificate()).unwrap();
}

#[test]
fn a_tone_crosses_from_tls_and_srtp_to_plain_sip_and_back_and_a_hold_is_silent() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let lab = stage.namespaces().unwrap();
    let authority = Authority::new().unwrap();
    let mut edge = Edge::start(
        &daemon_path().unwrap(),
        &stage,
        &authority,
        &EdgeOptions::default(),
    )
    .unwrap();
    let files = Directory::new("baresip").unwrap();
    let (secure, plain) = (Party::CarrierSecure, Party::PbxPlain);
    write_certificates(&files, &authority, &stage, &[secure]);
    let tap = Tap::start(lab.namespace(secure.side()), stage.address(secure)).unwrap();

    let mut callee = start(&stage, &files, plain, 1000, None);
    callee.peer.wait_for("baresip is ready", PATIENCE).unwrap();
    let uri = format!(
        "sip:{}@{};transport=tls",
        plain.number(),
        stage.edge_address(secure.side())
    );
    let mut caller = start(&stage, &files, secure, 440, Some(&uri));
    caller
        .peer
        .wait_for("Call established", PATIENCE)
        .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    std::thread::sleep(Duration::from_secs(4));
    // From here on it does not record any more.
    for (key, then) in [("hold", HELD), ("resume", Duration::from_secs(2))] {
        caller.press(lab.namespace(secure.side()), key, "").unwrap();
        std::thread::sleep(then);
    }
    caller.peer.interrupt().unwrap();
    caller.peer.wait(PATIENCE).unwrap();
    let records = edge.wait_for_records(1).unwrap();
    callee.peer.interrupt().unwrap();
    callee.peer.wait(PATIENCE).unwrap();

    for (phone, expected) in [(&callee, 440.0), (&caller, 1000.0)] {
        let (heard, seconds) = phone.heard().unwrap();
        assert!(
            (heard - expected).abs() < 5.0,
            "heard {heard} Hz instead of {expected}"
        );
        assert!(seconds > 3.0, "heard only {seconds} s");
    }
    let record = &records[0];
    assert_eq!(record["caller"]["profile"], "RTP/SAVP", "{record}");
    assert_eq!(record["caller"]["suite"], "AES_CM_128_HMAC_SHA1_80");
    assert_eq!(record["callee"]["profile"], "RTP/AVP");
    assert_eq!(record["status"], 200);
    assert_eq!(record["ended_by"], "caller");
    let directions = record["media"]["directions"].as_array().unwrap();
    assert_eq!(directions.len(), 2, "{record:#}");
    for direction in directions {
        let pause = direction["longest_pause_ms"].as_f64().unwrap();
        assert!(pause > 0.8 * HELD.as_millis() as f64, "{record:#}");
        // Some 4 s before the hold, and 2 s after it.
        assert!(direction["packets"].as_u64() > Some(250), "{record:#}");
    }
    assert!(tap.counts().0 > 400, "the tap saw {:?}", tap.counts());
    edge.stop().unwrap();
}

#[test]
fn sig_7_a_phone_on_tls_and_srtp_transfers_its_caller_to_another_one() {
    if !require_root("the network lab") {
        return;
    }
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let lab = stage.namespaces().unwrap();
    let authority = Authority::new().unwrap();
    // The one that stays speaks RTP: this version of baresip does not take a new key in re-INVITE.
    let (caller, transferor, new) = (Party::PbxPlain, Party::CarrierSecure, Party::PbxSecure);
    let options = EdgeOptions {
        trunk_lines: vec![(transferor, "refer = \"local\"".to_owned())],
        ..EdgeOptions::default()
    };
    let mut edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
    let files = Directory::new("baresip-transfer").unwrap();
    write_certificates(&files, &authority, &stage, &[transferor, new]);
    let start = |party: Party, tone, dial: Option<&str>| {
        let mut phone = start(&stage, &files, party, tone, dial);
        phone.peer.wait_for("baresip is ready", PATIENCE).unwrap();
        phone
    };
    let mut third = start(new, 1500, None);
    let mut second = start(transferor, 1000, None);
    let edge_address = |party: Party| stage.edge_address(party.side());
    let uri = format!("sip:{}@{}", transferor.number(), edge_address(caller));
    let mut first = start(caller, 440, Some(&uri));
    let up = first.peer.wait_for("Call established", PATIENCE);
    up.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    std::thread::sleep(Duration::from_secs(1));

    let refer_to = format!("sip:{}@{}", new.number(), edge_address(transferor));
    let namespace = lab.namespace(transferor.side());
    second.press(namespace, "transfer", &refer_to).unwrap();
    edge.wait_for_log("transfer_done").unwrap();
    std::thread::sleep(Duration::from_secs(3));
    for phone in [&mut first, &mut second, &mut third] {
        phone.peer.interrupt().unwrap();
        phone.peer.wait(PATIENCE).unwrap();
    }
    let records = edge.wait_for_records(2).unwrap();

    let heard = first.heard_last().unwrap();
    assert!(
        (heard - 1500.0).abs() < 10.0,
        "the caller heard {heard} Hz last\nedge:\n{}",
        edge.log()
    );
    for (phone, least) in [(&second, 0.5), (&third, 2.0)] {
        let (heard, seconds) = phone.heard().unwrap();
        assert!((heard - 440.0).abs() < 10.0, "heard {heard} Hz");
        assert!(seconds > least, "heard only {seconds} s");
    }
    let trunk_of = |leg: &str, record: &serde_json::Value| record[leg]["trunk"].clone();
    let to_new = records
        .iter()
        .find(|record| trunk_of("callee", record) == new.trunk())
        .unwrap_or_else(|| panic!("no call to the third: {records:#?}"));
    assert_eq!(trunk_of("caller", to_new), caller.trunk(), "{to_new:#}");
    assert_eq!(to_new["callee"]["profile"], "RTP/SAVP", "{to_new:#}");
    assert_eq!(to_new["callee"]["transport"], "tls", "{to_new:#}");
    edge.stop().unwrap();
}
