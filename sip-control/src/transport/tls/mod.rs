//! TLS for SIP: what a listener proves itself with, how a peer's certificate is checked, and
//! what a failed handshake means.

mod identity;
mod peer;
mod verifier;

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, Error, PeerIncompatible, RootCertStore, ServerConfig,
    SupportedProtocolVersion,
};
use rustls_pki_types::ServerName;
use sip_core::transport::Host;

pub use self::peer::{PeerTls, Rules};

/// Trunkline's code for a peer that speaks no TLS version that we accept (SEC-3).
pub const TLS_VERSION_CODE: u32 = 32222;

/// How the certificate of a peer that we connect to is checked (SEC-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// RFC 5922: the exact name, no wildcards.
    Strict,
    /// A wildcard may stand for one label.
    #[default]
    Wildcard,
    /// Any certificate.
    Off,
}

/// TLS for a listener; with `client_roots` a client must prove itself too.
pub fn server_config(
    certified: CertifiedKey,
    client_roots: Option<Arc<RootCertStore>>,
    only_tls13: bool,
) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions(only_tls13))?;
    let builder = match client_roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Arc::new(builder.with_cert_resolver(Arc::new(
        SingleCertAndKey::from(certified),
    ))))
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
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    matches!(
        inner,
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
