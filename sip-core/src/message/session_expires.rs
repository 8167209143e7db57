//! Session-Expires and Min-SE: session timers (RFC 4028 sections 4 and 5).

use std::fmt;

use super::header_name::HeaderName;
use super::headers::Headers;
use super::lexer::{number, trim};
use super::params::Params;

/// The option tag (RFC 4028 section 6).
pub const TIMER: &str = "timer";

/// Who refreshes the session, as seen from the request that the header stands in or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    Uac,
    Uas,
}

/// Session-Expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    pub seconds: u32,
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// `None` if it does not begin with a number. A refresher that is neither word is none.
    pub fn parse(value: &[u8]) -> Option<SessionExpires> {
        let value = trim(value);
        let end = value.iter().position(|&byte| byte == b';');
        let seconds = number(trim(&value[..end.unwrap_or(value.len())]))?;
        let params = end.and_then(|end| std::str::from_utf8(&value[end..]).ok());
        let refresher = params.and_then(Params::parse).and_then(|params| {
            match params.get("refresher")?.to_ascii_lowercase().as_str() {
                "uac" => Some(Refresher::Uac),
                "uas" => Some(Refresher::Uas),
                _ => None,
            }
        });
        Some(SessionExpires { seconds, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

impl Headers {
    /// `None` without the header, or if it cannot be read.
    pub fn session_expires(&self) -> Option<SessionExpires> {
        SessionExpires::parse(self.value(HeaderName::SessionExpires)?)
    }

    /// Min-SE in seconds; `None` without the header, or if it cannot be read.
    pub fn min_se(&self) -> Option<u32> {
        self.number(HeaderName::MinSe).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_refresher_are_read_in_any_case() {
        for (value, seconds, refresher) in [
            ("1800", 1800, None),
            ("1800;refresher=uac", 1800, Some(Refresher::Uac)),
            (" 90 ; x=1 ; Refresher=UAS ", 90, Some(Refresher::Uas)),
            ("90;refresher=nobody", 90, None),
        ] {
            let parsed = SessionExpires::parse(value.as_bytes());
            assert_eq!(
                parsed,
                Some(SessionExpires { seconds, refresher }),
                "{value}"
            );
        }
        for value in ["", "x", ";refresher=uac", "99999999999"] {
            assert_eq!(SessionExpires::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn it_is_written_as_the_rfc_does() {
        let mut expires = SessionExpires {
            seconds: 600,
            refresher: None,
        };
        assert_eq!(expires.to_string(), "600");
        expires.refresher = Some(Refresher::Uas);
        assert_eq!(expires.to_string(), "600;refresher=uas");
    }
}
