//! AES in counter mode: the keystream of every suite.
//!
//! RFC 3711 section 4.1.1 (AES-CM), RFC 6188 section 3 (the same with 256 bits), and the counter
//! mode inside GCM (RFC 7714 sections 8.1 and 9.1). They differ in where salt, source and index
//! stand in the counter block, not in what is done with it.

use aes::{Aes128Enc, Aes256Enc};
use cipher::inout::InOutBuf;
use cipher::{BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::vector::aes::RoundKeys;

/// An expanded AES key, 128 or 256 bits; for encryption only, as counter mode needs it.
#[expect(
    clippy::large_enum_variant,
    reason = "the keys stand in the context: a packet follows no pointer to them"
)]
enum Aes {
    /// Where the processor has AES on wide registers.
    Vector(RoundKeys),
    Portable(Box<Portable>),
}

enum Portable {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

/// An expanded session key and its salt.
pub(super) struct SessionCipher {
    aes: Aes,
    salt: Salt,
    mode: Mode,
}

/// Where salt, source and index stand in a counter block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// `IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)`, RFC 3711 section 4.1.1.
    CounterMode,
    /// 12 octets, then the block count (RFC 7714 sections 8.1 and 9.1):
    ///
    /// ```text
    ///   0  0  1  2  3  4  5  6  7  8  9 10 11
    /// |00|00|    SSRC   |  ROC or 0 | SEQ, or: 0 and the 31 bits of the SRTCP index
    /// ```
    Gcm,
}

/// 112 or 96 bits, already where they stand in the counter block: at its left.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Salt(u128);

impl Aes {
    /// `key` has 16 or 32 bytes, as [`Suite::key_len`](super::profile::Suite::key_len) says.
    fn new(key: &[u8]) -> Aes {
        match RoundKeys::new(key) {
            Some(keys) => Aes::Vector(keys),
            None => Aes::Portable(Box::new(Portable::new(key))),
        }
    }

    /// Adds the keystream that begins with the counter block `iv`.
    ///
    /// The block count never carries into what stands left of it: it has at least 16 bits, 1 MiB,
    /// and no UDP packet has more than 64 KiB.
    #[inline]
    fn apply_from(&self, iv: u128, data: InOutBuf<'_, '_, u8>) {
        match self {
            Aes::Vector(keys) => keys.apply_from(iv, data),
            Aes::Portable(aes) => aes.apply_from(iv, data),
        }
    }

    /// The cipher of one block.
    fn block(&self, block: u128) -> [u8; 16] {
        match self {
            Aes::Vector(keys) => keys.block(block),
            Aes::Portable(aes) => aes.block(block),
        }
    }
}

impl Portable {
    fn new(key: &[u8]) -> Portable {
        match key.try_into() {
            Ok(key) => Portable::Aes256(Aes256Enc::new(key)),
            Err(_) => {
                let mut short = Zeroizing::new([0; 16]);
                short.copy_from_slice(key);
                Portable::Aes128(Aes128Enc::new((&*short).into()))
            }
        }
    }

    fn apply_from(&self, iv: u128, data: InOutBuf<'_, '_, u8>) {
        let iv = iv.to_be_bytes().into();
        // The counter borrows the expanded key: nothing is copied per packet.
        match self {
            Portable::Aes128(aes) => {
                CtrCore::<_, ctr::flavors::Ctr128BE>::inner_iv_init(aes, &iv)
                    .apply_keystream_partial(data);
            }
            Portable::Aes256(aes) => {
                CtrCore::<_, ctr::flavors::Ctr128BE>::inner_iv_init(aes, &iv)
                    .apply_keystream_partial(data);
            }
        }
    }

