//! T.38 over UDPTL (ITU-T T.38 Annex D): relayed where both trunks allow it and neither is secure.

use media_core::session::{Security, Side, StreamLeg};
use media_core::srtp::profile::Suite;
use sip_core::refusal::Refusal;
use sip_core::sdp::LegPolicy;

use crate::support::*;

const FAX_LINES: &[&str] = &[
    "a=T38FaxVersion:0",
    "a=T38MaxBitRate:14400",
    "a=T38FaxRateManagement:transferredTCF",
    "a=T38FaxUdpEC:t38UDPRedundancy",
];

fn faxing(policy: LegPolicy) -> LegPolicy {
    LegPolicy {
        t38: true,
        ..policy
    }
}

fn call() -> Call {
    Call::new(faxing(plain(0)), faxing(plain(1)))
}

fn fax(address: &str) -> String {
    sdp(address, "m=image 5000 udptl t38", FAX_LINES)
}

/// Speech that is switched off, and a fax below it.
fn fax_below_audio(address: &str) -> String {
    let lines = [&["m=image 5000 udptl t38"], FAX_LINES].concat();
    sdp(address, "m=audio 0 RTP/AVP 0", &lines)
}

/// The description with our address and port in place of the peer's.
fn as_ours(body: &str, theirs: &str, ours: &str, port: u16) -> String {
    body.replace(theirs, ours)
        .replace("image 5000", &format!("image {port}"))
}

fn carries_no_rtp(leg: &StreamLeg) -> bool {
    let remote = leg.remote.expect("both peers said where they receive");
    leg.payload_types == 0
        && leg.telephone_event.is_none()
        && leg.codec.clock_khz == 0
        && !leg.rtcp_mux
        && leg.security == Security::Plain
        && remote.rtp.port() == 5000
        && remote.rtcp == remote.rtp
}

#[test]
fn sig_8_a_fax_line_is_relayed_as_it_came_but_for_address_and_port() {
    let mut call = call();
    let (offered, answered) = call.agree(&fax(CALLER), &fax(CALLEE));
    assert_eq!(offered, as_ours(&fax(CALLER), CALLER, OURS[1], 20_002));
    assert_eq!(answered, as_ours(&fax(CALLEE), CALLEE, OURS[0], 20_000));
    let session = call.session();
    assert_eq!(session.streams.len(), 1);
    assert!(session.streams[0].is_raw && !session.streams[0].on_hold);
    assert!(session.streams[0].legs.iter().all(carries_no_rtp));
    assert_eq!(
        call.leg(Side::Callee).remote.map(|remote| remote.rtp.ip()),
        Some(ip(CALLEE))
    );
    let record = call.negotiation.leg(Side::Caller);
    assert_eq!(
        (record.profile, record.codec.as_deref()),
        ("udptl", Some("t38"))
    );
}

#[test]
fn sig_8_the_transport_is_written_as_the_offerer_writes_it_and_the_highest_port_is_one() {
    let mut call = call();
    let offer = fax(CALLER).replace("5000 udptl t38", "65535 UDPTL T38");
    let (offered, answered) = call.agree(&offer, &fax(CALLEE));
    assert_eq!(values(&offered, "m="), ["image 20002 UDPTL T38"]);
    assert_eq!(values(&answered, "m="), ["image 20000 UDPTL t38"]);
    assert_eq!(
        call.leg(Side::Caller)
            .remote
            .map(|remote| remote.rtp.port()),
        Some(65_535)
    );
}

/// RFC 3264 section 8.3.3: another media type in place of the old one.
#[test]
fn sig_8_audio_becomes_a_fax_in_its_place_and_audio_again() {
    let mut call = call();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let speech = call.session();
    assert!(!speech.streams[0].is_raw);
    // The called machine is the one that hears the calling tone, and asks.
    let offered = call.offer(Side::Callee, &fax(CALLEE));
    assert_eq!(values(&offered, "m="), ["image 20000 udptl t38"]);
    assert_eq!(call.session(), speech, "switched at the answer");
    let answered = call.answer(Side::Caller, &fax(CALLER));
    call.negotiation.confirm();
    assert_eq!(values(&answered, "m="), ["image 20002 udptl t38"]);
    assert!(call.session().streams[0].is_raw);
    assert!(call.session().streams[0].legs.iter().all(carries_no_rtp));

    call.agree(&avp(CALLER), &avp(CALLEE));
    assert_eq!(call.session(), speech);
    assert_eq!(call.negotiation.local_media().count(), 2, "the same ports");
}

