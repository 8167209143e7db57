//! The arithmetic of Digest: RFC 7616 section 3.4.1, with the algorithms of RFC 8760 section 2.1.

use std::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A hash algorithm, the stronger one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    /// In the order in which they are offered (RFC 8760 section 2.4).
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    /// The value of the `algorithm` parameter.
    pub fn token(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Md5 => "MD5",
        }
    }

    /// From that value, in any case. The `-sess` variants are not ours.
    pub fn from_token(token: &str) -> Option<Algorithm> {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.token().eq_ignore_ascii_case(token))
    }

    /// Hexadecimal digits of a hash.
    pub fn hex_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 64,
            Algorithm::Md5 => 32,
        }
    }

    /// The hash of the parts joined by colons, in lower-case hexadecimal.
    fn hash(self, parts: &[&[u8]]) -> Zeroizing<String> {
        match self {
            Algorithm::Sha256 => hex(&joined::<Sha256>(parts)),
            Algorithm::Md5 => hex(&joined::<Md5>(parts)),
        }
    }
}

fn joined<D: Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut hash = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    Zeroizing::new(hash.finalize().to_vec())
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// H(user:realm:password): as good as the password within its realm, and kept like one.
#[derive(Clone)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: Zeroizing<String>,
}

impl Ha1 {
    pub fn of_password(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Ha1 {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Ha1 {
            algorithm,
            hex: algorithm.hash(&parts),
        }
    }

    /// From its hexadecimal form; `None` if that is not one of the algorithm.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Option<Ha1> {
        let fits = hex.len() == algorithm.hex_len() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Ha1 {
            algorithm,
            hex: Zeroizing::new(hex.to_ascii_lowercase()),
        })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `response` parameter that proves knowledge of it.
    pub(super) fn response(&self, proof: &Proof<'_>) -> String {
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let ha2 = hash(&[proof.method.as_bytes(), proof.uri.as_bytes()]);
        let response = match &proof.counted {
            Some(counted) => hash(&[
                self.hex.as_bytes(),
                proof.nonce.as_bytes(),
                counted.nc.as_bytes(),
                counted.cnonce.as_bytes(),
                b"auth",
                ha2.as_bytes(),
            ]),
            None => hash(&[self.hex.as_bytes(), proof.nonce.as_bytes(), ha2.as_bytes()]),
        };
        response.to_string()
    }

    /// Whether `response` is right, in a time that does not tell how much of it is.
    pub(super) fn proves(&self, proof: &Proof<'_>, response: &str) -> bool {
        let expected = self.response(proof);
        let given = response.to_ascii_lowercase();
        bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({}, ..)", self.algorithm.token())
    }
}

impl PartialEq for Ha1 {
    fn eq(&self, other: &Ha1) -> bool {
        self.algorithm == other.algorithm
            && bool::from(self.hex.as_bytes().ct_eq(other.hex.as_bytes()))
    }
}

impl Eq for Ha1 {}

/// What a response is computed over, besides HA1.
pub(super) struct Proof<'a> {
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    /// With `qop=auth`; `None` for a server that does not know qop (RFC 2069).
    pub(super) counted: Option<Counted<'a>>,
}

/// What `qop=auth` adds.
pub(super) struct Counted<'a> {
    /// Eight hexadecimal digits.
    pub(super) nc: &'a str,
    pub(super) cnonce: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.9.1, both algorithms.
    #[test]
    fn rfc_7616_examples() {
        let proof = Proof {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            counted: Some(Counted {
                nc: "00000001",
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            }),
        };
        for (algorithm, response) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let ha1 = Ha1::of_password(
                algorithm,
                "Mufasa",
                "http-auth@example.org",
                "Circle of Life",
            );
            assert_eq!(ha1.response(&proof), response);
            assert!(ha1.proves(&proof, &response.to_ascii_uppercase()));
            assert!(!ha1.proves(&proof, &response[1..]));
            assert!(!ha1.proves(&proof, ""));
        }
    }

    /// RFC 2617 section 3.5.
    #[test]
    fn rfc_2617_example() {
        let ha1 = Ha1::of_password(
            Algorithm::Md5,
            "Mufasa",
            "testrealm@host.com",
            "Circle Of Life",
        );
        assert_eq!(
            ha1,
            Ha1::from_hex(Algorithm::Md5, "939e7578ed9e3c518a452acee763bce9").unwrap()
        );
        let proof = |counted| Proof {
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            counted,
        };
        let counted = Some(Counted {
            nc: "00000001",
            cnonce: "0a4f113b",
        });
        assert_eq!(
            ha1.response(&proof(counted)),
            "6629fae49393a05397450978507c4ef1"
        );
        // Without qop: RFC 2069's form, H(HA1:nonce:HA2).
        assert_eq!(
            ha1.response(&proof(None)),
            "670fd8c2df070c60b045671b8b24ff02"
        );
    }

    #[test]
    fn an_ha1_is_hexadecimal_of_the_right_length_and_is_not_shown() {
        assert!(Ha1::from_hex(Algorithm::Md5, "939e7578").is_none());
        assert!(Ha1::from_hex(Algorithm::Sha256, "939e7578ed9e3c518a452acee763bce9").is_none());
        assert!(Ha1::from_hex(Algorithm::Md5, "939e7578ed9e3c518a452acee763bceg").is_none());
        let ha1 = Ha1::from_hex(Algorithm::Md5, "939E7578ED9E3C518A452ACEE763BCE9").unwrap();
        assert_eq!(format!("{ha1:?}"), "Ha1(MD5, ..)");
    }
}
