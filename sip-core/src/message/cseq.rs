//! CSeq (RFC 3261 section 20.16).

use std::fmt;

use super::lexer::{is_lws, number, trim};
use super::method::Method;

/// A sequence number and the method it counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Below 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    pub method: Method,
}

impl CSeq {
    /// Exclusive (RFC 3261 section 8.1.1.5).
    pub const LIMIT: u32 = 1 << 31;

    pub fn new(number: u32, method: Method) -> CSeq {
        CSeq { number, method }
    }

    /// `None` if `value` is not a number below 2^31, white space and a token.
    pub fn parse(value: &[u8]) -> Option<CSeq> {
        let value = trim(value);
        let space = value.iter().position(|&byte| is_lws(byte))?;
        let number = number(&value[..space]).filter(|&number| number < CSeq::LIMIT)?;
        let method = Method::from_bytes(trim(&value[space..]))?;
        Some(CSeq { number, method })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl From<CSeq> for Vec<u8> {
    fn from(cseq: CSeq) -> Vec<u8> {
        cseq.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_method_may_be_folded_and_padded() {
        let cseq = CSeq::parse(b"0009\r\n  INVITE").unwrap();
        assert_eq!(cseq, CSeq::new(9, Method::Invite));
        assert_eq!(cseq.to_string(), "9 INVITE");
        assert_eq!(
            CSeq::parse(b"2147483647 x").unwrap().number,
            CSeq::LIMIT - 1
        );
    }

    #[test]
    fn numbers_out_of_range_and_missing_parts_are_refused() {
        for value in [
            "",
            "1",
            "INVITE",
            "2147483648 ACK",
            "36893488147419103232 REGISTER",
            "-1 ACK",
            "1 IN VITE",
            "1 <ACK>",
        ] {
            assert_eq!(CSeq::parse(value.as_bytes()), None, "{value}");
        }
    }
}
