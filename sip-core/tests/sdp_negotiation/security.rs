//! SRTP keys in SDP (RFC 4568), SEC-2, SEC-6 to SEC-10.

use media_core::session::{Security, Side};
use media_core::srtp::profile::Suite;
use sip_core::refusal::Refusal;

use crate::support::*;

const BOTH: &[Suite] = &[Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];
const ONLY_80: &[Suite] = &[Suite::AesCm128HmacSha1_80];
const ONLY_32: &[Suite] = &[Suite::AesCm128HmacSha1_32];
/// The trunk lists none: what it is by default.
const UNLISTED: &[Suite] = &[];

#[test]
fn sec_6_offerers_order_is_honoured_among_the_suites_allowed() {
    let (first_80, first_32) = (crypto(1, SUITE_80, KEY_A), crypto(2, SUITE_32, KEY_B));
    for (allowed, lines, tag, suite) in [
        (BOTH, [&first_80, &first_32], "1", SUITE_80),
        (BOTH, [&first_32, &first_80], "2", SUITE_32),
        (UNLISTED, [&first_80, &first_32], "1", SUITE_80),
        (UNLISTED, [&first_32, &first_80], "2", SUITE_32),
        (ONLY_80, [&first_32, &first_80], "1", SUITE_80),
        (ONLY_32, [&first_80, &first_32], "2", SUITE_32),
        (
            &[Suite::AesCm128HmacSha1_32, Suite::AesCm128HmacSha1_80],
            [&first_80, &first_32],
            "1",
            SUITE_80,
        ),
    ] {
        let mut call = Call::new(secure(0, allowed), plain(1));
        let (_, answered) = call.agree(&savp(CALLER, &[lines[0], lines[1]]), &avp(CALLEE));
        let lines = crypto_lines(&answered);
        assert_eq!(
            lines
                .iter()
                .map(|line| (line.0, line.1))
                .collect::<Vec<_>>(),
            [(tag, suite)]
        );
        assert_eq!(
            call.negotiation.leg(Side::Caller).suite.map(Suite::name),
            Some(suite)
        );
    }
}

#[test]
fn sec_6_an_outbound_offer_has_one_line_of_80_unless_the_trunk_lists_more() {
    for suites in [UNLISTED, ONLY_80] {
        let mut call = Call::new(plain(0), secure(1, suites));
        let offered = call.offer(Side::Caller, &avp(CALLER));
        assert_eq!(values(&offered, "m="), ["audio 20002 RTP/SAVP 0 8 101"]);
        let lines = crypto_lines(&offered);
        assert_eq!((lines.len(), lines[0].0, lines[0].1), (1, "1", SUITE_80));
    }

    let listed = [Suite::AesCm128HmacSha1_32, Suite::AesCm128HmacSha1_80];
    let mut call = Call::new(plain(0), secure(1, &listed));
    let offered = call.offer(Side::Caller, &avp(CALLER));
    let lines = crypto_lines(&offered);
    assert_eq!(
        (lines[0].0, lines[0].1, lines[1].0, lines[1].1),
        ("1", SUITE_32, "2", SUITE_80)
    );
    assert_ne!(lines[0].2, lines[1].2, "every line has its own key");
}

/// Suites beyond the two of RFC 4568 are used by trunks that list them, and by no other.
#[test]
fn sec_6_further_suites_are_used_only_where_the_trunk_lists_them() {
    let further = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::Aes256CmHmacSha1_80,
        Suite::Aes256CmHmacSha1_32,
    ];
    for suite in further {
        let line = |tag| {
            use base64::Engine as _;
            let key_salt = vec![7; suite.key_len() + suite.salt_len()];
            let encoded = base64::engine::general_purpose::STANDARD.encode(key_salt);
            crypto(tag, suite.name(), &encoded)
        };
        let offer = savp(CALLER, &[&line(1), &crypto(2, SUITE_80, KEY_B)]);

        let mut call = Call::new(secure(0, UNLISTED), plain(1));
        let (_, answered) = call.agree(&offer, &avp(CALLEE));
        assert_eq!(crypto_lines(&answered)[0].1, SUITE_80);

        let mut call = Call::new(secure(0, &[suite]), secure(1, &[suite]));
        let offered = call.offer(Side::Caller, &offer);
        assert_eq!(crypto_lines(&offered)[0].1, suite.name());
        let answered = call.answer(Side::Callee, &savp(CALLEE, &[&line(1)]));
        assert_eq!(
            (crypto_lines(&answered).len(), crypto_lines(&answered)[0].1),
            (1, suite.name())
        );
        let (from_caller, to_caller) = call.keys(Side::Caller);
        assert_eq!((from_caller.suite(), to_caller.suite()), (suite, suite));
        assert_eq!(to_caller.salt().len(), suite.salt_len());
    }
}

