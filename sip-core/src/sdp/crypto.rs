//! `a=crypto` (RFC 4568): SRTP keys in SDP.
//!
//! ```text
//! a=crypto:<tag> <suite> inline:<key ‖ salt, base64>[|<lifetime>][|<MKI>:<length>] [<session parameter> ...]
//! ```
//!
//! A line that is malformed or asks for what we do not do is *unusable*: RFC 4568 section 7.1.2
//! has the answerer go on to the next one.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use media_core::srtp::key::{MAX_MKI_LEN, MasterKey};
use media_core::srtp::profile::Suite;
use zeroize::Zeroizing;

use super::document::Block;
use crate::refusal::Refusal;

/// Padding is right where the key's length asks for it, and often left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Most packets that a key may protect: 2^48 (RFC 3711 section 9.2).
const MAX_LIFETIME: u64 = 1 << 48;

/// The MKI that we send where a trunk asks for one. One key is in use at a time, so that the
/// value distinguishes nothing.
const OUR_MKI: [u8; 4] = [0, 0, 0, 1];

/// A crypto line that we can run.
#[derive(Clone)]
pub(super) struct CryptoLine {
    /// As written, to be echoed (RFC 4568 section 5.1.2).
    pub(super) tag: String,
    pub(super) key: MasterKey,
    /// The whole attribute, to be passed through where the trunks allow it (MED-1).
    pub(super) attribute: Zeroizing<String>,
}

/// Why a crypto line cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("not the grammar of RFC 4568 section 9")]
    Malformed,
    #[error("an unknown suite")]
    Suite,
    #[error("a key method other than inline")]
    KeyMethod,
    /// One key at a time is in use; several need MKI switching (RFC 4568 section 6.1).
    #[error("several keys")]
    SeveralKeys,
    #[error("a key that is not base64 or not as long as the suite's")]
    Key,
    #[error("a lifetime of zero or above 2^48")]
    Lifetime,
    #[error("an MKI that does not fit its length, or a length that is not 1 to 128")]
    Mki,
    #[error("a session parameter that weakens the protection or that we do not run")]
    SessionParameter,
}

impl CryptoLine {
    /// From the value of an `a=crypto` attribute.
    pub(super) fn parse(value: &str) -> Result<CryptoLine, Unusable> {
        let mut words = value.split_ascii_whitespace();
        let (Some(tag), Some(suite), Some(keys)) = (words.next(), words.next(), words.next())
        else {
            return Err(Unusable::Malformed);
        };
        if !(1..=9).contains(&tag.len()) || !tag.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Unusable::Malformed);
        }
        let suite = Suite::from_name(suite).ok_or(Unusable::Suite)?;
        if keys.contains(';') {
            return Err(Unusable::SeveralKeys);
        }
        let (method, info) = keys.split_once(':').ok_or(Unusable::Malformed)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(Unusable::KeyMethod);
        }
        let key = parse_key_info(suite, info)?;
        words.try_for_each(check_session_parameter)?;
        Ok(CryptoLine {
            tag: tag.to_owned(),
            key,
            attribute: Zeroizing::new(format!("crypto:{value}")),
        })
    }

    /// A line of ours.
    pub(super) fn of(tag: &str, key: MasterKey) -> CryptoLine {
        let attribute = Zeroizing::new(write_attribute(tag, &key));
        CryptoLine {
            tag: tag.to_owned(),
            key,
            attribute,
        }
    }

    pub(super) fn suite(&self) -> Suite {
        self.key.suite()
    }

    /// The line of an offer to accept: the offerer's first that can be used (SEC-6). Lines that share a
    /// tag cannot: tags are unique (RFC 4568 section 4.1), and our answer could not tell which is meant.
    ///
    /// # Errors
    /// [`Refusal::SRTP_UNUSABLE`] if there is none.
    pub(super) fn select(
        block: &Block,
        usable: impl Fn(&CryptoLine) -> bool,
    ) -> Result<CryptoLine, Refusal> {
        let values: Vec<&str> = block.attributes("crypto").collect();
        let tag = |value: &str| value.split_ascii_whitespace().next().map(str::to_owned);
        let shares_tag = |value: &str| {
            let mut others = values.iter().filter(|other| **other != value);
            others.any(|other| tag(other) == tag(value))
        };
        values
            .iter()
            .filter(|value| !shares_tag(value))
            .filter_map(|value| CryptoLine::parse(value).ok())
            .find(usable)
            .ok_or(Refusal::SRTP_UNUSABLE)
    }

    /// Every crypto line of an m-line, usable or not.
    pub(super) fn lines(block: &Block) -> impl Iterator<Item = &str> {
        block.attributes("crypto")
    }

    /// The one line of an answer: tag and suite must be those of a line offered (RFC 4568
    /// section 5.1.3). The same line twice counts as one.
    ///
    /// # Errors
    /// [`Refusal::SRTP_UNUSABLE`].
    pub(super) fn answered(block: &Block, offered: &[CryptoLine]) -> Result<CryptoLine, Refusal> {
        let mut values = Self::lines(block);
        let first = values.next().ok_or(Refusal::SRTP_UNUSABLE)?;
        if values.any(|other| other != first) {
            return Err(Refusal::SRTP_UNUSABLE);
        }
        let answered = CryptoLine::parse(first).map_err(|_| Refusal::SRTP_UNUSABLE)?;
        let accepted = offered
            .iter()
            .any(|line| line.tag == answered.tag && line.suite() == answered.suite());
        accepted.then_some(answered).ok_or(Refusal::SRTP_UNUSABLE)
    }
}

