//! Linphone, whose SIP stack, SRTP and digest are its own, at an account with mandatory SRTP.

use std::time::Duration;

use trunkline_tests::agent::Authority;
use trunkline_tests::baresip;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::{Host, LabOptions};
use trunkline_tests::linphone::{Phone, Settings};
use trunkline_tests::peer::Directory;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

use crate::support::{PATIENCE, account, assert_heard, call, wait_until};

/// How long it holds the call.
const HELD: Duration = Duration::from_secs(1);

/// An edge where Linphone has registered.
struct Scene {
    // The telephone and the daemon go before the stage that they run on.
    phone: Phone,
    edge: Edge,
    files: Directory,
    stage: Stage,
}

impl Scene {
    fn open(name: &str) -> Scene {
        let files = Directory::new(name).unwrap();
        let store = files.path().join("store.db");
        let stage = Stage::lab(LabOptions::default()).unwrap();
        let authority = Authority::new().unwrap();
        let options = EdgeOptions {
            extra: account(true, "SHA-256", &store),
            ..EdgeOptions::default()
        };
        let edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
        let roots = files.path().join("ca.crt");
        std::fs::write(&roots, authority.certificate()).unwrap();
        let settings = Settings {
            aor: "alice@phones.example.com",
            credentials: ("al", "a-secret"),
            edge: stage.edge_address(Host::Carrier),
            roots: &roots,
            tone: 1000,
        };
        let namespace = stage.namespaces().unwrap().namespace(Host::Carrier);
        let place = files.path().join("alice");
        let phone = Phone::start(namespace, &place, &settings).unwrap();
        wait_until(&edge, "registered", |status| {
            status["counters"]["bindings"] == 1
        });
        Scene {
            phone,
            edge,
            files,
            stage,
        }
    }

    fn wait_for(&mut self, text: &str) {
        let said = self.phone.peer.wait_for(text, PATIENCE);
        said.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", self.edge.log()));
    }
}

#[test]
fn sig_4_linphone_registers_by_tls_and_sha_256_and_is_called_with_srtp() {
    if !require_root("the network lab") {
        return;
    }
    let mut scene = Scene::open("linphone-called");
    let counters = scene.edge.status().unwrap()["counters"]["signalling"].clone();
    assert_eq!(counters["auth_failures"], 0, "{counters}");

    let uri = format!("sip:6000@{}", scene.stage.edge_address(Host::Pbx));
    let place = scene.files.path().join("caller");
    let caller = call((&scene.edge, &scene.stage), &place, Party::PbxPlain, &uri);
    let record = scene.edge.wait_for_records(1).unwrap().remove(0);
    scene.phone.quit().unwrap();
    // It takes its leave.
    wait_until(&scene.edge, "left", |status| {
        status["counters"]["bindings"] == 0
    });

    assert_heard(caller.heard().unwrap(), 1000.0);
    assert_heard(scene.phone.heard().unwrap(), 440.0);
    assert_eq!(record["status"], 200, "{record}");
    assert_eq!(record["callee"]["trunk"], "phones", "{record}");
    assert_eq!(record["callee"]["profile"], "RTP/SAVP", "{record}");
    assert_eq!(record["callee"]["transport"], "tls", "{record}");
    assert_eq!(record["caller"]["profile"], "RTP/AVP", "{record}");
    scene.edge.stop().unwrap();
}

#[test]
fn sig_4_linphone_calls_with_its_account_and_holds_and_resumes() {
    if !require_root("the network lab") {
        return;
    }
    let mut scene = Scene::open("linphone-calls");
    let pbx = Party::PbxPlain;
    let account = format!("<sip:7000@{}>;regint=0", scene.stage.address(pbx));
    let settings = baresip::Settings {
        address: scene.stage.address(pbx),
        account: &account,
        certificates: None,
        tone: 440,
        dial: None,
        seconds: 60,
    };
    let lab = scene.stage.namespaces().unwrap();
    let place = scene.files.path().join("callee");
    let mut callee = baresip::Phone::start(lab.namespace(pbx.side()), &place, &settings).unwrap();
    callee.peer.wait_for("baresip is ready", PATIENCE).unwrap();

    scene
        .phone
        .press("call sip:7000@phones.example.com")
        .unwrap();
    scene.wait_for("Media streams established");
    std::thread::sleep(Duration::from_secs(3));
    scene.phone.press("pause").unwrap();
    scene.wait_for("is now paused");
    std::thread::sleep(HELD);
    scene.phone.press("resume").unwrap();
    scene.wait_for("Resuming call");
    std::thread::sleep(Duration::from_secs(2));
    scene.phone.press("terminate").unwrap();
    let record = scene.edge.wait_for_records(1).unwrap().remove(0);
    scene.phone.quit().unwrap();
    callee.peer.interrupt().unwrap();
    callee.peer.wait(PATIENCE).unwrap();

    assert_heard(callee.heard().unwrap(), 1000.0);
    // After the hold, whose silence is part of its recording.
    let heard = scene.phone.heard_last().unwrap();
    assert!((heard - 440.0).abs() < 5.0, "heard {heard} Hz at last");
    assert_eq!(record["status"], 200, "{record}");
    assert_eq!(record["ended_by"], "caller", "{record}");
    assert_eq!(record["caller"]["profile"], "RTP/SAVP", "{record}");
    assert_eq!(record["callee"]["profile"], "RTP/AVP", "{record}");
    let directions = record["media"]["directions"].as_array().unwrap();
    let paused = directions.iter().any(|direction| {
        direction["longest_pause_ms"].as_f64() > Some(0.8 * HELD.as_millis() as f64)
    });
    assert!(paused, "{record:#}");
    scene.edge.stop().unwrap();
}
