//! What a SIP message shows to people: everything but keys, what answers a challenge, and digits.
//!
//! The message is that of a peer and may be anything. So this does not parse it: whatever looks
//! like a key anywhere is blotted out, and a body that cannot be looked into is not shown.

use std::borrow::Cow;

/// In the place of what is not shown.
const BLOT: &str = "[redacted]";
/// Parameters of a challenge and its answer (RFC 7616 sections 3.3 to 3.5).
const OF_DIGEST: [&str; 6] = [
    "response",
    "nonce",
    "cnonce",
    "nextnonce",
    "rspauth",
    "opaque",
];
const OF_AUTHENTICATION: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
];

/// What names of those headers, and of those that say what the body is, begin with.
const OF_INTEREST: [char; 10] = ['A', 'P', 'W', 'C', 'E', 'a', 'p', 'w', 'c', 'e'];

/// The message as text. `show_digits`: those of INFO bodies, as [media] log_digits says.
pub(super) fn redact(message: &[u8], show_digits: bool) -> String {
    let (head, body) = split(message);
    // Several times as fast as the lossy way, which hardly any message needs.
    let head =
        std::str::from_utf8(head).map_or_else(|_| String::from_utf8_lossy(head), Cow::Borrowed);
    let mut out = String::with_capacity(message.len());
    let mut seen = Seen::default();
    let may_have_keys = may_have_keys(head.as_bytes());
    for line in lines(&head) {
        seen.header(line);
        if seen.of_authentication {
            without_credentials(line, &mut out);
        } else if may_have_keys {
            without_keys(line, &mut out);
        } else {
            out.push_str(line);
        }
    }
    let masks_digits = seen.has_digits && !show_digits;
    redact_body(body, seen.is_opaque, masks_digits, &mut out);
    out
}

/// What the headers say so far.
#[derive(Default)]
struct Seen {
    /// The header that the line is of, or goes on with.
    name: Name,
    of_authentication: bool,
    /// The body is compressed.
    is_opaque: bool,
    /// The body is of digits.
    has_digits: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Name {
    Encoding,
    Type,
    #[default]
    Other,
}

impl Seen {
    fn header(&mut self, line: &str) {
        if !line.starts_with([' ', '\t']) {
            (self.name, self.of_authentication) = (Name::Other, false);
            // Most lines are told by their first letter to be of no interest.
            if !line.trim_start().starts_with(OF_INTEREST) {
                return;
            }
            let name = line.split(':').next().unwrap_or("").trim();
            self.of_authentication = is_one_of(name, &OF_AUTHENTICATION);
            if is_one_of(name, &["content-encoding", "e"]) {
                self.name = Name::Encoding;
            } else if is_one_of(name, &["content-type", "c"]) {
                self.name = Name::Type;
            }
        }
        let has = |word: &str| contains(line.as_bytes(), word.as_bytes());
        match self.name {
            Name::Encoding => self.is_opaque |= !has("identity"),
            Name::Type => self.has_digits |= ["dtmf", "digits", "kpml"].into_iter().any(has),
            Name::Other => {}
        }
    }
}

/// Whether [`without_keys`] would find something; most text has nothing, and is left alone.
fn may_have_keys(text: &[u8]) -> bool {
    // Each of its marks ends with one of these, which text has few of.
    memchr::memchr3_iter(b':', b'=', b'%', text).any(|place| {
        let ends = |word: &[u8]| {
            let from = place.checked_sub(word.len());
            from.is_some_and(|from| text[from..place].eq_ignore_ascii_case(word))
        };
        match text[place] {
            b'=' => ends(b"k"),
            _ => ends(b"inline") || ends(b"key-mgmt"),
        }
    })
}

/// In upper or lower case; `word` is in lower.
fn contains(text: &[u8], word: &[u8]) -> bool {
    let Some((first, rest)) = word.split_first() else {
        return true;
    };
    let starts = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| byte.to_ascii_lowercase() == *first);
    let mut after = starts.filter_map(|(place, _)| text.get(place + 1..place + 1 + rest.len()));
    after.any(|found| found.eq_ignore_ascii_case(rest))
}

fn redact_body(body: &[u8], is_opaque: bool, masks_digits: bool, out: &mut String) {
    if body.is_empty() {
        return;
    }
    let text = match std::str::from_utf8(body) {
        Ok(text) if !is_opaque && !is_encoded(text) => text,
        _ => {
            out.push_str(&format!("[{} bytes that are no text]\r\n", body.len()));
            return;
        }
    };
    if !masks_digits && !may_have_keys(body) {
        return out.push_str(text);
    }
    for line in text.split_inclusive(['\n', '\r']) {
        if masks_digits {
            without_digits(line, out);
        } else {
            without_keys(line, out);
        }
    }
}

