//! `/health`, `/live`, `/ready`, `/status`: how the daemon is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::model::Readiness;
use crate::api::overview::Overview;
use crate::api::problem::Problem;
use crate::health::Health;

use super::{blocking, written};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(all))
}

/// What is wrong, if anything is, and what the daemon holds
#[utoipa::path(
    get, path = "/health", tag = "daemon", operation_id = "get_health",
    responses((status = 200, description = "`status` is `ok` or `degraded`; then `problems` says why.", body = Health)),
)]
async fn health(_: Reader, State(api): State<Api>) -> Result<Json<Health>, Problem> {
    let snapshot = api.snapshot().await?;
    let monitor = Arc::clone(&api.health);
    blocking(move || monitor.health(&snapshot)).await.map(Json)
}

/// Whether the process lives
#[utoipa::path(
    get, path = "/live", tag = "daemon", operation_id = "is_live", security(()),
    responses((status = 200, description = "It does.", body = Readiness)),
)]
async fn live() -> Json<Readiness> {
    Json(Readiness {
        ready: true,
        reason: None,
    })
}

/// Whether new calls are taken: for load balancers
#[utoipa::path(
    get, path = "/ready", tag = "daemon", operation_id = "is_ready", security(()),
    responses(
        (status = 200, description = "They are.", body = Readiness),
        (status = 503, description = "They are not.", body = Readiness),
    ),
)]
async fn ready(State(api): State<Api>) -> Response {
    let reason = match (api.operations.is_closed(), api.health.is_draining()) {
        (true, _) => Some("the daemon is stopping"),
        (false, true) => Some("the daemon is draining"),
        (false, false) => None,
    };
    let status = match reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let readiness = Readiness {
        ready: reason.is_none(),
        reason,
    };
    (status, Json(readiness)).into_response()
}

/// Everything at a glance, as `trunkline status --json` prints it
#[utoipa::path(
    get, path = "/status", tag = "daemon", operation_id = "get_status",
    responses((status = 200, description = "Targets, registrations, the latest calls, counters, certificates.", body = Overview)),
)]
async fn all(_: Reader, State(api): State<Api>) -> Result<Json<Box<RawValue>>, Problem> {
    let snapshot = api.snapshot_now().await?;
    written(move || Overview::of(&api, &snapshot)).await
}
