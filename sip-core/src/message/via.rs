//! Via (RFC 3261 sections 18.2 and 20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::lexer::{Span, find_separator, is_token, number, trim_str};
use super::params::Params;
use super::uri::push_host_port;
use super::uri_layout::host_port;
use crate::transport::{Host, Transport};

/// The branch prefix of RFC 3261 section 8.1.1.7.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// What a Via of ours fits in, as a rule.
const USUAL_BYTES: usize = 96;

/// One Via element, kept as it came. `==` compares the text.
#[derive(Clone)]
pub struct Via {
    /// Protocol, transport, sent-by, parameters.
    raw: String,
    transport: Span,
    host: Host,
    port: Option<u16>,
    /// With the leading `;`.
    params: Span,
}

impl Via {
    /// `None` if `element` is not `SIP/2.0/transport sent-by *( ; parameter )`; white space may
    /// stand around the slashes and the colon of the port. The version is not looked at: the
    /// request line has it, and the 505 to a wrong one must find its way back.
    pub fn parse(element: &[u8]) -> Option<Via> {
        let raw = trim_str(std::str::from_utf8(element).ok()?);
        let head_end = find_separator(raw.as_bytes(), b';').unwrap_or(raw.len());
        let (head, params) = raw.split_at(head_end);
        Params::parse(params)?;
        let mut parts = head.splitn(3, '/');
        let (protocol, version) = (trim_str(parts.next()?), trim_str(parts.next()?));
        if !protocol.eq_ignore_ascii_case("SIP") || !is_token(version.as_bytes()) {
            return None;
        }
        let rest = parts.next()?;
        let start = head_end - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let length = raw[start..head_end].find([' ', '\t', '\r', '\n'])?;
        let transport = &raw[start..start + length];
        if !is_token(transport.as_bytes()) {
            return None;
        }
        let (host, port) = sent_by(&raw[start + length..head_end])?;
        Some(Via {
            transport: Span::new(start..start + length),
            host,
            port,
            params: Span::new(head_end..raw.len()),
            raw: raw.to_owned(),
        })
    }

    /// `SIP/2.0/{transport} {host}:{port};branch={branch};rport` (the last for UDP, RFC 3581
    /// section 3). `branch` starts with [`MAGIC_COOKIE`].
    pub fn new(transport: Transport, host: &Host, port: Option<u16>, branch: &str) -> Via {
        let token = transport.via_token();
        let rport = if transport == Transport::Udp {
            ";rport"
        } else {
            ""
        };
        let mut raw = String::with_capacity(USUAL_BYTES);
        for piece in ["SIP/2.0/", token, " "] {
            raw.push_str(piece);
        }
        push_host_port(&mut raw, host, port);
        let params = raw.len();
        for piece in [";branch=", branch, rport] {
            raw.push_str(piece);
        }
        Via {
            transport: Span::new(8..8 + token.len()),
            host: host.clone(),
            port,
            params: Span::new(params..raw.len()),
            raw,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The transport as spelled, such as `UDP`, `tls` or `SCTP`.
    pub fn transport_token(&self) -> &str {
        self.transport.of(&self.raw)
    }

    /// The transport, if it is one that Trunkline speaks.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_token(self.transport_token())
    }

    /// Host of sent-by; names are in lower case.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Port of sent-by, if it is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Port of sent-by, or the transport's default one (RFC 3261 section 18.2.2).
    pub fn port_or_default(&self) -> u16 {
        let default = self.transport().map_or(5060, Transport::default_port);
        self.port.unwrap_or(default)
    }

    pub fn params(&self) -> Params<'_> {
        Params::over(self.params.of(&self.raw))
    }

