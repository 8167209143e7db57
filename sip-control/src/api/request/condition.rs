//! Conditional requests (RFC 9110 section 13, RFC 6585 section 3): who changes something says which
//! version of it they have seen.

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;

use crate::api::problem::{Problem, Slug};

/// `If-Match` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum Condition {
    /// `*`: whatever it is now.
    Any,
    Version(i64),
    /// An entity tag that we have never given.
    Never,
    Missing,
}

impl Condition {
    /// # Errors
    /// A change without a condition would overwrite what somebody else has just changed.
    pub(in crate::api) fn required(self) -> Result<Condition, Problem> {
        match self {
            Condition::Missing => Err(Problem::new(
                Slug::PreconditionRequired,
                "If-Match is missing; expected the ETag of the answer that this change began with",
            )),
            Condition::Never => Err(stale()),
            given => Ok(given),
        }
    }
}

fn stale() -> Problem {
    Problem::new(
        Slug::Stale,
        "somebody has changed it since; expected the ETag that it has now",
    )
}

impl<S: Sync> FromRequestParts<S> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Condition, Problem> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Condition::Missing),
            (Some(value), None) => Ok(read(value)),
            // Several tags are allowed; none of our answers has more than one.
            _ => Ok(Condition::Never),
        }
    }
}

/// A weak tag never matches here (RFC 9110 section 13.1.1).
fn read(value: &HeaderValue) -> Condition {
    let Ok(text) = value.to_str() else {
        return Condition::Never;
    };
    if text.trim() == "*" {
        return Condition::Any;
    }
    let version = text
        .trim()
        .strip_prefix("\"v")
        .and_then(|text| text.strip_suffix('"'))
        .and_then(|digits| digits.parse().ok());
    version.map_or(Condition::Never, Condition::Version)
}

/// The entity tag of a version.
pub(in crate::api) fn etag(version: i64) -> String {
    format!("\"v{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_what_we_gave_or_nothing() {
        let read = |text: &str| read(&HeaderValue::from_str(text).unwrap());
        assert_eq!(read("*"), Condition::Any);
        assert_eq!(read(&etag(7)), Condition::Version(7));
        assert_eq!(read(&etag(-7)), Condition::Version(-7));
        for other in [
            "W/\"v7\"",
            "v7",
            "\"7\"",
            "\"v7",
            "\"v99999999999999999999\"",
        ] {
            assert_eq!(read(other), Condition::Never, "{other}");
        }
        assert_eq!(
            Condition::Missing.required().unwrap_err().slug(),
            Slug::PreconditionRequired
        );
        assert_eq!(Condition::Never.required().unwrap_err().slug(), Slug::Stale);
        assert!(Condition::Version(8).required().is_ok());
    }
}
