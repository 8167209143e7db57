//! Addresses, ports, what passes untouched, and what is refused.

use std::net::SocketAddr;

use media_core::session::{RemoteMedia, Security, Side, SourceRule};
use sip_core::refusal::Refusal;
use sip_core::sdp::LegPolicy;
use sip_core::trunk::{AdvertisedMedia, Network, SourceMode};

use crate::support::*;

#[test]
fn each_peer_sees_only_our_address_and_ports() {
    let mut call = Call::plain();
    let (offered, answered) = call.agree(&avp(CALLER), &avp(CALLEE));
    for (sent, ours, port) in [(&offered, OURS[1], 20_002), (&answered, OURS[0], 20_000)] {
        assert_eq!(values(sent, "c="), [format!("IN IP4 {ours}")]);
        assert!(values(sent, "o=")[0].ends_with(&format!("IN IP4 {ours}")));
        assert_eq!(
            values(sent, "m="),
            [format!("audio {port} RTP/AVP 0 8 101")]
        );
        assert!(!sent.contains(CALLER) && !sent.contains(CALLEE));
    }
}

#[test]
fn the_session_names_both_peers_and_our_ports() {
    let mut call = Call::plain();
    call.agree(&avp(CALLER), &avp(CALLEE));
    let leg = call.leg(Side::Caller);
    assert_eq!(
        leg.remote,
        Some(remote("192.168.7.7:4000", "192.168.7.7:4001"))
    );
    assert_eq!(
        (leg.local.address, leg.local.rtp_port, leg.local.rtcp_port),
        (ip(OURS[0]), 20_000, 20_001)
    );
    assert_eq!(leg.security, Security::Plain);
    assert_eq!(leg.source, SourceRule::Strict);
    assert_eq!(
        call.leg(Side::Callee).remote,
        Some(remote("172.16.9.9:4000", "172.16.9.9:4001"))
    );
    assert!(!call.negotiation.on_hold());
}

#[test]
fn no_media_runs_before_an_answer() {
    let mut call = Call::plain();
    call.offer(Side::Caller, &avp(CALLER));
    assert_eq!(call.negotiation.session(), None);
}

#[test]
fn med_2_a_latching_trunk_gives_its_networks_to_the_media_plane() {
    let mut callee = plain(1);
    callee.source = SourceMode::Latch;
    callee.media_acl = vec![Network {
        address: ip("172.16.0.0"),
        prefix: 12,
    }];
    let mut call = Call::new(plain(0), callee);
    call.agree(&avp(CALLER), &avp(CALLEE));
    assert_eq!(
        call.leg(Side::Callee).source,
        SourceRule::Latch {
            allowed: vec![(ip("172.16.0.0"), 12)]
        }
    );
    assert_eq!(call.leg(Side::Caller).source, SourceRule::Strict);
}

#[test]
fn a_media_level_address_wins_over_the_session_level_one() {
    let mut call = Call::plain();
    let offer = body(
        "v=0
         o=- 1 1 IN IP4 192.168.7.7
         s=-
         c=IN IP4 192.168.7.1
         t=0 0
         m=audio 4000 RTP/AVP 0
         c=in ip4 192.168.7.2",
    );
    let (offered, _) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(
        call.leg(Side::Caller).remote.map(|remote| remote.rtp.ip()),
        Some(ip("192.168.7.2"))
    );
    assert_eq!(
        values(&offered, "c="),
        ["IN IP4 203.0.113.1", "IN IP4 203.0.113.1"]
    );
}

#[test]
fn an_address_may_stand_at_media_level_only() {
    let mut call = Call::plain();
    let offer = body(
        "v=0\no=- 1 1 IN IP4 192.168.7.7\ns=-\nt=0 0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.168.7.7",
    );
    let (offered, _) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(values(&offered, "c="), ["IN IP4 203.0.113.1"]);
}

