//! Times in queries.

use crate::api::problem::Problem;
use crate::clock::days_since_epoch;

/// Milliseconds since 1970: as such a number, or as RFC 3339 in UTC has it, with or without the
/// time of day.
pub(super) fn moment(field: &str, text: &str) -> Result<i64, Problem> {
    let number = text.parse().ok().filter(|ms| *ms >= 0);
    number.or_else(|| rfc3339(text)).ok_or_else(|| {
        let expected =
            "expected RFC 3339 in UTC, like 2026-11-30T12:00:00Z, or milliseconds since 1970";
        Problem::invalid(field, format!("{text:?} is no time; {expected}"))
    })
}

/// RFC 3339 section 5.6.
fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, time.strip_suffix(['Z', 'z'])?),
        None => (text, "00:00:00"),
    };
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    if !is_date || !(1..=31).contains(&day) {
        return None;
    }
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute) = (time.next()??, time.next()??);
    let second = time.next().unwrap_or(Some(0))?;
    let ms = number(
        &format!("{fraction:0<3}")
            .chars()
            .take(3)
            .collect::<String>(),
    )?;
    if hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    i64::try_from(seconds * 1000 + ms).ok()
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_says() {
        for (text, ms) in [
            ("0", Some(0)),
            ("1735689599000", Some(1_735_689_599_000)),
            ("2024-12-31T23:59:59Z", Some(1_735_689_599_000)),
            ("2024-12-31T23:59:59.25Z", Some(1_735_689_599_250)),
            ("2024-12-31t23:59z", Some(1_735_689_540_000)),
            ("2025-01-01", Some(1_735_689_600_000)),
            ("2024-12-31T23:59:59", None),
            ("2024-12-31T23:59:59+01:00", None),
            ("2024-13-01", None),
            ("2024-1-1-1", None),
            ("-5", None),
            ("yesterday", None),
            ("", None),
            ("2024-01-01T00:00:00.üZ", None),
        ] {
            assert_eq!(moment("from", text).ok(), ms, "{text}");
        }
    }
}