/// Keys are secrets.
impl fmt::Debug for CryptoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "CryptoLine({} {}, redacted)",
            self.tag,
            self.suite().name()
        )
    }
}

/// Marks a key of ours with the MKI that we use.
pub(super) fn with_our_mki(key: MasterKey) -> MasterKey {
    key.with_mki(&OUR_MKI)
}

/// `<key ‖ salt>[|<lifetime>][|<MKI>:<length>]` (RFC 4568 section 6.1).
fn parse_key_info(suite: Suite, info: &str) -> Result<MasterKey, Unusable> {
    let mut parts = info.split('|');
    let encoded = parts.next().unwrap_or_default();
    let key_salt = Zeroizing::new(BASE64.decode(encoded).map_err(|_| Unusable::Key)?);
    let mut key = MasterKey::from_key_salt(suite, &key_salt).ok_or(Unusable::Key)?;
    let mut part = parts.next();
    if let Some(lifetime) = part.filter(|part| !part.contains(':')) {
        key = key.with_lifetime(parse_lifetime(lifetime)?);
        part = parts.next();
    }
    if let Some(mki) = part {
        key = key.with_mki(&parse_mki(mki)?);
    }
    if parts.next().is_some() {
        return Err(Unusable::Malformed);
    }
    Ok(key)
}

/// Packets: a decimal number or a power of two.
fn parse_lifetime(text: &str) -> Result<u64, Unusable> {
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => {
            digits(exponent).and_then(|exponent| 1u64.checked_shl(exponent.try_into().ok()?))
        }
        None => digits(text).and_then(|packets| packets.try_into().ok()),
    };
    packets
        .filter(|packets| (1..=MAX_LIFETIME).contains(packets))
        .ok_or(Unusable::Lifetime)
}

/// The identifier as packets carry it: big-endian, that many bytes.
fn parse_mki(text: &str) -> Result<Vec<u8>, Unusable> {
    let (value, length) = text.split_once(':').ok_or(Unusable::Mki)?;
    let length = digits(length)
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(Unusable::Mki)?;
    if !(1..=MAX_MKI_LEN).contains(&length) {
        return Err(Unusable::Mki);
    }
    let value = digits(value).ok_or(Unusable::Mki)?.to_be_bytes();
    let mut mki = vec![0; length.saturating_sub(value.len())];
    let (dropped, kept) = value.split_at(value.len().saturating_sub(length));
    if dropped.iter().any(|&byte| byte != 0) {
        return Err(Unusable::Mki);
    }
    mki.extend_from_slice(kept);
    Ok(mki)
}

/// A number of decimal digits alone: no sign.
fn digits(text: &str) -> Option<u128> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// SEC-7: what weakens protection is refused, and so is what we do not know or run, unless its
/// author marked it with `-` as one that may be ignored (RFC 4568 section 6.3.7).
fn check_session_parameter(parameter: &str) -> Result<(), Unusable> {
    if parameter.starts_with('-') {
        return Ok(());
    }
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let runs = match name.to_ascii_uppercase().as_str() {
        // A hint for the size of the replay window (section 6.3.6): ours is fixed.
        "WSH" => digits(value).is_some_and(|size| size >= 64),
        // UNENCRYPTED_SRTP, UNENCRYPTED_SRTCP, UNAUTHENTICATED_SRTP; KDR, because session keys
        // are derived once, which section 6.3.1 says by leaving it out; FEC_ORDER, FEC_KEY; others.
        _ => false,
    };
    runs.then_some(()).ok_or(Unusable::SessionParameter)
}

