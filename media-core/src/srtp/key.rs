//! Master keys: zeroised, never printed.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::error::SrtpError;
use super::profile::Suite;

/// Longest MKI, bytes (RFC 4568 section 6.1).
pub const MAX_MKI_LEN: usize = 128;

const MAX_KEY_LEN: usize = 32;
const MAX_SALT_LEN: usize = 14;

/// A master key and salt for one suite (RFC 3711 section 3.2.1), with what SDES says of it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    #[zeroize(skip)]
    suite: Suite,
    key: [u8; MAX_KEY_LEN],
    salt: [u8; MAX_SALT_LEN],
    /// Packets that the key may protect, `None` for the default of RFC 3711 section 9.2.
    #[zeroize(skip)]
    lifetime: Option<u64>,
    /// Master key identifier (RFC 3711 section 3.1), as packets carry it; empty for none.
    #[zeroize(skip)]
    mki: Box<[u8]>,
}

impl MasterKey {
    /// From key ‖ salt, as `inline:` carries them (RFC 4568 section 6.1).
    ///
    /// `None` if the length is not `suite.key_len() + suite.salt_len()` bytes.
    pub fn from_key_salt(suite: Suite, key_salt: &[u8]) -> Option<MasterKey> {
        if key_salt.len() != suite.key_len() + suite.salt_len() {
            return None;
        }
        let (key, salt) = key_salt.split_at(suite.key_len());
        let mut master = MasterKey {
            suite,
            key: [0; MAX_KEY_LEN],
            salt: [0; MAX_SALT_LEN],
            lifetime: None,
            mki: Box::default(),
        };
        master.key[..key.len()].copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        Some(master)
    }

    /// A fresh key from the injected generator (the operating system's, in production).
    pub fn generate(suite: Suite, rng: &mut (impl CryptoRng + ?Sized)) -> MasterKey {
        let mut master = MasterKey {
            suite,
            key: [0; MAX_KEY_LEN],
            salt: [0; MAX_SALT_LEN],
            lifetime: None,
            mki: Box::default(),
        };
        rng.fill_bytes(&mut master.key[..suite.key_len()]);
        rng.fill_bytes(&mut master.salt[..suite.salt_len()]);
        master
    }

    /// With the lifetime that SDES named, packets.
    pub fn with_lifetime(mut self, packets: u64) -> MasterKey {
        self.lifetime = Some(packets);
        self
    }

    /// With the identifier that every packet under this key carries (RFC 4568 section 6.1).
    pub fn with_mki(mut self, mki: &[u8]) -> MasterKey {
        self.mki = mki.into();
        self
    }

    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub fn key(&self) -> &[u8] {
        &self.key[..self.suite.key_len()]
    }

    pub fn salt(&self) -> &[u8] {
        &self.salt[..self.suite.salt_len()]
    }

    /// Packets that the key may protect, if SDES named a number.
    pub fn lifetime(&self) -> Option<u64> {
        self.lifetime
    }

    /// The master key identifier in every packet, up to 128 bytes; empty: packets have none.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// Whether both are the same key, whatever else is said of them: packets under one must
    /// not repeat an index used under the other.
    pub fn is_same_key(&self, other: &MasterKey) -> bool {
        self.suite == other.suite
            && bool::from(self.key.ct_eq(&other.key) & self.salt.ct_eq(&other.salt))
    }

    /// Whether `bytes`, from a packet, name this key.
    pub(super) fn check_mki(&self, bytes: &[u8]) -> Result<(), SrtpError> {
        // Most keys have none: that saves the comparison.
        let named = if self.mki.is_empty() {
            bytes.is_empty()
        } else {
            *bytes == *self.mki
        };
        if named {
            Ok(())
        } else {
            Err(SrtpError::Authentication)
        }
    }
}

/// Compares suite, key and salt in constant time, and what SDES says of them: a key that comes
/// with another lifetime has to be told. See [`MasterKey::is_same_key`] for the identity.
impl PartialEq for MasterKey {
    fn eq(&self, other: &MasterKey) -> bool {
        self.is_same_key(other) && self.mki == other.mki && self.lifetime == other.lifetime
    }
}

impl Eq for MasterKey {}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({}, redacted)", self.suite.name())
    }
}
