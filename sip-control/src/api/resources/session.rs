//! `/session`: a browser trades a token for a cookie that no script can read (RFC 6265).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::api::auth::{COOKIE, Reader, SESSION_LIFE, actor, verify};
use crate::api::model::{Login, Session};
use crate::api::problem::{Problem, Slug};
use crate::api::request::Body;
use crate::api::server::Connection;
use crate::manage::Actor;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get, log_in, log_out))
}

/// Who one is
#[utoipa::path(
    get, path = "/session", tag = "session", operation_id = "get_session",
    responses((status = 200, description = "Name and role.", body = Session)),
)]
async fn get(Reader(actor): Reader) -> Json<Session> {
    Json(session(actor))
}

/// Trades a token for a cookie
///
/// With the cookie, requests that change something need the header `X-Trunkline: 1`.
#[utoipa::path(
    post, path = "/session", tag = "session", operation_id = "log_in", security(()),
    request_body = Login,
    responses((status = 200, description = "The cookie is set.", body = Session)),
)]
async fn log_in(
    State(api): State<Api>,
    Extension(connection): Extension<Arc<Connection>>,
    body: Body,
) -> Result<Response, Problem> {
    let login: Login = body.read()?;
    let token = verify(&login.token, &connection, &api).await?;
    connection.prove();
    let secret = api
        .guard
        .sessions
        .begin(&token.id)
        .ok_or_else(|| Problem::new(Slug::Internal, "there is no randomness"))?;
    let mut response = Json(session(actor(token, &connection))).into_response();
    set_cookie(&mut response, &connection, &secret, SESSION_LIFE.as_secs());
    Ok(response)
}

/// Ends the session of the cookie
#[utoipa::path(
    delete, path = "/session", tag = "session", operation_id = "log_out",
    responses((status = 204, description = "The cookie counts no more.")),
)]
async fn log_out(
    _: Reader,
    State(api): State<Api>,
    Extension(connection): Extension<Arc<Connection>>,
    headers: HeaderMap,
) -> Response {
    api.guard.sessions.end(&headers);
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, &connection, "", 0);
    response
}

fn session(actor: Actor) -> Session {
    Session {
        name: actor.name,
        role: actor.role,
    }
}

fn set_cookie(response: &mut Response, connection: &Connection, value: &str, seconds: u64) {
    let secure = if connection.is_tls { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}
