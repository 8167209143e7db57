//! What an error looks like: a problem document (RFC 9457) that names the field that is wrong, and
//! what is expected there.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Where each type of problem is described; an identifier, nothing is fetched there (RFC 9457
/// section 3.1.1).
const TYPES: &str = "https://trunkline.dev/problems/";

pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// The types of problem there are. Clients may rely on them: none changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slug {
    Unauthenticated,
    Forbidden,
    Malformed,
    InvalidField,
    UnknownField,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Stale,
    PreconditionRequired,
    Conflict,
    DefinedInFile,
    NoStore,
    InUse,
    TooLarge,
    UnsupportedMediaType,
    StoreUnavailable,
    RateLimited,
    NoSuchCall,
    WrongState,
    BadTarget,
    Draining,
    Internal,
}

impl Slug {
    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Slug::Unauthenticated => (
                "unauthenticated",
                S::UNAUTHORIZED,
                "A token is needed that is known here",
            ),
            Slug::Forbidden => ("forbidden", S::FORBIDDEN, "That is not allowed"),
            Slug::Malformed => (
                "malformed",
                S::BAD_REQUEST,
                "The request is not what HTTP or JSON allows",
            ),
            Slug::InvalidField => (
                "invalid_field",
                S::BAD_REQUEST,
                "A field has a value that makes no sense",
            ),
            Slug::UnknownField => ("unknown_field", S::BAD_REQUEST, "There is no such field"),
            Slug::NotFound => ("not_found", S::NOT_FOUND, "There is nothing of that name"),
            Slug::MethodNotAllowed => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "That is not done with this resource",
            ),
            Slug::Timeout => (
                "timeout",
                S::REQUEST_TIMEOUT,
                "The request did not come to its end in time",
            ),
            Slug::Stale => (
                "stale",
                S::PRECONDITION_FAILED,
                "It has changed since it was read",
            ),
            Slug::PreconditionRequired => (
                "precondition_required",
                S::PRECONDITION_REQUIRED,
                "A change must say which version it changes",
            ),
            Slug::Conflict => ("conflict", S::CONFLICT, "That is there already"),
            Slug::DefinedInFile => (
                "defined_in_file",
                S::CONFLICT,
                "It is defined in trunkline.toml, and changed there",
            ),
            Slug::NoStore => (
                "no_store",
                S::CONFLICT,
                "Nothing can be changed without a store",
            ),
            Slug::InUse => ("in_use", S::CONFLICT, "Something else needs it"),
            Slug::TooLarge => (
                "too_large",
                S::PAYLOAD_TOO_LARGE,
                "The request is larger than any needs to be",
            ),
            Slug::UnsupportedMediaType => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
            ),
            Slug::StoreUnavailable => (
                "store_unavailable",
                S::SERVICE_UNAVAILABLE,
                "The store does not work at present",
            ),
            Slug::RateLimited => (
                "rate_limited",
                S::TOO_MANY_REQUESTS,
                "There are too many requests",
            ),
            Slug::NoSuchCall => ("no_such_call", S::NOT_FOUND, "There is no such call"),
            Slug::WrongState => (
                "wrong_state",
                S::CONFLICT,
                "The call is in no state to do that",
            ),
            Slug::BadTarget => ("bad_target", S::BAD_REQUEST, "Nobody can be called there"),
            Slug::Draining => (
                "draining",
                S::SERVICE_UNAVAILABLE,
                "No new calls are taken at present",
            ),
            Slug::Internal => (
                "internal",
                S::INTERNAL_SERVER_ERROR,
                "The daemon has made a mistake",
            ),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.facts().0
    }

    pub(crate) fn status(self) -> StatusCode {
        self.facts().1
    }
}

/// One error, as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    slug: Slug,
    detail: String,
    field: Option<String>,
    expected: Option<String>,
    code: Option<u32>,
    retry_after_s: Option<u32>,
    /// The audit has it.
    is_recorded: bool,
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// What kind of problem it is: clients decide by it.
    #[schema(example = "https://trunkline.dev/problems/invalid_field")]
    r#type: String,
    /// The same for people.
    title: &'static str,
    /// The status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time.
    detail: &'a str,
    /// The field that is wrong, with its path: `origination[0].uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    field: Option<&'a str>,
    /// What would be right there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expected: Option<&'a str>,
    /// The code of a refusal, as call records have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<u32>,
}

impl Problem {
    pub(crate) fn new(slug: Slug, detail: impl Into<String>) -> Problem {
        Problem {
            slug,
            detail: detail.into(),
            field: None,
            expected: None,
            code: None,
            retry_after_s: None,
            is_recorded: false,
        }
    }

    /// A field of which something is wrong. What stands behind `expected` in the text, as every
    /// message about the configuration has it, is told by itself too.
    pub(crate) fn field(
        slug: Slug,
        field: impl Into<String>,
        detail: impl Into<String>,
    ) -> Problem {
        let detail = detail.into();
        let expected = detail
            .rsplit_once("expected ")
            .map(|(_, what)| what.to_owned());
        Problem {
            field: Some(field.into()).filter(|field| !field.is_empty()),
            expected,
            ..Problem::new(slug, detail)
        }
    }

    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Problem {
        Problem::field(Slug::InvalidField, field, detail)
    }

    pub(crate) fn with_code(mut self, code: u32) -> Problem {
        self.code = Some(code);
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after_s = Some(seconds);
        self
    }

    pub(crate) fn slug(&self) -> Slug {
        self.slug
    }

    /// Whoever asked may not do that, or not so: not that there is nothing of that name, that they
    /// ask too often, or that the daemon cannot.
    pub(crate) fn is_refusal(&self) -> bool {
        use StatusCode as S;
        let refusals = [
            S::BAD_REQUEST,
            S::FORBIDDEN,
            S::CONFLICT,
            S::PRECONDITION_FAILED,
            S::PAYLOAD_TOO_LARGE,
            S::UNSUPPORTED_MEDIA_TYPE,
            S::PRECONDITION_REQUIRED,
        ];
        refusals.contains(&self.slug.status())
    }

    pub(crate) fn wrong_field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// From now on the audit has it.
    pub(crate) fn set_recorded(&mut self) {
        self.is_recorded = true;
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    pub(crate) fn document(&self) -> ProblemDocument<'_> {
        let (name, status, title) = self.slug.facts();
        ProblemDocument {
            r#type: format!("{TYPES}{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            expected: self.expected.as_deref(),
            code: self.code,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // It has no map with keys that are no strings, nor anything else that could fail.
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = (self.slug.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.slug == Slug::Unauthenticated {
            let challenge = HeaderValue::from_static("Bearer realm=\"trunkline\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        // For whoever writes down what was refused.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_field_and_what_is_expected_there() {
        let text = "\"x\" is unknown; expected disabled, tls or srtp";
        let problem = Problem::invalid("secure", text);
        let json = serde_json::to_value(problem.document()).unwrap();
        assert_eq!(json["type"], "https://trunkline.dev/problems/invalid_field");
        assert_eq!(json["status"], 400);
        assert_eq!(json["field"], "secure");
        assert_eq!(json["detail"], text);
        assert_eq!(json["expected"], "disabled, tls or srtp");
        assert!(json.get("code").is_none());
    }

    #[test]
    fn who_is_not_known_is_told_how_to_prove_themselves() {
        let response = Problem::new(Slug::Unauthenticated, "no token").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
    }
}
