//! Packets whose tags are computed together have the fate that each has by itself.

use media_core::relay::{Begun, Flow, Lacking, Outcome, Transform, compute_tags, write_tags};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtcpSender};

use super::{NOW_NS, PEER, config, protected};
use crate::common::{at, rtcp, rtp, suite_key};

const ROOM: usize = 400;

/// From the key that packets come under and the one that they leave under.
type MakeTransform = fn(MasterKey, MasterKey) -> Transform;

/// What a flow answers, and what it wrote if that leaves.
type Fate = (Outcome, Vec<u8>);

fn fate(outcome: Outcome, out: &[u8]) -> Fate {
    match outcome {
        Outcome::Forward { len, .. } => (outcome, out[..len].to_vec()),
        Outcome::Drop(_) => (outcome, Vec::new()),
    }
}

fn one_by_one(flows: &mut [Flow], packets: &[(usize, &str, Vec<u8>)]) -> Vec<Fate> {
    let relay = |(flow, source, packet): &(usize, &str, Vec<u8>)| {
        let mut out = [0; ROOM];
        let outcome = flows[*flow].relay(NOW_NS, at(source), packet, &mut out);
        fate(outcome, &out)
    };
    packets.iter().map(relay).collect()
}

fn together(flows: &mut [Flow], packets: &[(usize, &str, Vec<u8>)]) -> Vec<Fate> {
    let mut begun: Vec<Begun<'_>> = packets
        .iter()
        .map(|(flow, source, packet)| flows[*flow].begin(at(source), packet))
        .collect();
    compute_tags(begun.iter_mut());
    let mut frames = vec![[0; ROOM]; packets.len()];
    let answers: Vec<(Outcome, Lacking)> = packets
        .iter()
        .zip(begun.iter().zip(&mut frames))
        .map(|((flow, source, _), (begun, frame))| {
            flows[*flow].relay_begun(NOW_NS, at(source), begun, frame)
        })
        .collect();
    let complete = answers.iter().zip(&mut frames);
    write_tags(
        complete.filter_map(|((outcome, lacking), frame)| match outcome {
            Outcome::Forward { len, .. } => Some((lacking, &mut frame[..*len])),
            Outcome::Drop(_) => None,
        }),
    );
    let answers = answers.into_iter().zip(&frames);
    answers
        .map(|((outcome, _), frame)| fate(outcome, frame))
        .collect()
}

/// Two flows' packets, mixed: good ones, a replay, a damaged one, a stranger's, RTCP, another
/// payload type, one that is too short.
fn packets(suite: Suite, is_secure: bool) -> Vec<(usize, &'static str, Vec<u8>)> {
    let plain: Vec<_> = (0..30).map(|sequence| rtp(0, sequence)).collect();
    let mut packets = Vec::new();
    for flow in 0..2 {
        let key = suite_key(suite, 1 + flow as u8);
        let wire = if is_secure {
            protected(&key, &plain)
        } else {
            plain.clone()
        };
        packets.extend(wire.into_iter().map(|packet| (flow, PEER, packet)));
        let mut reports = vec![0; rtcp().len() + MAX_TRAILER];
        let len = SrtcpSender::new(key)
            .protect(&rtcp(), &mut reports)
            .unwrap();
        reports.truncate(len);
        packets.push((flow, PEER, if is_secure { reports } else { rtcp() }));
    }
    // By turns, so that both flows are in each batch.
    packets.sort_by_key(|(flow, _, packet)| (u16::from_be_bytes([packet[2], packet[3]]), *flow));
    let mut damaged = packets[20].clone();
    damaged.2[100] ^= 1;
    packets.insert(7, packets[3].clone());
    packets.insert(9, damaged);
    packets.insert(11, (0, "203.0.113.1:4000", packets[30].2.clone()));
    packets.insert(13, (1, PEER, rtp(97, 500)));
    packets.insert(15, (1, PEER, vec![0x80, 0, 0]));
    packets
}

#[test]
fn packets_have_the_same_fate_together_as_one_by_one() {
    for suite in Suite::ALL.iter().copied() {
        let keys = |flow: u8| (suite_key(suite, 1 + flow), suite_key(suite, 11 + flow));
        let transforms: [(bool, MakeTransform); 4] = [
            (false, |_, _| Transform::Copy),
            (false, |_, send| Transform::Encrypt { send }),
            (true, |receive, _| Transform::Decrypt { receive }),
            (true, |receive, send| Transform::Reencrypt { receive, send }),
        ];
        for (is_secure, transform) in transforms {
            let flows = || -> Vec<_> {
                (0..2)
                    .map(|flow| {
                        let (receive, send) = keys(flow);
                        Flow::new(config(transform(receive, send)))
                    })
                    .collect()
            };
            let (mut single, mut batched) = (flows(), flows());
            let packets = packets(suite, is_secure);
            let mut forwarded = 0;
            for batch in packets.chunks(16) {
                let expected = one_by_one(&mut single, batch);
                assert_eq!(together(&mut batched, batch), expected, "{suite:?}");
                forwarded += expected
                    .iter()
                    .filter(|(outcome, _)| matches!(outcome, Outcome::Forward { .. }))
                    .count();
            }
            assert!(forwarded >= 62, "{forwarded} of {}", packets.len());
        }
    }
}

#[test]
fn a_key_that_changes_between_the_steps_is_the_one_that_counts() {
    let suite = Suite::AesCm128HmacSha1_80;
    let reencrypt = |receive, send| {
        config(Transform::Reencrypt {
            receive: suite_key(suite, receive),
            send: suite_key(suite, send),
        })
    };
    let wire = protected(&suite_key(suite, 1), &[rtp(0, 1)]);
    let mut flow = Flow::new(reencrypt(1, 2));
    let mut begun = flow.begin(at(PEER), &wire[0]);
    compute_tags([&mut begun]);
    flow.update(reencrypt(3, 2));
    let (outcome, _) = flow.relay_begun(NOW_NS, at(PEER), &begun, &mut [0; ROOM]);
    assert!(matches!(outcome, Outcome::Drop(_)), "{outcome:?}");
}
