//! A certificate authority for one run, and the credentials that it gives.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A throw-away certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Certificate and key of one host, as PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// What an agent presents and trusts.
pub struct Credentials {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Authority {
    pub fn new() -> Result<Authority> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Trunkline lab authority");
        Ok(Authority {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    /// The authority's own certificate, PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for names and addresses.
    pub fn issue(&self, names: &[&str], addresses: &[IpAddr]) -> Result<Identity> {
        let mut params = CertificateParams::new(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )?;
        params
            .subject_alt_names
            .extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate: certificate.pem() + &self.certificate(),
            key: key.serialize_pem(),
        })
    }

    /// Credentials for an agent: its certificate, and trust in this authority only.
    pub fn credentials(&self, addresses: &[IpAddr]) -> Result<Arc<Credentials>> {
        let identity = self.issue(&[], addresses)?;
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        Ok(Arc::new(Credentials {
            server: Arc::new(
                ServerConfig::builder()
                    .with_no_client_auth()
                    .with_single_cert(chain, key)?,
            ),
            client: Arc::new(
                ClientConfig::builder()
                    .with_root_certificates(roots)
                    .with_no_client_auth(),
            ),
        }))
    }
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key` into `directory`; returns the two paths.
    pub fn write(&self, directory: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (
            directory.join(format!("{name}.crt")),
            directory.join(format!("{name}.key")),
        );
        std::fs::write(&certificate, &self.certificate)
            .with_context(|| format!("writing {}", certificate.display()))?;
        std::fs::write(&key, &self.key).with_context(|| format!("writing {}", key.display()))?;
        Ok((certificate, key))
    }
}

impl Credentials {
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.client)
    }
}
