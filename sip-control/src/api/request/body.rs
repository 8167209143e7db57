//! A body of JSON: bounded in size and in the time that it may take to arrive.

use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::problem_of;
use crate::api::problem::{Problem, Slug};

/// No configuration is near it.
const LARGEST_BODY_BYTES: usize = 1 << 20;
/// For the whole of it.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a request has in its body; any JSON.
#[derive(Debug)]
pub(in crate::api) struct Body(pub(in crate::api) Value);

impl Body {
    /// The body as what it is meant to be.
    pub(in crate::api) fn read<T: DeserializeOwned>(self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(self.0).map_err(|error| problem_of(&error))
    }
}

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Body, Problem> {
        let (parts, body) = request.into_parts();
        let kind = parts
            .headers
            .get(CONTENT_TYPE)
            .map(|kind| kind.to_str().unwrap_or(""));
        if !kind.is_some_and(is_json) {
            let detail = format!(
                "Content-Type is {:?}; expected application/json",
                kind.unwrap_or("missing")
            );
            return Err(Problem::new(Slug::UnsupportedMediaType, detail));
        }
        let bytes = collect(body).await?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| Problem::new(Slug::Malformed, format!("the body is no JSON: {error}")))
    }
}

/// `application/json`, and what builds on it (RFC 6839 section 3.1).
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or("").trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

async fn collect(body: HttpBody) -> Result<Vec<u8>, Problem> {
    let collected = timeout(PATIENCE, Limited::new(body, LARGEST_BODY_BYTES).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            Slug::TooLarge,
            format!("the body is too large; expected {LARGEST_BODY_BYTES} bytes at most"),
        )),
        Ok(Err(error)) => Err(Problem::new(
            Slug::Malformed,
            format!("the body ends too early: {error}"),
        )),
        Err(_) => Err(Problem::new(
            Slug::Timeout,
            format!("the body did not come within {} s", PATIENCE.as_secs()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn read(kind: &str, body: impl Into<HttpBody>) -> Result<Value, Slug> {
        let request = Request::builder()
            .header(CONTENT_TYPE, kind)
            .body(body.into())
            .unwrap();
        let read = Body::from_request(request, &()).await;
        read.map(|body| body.0).map_err(|problem| problem.slug())
    }

    #[tokio::test]
    async fn a_body_is_json_and_not_without_end() {
        assert_eq!(read("application/json", "{}").await, Ok(json!({})));
        let merge = "Application/merge-patch+JSON; charset=utf-8";
        assert_eq!(read(merge, "null").await, Ok(Value::Null));
        assert_eq!(
            read("text/plain", "{}").await,
            Err(Slug::UnsupportedMediaType)
        );
        assert_eq!(read("application/json", "{").await, Err(Slug::Malformed));
        assert_eq!(read("application/json", "").await, Err(Slug::Malformed));
        let deep = "[".repeat(100_000);
        assert_eq!(read("application/json", deep).await, Err(Slug::Malformed));
        let large = vec![b' '; LARGEST_BODY_BYTES + 1];
        assert_eq!(read("application/json", large).await, Err(Slug::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_waited_for_no_longer() {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let body = HttpBody::from_stream(never);
        assert_eq!(read("application/json", body).await, Err(Slug::Timeout));
    }
}
