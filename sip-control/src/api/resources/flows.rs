//! `/flows`: whose packets, by which way, and how good.

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::flows;
use crate::api::problem::Problem;
use crate::api::request::PathOf;

use super::{blocking, not_found};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
}

/// Every flow of media, in the order of calls
#[utoipa::path(
    get, path = "/flows", tag = "calls", operation_id = "list_flows",
    responses((status = 200, description = "`{\"flows\": […]}`, as `trunkline flows --json` prints it.", body = Object)),
)]
async fn list(_: Reader, State(api): State<Api>) -> Result<Json<Value>, Problem> {
    blocking(move || flows::all(&api.media.flows()))
        .await
        .map(Json)
}

/// One flow, with all that the kernel and the relays have counted of it
#[utoipa::path(
    get, path = "/flows/{index}", tag = "calls", operation_id = "get_flow",
    params(("index" = u32, Path, description = "Its number in the list: its key in the map FLOWS.")),
    responses((status = 200, description = "The flow.", body = Object)),
)]
async fn one(
    _: Reader,
    State(api): State<Api>,
    PathOf(index): PathOf<u32>,
) -> Result<Json<Value>, Problem> {
    let found = blocking(move || flows::one(&api.media.flows(), index)).await?;
    found
        .map(Json)
        .ok_or_else(|| not_found("flow", &index.to_string()))
}
