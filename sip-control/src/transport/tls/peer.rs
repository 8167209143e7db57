//! TLS towards a trunk.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_pki_types::ServerName;
use sip_core::transport::Host;

use super::verifier::PeerVerifier;
use super::{Verify, server_name, versions};

/// How we connect to a trunk's peers, and what they must prove (SEC-4).
#[derive(Clone, Debug)]
pub struct PeerTls {
    rules: Rules,
    client: Arc<ClientConfig>,
}

/// What a peer's certificate is checked against.
#[derive(Clone, Debug)]
pub struct Rules {
    pub verify: Verify,
    /// Trust anchors; not looked at with [`Verify::Off`].
    pub roots: Arc<RootCertStore>,
    /// The one name that a certificate must be for, whatever is connected to.
    pub server_name: Option<String>,
    /// The host of the trunk's destination: a peer may prove to be that instead of the host that
    /// is connected to, which a Contact may give as an address.
    pub domain: Option<Host>,
    /// The oldest version is TLS 1.3 instead of 1.2.
    pub only_tls13: bool,
}

impl PeerTls {
    /// # Errors
    /// The server name or the domain is nothing that a certificate can be for.
    pub fn new(rules: Rules) -> Result<PeerTls, Error> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let own_name = match (&rules.server_name, &rules.domain) {
            (Some(name), _) | (None, Some(Host::Name(name))) => {
                Some(server_name(&Host::Name(name.clone()))?)
            }
            (None, _) => None,
        };
        let verifier = PeerVerifier::new(&rules, own_name, &provider);
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(rules.only_tls13))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(PeerTls {
            rules,
            client: Arc::new(client),
        })
    }

    pub fn verify(&self) -> Verify {
        self.rules.verify
    }

    /// To connect with.
    pub(in crate::transport) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }

    /// The name to ask a peer at `host` for (RFC 6066 section 3).
    pub(in crate::transport) fn name_for(&self, host: &Host) -> Result<ServerName<'static>, Error> {
        match &self.rules.server_name {
            Some(name) => server_name(&Host::Name(name.clone())),
            None => server_name(host),
        }
    }
}

/// Whether a peer that passed one check would pass the other.
impl PartialEq for PeerTls {
    fn eq(&self, other: &PeerTls) -> bool {
        let (ours, theirs) = (&self.rules, &other.rules);
        ours.verify == theirs.verify
            && ours.roots.roots == theirs.roots.roots
            && ours.server_name == theirs.server_name
            && ours.domain == theirs.domain
            && ours.only_tls13 == theirs.only_tls13
    }
}
