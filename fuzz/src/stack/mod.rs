//! Sequences of operations against the whole stack: messages of peers, time, connections that close,
//! failures, media events, and what operators do, in any order. Whatever happens, what is said to a secure trunk is
//! secure, and in the end nothing is left and every call has its record.

mod check;
mod control;
mod description;
mod message;
mod operations;
mod peer;
mod sequence;
mod world;

pub(crate) use self::description::{DESCRIPTIONS, description};
pub(crate) use self::sequence::seeds;

use self::world::World;
use crate::input::Input;

/// Longer inputs say nothing new.
const MOST_OPERATIONS: usize = 120;

pub(crate) fn operate(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() {
            break;
        }
        world.operate(&mut input);
        world.settle();
    }
    world.end();
}

/// What an operation's first byte says, modulo their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// Peer and transport, digit, options, description.
    Invite,
    /// Which request of ours, status, tag, options, description.
    Respond,
    /// Which dialog, method, tag, CSeq, options, description.
    Within,
    /// Which response of ours to INVITE, description.
    Acknowledge,
    /// Which INVITE of a peer.
    Cancel,
    /// How long.
    Advance,
    /// Which message of ours.
    Fail,
    /// Peer and transport.
    Close,
    /// What, which call.
    Media,
    /// Peer and transport, method, digit, options, which contact to register.
    Outside,
    /// Which challenge of ours; which user, and whether all is right.
    Authenticate,
    /// Which message of a peer, and peer and transport, or 0.
    Resend,
    /// Which message of a peer, and up to four changes.
    Spoil,
    /// Peer and transport, length, bytes.
    Raw,
    Reconfigure,
    /// Which name, what it leads to.
    Resolve,
    /// What an operator does, to which call, to which side or whom.
    Control,
}

/// Those that take calls further stand more than once.
const OPERATIONS: [Operation; 24] = {
    use Operation::*;
    [
        Invite,
        Respond,
        Within,
        Acknowledge,
        Cancel,
        Advance,
        Fail,
        Close,
        Media,
        Outside,
        Resend,
        Spoil,
        Raw,
        Reconfigure,
        Respond,
        Respond,
        Within,
        Advance,
        Operation::Resolve,
        Acknowledge,
        Authenticate,
        Outside,
        Control,
        Control,
    ]
};
