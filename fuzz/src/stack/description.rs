//! Session descriptions of every kind that the peers send.

/// How many kinds there are.
pub(crate) const DESCRIPTIONS: usize = 14;

/// Of the peers.
pub(super) const KEYS: [&str; 2] = [KEY, OTHER_KEY];
const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
const OTHER_KEY: &str = "YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2";

/// One of them, from a peer at `address`.
pub(crate) fn description(kind: usize, address: &str) -> Vec<u8> {
    let crypto = |tag: u32, suite: &str, key: &str| format!("a=crypto:{tag} {suite} inline:{key}");
    let usual = crypto(1, "AES_CM_128_HMAC_SHA1_80", KEY);
    let avp = "m=audio 4000 RTP/AVP 0 8 101\na=rtpmap:101 telephone-event/8000";
    let savp = "m=audio 4000 RTP/SAVP 0 8 101\na=rtpmap:101 telephone-event/8000";
    let media = match kind % DESCRIPTIONS {
        0 => avp.to_owned(),
        1 => format!("{savp}\n{usual}"),
        2 => format!("{avp}\na=sendonly"),
        3 => format!("{savp}\n{usual}\na=inactive"),
        4 => format!(
            "{savp}\n{}\n{}|2^31|1:4",
            crypto(7, "AES_CM_128_HMAC_SHA1_32", OTHER_KEY),
            crypto(9, "AES_CM_128_HMAC_SHA1_80", KEY)
        ),
        5 => format!("{savp}\n{usual}\n{avp}"),
        6 => format!("{avp}\nm=video 4002 RTP/AVP 31\na=rtpmap:31 LPC\na=rtcp-mux"),
        7 => "m=audio 0 RTP/AVP 0".to_owned(),
        8 => "m=image 4004 udptl t38\na=T38FaxVersion:0".to_owned(),
        9 => format!("{savp}\n{usual} UNENCRYPTED_SRTP"),
        10 => "m=audio 4000 RTP/AVP 96\na=rtpmap:96 opus/48000/2".to_owned(),
        11 => format!("{avp}\n{usual}\na=rtcp:4009\na=candidate:1 1 UDP 1 {address} 4000 typ host"),
        12 => format!(
            "{savp}\n{}",
            crypto(1, "AES_CM_128_HMAC_SHA1_80", OTHER_KEY)
        ),
        _ => "m=audio 4000 RTP/AVP".to_owned(),
    };
    let connection = if kind % DESCRIPTIONS == 2 {
        "0.0.0.0"
    } else {
        address
    };
    let text =
        format!("v=0\no=- 1 {kind} IN IP4 {address}\ns=-\nc=IN IP4 {connection}\nt=0 0\n{media}\n");
    text.replace('\n', "\r\n").into_bytes()
}
