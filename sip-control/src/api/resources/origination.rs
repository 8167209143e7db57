//! `/trunks/{name}/origination`: where calls to a trunk go, target by target. Their version is the
//! trunk's.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Administrator;
use crate::api::model::Page;
use crate::api::openapi::views::OriginationPatch;
use crate::api::problem::Problem;
use crate::api::request::{Body, Condition, PathOf};
use crate::config::sections::{OriginationSection, TrunkSection};
use crate::manage::{self, IfMatch, Managed};

use super::change::Change;
use super::look::Look;
use super::trunks::{States, TargetState};
use super::{created, not_found, versioned};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(get, put, patch, delete))
}

/// A target, and whether it works.
#[derive(Serialize, ToSchema)]
struct Indexed {
    /// Its place in the list.
    index: usize,
    #[serde(flatten)]
    target: TargetState,
}

async fn targets(api: &Api, trunk: &Managed<TrunkSection>) -> Result<Vec<Indexed>, Problem> {
    let states = States::now(api).await?;
    let targets = states.of(&trunk.body).targets.into_iter().enumerate();
    Ok(targets
        .map(|(index, target)| Indexed { index, target })
        .collect())
}

/// The body of a request; what only answers have is left out.
fn read(body: Body) -> Result<OriginationSection, Problem> {
    Ok(manage::read_section(without(body.0))?)
}

fn without(mut body: Value) -> Value {
    if let Value::Object(fields) = &mut body {
        for field in [
            "index",
            "failed_probes",
            "latest_probe",
            "probed_ms",
            "state",
        ] {
            fields.shift_remove(field);
        }
    }
    body
}

/// Where calls to the trunk go, and whether that works
#[utoipa::path(
    get, path = "/trunks/{name}/origination", tag = "trunks", operation_id = "list_origination",
    params(("name" = String, Path, description = "The trunk's name.")),
    responses((status = 200, description = "All of them, in order.", body = Page<Indexed>)),
)]
async fn list(look: Look) -> Result<Response, Problem> {
    let trunk = look.api.manager.trunk(&look.of)?;
    let page = Page::whole(targets(&look.api, &trunk).await?);
    Ok(versioned(StatusCode::OK, trunk.version, &page))
}

/// Adds a target, at the end
///
/// `If-Match` is not needed: nothing that somebody has seen is changed.
#[utoipa::path(
    post, path = "/trunks/{name}/origination", tag = "trunks", operation_id = "add_origination",
    params(("name" = String, Path, description = "The trunk's name.")),
    request_body = OriginationSection,
    responses((status = 201, description = "It is there.", body = Indexed)),
)]
async fn add(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    PathOf(name): PathOf<String>,
    condition: Condition,
    body: Body,
) -> Result<Response, Problem> {
    let condition = match condition {
        Condition::Missing => IfMatch::Any,
        given => given.for_change()?,
    };
    let target = read(body)?;
    let (index, trunk) = api
        .manager
        .add_origination(&actor, &name, target, condition)
        .await?;
    let added = one(&api, &trunk, index).await?;
    let place = index.to_string();
    let path = ["trunks", &trunk.name, "origination", &place];
    Ok(created(trunk.version, &path, &added))
}

async fn one(api: &Api, trunk: &Managed<TrunkSection>, index: usize) -> Result<Indexed, Problem> {
    let mut targets = targets(api, trunk).await?.into_iter();
    targets
        .nth(index)
        .ok_or_else(|| not_found("target", &index.to_string()))
}

/// One target, and whether it works
#[utoipa::path(
    get, path = "/trunks/{name}/origination/{index}", tag = "trunks", operation_id = "get_origination",
    params(("name" = String, Path, description = "The trunk's name."), ("index" = usize, Path, description = "The place in the list.")),
    responses((status = 200, description = "The target.", body = Indexed)),
)]
async fn get(look: Look<(String, usize)>) -> Result<Response, Problem> {
    let (name, index) = look.of;
    let trunk = look.api.manager.trunk(&name)?;
    answer(&look.api, &trunk, index).await
}

/// Replaces a target
#[utoipa::path(
    put, path = "/trunks/{name}/origination/{index}", tag = "trunks", operation_id = "replace_origination",
    params(("name" = String, Path, description = "The trunk's name."), ("index" = usize, Path, description = "The place in the list."), Condition),
    request_body = OriginationSection,
    responses((status = 200, description = "As it is now.", body = Indexed)),
)]
async fn put(change: Change<(String, usize)>, body: Body) -> Result<Response, Problem> {
    let (name, index) = change.of;
    let target = read(body)?;
    let manager = &change.api.manager;
    let trunk = manager
        .put_origination(&change.actor, &name, index, target, change.condition)
        .await?;
    answer(&change.api, &trunk, index).await
}

/// Changes a target (RFC 7396)
#[utoipa::path(
    patch, path = "/trunks/{name}/origination/{index}", tag = "trunks", operation_id = "change_origination",
    params(("name" = String, Path, description = "The trunk's name."), ("index" = usize, Path, description = "The place in the list."), Condition),
    request_body(content = OriginationPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As it is now.", body = Indexed)),
)]
async fn patch(change: Change<(String, usize)>, body: Body) -> Result<Response, Problem> {
    let (name, index) = change.of;
    let patch = without(body.0);
    let manager = &change.api.manager;
    let trunk = manager
        .patch_origination(&change.actor, &name, index, patch, change.condition)
        .await?;
    answer(&change.api, &trunk, index).await
}

/// Removes a target; those after it move up
#[utoipa::path(
    delete, path = "/trunks/{name}/origination/{index}", tag = "trunks", operation_id = "delete_origination",
    params(("name" = String, Path, description = "The trunk's name."), ("index" = usize, Path, description = "The place in the list."), Condition),
    responses((status = 204, description = "It is gone.")),
)]
async fn delete(change: Change<(String, usize)>) -> Result<StatusCode, Problem> {
    let (name, index) = change.of;
    change
        .api
        .manager
        .delete_origination(&change.actor, &name, index, change.condition)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn answer(
    api: &Api,
    trunk: &Managed<TrunkSection>,
    index: usize,
) -> Result<Response, Problem> {
    let target = one(api, trunk, index).await?;
    Ok(versioned(StatusCode::OK, trunk.version, &target))
}
