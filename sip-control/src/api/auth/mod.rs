//! Who asks, and what they may do. A token in `Authorization` (RFC 6750), the cookie of a session
//! that a token began, or a process of the daemon's own user at the socket.
//!
//! A handler takes [`Reader`], [`Operator`] or [`Administrator`] as its first argument: without it
//! there is nobody to do anything for.

mod failures;
mod rate;
mod session;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use self::failures::Failures;
use self::rate::Rates;
pub(super) use self::session::{COOKIE, LIFE as SESSION_LIFE, Sessions};
use super::Api;
use super::problem::{Problem, Slug};
use super::refusals::{Asker, Refusals};
use super::server::{Connection, Peer};
use crate::manage::{Actor, Role, TokenView};

/// What a request by cookie must have that changes something: a page of another origin cannot set it
/// without our consent, which nobody gets.
const OUR_HEADER: &str = "x-trunkline";
/// Longer than any token.
const LONGEST_TOKEN: usize = 256;

/// What is remembered of those who ask.
#[derive(Default)]
pub(super) struct Guard {
    failures: Failures,
    rates: Rates,
    pub(super) refusals: Refusals,
    pub(super) sessions: Sessions,
}

/// How it was proven who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Token,
    Cookie,
    /// The kernel's word.
    Socket,
}

/// May see everything but secrets.
pub(super) struct Reader(pub(super) Actor);
/// May act on calls, too.
pub(super) struct Operator(pub(super) Actor);
/// May change everything.
pub(super) struct Administrator(pub(super) Actor);

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Reader, Problem> {
        authenticate(parts, api, Role::Read).await.map(Reader)
    }
}

impl FromRequestParts<Api> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Operator, Problem> {
        authenticate(parts, api, Role::Operate).await.map(Operator)
    }
}

impl FromRequestParts<Api> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Administrator, Problem> {
        authenticate(parts, api, Role::Admin)
            .await
            .map(Administrator)
    }
}

async fn authenticate(parts: &Parts, api: &Api, needed: Role) -> Result<Actor, Problem> {
    let Some(connection) = parts.extensions.get::<Arc<Connection>>() else {
        return Err(Problem::new(Slug::Internal, "nobody is at the other end"));
    };
    let (actor, proof) = identify(&parts.headers, connection, api).await?;
    connection.prove();
    if let Some(asker) = parts.extensions.get::<Asker>() {
        asker.is(&actor);
    }
    // Who is on this host and may stop the daemon need not be slowed down.
    if proof != Proof::Socket {
        api.guard.rates.take(&actor.name).map_err(too_many)?;
    }
    if proof == Proof::Cookie {
        check_origin(parts)?;
    }
    if actor.role < needed {
        let detail = format!(
            "{} has the role {}; expected {}",
            actor.name,
            actor.role.name(),
            needed.name()
        );
        return Err(Problem::new(Slug::Forbidden, detail));
    }
    Ok(actor)
}

async fn identify(
    headers: &HeaderMap,
    connection: &Connection,
    api: &Api,
) -> Result<(Actor, Proof), Problem> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(bearer);
        let token = verify(token.unwrap_or(""), connection, api).await?;
        return Ok((actor(token, connection), Proof::Token));
    }
    if let Some(cookie) = session::cookie_of(headers) {
        let id = api.guard.sessions.token_of(cookie);
        // A token that was revoked ends its sessions.
        let mut tokens = api.manager.tokens().into_iter();
        let token = id.and_then(|id| tokens.find(|token| token.id == id));
        return match token {
            Some(token) => {
                api.manager.note_use(&token.id);
                Ok((actor(token, connection), Proof::Cookie))
            }
            None => Err(Problem::new(
                Slug::Unauthenticated,
                "the session has ended; expected a new one",
            )),
        };
    }
    match connection.peer {
        Peer::Unix { uid, .. } if is_trusted(uid) => {
            let name = match uid {
                0 => "root".to_owned(),
                uid => format!("user {uid}"),
            };
            let actor = Actor {
                name,
                role: Role::Admin,
                from: connection.place(),
            };
            Ok((actor, Proof::Socket))
        }
        _ => Err(Problem::new(
            Slug::Unauthenticated,
            "no token was shown; expected Authorization: Bearer TOKEN",
        )),
    }
}

/// Who may stop the daemon, or is it.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Who has a token, by its name.
pub(super) fn actor(token: TokenView, connection: &Connection) -> Actor {
    Actor {
        name: token.label,
        role: token.role,
        from: connection.place(),
    }
}

/// Whose token it is. A wrong one is answered late, and the later the more there were.
pub(super) async fn verify(
    token: &str,
    connection: &Connection,
    api: &Api,
) -> Result<TokenView, Problem> {
    let is_sound = token.len() <= LONGEST_TOKEN;
    if let Some(token) = is_sound.then(|| api.manager.authenticate(token)).flatten() {
        return Ok(token);
    }
    let failures = &api.guard.failures;
    failures
        .punish(connection.address())
        .await
        .map_err(too_many)?;
    Err(Problem::new(
        Slug::Unauthenticated,
        "the token is not known here; expected one of `trunkline token create`",
    ))
}

fn too_many(seconds: u32) -> Problem {
    let detail = format!("too many; expected the next in {seconds} s");
    Problem::new(Slug::RateLimited, detail).retry_after(seconds)
}

/// The scheme is read in any case (RFC 9110 section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A browser sends the cookie whoever made the page. `SameSite` keeps it from pages of other sites,
/// and this from those of other ports of this host.
fn check_origin(parts: &Parts) -> Result<(), Problem> {
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method);
    let says_ours = parts
        .headers
        .get(OUR_HEADER)
        .is_some_and(|value| value == "1");
    if !is_safe && !says_ours {
        let detail = "a change by cookie must say that a script of the console made it; expected X-Trunkline: 1";
        return Err(Problem::new(Slug::Forbidden, detail));
    }
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return Ok(());
    };
    let host = parts
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Problem::new(
            Slug::Forbidden,
            "the request comes from a page of another origin",
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn a_bearer_token_is_read_in_any_case_and_nothing_else_is() {
        assert_eq!(bearer("Bearer tk_a_b"), Some("tk_a_b"));
        assert_eq!(bearer("bearer  tk_a_b "), Some("tk_a_b"));
        assert_eq!(bearer("Basic tk_a_b"), None);
        assert_eq!(bearer("Bearer"), None);
    }

    fn checked(method: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri("/api/v1/trunks");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check_origin(&request.body(()).unwrap().into_parts().0).is_ok()
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing_by_the_cookie() {
        let (host, ours) = (("host", "edge:8443"), ("x-trunkline", "1"));
        let other = ("origin", "https://edge:3000");
        assert!(checked("GET", &[host]));
        assert!(!checked("POST", &[host]));
        assert!(!checked("DELETE", &[host, ("x-trunkline", "")]));
        assert!(checked("POST", &[host, ours]));
        assert!(checked(
            "POST",
            &[host, ours, ("origin", "https://edge:8443")]
        ));
        assert!(!checked("POST", &[host, ours, other]));
        // A WebSocket is opened by GET.
        assert!(!checked("GET", &[host, other]));
        assert!(!checked("GET", &[host, ("origin", "null")]));
    }
}
