//! How a trunk's TLS peers are checked, and what they are shown (SEC-4).

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use sip_core::trunk::{SecureMode, Trunk};

use super::error::Fault;
use super::settings::{at, optional};
use super::trunk::Resolver;
use super::{certificates, value};
use crate::transport::tls::{self, PeerTls, Pin, Rules, Verify};

impl Resolver<'_> {
    pub(super) fn peer_tls(
        &self,
        trunk: &Trunk,
        warnings: &mut Vec<String>,
    ) -> Result<Option<PeerTls>, Fault> {
        let section = self.section;
        let verify = self.choice(
            "verify",
            &section.verify,
            &[
                ("strict", Verify::Strict),
                ("wildcard", Verify::Wildcard),
                ("pin", Verify::Pin),
                ("off", Verify::Off),
            ],
        )?;
        if trunk.mode == SecureMode::Disabled {
            return match self.first_tls_field() {
                Some(field) => {
                    let problem = "is only for secure = \"tls\" or \"srtp\"";
                    Err(Fault::new(self.at(field), problem))
                }
                None => Ok(None),
            };
        }
        let client_roots = match &section.ca {
            Some(path) => Some(certificates::roots(&self.at("ca"), Path::new(path))?),
            None => None,
        };
        let rules = Rules {
            verify,
            roots: self.roots(client_roots.as_ref(), trunk, verify)?,
            pins: self.pins(verify)?,
            server_name: optional(&section.server_name, value::domain)
                .map_err(at(self.at("server_name")))?,
            domain: trunk.origination.first().map(|target| target.host.clone()),
            certificate: self.client_certificate(warnings)?,
            client_names: self.client_names(trunk)?,
            client_roots,
            only_tls13: self.tls.only_tls13,
        };
        let field = if rules.server_name.is_some() {
            "server_name"
        } else {
            "destination"
        };
        PeerTls::new(rules, self.tls.key_log())
            .map(Some)
            .map_err(|error| Fault::new(self.at(field), error.to_string()))
    }

    fn first_tls_field(&self) -> Option<&'static str> {
        let section = self.section;
        [
            ("verify", section.verify.is_some()),
            ("ca", section.ca.is_some()),
            ("server_name", section.server_name.is_some()),
            ("pins", !section.pins.is_empty()),
            ("client_certificate", section.client_certificate.is_some()),
            ("client_key", section.client_key.is_some()),
            ("client_names", !section.client_names.is_empty()),
            (
                "server_name_mismatch",
                section.server_name_mismatch.is_some(),
            ),
        ]
        .into_iter()
        .find_map(|(field, is_given)| is_given.then_some(field))
    }

    fn pins(&self, verify: Verify) -> Result<Vec<Pin>, Fault> {
        let pins = &self.section.pins;
        match (verify, pins.is_empty()) {
            (Verify::Pin, true) => Err(Fault::new(
                self.at("pins"),
                "missing; verify = \"pin\" needs the SHA-256 of the peer's public key",
            )),
            (Verify::Pin, false) | (_, true) => self.each("pins", pins, Pin::parse),
            (_, false) => Err(Fault::new(self.at("pins"), "is only for verify = \"pin\"")),
        }
    }

    /// What we show to the trunk's peers when they ask for a certificate.
    fn client_certificate(
        &self,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Arc<CertifiedKey>>, Fault> {
        let keys = [self.at("client_certificate"), self.at("client_key")];
        let [certificate_key, key_key] = &keys;
        let missing = |key: &str| Fault::new(key, "missing; a certificate and its key go together");
        let (certificate, key) = match (&self.section.client_certificate, &self.section.client_key)
        {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (Path::new(certificate), Path::new(key)),
            (Some(_), None) => return Err(missing(key_key)),
            (None, Some(_)) => return Err(missing(certificate_key)),
        };
        let certified = certificates::certified_key(certificate_key, certificate, key_key, key)?;
        let roots = self.tls.roots.as_deref();
        for complaint in tls::complaints(&certified.cert, roots, SystemTime::now()) {
            let file = certificate.display();
            warnings.push(format!("{certificate_key} ({file}): {complaint}"));
        }
        Ok(Some(Arc::new(certified)))
    }

    /// Names that are asked for must be shown somewhere: by a listener of the trunk's realm that
    /// asks for certificates.
    fn client_names(&self, trunk: &Trunk) -> Result<Vec<String>, Fault> {
        let names = self.each("client_names", &self.section.client_names, value::domain)?;
        let asks = self.listeners.iter().any(|listener| {
            listener.listener.realm == trunk.realm && listener.asks_for_certificates
        });
        if !names.is_empty() && !asks {
            let problem = "no TLS listener of the trunk's realm asks for certificates; expected one with client_ca";
            return Err(Fault::new(self.at("client_names"), problem));
        }
        Ok(names)
    }

    fn roots(
        &self,
        own: Option<&Arc<RootCertStore>>,
        trunk: &Trunk,
        verify: Verify,
    ) -> Result<Arc<RootCertStore>, Fault> {
        let looks_at_roots = matches!(verify, Verify::Strict | Verify::Wildcard);
        match (own, &self.tls.roots) {
            (Some(roots), _) => Ok(Arc::clone(roots)),
            (None, Some(roots)) => Ok(Arc::clone(roots)),
            (None, None) if looks_at_roots && trunk.origination.has_targets() => {
                let problem = "missing; the peer's certificate cannot be checked without a CA bundle (here or in tls.ca)";
                Err(Fault::new(self.at("ca"), problem))
            }
            // Nobody is connected to, unless an accepted connection breaks: then nobody is trusted.
            (None, None) => Ok(Arc::new(RootCertStore::empty())),
        }
    }
}
