//! RSeq and RAck: reliable provisional responses (RFC 3262 section 7).

use std::fmt;

use super::cseq::CSeq;
use super::header_name::HeaderName;
use super::headers::Headers;
use super::lexer::{is_lws, number, trim};

/// The option tag (RFC 3262 section 8.1).
pub const RELIABLE: &str = "100rel";

/// RAck: which provisional response a PRACK acknowledges (section 7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RAck {
    /// RSeq of the response.
    pub response: u32,
    /// CSeq of the response.
    pub request: CSeq,
}

impl RAck {
    /// `None` if `value` is not two numbers and a method.
    pub fn parse(value: &[u8]) -> Option<RAck> {
        let value = trim(value);
        let space = value.iter().position(|&byte| is_lws(byte))?;
        let response = number(&value[..space])?;
        let request = CSeq::parse(&value[space..])?;
        Some(RAck { response, request })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.response, self.request)
    }
}

impl Headers {
    /// What a PRACK acknowledges; `None` without RAck or if it cannot be read.
    pub fn rack(&self) -> Option<RAck> {
        RAck::parse(self.value(HeaderName::RAck)?)
    }

    /// The RSeq of a provisional response that its sender wants acknowledged; `None` if it does
    /// not (section 4: both the option tag and the number are needed).
    pub fn reliable_sequence(&self) -> Option<u32> {
        if !self.has_option_tag(HeaderName::Require, RELIABLE) {
            return None;
        }
        self.number(HeaderName::RSeq)
            .ok()
            .flatten()
            .filter(|&sequence| sequence > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    #[test]
    fn rack_is_two_numbers_and_a_method() {
        let rack = RAck::parse(b"776656  1\r\n INVITE").unwrap();
        assert_eq!(rack.response, 776_656);
        assert_eq!(rack.request, CSeq::new(1, Method::Invite));
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for value in [
            "",
            "1",
            "1 INVITE",
            "1 2",
            "x 1 INVITE",
            "1 x INVITE",
            "4294967296 1 INVITE",
        ] {
            assert_eq!(RAck::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn a_response_is_reliable_only_with_tag_and_number() {
        for (require, rseq, expected) in [
            (Some("100rel"), Some("7"), Some(7)),
            (Some("timer, 100REL"), Some("7"), Some(7)),
            (Some("100rel"), None, None),
            (Some("100rel"), Some("0"), None),
            (Some("100rel"), Some("x"), None),
            (None, Some("7"), None),
        ] {
            let mut headers = Headers::new();
            for (name, value) in [(HeaderName::Require, require), (HeaderName::RSeq, rseq)] {
                if let Some(value) = value {
                    headers.push(name, value);
                }
            }
            assert_eq!(
                headers.reliable_sequence(),
                expected,
                "{require:?} {rseq:?}"
            );
        }
    }
}
