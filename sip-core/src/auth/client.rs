//! We are challenged, and answer: RFC 3261 section 22.2 and 22.3, RFC 7616 section 3.4.

use std::fmt;

use rand_core::RngCore;
use zeroize::Zeroizing;

use super::digest::{Algorithm, Counted, Ha1, Proof};
use super::params::{DigestParams, quoted};
use crate::message::{HeaderName, Method, Response, StatusCode, token};

/// What a trunk's peer knows us by.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    user: String,
    password: Zeroizing<String>,
}

impl Password {
    pub fn new(user: &str, password: &str) -> Password {
        Password {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        }
    }

    pub fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Password({:?}, ..)", self.user)
    }
}

/// A challenge that we can answer, and how often we have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    algorithm: Algorithm,
    opaque: Option<String>,
    /// `qop=auth` is offered.
    counted: bool,
    stale: bool,
    count: u32,
}

impl Challenge {
    /// `None` if it is not Digest, or of an algorithm or a quality of protection that we do not have.
    pub fn parse(value: &[u8]) -> Option<Challenge> {
        let params = DigestParams::parse(value)?;
        let algorithm = match params.get("algorithm") {
            Some(token) => Algorithm::from_token(token)?,
            None => Algorithm::Md5,
        };
        let counted = match params.get("qop") {
            Some(offered) => {
                let mut offered = offered.split(',').map(str::trim);
                offered
                    .any(|qop| qop.eq_ignore_ascii_case("auth"))
                    .then_some(true)?
            }
            // A server of RFC 2069 (RFC 3261 section 22.4, item 8).
            None => false,
        };
        let flag = |name| {
            params
                .get(name)
                .is_some_and(|v| v.eq_ignore_ascii_case("true"))
        };
        Some(Challenge {
            realm: params.get("realm")?.to_owned(),
            nonce: params.get("nonce")?.to_owned(),
            algorithm,
            opaque: params.get("opaque").map(str::to_owned),
            counted,
            stale: flag("stale"),
            count: 0,
        })
    }

    /// The value of the header that answers it, with the next count.
    pub fn answer(
        &mut self,
        password: &Password,
        method: &Method,
        uri: &str,
        rng: &mut (impl RngCore + ?Sized),
    ) -> String {
        self.count = self.count.saturating_add(1);
        let nc = format!("{:08x}", self.count);
        let cnonce = token(rng, CNONCE_BYTES);
        let proof = Proof {
            method: method.as_str(),
            uri,
            nonce: &self.nonce,
            counted: self.counted.then_some(Counted {
                nc: &nc,
                cnonce: &cnonce,
            }),
        };
        let user = &password.user;
        let ha1 = Ha1::of_password(self.algorithm, user, &self.realm, &password.password);
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            quoted(user),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(uri),
            ha1.response(&proof),
            self.algorithm.token(),
        );
        if self.counted {
            value.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        value
    }
}

/// The challenges of one peer that we have answered and may answer again without being asked.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By the header that answers, and the realm.
    known: Vec<(HeaderName, Challenge)>,
}

/// Realms that one peer and the proxies before it may have.
const MAX_REALMS: usize = 4;
/// Of randomness in `cnonce`.
const CNONCE_BYTES: usize = 12;

impl Answers {
    /// Takes the challenges of a 401 or 407: whether the request is worth sending again. Not if
    /// there is nothing that we can answer, or if the answer to a challenge for the same realm was
    /// refused: `answered` are the header lines that the request carried.
    ///
    /// Of one realm the strongest algorithm is taken that we have; servers are to list that first
    /// (RFC 8760 section 2.4).
    pub fn learn(&mut self, response: &Response, answered: &[(HeaderName, String)]) -> bool {
        let (asks, answers) = match response.status {
            StatusCode::UNAUTHORIZED => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => (
                HeaderName::ProxyAuthenticate,
                HeaderName::ProxyAuthorization,
            ),
            _ => return false,
        };
        let mut challenges: Vec<Challenge> = Vec::new();
        for challenge in response.headers.values(asks).filter_map(Challenge::parse) {
            let same = challenges
                .iter_mut()
                .find(|known| known.realm == challenge.realm);
            match same {
                Some(known) if challenge.algorithm < known.algorithm => *known = challenge,
                Some(_) => {}
                None => challenges.push(challenge),
            }
        }
        let mut is_new = false;
        for challenge in challenges.into_iter().take(MAX_REALMS) {
            let refused = answered.iter().any(|(name, value)| {
                *name == answers
                    && DigestParams::parse(value.as_bytes())
                        .is_some_and(|params| params.get("realm") == Some(&challenge.realm))
            });
            self.forget(answers, &challenge.realm);
            if refused && !challenge.stale {
                continue;
            }
            is_new = true;
            self.known.truncate(MAX_REALMS - 1);
            self.known.insert(0, (answers, challenge));
        }
        is_new
    }

