//! Sequences to start from: calls of every kind, from INVITE to BYE.

use super::peer::{COUNT, MAX_CALLS, TRANSPORTS};
use super::{OPERATIONS, Operation};

/// Peers in the order of their bytes, each by its usual transport.
const CARRIER: u8 = 0;
const PBX: u8 = 1;
const TLS: u8 = 2;
const SRTP: u8 = 3;
const PHONES: u8 = 4;
/// Places in the list of statuses.
const RINGING: u8 = 1;
const PROGRESS: u8 = 2;
const OK: u8 = 3;
const REDIRECT: u8 = 6;
const UNAUTHORIZED: u8 = 8;
const PROXY_UNAUTHORIZED: u8 = 10;
const BUSY: u8 = 17;
const PENDING: u8 = 20;
const UNAVAILABLE: u8 = 22;
/// Places in the list of methods.
const BYE: u8 = 0;
const INVITE: u8 = 1;
const REGISTER: u8 = 10;
const NOTIFY: u8 = 6;

/// Of another method than it says.
const MALFORMED: &[u8] =
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n\r\n";

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
        seeds.extend(controlled(&up, answer));
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
    seeds.extend(with_credentials());
    seeds.extend(placed());
    seeds.push(op(Invite, &[CARRIER, 2, 1, 0]).repeat(MAX_CALLS + 2));
    let raw = op(Raw, &[CARRIER, MALFORMED.len() as u8]);
    seeds.push([&raw, MALFORMED].concat());
    for transport in 0..TRANSPORTS.len() as u8 {
        for method in 0..13 {
            seeds.push(op(
                Outside,
                &[SRTP + COUNT as u8 * (transport + 1), method, 1, 0x82],
            ));
        }
    }
    seeds
}

/// Places in the list of what operators do.
const HANG_UP: u8 = 0;
const HOLD: u8 = 1;
const RESUME: u8 = 3;
const TRANSFER: u8 = 4;
const DRAIN: u8 = 6;
const PLACE: u8 = 7;

/// What operators do to a call that is up, and what peers answer.
fn controlled(up: &[u8], answer: u8) -> Vec<Vec<u8>> {
    use Operation::*;
    let control = |what: u8, rest: &[u8]| op(Control, &[&[what, 0, 0], rest].concat());
    let ok = op(Respond, &[0, OK, 0, 0, answer]);
    let both = [ok.clone(), ok.clone()].concat();
    let gone = op(Media, &[4, 0, 0]);
    let glare = op(Respond, &[0, PENDING, 0, 1, 0]);
    let later = op(Advance, &[0]);
    let held = [up, &control(HOLD, &[]), &both].concat();
    let tail = [control(HANG_UP, &[]), both.clone(), gone].concat();
    let notify = op(Within, &[0, NOTIFY, 0, 9, 0, 0]);
    let whom = [0, 3, 4];
    let transferred = whom.iter().flat_map(|target| {
        [0, 1].map(|how| {
            [
                up,
                &control(TRANSFER, &[*target, how]),
                &both,
                &both,
                &notify,
            ]
            .concat()
        })
    });
    let mut seeds: Vec<Vec<u8>> = transferred.collect();
    seeds.push([&held[..], &control(RESUME, &[]), &both, &tail].concat());
    seeds.push([up, &control(HOLD, &[]), &glare, &later, &both, &tail].concat());
    seeds.push([&held[..], &control(DRAIN, &[]), &tail].concat());
    seeds
}

/// Calls that operators place.
fn placed() -> Vec<Vec<u8>> {
    use Operation::*;
    let place = |first: u8, to: u8, trunk: u8| op(Control, &[PLACE, 0, 0, first, to, 0, trunk]);
    let ring = op(Respond, &[0, RINGING, 0, 1, 0]);
    let hang_up = op(Control, &[HANG_UP, 0, 0]);
    let mut seeds = Vec::new();
    for (first, to, trunk, sdp) in [
        // Numbers of the PBX, the carrier and the trunk with SRTP.
        (2, 1, CARRIER, [0, 0]),
        (4, 0, CARRIER, [1, 0]),
        (2, 2, PBX, [0, 1]),
        (0, 0, COUNT as u8, [0, 0]),
    ] {
        let [first_ok, second_ok] = sdp.map(|sdp| op(Respond, &[0, OK, 0, 0, sdp]));
        let busy = op(Respond, &[0, BUSY, 0, 1, 0]);
        let begun = [place(first, to, trunk), ring.clone()].concat();
        let half = [begun.clone(), first_ok.clone(), ring.clone()].concat();
        let up = [half.clone(), second_ok, first_ok].concat();
        for (before, end) in [
            (&begun, &busy),
            (&half, &busy),
            (&half, &hang_up),
            (&up, &hang_up),
        ] {
            seeds.push([before.clone(), end.clone()].concat());
        }
        seeds.push([up, op(Within, &[0, BYE, 0, 9, 1, 0])].concat());
    }
    seeds
}

