//! More than one exchange: re-INVITE, late offer, rollback, early media, the origin line.

use media_core::session::Side;
use media_core::srtp::profile::Suite;
use sip_core::refusal::Refusal;

use crate::support::*;

const BOTH: &[Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

/// A secure caller, a plain callee, a call that is up.
fn secure_caller() -> (Call, String) {
    let mut call = Call::new(secure(0, BOTH), plain(1));
    let (_, answered) = call.agree(&savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]), &avp(CALLEE));
    (call, answered)
}

#[test]
fn sec_8_the_same_key_repeated_changes_no_key() {
    let (mut call, first) = secure_caller();
    let agreed = call.session();
    let (_, again) = call.agree(&savp(CALLER, &[&crypto(4, SUITE_80, KEY_A)]), &avp(CALLEE));
    assert_eq!(call.session(), agreed);
    let (first, again) = (crypto_lines(&first)[0], crypto_lines(&again)[0]);
    assert_eq!(
        (again.0, again.1, again.2),
        ("4", first.1, first.2),
        "the tag is the new one, the key the old"
    );
}

#[test]
fn sec_8_a_new_key_of_the_peer_changes_only_what_we_receive() {
    let (mut call, _) = secure_caller();
    let (old_receive, old_send) = call.keys(Side::Caller);
    call.offer(Side::Caller, &savp(CALLER, &[&crypto(1, SUITE_80, KEY_C)]));
    assert_eq!(
        call.keys(Side::Caller),
        (old_receive.clone(), old_send.clone()),
        "switched at the answer"
    );
    call.answer(Side::Callee, &avp(CALLEE));
    let (receive, send) = call.keys(Side::Caller);
    assert_ne!(receive, old_receive);
    assert_eq!(send, old_send);
}

#[test]
fn a_late_offer_call_is_offered_by_the_callee() {
    let mut call = Call::new(secure(0, BOTH), plain(1));
    let to_caller = call.offer(Side::Callee, &avp(CALLEE));
    assert_eq!(values(&to_caller, "m="), ["audio 20002 RTP/SAVP 0 8 101"]);
    assert_eq!(crypto_lines(&to_caller).len(), 2);
    let to_callee = call.answer(Side::Caller, &savp(CALLER, &[&crypto(2, SUITE_32, KEY_A)]));
    assert_eq!(values(&to_callee, "m="), ["audio 20000 RTP/AVP 0 8 101"]);
    assert_eq!(
        call.negotiation.leg(Side::Caller).suite,
        Some(Suite::AesCm128HmacSha1_32)
    );
    assert_eq!(
        call.leg(Side::Callee).remote.map(|remote| remote.rtp.ip()),
        Some(ip(CALLEE))
    );
}

#[test]
fn sec_8_a_late_offer_reinvite_invents_no_key() {
    let (mut call, first) = secure_caller();
    let agreed = call.session();
    let ours = crypto_lines(&first)[0].2;
    for _ in 0..2 {
        let to_caller = call.offer(Side::Callee, &avp(CALLEE));
        let offered = crypto_lines(&to_caller);
        assert_eq!(
            offered
                .iter()
                .find(|line| line.1 == SUITE_80)
                .map(|line| line.2),
            Some(ours)
        );
        call.answer(Side::Caller, &savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]));
        call.negotiation.confirm();
        assert_eq!(call.session(), agreed);
    }
}

#[test]
fn a_key_that_went_out_of_use_is_never_used_again() {
    let (mut call, _) = secure_caller();
    let (_, first) = call.keys(Side::Caller);
    let mut seen = vec![first];
    for suite in [SUITE_32, SUITE_80, SUITE_32] {
        call.agree(&savp(CALLER, &[&crypto(1, suite, KEY_A)]), &avp(CALLEE));
        let (_, send) = call.keys(Side::Caller);
        assert!(seen.iter().all(|old| old.key() != send.key()));
        seen.push(send);
    }
    // A stream that was disabled starts anew, too.
    let offer = savp(CALLER, &[&crypto(1, SUITE_32, KEY_A)]);
    call.agree(
        &offer.replace("m=audio 4000", "m=audio 0"),
        &avp(CALLEE).replace("m=audio 4000", "m=audio 0"),
    );
    assert_eq!(call.session().streams, []);
    call.agree(&offer, &avp(CALLEE));
    let (_, send) = call.keys(Side::Caller);
    assert!(seen.iter().all(|old| old.key() != send.key()));
}