#[test]
fn what_we_do_not_touch_leaves_byte_for_byte() {
    let mut call = Call::plain();
    let lines = [
        "v=0",
        "o=alice 53655765 2353687637 IN IP4 192.168.7.7",
        "s=Äpfel & =birnen ",
        "i=a title",
        "u=http://example.com/",
        "e=j.doe@example.com (Jane)",
        "c=IN IP4 192.168.7.7",
        "b=AS:64",
        "b=X-YZ:128",
        "t=2873397496 2873404696",
        "a=X-Odd::value with  spaces ",
        "a=X-Odd::value with  spaces ",
        "a=group:LS 1 2",
        "m=audio 4000 RTP/AVP 8 0 101",
        "b=TIAS:64000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=maxptime:40",
        "a=silenceSupp:off - - - -",
        "a=mid:1",
    ];
    for (end, last) in [
        ("\r\n", "\r\n"),
        ("\n", "\n"),
        ("\r\n", ""),
        ("\n", ""),
        ("\r\n", "\r\n\r\n"),
    ] {
        let offer = format!("{}{last}", lines.join(end));
        let expected = offer
            .replace(
                "2353687637 IN IP4 192.168.7.7",
                "2353687637 IN IP4 203.0.113.1",
            )
            .replace("c=IN IP4 192.168.7.7", "c=IN IP4 203.0.113.1")
            .replace("m=audio 4000", "m=audio 20002");
        let mut call = std::mem::replace(&mut call, Call::plain());
        assert_eq!(call.offer(Side::Caller, &offer), expected);
    }
}

#[test]
fn ice_dtls_and_other_leg_attributes_never_cross() {
    let mut call = Call::plain();
    let leg_lines = [
        "a=candidate:1 1 UDP 2130706431 192.168.7.7 4000 typ host",
        "a=Candidate:2 1 UDP 2130706430 192.168.7.7 4000 typ host",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:asd88fgpdd777uzjYhagZg",
        "a=ice-options:trickle",
        "a=fingerprint:sha-256 4A:AD:B9",
        "a=setup:actpass",
        "a=rtcp:53020 IN IP4 192.168.7.7",
        "a=source-filter: incl IN IP4 * 192.168.7.7",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
        "a=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
        "a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO",
        "a=zrtp-hash:1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2",
        "k=base64:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
    ];
    let mut more = vec!["a=ptime:20"];
    more.extend(leg_lines);
    let (offered, answered) = call.agree(
        &sdp(CALLER, "m=audio 4000 RTP/AVP 0", &more),
        &sdp(CALLEE, "m=audio 4000 RTP/AVP 0", &more),
    );
    for sent in [offered, answered] {
        assert_eq!(values(&sent, "a="), ["ptime:20"]);
        assert_eq!(values(&sent, "k="), [""; 0]);
    }
}

#[test]
fn bundle_is_not_passed_on_but_other_groups_are() {
    let mut call = Call::plain();
    let offer = avp(CALLER).replace(
        "t=0 0\r\n",
        "t=0 0\r\na=group:BUNDLE audio\r\na=group:LS audio\r\n",
    );
    let offered = call.offer(Side::Caller, &offer);
    assert_eq!(values(&offered, "a=group:"), ["LS audio"]);
}

#[test]
fn a_callers_rtcp_port_is_used_and_ours_is_the_next_one() {
    for (attribute, rtcp) in [
        ("a=rtcp:53020", "192.168.7.7:53020"),
        ("a=RTCP:53020 IN IP4 192.168.7.8", "192.168.7.8:53020"),
        ("a=ptime:20", "192.168.7.7:4001"),
    ] {
        let mut call = Call::plain();
        let (offered, _) = call.agree(
            &sdp(CALLER, "m=audio 4000 RTP/AVP 0", &[attribute]),
            &avp(CALLEE),
        );
        assert_eq!(
            call.leg(Side::Caller).remote,
            Some(remote("192.168.7.7:4000", rtcp)),
            "{attribute}"
        );
        assert!(!offered.to_lowercase().contains("a=rtcp:"));
    }
}

#[test]
fn med_1_rtcp_shares_the_port_only_if_both_peers_want_it() {
    for (caller, callee, mux) in [
        (true, true, true),
        (true, false, false),
        (false, true, false),
    ] {
        let mut call = Call::plain();
        let wants = |wants: bool| if wants { "a=rtcp-mux" } else { "a=ptime:20" };
        let (offered, answered) = call.agree(
            &sdp(CALLER, "m=audio 4000 RTP/AVP 0", &[wants(caller)]),
            &sdp(CALLEE, "m=audio 4000 RTP/AVP 0", &[wants(callee)]),
        );
        assert_eq!(offered.contains("rtcp-mux"), caller);
        assert_eq!(answered.contains("rtcp-mux"), mux);
        for side in [Side::Caller, Side::Callee] {
            let leg = call.leg(side);
            let remote = leg.remote.expect("an address");
            assert_eq!(leg.rtcp_mux, mux);
            assert_eq!(remote.rtcp.port(), if mux { 4000 } else { 4001 });
        }
    }
}