#[test]
fn sec_7_the_tag_is_echoed_whatever_it_is() {
    for tag in ["1", "7", "42", "999999999"] {
        let mut call = Call::new(secure(0, BOTH), plain(1));
        let line = format!("{tag} {SUITE_80} inline:{KEY_A}");
        let (_, answered) = call.agree(&savp(CALLER, &[&line]), &avp(CALLEE));
        assert_eq!(crypto_lines(&answered)[0].0, tag);
    }
}

#[test]
fn a_secure_call_has_four_keys_and_none_crosses() {
    let mut call = Call::new(secure(0, ONLY_80), secure(1, ONLY_80));
    let (offered, answered) = call.agree(
        &savp(CALLER, &[&crypto(3, SUITE_80, KEY_A)]),
        &savp(CALLEE, &[&crypto(1, SUITE_80, KEY_B)]),
    );
    let (from_caller, to_caller) = call.keys(Side::Caller);
    let (from_callee, to_callee) = call.keys(Side::Callee);
    let keys = [&from_caller, &to_caller, &from_callee, &to_callee];
    for (at, key) in keys.iter().enumerate() {
        assert!(keys[..at].iter().all(|other| other != key));
    }
    for sent in [&offered, &answered] {
        assert!(!sent.contains(KEY_A) && !sent.contains(KEY_B));
    }
    assert_eq!(from_caller.key(), &b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#"[..16]);
    assert_eq!(
        from_caller.salt(),
        &b"wDfvg&T+)xG7@fb5jU,RaA}\\|p0%*#"[16..]
    );
    assert_eq!(values(&answered, "m="), ["audio 20000 RTP/SAVP 0 8 101"]);
}

#[test]
fn the_feedback_profiles_are_mirrored_and_offered_on_as_the_plain_ones() {
    let mut call = Call::new(secure(0, ONLY_80), plain(1));
    let offer = savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]).replace("RTP/SAVP", "RTP/SAVPF");
    let (offered, answered) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(values(&offered, "m="), ["audio 20002 RTP/AVP 0 8 101"]);
    assert_eq!(values(&answered, "m="), ["audio 20000 RTP/SAVPF 0 8 101"]);
    assert_eq!(call.negotiation.leg(Side::Caller).profile, "RTP/SAVPF");
    assert_eq!(call.negotiation.leg(Side::Callee).profile, "RTP/AVP");

    let mut call = Call::plain();
    let (_, answered) = call.agree(&avp(CALLER).replace("RTP/AVP", "RTP/AVPF"), &avp(CALLEE));
    assert_eq!(values(&answered, "m="), ["audio 20000 RTP/AVPF 0 8 101"]);
}

#[test]
fn sec_2_a_trunk_takes_its_own_security_and_no_other() {
    let srtp = savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]);
    let bare = savp(CALLER, &[]);
    let opportunistic = srtp.replace("RTP/SAVP", "RTP/AVP");
    let dtls = srtp.replace("RTP/SAVP", "UDP/TLS/RTP/SAVPF");
    for (policy, offer, refusal) in [
        (secure(0, ONLY_80), avp(CALLER), Refusal::SRTP_REQUIRED),
        (secure(0, ONLY_80), opportunistic, Refusal::SRTP_REQUIRED),
        (secure(0, ONLY_80), bare, Refusal::SRTP_UNUSABLE),
        (secure(0, ONLY_80), dtls.clone(), Refusal::SRTP_UNUSABLE),
        (secure(0, ONLY_32), srtp.clone(), Refusal::SRTP_UNUSABLE),
        (plain(0), srtp, Refusal::SRTP_UNUSABLE),
        (plain(0), dtls, Refusal::SRTP_UNUSABLE),
    ] {
        let mut call = Call::new(policy, plain(1));
        assert_eq!(
            call.try_offer(Side::Caller, &offer),
            Err(refusal),
            "{offer}"
        );
    }
}

