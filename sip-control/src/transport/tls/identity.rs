//! Is this certificate for this domain (RFC 5922)?
//!
//! Names come from subjectAltName alone: `sip:` URIs, and only without them DNS names
//! (RFC 5922 section 7.1). The common name is not looked at.

use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use super::Verify;

/// Whether the end entity proves to be `name`. Says nothing of the chain.
pub(super) fn is_for(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    verify: Verify,
) -> Result<bool, webpki::Error> {
    let certificate = EndEntityCert::try_from(certificate)?;
    let ServerName::DnsName(domain) = name else {
        return Ok(certificate.verify_is_valid_for_subject_name(name).is_ok());
    };
    let domain = domain.as_ref().trim_end_matches('.');
    let mut sip_domains = certificate
        .valid_uri_names()
        .filter_map(sip_domain)
        .peekable();
    if sip_domains.peek().is_some() {
        return Ok(sip_domains.any(|presented| presented.eq_ignore_ascii_case(domain)));
    }
    let exact = || {
        certificate
            .valid_dns_names()
            .any(|presented| presented.eq_ignore_ascii_case(domain))
    };
    Ok(match verify {
        Verify::Off | Verify::Pin => true,
        // RFC 5922 section 7.2: no wildcard matching.
        Verify::Strict => exact(),
        Verify::Wildcard => certificate.verify_is_valid_for_subject_name(name).is_ok(),
    })
}

/// The domain of a `sip:` URI that is an identity: a URI with a user names somebody else
/// (RFC 5922 section 7.1).
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    if !scheme.eq_ignore_ascii_case("sip") || rest.contains('@') {
        return None;
    }
    rest.split([';', '?', ':'])
        .next()
        .filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn uri(uri: &str) -> SanType {
        SanType::URI(uri.try_into().unwrap())
    }

    fn certificate(names: Vec<SanType>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "common.example.com");
        params.subject_alt_names = names;
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn names_match_as_the_mode_says() {
        let address = || SanType::IpAddress([192, 0, 2, 1].into());
        let cases = [
            // description, names, asked for, strict, wildcard
            (
                "an exact name",
                vec![dns("sip.example.com")],
                "sip.example.com",
                true,
                true,
            ),
            (
                "another case",
                vec![dns("SIP.Example.com")],
                "sip.example.COM",
                true,
                true,
            ),
            (
                "another name",
                vec![dns("sip.example.com")],
                "sip2.example.com",
                false,
                false,
            ),
            (
                "a wildcard for one label",
                vec![dns("*.sip.example.com")],
                "a.sip.example.com",
                false,
                true,
            ),
            (
                "a wildcard for two labels",
                vec![dns("*.sip.example.com")],
                "a.b.sip.example.com",
                false,
                false,
            ),
            (
                "a wildcard for none",
                vec![dns("*.sip.example.com")],
                "sip.example.com",
                false,
                false,
            ),
            (
                "one of several",
                vec![dns("a.example"), dns("b.example")],
                "b.example",
                true,
                true,
            ),
            (
                "a SIP URI",
                vec![uri("sip:example.com")],
                "example.com",
                true,
                true,
            ),
            (
                "a SIP URI that is another's",
                vec![uri("sip:example.org")],
                "example.com",
                false,
                false,
            ),
            (
                "a SIP URI, so DNS names do not count",
                vec![uri("sip:example.org"), dns("example.com")],
                "example.com",
                false,
                false,
            ),
            (
                "a SIP URI with a user is no identity",
                vec![uri("sip:bob@example.org"), dns("example.com")],
                "example.com",
                true,
                true,
            ),
            (
                "a URI of another scheme",
                vec![uri("https://example.com"), dns("example.com")],
                "example.com",
                true,
                true,
            ),
            (
                "the common name does not count",
                vec![dns("other.example.com")],
                "common.example.com",
                false,
                false,
            ),
            ("no name at all", vec![], "common.example.com", false, false),
            ("an address", vec![address()], "192.0.2.1", true, true),
            (
                "another address",
                vec![address()],
                "192.0.2.2",
                false,
                false,
            ),
            (
                "an address is not a name",
                vec![dns("sip.example.com")],
                "192.0.2.1",
                false,
                false,
            ),
        ];
        for (description, names, asked, strict, wildcard) in cases {
            let certificate = certificate(names);
            let name = ServerName::try_from(asked).unwrap();
            assert_eq!(
                is_for(&certificate, &name, Verify::Strict).unwrap(),
                strict,
                "{description}, strict"
            );
            assert_eq!(
                is_for(&certificate, &name, Verify::Wildcard).unwrap(),
                wildcard,
                "{description}, wildcard"
            );
        }
    }
}