#[test]
fn med_1_each_leg_has_its_own_address_family() {
    let mut callee = plain(1);
    callee.ipv6_first = true;
    let mut call = Call::new(plain(0), callee);
    let (offered, answered) = call.agree(&avp(CALLER), &avp("2001:db8:9::9"));
    assert_eq!(values(&offered, "c="), ["IN IP6 2001:db8:b::1"]);
    assert!(values(&offered, "o=")[0].ends_with("IN IP6 2001:db8:b::1"));
    assert_eq!(values(&answered, "c="), ["IN IP4 198.51.100.1"]);
    assert_eq!(
        call.leg(Side::Callee).remote.map(|remote| remote.rtp.ip()),
        Some(ip("2001:db8:9::9"))
    );
}

#[test]
fn an_ipv6_caller_gets_an_ipv6_address_and_a_realm_of_one_family_its_only_one() {
    let mut call = Call::plain();
    let (offered, answered) = call.agree(&avp("2001:db8:9::9"), &avp(CALLEE));
    assert_eq!(values(&answered, "c="), ["IN IP6 2001:db8:a::1"]);
    assert_eq!(values(&offered, "c="), ["IN IP4 203.0.113.1"]);

    let mut call = Call::plain();
    call.ports.ipv4 = false;
    assert_eq!(
        values(&call.offer(Side::Caller, &avp("2001:db8:9::9")), "c="),
        ["IN IP6 2001:db8:b::1"]
    );
    assert_eq!(
        call.try_offer(Side::Caller, &avp(CALLER)),
        Err(Refusal::UNUSABLE_ADDRESS)
    );
}

#[test]
fn an_answer_of_the_other_family_is_refused() {
    let mut call = Call::plain();
    call.offer(Side::Caller, &avp(CALLER));
    assert_eq!(
        call.try_answer(Side::Callee, &avp("2001:db8:9::9")),
        Err(Refusal::UNUSABLE_ADDRESS)
    );
    assert_eq!(call.negotiation.session(), None);
}

#[test]
fn an_exhausted_port_range_is_a_503_of_its_own() {
    let mut call = Call::plain();
    call.ports.left = 1;
    assert_eq!(
        call.try_offer(Side::Caller, &avp(CALLER)),
        Err(Refusal::NO_MEDIA_PORT)
    );
    assert_eq!(
        call.negotiation.local_media().count(),
        1,
        "what was taken is given back at the end"
    );
}

#[test]
fn bad_offers_are_refused_with_the_right_code() {
    let valid = avp(CALLER);
    for (what, was, becomes, refusal) in [
        ("no version line", "v=0\r\n", "", Refusal::MALFORMED),
        ("a version of tomorrow", "v=0", "v=1", Refusal::MALFORMED),
        (
            "no origin",
            "o=peer 1000 1 IN IP4 192.168.7.7\r\n",
            "",
            Refusal::MALFORMED,
        ),
        (
            "a short origin",
            "o=peer 1000 1 IN",
            "o=peer 1 IN",
            Refusal::MALFORMED,
        ),
        (
            "no address",
            "c=IN IP4 192.168.7.7\r\n",
            "",
            Refusal::MALFORMED,
        ),
        (
            "an address that is none",
            "c=IN IP4 192.168.7.7",
            "c=IN IP4 192.168.7.700",
            Refusal::UNUSABLE_ADDRESS,
        ),
        (
            "a host name",
            "c=IN IP4 192.168.7.7",
            "c=IN IP4 phone.example.com",
            Refusal::UNUSABLE_ADDRESS,
        ),
        (
            "a multicast address",
            "c=IN IP4 192.168.7.7",
            "c=IN IP4 224.2.1.1/127",
            Refusal::UNUSABLE_ADDRESS,
        ),
        (
            "broadcast",
            "c=IN IP4 192.168.7.7",
            "c=IN IP4 255.255.255.255",
            Refusal::UNUSABLE_ADDRESS,
        ),
        (
            "a family that does not fit",
            "c=IN IP4 192.168.7.7",
            "c=IN IP6 192.168.7.7",
            Refusal::MALFORMED,
        ),
        (
            "not the internet",
            "c=IN IP4 192.168.7.7",
            "c=ATM NSAP 47.0091",
            Refusal::UNUSABLE_ADDRESS,
        ),
        (
            "a short m-line",
            "m=audio 4000 RTP/AVP 0 8 101",
            "m=audio 4000 RTP/AVP",
            Refusal::MALFORMED,
        ),
        (
            "a port beyond 65535",
            "m=audio 4000",
            "m=audio 70000",
            Refusal::MALFORMED,
        ),
        (
            "no port above for RTCP",
            "m=audio 4000",
            "m=audio 65535",
            Refusal::MALFORMED,
        ),
        (
            "RTCP on port 0",
            "a=rtpmap:101",
            "a=rtcp:0\r\na=rtpmap:101",
            Refusal::MALFORMED,
        ),
        (
            "a line without a type",
            "s=call",
            "call",
            Refusal::MALFORMED,
        ),
        (
            "a blank line within",
            "t=0 0\r\n",
            "t=0 0\r\n\r\n",
            Refusal::MALFORMED,
        ),
        ("a NUL", "s=call", "s=ca\0ll", Refusal::MALFORMED),
        ("a lone CR", "s=call", "s=ca\rll", Refusal::MALFORMED),
        (
            "an origin below an m-line",
            "a=rtpmap",
            "o=- 1 1 IN IP4 192.168.7.7\r\na=rtpmap",
            Refusal::MALFORMED,
        ),
        ("no audio", "m=audio", "m=video", Refusal::NO_COMMON_CODEC),
        (
            "fax alone",
            "m=audio 4000 RTP/AVP 0 8 101",
            "m=image 4000 udptl t38",
            Refusal::NO_COMMON_CODEC,
        ),
        (
            "an unknown transport",
            "RTP/AVP",
            "TCP/RTP/AVP",
            Refusal::NO_COMMON_CODEC,
        ),
    ] {
        let offer = valid.replace(was, becomes);
        assert_ne!(offer, valid, "{what}");
        let mut call = Call::plain();
        assert_eq!(call.try_offer(Side::Caller, &offer), Err(refusal), "{what}");
        assert_eq!(call.negotiation.session(), None, "{what}");
    }
}

