//! Pins: the hash of a peer's public key (RFC 7469 section 2.4: SHA-256 over subjectPublicKeyInfo).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The SHA-256 of a public key; no secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// As `openssl` and browsers write it: base64 with or without `sha256/` in front, or 64
    /// hexadecimal digits.
    pub fn parse(text: &str) -> Result<Pin, String> {
        let encoded = text
            .strip_prefix("sha256//")
            .or_else(|| text.strip_prefix("sha256/"))
            .unwrap_or(text);
        let bytes = hexadecimal(encoded).or_else(|| STANDARD.decode(encoded).ok());
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Pin)
            .ok_or_else(|| {
                format!(
                    "{text:?} is not a pin; expected the SHA-256 of a public key, in base64 (44 characters) or hexadecimal (64)"
                )
            })
    }

    /// Of a certificate's key.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Pin, webpki::Error> {
        let certificate = EndEntityCert::try_from(certificate)?;
        let hash = digest(&SHA256, certificate.subject_public_key_info().as_ref());
        Ok(Pin(hash.as_ref().try_into().expect("SHA-256 has 32 bytes")))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_4_a_pin_is_read_in_each_of_its_forms() {
        // The SHA-256 of nothing.
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let pin = Pin::parse(hex).unwrap();
        assert_eq!(pin.to_string(), format!("sha256/{base64}"));
        for same in [
            base64.to_owned(),
            format!("sha256/{base64}"),
            format!("sha256//{base64}"),
            hex.to_ascii_uppercase(),
        ] {
            assert_eq!(Pin::parse(&same), Ok(pin), "{same}");
        }
        for wrong in [
            "",
            "sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            &base64[..43],
            &hex[..62],
            "é",
        ] {
            let problem = Pin::parse(wrong).unwrap_err();
            assert!(problem.contains("is not a pin; expected"), "{problem}");
        }
    }
}
