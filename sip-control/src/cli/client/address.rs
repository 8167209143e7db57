//! Where a daemon is, and where in its API something is.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use zeroize::Zeroizing;

use crate::cli::failure::Failure;

/// The way to a daemon.
#[derive(Clone)]
pub(in crate::cli) enum Way {
    /// `control.socket` of its configuration, where root and its own user are admin.
    Socket(PathBuf),
    Remote(Remote),
}

/// `[api] listen` of a daemon, perhaps on another host.
#[derive(Clone)]
pub(in crate::cli) struct Remote {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None`: in the clear, to this host alone.
    pub(super) tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    token: Option<Zeroizing<String>>,
}

impl Way {
    /// `https://host[:port]`, or `http://` to this host itself. `tls` is asked for what it takes.
    pub(in crate::cli) fn remote(
        url: &str,
        token: Option<Zeroizing<String>>,
        tls: impl FnOnce() -> Result<Arc<ClientConfig>, Failure>,
    ) -> Result<Way, Failure> {
        let wrong = |problem: &str| {
            Failure::usage(format!(
                "--url {url}: {problem}; expected one like https://edge.example.com:8443"
            ))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("no scheme"))?;
        let authority = rest.trim_end_matches('/');
        let authority = authority.strip_suffix("/api/v1").unwrap_or(authority);
        let parsed: hyper::http::uri::Authority =
            authority.parse().map_err(|_| wrong("no host and port"))?;
        if authority.contains('@') {
            return Err(wrong("a user in it"));
        }
        let host = parsed.host().trim_matches(['[', ']']).to_owned();
        let (default, is_tls) = match scheme {
            "https" => (443, true),
            "http" if is_loopback(&host) => (80, false),
            "http" => return Err(wrong("the token would go in the clear")),
            _ => return Err(wrong("an unknown scheme")),
        };
        let tls = match is_tls {
            false => None,
            true => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| wrong("the host is no name of one"))?;
                Some((name, tls()?))
            }
        };
        Ok(Way::Remote(Remote {
            host,
            port: parsed.port_u16().unwrap_or(default),
            tls,
            token,
        }))
    }

    /// The value of Host.
    pub(super) fn host(&self) -> String {
        match self {
            Way::Socket(_) => "localhost".to_owned(),
            Way::Remote(remote) => remote.authority(),
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Way::Socket(_) => None,
            Way::Remote(remote) => remote.token.as_ref().map(|token| token.as_str()),
        }
    }
}

impl Remote {
    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Display for Way {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Socket(path) => write!(to, "{}", path.display()),
            Way::Remote(remote) => write!(to, "{}", remote.authority()),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.parse();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.is_loopback()
    })
}

/// A path of the API, and its query.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Path(String, bool);

impl Path {
    /// Of segments, each of them escaped.
    pub(in crate::cli) fn of(segments: &[&str]) -> Path {
        let escaped = segments
            .iter()
            .map(|segment| format!("/{}", escape(segment)));
        Path(escaped.collect(), false)
    }

    /// As somebody wrote it, with or without what stands before every path.
    pub(in crate::cli) fn written(text: &str) -> Path {
        let text = text.strip_prefix(super::BASE).unwrap_or(text);
        let slash = if text.starts_with('/') { "" } else { "/" };
        Path(format!("{slash}{text}"), text.contains('?'))
    }

    /// A parameter, if there is a value.
    pub(in crate::cli) fn with(mut self, name: &str, value: Option<&str>) -> Path {
        if let Some(value) = value {
            self.0.push(if self.1 { '&' } else { '?' });
            self.0 += &format!("{name}={}", escape(value));
            self.1 = true;
        }
        self
    }
}

impl Display for Path {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// Everything but what RFC 3986 section 2.3 leaves alone.
fn escape(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Result<Way, Failure> {
        Way::remote(url, None, || Err(Failure::usage("TLS")))
    }

    #[test]
    fn a_token_goes_over_tls_or_stays_on_this_host() {
        assert!(remote("http://127.0.0.1:8080").is_ok());
        assert!(remote("http://[::1]:8080/api/v1").is_ok());
        assert!(remote("http://localhost").is_ok());
        let said = |url: &str| match remote(url) {
            Err(Failure::Usage(problem)) => problem,
            _ => "none".to_owned(),
        };
        assert!(said("http://192.0.2.1:8080").contains("in the clear"));
        assert!(said("http://localhost.example.com").contains("in the clear"));
        assert!(said("ftp://127.0.0.1").contains("unknown scheme"));
        assert!(said("edge.example.com").contains("no scheme"));
        assert!(said("https://").contains("no host"));
        assert!(said("https://user@edge.example.com").contains("a user"));
        assert_eq!(said("https://edge.example.com"), "TLS");
    }

    #[test]
    fn a_host_is_named_as_http_wants_it() {
        let host = |url| remote(url).ok().map(|way| way.host());
        assert_eq!(host("http://[::1]:8080").as_deref(), Some("[::1]:8080"));
        assert_eq!(host("http://localhost/").as_deref(), Some("localhost:80"));
    }

    #[test]
    fn names_are_escaped_in_paths_and_queries() {
        let path = Path::of(&["accounts", "sip:a/b@pbx.example.com"])
            .with("search", Some("+49 30&x=ü"))
            .with("trunk", None)
            .with("limit", Some("3"));
        assert_eq!(
            path.to_string(),
            "/accounts/sip%3Aa%2Fb%40pbx.example.com?search=%2B49%2030%26x%3D%C3%BC&limit=3"
        );
        for text in [
            "/api/v1/trunks?limit=1",
            "/trunks?limit=1",
            "trunks?limit=1",
        ] {
            let path = Path::written(text).with("after", Some("x"));
            assert_eq!(path.to_string(), "/trunks?limit=1&after=x");
        }
    }
}
