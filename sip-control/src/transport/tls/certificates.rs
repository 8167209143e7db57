//! Which certificate a listener proves itself with: by the name that the client asks for
//! (RFC 6066 section 3), and of several for one name by what the client can verify.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::x509;

/// The certificates of a listener; the first is the default, for clients that ask for no name or
/// for one that none is for.
#[derive(Debug)]
pub struct ServerCertificates(Vec<Candidate>);

#[derive(Debug)]
struct Candidate {
    /// In lower case; `*.` stands for one label.
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl ServerCertificates {
    pub fn new(keys: Vec<CertifiedKey>) -> ServerCertificates {
        let candidate = |key: CertifiedKey| Candidate {
            names: key.cert.first().map_or_else(Vec::new, dns_names),
            key: Arc::new(key),
        };
        ServerCertificates(keys.into_iter().map(candidate).collect())
    }

    /// The one that fits best by name. Among several for the same name the client's order of
    /// signature schemes decides, so that who prefers ECDSA gets it and who only knows RSA can
    /// connect, too.
    fn choose(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let any_label = name.as_deref().and_then(|name| name.split_once('.'));
        let any_label = any_label.map(|(_, domain)| format!("*.{domain}"));
        let named = |wanted: &Option<String>| -> Vec<&Candidate> {
            let has_name = |candidate: &&Candidate| {
                wanted
                    .as_ref()
                    .is_some_and(|name| candidate.names.contains(name))
            };
            self.0.iter().filter(has_name).collect()
        };
        [named(&name), named(&any_label), self.defaults()]
            .iter()
            .find_map(|candidates| preferred(candidates, schemes))
    }

    /// The first, and what else is for a name of the first: the same identity under another key.
    fn defaults(&self) -> Vec<&Candidate> {
        let Some(first) = self.0.first() else {
            return Vec::new();
        };
        let others = self.0.iter().skip(1);
        let same = |other: &&Candidate| other.names.iter().any(|name| first.names.contains(name));
        std::iter::once(first).chain(others.filter(same)).collect()
    }
}

fn preferred<'a>(
    candidates: &[&'a Candidate],
    schemes: &[SignatureScheme],
) -> Option<&'a Arc<CertifiedKey>> {
    schemes.iter().find_map(|scheme| {
        candidates
            .iter()
            .map(|candidate| &candidate.key)
            .find(|key| key.key.choose_scheme(&[*scheme]).is_some())
    })
}

impl ResolvesServerCert for ServerCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
            .cloned()
    }
}

