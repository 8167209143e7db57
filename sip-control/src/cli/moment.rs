//! Times and spans of time, as people write them.

use std::fmt::{self, Display};
use std::time::{Duration, SystemTime};

use crate::clock::rfc3339;

/// A time as the API takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment(String);

impl Display for Moment {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let wrong = || {
            format!("{text:?} is no time; expected 2026-11-30T05:36:33Z, 2026-11-30, 30m, 2h or 7d")
        };
        if let Some(ago) = span(text) {
            let then = SystemTime::now().checked_sub(ago).ok_or_else(wrong)?;
            return Ok(Moment(rfc3339(then)));
        }
        if is_like(text, "0000-00-00") {
            return Ok(Moment(format!("{text}T00:00:00Z")));
        }
        // Whatever RFC 3339 has behind the seconds is the daemon's to judge.
        let begins = text.get(.."0000-00-00T00:00:00".len());
        match begins.is_some_and(|begins| is_like(begins, "0000-00-00T00:00:00")) {
            true => Ok(Moment(text.to_owned())),
            false => Err(wrong()),
        }
    }
}

/// Whether it has digits where the pattern has them, and the same between them.
fn is_like(text: &str, pattern: &str) -> bool {
    let fits = |(byte, like): (u8, u8)| match like {
        b'0' => byte.is_ascii_digit(),
        like => byte == like,
    };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

/// `30s`, `10m`, `2h`, `7d`: so long.
pub(super) fn span(text: &str) -> Option<Duration> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(unit)?))
}

/// The same as an argument.
pub(super) fn span_argument(text: &str) -> Result<Duration, String> {
    span(text)
        .ok_or_else(|| format!("{text:?} is no span of time; expected one like 30s, 10m or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_do() {
        let moment = |text: &str| text.parse::<Moment>();
        assert_eq!(moment("2026-11-30").unwrap().0, "2026-11-30T00:00:00Z");
        let exact = "2026-11-30T05:36:33+01:00";
        assert_eq!(moment(exact).unwrap().0, exact);
        let ago = moment("2h").unwrap().0;
        assert!(ago.len() > 19 && ago.ends_with('Z'), "{ago}");
        for wrong in [
            "",
            "h",
            "yesterday",
            "2026-11-3x",
            "99999999999999999999d",
            "ü",
            "5w",
            "18446744073709551615d",
        ] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
