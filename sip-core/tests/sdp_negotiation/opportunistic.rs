//! SEC-9: SRTP where the peer wants it (RFC 8643), within RTP/AVP; and never less than was agreed.

use media_core::session::{Security, Side};
use media_core::srtp::profile::Suite;
use sip_core::refusal::Refusal;
use sip_core::sdp::LegPolicy;

use crate::support::*;

fn opportunistic(realm: u16) -> LegPolicy {
    LegPolicy {
        opportunistic: true,
        ..plain(realm)
    }
}

/// A plain description with these crypto lines.
fn avp_with(address: &str, crypto: &[&str]) -> String {
    savp(address, crypto).replace("RTP/SAVP", "RTP/AVP")
}

fn media_line(body: &str) -> &str {
    values(body, "m=audio ")[0]
}

#[test]
fn sec_9_an_offer_with_keys_is_answered_with_srtp_within_rtp_avp() {
    let mut call = Call::new(opportunistic(0), plain(1));
    let offer = avp_with(CALLER, &[&crypto(3, SUITE_80, KEY_A)]);
    let (offered, answered) = call.agree(&offer, &avp(CALLEE));
    // The far side is plain, and hears nothing of keys.
    assert!(crypto_lines(&offered).is_empty(), "{offered}");
    assert!(media_line(&answered).contains(" RTP/AVP "), "{answered}");
    let (tag, suite, _) = crypto_lines(&answered)[0];
    assert_eq!((tag, suite), ("3", SUITE_80));
    let _ = call.keys(Side::Caller);
    assert_eq!(call.leg(Side::Callee).security, Security::Plain);
    // RFC 8643: the record says by its suite what it was.
    let media = call.negotiation.leg(Side::Caller);
    assert_eq!(media.profile, "RTP/AVP");
    assert_eq!(media.suite, Some(Suite::AesCm128HmacSha1_80));
}

#[test]
fn sec_9_an_offer_without_keys_that_can_be_used_is_answered_plain() {
    let unknown = "1 NULL_HMAC_SHA1_80 inline:QUJD".to_owned();
    let weak = crypto(1, SUITE_80, KEY_A) + " UNENCRYPTED_SRTP";
    for lines in [&[][..], &[&unknown], &[&weak]] {
        let lines: Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
        let mut call = Call::new(opportunistic(0), plain(1));
        let (_, answered) = call.agree(&avp_with(CALLER, &lines), &avp(CALLEE));
        assert!(crypto_lines(&answered).is_empty(), "{answered}");
        assert_eq!(call.leg(Side::Caller).security, Security::Plain);
        let media = call.negotiation.leg(Side::Caller);
        assert_eq!((media.profile, media.suite), ("RTP/AVP", None));
    }
}

#[test]
fn sec_9_our_offer_carries_keys_and_the_peer_takes_them_or_not() {
    for takes in [true, false] {
        let mut call = Call::new(plain(0), opportunistic(1));
        let offered = call.offer(Side::Caller, &avp(CALLER));
        assert!(media_line(&offered).contains(" RTP/AVP "), "{offered}");
        assert_eq!(crypto_lines(&offered).len(), 1);
        let answer = match takes {
            true => avp_with(CALLEE, &[&crypto(1, SUITE_80, KEY_B)]),
            false => avp(CALLEE),
        };
        let answered = call.answer(Side::Callee, &answer);
        assert!(crypto_lines(&answered).is_empty(), "{answered}");
        let media = call.negotiation.leg(Side::Callee);
        assert_eq!(media.profile, "RTP/AVP");
        assert_eq!(media.suite.is_some(), takes);
        assert_eq!(call.leg(Side::Caller).security, Security::Plain);
    }
}

#[test]
fn sec_9_an_answer_with_keys_that_do_not_fit_is_no_plain_one() {
    for answer in [
        crypto(2, SUITE_80, KEY_B),
        crypto(1, SUITE_32, KEY_B),
        "1 AES_CM_128_HMAC_SHA1_80 inline:broken".to_owned(),
    ] {
        let mut call = Call::new(plain(0), opportunistic(1));
        call.offer(Side::Caller, &avp(CALLER));
        let refused = call.try_answer(Side::Callee, &avp_with(CALLEE, &[&answer]));
        assert_eq!(refused, Err(Refusal::SRTP_UNUSABLE), "{answer}");
    }
}

#[test]
fn sec_9_what_began_with_srtp_does_not_fall_back() {
    // The peer offers again, without keys.
    let mut call = Call::new(opportunistic(0), plain(1));
    let offer = avp_with(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    call.agree(&offer, &avp(CALLEE));
    let again = call.try_offer(Side::Caller, &avp(CALLER));
    assert_eq!(again, Err(Refusal::SRTP_REQUIRED));
    assert!(call.try_offer(Side::Caller, &offer).is_ok());
    call.negotiation.reject();
    // We offer again, and the peer answers without.
    let offered = call.offer(Side::Callee, &avp(CALLEE));
    assert_eq!(crypto_lines(&offered).len(), 1);
    let again = call.try_answer(Side::Caller, &avp(CALLER));
    assert_eq!(again, Err(Refusal::SRTP_UNUSABLE));
}

#[test]
fn sec_9_what_began_plain_may_become_srtp() {
    let mut call = Call::new(opportunistic(0), plain(1));
    call.agree(&avp(CALLER), &avp(CALLEE));
    let offer = avp_with(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    call.agree(&offer, &avp(CALLEE));
    let _ = call.keys(Side::Caller);
}

#[test]
fn sec_9_between_two_such_trunks_each_leg_is_as_its_peer_wants() {
    let mut call = Call::new(opportunistic(0), opportunistic(1));
    let offer = avp_with(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    let (_, answered) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(crypto_lines(&answered).len(), 1);
    let _ = call.keys(Side::Caller);
    assert_eq!(call.leg(Side::Callee).security, Security::Plain);
}

/// The setting changes nothing of the other modes: `srtp` requires RTP/SAVP, and a plain trunk knows
/// no keys.
#[test]
fn sec_9_other_trunks_are_as_strict_as_ever() {
    let offer = avp_with(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    let mut call = Call::new(secure(0, &[]), plain(1));
    let refused = call.try_offer(Side::Caller, &offer);
    assert_eq!(refused, Err(Refusal::SRTP_REQUIRED));
    let mut call = Call::plain();
    let (offered, answered) = call.agree(&offer, &avp(CALLEE));
    assert!(crypto_lines(&offered).is_empty() && crypto_lines(&answered).is_empty());
    // Who demands SRTP by RTP/SAVP is not left believing that he may get less.
    let mut call = Call::new(opportunistic(0), plain(1));
    let savp = savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    let refused = call.try_offer(Side::Caller, &savp);
    assert_eq!(refused, Err(Refusal::SRTP_UNUSABLE));
}