fn dns_names(certificate: &CertificateDer<'_>) -> Vec<String> {
    match EndEntityCert::try_from(certificate) {
        Ok(certificate) => certificate
            .valid_dns_names()
            .map(str::to_ascii_lowercase)
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// A certificate that we show to peers, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Who uses it: `listener public-tls`, `trunk carrier`.
    pub used_by: String,
    pub names: Vec<String>,
    /// `RSA`, `ECDSA`, `ED25519`.
    pub key: String,
    /// `None` if it cannot be read.
    pub not_after: Option<SystemTime>,
}

impl CertificateFacts {
    pub fn of(used_by: String, certified: &CertifiedKey) -> CertificateFacts {
        let leaf = certified.cert.first();
        let key = match certified.key.algorithm() {
            SignatureAlgorithm::RSA => "RSA".to_owned(),
            SignatureAlgorithm::ECDSA => "ECDSA".to_owned(),
            other => format!("{other:?}"),
        };
        CertificateFacts {
            used_by,
            names: leaf.map_or_else(Vec::new, x509::names),
            key,
            not_after: leaf.and_then(x509::validity).map(|valid| valid.not_after),
        }
    }
}

/// What peers may stumble over in a chain of ours, in words: a missing intermediate certificate, the
/// wrong order (RFC 5246 section 7.4.2), dates.
///
/// Peers need not have our roots, and we need not have those that they trust: so these are warnings.
pub fn complaints(
    chain: &[CertificateDer<'_>],
    roots: Option<&RootCertStore>,
    now: SystemTime,
) -> Vec<String> {
    let parsed: Vec<EndEntityCert<'_>> = chain
        .iter()
        .filter_map(|certificate| EndEntityCert::try_from(certificate).ok())
        .collect();
    let mut complaints = Vec::new();
    for pair in parsed.windows(2) {
        if pair[0].issuer() != pair[1].subject() {
            complaints.push(format!(
                "the chain is out of order or has a gap: {} is issued by {}, but {} follows",
                name(pair[0].subject()),
                name(pair[0].issuer()),
                name(pair[1].subject()),
            ));
        }
    }
    if let Some(last) = parsed.last() {
        let is_root = |roots: &RootCertStore| {
            let mut anchors = roots.roots.iter();
            anchors.any(|anchor| anchor.subject.as_ref() == last.issuer())
        };
        if last.issuer() != last.subject() && !roots.is_some_and(is_root) {
            complaints.push(format!(
                "the chain is incomplete: {} is issued by {}, which is neither in the file nor a root of tls.ca; \
                 peers may refuse it",
                name(last.subject()),
                name(last.issuer()),
            ));
        }
    }
    for certificate in chain {
        complaints.extend(date_complaint(certificate, now));
    }
    complaints
}

/// Within this many days of its end a certificate is warned of.
const SOON_DAYS: u64 = 21;

fn date_complaint(certificate: &CertificateDer<'_>, now: SystemTime) -> Option<String> {
    let valid = x509::validity(certificate)?;
    let what = x509::names(certificate).join(", ");
    if now < valid.not_before {
        return Some(format!("the certificate of {what} is not valid yet"));
    }
    match valid.not_after.duration_since(now) {
        Err(_) => Some(format!("the certificate of {what} has expired")),
        Ok(left) if left.as_secs() < SOON_DAYS * 86_400 => {
            let days = left.as_secs() / 86_400;
            Some(format!(
                "the certificate of {what} expires in {days} day{}",
                if days == 1 { "" } else { "s" }
            ))
        }
        Ok(_) => None,
    }
}

fn name(name: &[u8]) -> String {
    x509::name(name).unwrap_or_else(|| "an unnamed subject".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::crypto::ring;
    use rustls_pki_types::PrivateKeyDer;

    use super::*;

    const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;
    const EDDSA: SignatureScheme = SignatureScheme::ED25519;

    /// rcgen makes no RSA keys: Ed25519 stands for the other kind.
    fn certified(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> CertifiedKey {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        CertifiedKey::from_der(
            vec![certificate.der().clone()],
            private,
            &ring::default_provider(),
        )
        .unwrap()
    }

    #[test]
    fn sec_4_a_certificate_is_chosen_by_name_and_then_by_what_the_client_prefers() {
        let (ec, ed) = (&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519);
        let certificates = ServerCertificates::new(vec![
            certified(&["edge.example.com"], ec),
            certified(&["edge.example.com"], ed),
            certified(&["*.sip.example.com"], ec),
            certified(&["A.sip.example.com"], ed),
        ]);
        let index = |name, schemes: &[SignatureScheme]| {
            let chosen = certificates.choose(name, schemes)?;
            let of = |candidate: &Candidate| Arc::ptr_eq(&candidate.key, chosen);
            certificates.0.iter().position(of)
        };
        for (name, schemes, expected) in [
            (Some("edge.example.com"), &[ECDSA, EDDSA][..], Some(0)),
            (Some("edge.example.com"), &[EDDSA, ECDSA], Some(1)),
            (Some("edge.example.com"), &[EDDSA], Some(1)),
            (Some("EDGE.example.com."), &[ECDSA], Some(0)),
            (Some("b.sip.example.com"), &[EDDSA, ECDSA], Some(2)),
            // The exact name before the wildcard, unless the client cannot verify it.
            (Some("a.sip.example.com"), &[ECDSA, EDDSA], Some(3)),
            (Some("a.sip.example.com"), &[ECDSA], Some(2)),
            // One label only.
            (Some("b.a.sip.example.com"), &[ECDSA], Some(0)),
            (Some("sip.example.com"), &[ECDSA], Some(0)),
            (Some("elsewhere.example"), &[EDDSA], Some(1)),
            (None, &[EDDSA, ECDSA], Some(1)),
            (None, &[ECDSA], Some(0)),
            (None, &[SignatureScheme::RSA_PSS_SHA256], None),
        ] {
            assert_eq!(index(name, schemes), expected, "{name:?} {schemes:?}");
        }
    }

    fn authority(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    #[test]
    fn sec_4_a_chain_that_peers_may_stumble_over_is_told() {
        let root_key = KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority("The Root"), root_key).unwrap();
        let middle_key = KeyPair::generate().unwrap();
        let middle =
            CertifiedIssuer::signed_by(authority("The Middle"), middle_key, &root).unwrap();
        let mut leaf = CertificateParams::new(vec!["edge.example.com".to_owned()]).unwrap();
        leaf.not_before = date_time_ymd(2024, 1, 1);
        leaf.not_after = date_time_ymd(2024, 3, 1);
        leaf.distinguished_name.push(DnType::CommonName, "The Leaf");
        let leaf = leaf
            .signed_by(&KeyPair::generate().unwrap(), &middle)
            .unwrap();
        let [leaf, middle, root] = [leaf.der(), middle.der(), root.der()];
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        // 1 February 2024, and a day in front of the end.
        let fine = SystemTime::UNIX_EPOCH + Duration::from_secs(1_706_745_600);
        let late = fine + Duration::from_secs(28 * 86_400);
        for (description, chain, roots, now, expected) in [
            ("complete", vec![leaf, middle], Some(&roots), fine, vec![]),
            (
                "with the root",
                vec![leaf, middle, root],
                None,
                fine,
                vec![],
            ),
            (
                "without the intermediate",
                vec![leaf],
                Some(&roots),
                fine,
                vec!["The Leaf is issued by The Middle, which is neither"],
            ),
            (
                "of an unknown root",
                vec![leaf, middle],
                None,
                fine,
                vec!["The Middle is issued by The Root, which is neither"],
            ),
            (
                "a gap",
                vec![leaf, root],
                Some(&roots),
                fine,
                vec!["is issued by The Middle, but The Root follows"],
            ),
            (
                "soon over",
                vec![leaf, middle],
                Some(&roots),
                late,
                vec!["edge.example.com expires in 1 day"],
            ),
            (
                "over",
                vec![leaf, middle],
                Some(&roots),
                late + Duration::from_secs(2 * 86_400),
                vec!["edge.example.com has expired"],
            ),
            (
                "not yet valid",
                vec![leaf, middle],
                Some(&roots),
                fine - Duration::from_secs(60 * 86_400),
                vec!["edge.example.com is not valid yet"],
            ),
        ] {
            let chain: Vec<CertificateDer<'_>> = chain.into_iter().cloned().collect();
            let complaints = complaints(&chain, roots, now);
            assert_eq!(
                complaints.len(),
                expected.len(),
                "{description}: {complaints:?}"
            );
            for (complaint, expected) in complaints.iter().zip(expected) {
                assert!(complaint.contains(expected), "{description}: {complaint}");
            }
        }
    }
}
