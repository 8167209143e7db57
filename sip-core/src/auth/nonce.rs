//! Nonces that we give: each says when and for whom it was made, under a key of this process, so
//! that asking for them costs us no memory (RFC 7616 section 3.3). Only for those that somebody has
//! authenticated with is the count kept, which defeats replays (section 3.4.5).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use rand_core::RngCore;
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long a nonce may be used. A client whose nonce is older is told `stale=true` and goes on
/// without asking its user.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);
/// Nonces in use whose counts are kept, about 50 bytes each.
const CAPACITY: usize = 100_000;
/// Time, random part and code, in bytes.
const TIME: usize = 8;
const RANDOM: usize = 8;
const CODE: usize = 16;

/// A nonce that is ours and not too old: its time in ms and its random part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId(u64, u64);

/// Not ours, not for this source, too old, or used with that count before: a new one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale;

pub(super) struct Nonces {
    key: Zeroizing<[u8; 32]>,
    start: Instant,
    capacity: usize,
    /// The highest count that each was used with.
    counts: BTreeMap<NonceId, u32>,
    /// Nonces up to this one are stale: the counts of some of them were given up.
    forgotten: Option<NonceId>,
}

impl Nonces {
    pub(super) fn new(now: Instant, rng: &mut (impl RngCore + ?Sized)) -> Nonces {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        Nonces {
            key,
            start: now,
            capacity: CAPACITY,
            counts: BTreeMap::new(),
            forgotten: None,
        }
    }

    /// A new nonce, for requests from `source` in `realm`.
    pub(super) fn issue(
        &self,
        now: Instant,
        realm: &str,
        source: IpAddr,
        rng: &mut (impl RngCore + ?Sized),
    ) -> String {
        let id = NonceId(self.millis(now), rng.next_u64());
        let mut bytes = [0; TIME + RANDOM + CODE];
        bytes[..TIME].copy_from_slice(&id.0.to_be_bytes());
        bytes[TIME..TIME + RANDOM].copy_from_slice(&id.1.to_be_bytes());
        let code = self.mac(id, realm, source).finalize().into_bytes();
        bytes[TIME + RANDOM..].copy_from_slice(&code[..CODE]);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `nonce` is one that [`Nonces::issue`] gave to that source for that realm, and still
    /// may be used.
    pub(super) fn check(
        &self,
        now: Instant,
        nonce: &str,
        realm: &str,
        source: IpAddr,
    ) -> Result<NonceId, Stale> {
        let bytes = from_hex(nonce).ok_or(Stale)?;
        let number = |range: std::ops::Range<usize>| {
            let bytes = bytes.get(range).and_then(|part| part.try_into().ok());
            bytes.map(u64::from_be_bytes).ok_or(Stale)
        };
        let id = NonceId(number(0..TIME)?, number(TIME..TIME + RANDOM)?);
        self.mac(id, realm, source)
            .verify_truncated_left(&bytes[TIME + RANDOM..])
            .map_err(|_| Stale)?;
        let age = self.millis(now).checked_sub(id.0).ok_or(Stale)?;
        let is_forgotten = self.forgotten.is_some_and(|forgotten| id <= forgotten);
        if u128::from(age) > LIFETIME.as_millis() || is_forgotten {
            return Err(Stale);
        }
        Ok(id)
    }

    /// Notes that a request with the count `nc` proved itself; not if that count, or a higher one,
    /// was seen before.
    pub(super) fn count(&mut self, now: Instant, id: NonceId, nc: u32) -> Result<(), Stale> {
        if nc == 0 || self.counts.get(&id).is_some_and(|seen| nc <= *seen) {
            return Err(Stale);
        }
        self.counts.insert(id, nc);
        let oldest = self
            .millis(now)
            .saturating_sub(u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX));
        while let Some(first) = self.counts.first_entry() {
            let id = *first.key();
            if id.0 >= oldest && self.counts.len() <= self.capacity {
                break;
            }
            // Too old nonces are refused for their age; of others the count may not be lost.
            if id.0 >= oldest {
                self.forgotten = self.forgotten.max(Some(id));
            }
            self.counts.remove(&id);
        }
        Ok(())
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn mac(&self, id: NonceId, realm: &str, source: IpAddr) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.key)
            .expect("HMAC takes keys of any length (RFC 2104 section 2)");
        mac.update(&id.0.to_be_bytes());
        mac.update(&id.1.to_be_bytes());
        match source.to_canonical() {
            IpAddr::V4(v4) => mac.update(&v4.octets()),
            IpAddr::V6(v6) => mac.update(&v6.octets()),
        }
        mac.update(realm.as_bytes());
        mac
    }
}

fn from_hex(text: &str) -> Option<[u8; TIME + RANDOM + CODE]> {
    let mut bytes = [0; TIME + RANDOM + CODE];
    let text = text.as_bytes();
    if text.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u64);
    impl RngCore for Counting {
        fn next_u32(&mut self) -> u32 {
            self.0 as u32
        }
        fn next_u64(&mut self) -> u64 {
            self.0 += 1;
            self.0
        }
        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_nonce_is_good_for_its_source_its_realm_and_its_time() {
        let now = Instant::now();
        let nonces = Nonces::new(now, &mut Counting(0));
        let nonce = nonces.issue(now, "r", SOURCE, &mut Counting(0));
        assert!(nonces.check(now + LIFETIME, &nonce, "r", SOURCE).is_ok());
        let late = now + LIFETIME + Duration::from_millis(1);
        assert_eq!(nonces.check(late, &nonce, "r", SOURCE), Err(Stale));
        assert_eq!(nonces.check(now, &nonce, "s", SOURCE), Err(Stale));
        let other = IpAddr::from([192, 0, 2, 2]);
        assert_eq!(nonces.check(now, &nonce, "r", other), Err(Stale));
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert!(nonces.check(now, &nonce, "r", mapped).is_ok());
        for forged in [
            "",
            "abc",
            &nonce[2..],
            &nonce.replace('0', "1"),
            &"é".repeat(32),
        ] {
            assert_eq!(
                nonces.check(now, forged, "r", SOURCE),
                Err(Stale),
                "{forged}"
            );
        }
    }

    #[test]
    fn a_count_is_good_once_and_never_goes_back() {
        let now = Instant::now();
        let mut nonces = Nonces::new(now, &mut Counting(0));
        let nonce = nonces.issue(now, "r", SOURCE, &mut Counting(0));
        let id = nonces.check(now, &nonce, "r", SOURCE).unwrap();
        for (nc, taken) in [(0, false), (1, true), (1, false), (4, true), (3, false)] {
            assert_eq!(nonces.count(now, id, nc).is_ok(), taken, "{nc}");
        }
    }

    #[test]
    fn when_counts_are_given_up_their_nonces_are_too() {
        let now = Instant::now();
        let rng = &mut Counting(0);
        let mut nonces = Nonces::new(now, rng);
        nonces.capacity = 2;
        let given: Vec<String> = (0..3)
            .map(|ms| nonces.issue(now + Duration::from_millis(ms), "r", SOURCE, rng))
            .collect();
        let now = now + Duration::from_secs(1);
        for nonce in &given {
            let id = nonces.check(now, nonce, "r", SOURCE).unwrap();
            nonces.count(now, id, 1).unwrap();
        }
        let usable: Vec<bool> = given
            .iter()
            .map(|nonce| nonces.check(now, nonce, "r", SOURCE).is_ok())
            .collect();
        assert_eq!(usable, [false, true, true]);
        assert_eq!(nonces.counts.len(), 2);
    }
}
