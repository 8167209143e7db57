//! Pages: `limit` items at most, and a cursor for those after them. Cursors are opaque: they are
//! for this daemon alone, and none is a position that shifts when something comes before it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::problem::Problem;

const DEFAULT_LIMIT: usize = 100;
pub(in crate::api) const LARGEST_LIMIT: usize = 1000;
/// Ours are far shorter.
const LONGEST_CURSOR: usize = 1024;

/// Where the next page begins.
pub(in crate::api) struct Cursor;

impl Cursor {
    pub(in crate::api) fn write(place: &impl Serialize) -> String {
        let json = serde_json::to_vec(place).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(json)
    }

    pub(in crate::api) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
        let read = || {
            let text = Some(text).filter(|text| text.len() <= LONGEST_CURSOR)?;
            let json = URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice(&json).ok()
        };
        read().ok_or_else(|| {
            Problem::invalid("after", "is no cursor; expected `next` of the page before")
        })
    }
}

/// How many items a page may have.
pub(in crate::api) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        Some(limit) if !(1..=LARGEST_LIMIT).contains(&limit) => Err(Problem::invalid(
            "limit",
            format!("is {limit}; expected 1 to {LARGEST_LIMIT}"),
        )),
        asked => Ok(asked.unwrap_or(DEFAULT_LIMIT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let cursor = Cursor::write(&(1_700_000_000_000_i64, 42_u64));
        let place: (i64, u64) = Cursor::read(&cursor).ok().unwrap();
        assert_eq!(place, (1_700_000_000_000, 42));
        let long = "A".repeat(5000);
        for bad in ["", "x", "🦀", "bnVsbA", long.as_str()] {
            assert!(Cursor::read::<(i64, u64)>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_has_a_limit() {
        assert_eq!(limit(None).ok(), Some(DEFAULT_LIMIT));
        assert_eq!(limit(Some(1000)).ok(), Some(1000));
        assert!(limit(Some(0)).is_err() && limit(Some(1001)).is_err());
    }
}
