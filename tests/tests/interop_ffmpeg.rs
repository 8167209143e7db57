//! ffmpeg decrypts our SRTP with nothing but the key from our SDP.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::time::Duration;

use media_core::srtp::profile::Suite;
use sip_core::transport::Transport;
use trunkline_tests::agent::{Agent, AgentConfig, Authority, LocalSdp, PAYLOAD_LEN, Pattern};
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::LabOptions;
use trunkline_tests::peer::{Directory, Peer};
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};

const PACKETS: u32 = 150;
/// Where ffmpeg listens, in place of the agent.
const FFMPEG_PORT: u16 = 22_000;

async fn ffmpeg_hears_the_caller(suite: Suite) {
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let lab = stage.namespaces().unwrap();
    let authority = Authority::new().unwrap();
    let lines = format!("suites = [\"{}\"]", suite.name());
    let options = EdgeOptions {
        trunk_lines: vec![(Party::CarrierSecure, lines)],
        ..EdgeOptions::default()
    };
    let mut edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, &options).unwrap();
    let files = Directory::new(&format!("ffmpeg-{}", suite.rtp_tag_len())).unwrap();
    let agent = |party: Party, side| AgentConfig {
        place: stage.place(party.side()),
        user: party.number().to_owned(),
        address: stage.address(party),
        sip_port: party.transport().default_port(),
        rtp_port: 21_000,
        announced_rtp_port: party.is_secure().then_some(FFMPEG_PORT),
        transport: party.transport(),
        events: party.events(),
        suite: party.is_secure().then_some(suite),
        credentials: (party.transport() == Transport::Tls)
            .then(|| authority.credentials(&[stage.address(party)]).unwrap()),
        edge: stage.edge_listener(party),
        pattern: Pattern { call: 1, side },
    };
    let mut caller = Agent::start(agent(Party::PbxPlain, 0)).await.unwrap();
    let mut callee = Agent::start(agent(Party::CarrierSecure, 1)).await.unwrap();
    tokio::try_join!(caller.call(Party::CarrierSecure.number()), callee.answer()).unwrap();

    // What the edge offered, as if ffmpeg had been the one to receive it.
    let offer = callee.remote_sdp().unwrap().clone();
    let (tag, key) = &offer.crypto[0];
    let sdp = LocalSdp {
        address: stage.address(Party::CarrierSecure),
        port: FFMPEG_PORT,
        version: 1,
        direction: "recvonly",
        events: 101,
        crypto: Some((*tag, key)),
    };
    let sdp_path = files.path().join("edge.sdp");
    std::fs::write(&sdp_path, sdp.write()).unwrap();
    let heard_path = files.path().join("heard.ulaw");
    let mut ffmpeg = lab.namespace(Party::CarrierSecure.side()).command("ffmpeg");
    ffmpeg.args([
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "verbose",
        "-protocol_whitelist",
        "file,rtp,udp,srtp,crypto",
        "-analyzeduration",
        "0",
        "-i",
    ]);
    ffmpeg
        .arg(&sdp_path)
        .args([
            "-map",
            "0:a",
            "-c",
            "copy",
            "-f",
            "mulaw",
            "-flush_packets",
            "1",
        ])
        .arg(&heard_path);
    let mut ffmpeg = Peer::start(ffmpeg, &files.path().join("log")).unwrap();
    // It opens its port before it waits for packets.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    caller.media().send(PACKETS).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    ffmpeg.interrupt().unwrap();
    let _ = ffmpeg.wait(Duration::from_secs(10)).unwrap();
    tokio::try_join!(caller.hang_up(), callee.await_hang_up()).unwrap();
    edge.stop().unwrap();

    let heard =
        std::fs::read(&heard_path).unwrap_or_else(|error| panic!("{error}: {}", ffmpeg.log()));
    let payloads: Vec<_> = heard
        .chunks(PAYLOAD_LEN)
        .map(|payload| Pattern { call: 1, side: 0 }.check(payload))
        .collect();
    assert!(
        payloads.iter().all(Option::is_some),
        "a payload is not what the caller sent"
    );
    // ffmpeg's reordering queue may keep the last few to itself.
    assert!(
        payloads.len() >= PACKETS as usize - 12,
        "{} of {PACKETS} payloads:\n{}",
        payloads.len(),
        ffmpeg.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_decrypts_what_we_encrypt_with_80_bit_tags() {
    if require_root("the network lab") {
        ffmpeg_hears_the_caller(Suite::AesCm128HmacSha1_80).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_decrypts_what_we_encrypt_with_32_bit_tags() {
    if require_root("the network lab") {
        ffmpeg_hears_the_caller(Suite::AesCm128HmacSha1_32).await;
    }
}
