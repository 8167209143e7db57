//! Which flow may send under a key: the one that counts its indices, and no other.

use super::*;

fn session(mux: bool, send: u8) -> Session {
    with(move |[caller, callee]| {
        caller.rtcp_mux = mux;
        callee.security = srtp(1, send);
    })
}

fn secured(security: Security) -> Session {
    with(|[_, callee]| callee.security = security)
}

fn rtp_to(media: &CallMedia) -> Option<SocketAddr> {
    to(&flow(media, "10.0.0.1:30000"))
}

fn rtcp_to(media: &CallMedia, local: &str) -> Option<SocketAddr> {
    flow(media, local).config.carries.rtcp().unwrap().to
}

#[test]
fn nothing_is_sent_from_a_flow_that_did_not_begin_the_key() {
    let mut media = CallMedia::new(session(false, 2));
    assert_eq!(rtcp_to(&media, "10.0.0.1:30001"), Some(at(CALLEE_RTCP)));
    media.update(session(true, 2));
    assert_eq!(rtcp_to(&media, "10.0.0.1:30000"), None);
    assert_eq!(rtp_to(&media), Some(at(CALLEE)), "RTP arrives where it did");
    media.update(session(false, 2));
    assert_eq!(
        rtcp_to(&media, "10.0.0.1:30001"),
        None,
        "the first flow was gone meanwhile"
    );
    media.update(session(true, 3));
    assert_eq!(
        rtcp_to(&media, "10.0.0.1:30000"),
        Some(at(CALLEE_RTCP)),
        "a new key"
    );

    let mut media = CallMedia::new(secured(srtp(1, 2)));
    let mut moved = secured(srtp(1, 2));
    moved.streams[0].legs[0].local.rtp_port = 30_002;
    media.update(moved);
    assert_eq!(to(&flow(&media, "10.0.0.1:30002")), None);
}

#[test]
fn a_key_may_rest_and_a_new_one_may_be_taken_back_once() {
    let mut media = CallMedia::new(secured(srtp(1, 2)));
    for (what, security, expected) in [
        ("no keys for a while", Security::Pending, Some(at(CALLEE))),
        ("the first key", srtp(1, 2), Some(at(CALLEE))),
        ("a second", srtp(1, 3), Some(at(CALLEE))),
        ("it is taken back", srtp(1, 2), Some(at(CALLEE))),
        ("a third", srtp(1, 4), Some(at(CALLEE))),
        ("a fourth", srtp(1, 5), Some(at(CALLEE))),
        ("the first, two keys later", srtp(1, 2), None),
        ("and again", srtp(1, 2), None),
        (
            "the fourth, which is the one before",
            srtp(1, 5),
            Some(at(CALLEE)),
        ),
        ("the second", srtp(1, 3), None),
        ("a fifth", srtp(1, 6), Some(at(CALLEE))),
    ] {
        media.update(secured(security));
        assert_eq!(rtp_to(&media), expected, "{what}");
    }
}

#[test]
fn a_stream_that_was_removed_does_not_come_back_with_its_key() {
    let mut second = secured(srtp(1, 3)).streams.remove(0);
    for leg in &mut second.legs {
        leg.local.rtp_port += 2;
        leg.local.rtcp_port += 2;
    }
    let both = Session {
        streams: vec![secured(srtp(1, 2)).streams.remove(0), second.clone()],
        ..plain()
    };
    let second_alone = Session {
        streams: vec![second],
        ..plain()
    };
    let second_to = |media: &CallMedia| to(&flow(media, "10.0.0.1:30002"));

    let mut media = CallMedia::new(both.clone());
    media.update(second_alone);
    assert_eq!(second_to(&media), Some(at(CALLEE)), "it only moved up");
    media.update(both);
    assert_eq!(second_to(&media), Some(at(CALLEE)));
    assert_eq!(rtp_to(&media), None, "its flow was gone");
    media.update(secured(srtp(1, 7)));
    assert_eq!(rtp_to(&media), Some(at(CALLEE)));
}

#[test]
fn a_key_with_another_lifetime_is_a_flow_to_install() {
    let with_lifetime = |packets| {
        secured(Security::Srtp {
            receive: key(1).with_lifetime(packets),
            send: key(2),
        })
    };
    let mut media = CallMedia::new(with_lifetime(1 << 20));
    let before = media.flows();
    media.update(with_lifetime(1 << 20));
    assert_eq!(media.flows(), before);
    media.update(with_lifetime(1 << 30));
    assert_ne!(media.flows(), before);
}
