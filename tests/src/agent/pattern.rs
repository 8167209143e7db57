//! Payloads that a receiver can check byte for byte, and that a tap can recognise as plaintext.
//!
//! ```text
//!  0        8      9      12          16                    160
//!  | marker | side | call | index     | noise from the rest |
//! ```

/// 20 ms of G.711 (RFC 3551 section 4.5.14).
pub const PAYLOAD_LEN: usize = 160;

/// Starts every payload: if it shows on a secure leg's wire, plaintext has leaked.
pub const MARKER: &[u8; 8] = b"TrnkLine";

/// One sender's payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Number of the call, so that calls cannot be mistaken for each other (24 bits).
    pub call: u32,
    /// 0 for the caller's payloads, 1 for the callee's.
    pub side: u8,
}

impl Pattern {
    /// Payload number `index`.
    pub fn payload(self, index: u32) -> [u8; PAYLOAD_LEN] {
        let mut payload = [0; PAYLOAD_LEN];
        payload[..8].copy_from_slice(MARKER);
        payload[8..12].copy_from_slice(&self.call.to_be_bytes());
        payload[8] = self.side;
        payload[12..16].copy_from_slice(&index.to_be_bytes());
        // xorshift64: any byte that is lost, moved or changed shows.
        let mut state = (u64::from(self.call) << 40)
            ^ (u64::from(self.side) << 32)
            ^ u64::from(index)
            ^ 0x9e37_79b9_7f4a_7c15;
        for byte in &mut payload[16..] {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state as u8;
        }
        payload
    }

    /// The number of a payload, if every byte of it is right.
    pub fn check(self, payload: &[u8]) -> Option<u32> {
        let index = u32::from_be_bytes(payload.get(12..16)?.try_into().ok()?);
        (payload == self.payload(index)).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_known_by_its_number_and_a_changed_one_is_not() {
        let pattern = Pattern { call: 3, side: 1 };
        let mut payload = pattern.payload(77);
        assert_eq!(pattern.check(&payload), Some(77));
        assert_eq!(Pattern { call: 4, side: 1 }.check(&payload), None);
        payload[159] ^= 1;
        assert_eq!(pattern.check(&payload), None);
        assert_eq!(pattern.check(&payload[..100]), None);
    }
}