#[test]
fn a_rejected_reinvite_restores_everything() {
    let (mut call, _) = secure_caller();
    let agreed = call.session();
    let (caller, callee) = (
        call.negotiation.leg(Side::Caller),
        call.negotiation.leg(Side::Callee),
    );
    let offer = savp("192.168.7.99", &[&crypto(1, SUITE_32, KEY_C)]);
    let hold = format!("{offer}a=inactive\r\n");
    call.offer(Side::Caller, &hold);
    call.negotiation.reject();
    assert_eq!(call.session(), agreed);
    // Even if an early answer had come.
    call.offer(Side::Caller, &hold);
    call.answer(Side::Callee, &avp(CALLEE));
    assert!(call.negotiation.on_hold());
    call.negotiation.reject();
    assert_eq!(call.session(), agreed);
    assert!(!call.negotiation.on_hold());
    assert_eq!(
        (
            call.negotiation.leg(Side::Caller),
            call.negotiation.leg(Side::Callee)
        ),
        (caller, callee)
    );
    assert_eq!(
        call.try_answer(Side::Callee, &avp(CALLEE)),
        Err(Refusal::MALFORMED),
        "nothing is pending"
    );
}

#[test]
fn a_refused_offer_leaves_the_call_as_it_was() {
    let (mut call, _) = secure_caller();
    let agreed = call.session();
    assert_eq!(
        call.try_offer(Side::Caller, &avp(CALLER)),
        Err(Refusal::SRTP_REQUIRED)
    );
    assert_eq!(call.session(), agreed);
    // T.38 is refused with 488, upon which fax machines go on over G.711.
    let fax = sdp(CALLER, "m=image 4000 udptl t38", &[]);
    assert_eq!(
        call.try_offer(Side::Caller, &fax),
        Err(Refusal::NO_COMMON_CODEC)
    );
    assert_eq!(call.session(), agreed);
}

#[test]
fn ports_stay_for_the_life_of_the_call() {
    let (mut call, _) = secure_caller();
    let ports: Vec<_> = call.negotiation.local_media().collect();
    for port in ["4000", "4100", "4200"] {
        let offer = avp(CALLEE).replace("4000", port);
        call.offer(Side::Callee, &offer);
        call.answer(Side::Caller, &savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]));
    }
    assert_eq!(call.negotiation.local_media().collect::<Vec<_>>(), ports);
    assert_eq!(
        call.leg(Side::Callee)
            .remote
            .map(|remote| remote.rtp.port()),
        Some(4200)
    );
}

#[test]
fn a_peer_that_changes_family_gets_new_ports_and_both_pairs_are_given_back() {
    let mut call = Call::plain();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let (_, answered) = call.agree(&avp("2001:db8:9::9"), &avp(CALLEE));
    assert_eq!(values(&answered, "c="), ["IN IP6 2001:db8:a::1"]);
    assert_eq!(call.negotiation.local_media().count(), 3);
    // The callee's offer goes to the caller where it now is.
    assert_eq!(
        values(&call.offer(Side::Callee, &avp(CALLEE)), "c="),
        ["IN IP6 2001:db8:a::1"]
    );
}

