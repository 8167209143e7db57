//! Several m-lines: which are relayed, and that positions match (RFC 3264 sections 5.1 and 6).

use media_core::session::Side;
use sip_core::refusal::Refusal;

use crate::support::*;

#[test]
fn extra_m_lines_are_disabled_and_mirrored_in_place() {
    let mut call = Call::plain();
    let offer = sdp(
        CALLER,
        "m=image 5000 udptl t38",
        &[
            "a=T38FaxVersion:0",
            "m=audio 4000 RTP/AVP 0",
            "m=video 4002 RTP/AVP 96 97",
            "c=IN IP4 192.168.7.7",
            "a=rtpmap:96 VP8/90000",
            "a=candidate:1 1 UDP 1 192.168.7.7 4002 typ host",
        ],
    );
    let offered = call.offer(Side::Caller, &offer);
    let expected = [
        "image 0 udptl t38",
        "audio 20002 RTP/AVP 0",
        "video 0 RTP/AVP 96 97",
    ];
    assert_eq!(values(&offered, "m="), expected);
    assert!(!offered.contains(CALLER) && offered.contains("a=rtpmap:96 VP8/90000"));
    // This answerer would take everything.
    let answered = call.answer(
        Side::Callee,
        &sdp(
            CALLEE,
            "m=image 6000 udptl t38",
            &["m=audio 6002 RTP/AVP 0", "m=video 6004 RTP/AVP 96"],
        ),
    );
    assert_eq!(
        values(&answered, "m="),
        [
            "image 0 udptl t38",
            "audio 20000 RTP/AVP 0",
            "video 0 RTP/AVP 96 97"
        ]
    );
    assert_eq!(call.session().streams.len(), 1);
    assert_eq!(
        call.leg(Side::Callee)
            .remote
            .map(|remote| remote.rtp.port()),
        Some(6002)
    );
}

#[test]
fn an_answer_with_too_few_or_too_many_m_lines_is_mended() {
    for extra in [
        &[][..],
        &[
            "m=video 0 RTP/AVP 96",
            "m=text 0 RTP/AVP 98",
            "m=audio 7000 RTP/AVP 0",
        ],
    ] {
        let mut call = Call::plain();
        call.offer(
            Side::Caller,
            &sdp(
                CALLER,
                "m=audio 4000 RTP/AVP 0",
                &["m=video 4002 RTP/AVP 96", "m=text 0 RTP/AVP 98"],
            ),
        );
        let answered = call.answer(Side::Callee, &sdp(CALLEE, "m=audio 6000 RTP/AVP 0", extra));
        assert_eq!(
            values(&answered, "m="),
            [
                "audio 20000 RTP/AVP 0",
                "video 0 RTP/AVP 96",
                "text 0 RTP/AVP 98"
            ]
        );
        assert!(answered.ends_with("\r\n"));
    }
}

#[test]
fn a_second_audio_line_is_relayed_too() {
    let mut call = Call::plain();
    let two = |address| {
        sdp(
            address,
            "m=audio 4000 RTP/AVP 0",
            &["m=audio 4010 RTP/AVP 8"],
        )
    };
    let (offered, _) = call.agree(&two(CALLER), &two(CALLEE));
    assert_eq!(
        values(&offered, "m="),
        ["audio 20002 RTP/AVP 0", "audio 20006 RTP/AVP 8"]
    );
    assert_eq!(call.session().streams.len(), 2);
    assert_eq!(call.negotiation.local_media().count(), 4);
}

#[test]
fn one_offer_cannot_take_a_port_for_each_of_many_lines() {
    let mut call = Call::plain();
    let offer = sdp(
        CALLER,
        "m=audio 4000 RTP/AVP 0",
        &["m=audio 4002 RTP/AVP 0"; 40],
    );
    let offered = call.offer(Side::Caller, &offer);
    assert_eq!(values(&offered, "m=").len(), 41);
    assert_eq!(values(&offered, "m=audio 0 ").len(), 37);
    assert_eq!(call.negotiation.local_media().count(), 8);
}

#[test]
fn an_answerer_may_refuse_a_stream_by_port_0() {
    let mut call = Call::plain();
    let (_, answered) = call.agree(
        &avp(CALLER),
        &avp(CALLEE).replace("m=audio 4000", "m=audio 0"),
    );
    assert_eq!(values(&answered, "m="), ["audio 0 RTP/AVP 0 8 101"]);
    assert_eq!(call.session().streams, []);
}

#[test]
fn an_offer_without_any_stream_in_use_passes() {
    let nothing = body("v=0\no=- 1 1 IN IP4 192.168.7.7\ns=-\nc=IN IP4 192.168.7.7\nt=0 0");
    for offer in [nothing, avp(CALLER).replace("m=audio 4000", "m=audio 0")] {
        let mut call = Call::plain();
        let offered = call.offer(Side::Caller, &offer);
        assert!(offered.contains(OURS[1]) && !offered.contains(CALLER));
    }
}

#[test]
fn an_answer_of_another_media_type_or_without_an_offer_is_malformed() {
    let mut call = Call::plain();
    assert_eq!(
        call.try_answer(Side::Callee, &avp(CALLEE)),
        Err(Refusal::MALFORMED)
    );
    call.offer(Side::Caller, &avp(CALLER));
    assert_eq!(
        call.try_answer(Side::Caller, &avp(CALLER)),
        Err(Refusal::MALFORMED),
        "its own offer"
    );
    let video = avp(CALLEE).replace("m=audio", "m=video");
    assert_eq!(
        call.try_answer(Side::Callee, &video),
        Err(Refusal::MALFORMED)
    );
    call.answer(Side::Callee, &avp(CALLEE));
}
