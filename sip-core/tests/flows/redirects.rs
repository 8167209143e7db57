//! TRK-3: a 302 is followed once, to its first Contact, and never to a weaker or a private place.

use sip_core::message::{HeaderName, Method};
use sip_core::transport::Transport;

use crate::failover::{config_with, hang_up, invites, outcomes, world_with};
use crate::sim::sdp::line;
use crate::sim::{Agent, CALLEE, CALLER, Phase, SECOND, THIRD, Wire, World, agent_address};

/// An agent that knows nothing of earlier calls.
pub(crate) fn fresh(index: usize, seed: u64) -> Agent {
    let (address, edge) = (
        agent_address(index, Transport::Udp),
        crate::sim::edge_address(Transport::Udp),
    );
    let seed = 1_000 + 10 * seed + index as u64;
    Agent::new(
        address,
        edge,
        Transport::Udp,
        crate::sim::Profile::Rtp,
        seed,
    )
}

fn redirected(wires: &[Wire], contact: &str) -> World {
    let mut config = config_with(wires, |origination| origination.uris.truncate(1));
    config.user_agent = "edge".to_owned();
    let mut world = World::with_targets(wires, 19, config);
    world.agents[SECOND].manners.invite = Some(200);
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    world.tell(CALLEE, |callee, now| {
        callee.respond_edited(now, 302, |response| {
            response.headers.push(HeaderName::Contact, contact);
        });
    });
    world.run_ms(300);
    world
}

#[test]
fn trk_3_a_302_is_followed_to_its_first_contact() {
    let mut world = redirected(
        &[Wire::Udp; 4],
        "<sip:+4930@198.51.100.30>;q=0.1, <sip:+4931@198.51.100.40>;q=0.9",
    );
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert_eq!(invites(&world, THIRD), 0);
    let invite = world.agents[SECOND].request_received(&Method::Invite);
    assert_eq!(invite.uri.as_str(), "sip:+4930@198.51.100.30");
    world = hang_up(world, CALLER);
    world.assert_drained(1);
    assert_eq!(outcomes(&world)[0].0, Some(302));
}

#[test]
fn trk_3_a_302_on_a_secure_trunk_stays_tls_and_srtp() {
    let wires = [Wire::Udp, Wire::Srtp, Wire::Srtp];
    let world = redirected(&wires, "<sip:+4930@198.51.100.30:5060;transport=udp>");
    let invite = world.agents[SECOND].request_received(&Method::Invite);
    assert!(invite.headers.top_via().unwrap().transport() == Some(Transport::Tls));
    assert!(line(&invite.body, "m=audio ").unwrap().contains("RTP/SAVP"));
    hang_up(world, CALLER).assert_drained(1);
}

#[test]
fn trk_3_a_302_to_a_private_address_or_a_second_one_is_refused_with_32219() {
    for (wire, contact) in [
        (Wire::Udp, "<sip:1@10.0.0.1>"),
        (Wire::Udp, "<sip:1@127.0.0.1:5060>"),
        (Wire::Udp, "<sip:1@[fd00::1]>"),
        (Wire::Udp, "<sips:1@198.51.100.30>"),
        (Wire::Srtp, "<sip:1@192.168.0.1>"),
        // To ourselves.
        (Wire::Udp, "<sip:1@203.0.113.1:5060>"),
        (Wire::Udp, "<tel:+4930>"),
    ] {
        let mut world = redirected(&[Wire::Udp, wire, wire], contact);
        assert_eq!(world.agents[CALLER].phase, Phase::Over(503), "{contact}");
        assert_eq!(invites(&world, SECOND), 0, "{contact}");
        world.assert_drained(1);
        assert_eq!(world.record().code, Some(32219), "{contact}");
    }
    let wires = [Wire::Udp; 4];
    let mut world = world_with(&wires, 20, |origination| origination.uris.truncate(1));
    world.tell(CALLER, Agent::invite);
    world.run_ms(100);
    for (index, contact) in [
        (CALLEE, "<sip:1@198.51.100.30>"),
        (SECOND, "<sip:1@198.51.100.40>"),
    ] {
        world.tell(index, |agent, now| {
            agent.respond_edited(now, 302, |response| {
                response.headers.push(HeaderName::Contact, contact);
            });
        });
        world.run_ms(100);
    }
    assert_eq!(world.agents[CALLER].phase, Phase::Over(503));
    assert_eq!(invites(&world, THIRD), 0);
    world.assert_drained(1);
    assert_eq!(world.record().code, Some(32219));
    assert!(world.record().reason.contains("once only"));
}
