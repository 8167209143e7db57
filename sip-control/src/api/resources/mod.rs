//! What there is at `/api/v1`, a file for each kind of it.

mod accounts;
mod audit;
mod calls;
mod change;
mod configuration;
mod configured;
mod control;
mod csv;
mod events;
mod flows;
mod health;
mod history;
mod look;
mod origination;
mod percent;
mod registrations;
mod routes;
mod session;
mod tokens;
mod trunk_parts;
mod trunks;
mod webhooks;
mod when;

use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, ETAG, LOCATION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, extract::OriginalUri};
use futures_util::FutureExt;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::percent::encoded;
pub(super) use self::trunks::TrunkState;
use super::problem::{Problem, Slug};
use super::request::{Condition, etag};
use super::{Api, openapi, pages, refusals, stream};
use crate::manage::{IfMatch, ManageError};
use crate::store::StoreError;

/// Where all of it is.
pub(super) const BASE: &str = "/api/v1";

/// Answers that are made at one time, each on a thread of its own.
const AT_ONCE: usize = 2;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Everything that is served, of the API and besides it.
pub(super) fn router(state: &Api) -> Router<Api> {
    let (api, description) = described().split_for_parts();
    let description = openapi::finish(description);
    let api = api
        .route("/openapi.json", get(async move || Json(description)))
        .route("/docs", get(pages::docs))
        .route("/docs/docs.js", get(pages::docs_script))
        .route("/docs/docs.css", get(pages::docs_style))
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            refusals::note,
        ))
        .layer(middleware::from_fn(private));
    Router::new()
        .nest(BASE, api)
        .fallback(pages::console)
        .layer(middleware::from_fn(survive))
}

/// The operations, with what is said of them.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::top())
        .merge(health::routes())
        .merge(session::routes())
        .merge(trunks::routes())
        .merge(trunk_parts::routes())
        .merge(origination::routes())
        .merge(routes::routes())
        .merge(accounts::routes())
        .merge(registrations::routes())
        .merge(calls::routes())
        .merge(control::routes())
        .merge(history::routes())
        .merge(flows::routes())
        .merge(events::routes())
        .routes(routes!(stream::stream))
        .routes(routes!(stream::socket))
        .merge(tokens::routes())
        .merge(webhooks::routes())
        .merge(audit::routes())
        .merge(configuration::routes())
}

async fn no_such_method(OriginalUri(uri): OriginalUri) -> Problem {
    let detail = format!("{} is not for that method; see Allow", uri.path());
    Problem::new(Slug::MethodNotAllowed, detail)
}

/// Answers of the API are of a moment, and for whoever asked.
async fn private(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A handler that panics is a mistake of ours; the others go on.
async fn survive(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(path, "the API has made a mistake");
            Problem::new(Slug::Internal, "the daemon's log says more").into_response()
        }
    }
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Problem {
        let text = error.to_string();
        match error {
            ManageError::Field { field, problem } => Problem::invalid(field, problem),
            ManageError::UnknownField { field, problem } => {
                Problem::field(Slug::UnknownField, field, problem)
            }
            ManageError::Conflict(_) => Problem::new(Slug::Conflict, text),
            ManageError::DefinedInFile(_) => Problem::new(Slug::DefinedInFile, text),
            ManageError::InUse(_) => Problem::new(Slug::InUse, text),
            ManageError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let slug = match &error {
            StoreError::NoStore => Slug::NoStore,
            StoreError::Missing => Slug::NotFound,
            StoreError::Exists => Slug::Conflict,
            StoreError::Stale { .. } => Slug::Stale,
            StoreError::Unavailable(_) => Slug::StoreUnavailable,
            StoreError::NoPlace(_) => Slug::InvalidField,
        };
        match error {
            StoreError::NoPlace(_) => Problem::field(slug, "path", error.to_string()),
            _ => Problem::new(slug, error.to_string()),
        }
    }
}

fn not_found(what: &str, name: &str) -> Problem {
    Problem::new(Slug::NotFound, format!("there is no {what} {name:?}"))
}

/// The daemon is about to end.
fn stopping() -> Problem {
    Problem::new(Slug::Draining, "the daemon is stopping")
}

impl Condition {
    /// For a change of what is there already.
    fn for_change(self) -> Result<IfMatch, Problem> {
        match self.required()? {
            Condition::Version(version) => Ok(IfMatch::Version(version)),
            _ => Ok(IfMatch::Any),
        }
    }
}

/// An object of which there are versions.
fn versioned(status: StatusCode, version: i64, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(tag) = HeaderValue::from_str(&etag(version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The same for one that has just been made; `path` is its own, each part as it is.
fn created(version: i64, path: &[&str], body: &impl Serialize) -> Response {
    located(versioned(StatusCode::CREATED, version, body), path)
}

fn located(mut response: Response, path: &[&str]) -> Response {
    let path: String = path
        .iter()
        .map(|part| format!("/{}", encoded(part)))
        .collect();
    if let Ok(location) = HeaderValue::from_str(&format!("{BASE}{path}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// An answer that takes a while to be made and to be written, away from those who answer. A value of
/// JSON, to be written later, would be most of the work.
async fn written<T: Serialize>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Json<Box<RawValue>>, Problem> {
    let written = blocking(move || to_raw_value(&work())).await?;
    written
        .map(Json)
        .map_err(|_| Problem::new(Slug::Internal, "the answer cannot be written as JSON"))
}

/// Something that takes a while, away from those who answer. Whoever asks much waits for itself: the
/// threads of calls and of media compete with [`AT_ONCE`] of these and no more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let failed = || Problem::new(Slug::Internal, "the daemon's log says more");
    // Nobody closes it.
    let turn = TURNS.acquire().await.map_err(|_| failed())?;
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    done.await.map_err(|_| failed())
}