#[test]
fn of_the_same_audio_offered_twice_the_line_that_fits_the_trunk_is_used() {
    let offer = sdp(
        CALLER,
        "m=audio 4000 RTP/SAVP 0",
        &[
            &format!("a=crypto:{}", crypto(1, SUITE_80, KEY_A)),
            "m=audio 4002 RTP/AVP 0",
        ],
    );
    for (policy, port, offered_lines) in [
        (
            secure(0, ONLY_80),
            4000,
            ["audio 20002 RTP/AVP 0", "audio 0 RTP/AVP 0"],
        ),
        (
            plain(0),
            4002,
            ["audio 0 RTP/SAVP 0", "audio 20002 RTP/AVP 0"],
        ),
    ] {
        let mut call = Call::new(policy, plain(1));
        let offered = call.offer(Side::Caller, &offer);
        assert_eq!(values(&offered, "m="), offered_lines);
        assert!(!offered.contains(KEY_A));
        call.answer(Side::Callee, &offered.replace("20002", "6000"));
        assert_eq!(call.session().streams.len(), 1);
        assert_eq!(
            call.leg(Side::Caller)
                .remote
                .map(|remote| remote.rtp.port()),
            Some(port)
        );
    }
}

#[test]
fn sec_7_unusable_lines_are_passed_over() {
    let unusable = [
        format!("1 NULL_HMAC_SHA1_80 inline:{KEY_A}"),
        format!("1 F8_128_HMAC_SHA1_80 inline:{KEY_A}"),
        format!("1 {SUITE_80} inline:{KEY_A} UNENCRYPTED_SRTP"),
        format!("1 {SUITE_80} inline:{KEY_A} unencrypted_srtcp"),
        format!("1 {SUITE_80} inline:{KEY_A} UNAUTHENTICATED_SRTP"),
        format!("1 {SUITE_80} inline:{KEY_A} KDR=1"),
        format!("1 {SUITE_80} inline:{KEY_A} FEC_ORDER=FEC_SRTP"),
        format!("1 {SUITE_80} inline:{KEY_A} WSH=63"),
        format!("1 {SUITE_80} inline:{KEY_A} WSH=64 SOMETHING=new"),
        format!("1 {SUITE_80} inline:{KEY_A}|1:4;inline:{KEY_B}|2:4"),
        format!("1 {SUITE_80} inline:{KEY_A}|0"),
        format!("1 {SUITE_80} inline:{KEY_A}|2^49"),
        format!("1 {SUITE_80} inline:{KEY_A}|2^31|1:0"),
        format!("1 {SUITE_80} inline:{KEY_A}|2^31|1:129"),
        format!("1 {SUITE_80} inline:{KEY_A}|2^31|256:1"),
        format!("1 {SUITE_80} inline:{KEY_A}|2^31|1:4|more"),
        format!("1 {SUITE_80} inline:{}", &KEY_A[..36]),
        format!("1 {SUITE_80} inline:{KEY_A}AAAA"),
        format!("1 {SUITE_80} inline:{}!", &KEY_A[..39]),
        format!("1 {SUITE_80} mikey:{KEY_A}"),
        format!("1 {SUITE_80} {KEY_A}"),
        format!("x {SUITE_80} inline:{KEY_A}"),
        format!("1234567890 {SUITE_80} inline:{KEY_A}"),
        format!("1 {SUITE_80}"),
        String::new(),
    ];
    for line in unusable {
        let mut call = Call::new(secure(0, BOTH), plain(1));
        let alone = call.try_offer(Side::Caller, &savp(CALLER, &[&line]));
        assert_eq!(alone, Err(Refusal::SRTP_UNUSABLE), "{line}");
        let (_, answered) = call.agree(
            &savp(CALLER, &[&line, &crypto(9, SUITE_32, KEY_C)]),
            &avp(CALLEE),
        );
        assert_eq!(crypto_lines(&answered)[0].0, "9", "{line}");
    }
}

