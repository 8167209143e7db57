//! AES in counter mode (RFC 3711 section 4.1.1).

use aes::Aes128;
use cipher::inout::InOutBuf;
use cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An expanded session key and its salt.
#[derive(ZeroizeOnDrop)]
pub(super) struct AesCm {
    aes: Aes128,
    salt: Salt,
}

/// 112 bits, already where they stand in the counter block: `k_s * 2^16`.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Salt(u128);

/// Borrows the expanded key: nothing is copied per packet.
type Counter<'a> = CtrCore<&'a Aes128, ctr::flavors::Ctr128BE>;

impl AesCm {
    pub(super) fn new(key: &[u8; 16], salt: &[u8; 14]) -> AesCm {
        let mut block = [0; 16];
        block[..14].copy_from_slice(salt);
        let cipher = AesCm {
            aes: Aes128::new(key.into()),
            salt: Salt(u128::from_be_bytes(block)),
        };
        block.zeroize();
        cipher
    }

    /// Encrypts, or decrypts: adds the keystream of packet `index` of source `ssrc`.
    ///
    /// `IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)`
    pub(super) fn apply(&self, ssrc: u32, index: u64, data: InOutBuf<'_, '_, u8>) {
        let iv = self.salt.0 ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
        self.apply_from(iv, data);
    }

    /// Adds the keystream that begins with the counter block `iv`.
    ///
    /// The counter's 16 low bits begin at 0 and count blocks: 1 MiB, and no UDP packet has more than 64 KiB.
    pub(super) fn apply_from(&self, iv: u128, data: InOutBuf<'_, '_, u8>) {
        let core: Counter<'_> = CtrCore::inner_iv_init(&self.aes, &iv.to_be_bytes().into());
        core.apply_keystream_partial(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_keystream_is_that_of_the_rfc() {
        let key = hex("2B7E151628AED2A6ABF7158809CF4F3C");
        let salt = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
        let cipher = AesCm::new(
            key.as_slice().try_into().unwrap(),
            salt.as_slice().try_into().unwrap(),
        );
        let mut stream = vec![0; 0xff02 * 16];
        cipher.apply(0, 0, stream.as_mut_slice().into());
        for (block, expected) in [
            (0x0000, "E03EAD0935C95E80E166B16DD92B4EB4"),
            (0x0001, "D23513162B02D0F72A43A2FE4A5F97AB"),
            (0x0002, "41E95B3BB0A2E8DD477901E4FCA894C0"),
            (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
            (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
            (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
        ] {
            assert_eq!(
                stream[block * 16..][..16],
                hex(expected),
                "block {block:#x}"
            );
        }
    }

    #[test]
    fn frame_to_frame_equals_in_place() {
        let cipher = AesCm::new(&[7; 16], &[9; 14]);
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
