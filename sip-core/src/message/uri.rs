//! URIs (RFC 3261 section 19.1, RFC 3966): parsed for what routing needs, kept as they came.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::lexer::Span;
use super::params::Params;
use super::uri_escapes::{escape_user, unescape};
use super::uri_layout::{Layout, WrittenHost};
use crate::transport::{Host, Transport};

/// What a URI of ours fits in, as a rule.
const USUAL_BYTES: usize = 64;

/// What the part before the first colon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// `urn`, `http`, anything else: only [`Uri::as_str`] says more.
    Other,
}

/// A URI. `==` compares the text; [`Uri::equivalent`] compares as RFC 3261 section 19.1.4 says.
#[derive(Clone)]
pub struct Uri {
    raw: Box<str>,
    host: Option<Host>,
    at: Layout,
}

impl Uri {
    /// `None` if `bytes` is not a URI: control characters, white space, quotes or angle brackets
    /// in it, no scheme, or for `sip:` and `sips:` a host or port that cannot be.
    pub fn parse(bytes: &[u8]) -> Option<Uri> {
        let raw = std::str::from_utf8(bytes).ok()?;
        let (at, host) = Layout::of(raw)?;
        Some(Uri {
            raw: raw.into(),
            host: host.map(WrittenHost::into_host),
            at,
        })
    }

