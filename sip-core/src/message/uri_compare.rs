//! When two URIs name the same thing (RFC 3261 section 19.1.4, RFC 3966 section 4).

use super::uri::{Scheme, Uri};
use super::uri_escapes::hex_pair;

/// Parameters that must be in both URIs or in neither.
const NEVER_IGNORED: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl Uri {
    /// Whether both are the same by the rules for their scheme. Not transitive for `sip:` and
    /// `sips:` (RFC 3261 section 19.1.4): most parameters count only where both have them.
    pub fn equivalent(&self, other: &Uri) -> bool {
        // Also where a parameter stands twice, which finds only the first of its namesakes.
        if self == other {
            return true;
        }
        if self.scheme() != other.scheme() {
            return false;
        }
        match self.scheme() {
            Scheme::Sip | Scheme::Sips => {
                same_escaped(self.user(), other.user(), u8::eq)
                    && same_escaped(self.password(), other.password(), u8::eq)
                    && self.host() == other.host()
                    && self.port() == other.port()
                    && params_match(self, other)
                    && params_match(other, self)
                    && same_headers(self.headers(), other.headers())
            }
            Scheme::Tel => {
                same_number(self, other) && has_params_of(self, other) && has_params_of(other, self)
            }
            Scheme::Other => self.as_str() == other.as_str(),
        }
    }
}

/// Whether every parameter of `a` has its match in `b`, or may be ignored there.
fn params_match(a: &Uri, b: &Uri) -> bool {
    a.params().iter().all(|(name, value)| match b.param(name) {
        Some(other) => same_escaped(Some(value.unwrap_or_default()), Some(other), ignoring_case),
        None => !NEVER_IGNORED
            .iter()
            .any(|kept| kept.eq_ignore_ascii_case(name)),
    })
}

/// RFC 3966 section 4: every parameter counts.
fn has_params_of(a: &Uri, b: &Uri) -> bool {
    b.params().iter().all(|(name, value)| {
        a.param(name)
            .is_some_and(|present| present.eq_ignore_ascii_case(value.unwrap_or_default()))
    })
}

/// Numbers without visual separators (RFC 3966 section 5.1.1).
fn same_number(a: &Uri, b: &Uri) -> bool {
    let digits = |uri: &Uri| -> String {
        let number = uri.user().unwrap_or_default();
        number
            .chars()
            .filter(|letter| !matches!(letter, '-' | '.' | '(' | ')'))
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    digits(a) == digits(b)
}

/// Headers count all, in any order.
fn same_headers(a: Option<&str>, b: Option<&str>) -> bool {
    let sorted = |headers: Option<&str>| -> Vec<(String, Vec<Unit>)> {
        let mut list: Vec<_> = headers
            .unwrap_or_default()
            .split('&')
            .filter(|header| !header.is_empty())
            .map(|header| {
                let (name, value) = header.split_once('=').unwrap_or((header, ""));
                (name.to_ascii_lowercase(), units(value).collect())
            })
            .collect();
        list.sort();
        list
    };
    sorted(a) == sorted(b)
}

/// A character: as it stands, or escaped where that makes a difference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Plain(u8),
    Escaped(u8),
}

/// Characters outside the reserved set equal their escapes (RFC 3261 section 19.1.4).
fn units(text: &str) -> impl Iterator<Item = Unit> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let &byte = bytes.get(at)?;
        let escaped = hex_pair(bytes, at + 1).filter(|_| byte == b'%');
        at += if escaped.is_some() { 3 } else { 1 };
        Some(match escaped {
            Some(value) if b";/?:@&=+$,".contains(&value) => Unit::Escaped(value),
            Some(value) => Unit::Plain(value),
            None => Unit::Plain(byte),
        })
    })
}

fn same_escaped(a: Option<&str>, b: Option<&str>, same: fn(&u8, &u8) -> bool) -> bool {
    let (Some(a), Some(b)) = (a, b) else {
        return a.is_none() && b.is_none();
    };
    let (mut a, mut b) = (units(a), units(b));
    loop {
        let equal = match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(Unit::Plain(a)), Some(Unit::Plain(b)))
            | (Some(Unit::Escaped(a)), Some(Unit::Escaped(b))) => same(&a, &b),
            _ => false,
        };
        if !equal {
            return false;
        }
    }
}

fn ignoring_case(a: &u8, b: &u8) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::Uri;

    fn equivalent(a: &str, b: &str) -> bool {
        let parse = |text: &str| Uri::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        let (a, b) = (parse(a), parse(b));
        assert_eq!(a.equivalent(&b), b.equivalent(&a), "{a} {b}");
        a.equivalent(&b)
    }

    /// The examples of RFC 3261 section 19.1.4, and RFC 3966's.
    #[test]
    fn the_same_by_the_rfcs() {
        for (a, b) in [
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtLanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            (
                "sip:carol@chicago.com;newparam=5",
                "sip:carol@chicago.com;security=on",
            ),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
            ("sip:a@b;tag=1;tag=2", "sip:a@b;tag=1;tag=2"),
            (
                "tel:+1-201-555-0123;ext=1;X=y",
                "tel:+1(201)5550123;x=Y;ext=1",
            ),
            ("urn:service:sos", "urn:service:sos"),
        ] {
            assert!(equivalent(a, b), "{a} {b}");
        }
    }

    #[test]
    fn not_the_same_by_the_rfcs() {
        for (a, b) in [
            (
                "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                "sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            (
                "sip:bob@biloxi.com",
                "sip:bob@biloxi.com:6000;transport=tcp",
            ),
            (
                "sip:carol@chicago.com",
                "sip:carol@chicago.com?Subject=next%20meeting",
            ),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
            ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
            ("sip:bob@biloxi.com;x=1", "sip:bob@biloxi.com;x=2"),
            ("sip:bob@biloxi.com;maddr=a", "sip:bob@biloxi.com"),
            // A reserved character is not its escape.
            ("sip:a%3Bb@c", "sip:a;b@c"),
            // RFC 4475 section 3.1.1.3: unescaping is not recursive.
            ("sip:a@c;n=v%61lue%25%34%31", "sip:a@c;n=valueA"),
            ("tel:+12015550123", "tel:12015550123"),
            ("tel:+12015550123;ext=1", "tel:+12015550123"),
            ("urn:service:sos", "urn:service:fire"),
        ] {
            assert!(!equivalent(a, b), "{a} {b}");
        }
    }
}