    /// The value of a parameter, `Some("")` without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().get(name)
    }

    /// An empty branch is none.
    pub fn branch(&self) -> Option<&str> {
        self.param("branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the branch identifies the transaction (RFC 3261 section 17.2.3). The cookie alone
    /// does not: every request of such a client would have the same (RFC 4475 section 3.2.1).
    pub fn has_magic_cookie(&self) -> bool {
        let cookie = MAGIC_COOKIE.len();
        self.branch()
            .filter(|branch| branch.len() > cookie)
            .and_then(|branch| branch.get(..cookie))
            .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
    }

    /// Where the request came from, if that differs from sent-by (RFC 3261 section 18.2.1).
    pub fn received(&self) -> Option<IpAddr> {
        let value = self.param("received")?;
        let bare = value
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        bare.unwrap_or(value).parse().ok()
    }

    /// RFC 3581: `None` without the parameter, `Some(None)` where the client asks for it,
    /// `Some(Some(port))` where the server has filled it in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let value = self.param("rport")?;
        Some(number(value.as_bytes()).and_then(|port| u16::try_from(port).ok()))
    }

    /// Who sent this wants requests back by the same connection (RFC 5923).
    pub fn asks_for_alias(&self) -> bool {
        self.param("alias").is_some()
    }

    fn set_received(&mut self, address: IpAddr) {
        self.set_param("received", Some(&address.to_string()));
    }

    fn set_rport(&mut self, port: u16) {
        self.set_param("rport", Some(&port.to_string()));
    }

    /// Sets a parameter, in its place or at the end; the rest stays as it came.
    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        let params = self.params().with(name, value);
        let start = self.params.range().start;
        self.raw.truncate(start);
        self.raw.push_str(&params);
        self.params = Span::new(start..self.raw.len());
    }

    /// What a server notes on the topmost Via of a request from `source`: `received` where sent-by
    /// is not that address or `rport` is asked for (RFC 3261 section 18.2.1, RFC 3581 section 4),
    /// and `rport`'s value. What the client itself wrote as `received` is overwritten.
    pub fn note_source(&mut self, source: SocketAddr) {
        let asked = self.rport().is_some();
        if asked {
            self.set_rport(source.port());
        }
        let is_sent_by = self.host == Host::Address(source.ip().to_canonical());
        if asked || !is_sent_by || self.param("received").is_some() {
            self.set_received(source.ip().to_canonical());
        }
    }
}

/// `host [COLON port]`, with white space around the colon.
fn sent_by(text: &str) -> Option<(Host, Option<u16>)> {
    let text = trim_str(text);
    if !text.contains([' ', '\t', '\r', '\n']) {
        return host_port(text);
    }
    let colon = text.rfind(':')?;
    let (host, port) = (trim_str(&text[..colon]), trim_str(&text[colon + 1..]));
    host_port(&format!("{host}:{port}"))
}

