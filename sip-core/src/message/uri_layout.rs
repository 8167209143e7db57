//! Where the parts of a URI are in its text (RFC 3261 section 25.1, RFC 3966 section 3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lexer::{Span, number};
use super::uri::Scheme;
use crate::transport::Host;

/// Where the parts of a URI are in its text, and what is known of them but for its host.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) scheme: Scheme,
    pub(super) user: Option<Span>,
    pub(super) password: Option<Span>,
    pub(super) port: Option<u16>,
    /// Host and port as spelled.
    pub(super) host_port: Span,
    /// With the leading `;`.
    pub(super) params: Span,
    /// Without the `?`.
    pub(super) headers: Option<Span>,
}

/// A host in the text that names it.
pub(super) enum WrittenHost<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl WrittenHost<'_> {
    /// Names in lower case.
    pub(super) fn into_host(self) -> Host {
        match self {
            WrittenHost::Name(name) => Host::Name(name.to_ascii_lowercase()),
            WrittenHost::Address(address) => Host::Address(address),
        }
    }
}

impl Layout {
    /// With the host, which `sip:` and `sips:` have; `None` if it is no URI.
    pub(super) fn of(raw: &str) -> Option<(Layout, Option<WrittenHost<'_>>)> {
        if raw.bytes().any(never_in_uri) {
            return None;
        }
        let colon = raw.find(':')?;
        let (scheme, rest) = (&raw[..colon], colon + 1);
        if rest == raw.len() || !is_scheme(scheme) {
            return None;
        }
        if scheme.eq_ignore_ascii_case("sip") {
            sip_uri(raw, Scheme::Sip, rest)
        } else if scheme.eq_ignore_ascii_case("sips") {
            sip_uri(raw, Scheme::Sips, rest)
        } else if scheme.eq_ignore_ascii_case("tel") {
            Some((tel_uri(raw, rest)?, None))
        } else {
            Some((Layout::bare(Scheme::Other), None))
        }
    }

    pub(super) fn bare(scheme: Scheme) -> Layout {
        Layout {
            scheme,
            user: None,
            password: None,
            port: None,
            host_port: Span::default(),
            params: Span::default(),
            headers: None,
        }
    }
}

fn sip_uri(raw: &str, scheme: Scheme, start: usize) -> Option<(Layout, Option<WrittenHost<'_>>)> {
    let mut uri = Layout::bare(scheme);
    let mut at = start;
    // An `@` can only end the user part: hosts, parameters and headers have it escaped. The user
    // may hold `;`, `?` and `/`, so it must be found before those.
    if let Some(length) = raw[start..].find('@') {
        let end = start + length;
        let user_end = raw[start..end].find(':').map_or(end, |colon| start + colon);
        if user_end == start {
            return None;
        }
        uri.user = Some(Span::new(start..user_end));
        uri.password = (user_end < end).then(|| Span::new(user_end + 1..end));
        at = end + 1;
    }
    let host_end = raw[at..].find([';', '?']).map_or(raw.len(), |end| at + end);
    let (host, port) = written_host_and_port(&raw[at..host_end])?;
    uri.port = port;
    uri.host_port = Span::new(at..host_end);
    let params_end = raw[host_end..]
        .find('?')
        .map_or(raw.len(), |end| host_end + end);
    uri.params = Span::new(host_end..params_end);
    uri.headers = (params_end < raw.len()).then(|| Span::new(params_end + 1..raw.len()));
    Some((uri, Some(host)))
}

fn tel_uri(raw: &str, start: usize) -> Option<Layout> {
    let end = raw[start..].find(';').map_or(raw.len(), |end| start + end);
    if end == start {
        return None;
    }
    Some(Layout {
        user: Some(Span::new(start..end)),
        params: Span::new(end..raw.len()),
        ..Layout::bare(Scheme::Tel)
    })
}

/// `hostport` (RFC 3261 section 25.1); names come in lower case.
pub(super) fn host_port(text: &str) -> Option<(Host, Option<u16>)> {
    let (host, port) = written_host_and_port(text)?;
    Some((host.into_host(), port))
}

fn written_host_and_port(text: &str) -> Option<(WrittenHost<'_>, Option<u16>)> {
    let host_end = match text.strip_prefix('[') {
        Some(address) => address.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(host_end);
    let port = match port.strip_prefix(':') {
        Some(digits) => Some(u16::try_from(number(digits.as_bytes())?).ok()?),
        None if port.is_empty() => None,
        None => return None,
    };
    Some((parse_host(host)?, port))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn parse_host(text: &str) -> Option<WrittenHost<'_>> {
    if let Some(address) = text.strip_prefix('[') {
        let address = ipv6_address(address.strip_suffix(']')?)?;
        return Some(WrittenHost::Address(IpAddr::V6(address)));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(WrittenHost::Address(IpAddr::V4(address)));
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (!text.is_empty() && text.bytes().all(letter)).then_some(WrittenHost::Name(text))
}

/// The grammar of RFC 3261 asks for a third colon between `::` and a dotted quad; who follows it
/// means two (RFC 5118 section 4.10).
fn ipv6_address(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (start, quad) = text.split_once(":::")?;
    let quad: Ipv4Addr = quad.parse().ok()?;
    format!("{start}::{quad}").parse().ok()
}

fn never_in_uri(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || matches!(byte, b'"' | b'<' | b'>')
}

fn is_scheme(text: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(rest)
}
