//! Session keys from a master key (RFC 3711 section 4.3, RFC 6188 section 2).

use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::cipher::{Mode, SessionCipher};
use super::key::MasterKey;

/// Session key, authentication key and salt of one kind of packets.
#[derive(ZeroizeOnDrop)]
pub(super) struct Derived {
    key: [u8; 32],
    #[zeroize(skip)]
    key_len: usize,
    auth_key: [u8; AUTH_KEY_LEN],
    salt: [u8; 14],
    #[zeroize(skip)]
    salt_len: usize,
}

/// Of encryption, authentication and salt (section 4.3.2).
#[derive(Clone, Copy)]
pub(super) struct Labels([u8; 3]);

impl Labels {
    pub(super) const RTP: Labels = Labels([0, 1, 2]);
    pub(super) const RTCP: Labels = Labels([3, 4, 5]);
}

impl Derived {
    pub(super) fn from(master: &MasterKey, labels: Labels) -> Derived {
        let mut derived = Derived {
            key: [0; 32],
            key_len: master.suite().key_len(),
            auth_key: [0; AUTH_KEY_LEN],
            salt: [0; 14],
            salt_len: master.suite().salt_len(),
        };
        let Labels([encryption, authentication, salt]) = labels;
        derive(master, encryption, &mut derived.key[..derived.key_len]);
        derive(master, authentication, &mut derived.auth_key);
        derive(master, salt, &mut derived.salt[..derived.salt_len]);
        derived
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key[..self.key_len]
    }

    pub(super) fn auth_key(&self) -> &[u8; AUTH_KEY_LEN] {
        &self.auth_key
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt[..self.salt_len]
    }
}

/// `out` is the keystream for `x * 2^16` where `x = master_salt XOR (label * 2^48)`
/// (sections 4.3.1 and 4.3.3; the key derivation rate is 0, so `r` is 0).
///
/// With a key of 256 bits it is AES_256_CM_PRF (RFC 6188 section 2). The salt of 96 bits that
/// AEAD suites have counts as `salt * 2^16` (RFC 7714 section 11 with erratum 4938).
fn derive(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut salt = Zeroizing::new([0; 14]);
    salt[..master.salt().len()].copy_from_slice(master.salt());
    salt[7] ^= label;
    out.fill(0);
    SessionCipher::new(master.key(), &*salt, Mode::CounterMode).apply(0, 0, out.into());
}

/// `n_a` of HMAC-SHA1, 160 bits (section 4.2.1).
const AUTH_KEY_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::profile::Suite;
    use crate::srtp::tests::hex;

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_are_those_of_the_rfc() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6");
        let master = MasterKey::from_key_salt(Suite::AesCm128HmacSha1_80, &master).unwrap();
        for (label, expected) in [
            (0, "C61E7A93744F39EE10734AFE3FF7A087"),
            (2, "30CBBC08863D8C85D49DB34A9AE1"),
            (
                1,
                "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF\
                 72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34\
                 DB60DBDFB2DC68",
            ),
        ] {
            let expected = hex(expected);
            let mut derived = vec![0xff; expected.len()];
            derive(&master, label, &mut derived);
            assert_eq!(derived, expected, "label {label}");
        }
    }

    /// RFC 6188 section 7.2.
    #[test]
    fn session_keys_of_256_bits_are_those_of_the_rfc() {
        let master = hex(
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6\
             3b04803de51ee7c96423ab5b78d2",
        );
        let master = MasterKey::from_key_salt(Suite::Aes256CmHmacSha1_80, &master).unwrap();
        let derived = Derived::from(&master, Labels::RTP);
        assert_eq!(
            derived.key(),
            hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")
        );
        assert_eq!(derived.salt(), hex("fa31791685ca444a9e07c6c64e93"));
        assert_eq!(
            derived.auth_key().as_slice(),
            hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")
        );
    }
}
