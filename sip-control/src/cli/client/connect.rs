//! A connection to a daemon.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::{Remote, Way};
use crate::cli::failure::Failure;

/// Where Debian and most others keep the roots that browsers trust.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";
/// For a connection and its TLS handshake.
const PATIENCE: Duration = Duration::from_secs(10);

impl Way {
    /// A connection of HTTP/1.1, which a task of its own serves.
    pub(super) async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        match tokio::time::timeout(PATIENCE, self.try_connect()).await {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(self.unreachable(&io::ErrorKind::TimedOut.into())),
        }
    }

    async fn try_connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        match self {
            Way::Socket(path) => speak(UnixStream::connect(path).await?).await,
            Way::Remote(remote) => {
                let stream = TcpStream::connect((remote.host.as_str(), remote.port)).await?;
                stream.set_nodelay(true)?;
                match &remote.tls {
                    None => speak(stream).await,
                    Some((name, config)) => {
                        let connector = TlsConnector::from(Arc::clone(config));
                        speak(connector.connect(name.clone(), stream).await?).await
                    }
                }
            }
        }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let advice = match self {
            Way::Socket(_) => advice(error.kind()),
            Way::Remote(Remote { tls: Some(_), .. }) => certificate_advice(error),
            Way::Remote(_) => "",
        };
        Failure::NoDaemon(format!("no daemon answers at {self}{advice}: {error}"))
    }
}

async fn speak<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Its errors are those of the request.
    tokio::spawn(connection);
    Ok(sender)
}

/// What to do about it.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => {
            " (is it running, and is this the control.socket of its configuration?)"
        }
        io::ErrorKind::ConnectionRefused => " (it is not running)",
        io::ErrorKind::PermissionDenied => " (ask as root, or as the user that it runs as)",
        _ => "",
    }
}

/// What to do about a certificate that does not convince.
fn certificate_advice(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        // A root may sign others, and stand for no host itself (RFC 5280 section 4.2.1.9).
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
            if other.0.downcast_ref() == Some(&webpki::Error::CaUsedAsEndEntity) =>
        {
            " (its certificate is a CA's, as `openssl req -x509` makes them; it must have one with \
             basicConstraints=CA:FALSE)"
        }
        Some(rustls::Error::InvalidCertificate(_)) => " (--ca names the roots of its certificate)",
        _ => "",
    }
}

/// TLS 1.2 or 1.3 with peers whose certificate one of the roots in the file has signed; without a
/// file, one of the system's.
pub(in crate::cli) fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let path = ca.unwrap_or(Path::new(SYSTEM_CA));
    let wrong = |problem: &dyn Display| {
        Failure::usage(format!(
            "--ca {}: {problem}; expected roots, PEM",
            path.display()
        ))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        // Of the system's many, some may be of a kind that nobody uses.
        if let (Err(error), Some(_)) = (roots.add(certificate), ca) {
            return Err(wrong(&error));
        }
    }
    if roots.is_empty() {
        return Err(wrong(&"it holds none"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Other(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_says_what_to_do() {
        let directory = std::env::temp_dir().join(format!("trunkline-cli-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (absent, dead) = (directory.join("absent"), directory.join("dead"));
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let mut said = Vec::new();
        for path in [absent, dead] {
            match Way::Socket(path).connect().await {
                Err(Failure::NoDaemon(problem)) => said.push(problem),
                other => panic!("{:?}", other.err()),
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(said[0].contains("control.socket"), "{}", said[0]);
        assert!(said[1].contains("not running"), "{}", said[1]);
        assert!(advice(io::ErrorKind::PermissionDenied).contains("as root"));
    }
}
