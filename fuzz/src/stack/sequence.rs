//! Sequences to start from: calls of every kind, from INVITE to BYE.

use super::peer::TRANSPORTS;
use super::{OPERATIONS, Operation};

/// Peers in the order of their bytes, each by its usual transport.
const CARRIER: u8 = 0;
const PBX: u8 = 1;
const TLS: u8 = 2;
const SRTP: u8 = 3;
/// Places in the list of statuses.
const RINGING: u8 = 1;
const PROGRESS: u8 = 2;
const OK: u8 = 3;
const REDIRECT: u8 = 6;
const BUSY: u8 = 17;
const UNAVAILABLE: u8 = 22;
/// Places in the list of methods.
const BYE: u8 = 0;
const INVITE: u8 = 1;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    use Operation::*;
    let mut seeds = Vec::new();
    for (caller, digit, offer, answer) in [
        (CARRIER, 2, 0, 0),
        (PBX, 1, 0, 0),
        (CARRIER, 4, 0, 1),
        (SRTP, 2, 1, 0),
        (TLS, 4, 0, 1),
        (SRTP, 4, 4, 12),
    ] {
        let invite = op(Invite, &[caller, digit, 0x82, offer]);
        let ring = op(Respond, &[0, RINGING, 0, 1, 0]);
        let early = op(Respond, &[0, PROGRESS, 0, 4, answer]);
        let ok = op(Respond, &[0, OK, 0, 0, answer]);
        let ack = op(Acknowledge, &[0, 0]);
        let up = [invite.clone(), ring.clone(), ok.clone(), ack.clone()].concat();
        let callee_hangs_up = op(Within, &[1, BYE, 0, 2, 1, 0]);
        let caller_hangs_up = op(Within, &[0, BYE, 0, 2, 1, 0]);
        let answered = op(Respond, &[0, OK, 0, 1, 0]);
        let gone = op(Media, &[4, 0, 0]);
        seeds.push(
            [
                up.clone(),
                caller_hangs_up.clone(),
                answered.clone(),
                gone.clone(),
            ]
            .concat(),
        );
        seeds.push([up.clone(), callee_hangs_up, answered.clone(), gone.clone()].concat());
        let hold = op(Within, &[0, INVITE, 0, 3, 0, offer + 2]);
        seeds.push(
            [
                up.clone(),
                hold,
                ok.clone(),
                ack.clone(),
                caller_hangs_up,
                answered,
                gone,
            ]
            .concat(),
        );
        seeds.push([up.clone(), op(Media, &[0, 0, 0]), op(Advance, &[255])].concat());
        seeds.push(
            [
                up.clone(),
                op(Close, &[caller]),
                op(Within, &[0, BYE, 0, 2, 1, 0]),
            ]
            .concat(),
        );
        for status in [BUSY, UNAVAILABLE, REDIRECT] {
            let refused = op(Respond, &[0, status, 0, 1, 0]);
            seeds.push([invite.clone(), early.clone(), refused, ack.clone()].concat());
        }
        let late = op(Invite, &[caller, digit, 1, 0]);
        let with_answer = op(Acknowledge, &[0, 0x80 | offer]);
        seeds.push([late, ring.clone(), ok.clone(), with_answer].concat());
        let unavailable = op(Respond, &[0, UNAVAILABLE, 0, 1, 0]);
        let found = op(Operation::Resolve, &[0, digit - 1, 0, 2]);
        seeds.push([invite.clone(), unavailable, found, ok.clone(), ack.clone()].concat());
        let cancel = op(Cancel, &[0]);
        seeds.push([invite.clone(), ring.clone(), cancel.clone(), ok.clone()].concat());
        seeds.push([invite.clone(), cancel, ring, op(Advance, &[200])].concat());
        seeds.push(
            [
                invite.clone(),
                op(Resend, &[0, 0]),
                op(Resend, &[0, 9]),
                op(Fail, &[0]),
            ]
            .concat(),
        );
        seeds.push(
            [
                invite,
                op(Advance, &[1]),
                op(Spoil, &[0, 1, 0, 90, 200, 0, 40, 7]),
            ]
            .concat(),
        );
    }
    for transport in 0..TRANSPORTS.len() as u8 {
        for method in 0..13 {
            seeds.push(op(Outside, &[SRTP + 5 * (transport + 1), method, 1, 0x82]));
        }
    }
    seeds
}

/// An operation and its bytes.
fn op(operation: Operation, bytes: &[u8]) -> Vec<u8> {
    let code = OPERATIONS.iter().position(|own| *own == operation);
    let code = code.expect("every operation is in the list") as u8;
    [&[code], bytes].concat()
}