    fn block(&self, block: u128) -> [u8; 16] {
        let mut block = block.to_be_bytes().into();
        match self {
            Portable::Aes128(aes) => aes.encrypt_block(&mut block),
            Portable::Aes256(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }
}

impl SessionCipher {
    /// `salt` has up to 14 bytes: 14 for counter mode, 12 for GCM.
    pub(super) fn new(key: &[u8], salt: &[u8], mode: Mode) -> SessionCipher {
        let mut block = Zeroizing::new([0; 16]);
        block[..salt.len()].copy_from_slice(salt);
        SessionCipher {
            aes: Aes::new(key),
            salt: Salt(u128::from_be_bytes(*block)),
            mode,
        }
    }

    /// Encrypts, or decrypts: adds the keystream of packet `index` of source `ssrc`.
    pub(super) fn apply(&self, ssrc: u32, index: u64, data: InOutBuf<'_, '_, u8>) {
        let first = match self.mode {
            Mode::CounterMode => 0,
            // Block 1 masks the tag (NIST SP 800-38D section 7.1).
            Mode::Gcm => 2,
        };
        self.aes.apply_from(self.iv(ssrc, index) | first, data);
    }

    /// What a tag of GCM is masked with.
    pub(super) fn tag_mask(&self, ssrc: u32, index: u64) -> [u8; 16] {
        self.aes.block(self.iv(ssrc, index) | 1)
    }

    /// The key of GHASH: the cipher of zero (NIST SP 800-38D section 7.1).
    pub(super) fn hash_key(&self) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(self.aes.block(0))
    }

    /// The counter block with a block count of 0. The index of SRTP is ROC ‖ SEQ.
    fn iv(&self, ssrc: u32, index: u64) -> u128 {
        let (ssrc, index) = (u128::from(ssrc), u128::from(index));
        self.salt.0
            ^ match self.mode {
                Mode::CounterMode => ssrc << 64 ^ index << 16,
                Mode::Gcm => ssrc << 80 ^ index << 32,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    /// RFC 3711 appendix B.2 and RFC 6188 section 7.1.
    #[test]
    fn the_keystreams_are_those_of_the_rfcs() {
        let aes_128 = [
            (0x0000, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (0x0001, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (0x0002, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ];
        let aes_256 = [
            (0x0000, "92bdd28a93c3f52511c677d08b5515a4"),
            (0x0001, "9da71b2378a854f67050756ded165bac"),
            (0x0002, "63c4868b7096d88421b563b8c94c9a31"),
            (0xfeff, "cea518c90fd91ced9cbb18c078a54711"),
            (0xff00, "3dbc4814f4da5f00a08772b63c6a046d"),
            (0xff01, "6eb246913062a16891433e97dd01a57f"),
        ];
        for (key, blocks) in [
            ("2B7E151628AED2A6ABF7158809CF4F3C", aes_128),
            (
                "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
                aes_256,
            ),
        ] {
            let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
            let cipher = SessionCipher::new(&hex(key), &salt, Mode::CounterMode);
            let mut stream = vec![0; 0xff02 * 16];
            cipher.apply(0, 0, stream.as_mut_slice().into());
            for (block, expected) in blocks {
                assert_eq!(
                    stream[block * 16..][..16],
                    hex(expected),
                    "block {block:#x}"
                );
            }
        }
    }

    #[test]
    fn frame_to_frame_equals_in_place() {
        for (key, mode) in [
            (&[7; 16][..], Mode::CounterMode),
            (&[7; 32], Mode::CounterMode),
            (&[7; 16], Mode::Gcm),
            (&[7; 32], Mode::Gcm),
        ] {
            let cipher = SessionCipher::new(key, &[9; 12], mode);
            for len in [0, 1, 15, 16, 17, 160, 1400] {
                let plain: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
                let mut in_place = plain.clone();
                cipher.apply(0x1234_5678, 99, in_place.as_mut_slice().into());
                let mut copied = vec![0; len];
                cipher.apply(0x1234_5678, 99, InOutBuf::new(&plain, &mut copied).unwrap());
                assert_eq!(in_place, copied, "{len} bytes");
            }
        }
    }

    /// Every length over two rounds of registers, from every alignment of the count.
    #[test]
    fn the_processors_keystream_is_the_portable_one() {
        for key in [&[0x5a; 16][..], &[0xa5; 32]] {
            let (one, other) = (Aes::new(key), Portable::new(key));
            for (iv, len) in (0..=560).map(|len| (0x1234_5678_9abc_def0_u128 << 64, len)) {
                let iv = iv | (len as u128 & 3);
                let plain: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
                let (mut first, mut second) = (plain.clone(), vec![0xee; len]);
                one.apply_from(iv, first.as_mut_slice().into());
                other.apply_from(iv, InOutBuf::new(&plain, &mut second).unwrap());
                assert_eq!(first, second, "{len} bytes");
                // Beside the text nothing is touched.
                let mut guarded = vec![0xee; len + 64];
                let (text, guard) = guarded.split_at_mut(len);
                one.apply_from(iv, InOutBuf::new(&plain, text).unwrap());
                assert_eq!((&*text, guard), (&*second, [0xee; 64].as_mut_slice()));
            }
            assert_eq!(one.block(77), other.block(77));
        }
    }
}
