//! `/tokens`: what one shows who one is with.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::Administrator;
use crate::api::model::Page;
use crate::api::problem::Problem;
use crate::api::request::{Body, PathOf};
use crate::manage::{Role, TokenView};

use super::located;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    /// What people call it; it stands in the audit.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][ -~]*$",
        example = "console"
    )]
    label: String,
    role: Role,
}

#[derive(Serialize, ToSchema)]
struct TokenOnce {
    #[serde(flatten)]
    view: TokenView,
    /// The token itself: told now, and never again.
    token: String,
}

/// The tokens there are, without their secrets
#[utoipa::path(
    get, path = "/tokens", tag = "tokens", operation_id = "list_tokens",
    responses((status = 200, description = "All of them.", body = Page<TokenView>)),
)]
async fn list(_: Administrator, State(api): State<Api>) -> Json<Page<TokenView>> {
    Json(Page::whole(api.manager.tokens_with_use().await))
}

/// Makes a token, and tells it once
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", operation_id = "create_token", request_body = TokenRequest,
    responses((status = 201, description = "The token.", body = TokenOnce)),
)]
async fn create(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    body: Body,
) -> Result<Response, Problem> {
    let request: TokenRequest = body.read()?;
    let made = api
        .manager
        .create_token(&actor, &request.label, request.role)
        .await?;
    let id = made.view.id.clone();
    let once = TokenOnce {
        token: made.token.expose().to_owned(),
        view: made.view,
    };
    let response = (StatusCode::CREATED, Json(once)).into_response();
    Ok(located(response, &["tokens", &id]))
}

/// Revokes a token: from now on it opens nothing
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens", operation_id = "revoke_token",
    params(("id" = String, Path, description = "What the list calls it.")),
    responses((status = 204, description = "It is revoked.")),
)]
async fn revoke(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, Problem> {
    api.manager.revoke_token(&actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
