//! `/webhooks`: who is told of events by HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::{Administrator, Reader};
use crate::api::model::Page;
use crate::api::openapi::views::{WebhookPatch, WebhookView};
use crate::api::problem::Problem;
use crate::api::request::{Body, Condition};
use crate::manage::{IfMatch, Managed, WebhookSection};

use super::change::Change;
use super::configured::{named, view};
use super::look::Look;
use super::{created, versioned};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, put, patch, delete))
}

fn shown(webhook: &Managed<WebhookSection>) -> Value {
    let mut fields = view(webhook);
    // What is left out is on.
    fields.entry("enabled").or_insert(json!(true));
    Value::Object(fields)
}

/// The webhooks there are
#[utoipa::path(
    get, path = "/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, description = "All of them.", body = Page<WebhookView>)),
)]
async fn list(_: Reader, State(api): State<Api>) -> Json<Page<Value>> {
    Json(Page::whole(
        api.manager.webhooks().iter().map(shown).collect(),
    ))
}

/// Makes a webhook
#[utoipa::path(
    post, path = "/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = WebhookSection,
    responses((status = 201, description = "It is made.", body = WebhookView)),
)]
async fn create(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    body: Body,
) -> Result<Response, Problem> {
    let body: WebhookSection = named(body, None)?;
    let name = body.name.clone();
    let made = api
        .manager
        .put_webhook(&actor, &name, body, IfMatch::New)
        .await?;
    Ok(created(
        made.version,
        &["webhooks", &made.name],
        &shown(&made),
    ))
}

/// One webhook
#[utoipa::path(
    get, path = "/webhooks/{name}", tag = "webhooks", operation_id = "get_webhook",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The webhook.", body = WebhookView)),
)]
async fn get(look: Look) -> Result<Response, Problem> {
    Ok(answer(&look.api.manager.webhook(&look.of)?))
}

/// Replaces a webhook; without `secret` it keeps the one that it has
#[utoipa::path(
    put, path = "/webhooks/{name}", tag = "webhooks", operation_id = "replace_webhook",
    params(("name" = String, Path, description = "Its name."), Condition),
    request_body = WebhookSection,
    responses((status = 200, description = "As it is now.", body = WebhookView)),
)]
async fn put(change: Change, body: Body) -> Result<Response, Problem> {
    change.api.manager.webhook(&change.of)?;
    let body: WebhookSection = named(body, Some(("name", &change.of)))?;
    let now = change
        .api
        .manager
        .put_webhook(&change.actor, &change.of, body, change.condition)
        .await?;
    Ok(answer(&now))
}

/// Changes a webhook (RFC 7396)
#[utoipa::path(
    patch, path = "/webhooks/{name}", tag = "webhooks", operation_id = "change_webhook",
    params(("name" = String, Path, description = "Its name."), Condition),
    request_body(content = WebhookPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As it is now.", body = WebhookView)),
)]
async fn patch(change: Change, body: Body) -> Result<Response, Problem> {
    let now = change
        .api
        .manager
        .patch_webhook(&change.actor, &change.of, body.0, change.condition)
        .await?;
    Ok(answer(&now))
}

/// Removes a webhook
#[utoipa::path(
    delete, path = "/webhooks/{name}", tag = "webhooks", operation_id = "delete_webhook",
    params(("name" = String, Path, description = "Its name."), Condition),
    responses((status = 204, description = "It is gone.")),
)]
async fn delete(change: Change) -> Result<StatusCode, Problem> {
    change
        .api
        .manager
        .delete_webhook(&change.actor, &change.of, change.condition)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(webhook: &Managed<WebhookSection>) -> Response {
    versioned(StatusCode::OK, webhook.version, &shown(webhook))
}
