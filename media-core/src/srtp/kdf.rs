//! Session keys from a master key (RFC 3711 section 4.3).

use zeroize::Zeroizing;

use super::auth::Authenticator;
use super::cipher::AesCm;
use super::key::MasterKey;

/// What a context computes with.
pub(super) struct SessionKeys {
    pub(super) cipher: AesCm,
    pub(super) auth: Authenticator,
}

impl SessionKeys {
    pub(super) fn for_rtp(master: &MasterKey) -> SessionKeys {
        SessionKeys::derive(master, [0, 1, 2])
    }

    pub(super) fn for_rtcp(master: &MasterKey) -> SessionKeys {
        SessionKeys::derive(master, [3, 4, 5])
    }

    /// `labels` are those of encryption, authentication and salt (section 4.3.2).
    fn derive(master: &MasterKey, labels: [u8; 3]) -> SessionKeys {
        let mut key = Zeroizing::new([0; 16]);
        let mut auth_key = Zeroizing::new([0; AUTH_KEY_LEN]);
        let mut salt = Zeroizing::new([0; 14]);
        derive(master, labels[0], &mut *key);
        derive(master, labels[1], &mut *auth_key);
        derive(master, labels[2], &mut *salt);
        SessionKeys {
            cipher: AesCm::new(&key, &salt),
            auth: Authenticator::new(&auth_key),
        }
    }
}

/// `out` is the keystream for `x * 2^16` where `x = master_salt XOR (label * 2^48)`
/// (sections 4.3.1 and 4.3.3; the key derivation rate is 0, so `r` is 0).
fn derive(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(master.key());
    let mut salt = Zeroizing::new([0; 14]);
    salt.copy_from_slice(master.salt());
    salt[7] ^= label;
    out.fill(0);
    AesCm::new(&key, &salt).apply(0, 0, out.into());
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
}
