//! `Digest name=value, name="quoted value"`: challenges and credentials (RFC 3261 section 25.1,
//! RFC 7616 section 3.3 and 3.4). One to a header line: these headers are not lists
//! (RFC 3261 section 7.3.1).

use std::borrow::Cow;

use crate::message::lexer::{find_separator, is_lws, is_token, quoted_string, trim, trim_str};
use crate::message::params::unquote;

/// RFC 7616 knows fifteen. More are looked at by nobody, and anybody may send them: each is compared
/// with all before it.
const MAX_PARAMS: usize = 32;

/// The parameters of a Digest challenge or of Digest credentials.
#[derive(Debug)]
pub(super) struct DigestParams<'a> {
    pairs: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> DigestParams<'a> {
    /// `None` for another scheme, for what is malformed, for more than [`MAX_PARAMS`], and where a
    /// name stands twice: two readers must not see two things. Unknown parameters are passed over.
    pub(super) fn parse(value: &'a [u8]) -> Option<DigestParams<'a>> {
        let value = trim(value);
        let scheme_end = value.iter().position(|&byte| is_lws(byte))?;
        if !value[..scheme_end].eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::new();
        let mut rest = Some(&value[scheme_end..]);
        while let Some(text) = rest {
            let end = find_separator(text, b',');
            rest = end.map(|end| &text[end + 1..]);
            let element = trim(&text[..end.unwrap_or(text.len())]);
            if element.is_empty() {
                continue;
            }
            let (name, value) = pair(element)?;
            let is_known = |(known, _): &(&str, _)| known.eq_ignore_ascii_case(name);
            if pairs.len() == MAX_PARAMS || pairs.iter().any(is_known) {
                return None;
            }
            pairs.push((name, value));
        }
        Some(DigestParams { pairs })
    }

    /// The value of that parameter, without quotes and escapes.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }
}

fn pair(element: &[u8]) -> Option<(&str, Cow<'_, str>)> {
    let element = std::str::from_utf8(element).ok()?;
    let (name, value) = element.split_once('=')?;
    let (name, value) = (trim_str(name), trim_str(value));
    if !is_token(name.as_bytes()) {
        return None;
    }
    if !value.starts_with('"') {
        // Some write `qop=auth` and `uri=sip:...` alike without quotes.
        let is_plain = !value.is_empty() && !value.contains(['"', ' ', '\t', '\r', '\n']);
        return is_plain.then_some((name, Cow::Borrowed(value)));
    }
    let whole = quoted_string(value.as_bytes()) == Some(value.len());
    whole.then(|| (name, Cow::Owned(unquote(value))))
}

/// A quoted string with that content.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_any_case_order_and_spacing() {
        let value =
            b"dIgEsT  Realm=\"a, \\\"b\\\"\" ,NONCE = \"n=1,2\",\r\n qop=auth,x-new=\"y\", \
            algorithm=sha-256,,uri=\"sip:a@b;x=<1>\"";
        let params = DigestParams::parse(value).unwrap();
        for (name, expected) in [
            ("realm", Some("a, \"b\"")),
            ("nonce", Some("n=1,2")),
            ("Qop", Some("auth")),
            ("algorithm", Some("sha-256")),
            ("uri", Some("sip:a@b;x=<1>")),
            ("opaque", None),
        ] {
            assert_eq!(params.get(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_not_digest_or_not_clear_is_refused() {
        for value in [
            "",
            "Digest",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Digestrealm=\"a\"",
            "Digest realm",
            "Digest =a",
            "Digest realm=",
            "Digest realm=\"a",
            "Digest realm=\"a\"b",
            "Digest realm=a b",
            "Digest (=a",
            "Digest realm=\"a\", realm=\"b\"",
            "Digest nonce=1, Nonce=1",
        ] {
            assert!(DigestParams::parse(value.as_bytes()).is_none(), "{value}");
        }
        assert!(DigestParams::parse(b"Digest username=\"J\xfcrgen\"").is_none());
    }

    #[test]
    fn no_more_parameters_are_read_than_anybody_has_use_for() {
        let with = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|n| format!("x{n}=1")).collect();
            format!("Digest {}", pairs.join(","))
        };
        let read = |value: &str| DigestParams::parse(value.as_bytes()).is_some();
        assert!(read(&with(MAX_PARAMS)));
        assert!(!read(&with(MAX_PARAMS + 1)));
        // A whole header of them costs no more than the first few: what follows is not even read.
        assert!(!read(&(with(MAX_PARAMS + 1) + ",realm=\"r\",nonce=\"n\"")));
    }

    #[test]
    fn a_quoted_string_is_read_as_it_was_meant() {
        let header = format!("Digest realm={}", quoted("a\\b \"c\""));
        let params = DigestParams::parse(header.as_bytes()).unwrap();
        assert_eq!(params.get("realm"), Some("a\\b \"c\""));
    }
}