fn write_attribute(tag: &str, key: &MasterKey) -> String {
    let key_salt = Zeroizing::new([key.key(), key.salt()].concat());
    let encoded = Zeroizing::new(BASE64.encode(&*key_salt));
    let mut attribute = format!("crypto:{tag} {} inline:{}", key.suite().name(), *encoded);
    if !key.mki().is_empty() {
        let value = key
            .mki()
            .iter()
            .fold(0u128, |value, &byte| value << 8 | u128::from(byte));
        attribute.push_str(&format!("|{value}:{}", key.mki().len()));
    }
    attribute
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4568 sections 6.1 and 6.2.
    #[test]
    fn the_examples_of_rfc_4568_are_read() {
        let line = CryptoLine::parse(
            "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:32",
        )
        .expect("usable");
        assert_eq!(line.tag, "1");
        assert_eq!(line.suite(), Suite::AesCm128HmacSha1_80);
        assert_eq!(line.key.key(), b"wDfvg&T+)xG7@fb5");
        assert_eq!(line.key.salt(), b"jU,RaA}\\|p0%*#");
        assert_eq!(line.key.lifetime(), Some(1 << 20));
        assert_eq!(line.key.mki().len(), 32);
        assert_eq!(line.key.mki().last(), Some(&1));

        let short = CryptoLine::parse(
            "2 AES_CM_128_HMAC_SHA1_32 inline:YUJDZGVmZ2hpSktMbW9QUXJzVHVWd3l6MTIzNDU2|1066:4",
        )
        .expect("usable");
        assert_eq!(
            (short.key.lifetime(), short.key.mki()),
            (None, &[0, 0, 4, 42][..])
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for suite in Suite::ALL.iter().copied() {
            let key_salt: Vec<u8> = (0..suite.key_len() + suite.salt_len())
                .map(|byte| byte as u8)
                .collect();
            let plain = MasterKey::from_key_salt(suite, &key_salt).expect("as long as it is");
            for key in [plain.clone(), with_our_mki(plain)] {
                let line = CryptoLine::of("3", key.clone());
                let value = line.attribute.strip_prefix("crypto:").expect("the name");
                let read = CryptoLine::parse(value).expect("usable");
                assert_eq!((read.tag.as_str(), &read.key), ("3", &key));
                assert_eq!(read.attribute, line.attribute);
            }
        }
    }

    /// RFC 6188 section 4: key ‖ salt of 46 bytes; RFC 7714 section 12: of 28 and 44. Base64 of 46
    /// and 28 bytes ends with padding, which some leave out.
    #[test]
    fn keys_of_every_suite_are_read_with_and_without_padding() {
        for (suite, encoded) in [
            (
                "AES_256_CM_HMAC_SHA1_80",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ==",
            ),
            (
                "aead_aes_128_gcm",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
            ),
            (
                "AEAD_AES_256_GCM",
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=",
            ),
        ] {
            for encoded in [encoded, encoded.trim_end_matches('=')] {
                let line = CryptoLine::parse(&format!("1 {suite} inline:{encoded}"));
                let key = line.expect("usable").key;
                assert!(key.suite().name().eq_ignore_ascii_case(suite));
                assert_eq!(key.salt().first(), Some(&(key.key().len() as u8)));
            }
            // The key of a shorter suite.
            let short =
                "1 ".to_owned() + suite + " inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
            assert_eq!(CryptoLine::parse(&short).err(), Some(Unusable::Key));
        }
    }

    #[test]
    fn the_reason_why_a_line_is_unusable_is_told() {
        const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
        const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
        for (line, reason) in [
            (format!("1 {SUITE}"), Unusable::Malformed),
            (format!("-1 {SUITE} inline:{KEY}"), Unusable::Malformed),
            (format!("1 {SUITE} {KEY}"), Unusable::Malformed),
            (format!("1 NULL_HMAC_SHA1_80 inline:{KEY}"), Unusable::Suite),
            (format!("1 {SUITE} mikey:{KEY}"), Unusable::KeyMethod),
            (
                format!("1 {SUITE} inline:{KEY}|1:1;inline:{KEY}|2:1"),
                Unusable::SeveralKeys,
            ),
            (format!("1 {SUITE} inline:{KEY}QUJD"), Unusable::Key),
            (format!("1 {SUITE} inline:{KEY}|2^64"), Unusable::Lifetime),
            (format!("1 {SUITE} inline:{KEY}|-5"), Unusable::Lifetime),
            (format!("1 {SUITE} inline:{KEY}|1:x"), Unusable::Mki),
            (
                format!("1 {SUITE} inline:{KEY} UNENCRYPTED_SRTP"),
                Unusable::SessionParameter,
            ),
        ] {
            assert_eq!(CryptoLine::parse(&line).err(), Some(reason), "{line}");
        }
    }
}
