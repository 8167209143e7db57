//! Mutilated messages in the middle of calls: nothing panics, and the call that they are about is
//! none the worse for what cannot be understood.

use crate::sim::{Agent, CALLEE, CALLER, SeededRng, Wire, World};

const SEEDS: u64 = 150;
const MESSAGES: u64 = 60;

/// One of the messages that an agent sent, changed somewhere.
fn mutilated(world: &World, rng: &mut SeededRng) -> Vec<u8> {
    let sent: Vec<_> = world.agents.iter().flat_map(|agent| &agent.sent).collect();
    let mut bytes = sent[rng.below(sent.len() as u64) as usize].to_bytes();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len().max(1) as u64) as usize;
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] = rng.below(256) as u8,
            1 => bytes.truncate(at),
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            3 => bytes.insert(
                at.min(bytes.len()),
                b"\r\n :;,<>\"@=?%[]"[rng.below(15) as usize],
            ),
            4 => {
                let other = sent[rng.below(sent.len() as u64) as usize].to_bytes();
                let from = rng.below(other.len() as u64) as usize;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            // Another branch: no retransmission, but a request of its own.
            _ => {
                if let Some(found) = bytes.windows(7).position(|text| text == b"z9hG4bK") {
                    bytes.insert(found + 7, b'0' + rng.below(10) as u8);
                }
            }
        }
    }
    bytes
}

fn run(seed: u64) {
    let mut rng = SeededRng(seed);
    let mut world = World::new([Wire::Udp, Wire::Udp], seed);
    world.establish();
    world.tell(CALLER, |agent, now| agent.reinvite(now, "sendonly"));
    world.run_ms(300);
    for _ in 0..MESSAGES {
        let bytes = mutilated(&world, &mut rng);
        let origin = world.origin_of(rng.below(2) as usize);
        world.inject(origin, &bytes);
        world.run_ms(rng.below(300));
    }
    for index in [CALLER, CALLEE] {
        if world.agents[index].phase == crate::sim::Phase::Up {
            world.tell(index, Agent::hang_up);
        }
    }
    // Calls that a changed INVITE began ring until they time out.
    world.run_for(std::time::Duration::from_secs(400));
    assert_eq!((world.stack.calls(), world.stack.transactions()), (0, 0));
    assert_eq!(world.ports.given_out(), 0);
}

#[test]
fn mutilated_messages_do_no_lasting_harm() {
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "seed {seed}");
    }
}