/// Registrations and calls that are challenged, on either side.
fn with_credentials() -> Vec<Vec<u8>> {
    use Operation::*;
    let right = op(Authenticate, &[0, 0]);
    let ok = op(Respond, &[0, OK, 0, 0, 0]);
    let ack = op(Acknowledge, &[0, 0]);
    let hang_up = op(Within, &[0, BYE, 0, 2, 1, 0]);
    let gone = op(Media, &[4, 0, 0]);
    let register = |contact: u8| {
        let first = op(Outside, &[PHONES, REGISTER, 5, 0, contact]);
        [first, right.clone()].concat()
    };
    let two_places = [register(1), register(2)].concat();
    let call = op(Invite, &[CARRIER, 5, 0x82, 0]);
    let ring = op(Respond, &[1, RINGING, 0, 1, 0]);
    let by_phone = op(Invite, &[PHONES, 1, 0x82, 0]);
    let rest = [ok.clone(), ack.clone(), hang_up, ok.clone(), gone].concat();
    let to_pbx = op(Invite, &[CARRIER, 2, 0x82, 0]);
    let challenged = |status: u8| op(Respond, &[0, status, 0, 1, 0]);
    let due = op(Advance, &[0]);
    let mut seeds = vec![
        [two_places.clone(), call.clone(), ring, rest.clone()].concat(),
        [two_places, op(Close, &[PHONES]), call, op(Advance, &[250])].concat(),
        [by_phone.clone(), ack.clone(), right.clone(), rest.clone()].concat(),
        [to_pbx, challenged(PROXY_UNAUTHORIZED), rest].concat(),
        [due.clone(), challenged(UNAUTHORIZED), ok, due.clone(), due].concat(),
        (0..12).flat_map(register).collect(),
    ];
    for wrong in [1, 2, 4, 8, 16] {
        let again = op(Authenticate, &[0, wrong]);
        let patience = op(Advance, &[120]);
        seeds.push(
            [
                by_phone.clone(),
                ack.clone(),
                again,
                patience,
                right.clone(),
            ]
            .concat(),
        );
        let guesses = op(Authenticate, &[1, wrong]).repeat(6);
        seeds.push([register(0), guesses, op(Advance, &[250])].concat());
    }
    seeds
}

/// An operation and its bytes.
fn op(operation: Operation, bytes: &[u8]) -> Vec<u8> {
    let code = OPERATIONS.iter().position(|own| *own == operation);
    let code = code.expect("every operation is in the list") as u8;
    [&[code], bytes].concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::input::Input;
    use crate::stack::world::World;

    /// Mutations of sequences that lead nowhere would lead nowhere.
    #[test]
    fn the_seeds_lead_where_they_should() {
        let mut counted = BTreeSet::new();
        let mut bindings = 0;
        let mut registered = false;
        for seed in seeds() {
            let mut input = Input::new(&seed);
            let mut world = World::new();
            while !input.is_empty() {
                world.operate(&mut input);
                world.settle();
                bindings = bindings.max(world.stack.bindings());
                let ours = world.stack.registrations();
                registered |= ours.iter().any(|ours| ours.until.is_some());
            }
            let counters = world.stack.counters();
            let counts = counters.iter().filter(|(_, count)| *count > 0);
            counted.extend(counts.map(|(name, _)| name));
            world.end();
        }
        for name in [
            "calls_answered",
            "calls_ended",
            "calls_refused",
            "calls_over_limit",
            "malformed_answered",
            "challenges_answered",
            "auth_challenges",
            "auth_stale",
            "auth_successes",
            "auth_failures",
            "auth_throttled",
            "registers_accepted",
            "registers_refused",
            "transport_failures",
        ] {
            assert!(counted.contains(name), "{name} is in none of {counted:?}");
        }
        assert_eq!(bindings, 10, "as many as an account may have");
        assert!(registered, "ourselves, with the PBX");
    }
}
