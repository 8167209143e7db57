//! Whole calls over a link that loses, repeats and reorders datagrams.

use super::FixedRng;
use super::link::{Fault, Outcome, Script, call};
use rand_core::RngCore;

const ANSWERED: Script = Script {
    status: 200,
    answers_after: 2000,
    cancels_at: None,
};
const REFUSED: Script = Script {
    status: 486,
    answers_after: 2000,
    cancels_at: None,
};
const CANCELLED: Script = Script {
    status: 200,
    answers_after: 60_000,
    cancels_at: Some(1500),
};

#[test]
fn without_faults_nothing_is_sent_twice() {
    // INVITE, 180, 200, ACK, BYE, 200; no 100, since the callee rings after 100 ms.
    let answered = call(ANSWERED, &[]);
    assert_eq!(answered.datagrams, 6);
    assert_eq!(
        answered.caller,
        [
            "180 to INVITE",
            "200 to INVITE",
            "200 to BYE",
            "ended",
            "ended"
        ]
    );
    assert_eq!(
        answered.callee,
        ["request INVITE", "ack", "request BYE", "ended", "ended"]
    );
    // INVITE, 180, 486, ACK.
    assert_eq!(call(REFUSED, &[]).datagrams, 4);
    // INVITE, 180, CANCEL, 200, 487, ACK.
    assert_eq!(call(CANCELLED, &[]).datagrams, 6);
}

fn assert_answered(outcome: &Outcome, faults: &[(usize, Fault)]) {
    let what = format!("{faults:?} {outcome:?}");
    assert_eq!(outcome.caller("200 to INVITE"), 1, "{what}");
    assert_eq!(outcome.caller("200 to BYE"), 1, "{what}");
    assert_eq!(outcome.callee("request INVITE"), 1, "{what}");
    assert_eq!(outcome.callee("ack"), 1, "{what}");
    assert_eq!(outcome.callee("request BYE"), 1, "{what}");
}

fn assert_refused(outcome: &Outcome, status: u16, faults: &[(usize, Fault)]) {
    let what = format!("{faults:?} {outcome:?}");
    assert_eq!(outcome.caller(&format!("{status} to INVITE")), 1, "{what}");
    assert_eq!(outcome.callee("request INVITE"), 1, "{what}");
    assert_eq!(outcome.callee(&format!("no ack to {status}")), 0, "{what}");
}

/// Each fault at each of the first datagrams, and each two of them.
fn for_every_fault_and_pair(mut check: impl FnMut(&[(usize, Fault)])) {
    let faults = [
        Fault::Lost,
        Fault::Twice,
        Fault::Late(700),
        Fault::Late(3000),
    ];
    for first in 0..12 {
        for fault in faults {
            check(&[(first, fault)]);
            for second in first + 1..12 {
                for other in faults {
                    check(&[(first, fault), (second, other)]);
                }
            }
        }
    }
}

#[test]
fn an_answered_call_survives_every_two_faults() {
    for_every_fault_and_pair(|faults| assert_answered(&call(ANSWERED, faults), faults));
}

#[test]
fn a_refused_call_survives_every_two_faults() {
    for_every_fault_and_pair(|faults| assert_refused(&call(REFUSED, faults), 486, faults));
}

#[test]
fn a_cancelled_call_survives_every_two_faults() {
    for_every_fault_and_pair(|faults| {
        let outcome = call(CANCELLED, faults);
        assert_refused(&outcome, 487, faults);
        assert_eq!(outcome.callee("cancel"), 1, "{faults:?} {outcome:?}");
    });
}

#[test]
fn a_cancel_that_crosses_the_200_ends_one_way_or_the_other_at_every_offset() {
    let (mut answered, mut cancelled) = (0, 0);
    for cancels_at in 1900..2100 {
        let script = Script {
            cancels_at: Some(cancels_at),
            ..ANSWERED
        };
        let outcome = call(script, &[]);
        match outcome.callee("cancel") {
            0 => {
                assert_answered(&outcome, &[]);
                answered += 1;
            }
            _ => {
                assert_refused(&outcome, 487, &[]);
                cancelled += 1;
            }
        }
    }
    assert!(answered > 50 && cancelled > 50, "{answered} {cancelled}");
}

#[test]
fn a_dead_link_ends_everything_in_time() {
    let all_lost: Vec<_> = (0..1000).map(|nth| (nth, Fault::Lost)).collect();
    let outcome = call(ANSWERED, &all_lost);
    assert_eq!(outcome.caller, ["timed out", "ended"]);
    assert_eq!(outcome.callee, Vec::<String>::new());
    // INVITE and 180 pass, then nothing: the callee misses its ACK, the caller everything.
    let script = Script {
        cancels_at: Some(5000),
        ..ANSWERED
    };
    let outcome = call(script, &all_lost[2..]);
    assert_eq!(outcome.caller, ["180 to INVITE", "timed out", "ended"]);
    assert_eq!(outcome.callee, ["request INVITE", "no ack to 200", "ended"]);
}

#[test]
fn heavy_random_loss_never_doubles_a_request_or_leaves_a_transaction() {
    let mut rng = FixedRng(42);
    let mut completed = 0;
    for _ in 0..300 {
        let faults: Vec<_> = (0..200)
            .filter_map(|nth| match rng.next_u32() % 10 {
                0..3 => Some((nth, Fault::Lost)),
                3 => Some((nth, Fault::Twice)),
                4 => Some((nth, Fault::Late(u64::from(rng.next_u32() % 5000)))),
                _ => None,
            })
            .collect();
        let outcome = call(ANSWERED, &faults);
        assert!(outcome.callee("request INVITE") <= 1);
        assert!(outcome.callee("request BYE") <= 1);
        assert!(outcome.callee("ack") <= 1);
        completed += outcome.caller("200 to BYE");
    }
    assert!(
        completed > 250,
        "only {completed} of 300 calls came through"
    );
}
