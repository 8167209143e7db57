//! SIG-8: codecs and telephone-event.

use media_core::session::Side;
use sip_core::refusal::Refusal;
use sip_core::sdp::LegPolicy;

use crate::support::*;

fn allowing(realm: u16, codecs: &[&str]) -> LegPolicy {
    LegPolicy {
        codecs: codecs.iter().map(|&name| name.into()).collect(),
        ..plain(realm)
    }
}

#[test]
fn sig_8_codecs_that_a_trunk_does_not_allow_leave_with_their_lines() {
    let mut call = Call::plain();
    let offered = call.offer(
        Side::Caller,
        &sdp(
            CALLER,
            "m=audio 4000 RTP/AVP 96 18 8 0 97 101 13",
            &[
                "a=rtpmap:96 opus/48000/2",
                "a=fmtp:96 useinbandfec=1",
                "a=rtcp-fb:96 nack",
                "a=rtcp-fb:* transport-cc",
                "a=rtpmap:18 G729/8000",
                "a=fmtp:18 annexb=no",
                "a=rtpmap:8 PCMA/8000",
                "a=rtpmap:97 iLBC/8000",
                "a=rtpmap:101 telephone-event/8000",
                "a=fmtp:101 0-15",
                "a=ptime:20",
            ],
        ),
    );
    assert_eq!(
        values(&offered, "m="),
        ["audio 20002 RTP/AVP 8 0 101"],
        "the order is kept"
    );
    let kept = [
        "rtcp-fb:* transport-cc",
        "rtpmap:8 PCMA/8000",
        "rtpmap:101 telephone-event/8000",
        "fmtp:101 0-15",
        "ptime:20",
    ];
    assert_eq!(values(&offered, "a="), kept);
}

#[test]
fn sig_8_a_codec_needs_both_trunks() {
    for (caller, callee, expected) in [
        (
            &["PCMU", "PCMA", "G729"][..],
            &["PCMA", "G729"][..],
            Ok("audio 20002 RTP/AVP 8 18"),
        ),
        (&["pcmu"], &["Pcmu", "PCMA"], Ok("audio 20002 RTP/AVP 0")),
        (&["PCMU"], &["PCMA"], Err(Refusal::NO_COMMON_CODEC)),
        (&["PCMU"], &[], Err(Refusal::NO_COMMON_CODEC)),
    ] {
        let mut call = Call::new(allowing(0, caller), allowing(1, callee));
        let offered = call.try_offer(
            Side::Caller,
            &sdp(CALLER, "m=audio 4000 RTP/AVP 0 8 18", &[]),
        );
        assert_eq!(
            offered.as_deref().map(|body| values(body, "m=")[0]),
            expected.as_ref().copied()
        );
    }
}

#[test]
fn sig_8_static_types_need_no_rtpmap_and_an_rtpmap_overrules_them() {
    let mut call = Call::new(
        allowing(0, &["G722", "GSM", "PCMU"]),
        allowing(1, &["G722", "GSM", "PCMU"]),
    );
    let offered = call.offer(
        Side::Caller,
        &sdp(
            CALLER,
            "m=audio 4000 RTP/AVP 9 3 0 5",
            &["a=rtpmap:0 speex/8000"],
        ),
    );
    assert_eq!(values(&offered, "m="), ["audio 20002 RTP/AVP 9 3"]);
}

#[test]
fn sig_8_digits_alone_are_no_common_codec() {
    let codecs = ["PCMU", "CN", "TELEPHONE-EVENT"];
    let mut call = Call::new(allowing(0, &codecs), allowing(1, &codecs));
    let offer = sdp(
        CALLER,
        "m=audio 4000 RTP/AVP 18 13 101",
        &["a=rtpmap:101 telephone-event/8000"],
    );
    assert_eq!(
        call.try_offer(Side::Caller, &offer),
        Err(Refusal::NO_COMMON_CODEC)
    );

    call.offer(Side::Caller, &avp(CALLER));
    let answer = sdp(
        CALLEE,
        "m=audio 4000 RTP/AVP 101",
        &["a=rtpmap:101 telephone-event/8000"],
    );
    assert_eq!(
        call.try_answer(Side::Callee, &answer),
        Err(Refusal::NO_COMMON_CODEC)
    );
}

