//! We challenge, and judge the answer: RFC 3261 section 22.1, RFC 7616 sections 3.3 to 3.5.

use std::net::IpAddr;
use std::time::Instant;

use rand_core::RngCore;

use super::credentials::CredentialSet;
use super::digest::{Algorithm, Counted, Proof};
use super::nonce::Nonces;
use super::params::{DigestParams, quoted};
use crate::message::{HeaderName, Headers, Method};

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is that user's.
    Authentic { user: String },
    /// It must be challenged: it brought no credentials for the realm, or ones whose nonce cannot
    /// be used any more, which does not say that they are wrong.
    Challenge { stale: bool },
    /// The credentials are wrong, for a nonce that we gave to that source.
    Wrong { user: String },
}

/// Our side of every realm.
pub(crate) struct Authenticator {
    nonces: Nonces,
}

impl Authenticator {
    pub(crate) fn new(now: Instant, rng: &mut (impl RngCore + ?Sized)) -> Authenticator {
        Authenticator {
            nonces: Nonces::new(now, rng),
        }
    }

    /// The challenges for WWW-Authenticate, one to a line: one per algorithm, the one that we like
    /// best first (RFC 8760 section 2.3).
    pub(crate) fn challenges(
        &self,
        now: Instant,
        set: &CredentialSet,
        source: IpAddr,
        stale: bool,
        rng: &mut (impl RngCore + ?Sized),
    ) -> Vec<String> {
        let nonce = self.nonces.issue(now, set.realm(), source, rng);
        let realm = quoted(set.realm());
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            let algorithm = algorithm.token();
            format!(
                "Digest realm={realm}, nonce=\"{nonce}\", qop=\"auth\", algorithm={algorithm}{stale}"
            )
        };
        set.algorithms().iter().map(challenge).collect()
    }

    /// Judges the credentials of a request from `source`. They may stand in Authorization or in
    /// Proxy-Authorization: clients that take us for a proxy mean the same.
    pub(crate) fn judge(
        &mut self,
        now: Instant,
        set: &CredentialSet,
        source: IpAddr,
        method: &Method,
        headers: &Headers,
    ) -> Verdict {
        let lines = [HeaderName::Authorization, HeaderName::ProxyAuthorization];
        let given = lines
            .into_iter()
            .flat_map(|name| headers.values(name))
            .filter_map(DigestParams::parse)
            .find(|params| params.get("realm") == Some(set.realm()));
        let Some(answer) = given.as_ref().and_then(|params| Answer::of(params, set)) else {
            return Verdict::Challenge { stale: false };
        };
        // Before the response is looked at: else a nonce of no worth would let anybody try
        // passwords without being counted.
        let Ok(id) = self.nonces.check(now, answer.nonce, set.realm(), source) else {
            return Verdict::Challenge { stale: true };
        };
        let user = answer.user.to_owned();
        if !answer.is_right(set, method) {
            return Verdict::Wrong { user };
        }
        match self.nonces.count(now, id, answer.count) {
            Ok(()) => Verdict::Authentic { user },
            // A replay, or a client that counts wrongly, which a new nonce helps.
            Err(_) => Verdict::Challenge { stale: true },
        }
    }
}

/// The answer to a challenge of ours.
struct Answer<'a> {
    algorithm: Algorithm,
    user: &'a str,
    nonce: &'a str,
    uri: &'a str,
    nc: &'a str,
    count: u32,
    cnonce: &'a str,
    response: &'a str,
}

