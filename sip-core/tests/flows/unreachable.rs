//! TRK-3: a host on which nobody listens says so by ICMP, and the call need not wait for 4 s.

use std::cell::RefCell;
use std::rc::Rc;

use sip_core::message::Method;
use sip_core::stack::{EventKind, Unreachable};
use sip_core::transport::Transport;
use sip_core::trunk::{Origination, OriginationUri};

use crate::sim::{
    Agent, CALLEE, CALLER, Phase, SECOND, Wire, World, agent_address, config, target,
};

/// Two targets, the first of which is dead, and what was sent to it.
fn dead_first_target() -> (World, Rc<RefCell<Vec<Vec<u8>>>>) {
    let mut config = config([Wire::Udp; 2]);
    let uris = [CALLEE, SECOND].map(|index| OriginationUri {
        priority: index as u16,
        ..Origination::to(target(index, Wire::Udp)).uris.remove(0)
    });
    config.trunks[CALLEE].origination.uris = uris.to_vec();
    let mut world = World::with_targets(&[Wire::Udp; 3], 1, config);
    let lost = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&lost);
    let dead = format!("@{}", agent_address(CALLEE, Transport::Udp).ip());
    world.drop = Some(Box::new(move |bytes| {
        let line = bytes
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let is_lost = line.starts_with(b"INVITE ") && String::from_utf8_lossy(line).contains(&dead);
        if is_lost {
            log.borrow_mut().push(bytes.to_vec());
        }
        is_lost
    }));
    world.agents[SECOND].manners.invite = Some(200);
    (world, lost)
}

fn given_back(quoted: &[u8]) -> Unreachable {
    Unreachable {
        // The callee's realm has the second three listeners.
        listener: sip_core::transport::ListenerId(3),
        to: agent_address(CALLEE, Transport::Udp),
        quoted: quoted.to_vec(),
        reason: "198.51.100.20:5060: port unreachable (ICMP)".to_owned(),
    }
}

#[test]
fn trk_3_port_unreachable_sends_the_call_to_the_next_target_at_once() {
    let (mut world, lost) = dead_first_target();
    world.tell(CALLER, Agent::invite);
    world.run_ms(50);
    assert_eq!(world.agents[SECOND].requests(&Method::Invite).len(), 0);
    let quoted = lost.borrow()[0][..200].to_vec();
    world.give_back(&given_back(&quoted));
    world.run_ms(200);
    assert_eq!(world.agents[CALLER].phase, Phase::Up);
    assert_eq!(world.agents[SECOND].phase, Phase::Up);
    assert!(world.has_event(EventKind::PeerUnreachable));
    world.tell(CALLER, Agent::hang_up);
    world.run_ms(200);
    world.assert_drained(1);
    let first = &world.record().targets[0];
    assert!(first.outcome.contains("port unreachable"), "{first:?}");
}

#[test]
fn trk_3_a_forged_unreachable_changes_nothing() {
    let (mut world, lost) = dead_first_target();
    world.tell(CALLER, Agent::invite);
    world.run_ms(50);
    let text = String::from_utf8(lost.borrow()[0].clone()).unwrap();
    let at = text.find("z9hG4bK").unwrap() + 7;
    let forged = text.replacen(&text[at..at + 8], "guessed0", 1);
    world.give_back(&given_back(forged.as_bytes()));
    world.run_ms(3000);
    assert_eq!(world.agents[SECOND].requests(&Method::Invite).len(), 0);
    assert_eq!(world.stack.counters().unreachables_ignored, 1);
    world.run_ms(1500);
    assert_eq!(world.agents[SECOND].requests(&Method::Invite).len(), 1);
}