#[test]
fn the_latest_answer_wins_and_the_offerer_keeps_tag_and_key() {
    let mut call = Call::new(secure(0, BOTH), secure(1, &[Suite::AesCm128HmacSha1_80]));
    call.offer(Side::Caller, &savp(CALLER, &[&crypto(8, SUITE_80, KEY_A)]));
    let early = savp("172.16.9.1", &[&crypto(1, SUITE_80, KEY_B)]);
    let last = savp(CALLEE, &[&crypto(1, SUITE_80, KEY_C)]).replace("peer 1000 1", "other 77 3");
    let first = call.answer(Side::Callee, &early);
    let (ring_receive, ring_send) = call.keys(Side::Callee);
    assert_eq!(
        call.leg(Side::Callee).remote.map(|remote| remote.rtp.ip()),
        Some(ip("172.16.9.1"))
    );
    let second = call.answer(Side::Callee, &last);
    let (receive, send) = call.keys(Side::Callee);
    assert_eq!(
        call.leg(Side::Callee).remote.map(|remote| remote.rtp.ip()),
        Some(ip(CALLEE))
    );
    assert_ne!(receive, ring_receive);
    assert_eq!(send, ring_send);
    assert_eq!(
        first, second,
        "tag, key, session id and version: the caller sees one answer"
    );
}

#[test]
fn a_different_second_answer_counts_the_version_on() {
    let mut call = Call::plain();
    call.offer(Side::Caller, &avp(CALLER));
    let first = call.answer(Side::Callee, &avp(CALLEE));
    let second = call.answer(Side::Callee, &sdp(CALLEE, "m=audio 4000 RTP/AVP 8", &[]));
    assert_eq!(
        version(&second),
        version(&first) + 1,
        "RFC 3264 section 8: the same version is the same SDP"
    );
    assert_eq!(call.leg(Side::Caller).telephone_event, None);
}

#[test]
fn the_origin_is_stable_and_its_version_counts_our_changes() {
    let mut call = Call::plain();
    let offer = avp(CALLER).replace("o=peer 1000 1", "o=alice 1000 41");
    let (first, _) = call.agree(&offer, &avp(CALLEE));
    assert!(values(&first, "o=")[0].starts_with("alice 1000 41 IN"));
    // The caller's own version counts on, but nothing of what we say has changed.
    let (same, _) = call.agree(&offer.replace("1000 41", "1000 42"), &avp(CALLEE));
    assert_eq!(same, first);
    // Another session id and user: somebody else stands behind the call now.
    let other = offer.replace("alice 1000 41", "carol 555 9") + "a=sendonly\r\n";
    let (changed, _) = call.agree(&other, &avp(CALLEE));
    assert!(values(&changed, "o=")[0].starts_with("alice 1000 42 IN"));
    let (again, _) = call.agree(&other, &avp(CALLEE));
    assert_eq!(again, changed);
    let (back, _) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(version(&back), 43);
}

#[test]
fn a_version_that_cannot_be_counted_on_becomes_1() {
    for version in [
        "18446744073709551615",
        "99999999999999999999999",
        "x",
        "4611686018427387903",
    ] {
        let mut call = Call::plain();
        let (first, _) = call.agree(
            &avp(CALLER).replace("1000 1", &format!("1000 {version}")),
            &avp(CALLEE),
        );
        assert!(values(&first, "o=")[0].starts_with("peer 1000 1 IN"));
    }
}

#[test]
fn an_unanswered_offer_gives_way_to_the_next() {
    let mut call = Call::plain();
    call.offer(Side::Caller, &avp(CALLER));
    call.offer(Side::Caller, &avp(CALLER).replace("4000", "4444"));
    call.answer(Side::Callee, &avp(CALLEE));
    assert_eq!(
        call.leg(Side::Caller)
            .remote
            .map(|remote| remote.rtp.port()),
        Some(4444)
    );
    assert_eq!(call.negotiation.local_media().count(), 2);
}

#[test]
fn a_stream_added_later_gets_its_ports_then() {
    let mut call = Call::plain();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let more = |address| format!("{}m=audio 5000 RTP/AVP 8\r\n", avp(address));
    call.agree(&more(CALLER), &more(CALLEE));
    assert_eq!(call.session().streams.len(), 2);
    assert_eq!(call.negotiation.local_media().count(), 4);
}