impl PartialEq for Via {
    fn eq(&self, other: &Via) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Via {}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Via({})", self.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(element: &str) -> Via {
        Via::parse(element.as_bytes()).unwrap_or_else(|| panic!("{element}"))
    }

    #[test]
    fn every_part_is_found_whatever_the_white_space() {
        for (element, transport, host_port, branch) in [
            (
                "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa",
                "UDP",
                "192.0.2.1:5060",
                Some("z9hG4bKa"),
            ),
            (
                "SIP  /   2.0\r\n /tcp\r\n    Spindle.Example.com   ;\r\n  branch  =   z9hG4bKb",
                "tcp",
                "spindle.example.com:5060",
                Some("z9hG4bKb"),
            ),
            (
                "SIP/2.0/TLS [2001:db8::1] : 5071 ;rport",
                "TLS",
                "[2001:db8::1]:5071",
                None,
            ),
            ("SIP/2.0/TLS h;branch=", "TLS", "h:5061", None),
            ("sip/2.0/SCTP h;branch=1", "SCTP", "h:5060", Some("1")),
        ] {
            let via = parse(element);
            assert_eq!(via.transport_token(), transport);
            assert_eq!(
                format!("{}:{}", via.host(), via.port_or_default()),
                host_port
            );
            assert_eq!(via.branch(), branch, "{element}");
            assert_eq!(via.to_string(), element);
        }
    }

    #[test]
    fn what_is_not_a_via_is_refused() {
        for element in [
            "",
            ";",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 UDP h",
            "HTTP/1.1/TCP h",
            "SIP/2.0/U DP h",
            "SIP/2.0/UDP h:",
            "SIP/2.0/UDP h:70000",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP h x",
            "SIP/2.0/UDP h;branch=a b",
            "SIP/2.0/UDP h, SIP/2.0/UDP i",
        ] {
            assert_eq!(Via::parse(element.as_bytes()), None, "{element}");
        }
    }

    #[test]
    fn ours_reads_back() {
        let host = Host::Address("2001:db8::1".parse().unwrap());
        let via = Via::new(Transport::Udp, &host, Some(5062), "z9hG4bKx");
        assert_eq!(
            via.to_string(),
            "SIP/2.0/UDP [2001:db8::1]:5062;branch=z9hG4bKx;rport"
        );
        assert_eq!(via.rport(), Some(None));
        assert_eq!(via.transport(), Some(Transport::Udp));
        assert_eq!(via.branch(), parse(&via.to_string()).branch());
        assert!(via.has_magic_cookie());
        let host = Host::Name("Edge.example.com".to_owned());
        let via = Via::new(Transport::Tls, &host, None, "z9hG4bKx");
        assert_eq!(
            via.to_string(),
            "SIP/2.0/TLS Edge.example.com;branch=z9hG4bKx"
        );
        assert_eq!(via.transport_token(), "TLS");
    }

    #[test]
    fn the_source_is_noted_as_the_rfcs_say() {
        for (element, noted) in [
            (
                "SIP/2.0/UDP 192.0.2.9:5070;branch=a",
                "SIP/2.0/UDP 192.0.2.9:5070;branch=a",
            ),
            (
                "SIP/2.0/UDP h;branch=a",
                "SIP/2.0/UDP h;branch=a;received=192.0.2.9",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1;rport;branch=a",
                "SIP/2.0/UDP 10.0.0.1;rport=1024;branch=a;received=192.0.2.9",
            ),
            // RFC 3581 section 4: with rport, received is added even where it is the same.
            (
                "SIP/2.0/UDP 192.0.2.9;branch=a; rport ;x",
                "SIP/2.0/UDP 192.0.2.9;branch=a;rport=1024;x;received=192.0.2.9",
            ),
            // Nobody but us says where we received it from.
            (
                "SIP/2.0/UDP 192.0.2.9;received=203.0.113.1;rport=9",
                "SIP/2.0/UDP 192.0.2.9;received=192.0.2.9;rport=1024",
            ),
        ] {
            let mut via = parse(element);
            via.note_source("192.0.2.9:1024".parse().unwrap());
            assert_eq!(via.to_string(), noted);
            assert_eq!(via, parse(noted));
        }
    }

    #[test]
    fn received_and_rport_are_read() {
        let via = parse("SIP/2.0/UDP h;received=[2001:db8::9];rport=1024");
        assert_eq!(via.received(), Some("2001:db8::9".parse().unwrap()));
        assert_eq!(via.rport(), Some(Some(1024)));
        let via = parse("SIP/2.0/UDP h;received=2001:db8::9");
        assert_eq!(via.received(), Some("2001:db8::9".parse().unwrap()));
        assert_eq!(via.rport(), None);
        assert_eq!(parse("SIP/2.0/UDP h;rport=99999").rport(), Some(None));
        assert_eq!(parse("SIP/2.0/UDP h;received=there").received(), None);
    }

    #[test]
    fn the_magic_cookie_is_found_in_any_case() {
        assert!(parse("SIP/2.0/UDP h;branch=Z9HG4BKa").has_magic_cookie());
        assert!(!parse("SIP/2.0/UDP h;branch=z9hG4b").has_magic_cookie());
        assert!(!parse("SIP/2.0/UDP h;branch=z9hG4bK").has_magic_cookie());
        assert!(!parse("SIP/2.0/UDP h").has_magic_cookie());
    }
}
