//! What the user agents say in SDP.

use std::net::SocketAddr;

/// RTP or SRTP with one SDES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Rtp,
    Srtp,
}

const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

/// An offer, or an answer to one with crypto tag 1.
pub(crate) fn sdp(media: SocketAddr, profile: Profile, direction: &str, version: u32) -> Vec<u8> {
    let (name, crypto) = match profile {
        Profile::Rtp => ("RTP/AVP", String::new()),
        Profile::Srtp => (
            "RTP/SAVP",
            format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"),
        ),
    };
    let (ip, port) = (media.ip(), media.port());
    format!(
        "v=0\r\no=- 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} {name} 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         {crypto}a={direction}\r\n"
    )
    .into_bytes()
}

/// The value of the first line that starts so.
pub(crate) fn line<'a>(sdp: &'a [u8], start: &str) -> Option<&'a str> {
    std::str::from_utf8(sdp)
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix(start))
}

/// The profile of the m-line.
pub(crate) fn profile(sdp: &[u8]) -> Profile {
    match line(sdp, "m=audio ").and_then(|rest| rest.split(' ').nth(1)) {
        Some("RTP/SAVP") => Profile::Srtp,
        Some("RTP/AVP") => Profile::Rtp,
        other => panic!("profile {other:?}"),
    }
}

/// The direction attribute; `sendrecv` without one (RFC 8866 section 6.7).
pub(crate) fn direction(sdp: &[u8]) -> &str {
    ["sendrecv", "sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|direction| line(sdp, &format!("a={direction}")).is_some())
        .unwrap_or("sendrecv")
}

/// The direction to answer with (RFC 3264 section 6.1).
pub(crate) fn answering_direction(offer: &[u8]) -> &'static str {
    match direction(offer) {
        "sendonly" => "recvonly",
        "recvonly" => "sendonly",
        "inactive" => "inactive",
        _ => "sendrecv",
    }
}