#[test]
fn tokens_are_read_in_any_case() {
    let mut call = Call::plain();
    let offer = avp(CALLER)
        .replace("IN IP4", "in ip4")
        .replace("m=audio", "m=AUDIO")
        .replace("RTP/AVP", "rtp/avp")
        .replace("telephone-event", "Telephone-Event");
    let offer = format!("{offer}a=SendOnly\r\n");
    let (offered, answered) = call.agree(&offer, &avp(CALLEE));
    assert_eq!(values(&offered, "m="), ["AUDIO 20002 RTP/AVP 0 8 101"]);
    assert_eq!(
        values(&answered, "m="),
        ["AUDIO 20000 rtp/avp 0 8 101"],
        "mirrored as the offerer wrote it"
    );
    assert!(call.session().streams[0].on_hold);
    assert_eq!(call.leg(Side::Callee).telephone_event, Some(101));
}

fn remote(rtp: &str, rtcp: &str) -> RemoteMedia {
    let parse = |text: &str| text.parse::<SocketAddr>().expect("an address");
    RemoteMedia {
        rtp: parse(rtp),
        rtcp: parse(rtcp),
    }
}

/// Behind a 1:1 NAT: the peers hear the outer address, the media plane works with the inner one.
#[test]
fn trk_8_sdp_names_the_advertised_media_address_of_each_realm() {
    let behind = |policy: LegPolicy, outer: &str| LegPolicy {
        advertised: AdvertisedMedia {
            ipv4: Some(outer.parse().unwrap()),
            ipv6: None,
        },
        ..policy
    };
    let outer = ["192.0.2.200", "192.0.2.201"];
    let mut call = Call::new(behind(plain(0), outer[0]), behind(plain(1), outer[1]));
    let offered = call.offer(Side::Caller, &avp(CALLER));
    let answered = call.answer(Side::Callee, &avp(CALLEE));
    for (body, side) in [(&offered, Side::Callee), (&answered, Side::Caller)] {
        let place = side.index();
        assert_eq!(values(body, "c="), [format!("IN IP4 {}", outer[place])]);
        assert!(values(body, "o=")[0].ends_with(&format!("IN IP4 {}", outer[place])));
        assert!(!body.contains(OURS[place]), "{body}");
        assert_eq!(call.leg(side).local.address.to_string(), OURS[place]);
    }
    // A description without a stream names it, too.
    let mut call = Call::new(behind(plain(0), outer[0]), behind(plain(1), outer[1]));
    let offered = call.offer(Side::Caller, &sdp(CALLER, "m=audio 0 RTP/AVP 0", &[]));
    assert_eq!(values(&offered, "c="), [format!("IN IP4 {}", outer[1])]);
}

#[test]
fn trk_8_an_address_family_without_an_advertised_address_keeps_its_own() {
    let mut policy = plain(1);
    policy.advertised.ipv6 = Some("2001:db8:ffff::1".parse().unwrap());
    let mut call = Call::new(plain(0), policy);
    let offered = call.offer(Side::Caller, &avp(CALLER));
    assert_eq!(values(&offered, "c="), [format!("IN IP4 {}", OURS[1])]);
}