    /// The header lines for the next request.
    pub fn lines(
        &mut self,
        password: &Password,
        method: &Method,
        uri: &str,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Vec<(HeaderName, String)> {
        let answer = |(name, challenge): &mut (HeaderName, Challenge)| {
            (*name, challenge.answer(password, method, uri, rng))
        };
        self.known.iter_mut().map(answer).collect()
    }

    fn forget(&mut self, name: HeaderName, realm: &str) {
        self.known
            .retain(|(known, challenge)| *known != name || challenge.realm != realm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Request, Uri, response_to};

    struct Zero;
    impl RngCore for Zero {
        fn next_u32(&mut self) -> u32 {
            0
        }
        fn next_u64(&mut self) -> u64 {
            0
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn challenged(status: u16, challenges: &[&str]) -> Response {
        let request = Request::new(Method::Invite, Uri::parse(b"sip:b@c").unwrap());
        let mut response = response_to(&request, StatusCode::new(status).unwrap(), None);
        let name = match status {
            401 => HeaderName::WwwAuthenticate,
            _ => HeaderName::ProxyAuthenticate,
        };
        for challenge in challenges {
            response.headers.push(name, *challenge);
        }
        response
    }

    fn lines(answers: &mut Answers) -> Vec<(HeaderName, String)> {
        answers.lines(
            &Password::new("u", "p"),
            &Method::Invite,
            "sip:b@c",
            &mut Zero,
        )
    }

    const MD5: &str = "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int, auth\", algorithm=MD5";
    const SHA: &str =
        "Digest realm=\"r\", nonce=\"s\", qop=\"auth\", algorithm=SHA-256, opaque=\"\"";

    #[test]
    fn sig_5_the_strongest_algorithm_that_we_have_is_answered() {
        let unknown = "Digest realm=\"r\", nonce=\"x\", qop=\"auth\", algorithm=SHA-512-256";
        for order in [[MD5, unknown, SHA], [SHA, MD5, unknown]] {
            let mut answers = Answers::default();
            assert!(answers.learn(&challenged(401, &order), &[]));
            let lines = lines(&mut answers);
            assert_eq!(lines.len(), 1);
            assert_eq!(lines[0].0, HeaderName::Authorization);
            assert!(lines[0].1.contains("algorithm=SHA-256"), "{}", lines[0].1);
            assert!(lines[0].1.contains("nc=00000001"));
            assert!(lines[0].1.ends_with("opaque=\"\""));
        }
    }

    #[test]
    fn sig_5_what_we_cannot_answer_is_not_answered() {
        for challenge in [
            "Digest realm=\"r\", nonce=\"x\", qop=\"auth-int\"",
            "Digest realm=\"r\", nonce=\"x\", algorithm=AKAv1-MD5",
            "Basic realm=\"r\"",
            "Digest realm=\"r\"",
        ] {
            let mut answers = Answers::default();
            assert!(
                !answers.learn(&challenged(407, &[challenge]), &[]),
                "{challenge}"
            );
        }
        assert!(!Answers::default().learn(&challenged(403, &[MD5]), &[]));
    }

    #[test]
    fn sig_5_a_refused_answer_is_not_repeated_unless_only_its_nonce_was_old() {
        let mut answers = Answers::default();
        assert!(answers.learn(&challenged(407, &[MD5]), &[]));
        let first = lines(&mut answers);
        let second = lines(&mut answers);
        assert!(second[0].1.contains("nc=00000002"), "the count goes on");
        let stale = format!("{}, stale=TRUE", MD5.replace("\"n\"", "\"m\""));
        assert!(answers.learn(&challenged(407, &[&stale]), &first));
        let third = lines(&mut answers);
        assert!(third[0].1.contains("nonce=\"m\"") && third[0].1.contains("nc=00000001"));
        assert!(!answers.learn(&challenged(407, &[MD5]), &third));
        assert!(
            lines(&mut answers).is_empty(),
            "what was refused is not sent again"
        );
        // Another realm on the way is another question.
        assert!(answers.learn(&challenged(401, &[SHA]), &third));
    }

    #[test]
    fn a_server_without_qop_is_answered_in_the_old_form() {
        let mut answers = Answers::default();
        let old = "Digest realm=\"r\", nonce=\"n\"";
        assert!(answers.learn(&challenged(407, &[old]), &[]));
        let line = lines(&mut answers).remove(0).1;
        assert!(!line.contains("qop") && !line.contains("cnonce"), "{line}");
    }

    #[test]
    fn a_password_is_not_shown() {
        let shown = format!("{:?}", Password::new("u", "geheim"));
        assert_eq!(shown, "Password(\"u\", ..)");
    }
}
