//! TLS towards a trunk.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, KeyLog, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sip_core::transport::Host;
use webpki::{EndEntityCert, KeyUsage};

use super::pin::Pin;
use super::verifier::PeerVerifier;
use super::{Verify, identity, server_name, versions};

/// How we connect to a trunk's peers, and what they must prove (SEC-4).
#[derive(Clone, Debug)]
pub struct PeerTls {
    rules: Rules,
    client: Arc<ClientConfig>,
    verifier: Arc<PeerVerifier>,
    /// [`Rules::client_names`].
    client_names: Vec<ServerName<'static>>,
}

/// What a peer's certificate is checked against, and what we show it.
#[derive(Clone, Debug)]
pub struct Rules {
    pub verify: Verify,
    /// Trust anchors; not looked at with [`Verify::Off`] and [`Verify::Pin`].
    pub roots: Arc<RootCertStore>,
    /// With [`Verify::Pin`]: the keys that will do.
    pub pins: Vec<Pin>,
    /// The one name that a certificate must be for, whatever is connected to.
    pub server_name: Option<String>,
    /// The host of the trunk's destination: a peer may prove to be that instead of the host that
    /// is connected to, which a Contact may give as an address.
    pub domain: Option<Host>,
    /// What we prove ourselves with when a peer asks.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// Names of which the certificate of a peer that connects to us must have one; empty: none is
    /// asked for.
    pub client_names: Vec<String>,
    /// Of the trunk itself: a client certificate must be of one of these, too, and not only of the
    /// listener's.
    pub client_roots: Option<Arc<RootCertStore>>,
    /// The oldest version is TLS 1.3 instead of 1.2.
    pub only_tls13: bool,
}

impl PeerTls {
    /// # Errors
    /// The server name, the domain or a client name is nothing that a certificate can be for.
    pub fn new(rules: Rules, key_log: Option<Arc<dyn KeyLog>>) -> Result<PeerTls, Error> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let own_name = match (&rules.server_name, &rules.domain) {
            (Some(name), _) | (None, Some(Host::Name(name))) => {
                Some(server_name(&Host::Name(name.clone()))?)
            }
            (None, _) => None,
        };
        let client_names = rules
            .client_names
            .iter()
            .map(|name| server_name(&Host::Name(name.clone())))
            .collect::<Result<_, _>>()?;
        let verifier = Arc::new(PeerVerifier::new(&rules, own_name, &provider));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(rules.only_tls13))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _);
        let mut client = match &rules.certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => builder.with_client_cert_resolver(Arc::new(
                SingleCertAndKey::from(Arc::clone(certificate)),
            )),
        };
        if let Some(key_log) = key_log {
            client.key_log = key_log;
        }
        Ok(PeerTls {
            rules,
            client: Arc::new(client),
            verifier,
            client_names,
        })
    }

    pub fn verify(&self) -> Verify {
        self.rules.verify
    }

    /// How many roots the peer's certificate may be of; `None` if they are not looked at.
    pub fn roots(&self) -> Option<usize> {
        let looks_at_roots = matches!(self.rules.verify, Verify::Strict | Verify::Wildcard);
        looks_at_roots.then(|| self.rules.roots.len())
    }

    /// What we prove ourselves with.
    pub fn certificate(&self) -> Option<&CertifiedKey> {
        self.rules.certificate.as_deref()
    }

    /// Whether a peer that connects to us must prove to be of this trunk.
    pub fn asks_for_client_names(&self) -> bool {
        !self.client_names.is_empty()
    }

    /// Whether the certificates that a client has shown, which the listener has verified, are this
    /// trunk's: for one of its names, and of its own roots if it has some.
    pub(in crate::transport) fn is_proven_by(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return false;
        };
        let verify = match self.rules.verify {
            Verify::Strict => Verify::Strict,
            Verify::Wildcard | Verify::Pin | Verify::Off => Verify::Wildcard,
        };
        let is_named = self
            .client_names
            .iter()
            .any(|name| identity::is_for(end_entity, name, verify).unwrap_or(false));
        let own_roots = self.rules.client_roots.as_ref();
        is_named && own_roots.is_none_or(|roots| is_of(roots, end_entity, intermediates))
    }

    /// Whether the peer that has shown these certificates when it connected to us, and the listener has
    /// verified, is who we would connect to at `host` (RFC 5923): for the names, of the roots and with the
    /// keys that we would ask for then. Nobody is, where we would not ask.
    pub(in crate::transport) fn is_reached_by(
        &self,
        chain: &[CertificateDer<'_>],
        host: &Host,
    ) -> bool {
        let Ok(name) = self.name_for(host) else {
            return false;
        };
        let may_be_caller = !self.asks_for_client_names() || self.is_proven_by(chain);
        may_be_caller && self.verifier.is_met_by_caller(chain, &name)
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

/// Whether a client's certificate is of one of these roots.
pub(super) fn is_of(
    roots: &RootCertStore,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> bool {
    let algorithms = ring::default_provider().signature_verification_algorithms;
    EndEntityCert::try_from(end_entity).is_ok_and(|certificate| {
        certificate
            .verify_for_usage(
                algorithms.all,
                &roots.roots,
                intermediates,
                UnixTime::now(),
                KeyUsage::client_auth(),
                None,
                None,
            )
            .is_ok()
    })
}

/// Whether a connection that was made by one is as good as one made by the other.
impl PartialEq for PeerTls {
    fn eq(&self, other: &PeerTls) -> bool {
        let (ours, theirs) = (&self.rules, &other.rules);
        let shown = |rules: &Rules| rules.certificate.as_ref().map(|key| key.cert.clone());
        ours.verify == theirs.verify
            && ours.roots.roots == theirs.roots.roots
            && ours.pins == theirs.pins
            && ours.server_name == theirs.server_name
            && ours.domain == theirs.domain
            && ours.only_tls13 == theirs.only_tls13
            && shown(ours) == shown(theirs)
    }
}
