//! Checks the certificate of a peer that we connect to.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::peer::{Rules, is_of};
use super::pin::Pin;
use super::{Verify, identity};

/// Chain by webpki and name by RFC 5922, or the key itself.
#[derive(Debug)]
pub(super) struct PeerVerifier {
    verify: Verify,
    roots: Arc<RootCertStore>,
    pins: Vec<Pin>,
    /// What the trunk is called, whatever host is connected to.
    own_name: Option<ServerName<'static>>,
    /// The operator named it: no other name will do.
    only_own_name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    pub(super) fn new(
        rules: &Rules,
        own_name: Option<ServerName<'static>>,
        provider: &CryptoProvider,
    ) -> PeerVerifier {
        PeerVerifier {
            verify: rules.verify,
            roots: Arc::clone(&rules.roots),
            pins: rules.pins.clone(),
            own_name,
            only_own_name: rules.server_name.is_some(),
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// The key is all that is asked for: neither who signed the certificate, nor its names and dates.
    fn check_pin(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let pin = Pin::of(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.pins.contains(&pin) {
            return Ok(());
        }
        Err(Error::General(format!(
            "the peer's key is {pin}, which is not among the trunk's pins"
        )))
    }

    /// Whether who connected to us with these certificates would do as the server of that name.
    pub(super) fn is_met_by_caller(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> bool {
        let Some((end_entity, intermediates)) = chain.split_first() else {
            return false;
        };
        match self.verify {
            Verify::Off => false,
            Verify::Pin => self.check_pin(end_entity).is_ok(),
            Verify::Strict | Verify::Wildcard => {
                is_of(&self.roots, end_entity, intermediates)
                    && self.check_name(end_entity, name).is_ok()
            }
        }
    }

    fn check_name(
        &self,
        certificate: &CertificateDer<'_>,
        connected_to: &ServerName<'_>,
    ) -> Result<(), Error> {
        let connected_to = (!self.only_own_name).then_some(connected_to);
        for name in connected_to.into_iter().chain(&self.own_name) {
            let matches = identity::is_for(certificate, name, self.verify)
                .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
            if matches {
                return Ok(());
            }
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.verify {
            Verify::Off => return Ok(ServerCertVerified::assertion()),
            Verify::Pin => {
                self.check_pin(end_entity)?;
                return Ok(ServerCertVerified::assertion());
            }
            Verify::Strict | Verify::Wildcard => {}
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        self.check_name(end_entity, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    // The peer must own the key of its certificate in every mode.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