impl<'a> Answer<'a> {
    /// `None` if it answers something else than what we asked: another algorithm, no `qop=auth`.
    fn of(params: &'a DigestParams<'_>, set: &CredentialSet) -> Option<Answer<'a>> {
        let algorithm = match params.get("algorithm") {
            Some(token) => Algorithm::from_token(token)?,
            // RFC 7616 section 3.4: then it is MD5.
            None => Algorithm::Md5,
        };
        let nc = params.get("nc").filter(|nc| nc.len() == 8)?;
        let qop = params.get("qop")?;
        if !set.algorithms().contains(&algorithm) || !qop.eq_ignore_ascii_case("auth") {
            return None;
        }
        Some(Answer {
            algorithm,
            user: params.get("username")?,
            nonce: params.get("nonce")?,
            uri: params.get("uri")?,
            nc,
            count: u32::from_str_radix(nc, 16).ok()?,
            cnonce: params.get("cnonce")?,
            response: params.get("response")?,
        })
    }

    /// The `uri` is taken as it stands: proxies on the way may have changed the Request-URI
    /// (RFC 3261 section 22.4, item 5), and the count already bars a second use.
    fn is_right(&self, set: &CredentialSet, method: &Method) -> bool {
        let proof = Proof {
            method: method.as_str(),
            uri: self.uri,
            nonce: self.nonce,
            counted: Some(Counted {
                nc: self.nc,
                cnonce: self.cnonce,
            }),
        };
        let Some((ha1, exists)) = set.find(self.user, self.algorithm) else {
            return false;
        };
        ha1.proves(&proof, self.response) & exists
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::client::{Challenge, Password};
    use super::super::credentials::Login;
    use super::super::digest::Ha1;
    use super::*;

    struct Counting(u8);
    impl RngCore for Counting {
        fn next_u32(&mut self) -> u32 {
            self.next_u64() as u32
        }
        fn next_u64(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(1);
            u64::from(self.0)
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            self.0 = self.0.wrapping_add(1);
            bytes.fill(self.0);
        }
    }

    const REALM: &str = "office.example.com";

    struct Bench {
        now: Instant,
        rng: Counting,
        server: Authenticator,
        set: CredentialSet,
        source: IpAddr,
    }

    impl Bench {
        fn new() -> Bench {
            let now = Instant::now();
            let mut rng = Counting(0);
            let server = Authenticator::new(now, &mut rng);
            let logins = vec![Login::of_password("alice", REALM, "secret")];
            Bench {
                now,
                rng,
                server,
                set: CredentialSet::new(REALM, logins).unwrap(),
                source: IpAddr::from([192, 0, 2, 1]),
            }
        }

        fn challenges(&mut self) -> Vec<String> {
            self.server
                .challenges(self.now, &self.set, self.source, false, &mut self.rng)
        }

        fn judge(&mut self, line: &str) -> Verdict {
            let mut headers = Headers::new();
            headers.push(HeaderName::Authorization, line);
            let method = Method::Register;
            self.server
                .judge(self.now, &self.set, self.source, &method, &headers)
        }

        fn answer(&mut self, challenge: &str, user: &str, password: &str, nc: u32) -> String {
            let mut challenge = Challenge::parse(challenge.as_bytes()).unwrap();
            let password = Password::new(user, password);
            let mut line = String::new();
            for _ in 0..nc {
                line = challenge.answer(&password, &Method::Register, "sip:x", &mut self.rng);
            }
            line
        }
    }

    #[test]
    fn sig_4_the_client_may_choose_either_algorithm_and_sha_256_is_offered_first() {
        let mut bench = Bench::new();
        let challenges = bench.challenges();
        assert!(challenges[0].ends_with("qop=\"auth\", algorithm=SHA-256"));
        assert!(challenges[1].ends_with("qop=\"auth\", algorithm=MD5"));
        for challenge in challenges {
            // Both challenges have one nonce, so that the second answer must count on.
            let nc = if challenge.contains("MD5") { 2 } else { 1 };
            let line = bench.answer(&challenge, "alice", "secret", nc);
            let user = "alice".to_owned();
            assert_eq!(bench.judge(&line), Verdict::Authentic { user });
        }
    }

    #[test]
    fn a_replay_gets_a_new_nonce_and_nothing_else() {
        let mut bench = Bench::new();
        let challenge = bench.challenges().remove(0);
        let line = bench.answer(&challenge, "alice", "secret", 1);
        assert!(matches!(bench.judge(&line), Verdict::Authentic { .. }));
        assert_eq!(bench.judge(&line), Verdict::Challenge { stale: true });
        let line = bench.answer(&challenge, "alice", "secret", 2);
        assert!(matches!(bench.judge(&line), Verdict::Authentic { .. }));
    }

    #[test]
    fn a_nonce_that_is_old_or_foreign_is_stale_whatever_the_password() {
        let mut bench = Bench::new();
        let challenge = bench.challenges().remove(0);
        let wrong = bench.answer(&challenge, "alice", "guess", 1);
        let right = bench.answer(&challenge, "alice", "secret", 1);
        bench.now += Duration::from_secs(301);
        for line in [&wrong, &right] {
            assert_eq!(bench.judge(line), Verdict::Challenge { stale: true });
        }
        let challenge = bench.challenges().remove(0);
        let right = bench.answer(&challenge, "alice", "secret", 1);
        bench.source = IpAddr::from([192, 0, 2, 9]);
        assert_eq!(bench.judge(&right), Verdict::Challenge { stale: true });
    }

    #[test]
    fn an_unknown_user_and_a_wrong_password_are_the_same() {
        let mut bench = Bench::new();
        for user in ["alice", "mallory", ""] {
            let challenge = bench.challenges().remove(0);
            // The password that the stand-in for unknown users was made of proves nothing either.
            for password in ["guess", ""] {
                let line = bench.answer(&challenge, user, password, 1);
                let user = user.to_owned();
                assert_eq!(bench.judge(&line), Verdict::Wrong { user });
            }
        }
    }

    #[test]
    fn what_does_not_answer_our_challenge_is_challenged_again() {
        let mut bench = Bench::new();
        let challenge = bench.challenges().remove(0);
        let line = bench.answer(&challenge, "alice", "secret", 1);
        for (what, replacement) in [
            ("qop=auth, ", ""),
            ("qop=auth", "qop=auth-int"),
            ("nc=00000001", "nc=1"),
            ("algorithm=SHA-256", "algorithm=SHA-512-256"),
            ("algorithm=SHA-256", "algorithm=SHA-256-sess"),
            ("realm=\"office.example.com\"", "realm=\"other\""),
            ("Digest ", "Basic "),
        ] {
            assert!(line.contains(what), "{what} is not in {line}");
            let changed = line.replace(what, replacement);
            let verdict = bench.judge(&changed);
            assert_eq!(verdict, Verdict::Challenge { stale: false }, "{changed}");
        }
        assert!(matches!(bench.judge(&line), Verdict::Authentic { .. }));
    }

    #[test]
    fn no_algorithm_is_taken_that_was_not_offered() {
        let mut bench = Bench::new();
        let challenge = bench.challenges().remove(1);
        let sha = Ha1::of_password(Algorithm::Sha256, "alice", REALM, "secret");
        let logins = vec![Login::of_ha1("alice", vec![sha])];
        bench.set = CredentialSet::new(REALM, logins).unwrap();
        let line = bench.answer(&challenge, "alice", "secret", 1);
        assert_eq!(bench.judge(&line), Verdict::Challenge { stale: false });
    }
}