#[test]
fn sig_8_audio_is_switched_off_for_a_fax_below_it_and_on_again() {
    let mut call = call();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let (offered, answered) = call.agree(&fax_below_audio(CALLER), &fax_below_audio(CALLEE));
    for (body, port) in [(&offered, 20_006), (&answered, 20_004)] {
        assert_eq!(
            values(body, "m="),
            [
                "audio 0 RTP/AVP 0".to_owned(),
                format!("image {port} udptl t38")
            ]
        );
    }
    let streams = call.session().streams;
    assert_eq!((streams.len(), streams[0].is_raw), (1, true));

    let back = |address| {
        fax_below_audio(address)
            .replace("audio 0", "audio 4000")
            .replace("image 5000", "image 0")
    };
    let (offered, answered) = call.agree(&back(CALLER), &back(CALLEE));
    assert_eq!(
        values(&offered, "m="),
        ["audio 20002 RTP/AVP 0", "image 0 udptl t38"]
    );
    assert_eq!(
        values(&answered, "m="),
        ["audio 20000 RTP/AVP 0", "image 0 udptl t38"]
    );
    let streams = call.session().streams;
    assert_eq!((streams.len(), streams[0].is_raw), (1, false));
}

#[test]
fn sig_8_a_fax_that_the_answerer_refuses_leaves_speech_as_it_was() {
    let mut call = call();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let speech = call.session();
    call.offer(Side::Callee, &fax(CALLEE));
    call.negotiation.reject();
    assert_eq!(call.session(), speech);
    call.offer(Side::Callee, &fax(CALLEE));
    let refused = fax(CALLER).replace("image 5000", "image 0");
    assert_eq!(
        values(&call.answer(Side::Caller, &refused), "m="),
        ["image 0 udptl t38"]
    );
    assert_eq!(call.session().streams, []);
}

#[test]
fn sig_8_one_trunk_that_does_not_allow_fax_is_enough_to_refuse_it() {
    for legs in [
        [plain(0), plain(1)],
        [faxing(plain(0)), plain(1)],
        [plain(0), faxing(plain(1))],
    ] {
        assert_refused(legs, &avp(CALLER));
    }
}

/// UDPTL has no protection: a secure leg carries none, whatever its trunk says.
#[test]
fn sig_8_a_fax_line_is_refused_where_a_leg_is_secure() {
    let suites = &[Suite::AesCm128HmacSha1_80];
    let savp = savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    let secure = |realm| faxing(secure(realm, suites));
    let plain = |realm| faxing(plain(realm));
    assert_refused([secure(0), plain(1)], &savp);
    assert_refused([secure(0), secure(1)], &savp);
    assert_refused([plain(0), secure(1)], &avp(CALLER));
}

/// Alone it is refused with 488; next to audio it keeps its place, with port 0.
fn assert_refused(legs: [LegPolicy; 2], audio: &str) {
    let [caller, callee] = legs;
    let mut call = Call::new(caller, callee);
    assert_eq!(
        call.try_offer(Side::Caller, &fax(CALLER)),
        Err(Refusal::NO_COMMON_CODEC)
    );
    assert_eq!(call.negotiation.local_media().count(), 0);
    let offered = call.offer(
        Side::Caller,
        &format!("{audio}m=image 5000 udptl t38\r\na=T38FaxVersion:0\r\n"),
    );
    assert_eq!(values(&offered, "m=image "), ["0 udptl t38"]);
    assert_eq!(values(&offered, "m=audio 20002 ").len(), 1);
}

#[test]
fn sig_8_only_t38_over_udptl_is_a_fax_that_we_relay() {
    for line in [
        "image 5000 UDP/TLS/UDPTL t38", // RFC 7345
        "image 5000 TCP t38",
        "image 5000 RTP/AVP 0",
        "image 5000 udptl jpeg",
        "audio 5000 udptl t38",
    ] {
        let offer = fax(CALLER).replace("image 5000 udptl t38", line);
        assert_eq!(
            call().try_offer(Side::Caller, &offer),
            Err(Refusal::NO_COMMON_CODEC),
            "{line}"
        );
    }
    // And what was offered as a fax is not answered as anything else.
    for (answer, expected) in [
        (avp(CALLEE), Refusal::MALFORMED),
        (
            fax(CALLEE).replace("udptl", "RTP/AVP"),
            Refusal::NO_COMMON_CODEC,
        ),
    ] {
        let mut call = call();
        call.offer(Side::Caller, &fax(CALLER));
        assert_eq!(call.try_answer(Side::Callee, &answer), Err(expected));
    }
}
