//! The headers of a URI (RFC 3261 section 19.1.1): what a request that is made from it is wanted to
//! carry.

use super::headers::Headers;
use super::lexer::is_token;
use super::uri::Uri;
use super::uri_escapes::hex_pair;

impl Uri {
    /// The headers of the request that the URI asks for, escapes decoded, in order, without the
    /// `body` that is none (section 19.1.5). `None` if there is one that no message can have: a name
    /// that is no token, a wrong escape, a control character.
    ///
    /// Whether they are to be believed is for the caller to say.
    pub fn wanted_headers(&self) -> Option<Headers> {
        let mut wanted = Headers::new();
        let pairs = self.headers().unwrap_or_default().split('&');
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (unescaped(name)?, unescaped(value)?);
            if !is_token(&name) || value.iter().any(|byte| never_in_value(*byte)) {
                return None;
            }
            let name = String::from_utf8(name).ok()?;
            if !name.eq_ignore_ascii_case("body") {
                wanted.push_named(&name, value);
            }
        }
        Some(wanted)
    }
}

/// A line end would end the header, and begin one of whoever wrote the URI.
fn never_in_value(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// Without `%` escapes; `None` if one is wrong.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            bytes.push(hex_pair(rest, 1)?);
            rest = rest.get(3..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Option<Vec<String>> {
        let headers = Uri::parse(text.as_bytes()).unwrap().wanted_headers()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = |field: super::super::Field<'_>| {
            format!("{}: {}", text(field.raw_name), text(field.value))
        };
        Some(headers.iter().map(line).collect())
    }

    #[test]
    fn escapes_are_decoded_and_the_order_stays() {
        for (uri, lines) in [
            ("sip:a@h", &[][..]),
            ("sip:a@h?", &[]),
            (
                "sip:a@h;user=phone?X-Case=a%20b%3Bc&User-to-User=00a1%3Bencoding%3Dhex",
                &["X-Case: a b;c", "User-to-User: 00a1;encoding=hex"],
            ),
            ("sip:a@h?x-empty=&Body=text&X=%3d", &["x-empty: ", "X: ="]),
        ] {
            assert_eq!(wanted(uri).unwrap(), lines, "{uri}");
        }
    }

    #[test]
    fn what_no_message_can_have_is_refused() {
        for uri in [
            "sip:a@h?X",
            "sip:a@h?=1",
            "sip:a@h?X=%4",
            "sip:a@h?X=%zz",
            "sip:a@h?X%3A=1",
            "sip:a@h?X=1%0D%0AVia:%20SIP/2.0/UDP%20h",
            "sip:a@h?X=%00",
        ] {
            assert_eq!(wanted(uri), None, "{uri}");
        }
    }
}
