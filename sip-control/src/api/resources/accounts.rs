//! `/accounts`: telephones that register with us.

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
use crate::api::openapi::views::{AccountPatch, AccountView};
use crate::api::problem::Problem;
use crate::api::request::{Body, Condition};
use crate::config::sections::AccountSection;
use crate::manage::{IfMatch, Managed};

use super::change::Change;
use super::configured::{named, view};
use super::look::Look;
use super::{created, versioned};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, put, patch, delete))
}

fn shown(api: &Api, account: &Managed<AccountSection>) -> Value {
    let mut fields = view(account);
    let bindings = api.registrations.of(&account.body.aor).len();
    fields.insert("bindings".to_owned(), json!(bindings));
    Value::Object(fields)
}

/// The accounts there are
#[utoipa::path(
    get, path = "/accounts", tag = "accounts", operation_id = "list_accounts",
    responses((status = 200, description = "All of them, those of trunkline.toml first.", body = Page<AccountView>)),
)]
async fn list(_: Reader, State(api): State<Api>) -> Json<Page<Value>> {
    let accounts = api.manager.accounts();
    Json(Page::whole(
        accounts
            .iter()
            .map(|account| shown(&api, account))
            .collect(),
    ))
}

/// Makes an account
#[utoipa::path(
    post, path = "/accounts", tag = "accounts", operation_id = "create_account",
    request_body = AccountSection,
    responses((status = 201, description = "It is made, and in effect.", body = AccountView)),
)]
async fn create(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    body: Body,
) -> Result<Response, Problem> {
    let body: AccountSection = named(body, None)?;
    let aor = body.aor.clone();
    let made = api
        .manager
        .put_account(&actor, &aor, body, IfMatch::New)
        .await?;
    Ok(created(
        made.version,
        &["accounts", &made.name],
        &shown(&api, &made),
    ))
}

/// One account
#[utoipa::path(
    get, path = "/accounts/{aor}", tag = "accounts", operation_id = "get_account",
    params(("aor" = String, Path, description = "Its address-of-record, with the scheme or without.")),
    responses((status = 200, description = "The account.", body = AccountView)),
)]
async fn get(look: Look) -> Result<Response, Problem> {
    Ok(answer(&look.api, &look.api.manager.account(&look.of)?))
}

/// Replaces an account; without a secret it keeps the one that it has
#[utoipa::path(
    put, path = "/accounts/{aor}", tag = "accounts", operation_id = "replace_account",
    params(("aor" = String, Path, description = "Its address-of-record, with the scheme or without."), Condition),
    request_body = AccountSection,
    responses((status = 200, description = "As it is now.", body = AccountView)),
)]
async fn put(change: Change, body: Body) -> Result<Response, Problem> {
    let known = change.api.manager.account(&change.of)?;
    let body: AccountSection = named(body, Some(("aor", &known.body.aor)))?;
    let now = change
        .api
        .manager
        .put_account(&change.actor, &change.of, body, change.condition)
        .await?;
    Ok(answer(&change.api, &now))
}

/// Changes an account (RFC 7396)
#[utoipa::path(
    patch, path = "/accounts/{aor}", tag = "accounts", operation_id = "change_account",
    params(("aor" = String, Path, description = "Its address-of-record, with the scheme or without."), Condition),
    request_body(content = AccountPatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As it is now.", body = AccountView)),
)]
async fn patch(change: Change, body: Body) -> Result<Response, Problem> {
    let now = change
        .api
        .manager
        .patch_account(&change.actor, &change.of, body.0, change.condition)
        .await?;
    Ok(answer(&change.api, &now))
}

/// Removes an account
#[utoipa::path(
    delete, path = "/accounts/{aor}", tag = "accounts", operation_id = "delete_account",
    params(("aor" = String, Path, description = "Its address-of-record, with the scheme or without."), Condition),
    responses((status = 204, description = "It is gone.")),
)]
async fn delete(change: Change) -> Result<StatusCode, Problem> {
    change
        .api
        .manager
        .delete_account(&change.actor, &change.of, change.condition)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(api: &Api, account: &Managed<AccountSection>) -> Response {
    versioned(StatusCode::OK, account.version, &shown(api, account))
}
