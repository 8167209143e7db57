//! TLS for SIP: what a listener proves itself with, how a peer's certificate is checked, and
//! what a failed handshake means.

mod certificates;
mod identity;
mod key_log;
mod peer;
mod pin;
mod verifier;
mod x509;

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{
    AlertDescription, Error, KeyLog, PeerIncompatible, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use rustls_pki_types::ServerName;
use sip_core::transport::Host;

pub use self::certificates::{CertificateFacts, ServerCertificates, complaints};
pub use self::key_log::KeyLogToFile;
pub use self::peer::{PeerTls, Rules};
pub use self::pin::Pin;

/// How the certificate of a peer that we connect to is checked (SEC-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// RFC 5922: the exact name, no wildcards.
    Strict,
    /// A wildcard may stand for one label.
    #[default]
    Wildcard,
    /// One of the keys that the trunk names, whoever signed its certificate.
    Pin,
    /// Any certificate.
    Off,
}

/// Whether those who connect must prove themselves, and of which roots their certificates must be.
#[derive(Clone, Debug)]
pub struct ClientAuth {
    pub roots: Arc<RootCertStore>,
    /// Who has no certificate is let in all the same; who shows one must show a good one.
    pub is_optional: bool,
}

/// TLS for a listener.
///
/// Sessions are resumed by tickets (RFC 5077, RFC 8446 section 2.2), whose keys live as long as what
/// this returns: what a client has proven under old rules is not taken for new, neither at another
/// listener nor after a reload.
pub fn server_config(
    certificates: ServerCertificates,
    client_auth: Option<ClientAuth>,
    only_tls13: bool,
    key_log: Option<Arc<dyn KeyLog>>,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(only_tls13))?;
    let builder = match client_auth {
        None => builder.with_no_client_auth(),
        Some(ClientAuth { roots, is_optional }) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match is_optional {
                true => verifier.allow_unauthenticated(),
                false => verifier,
            };
            let verifier = verifier
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    config.ticketer = ring::Ticketer::new()?;
    if let Some(key_log) = key_log {
        config.key_log = key_log;
    }
    Ok(Arc::new(config))
}

/// A host as TLS names it.
pub(super) fn server_name(host: &Host) -> Result<ServerName<'static>, Error> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| {
            Error::General(format!(
                "{name} is not a name that a certificate can be for"
            ))
        }),
    }
}

fn versions(only_tls13: bool) -> &'static [&'static SupportedProtocolVersion] {
    const ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    if only_tls13 { ONLY_TLS13 } else { BOTH }
}

/// Whether a handshake failed because the peer speaks none of our versions, from either end.
pub(super) fn is_version_mismatch(error: &io::Error) -> bool {
    matches!(
        tls_error(error),
        Some(
            Error::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                    | PeerIncompatible::Tls12NotOfferedOrEnabled
                    | PeerIncompatible::SupportedVersionsExtensionRequired
                    | PeerIncompatible::ServerDoesNotSupportTls12Or13
                    | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                    // The extension came with TLS 1.2 (RFC 5246 section 7.4.1.4.1) and is looked
                    // at first: a client of 1.0 or 1.1 usually fails here.
                    | PeerIncompatible::SignatureAlgorithmsExtensionRequired
            ) | Error::AlertReceived(AlertDescription::ProtocolVersion)
        )
    )
}

/// Whether a handshake failed because one end refused the other, which it will do again: not because the
/// connection was lost, or something went wrong at the peer (RFC 8446 section 6.2, `internal_error`).
pub(super) fn is_refusal(error: &io::Error) -> bool {
    let refused = tls_error(error);
    refused.is_some_and(|error| *error != Error::AlertReceived(AlertDescription::InternalError))
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref::<Error>()
}