#[test]
fn sig_8_formats_that_are_no_payload_type_are_dropped() {
    let mut call = Call::plain();
    let offered = call.offer(
        Side::Caller,
        &sdp(
            CALLER,
            "m=audio 4000 RTP/AVP 0 128 x 300 -1 8",
            &["a=rtpmap:128 PCMU/8000"],
        ),
    );
    assert_eq!(values(&offered, "m="), ["audio 20002 RTP/AVP 0 8"]);
}

#[test]
fn sig_8_a_telephone_event_type_may_differ_in_each_direction() {
    let mut call = Call::plain();
    let event = |address, number: u8| {
        let media = format!("m=audio 4000 RTP/AVP 0 {number}");
        sdp(
            address,
            &media,
            &[&format!("a=rtpmap:{number} telephone-event/8000")],
        )
    };
    let (offered, answered) = call.agree(&event(CALLER, 101), &event(CALLEE, 96));
    assert!(offered.contains("a=rtpmap:101") && answered.contains("a=rtpmap:96"));
    // A peer sends with the number that the other one announced (RFC 3264 section 5.1).
    assert_eq!(call.leg(Side::Caller).telephone_event, Some(96));
    assert_eq!(call.leg(Side::Callee).telephone_event, Some(101));
    for side in [Side::Caller, Side::Callee] {
        assert_eq!(call.leg(side).payload_types, 1 | 1 << 96 | 1 << 101);
    }
}

#[test]
fn sig_8_telephone_event_passes_though_a_trunk_does_not_list_it() {
    let mut call = Call::new(allowing(0, &["PCMA"]), allowing(1, &["PCMA"]));
    let (offered, answered) = call.agree(&avp(CALLER), &avp(CALLEE));
    assert_eq!(values(&offered, "m="), ["audio 20002 RTP/AVP 8 101"]);
    assert_eq!(values(&answered, "m="), ["audio 20000 RTP/AVP 8 101"]);
}

#[test]
fn only_payload_types_that_were_agreed_may_arrive() {
    let mut call = Call::plain();
    call.agree(
        &sdp(CALLER, "m=audio 4000 RTP/AVP 18 8 0", &[]),
        &sdp(CALLEE, "m=audio 4000 RTP/AVP 8 18", &[]),
    );
    assert_eq!(call.leg(Side::Caller).payload_types, 1 | 1 << 8);
    assert_eq!(call.leg(Side::Caller).telephone_event, None);
    assert_eq!(
        call.negotiation.leg(Side::Caller).codec.as_deref(),
        Some("PCMA")
    );
}

/// Each clock has a telephone-event of its own; both pass, and digits are looked for in the one
/// that goes with the codec.
#[test]
fn sig_8_of_two_telephone_events_the_one_with_the_codecs_clock_counts() {
    for (formats, expected) in [("96 0 101 102", 102), ("0 96 101 102", 101), ("0 102", 102)] {
        let codecs = ["OPUS", "PCMU"];
        let mut call = Call::new(allowing(0, &codecs), allowing(1, &codecs));
        let body = |address: &str| {
            sdp(
                address,
                &format!("m=audio 4000 RTP/AVP {formats}"),
                &[
                    "a=rtpmap:96 opus/48000/2",
                    "a=rtpmap:101 telephone-event/8000",
                    "a=rtpmap:102 telephone-event/48000",
                ],
            )
        };
        let offered = call.offer(Side::Caller, &body(CALLER));
        assert!(values(&offered, "m=")[0].ends_with(formats), "both pass");
        call.answer(Side::Callee, &body(CALLEE));
        assert_eq!(
            call.leg(Side::Caller).telephone_event,
            Some(expected),
            "{formats}"
        );
    }
}
