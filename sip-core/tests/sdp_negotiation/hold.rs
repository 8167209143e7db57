//! Hold and resume (RFC 3264 sections 6.1 and 8.4).

use media_core::session::Side;

use crate::support::*;

fn with_direction(body: &str, direction: &str) -> String {
    format!("{body}a={direction}\r\n")
}

fn direction(body: &str) -> &str {
    let known = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let found: Vec<&str> = values(body, "a=")
        .into_iter()
        .filter(|value| known.contains(value))
        .collect();
    match found[..] {
        [] => "",
        [one] => one,
        _ => panic!("{} directions", found.len()),
    }
}

#[test]
fn directions_pass_and_an_answer_never_says_more_than_the_offer_allows() {
    for (offered, answered, passed) in [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "recvonly", "recvonly"),
        ("sendonly", "sendrecv", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("sendonly", "inactive", "inactive"),
        ("recvonly", "sendonly", "sendonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("inactive", "inactive", "inactive"),
    ] {
        let mut call = Call::plain();
        let (to_callee, to_caller) = call.agree(
            &with_direction(&avp(CALLER), offered),
            &with_direction(&avp(CALLEE), answered),
        );
        assert_eq!(direction(&to_callee), offered);
        assert_eq!(
            direction(&to_caller),
            passed,
            "{offered} answered {answered}"
        );
        assert_eq!(call.session().streams[0].on_hold, passed != "sendrecv");
    }
}

#[test]
fn a_hold_answered_without_a_direction_is_mended() {
    let mut call = Call::plain();
    let (_, answered) = call.agree(&with_direction(&avp(CALLER), "sendonly"), &avp(CALLEE));
    assert_eq!(direction(&answered), "recvonly");
}

#[test]
fn a_session_level_direction_counts_and_is_overruled_below_the_m_line() {
    let mut call = Call::plain();
    let offer = avp(CALLER).replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    let answer = avp(CALLEE).replace("t=0 0\r\n", "t=0 0\r\na=sendrecv\r\n");
    let (offered, answered) = call.agree(&offer, &answer);
    assert_eq!(offered.matches("a=sendonly").count(), 1);
    assert!(answered.ends_with("a=recvonly\r\n"));
    assert!(call.negotiation.on_hold());
}

#[test]
fn a_hold_by_address_is_translated() {
    for (written, passed) in [
        ("", "sendonly"),
        ("sendrecv", "sendonly"),
        ("sendonly", "sendonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ] {
        for unspecified in ["0.0.0.0", "::"] {
            let mut call = Call::plain();
            call.agree(&avp(CALLER), &avp(CALLEE));
            let before = call.leg(Side::Caller);
            let mut hold = avp(unspecified);
            if !written.is_empty() {
                hold = with_direction(&hold, written);
            }
            let (offered, _) = call.agree(&hold, &avp(CALLEE));
            assert_eq!(direction(&offered), passed, "{written} at {unspecified}");
            assert_eq!(values(&offered, "c="), ["IN IP4 203.0.113.1"]);
            let held = call.leg(Side::Caller);
            assert_eq!(held.remote, None, "nothing is sent to a peer that holds");
            assert_eq!(held.local, before.local);
            assert!(call.negotiation.on_hold());
        }
    }
}

#[test]
fn an_answer_may_hold_by_address_too() {
    let mut call = Call::plain();
    let (_, answered) = call.agree(&avp(CALLER), &avp("0.0.0.0"));
    assert_eq!(direction(&answered), "sendonly");
    assert_eq!(values(&answered, "c="), ["IN IP4 198.51.100.1"]);
    assert_eq!(call.leg(Side::Callee).remote, None);
}

#[test]
fn sec_8_hold_and_resume_keep_keys_and_ports() {
    let suites = [media_core::srtp::profile::Suite::AesCm128HmacSha1_80];
    let mut call = Call::new(secure(0, &suites), plain(1));
    let offer = savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    let (_, first) = call.agree(&offer, &avp(CALLEE));
    let agreed = call.session();
    let hold = with_direction(&offer, "sendonly").replace("1000 1 IN", "1000 2 IN");
    call.agree(&hold, &with_direction(&avp(CALLEE), "recvonly"));
    let mut held = call.session();
    assert!(held.streams[0].on_hold);
    let caller = &mut held.streams[0].legs[0];
    assert_eq!(caller.sdp_version, 2);
    caller.sdp_version = agreed.streams[0].legs[0].sdp_version;
    assert_eq!(
        held.streams[0].legs, agreed.streams[0].legs,
        "only the hold and the version have changed"
    );
    let (_, resumed) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(call.session(), agreed);
    assert_eq!(crypto_lines(&first), crypto_lines(&resumed));
}

#[test]
fn the_called_party_may_hold_as_well() {
    let mut call = Call::plain();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let offered = call.offer(Side::Callee, &with_direction(&avp(CALLEE), "sendonly"));
    assert_eq!(direction(&offered), "sendonly");
    assert_eq!(values(&offered, "c="), ["IN IP4 198.51.100.1"]);
    assert!(!call.negotiation.on_hold(), "not before the answer");
    let answered = call.answer(Side::Caller, &avp(CALLER));
    assert_eq!(direction(&answered), "recvonly");
    assert!(call.negotiation.on_hold());
}
