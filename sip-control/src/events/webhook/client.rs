//! One POST at a time over HTTP/1.1, on a connection that is kept for the next.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Of an answer, which nobody reads: a longer one costs the connection.
const LONGEST_ANSWER_BYTES: usize = 64 * 1024;

/// Says why a URL cannot be a webhook's.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    Destination::of(url).map(drop)
}

/// Verifies servers by these roots.
pub(super) fn tls_for(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites of both versions");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Where a URL leads.
struct Destination {
    is_tls: bool,
    host: String,
    port: u16,
    /// For the header Host.
    authority: String,
    path: String,
}

impl Destination {
    fn of(url: &str) -> Result<Destination, String> {
        const EXPECTED: &str = "expected http://host/path or https://host/path";
        let uri: Uri = url
            .parse()
            .map_err(|error| format!("is no URL ({error}); {EXPECTED}"))?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("is of another scheme; {EXPECTED}")),
        };
        let authority = uri.authority().ok_or(format!("has no host; {EXPECTED}"))?;
        if authority.as_str().contains('@') {
            return Err("has a user in it, which would be shown; expected none".to_owned());
        }
        let host = authority.host();
        if host.is_empty() {
            return Err(format!("has no host; {EXPECTED}"));
        }
        let port = authority.port_u16();
        if port.is_none() && authority.as_str().len() > host.len() {
            return Err("has no such port; expected 1 to 65535".to_owned());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Destination {
            is_tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: path.to_owned(),
        })
    }
}

/// Why a body was not taken.
enum Failure {
    /// There was no connection, or it broke off.
    Broken(String),
    /// The server does not want it, or does not answer.
    Refused(String),
}

/// Posts to one URL.
pub(super) struct Client {
    /// For all of it: the name, the connection, TLS, and the answer.
    patience: Duration,
    destination: Result<Destination, String>,
    tls: Arc<ClientConfig>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(super) fn new(url: &str, tls: Arc<ClientConfig>, patience: Duration) -> Client {
        Client {
            patience,
            destination: Destination::of(url),
            tls,
            open: None,
        }
    }

    /// Whether the body was taken (2xx); else why not, in words.
    pub(super) async fn post(
        &mut self,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<(), String> {
        let was_kept = self.open.is_some();
        match self.try_once(headers, body).await {
            // A connection that was kept may have been closed meanwhile.
            Err(Failure::Broken(_)) if was_kept => self.try_once(headers, body).await,
            tried => tried,
        }
        .map_err(|(Failure::Broken(error) | Failure::Refused(error))| error)
    }

    async fn try_once(
        &mut self,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<(), Failure> {
        let patience = self.patience;
        match tokio::time::timeout(patience, self.exchange(headers, body)).await {
            Ok(Ok(status)) => judge(status).map_err(Failure::Refused),
            Ok(Err(error)) => Err(Failure::Broken(error)),
            Err(_) => Err(Failure::Refused(format!("no answer within {patience:?}"))),
        }
    }

    async fn exchange(
        &mut self,
        headers: &[(&'static str, String)],
        body: &str,
    ) -> Result<StatusCode, String> {
        let destination = self.destination.as_ref().map_err(Clone::clone)?;
        let mut sender = match self.open.take() {
            Some(open) if !open.is_closed() => open,
            _ => connect(destination, &self.tls).await?,
        };
        let mut request = Request::post(&destination.path)
            .header(HOST, &destination.authority)
            .header(USER_AGENT, concat!("trunkline/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(|error| error.to_string())?;
        let in_words = |error: hyper::Error| format!("no answer: {error}");
        sender.ready().await.map_err(in_words)?;
        let answer = sender.send_request(request).await.map_err(in_words)?;
        let status = answer.status();
        let rest = Limited::new(answer.into_body(), LONGEST_ANSWER_BYTES);
        if rest.collect().await.is_ok() {
            self.open = Some(sender);
        }
        Ok(status)
    }
}

fn judge(status: StatusCode) -> Result<(), String> {
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => {
            Err(format!("answered {status}; redirects are not followed"))
        }
        status => Err(format!("answered {status}")),
    }
}

async fn connect(
    to: &Destination,
    tls: &Arc<ClientConfig>,
) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect((to.host.as_str(), to.port))
        .await
        .map_err(|error| format!("cannot be reached: {error}"))?;
    // Each body is one write; without this its end may wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    if !to.is_tls {
        return handshake(TokioIo::new(stream)).await;
    }
    let name = ServerName::try_from(to.host.clone())
        .map_err(|_| format!("{:?} is no name of a host", to.host))?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|error| format!("TLS: {error}"))?;
    handshake(TokioIo::new(stream)).await
}

async fn handshake<I>(io: I) -> Result<SendRequest<Full<Bytes>>, String>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(io)
        .await
        .map_err(|error| format!("HTTP: {error}"))?;
    // It ends when the sender is dropped; what went wrong the sender has been told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_refused_with_what_is_expected() {
        for good in [
            "http://localhost:8080/hook",
            "https://hooks.example.com/a?b=c",
            "https://[2001:db8::1]:8443",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "hooks.example.com",
            "ftp://a/b",
            "/hook",
            "https://user:pw@a/b",
            "http://a:99999/",
        ] {
            let problem = check_url(bad).unwrap_err();
            assert!(problem.contains("expected"), "{bad}: {problem}");
        }
        let destination = Destination::of("https://[2001:db8::1]").unwrap();
        assert_eq!(
            (destination.host.as_str(), destination.port),
            ("2001:db8::1", 443)
        );
    }
}
