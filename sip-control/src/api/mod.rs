//! The HTTP API, `/api/v1`: everything that the console and the command line do (OPS-1).
//!
//! A request comes in by [`server`], is proven to be of somebody by [`auth`], read by [`request`],
//! and done by one of [`resources`]; what is wrong with it is a [`problem`]. Nothing here asks the
//! loop of signalling for more than a moment, and nothing waits for a disk in a thread that others
//! need.

mod auth;
mod flows;
mod idempotency;
mod model;
mod openapi;
mod overview;
mod pages;
mod problem;
mod refusals;
mod registrations;
mod request;
mod resources;
mod server;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod told;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Version;
use axum::http::header::HOST;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, mpsc};

pub(crate) use self::openapi::views::{Counters, Verdicts};
use self::problem::{Problem, Slug};
pub(crate) use self::registrations::Registrations;
pub(crate) use self::server::ApiServer;
pub(crate) use self::status::{Snapshot, verdicts};
pub(crate) use self::told::Told;
use crate::calls::Live;
use crate::events::Hub;
use crate::health::Monitor;
use crate::manage::Manager;
use crate::media::MediaPlane;
use crate::operation::Operation;
use crate::store::Store;

/// What the API works with.
pub(crate) struct Parts {
    pub(crate) manager: Arc<Manager>,
    pub(crate) store: Store,
    pub(crate) hub: Arc<Hub>,
    pub(crate) live: Arc<Live>,
    pub(crate) health: Arc<Monitor>,
    pub(crate) registrations: Arc<Registrations>,
    pub(crate) media: Arc<MediaPlane>,
    /// To the loop of signalling.
    pub(crate) operations: mpsc::Sender<Operation>,
    /// How many may listen for events at once.
    pub(crate) event_clients: usize,
    /// Where backups may be written to.
    pub(crate) backup_dir: Option<PathBuf>,
}

/// Everything that a handler has at hand; cheap to clone.
#[derive(Clone)]
struct Api(Arc<Shared>);

struct Shared {
    parts: Parts,
    guard: auth::Guard,
    answers: Arc<idempotency::Answers>,
    event_places: Arc<Semaphore>,
    snapshots: status::Snapshots,
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Everything that is served.
pub(crate) fn router(parts: Parts) -> Router {
    let api = Api(Arc::new(Shared {
        event_places: Arc::new(Semaphore::new(parts.event_clients)),
        parts,
        guard: auth::Guard::default(),
        answers: Arc::default(),
        snapshots: status::Snapshots::default(),
    }));
    resources::router(&api)
        .with_state(api)
        .layer(middleware::from_fn(with_host))
}

/// A request of HTTP/1.1 says which host it is for, or is refused (RFC 9112 section 3.2).
async fn with_host(request: Request, next: Next) -> Response {
    let is_for_somebody =
        request.version() != Version::HTTP_11 || request.headers().contains_key(HOST);
    match is_for_somebody {
        true => next.run(request).await,
        false => {
            let problem = "the header Host is missing; expected one (RFC 9112 section 3.2)";
            Problem::new(Slug::Malformed, problem).into_response()
        }
    }
}

fn named(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
    counters
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect()
}
