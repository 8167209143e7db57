//! A telephone names somebody else as the place where it is called (SIG-4): nobody but itself is.

use sip_core::message::{HeaderName, Method};
use sip_core::trunk::{Allowed, Network};

use crate::ringing::{call_alice, office, register_with};
use crate::sim::{CALLEE, CALLER, Phase, SECOND, Wire, World, agent_address};

/// Somebody who takes calls from our address, and no telephone of ours.
const VICTIM: usize = SECOND;

fn victim(wire: Wire) -> String {
    let address = agent_address(VICTIM, wire.transport());
    format!(
        "<sip:+88210@{address};transport={}>",
        wire.transport().uri_token()
    )
}

fn invites(world: &World, agent: usize) -> usize {
    world.agents[agent].requests(&Method::Invite).len()
}

#[test]
fn sig_4_a_second_via_or_a_path_leads_calls_to_nobody_else() {
    let via = (HeaderName::Via, "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0");
    let path = (HeaderName::Path, "<sip:198.51.100.30;lr>");
    for wire in [Wire::Udp, Wire::Tcp] {
        for line in [via, path] {
            let wires = [Wire::Udp, wire, wire];
            let mut world = World::with_targets(&wires, 1, office(&wires));
            let contact = victim(wire);
            register_with(&mut world, CALLEE, &[(HeaderName::Contact, &contact), line]);
            call_alice(&mut world);
            assert_eq!(invites(&world, VICTIM), 0, "{wire:?} {line:?}");
            // Whoever sent the REGISTER is called.
            assert_eq!(invites(&world, CALLEE), 1, "{wire:?} {line:?}");
        }
    }
}

#[test]
fn sig_4_a_contact_is_called_after_its_connection_only_where_it_came_from() {
    for (at_home, phase, calls) in [(false, Phase::Over(480), 0), (true, Phase::Inviting, 1)] {
        let wires = [Wire::Udp, Wire::Tcp, Wire::Tcp];
        let mut world = World::with_targets(&wires, 1, office(&wires));
        let own = format!("<sip:alice@{};transport=tcp>", world.agents[CALLEE].address);
        let contact = if at_home { own } else { victim(Wire::Tcp) };
        register_with(&mut world, CALLEE, &[(HeaderName::Contact, &contact)]);
        world.close_connections();
        call_alice(&mut world);
        assert_eq!(
            (invites(&world, VICTIM), invites(&world, CALLEE)),
            (0, calls)
        );
        assert_eq!(world.agents[CALLER].phase, phase);
        // Nor after a restart.
        let mut again = World::with_targets(&wires, 1, office(&wires));
        assert_eq!(again.stack.restore(again.now, &world.stored), 1);
        call_alice(&mut again);
        assert_eq!(
            (invites(&again, VICTIM), invites(&again, CALLEE)),
            (0, calls)
        );
    }
}

/// A proxy that the ACL names may say where in its network calls go.
#[test]
fn sig_4_a_known_proxy_names_places_of_its_own_network_and_of_no_other_trunk() {
    for (acl, others, called) in [
        (&["198.51.100.0/24"][..], None, VICTIM),
        (&["198.51.100.20", "198.51.100.30"], None, VICTIM),
        (&["198.51.100.20"], None, CALLEE),
        (&["0.0.0.0/0"], None, CALLEE),
        (&["198.51.100.0/24"], Some("198.51.100.30"), CALLER),
    ] {
        let wires = [Wire::Udp, Wire::Udp, Wire::Udp];
        let mut config = office(&wires);
        let networks = acl
            .iter()
            .map(|text| text.parse::<Network>().unwrap().into());
        config.trunks[CALLEE].acl = networks.collect();
        let others: Option<Network> = others.map(|text| text.parse().unwrap());
        config.trunks[CALLER].acl.extend(others.map(Allowed::from));
        let mut world = World::with_targets(&wires, 1, config);
        let lines = [
            (HeaderName::Via, "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK0"),
            (HeaderName::Contact, &victim(Wire::Udp)),
        ];
        register_with(&mut world, CALLEE, &lines);
        call_alice(&mut world);
        for agent in [CALLEE, VICTIM] {
            let expected = usize::from(agent == called);
            assert_eq!(invites(&world, agent), expected, "{acl:?} {agent}");
        }
    }
}
