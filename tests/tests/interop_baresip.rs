//! baresip ↔ Trunkline ↔ baresip: TLS with mandatory SRTP on one side, plain SIP on the other; hold,
//! and a transfer to a third. Each sends a tone; the other end's recording must have its frequency.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use trunkline_tests::agent::Authority;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::{LabOptions, Namespace};
use trunkline_tests::peer::{Directory, Peer};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::tap::Tap;

const PATIENCE: Duration = Duration::from_secs(15);
const HELD: Duration = Duration::from_secs(1);
/// Where a phone takes commands.
const CONTROL_PORT: u16 = 4444;

struct Phone {
    peer: Peer,
    directory: PathBuf,
    address: IpAddr,
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
             module aubridge.so\nmodule sndfile.so\nmodule srtp.so\nmodule_tmp account.so\nmodule_app menu.so\n\
             module_app ctrl_tcp.so\nctrl_tcp_listen {address}:{CONTROL_PORT}\n",
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
        Phone {
            peer,
            directory,
            address,
        }
    }

    /// Has it do what a person would with its keys.
    fn press(&self, namespace: &Namespace, command: &str, params: &str) {
        let address = SocketAddr::new(self.address, CONTROL_PORT);
        let stream = namespace.enter(|| TcpStream::connect(address)).unwrap();
        let mut stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("{{\"command\":\"{command}\",\"params\":\"{params}\"}}");
        // A netstring.
        write!(stream, "{}:{request},", request.len()).unwrap();
        let mut answer = Vec::new();
        // Events may come before the response.
        while !String::from_utf8_lossy(&answer).contains("\"response\":true") {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "{}", self.peer.log());
            answer.extend(&buffer[..length]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("\"ok\":true"), "{command}: {answer}");
    }

    /// Everything that it heard, in order: samples at 8 kHz.
    fn recordings(&self) -> Vec<Vec<i16>> {
        let entries = std::fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries
            .filter(|path| path.to_string_lossy().ends_with("dec.wav"))
            .collect();
        paths.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
        paths
            .iter()
            .map(|path| samples(&std::fs::read(path).unwrap()))
            .collect()
    }

    /// Frequency of what it heard, Hz, and for how long, s.
    fn heard(&self) -> (f64, f64) {
        frequency(self.recordings().first().expect("a recording"))
    }

    /// Frequency of the last second that it heard, Hz.
    fn heard_last(&self) -> f64 {
        let recordings = self.recordings();
        let all = audible(recordings.last().expect("a recording"));
        frequency(&all[all.len().saturating_sub(8000)..]).0
    }
}

/// Of 8 kHz mono 16-bit samples.
fn samples(wav: &[u8]) -> Vec<i16> {
    wav[44..]
        .as_chunks::<2>()
        .0
        .iter()
        .map(|bytes| i16::from_le_bytes(*bytes))
        .collect()
}

/// Without the silence at both ends, which is not part of the tone.
fn audible(samples: &[i16]) -> &[i16] {
    let is_loud = |sample: &i16| sample.abs() > 500;
    let first = samples.iter().position(is_loud);
    let last = samples.iter().rposition(is_loud);
    let (first, last) = first.zip(last).expect("something was heard");
    &samples[first..=last]
}

/// Upward zero crossings per second, and the seconds.
fn frequency(samples: &[i16]) -> (f64, f64) {
    let tone = audible(samples);
    let crossings = tone
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0)
        .count();
    let seconds = tone.len() as f64 / 8000.0;
    (crossings as f64 / seconds, seconds)
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
    std::thread::sleep(Duration::from_secs(4));
    // From here on it does not record any more.
    for (key, then) in [("hold", HELD), ("resume", Duration::from_secs(2))] {
        caller.press(lab.namespace(secure.side()), key, "");
        std::thread::sleep(then);
    }
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

/// Waits until the edge's log has a line with `text`.
fn await_log(edge: &Edge, text: &str) {
    let started = Instant::now();
    while !edge.log().contains(text) {
        assert!(started.elapsed() < PATIENCE, "no {text:?}:\n{}", edge.log());
        std::thread::sleep(Duration::from_millis(20));
    }
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
        let namespace = lab.namespace(party.side());
        let mut phone = Phone::start(namespace, files.path(), &stage, party, tone, dial);
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
    second.press(lab.namespace(transferor.side()), "transfer", &refer_to);
    await_log(&edge, "transfer_done");
    std::thread::sleep(Duration::from_secs(3));
    for phone in [&mut first, &mut second, &mut third] {
        phone.peer.interrupt().unwrap();
        phone.peer.wait(PATIENCE).unwrap();
    }
    let records = edge.wait_for_records(2).unwrap();

    let heard = first.heard_last();
    assert!(
        (heard - 1500.0).abs() < 10.0,
        "the caller heard {heard} Hz last\nedge:\n{}",
        edge.log()
    );
    for (phone, least) in [(&second, 0.5), (&third, 2.0)] {
        let (heard, seconds) = phone.heard();
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