#[test]
fn sec_7_usable_lines_in_every_spelling() {
    for (line, lifetime, mki) in [
        (format!("1 {SUITE_80} inline:{KEY_A}"), None, &[][..]),
        (
            format!("1   aes_cm_128_hmac_sha1_80   INLINE:{KEY_A}"),
            None,
            &[],
        ),
        (
            format!("1 {SUITE_80} inline:{KEY_A}|2^31"),
            Some(1 << 31),
            &[],
        ),
        (
            format!("1 {SUITE_80} inline:{KEY_A}|1000000"),
            Some(1_000_000),
            &[],
        ),
        (
            format!("1 {SUITE_80} inline:{KEY_A}|2^48"),
            Some(1 << 48),
            &[],
        ),
        (
            format!("1 {SUITE_80} inline:{KEY_A}|2^20|1:4"),
            Some(1 << 20),
            &[0, 0, 0, 1],
        ),
        (
            format!("1 {SUITE_80} inline:{KEY_A}|1066:4"),
            None,
            &[0, 0, 4, 42],
        ),
        (format!("1 {SUITE_80} inline:{KEY_A}|255:1"), None, &[255]),
        (
            format!("1 {SUITE_80} inline:{KEY_A}|7:18"),
            None,
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
        ),
        (format!("1 {SUITE_80} inline:{KEY_A} WSH=128"), None, &[]),
        (
            format!("1 {SUITE_80} inline:{KEY_A} -IGNORE=me WSH=64"),
            None,
            &[],
        ),
    ] {
        let mut call = Call::new(secure(0, ONLY_80), plain(1));
        let (_, answered) = call.agree(&savp(CALLER, &[&line]), &avp(CALLEE));
        let (receive, send) = call.keys(Side::Caller);
        assert_eq!(
            (receive.lifetime(), receive.mki()),
            (lifetime, mki),
            "{line}"
        );
        assert_eq!(send.mki(), [0; 0], "an MKI is sent only if the trunk asks");
        let (_, _, inline) = crypto_lines(&answered)[0];
        assert!(!inline.contains('|'), "{inline}");
    }
}

#[test]
fn sec_7_an_mki_is_sent_where_the_trunk_asks() {
    let mut policy = secure(1, ONLY_80);
    policy.mki = true;
    let mut call = Call::new(plain(0), policy);
    let (offered, _) = call.agree(&avp(CALLER), &savp(CALLEE, &[&crypto(1, SUITE_80, KEY_B)]));
    assert!(crypto_lines(&offered)[0].2.ends_with("|1:4"));
    let (receive, send) = call.keys(Side::Callee);
    assert_eq!((send.mki(), receive.mki()), (&[0, 0, 0, 1][..], &[][..]));
}

/// RFC 4568 section 4.1: a tag names one line. An answer to one of two could mean either.
#[test]
fn sec_7_lines_that_share_a_tag_are_passed_over() {
    let [first, second] = [crypto(1, SUITE_80, KEY_A), crypto(1, SUITE_32, KEY_B)];
    let third = crypto(2, SUITE_80, KEY_C);
    let mut call = Call::new(secure(0, &[]), plain(1));
    let (_, answered) = call.agree(&savp(CALLER, &[&first, &second, &third]), &avp(CALLEE));
    assert_eq!(crypto_lines(&answered)[0].0, "2");
    let mut call = Call::new(secure(0, &[]), plain(1));
    let refused = call.try_offer(Side::Caller, &savp(CALLER, &[&first, &second]));
    assert_eq!(refused, Err(Refusal::SRTP_UNUSABLE));
    // The same line twice says the same thing twice.
    let mut call = Call::new(secure(0, &[]), plain(1));
    let (_, answered) = call.agree(&savp(CALLER, &[&first, &first]), &avp(CALLEE));
    assert_eq!(crypto_lines(&answered)[0].0, "1");
}

