//! PEM files: certificate chains, private keys, bundles of roots.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::error::Fault;

/// The chain and the key that a listener proves itself with; the key must be the certificate's.
pub(super) fn certified_key(
    certificate_key: &str,
    certificate: &Path,
    key_key: &str,
    key: &Path,
) -> Result<CertifiedKey, Fault> {
    let chain = chain(certificate_key, certificate)?;
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| Fault::new(key_key, in_words(key, "private key", &error)))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let problem = format!(
                "{} is not the key of {}",
                key.display(),
                certificate.display()
            );
            Fault::new(
                key_key,
                format!("{problem}; expected the private key of that certificate"),
            )
        }
        rustls::Error::InvalidCertificate(_) => Fault::new(
            certificate_key,
            format!(
                "{} holds no valid certificate: {error}",
                certificate.display()
            ),
        ),
        _ => Fault::new(
            key_key,
            format!("{} holds no usable private key: {error}", key.display()),
        ),
    })
}

/// Every root of a bundle; one that cannot be read is a fault, not a gap.
pub(super) fn roots(key: &str, path: &Path) -> Result<Arc<RootCertStore>, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(key, path)? {
        roots.add(certificate).map_err(|error| {
            Fault::new(
                key,
                format!(
                    "{} holds a root that cannot be used: {error}",
                    path.display()
                ),
            )
        })?;
    }
    Ok(Arc::new(roots))
}

fn chain(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let fault = |error: &pem::Error| Fault::new(key, in_words(path, "certificate", error));
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(|error| fault(&error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault(&error))?;
    if certificates.is_empty() {
        return Err(fault(&pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

fn in_words(path: &Path, what: &str, error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => format!("{} cannot be read: {error}", path.display()),
        pem::Error::NoItemsFound => format!("{} holds no {what}; expected PEM", path.display()),
        error => format!("{} is not PEM: {error}", path.display()),
    }
}
