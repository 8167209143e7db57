//! Ethernet frames: the relay's oracle and the XDP program, compiled for this machine, say and
//! count the same. The tables and both answers are those of media-core's differential test.

#[allow(clippy::unwrap_used, reason = "of a test")]
#[path = "../../media-core/tests/media/frame/draft.rs"]
pub mod draft;
#[allow(clippy::unwrap_used, reason = "of a test")]
#[path = "../../media-core/tests/media/frame/world.rs"]
pub mod world;

use media_common::flow::{
    ACTION_FORWARD, ACTION_WORKER, DSCP_KEEP, FLAG_CHECK_SOURCE, FLAG_RAW, FLAG_RTCP,
    FLAG_RTCP_MUX, FlowEntry, NO_TELEPHONE_EVENT,
};

use self::draft::Draft;
use self::world::{FLOWS, PEERS, World, forward, hop};
use crate::input::Input;

/// What the first frame begins at, nanoseconds.
const BEGIN_NS: u64 = 5_000_000_000;
/// How long after one frame the next arrives.
const PAUSES_NS: [u64; 4] = [0, 19_000_000, 20_000_000, 1_100_000_000];
/// How many bytes [`world_of`] takes.
const CHOICES: usize = 16;

/// A flow entry and next hops, then one frame that arrives up to three times.
pub(crate) fn relay_and_program(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut choices = Input::new(input.bytes(CHOICES));
    let world = world_of(&mut choices);
    let times = 1 + choices.below(3);
    let pause = choices.one_of(&PAUSES_NS);
    let frame = input.bytes(4096);
    let (mut by_relay, mut by_program) = (world.memory(), world.memory());
    for count in 0..times {
        let now_ns = BEGIN_NS + pause * count as u64;
        let relayed = world.relay_at(&mut by_relay, now_ns, frame);
        let programmed = world.program_at(&mut by_program, now_ns, frame);
        assert_eq!(relayed, programmed);
        assert_eq!(by_relay, by_program);
    }
}

fn world_of(input: &mut Input<'_>) -> World {
    let flags = [
        FLAG_CHECK_SOURCE,
        0,
        FLAG_RTCP,
        FLAG_RTCP_MUX,
        FLAG_RTCP_MUX | FLAG_CHECK_SOURCE,
        FLAG_RAW,
    ];
    let actions = [ACTION_FORWARD, ACTION_FORWARD, ACTION_WORKER, 0, 4];
    let (expected, remote) = (input.one_of(&PEERS), input.one_of(&PEERS));
    let (local_address, next_hop) = (input.below(4) as u8, input.below(5) as u16);
    let entry = FlowEntry {
        action: input.one_of(&actions),
        flags: input.one_of(&flags),
        dscp: input.one_of(&[DSCP_KEEP, 46, 0, 255]),
        payload_types: input.one_of(&[[1, 0, 0, 0], [u32::MAX; 4], [0; 4], [1, 0, 0, 32]]),
        telephone_event: input.one_of(&[NO_TELEPHONE_EVENT, 0, 101]),
        ceiling: input.one_of(&[0, 1, 2]),
        ..forward(expected, remote, local_address, next_hop)
    };
    let mut first = hop(
        1 + input.below(4) as u32,
        input.one_of(&[0, 7, 4095, 0xffff]),
    );
    first.mtu = input.one_of(&[0, 1500, 60]);
    World::new(
        vec![entry; FLOWS],
        vec![first, hop(3, 7), hop(3, 0), hop(0, 0)],
    )
}

/// Frames from each peer, with one flow for all.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (source, destination) in [
        (PEERS[0], "10.0.0.1:10000"),
        (PEERS[1], "10.0.0.1:20001"),
        (PEERS[2], "[2001:db8::1]:10000"),
        (PEERS[0], "10.0.0.1:9"),
    ] {
        let plain = Draft::pcmu(source, destination);
        let tagged = Draft {
            tags: vec![[0x81, 0, 0, 7]],
            padding: vec![0; 4],
            ..plain.clone()
        };
        let rtcp = Draft {
            payload: vec![0x80, 200, 0, 1, 1, 2, 3, 4],
            ..plain.clone()
        };
        for draft in [plain, tagged, rtcp] {
            seeds.push([&[0; CHOICES][..], &draft.build()].concat());
        }
    }
    seeds
}
