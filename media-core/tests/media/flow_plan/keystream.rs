//! No keystream is used twice, whatever happens to the descriptions of a call.

use std::collections::HashMap;

use media_core::relay::{Flow, Outcome};
use media_core::srtp::MAX_TRAILER;

use super::*;

/// The flows of a call as a driver keeps them.
#[derive(Default)]
struct Driver {
    flows: HashMap<SocketAddr, Flow>,
}

impl Driver {
    fn install(&mut self, planned: Vec<PlannedFlow>) {
        self.flows
            .retain(|local, _| planned.iter().any(|flow| flow.local == *local));
        for PlannedFlow { local, config, .. } in planned {
            match self.flows.get_mut(&local) {
                Some(flow) => flow.update(config),
                None => {
                    self.flows.insert(local, Flow::new(config));
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Shape {
    mux: bool,
    port: u16,
    security: Security,
    is_relayed: bool,
}

fn shape() -> impl Strategy<Value = Shape> {
    let security = prop_oneof![
        4 => (2_u8..6).prop_map(|send| srtp(1, send)),
        1 => Just(Security::Plain),
        1 => Just(Security::Pending),
    ];
    (
        prop::bool::weighted(0.3),
        prop::sample::select(vec![30_000, 30_000, 30_000, 30_010]),
        security,
        prop::bool::weighted(0.9),
    )
        .prop_map(|(mux, port, security, is_relayed)| Shape {
            mux,
            port,
            security,
            is_relayed,
        })
}

fn session(shape: Shape) -> Session {
    let mut session = with(|[caller, callee]| {
        caller.rtcp_mux = shape.mux;
        caller.local.rtp_port = shape.port;
        caller.local.rtcp_port = shape.port + 1;
        callee.security = shape.security;
    });
    session.streams.truncate(usize::from(shape.is_relayed));
    session
}

/// What was encrypted, and what it became.
struct Sent {
    plain: Vec<u8>,
    out: Vec<u8>,
}

/// A packet whose payload no other packet has.
fn packet(is_rtcp: bool, sequence: u16, serial: u64) -> Vec<u8> {
    let mut packet = if is_rtcp {
        crate::common::rtcp()
    } else {
        crate::common::rtp(0, sequence)
    };
    packet.truncate(28);
    packet[12..20].copy_from_slice(&serial.to_be_bytes());
    packet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Two packets under one keystream differ as their plaintexts do: that must never be seen.
    #[test]
    fn no_two_packets_share_a_keystream(steps in prop::collection::vec((shape(), prop::collection::vec((any::<bool>(), 0_u16..3), 0..4)), 1..10)) {
        let mut media = CallMedia::new(session(steps[0].0.clone()));
        let mut driver = Driver::default();
        // By key and kind.
        let mut seen: HashMap<(u8, bool), Vec<Sent>> = HashMap::new();
        let mut serial = 0;
        for (shape, packets) in steps {
            let security = shape.security.clone();
            let port = shape.port;
            media.update(session(shape));
            driver.install(media.flows());
            for (is_rtcp, sequence) in packets {
                serial += 1;
                let plain = packet(is_rtcp, sequence, serial);
                let mut out = [0; 28 + MAX_TRAILER];
                for (local, source) in [(port, CALLER), (port + 1, CALLER_RTCP)] {
                    let local = SocketAddr::new("10.0.0.1".parse().unwrap(), local);
                    let Some(flow) = driver.flows.get_mut(&local) else { continue };
                    let outcome = flow.relay(0, at(source), &plain, &mut out);
                    let (Outcome::Forward { .. }, Security::Srtp { send, .. }) = (outcome, &security) else { continue };
                    let under = seen.entry((send.key()[0], is_rtcp)).or_default();
                    for Sent { plain: other_plain, out: other_out } in &*under {
                        let differ = |a: &[u8], b: &[u8]| (12..20).map(|at| a[at] ^ b[at]).collect::<Vec<u8>>();
                        prop_assert_ne!(differ(&plain, other_plain), differ(&out, other_out));
                    }
                    under.push(Sent { plain: plain.clone(), out: out.to_vec() });
                }
            }
        }
    }
}
