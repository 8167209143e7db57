//! Queries and names in paths.

use axum::extract::{FromRequestParts, Path, Query, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::without_place;
use crate::api::problem::{Problem, Slug};

/// The query of a request; an unknown parameter is an error, not a typing mistake without effect.
pub(in crate::api) struct QueryOf<T>(pub(in crate::api) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<QueryOf<T>, Problem> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| QueryOf(query.0)).map_err(|rejection| {
            let message = std::error::Error::source(&rejection)
                .map_or_else(|| rejection.to_string(), ToString::to_string);
            problem(&message)
        })
    }
}

/// serde's message, with the parameter in front of it where there is one: `limit: invalid digit…`.
fn problem(message: &str) -> Problem {
    let message = without_place(message);
    // The parameter stands in front of it as well.
    let unknown = message.find("unknown field `").map(|at| &message[at..]);
    if let Some(name) = unknown.and_then(|message| super::quoted_after(message, "unknown field ")) {
        return Problem::field(Slug::UnknownField, name, message.replace('`', ""));
    }
    if let Some(name) = super::quoted_after(message, "missing field ") {
        return Problem::invalid(name, "is missing");
    }
    if let Some(name) = super::quoted_after(message, "duplicate field ") {
        return Problem::invalid(name, "is there twice; expected once");
    }
    match message.split_once(": ") {
        Some((name, problem)) if !name.contains(' ') => Problem::invalid(name, problem),
        _ => Problem::new(
            Slug::Malformed,
            format!("the query cannot be read: {message}"),
        ),
    }
}

/// What stands in the path.
pub(in crate::api) struct PathOf<T>(pub(in crate::api) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathOf<T>, Problem> {
        if let Ok(Path(of)) = Path::from_request_parts(parts, state).await {
            return Ok(PathOf(of));
        }
        // What is no number names nothing, like a number that is not there.
        let given = RawPathParams::from_request_parts(parts, state).await;
        let given = given.iter().flatten().map(|(_, value)| value);
        let detail = match given.collect::<Vec<_>>().join("/") {
            given if given.is_empty() => "what the path names is not UTF-8".to_owned(),
            given => format!("there is no {given} here; expected a number"),
        };
        Err(Problem::new(Slug::NotFound, detail))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        limit: Option<usize>,
    }

    async fn read(uri: &str) -> Result<Option<usize>, serde_json::Value> {
        let (mut parts, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
        let read = QueryOf::<Asked>::from_request_parts(&mut parts, &()).await;
        read.map(|query| query.0.limit)
            .map_err(|problem| serde_json::to_value(problem.document()).unwrap())
    }

    #[tokio::test]
    async fn the_parameter_that_is_wrong_is_named() {
        assert_eq!(read("/").await, Ok(None));
        assert_eq!(read("/?limit=5").await, Ok(Some(5)));
        for (uri, field) in [
            ("/?limt=5", "limt"),
            ("/?limit=x", "limit"),
            ("/?limit=1&limit=2", "limit"),
        ] {
            let told = read(uri).await.unwrap_err();
            assert_eq!(told["field"], field, "{told}");
        }
    }
}
