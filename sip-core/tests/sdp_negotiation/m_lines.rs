//! Several m-lines: which are relayed, and that positions match (RFC 3264 sections 5.1 and 6).

use media_core::session::Side;
use media_core::srtp::profile::Suite;
use sip_core::refusal::Refusal;
use sip_core::sdp::LegPolicy;

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

fn with_video(policy: LegPolicy, video: bool) -> LegPolicy {
    LegPolicy { video, ..policy }
}

fn audio_and_video(address: &str, profile: &str, keys: [&str; 2]) -> String {
    let crypto = |key: &str| match profile {
        "RTP/SAVP" => format!("a=crypto:1 {SUITE_80} inline:{key}\r\n"),
        _ => String::new(),
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
         m=audio 4000 {profile} 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{}\
         m=video 4002 {profile} 97 98 99\r\na=rtpmap:97 H264/90000\r\n\
         a=fmtp:97 profile-level-id=42e01f\r\na=rtpmap:98 VP8/90000\r\na=rtcp-fb:98 nack pli\r\n\
         a=rtpmap:99 rtx/90000\r\n{}",
        crypto(keys[0]),
        crypto(keys[1])
    )
}

#[test]
fn sig_8_video_is_relayed_as_it_came_where_both_trunks_allow_it() {
    let mut call = Call::new(with_video(plain(0), true), with_video(plain(1), true));
    let offered = call.offer(Side::Caller, &audio_and_video(CALLER, "RTP/AVP", [""; 2]));
    assert_eq!(
        values(&offered, "m="),
        ["audio 20002 RTP/AVP 0 101", "video 20006 RTP/AVP 97 98 99"]
    );
    assert!(offered.contains("a=fmtp:97 profile-level-id=42e01f") && !offered.contains(CALLER));
    let answer = sdp(
        CALLEE,
        "m=audio 6000 RTP/AVP 0",
        &["m=video 6002 RTP/AVP 98", "a=rtpmap:98 VP8/90000"],
    );
    let answered = call.answer(Side::Callee, &answer);
    assert_eq!(
        values(&answered, "m="),
        ["audio 20000 RTP/AVP 0", "video 20004 RTP/AVP 98"]
    );
    let session = call.session();
    assert_eq!(session.streams.len(), 2);
    let video = &session.streams[1].legs[0];
    assert_eq!(video.payload_types, 1 << 97 | 1 << 98 | 1 << 99);
    assert_eq!(
        video.max_packet_rate, 4000,
        "a picture is many packets at once"
    );
    assert_eq!(session.streams[0].legs[0].max_packet_rate, 200);
}

#[test]
fn sig_8_one_trunk_without_video_is_enough_for_port_0() {
    for allowed in [[true, false], [false, true], [false, false]] {
        let [caller, callee] = allowed;
        let mut call = Call::new(with_video(plain(0), caller), with_video(plain(1), callee));
        let offered = call.offer(Side::Caller, &audio_and_video(CALLER, "RTP/AVP", [""; 2]));
        assert_eq!(values(&offered, "m=")[1], "video 0 RTP/AVP 97 98 99");
    }
}

#[test]
fn sig_8_video_alone_is_no_common_codec_where_it_is_not_allowed() {
    let offer = sdp(
        CALLER,
        "m=video 4002 RTP/AVP 98",
        &["a=rtpmap:98 VP8/90000"],
    );
    assert_eq!(
        Call::plain().try_offer(Side::Caller, &offer),
        Err(Refusal::NO_COMMON_CODEC)
    );
}

/// SEC-10: video of a secure leg has keys of its own, and never leaves in the clear.
#[test]
fn sec_10_video_is_protected_as_audio_is() {
    let [caller, callee] = [
        secure(0, &[Suite::AesCm128HmacSha1_80]),
        secure(1, &[Suite::AesCm128HmacSha1_80]),
    ]
    .map(|policy| with_video(policy, true));
    let mut call = Call::new(caller, callee);
    let offered = call.offer(
        Side::Caller,
        &audio_and_video(CALLER, "RTP/SAVP", [KEY_A, KEY_B]),
    );
    assert_eq!(values(&offered, "m=")[1], "video 20006 RTP/SAVP 97 98 99");
    let crypto = values(&offered, "a=crypto");
    assert_eq!(crypto.len(), 2);
    assert_ne!(crypto[0], crypto[1]);
    assert!(!offered.contains(KEY_A) && !offered.contains(KEY_B));
    // Plain video beside secure audio is refused in its place.
    let mixed = audio_and_video(CALLER, "RTP/SAVP", [KEY_A, KEY_B])
        .replace("m=video 4002 RTP/SAVP", "m=video 4002 RTP/AVP");
    let offered = call.offer(Side::Caller, &mixed);
    assert!(values(&offered, "m=")[1].starts_with("video 0 "));
}