/// A part of it is in base64 or the like (RFC 2045 section 6): keys would not be seen.
fn is_encoded(text: &str) -> bool {
    text.lines().any(|line| {
        line.get(..26)
            .is_some_and(|name| name.eq_ignore_ascii_case("content-transfer-encoding:"))
            && ["base64", "quoted-printable"]
                .iter()
                .any(|encoding| line.to_ascii_lowercase().contains(encoding))
    })
}

/// With what ends them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).map(|place| place + 1);
    ends.chain([text.len()]).filter_map(move |end| {
        let line = text.get(from..end)?;
        from = end;
        Some(line).filter(|line| !line.is_empty())
    })
}

/// Before and after the empty line; the line belongs to the head.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let ends = memchr::memchr_iter(b'\n', message);
    let end = ends.map(|place| place + 1).find(|next| {
        let before = &message[..*next];
        before.ends_with(b"\r\n\r\n") || before.ends_with(b"\n\n")
    });
    message.split_at(end.unwrap_or(message.len()))
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// SDES keys (RFC 4568 section 6.1), MIKEY (RFC 4567 section 3.1) and `k=` (RFC 8866 section 5.12),
/// wherever on the line they begin.
fn without_keys(line: &str, out: &mut String) {
    let lower = line.to_ascii_lowercase();
    if lower.starts_with("k=") || lower.contains("key-mgmt:") {
        let from = lower
            .find("key-mgmt:")
            .map_or(2, |place| place + "key-mgmt:".len());
        blot_to_end(line, from, out);
        return;
    }
    let mut at = 0;
    // `%3A` where it stands in the headers of a URI (RFC 3261 section 19.1.1).
    while let Some((place, mark)) = ["inline:", "inline%3a"]
        .iter()
        .filter_map(|mark| Some((lower.get(at..)?.find(mark)? + at, mark.len())))
        .min()
    {
        let from = place + mark;
        out.push_str(&line[at..from]);
        out.push_str(BLOT);
        let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '|' | ';' | '&' | '>' | '"');
        at = line[from..]
            .find(is_end)
            .map_or(line.len(), |end| from + end);
    }
    out.push_str(&line[at..]);
}

fn blot_to_end(line: &str, from: usize, out: &mut String) {
    let end = line.trim_end_matches(['\r', '\n']).len();
    let from = from.min(end);
    out.push_str(&line[..from]);
    out.push_str(BLOT);
    out.push_str(&line[end..]);
}

/// Of Digest the values that prove something; of any other scheme all.
fn without_credentials(line: &str, out: &mut String) {
    let value_at = match line.starts_with([' ', '\t']) {
        true => 0,
        false => line.find(':').map_or(0, |colon| colon + 1),
    };
    let value = &line[value_at..];
    let scheme = value
        .trim_start()
        .split([' ', '\t', '\r', '\n'])
        .next()
        .unwrap_or("");
    // A line that is folded goes on with parameters; Authentication-Info has nothing else.
    if !scheme.eq_ignore_ascii_case("digest") && !scheme.is_empty() && !scheme.contains('=') {
        let has_space = value.starts_with(' ');
        return blot_to_end(line, value_at + usize::from(has_space), out);
    }
    out.push_str(&line[..value_at]);
    let mut rest = value;
    while let Some(equals) = rest.find('=') {
        let (before, after) = rest.split_at(equals + 1);
        out.push_str(before);
        let name = before.trim_end_matches('=').trim_end();
        let name = name.rsplit([' ', '\t', ',', '"']).next().unwrap_or("");
        let end = end_of_value(after);
        if is_one_of(name, &OF_DIGEST) {
            out.push_str(BLOT);
        } else {
            out.push_str(&after[..end]);
        }
        rest = &after[end..];
    }
    out.push_str(rest);
}

/// Where a token or quoted string ends that may have white space before it.
fn end_of_value(text: &str) -> usize {
    let start = text.len() - text.trim_start_matches([' ', '\t']).len();
    let value = &text[start..];
    if let Some(quoted) = value.strip_prefix('"') {
        let mut escaped = false;
        for (place, c) in quoted.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => return start + place + 2,
                _ => escaped = false,
            }
        }
        return text.trim_end_matches(['\r', '\n']).len();
    }
    let end = value
        .find([',', ' ', '\t', '\r', '\n'])
        .unwrap_or(value.len());
    start + end
}

