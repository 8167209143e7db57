//! `/routes`: which call goes where; in order, the first that matches decides.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::{Administrator, Reader};
use crate::api::model::{Order, Page};
use crate::api::openapi::views::{NewRoute, RoutePatch, RouteView};
use crate::api::problem::Problem;
use crate::api::request::{Body, Condition};
use crate::config::sections::RouteSection;
use crate::manage::Managed;

use super::change::Change;
use super::configured::{named, view};
use super::look::Look;
use super::{created, versioned};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(order))
        .routes(routes!(get, put, patch, delete))
}

fn shown(route: &Managed<RouteSection>) -> Value {
    let mut fields = serde_json::Map::new();
    fields.insert("id".to_owned(), json!(route.name));
    fields.extend(view(route));
    Value::Object(fields)
}

/// Where it is to be, taken out of the body.
fn position(body: &Body) -> Result<Option<usize>, Problem> {
    match body.0.get("position") {
        None | Some(Value::Null) => Ok(None),
        Some(position) => {
            let place = position
                .as_u64()
                .and_then(|place| usize::try_from(place).ok());
            let problem = || Problem::invalid("position", "is no place; expected a number from 0");
            place.map(Some).ok_or_else(problem)
        }
    }
}

/// The routes there are, in the order in which they are tried
#[utoipa::path(
    get, path = "/routes", tag = "routes", operation_id = "list_routes",
    responses((status = 200, description = "All of them, those of trunkline.toml first. The ETag is that of the order.", body = Page<RouteView>)),
)]
async fn list(_: Reader, State(api): State<Api>) -> Response {
    let version = api.manager.routes_version();
    let items = api.manager.routes().iter().map(shown).collect();
    versioned(StatusCode::OK, version, &Page::whole(items))
}

/// Makes a route; without `position` it is tried last
#[utoipa::path(
    post, path = "/routes", tag = "routes", operation_id = "create_route", request_body = NewRoute,
    responses((status = 201, description = "It is made, and in effect.", body = RouteView)),
)]
async fn create(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    body: Body,
) -> Result<Response, Problem> {
    let position = position(&body)?;
    let body: RouteSection = named(body, None)?;
    let made = api.manager.create_route(&actor, body, position).await?;
    Ok(created(
        made.version,
        &["routes", &made.name],
        &shown(&made),
    ))
}

/// Orders the routes
#[utoipa::path(
    put, path = "/routes/order", tag = "routes", operation_id = "order_routes", params(Condition),
    request_body = Order,
    responses((status = 200, description = "All of them, as they are now.", body = Page<RouteView>)),
)]
async fn order(
    Administrator(actor): Administrator,
    State(api): State<Api>,
    condition: Condition,
    body: Body,
) -> Result<Response, Problem> {
    let condition = condition.for_change()?;
    let order: Order = body.read()?;
    let routes = api
        .manager
        .reorder_routes(&actor, order.ids, condition)
        .await?;
    let page = Page::whole(routes.iter().map(shown).collect());
    Ok(versioned(
        StatusCode::OK,
        api.manager.routes_version(),
        &page,
    ))
}

/// One route
#[utoipa::path(
    get, path = "/routes/{id}", tag = "routes", operation_id = "get_route",
    params(("id" = String, Path, description = "What the list calls it.")),
    responses((status = 200, description = "The route.", body = RouteView)),
)]
async fn get(look: Look) -> Result<Response, Problem> {
    Ok(answer(&look.api.manager.route(&look.of)?))
}

/// Replaces a route; with `position` it is moved there
#[utoipa::path(
    put, path = "/routes/{id}", tag = "routes", operation_id = "replace_route",
    params(("id" = String, Path, description = "What the list calls it."), Condition),
    request_body = NewRoute,
    responses((status = 200, description = "As it is now.", body = RouteView)),
)]
async fn put(change: Change, body: Body) -> Result<Response, Problem> {
    let known = change.api.manager.route(&change.of)?;
    // An object that is sent back as it was read stays where it is.
    let position = position(&body)?.filter(|position| *position != known.position);
    let body: RouteSection = named(body, None)?;
    let now = change
        .api
        .manager
        .put_route(&change.actor, &change.of, body, position, change.condition)
        .await?;
    Ok(answer(&now))
}

/// Changes a route (RFC 7396); with `position` it is moved there
#[utoipa::path(
    patch, path = "/routes/{id}", tag = "routes", operation_id = "change_route",
    params(("id" = String, Path, description = "What the list calls it."), Condition),
    request_body(content = RoutePatch, content_type = "application/merge-patch+json"),
    responses((status = 200, description = "As it is now.", body = RouteView)),
)]
async fn patch(change: Change, body: Body) -> Result<Response, Problem> {
    let position = position(&body)?;
    let now = change
        .api
        .manager
        .patch_route(
            &change.actor,
            &change.of,
            body.0,
            position,
            change.condition,
        )
        .await?;
    Ok(answer(&now))
}

/// Removes a route
#[utoipa::path(
    delete, path = "/routes/{id}", tag = "routes", operation_id = "delete_route",
    params(("id" = String, Path, description = "What the list calls it."), Condition),
    responses((status = 204, description = "It is gone.")),
)]
async fn delete(change: Change) -> Result<StatusCode, Problem> {
    change
        .api
        .manager
        .delete_route(&change.actor, &change.of, change.condition)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(route: &Managed<RouteSection>) -> Response {
    versioned(StatusCode::OK, route.version, &shown(route))
}
