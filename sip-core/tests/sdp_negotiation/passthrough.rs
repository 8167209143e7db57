//! MED-1: SRTP that we pass through under the peers' own keys.

use media_core::session::{Security, Side};
use media_core::srtp::profile::Suite;
use sip_core::refusal::Refusal;
use sip_core::sdp::LegPolicy;
use sip_core::trunk::Passthrough;

use crate::support::*;

const BOTH: &[Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

fn preferring(realm: u16, suites: &[Suite]) -> LegPolicy {
    LegPolicy {
        passthrough: Passthrough::Prefer,
        ..secure(realm, suites)
    }
}

#[test]
fn med_1_the_peers_keys_pass_through_when_both_trunks_prefer_it() {
    let mut call = Call::new(preferring(0, BOTH), preferring(1, BOTH));
    let line = format!("5 {SUITE_32} inline:{KEY_A}|2^31|1:4");
    let other = crypto(6, SUITE_80, KEY_C);
    let (offered, answered) = call.agree(
        &savp(CALLER, &[&line, &other]),
        &savp(CALLEE, &[&crypto(5, SUITE_32, KEY_B)]),
    );
    assert_eq!(
        values(&offered, "a=crypto:"),
        [line],
        "one line, byte for byte"
    );
    assert_eq!(values(&answered, "a=crypto:"), [crypto(5, SUITE_32, KEY_B)]);
    assert_eq!(values(&answered, "m="), ["audio 20000 RTP/SAVP 0 8 101"]);
    for side in [Side::Caller, Side::Callee] {
        assert_eq!(
            call.leg(side).security,
            Security::Passthrough {
                suite: Suite::AesCm128HmacSha1_32
            }
        );
        assert_eq!(
            call.negotiation.leg(side).suite,
            Some(Suite::AesCm128HmacSha1_32)
        );
    }
    let printed = format!("{:?}", call.negotiation);
    assert!(!printed.contains(KEY_A) && !printed.contains(KEY_B));
}

#[test]
fn med_1_the_line_passed_is_the_first_that_the_other_trunk_allows_too() {
    let mut call = Call::new(
        preferring(0, BOTH),
        preferring(1, &[Suite::AesCm128HmacSha1_80]),
    );
    let offered = call.offer(
        Side::Caller,
        &savp(
            CALLER,
            &[&crypto(1, SUITE_32, KEY_A), &crypto(2, SUITE_80, KEY_B)],
        ),
    );
    assert_eq!(values(&offered, "a=crypto:"), [crypto(2, SUITE_80, KEY_B)]);
}

#[test]
fn med_1_without_a_shared_suite_or_will_the_legs_are_keyed_apart() {
    let only_80 = &[Suite::AesCm128HmacSha1_80];
    for (caller, callee) in [
        (
            preferring(0, BOTH),
            preferring(1, &[Suite::AesCm128HmacSha1_32]),
        ),
        (preferring(0, only_80), secure(1, only_80)),
        (secure(0, only_80), preferring(1, only_80)),
    ] {
        let suite = callee.suites[0].name();
        let mut call = Call::new(caller, callee);
        let (offered, _) = call.agree(
            &savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]),
            &savp(CALLEE, &[&crypto(1, suite, KEY_B)]),
        );
        assert!(!offered.contains(KEY_A));
        call.keys(Side::Caller);
        call.keys(Side::Callee);
    }
    let mut plain_callee = plain(1);
    plain_callee.passthrough = Passthrough::Prefer;
    let mut call = Call::new(preferring(0, only_80), plain_callee);
    let (offered, _) = call.agree(&savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]), &avp(CALLEE));
    assert!(!offered.contains(KEY_A));
    assert_eq!(call.leg(Side::Callee).security, Security::Plain);
}

#[test]
fn med_1_an_answer_with_another_suite_or_the_same_key_is_refused() {
    for line in [
        crypto(1, SUITE_32, KEY_B),
        crypto(2, SUITE_80, KEY_B),
        crypto(1, SUITE_80, KEY_A),
    ] {
        let mut call = Call::new(preferring(0, BOTH), preferring(1, BOTH));
        call.offer(Side::Caller, &savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]));
        assert_eq!(
            call.try_answer(Side::Callee, &savp(CALLEE, &[&line])),
            Err(Refusal::SRTP_UNUSABLE),
            "{line}"
        );
    }
}

#[test]
fn sec_2_an_unprotected_line_does_not_pass_through_either() {
    let mut call = Call::new(preferring(0, BOTH), preferring(1, BOTH));
    let line = format!("{} UNENCRYPTED_SRTP", crypto(1, SUITE_80, KEY_A));
    assert_eq!(
        call.try_offer(Side::Caller, &savp(CALLER, &[&line])),
        Err(Refusal::SRTP_UNUSABLE)
    );
}
