//! The user agents themselves, without an edge between them: what they check must hold there.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::net::{IpAddr, SocketAddr};

use media_core::srtp::profile::Suite;
use sip_core::transport::Transport;
use trunkline_tests::agent::{Agent, AgentConfig, Authority, MediaCounts, Pattern, Place};

/// Two agents on loopback that call each other directly.
async fn talk(transport: Transport, suite: Option<Suite>, network: u8) {
    let authority = Authority::new().unwrap();
    let address = |host: u8| IpAddr::from([127, 33, network, host]);
    let config = |side: u8| AgentConfig {
        place: Place::here(),
        user: format!("user{side}"),
        address: address(side + 1),
        sip_port: 5070,
        rtp_port: 21_000,
        announced_rtp_port: None,
        transport,
        events: 101,
        suite,
        credentials: (transport == Transport::Tls)
            .then(|| authority.credentials(&[address(side + 1)]).unwrap()),
        edge: SocketAddr::new(address(2 - side), 5070),
        pattern: Pattern { call: 7, side },
    };
    let mut caller = Agent::start(config(0)).await.unwrap();
    let mut callee = Agent::start(config(1)).await.unwrap();
    let (setup, ()) = tokio::try_join!(caller.call("user1"), callee.answer()).unwrap();
    assert!(setup.as_secs() < 5);
    tokio::try_join!(caller.media().send(20), callee.media().send(20)).unwrap();
    let (answered, offered) =
        tokio::try_join!(caller.reinvite("sendonly"), callee.accept_reinvite()).unwrap();
    assert_eq!(
        (answered.as_str(), offered.as_str()),
        ("recvonly", "sendonly")
    );
    tokio::try_join!(caller.media().send(20), callee.media().send(20)).unwrap();
    tokio::try_join!(callee.hang_up(), caller.await_hang_up()).unwrap();
    for agent in [&caller, &callee] {
        let all = |seen: &MediaCounts| seen.received.len() >= 40 && seen.reports_received > 0;
        let counts = agent.media().counts_when(all).await;
        assert_eq!(
            (
                counts.sent,
                counts.received.len(),
                counts.payload_errors,
                counts.plaintext
            ),
            (40, 40, 0, 0)
        );
        assert!(counts.reports_received > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_agents_talk_over_udp() {
    talk(Transport::Udp, None, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_agents_talk_over_tcp() {
    talk(Transport::Tcp, None, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secure_agents_talk_over_tls_and_srtp() {
    talk(Transport::Tls, Some(Suite::AesCm128HmacSha1_80), 3).await;
    talk(Transport::Tls, Some(Suite::AesCm128HmacSha1_32), 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secure_agent_notices_plaintext_and_a_bad_tag() {
    let address = IpAddr::from([127, 33, 5, 1]);
    let authority = Authority::new().unwrap();
    let config = AgentConfig {
        place: Place::here(),
        user: "secure".to_owned(),
        address,
        sip_port: 5070,
        rtp_port: 21_000,
        announced_rtp_port: None,
        transport: Transport::Tls,
        events: 101,
        suite: Some(Suite::AesCm128HmacSha1_80),
        credentials: Some(authority.credentials(&[address]).unwrap()),
        edge: SocketAddr::new(IpAddr::from([127, 33, 5, 2]), 5070),
        pattern: Pattern { call: 9, side: 0 },
    };
    let peer = AgentConfig {
        address: config.edge.ip(),
        credentials: Some(authority.credentials(&[config.edge.ip()]).unwrap()),
        edge: SocketAddr::new(address, 5070),
        pattern: Pattern { call: 9, side: 1 },
        ..config.clone()
    };
    let mut caller = Agent::start(config).await.unwrap();
    let mut callee = Agent::start(peer).await.unwrap();
    tokio::try_join!(caller.call("secure"), callee.answer()).unwrap();
    let intruder = std::net::UdpSocket::bind("127.33.5.3:0").unwrap();
    let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4];
    packet.extend(Pattern { call: 9, side: 1 }.payload(0));
    intruder.send_to(&packet, (address, 21_000)).unwrap();
    intruder.send_to(&[0x80; 40], (address, 21_000)).unwrap();
    let both = |seen: &MediaCounts| seen.payload_errors >= 2;
    let counts = caller.media().counts_when(both).await;
    assert_eq!(
        (
            counts.plaintext,
            counts.payload_errors,
            counts.received.len()
        ),
        (1, 2, 0)
    );
}