/// Of `Signal=5`, `d=5`, `5` or `digits="5"` everything that may be a digit.
fn without_digits(line: &str, out: &mut String) {
    // The length of a signal tells nothing; its number does.
    let lower = line.to_ascii_lowercase();
    if lower.trim_start().starts_with("duration") || lower.trim_start().starts_with("content-") {
        out.push_str(line);
        return;
    }
    let from = line.find('=').map_or(0, |equals| equals + 1);
    out.push_str(&line[..from]);
    out.extend(line[from..].chars().map(|c| match c {
        '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d' => 'x',
        c => c,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(message: &str) -> String {
        redact(message.as_bytes(), false)
    }

    const OFFER: &str = "INVITE sip:a@b SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=audio 4000 RTP/SAVP 0\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32\r\n\
        a=CRYPTO:2 AES_CM_128_HMAC_SHA1_32 INLINE:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj;inline:QUJD|2^1 KDR=1\r\n\
        a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO\r\nk=clear:secret\r\na=rtpmap:0 PCMU/8000\r\n";

    #[test]
    fn ops_4_no_key_is_shown_and_the_rest_is() {
        let shown = shown(OFFER);
        for secret in ["d0Rm", "NzB4", "QUJD", "AQAF", "secret"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        for kept in [
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:[redacted]|2^20|1:32\r\n",
            "INLINE:[redacted];inline:[redacted]|2^1 KDR=1\r\n",
            "a=key-mgmt:[redacted]\r\nk=[redacted]\r\na=rtpmap:0 PCMU/8000\r\n",
        ] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
    }

    #[test]
    fn ops_4_what_proves_a_password_is_not_shown() {
        let shown = shown(concat!(
            "REGISTER sip:b SIP/2.0\r\n",
            "Authorization: Digest username=\"alice\", realm=\"b, c\",\r\n",
            "  nonce=\"dcd98b\\\"x\", uri=\"sip:b\", RESPONSE = \"6629fae4\",cnonce=\"0a4f\", qop=auth, nc=00000001\r\n",
            "Proxy-Authorization: Basic YWxpY2U6cHc=\r\n",
            "WWW-Authenticate: Digest realm=\"b\", nonce=\"84a4cc\", opaque=\"5ccc\"\r\n",
            "Authentication-Info: rspauth=\"7f3a\", nextnonce=\"47364c\"\r\n",
            "\rAUTHORIZATION: Digest nonce=\"b5d7\"\r\n",
            "X-Note: response=\"stays\"\r\n\r\n"
        ));
        for secret in [
            "dcd98b", "6629", "0a4f", "YWxp", "84a4", "5ccc", "7f3a", "4736", "b5d7",
        ] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        for kept in [
            "username=\"alice\"",
            "realm=\"b, c\"",
            "uri=\"sip:b\"",
            "qop=auth",
            "nc=00000001",
            "response=\"stays\"",
        ] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
    }

    #[test]
    fn ops_4_digits_of_info_are_masked_unless_digits_are_shown() {
        let relay = "INFO sip:a@b SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n";
        assert!(shown(relay).ends_with("Signal=x\r\nDuration=160\r\n"));
        assert_eq!(redact(relay.as_bytes(), true), relay);
        let bare = "INFO sip:a@b SIP/2.0\r\nc: application/dtmf\r\n\r\n#";
        assert!(shown(bare).ends_with("\r\n\r\nx"));
        let kpml = "NOTIFY sip:a@b SIP/2.0\r\nContent-Type: application/kpml-response+xml\r\n\r\n<kpml-response digits=\"4711\"/>";
        assert!(!shown(kpml).contains("4711"));
    }

    #[test]
    fn ops_4_a_body_that_cannot_be_looked_into_is_not_shown() {
        let packed = "INVITE sip:a@b SIP/2.0\r\nContent-Encoding: gzip\r\n\r\nabcdef";
        assert!(shown(packed).ends_with("[6 bytes that are no text]\r\n"));
        let in_base64 = "INVITE sip:a@b SIP/2.0\r\n\r\n--x\r\nContent-Transfer-Encoding: BASE64\r\n\r\nYT1jcnlwdG8=";
        assert!(!shown(in_base64).contains("YT1j"));
        assert!(redact(b"INVITE sip:a@b SIP/2.0\r\n\r\n\xff\xfe", false).contains("[2 bytes"));
    }

    #[test]
    fn whatever_comes_is_shown_without_a_panic() {
        let pieces: [&[u8]; 14] = [
            b"a=crypto:1 inline:",
            b"\r\n",
            b"\n",
            b"\r\n\r\n",
            b"Authorization:",
            b" Digest nonce=\"",
            b"\\\"",
            b"=",
            b"\xc3\xa4",
            b"\xff",
            b"inline:",
            b"k=",
            b"Content-Type: dtmf",
            b"key-mgmt:",
        ];
        // A small generator: the same messages each time.
        let mut state = 1_u32;
        for _ in 0..20_000 {
            let mut message = Vec::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let piece = usize::try_from(state >> 16).unwrap() % pieces.len();
                message.extend_from_slice(pieces[piece]);
            }
            redact(&message, false);
        }
    }
}
