//! baresip ↔ Trunkline ↔ baresip: TLS with mandatory SRTP on one side, plain SIP on the other.
//! Each sends a tone; the other end's recording must have that tone's frequency.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use trunkline_tests::agent::Authority;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::{LabOptions, Namespace};
use trunkline_tests::peer::{Directory, Peer};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::tap::Tap;

const PATIENCE: Duration = Duration::from_secs(15);

struct Phone {
    peer: Peer,
    directory: PathBuf,
}

impl Phone {
    /// A baresip that sends `tone` Hz and records what it hears; `dial` is called at once.
    fn start(
        namespace: &Namespace,
        directory: &Path,
        stage: &Stage,
        party: Party,
        tone: u32,
        dial: Option<&str>,
    ) -> Phone {
        let directory = directory.join(party.trunk());
        std::fs::create_dir_all(&directory).unwrap();
        let address = stage.address(party);
        let parent = directory.parent().unwrap().display();
        let tls = if party.is_secure() {
            format!("sip_certificate {parent}/phone.pem\nsip_cafile {parent}/ca.crt\n")
        } else {
            String::new()
        };
        let config = format!(
            "poll_method epoll\ncall_max_calls 4\naudio_player aubridge,x\naudio_source ausine,{tone}\n\
             ausrc_srate 48000\nausrc_channels 2\nsip_listen {address}:5060\n{tls}snd_path {}\n\
             rtp_ports 24000-24100\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule ausine.so\n\
             module aubridge.so\nmodule sndfile.so\nmodule srtp.so\nmodule_tmp account.so\nmodule_app menu.so\n",
            directory.display()
        );
        std::fs::write(directory.join("config"), config).unwrap();
        std::fs::write(directory.join("contacts"), "").unwrap();
        let secure = if party.is_secure() {
            ";mediaenc=srtp-mand"
        } else {
            ""
        };
        let transport = if party.is_secure() {
            ";transport=tls"
        } else {
            ""
        };
        let account = format!(
            "<sip:{}@{address}{transport}>;regint=0;answermode=auto{secure}\n",
            party.number()
        );
        std::fs::write(directory.join("accounts"), account).unwrap();
        let mut command = namespace.command("baresip");
        command.arg("-f").arg(&directory).args(["-t", "40"]);
        if let Some(uri) = dial {
            command.arg("-e").arg(format!("d {uri}"));
        }
        let peer = Peer::start(command, &directory.join("log")).unwrap();
        Phone { peer, directory }
    }

    /// Frequency of what it heard, Hz, and for how long, s.
    fn heard(&self) -> (f64, f64) {
        let entries = std::fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let recording = entries
            .into_iter()
            .find(|path| path.to_string_lossy().ends_with("dec.wav"))
            .expect("a recording");
        frequency(&std::fs::read(recording).unwrap())
    }
}

/// Upward zero crossings per second of 8 kHz mono 16-bit samples, and their duration.
fn frequency(wav: &[u8]) -> (f64, f64) {
    let samples: Vec<i16> = wav[44..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|bytes| i16::from_le_bytes(*bytes))
        .collect();
    // Silence at both ends is not part of the tone.
    let first = samples
        .iter()
        .position(|sample| sample.abs() > 500)
        .expect("something was heard");
    let last = samples
        .iter()
        .rposition(|sample| sample.abs() > 500)
        .expect("something was heard");
    let tone = &samples[first..=last];
    let crossings = tone
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0)
        .count();
    let seconds = tone.len() as f64 / 8000.0;
    (crossings as f64 / seconds, seconds)
}

#[test]
fn a_tone_crosses_from_tls_and_srtp_to_plain_sip_and_back() {
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
    let identity = authority.issue(&[], &[stage.address(secure)]).unwrap();
    std::fs::write(
        files.path().join("phone.pem"),
        identity.certificate + &identity.key,
    )
    .unwrap();
    std::fs::write(files.path().join("ca.crt"), authority.certificate()).unwrap();
    let tap = Tap::start(lab.namespace(secure.side()), stage.address(secure)).unwrap();

    let mut callee = Phone::start(
        lab.namespace(plain.side()),
        files.path(),
        &stage,
        plain,
        1000,
        None,
    );
    callee.peer.wait_for("baresip is ready", PATIENCE).unwrap();
    let uri = format!(
        "sip:{}@{};transport=tls",
        plain.number(),
        stage.edge_address(secure.side())
    );
    let mut caller = Phone::start(
        lab.namespace(secure.side()),
        files.path(),
        &stage,
        secure,
        440,
        Some(&uri),
    );
    caller
        .peer
        .wait_for("Call established", PATIENCE)
        .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    std::thread::sleep(Duration::from_secs(5));
    caller.peer.interrupt().unwrap();
    caller.peer.wait(PATIENCE).unwrap();
    let records = edge.wait_for_records(1).unwrap();
    callee.peer.interrupt().unwrap();
    callee.peer.wait(PATIENCE).unwrap();

    for (phone, expected) in [(&callee, 440.0), (&caller, 1000.0)] {
        let (heard, seconds) = phone.heard();
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
    assert!(tap.counts().0 > 400, "the tap saw {:?}", tap.counts());
    edge.stop().unwrap();
}
