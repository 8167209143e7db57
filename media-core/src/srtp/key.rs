//! Master keys: zeroised, never printed.

use std::sync::Arc;

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
///
/// Clones share the key: a call's two legs, their plan and their flows all name it, and it lies in
/// memory once, until the last of them is gone.
#[derive(Clone)]
pub struct MasterKey {
    secret: Arc<Secret>,
    /// Master key identifier (RFC 3711 section 3.1), as packets carry it; empty for none. Not with
    /// the secret: every packet's trailer is as long as this says.
    mki: Box<[u8]>,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Secret {
    #[zeroize(skip)]
    suite: Suite,
    key: [u8; MAX_KEY_LEN],
    salt: [u8; MAX_SALT_LEN],
    /// Packets that the key may protect, `None` for the default of RFC 3711 section 9.2.
    #[zeroize(skip)]
    lifetime: Option<u64>,
}

impl MasterKey {
    /// From key ‖ salt, as `inline:` carries them (RFC 4568 section 6.1).
    ///
    /// `None` if the length is not `suite.key_len() + suite.salt_len()` bytes.
    pub fn from_key_salt(suite: Suite, key_salt: &[u8]) -> Option<MasterKey> {
        if key_salt.len() != suite.key_len() + suite.salt_len() {
            return None;
        }
        let (from_key, from_salt) = key_salt.split_at(suite.key_len());
        Some(MasterKey::fill(suite, |key, salt| {
            key.copy_from_slice(from_key);
            salt.copy_from_slice(from_salt);
        }))
    }

    /// A fresh key from the injected generator (the operating system's, in production).
    pub fn generate(suite: Suite, rng: &mut (impl CryptoRng + ?Sized)) -> MasterKey {
        MasterKey::fill(suite, |key, salt| {
            rng.fill_bytes(key);
            rng.fill_bytes(salt);
        })
    }

    /// Written where it stays, so that no copy of it is left elsewhere.
    fn fill(suite: Suite, fill: impl FnOnce(&mut [u8], &mut [u8])) -> MasterKey {
        let mut secret = Arc::new(Secret {
            suite,
            key: [0; MAX_KEY_LEN],
            salt: [0; MAX_SALT_LEN],
            lifetime: None,
        });
        let Secret { key, salt, .. } = Arc::make_mut(&mut secret);
        fill(&mut key[..suite.key_len()], &mut salt[..suite.salt_len()]);
        MasterKey {
            secret,
            mki: Box::default(),
        }
    }

    /// With the lifetime that SDES named, packets.
    pub fn with_lifetime(mut self, packets: u64) -> MasterKey {
        Arc::make_mut(&mut self.secret).lifetime = Some(packets);
        self
    }

    /// With the identifier that every packet under this key carries (RFC 4568 section 6.1).
    pub fn with_mki(mut self, mki: &[u8]) -> MasterKey {
        self.mki = mki.into();
        self
    }

    pub fn suite(&self) -> Suite {
        self.secret.suite
    }

    pub fn key(&self) -> &[u8] {
        &self.secret.key[..self.suite().key_len()]
    }

    pub fn salt(&self) -> &[u8] {
        &self.secret.salt[..self.suite().salt_len()]
    }

    /// Packets that the key may protect, if SDES named a number.
    pub fn lifetime(&self) -> Option<u64> {
        self.secret.lifetime
    }

    /// The master key identifier in every packet, up to 128 bytes; empty: packets have none.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// Whether both are the same key, whatever else is said of them: packets under one must
    /// not repeat an index used under the other.
    pub fn is_same_key(&self, other: &MasterKey) -> bool {
        let (own, other) = (&*self.secret, &*other.secret);
        own.suite == other.suite
            && bool::from(own.key.ct_eq(&other.key) & own.salt.ct_eq(&other.salt))
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
        self.is_same_key(other) && self.mki == other.mki && self.lifetime() == other.lifetime()
    }
}

impl Eq for MasterKey {}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({}, redacted)", self.suite().name())
    }
}