#[test]
fn sec_7_an_answer_must_take_up_one_line_offered() {
    let good = crypto(1, SUITE_80, KEY_B);
    let cases = [
        ("RTP on a secure leg", avp(CALLEE), Refusal::SRTP_REQUIRED),
        ("no key", savp(CALLEE, &[]), Refusal::SRTP_UNUSABLE),
        (
            "another tag",
            savp(CALLEE, &[&crypto(3, SUITE_80, KEY_B)]),
            Refusal::SRTP_UNUSABLE,
        ),
        (
            "another suite",
            savp(CALLEE, &[&crypto(1, SUITE_32, KEY_B)]),
            Refusal::SRTP_UNUSABLE,
        ),
        (
            "two lines",
            savp(CALLEE, &[&good, &crypto(2, SUITE_32, KEY_C)]),
            Refusal::SRTP_UNUSABLE,
        ),
        (
            "no encryption",
            savp(CALLEE, &[&format!("{good} UNENCRYPTED_SRTP")]),
            Refusal::SRTP_UNUSABLE,
        ),
    ];
    for (what, answer, refusal) in cases {
        let mut call = Call::new(plain(0), secure(1, BOTH));
        call.offer(Side::Caller, &avp(CALLER));
        assert_eq!(
            call.try_answer(Side::Callee, &answer),
            Err(refusal),
            "{what}"
        );
        assert_eq!(call.negotiation.session(), None);
        call.answer(Side::Callee, &savp(CALLEE, &[&good, &good]));
        assert_eq!(
            call.negotiation.leg(Side::Callee).suite,
            Some(Suite::AesCm128HmacSha1_80)
        );
    }
    let mut call = Call::plain();
    call.offer(Side::Caller, &avp(CALLER));
    let answer = savp(CALLEE, &[&good]);
    assert_eq!(
        call.try_answer(Side::Callee, &answer),
        Err(Refusal::SRTP_UNUSABLE),
        "SRTP nobody offered"
    );
}

#[test]
fn a_peer_that_sends_our_key_back_is_refused() {
    let mut call = Call::new(plain(0), secure(1, ONLY_80));
    let offered = call.offer(Side::Caller, &avp(CALLER));
    let ours = crypto_lines(&offered)[0]
        .2
        .trim_start_matches("inline:")
        .to_owned();
    let mirrored = savp(CALLEE, &[&crypto(1, SUITE_80, &ours)]);
    assert_eq!(
        call.try_answer(Side::Callee, &mirrored),
        Err(Refusal::SRTP_UNUSABLE)
    );
    assert_eq!(
        call.try_offer(Side::Callee, &mirrored),
        Err(Refusal::SRTP_UNUSABLE)
    );
}

#[test]
fn each_stream_has_its_own_key() {
    let mut call = Call::new(plain(0), secure(1, ONLY_80));
    let offered = call.offer(
        Side::Caller,
        &sdp(
            CALLER,
            "m=audio 4000 RTP/AVP 0",
            &["m=audio 4002 RTP/AVP 0"],
        ),
    );
    let lines = crypto_lines(&offered);
    assert_eq!(lines.len(), 2);
    assert_ne!(lines[0].2, lines[1].2);
}

#[test]
fn sec_8_no_key_is_printed() {
    let mut call = Call::new(secure(0, ONLY_80), secure(1, ONLY_80));
    let (offered, answered) = call.agree(
        &savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]),
        &savp(CALLEE, &[&crypto(1, SUITE_80, KEY_B)]),
    );
    call.offer(Side::Caller, &savp(CALLER, &[&crypto(1, SUITE_80, KEY_C)]));
    let printed = format!("{:?} {:?}", call.negotiation, call.session());
    let ours = [crypto_lines(&offered)[0].2, crypto_lines(&answered)[0].2];
    for key in [KEY_A, KEY_B, KEY_C].into_iter().chain(ours) {
        assert!(!printed.contains(key.trim_start_matches("inline:")));
    }
    // Nor as the bytes of a list.
    assert!(!printed.contains("119, 68, 102, 118"));
    assert!(printed.contains("redacted"));
}

#[test]
fn sec_10_a_plain_answer_leaves_the_secure_leg_as_it_was() {
    let mut call = Call::new(secure(0, ONLY_80), secure(1, ONLY_80));
    call.agree(
        &savp(CALLER, &[&crypto(1, SUITE_80, KEY_A)]),
        &savp(CALLEE, &[&crypto(1, SUITE_80, KEY_B)]),
    );
    let agreed = call.session();
    call.offer(Side::Callee, &savp(CALLEE, &[&crypto(1, SUITE_80, KEY_B)]));
    assert_eq!(
        call.try_answer(Side::Caller, &avp(CALLER)),
        Err(Refusal::SRTP_REQUIRED)
    );
    assert_eq!(call.session(), agreed);
    assert!(!matches!(call.leg(Side::Caller).security, Security::Plain));
}
