//! What a certificate says of itself, for people (RFC 5280 section 4.1): its names, who issued it
//! and how long it is valid. Nothing here decides whom to trust.
//!
//! ```text
//! Certificate    SEQUENCE { tbsCertificate, signatureAlgorithm, signature }
//! tbsCertificate SEQUENCE { [0] version?, serialNumber, signature, issuer,
//!                           validity SEQUENCE { notBefore, notAfter }, subject, ... }
//! Name           SEQUENCE OF SET OF SEQUENCE { type, value }
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::clock::days_since_epoch;

const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// id-at-organizationName, 2.5.4.10.
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// From when until when a certificate is valid (section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

/// `None` if the certificate cannot be read.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let mut certificate = Der(Der(certificate).expect(SEQUENCE)?);
    let mut tbs = Der(certificate.expect(SEQUENCE)?);
    if tbs.next()?.0 == VERSION {
        tbs.expect(INTEGER)?;
    }
    let _signature_algorithm = tbs.expect(SEQUENCE)?;
    let _issuer = tbs.expect(SEQUENCE)?;
    let mut validity = Der(tbs.expect(SEQUENCE)?);
    Some(Validity {
        not_before: time(validity.next()?)?,
        not_after: time(validity.next()?)?,
    })
}

/// The names that a certificate is for: DNS names and URIs of subjectAltName, else the common name
/// of its subject, which no check looks at, but a reader recognises.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let mut names: Vec<String> = certificate
        .valid_dns_names()
        .chain(certificate.valid_uri_names())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        names.extend(name(certificate.subject()));
    }
    names
}

/// The common name, or the organization, in a Name without its outer SEQUENCE.
pub(super) fn name(name: &[u8]) -> Option<String> {
    attribute(name, COMMON_NAME).or_else(|| attribute(name, ORGANIZATION))
}

fn attribute(name: &[u8], wanted: &[u8]) -> Option<String> {
    let mut sets = Der(name);
    while let Some(set) = sets.expect(SET) {
        let mut attributes = Der(set);
        while let Some(attribute) = attributes.expect(SEQUENCE) {
            let mut attribute = Der(attribute);
            if attribute.expect(OBJECT_IDENTIFIER)? == wanted {
                let (_, value) = attribute.next()?;
                return Some(String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    None
}

/// Section 4.1.2.5: `YYMMDDHHMMSSZ` of 1950 to 2049, or `YYYYMMDDHHMMSSZ`. What lies before 1970
/// is told as its beginning.
fn time((tag, text): (u8, &[u8])) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (year + if year >= 50 { 1900 } else { 2000 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |at: usize| rest.get(at..at + 2).and_then(number);
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_since_epoch(year, month, day).unwrap_or(0);
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// The rest of a sequence of DER elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element's tag and contents; `None` at the end, or if it is cut off.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }

    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next()
            .filter(|(tag, _)| *tag == wanted)
            .map(|(_, contents)| contents)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn unix(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn validity_and_names_are_those_that_were_issued() {
        let mut params = CertificateParams::new(vec!["edge.example.com".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2024, 2, 29);
        params.not_after = date_time_ymd(2060, 1, 2);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expected = Validity {
            not_before: unix(1_709_164_800),
            not_after: unix(2_840_227_200),
        };
        assert_eq!(validity(certificate.der()), Some(expected));
        assert_eq!(names(certificate.der()), ["edge.example.com"]);
    }

    #[test]
    fn a_certificate_without_names_is_told_by_its_subject() {
        for kind in [DnType::CommonName, DnType::OrganizationName] {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::CountryName, "Utopia");
            params.distinguished_name.push(kind, "Example Carrier");
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(names(certificate.der()), ["Example Carrier"]);
        }
    }

    #[test]
    fn times_are_those_of_rfc_5280() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (GENERALIZED_TIME, "20240301000001Z", Some(1_709_251_201)),
            // Section 4.1.2.5: no date of expiration is known.
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20241301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100000é", None),
            (UTC_TIME, "+10101000000Z", None),
            (INTEGER, "700101000000Z", None),
        ] {
            assert_eq!(time((tag, text.as_bytes())), expected.map(unix), "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_anywhere_is_nothing() {
        let params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let whole = certificate.der().as_ref();
        for length in 0..whole.len() {
            let cut = CertificateDer::from(whole[..length].to_vec());
            assert_eq!(validity(&cut), None);
            assert_eq!(names(&cut), Vec::<String>::new());
            let _ = name(&whole[whole.len() - length..]);
        }
    }
}
