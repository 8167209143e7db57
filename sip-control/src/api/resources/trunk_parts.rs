//! `/trunks/{name}/general` and `/termination`: a trunk in the parts that people edit.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::openapi::views::{GeneralPatch, GeneralView, TerminationPatch, TerminationView};
use crate::api::problem::Problem;
use crate::api::request::{Body, Condition};
use crate::config::sections::TrunkSection;
use crate::manage::{Managed, TrunkPart};

use super::change::Change;
use super::configured::told_of;
use super::look::Look;
use super::versioned;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(general, change_general))
        .routes(routes!(termination, change_termination))
}

fn answer(part: TrunkPart, trunk: &Managed<TrunkSection>) -> Response {
    let mut fields = part.view(&trunk.body);
    told_of(trunk, &mut fields);
    versioned(StatusCode::OK, trunk.version, &Value::Object(fields))
}

async fn patch(change: Change, part: TrunkPart, body: Body) -> Result<Response, Problem> {
    let now = change
        .api
        .manager
        .patch_trunk(&change.actor, &change.of, part, body.0, change.condition)
        .await?;
    Ok(answer(part, &now))
}

/// How its calls are: security, codecs, limits, headers
#[utoipa::path(
    get, path = "/trunks/{name}/general", tag = "trunks", operation_id = "get_trunk_general",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The fields that are set.", body = GeneralView)),
)]
async fn general(look: Look) -> Result<Response, Problem> {
    Ok(answer(
        TrunkPart::General,
        &look.api.manager.trunk(&look.of)?,
    ))
}

/// Changes how its calls are (RFC 7396)
#[utoipa::path(
    patch, path = "/trunks/{name}/general", tag = "trunks", operation_id = "change_trunk_general",
    params(("name" = String, Path, description = "Its name."), Condition),
    request_body(content = GeneralPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As they are now.", body = GeneralView)),
)]
async fn change_general(change: Change, body: Body) -> Result<Response, Problem> {
    patch(change, TrunkPart::General, body).await
}

/// Who may send us calls
#[utoipa::path(
    get, path = "/trunks/{name}/termination", tag = "trunks", operation_id = "get_trunk_termination",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The fields that are set.", body = TerminationView)),
)]
async fn termination(look: Look) -> Result<Response, Problem> {
    Ok(answer(
        TrunkPart::Termination,
        &look.api.manager.trunk(&look.of)?,
    ))
}

/// Changes who may send us calls (RFC 7396)
#[utoipa::path(
    patch, path = "/trunks/{name}/termination", tag = "trunks", operation_id = "change_trunk_termination",
    params(("name" = String, Path, description = "Its name."), Condition),
    request_body(content = TerminationPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As they are now.", body = TerminationView)),
)]
async fn change_termination(change: Change, body: Body) -> Result<Response, Problem> {
    patch(change, TrunkPart::Termination, body).await
}