    /// Whether [`Uri::parse`] takes it, without keeping anything.
    pub(super) fn is_valid(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes).is_ok_and(|raw| Layout::of(raw).is_some())
    }

    /// `sip:user@host:port`. Characters of `user` that may not stand there are escaped; existing
    /// escapes stay.
    pub fn sip(user: Option<&str>, host: &Host, port: Option<u16>) -> Uri {
        let user = user.map(escape_user);
        let mut raw = String::with_capacity(USUAL_BYTES);
        raw.push_str("sip:");
        let mut user_span = None;
        if let Some(user) = user.as_deref().filter(|user| !user.is_empty()) {
            user_span = Some(Span::new(raw.len()..raw.len() + user.len()));
            raw.push_str(user);
            raw.push('@');
        }
        let start = raw.len();
        push_host_port(&mut raw, host, port);
        let end = raw.len();
        Uri {
            raw: raw.into(),
            host: Some(lower_case(host)),
            at: Layout {
                user: user_span,
                port,
                host_port: Span::new(start..end),
                params: Span::new(end..end),
                ..Layout::bare(Scheme::Sip)
            },
        }
    }

    /// A text that did not parse, kept for an answer that must not lose it.
    pub(super) fn unparsed(bytes: &[u8]) -> Uri {
        Uri {
            raw: String::from_utf8_lossy(bytes).into(),
            host: None,
            at: Layout::bare(Scheme::Other),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.raw
    }

    pub fn scheme(&self) -> Scheme {
        self.at.scheme
    }

    /// `sip:` or `sips:`.
    pub fn is_sip(&self) -> bool {
        matches!(self.at.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user as it came, escapes and user parameters in it; of a `tel:` URI the number.
    pub fn user(&self) -> Option<&str> {
        self.at.user.map(|span| span.of(&self.raw))
    }

    /// The user with its escapes decoded. Left as it came where the bytes would not be UTF-8.
    pub fn user_unescaped(&self) -> Option<Cow<'_, str>> {
        self.user().map(unescape)
    }

    pub fn password(&self) -> Option<&str> {
        self.at.password.map(|span| span.of(&self.raw))
    }

    /// Always there for `sip:` and `sips:`, never for others. Names are in lower case.
    pub fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    pub fn port(&self) -> Option<u16> {
        self.at.port
    }

    /// Host and port as spelled.
    pub fn host_port(&self) -> &str {
        self.at.host_port.of(&self.raw)
    }

    /// URI parameters (RFC 3261 section 19.1.1), those of `tel:` too.
    pub fn params(&self) -> Params<'_> {
        Params::over(self.at.params.of(&self.raw))
    }

    /// The value of a parameter as it came, `Some("")` without a value. Its name may be spelled
    /// with escapes (RFC 4475 section 3.1.1.3: `%6C%72` is `lr`).
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .iter()
            .find(|(present, _)| {
                present.eq_ignore_ascii_case(name)
                    || (present.contains('%') && unescape(present).eq_ignore_ascii_case(name))
            })
            .map(|(_, value)| value.unwrap_or_default())
    }

    pub fn has_param(&self, name: &str) -> bool {
        self.param(name).is_some()
    }

    /// The transport parameter, if it is one that Trunkline speaks.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_token(self.param("transport")?)
    }

    /// The text after `?`: headers of a request to be made from the URI.
    pub fn headers(&self) -> Option<&str> {
        self.at.headers.map(|span| span.of(&self.raw))
    }

    /// With parameter `name` set: in its place if it is there, else at the end. For `sip:`,
    /// `sips:` and `tel:`; other URIs stay as they are.
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Uri {
        self.with_params(&self.params().with(name, value))
    }

    pub fn without_param(&self, name: &str) -> Uri {
        self.with_params(&self.params().without(name))
    }

    /// Without the headers and the `method` parameter, which a Request-URI may not have
    /// (RFC 3261 section 19.1.1, table 1).
    pub fn as_request_uri(&self) -> Uri {
        let mut uri = self.without_param("method");
        if let Some(headers) = uri.at.headers.take() {
            let end = headers.range().start - 1;
            uri.raw = uri.raw[..end].into();
        }
        uri
    }

    /// With another user, or number of a `tel:` URI; characters that may not stand there are
    /// escaped. An empty one takes user and password away. What would be no URI then, and a URI of
    /// another scheme, stays as it is.
    pub fn with_user(&self, user: &str) -> Uri {
        let host = self.at.host_port.range().start;
        let raw = match (self.at.scheme, self.at.user) {
            (Scheme::Other, _) | (Scheme::Tel, None) => return self.clone(),
            (Scheme::Tel, Some(span)) => {
                let (before, after) = around(&self.raw, span);
                format!("{before}{user}{after}")
            }
            (Scheme::Sip | Scheme::Sips, span) => {
                let start = span.map_or(host, |span| span.range().start);
                let (before, after) = (&self.raw[..start], &self.raw[host..]);
                match (user, span) {
                    ("", _) => format!("{before}{after}"),
                    (user, None) => format!("{before}{}@{after}", escape_user(user)),
                    (user, Some(span)) => {
                        format!("{before}{}{}", escape_user(user), around(&self.raw, span).1)
                    }
                }
            }
        };
        Uri::parse(raw.as_bytes()).unwrap_or_else(|| self.clone())
    }

    /// The same URI as `sip:` or `sips:`; others stay as they are.
    pub fn with_sips(&self, secure: bool) -> Uri {
        let wanted = if secure { Scheme::Sips } else { Scheme::Sip };
        if !self.is_sip() || self.at.scheme == wanted {
            return self.clone();
        }
        let scheme = if secure { "sips" } else { "sip" };
        let rest = self.raw.find(':').map_or("", |colon| &self.raw[colon..]);
        let raw = format!("{scheme}{rest}");
        Uri::parse(raw.as_bytes()).unwrap_or_else(|| self.clone())
    }

    fn with_params(&self, params: &str) -> Uri {
        if self.at.scheme == Scheme::Other {
            return self.clone();
        }
        let old = self.at.params.range();
        let raw = format!("{}{params}{}", &self.raw[..old.start], &self.raw[old.end..]);
        let moved = |span: Span| {
            let length = span.range().len();
            let start = raw.len() - length;
            Span::new(start..raw.len())
        };
        let at = Layout {
            params: Span::new(old.start..old.start + params.len()),
            headers: self.at.headers.map(moved),
            ..self.at
        };
        Uri {
            raw: raw.into(),
            host: self.host.clone(),
            at,
        }
    }
}

fn lower_case(host: &Host) -> Host {
    match host {
        Host::Name(name) => Host::Name(name.to_ascii_lowercase()),
        Host::Address(address) => Host::Address(*address),
    }
}

/// Appends `host[:port]`, IPv6 in brackets.
pub(super) fn push_host_port(text: &mut String, host: &Host, port: Option<u16>) {
    // A string takes whatever is written to it.
    let _ = match port {
        Some(port) => write!(text, "{host}:{port}"),
        None => write!(text, "{host}"),
    };
}

fn around(text: &str, span: Span) -> (&str, &str) {
    let range = span.range();
    (&text[..range.start], &text[range.end..])
}

impl PartialEq for Uri {
    fn eq(&self, other: &Uri) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Uri {}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({})", self.raw)
    }
}
