//! Changes that were refused: who is known and tried one stands in the audit, as who made one does.
//!
//! Of each name some in a minute are written, and the next one says how many more there were: nobody
//! who may change nothing fills the store. Who is not known is only counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::Api;
use super::problem::Problem;
use super::resources::BASE;
use crate::clock::unix_ms;
use crate::manage::Actor;
use crate::store::{AuditEntry, JournalItem};

/// Written of one name, in each [`WINDOW`].
const MOST: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Names are given by administrators; this is only for order.
const MOST_NAMES: usize = 1024;
/// What is written of the name of an object.
const OBJECT_CHARS: usize = 128;

/// Who asks, once that is proven: for [`note`], which stands before the proof.
#[derive(Clone, Default)]
pub(super) struct Asker(Arc<OnceLock<Actor>>);

impl Asker {
    pub(super) fn is(&self, actor: &Actor) {
        // A request proves itself once.
        let _ = self.0.set(actor.clone());
    }
}

/// How much was written of each name.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<String, Told>>);

struct Told {
    since: Instant,
    written: u32,
    left_out: u64,
}

impl Refusals {
    /// Whether one more of that name is to be written, and how many were not before it.
    fn admit(&self, name: &str) -> Option<u64> {
        let now = Instant::now();
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST_NAMES && !names.contains_key(name) {
            names.clear();
        }
        let told = names.entry(name.to_owned()).or_insert(Told {
            since: now,
            written: 0,
            left_out: 0,
        });
        if now.saturating_duration_since(told.since) >= WINDOW {
            (told.since, told.written) = (now, 0);
        }
        if told.written >= MOST {
            told.left_out += 1;
            return None;
        }
        told.written += 1;
        Some(std::mem::take(&mut told.left_out))
    }
}

/// Counts who is not known, and writes down which change was refused to whom.
pub(super) async fn note(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let asker = Asker::default();
    parts.extensions.insert(asker.clone());
    let action = action(
        &parts.method,
        parts
            .extensions
            .get::<MatchedPath>()
            .map(MatchedPath::as_str),
    );
    let object = match action {
        Some(_) => object(
            RawPathParams::from_request_parts(&mut parts, &())
                .await
                .ok(),
        ),
        None => String::new(),
    };
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        api.health.asked.unauthenticated.add_one();
    }
    if let (Some(action), Some(actor)) = (action, asker.0.get())
        && let Some(problem) = response.extensions().get::<Problem>()
        && problem.is_refusal()
        && !problem.is_recorded()
    {
        // Not in words: those of a document that cannot be read may quote it, secrets and all.
        let field = problem.wrong_field();
        let field = field.map(|field| ("field".to_owned(), field.into()));
        let detail = Map::from_iter(field);
        record(&api, actor, &action, object, detail, problem);
    }
    response
}

/// Into the audit, unless there were too many of that name.
pub(super) fn record(
    api: &Api,
    actor: &Actor,
    action: &str,
    object: String,
    mut detail: Map<String, Value>,
    problem: &Problem,
) {
    api.health.asked.refused.add_one();
    let Some(left_out) = api.guard.refusals.admit(&actor.name) else {
        return;
    };
    if left_out > 0 {
        detail.insert("refused_before".to_owned(), left_out.into());
    }
    api.store.journal(JournalItem::Audit(AuditEntry {
        time_ms: unix_ms(),
        who: actor.name.clone(),
        role: actor.role.name().to_owned(),
        from: actor.from.clone(),
        action: action.to_owned(),
        object,
        detail: Value::Object(detail),
        outcome: problem.slug().name().to_owned(),
    }));
}

/// What the audit calls that, had it been done; `None` for what changes nothing.
fn action(method: &Method, path: Option<&str>) -> Option<String> {
    let path = path?.strip_prefix(BASE)?;
    let verb = match *method {
        Method::POST => "create",
        Method::PUT | Method::PATCH => "update",
        Method::DELETE => "delete",
        _ => return None,
    };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let action = match parts.as_slice() {
        ["session", ..] => return None,
        ["drain"] => "drain".to_owned(),
        ["import"] => "configuration.import".to_owned(),
        ["backup"] => "store.backup".to_owned(),
        ["calls"] => "call.place".to_owned(),
        ["calls", _, act] => format!("call.{}", act.replace('-', "_")),
        ["routes", "order"] => "route.order".to_owned(),
        // A part of a trunk.
        ["trunks", _, _, ..] => "trunk.update".to_owned(),
        [kind, ..] => format!("{}.{verb}", kind.trim_end_matches('s')),
        [] => return None,
    };
    Some(action)
}

/// What the path names first.
fn object(parameters: Option<RawPathParams>) -> String {
    let first = parameters.as_ref().and_then(|all| all.iter().next());
    let name = first.map_or("", |(_, value)| value);
    name.chars().take(OBJECT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_change_has_the_name_of_one_that_is_done() {
        let named = |method: &str, path: &str| {
            let method = method.parse().unwrap();
            action(&method, Some(&format!("/api/v1{path}")))
        };
        for (method, path, expected) in [
            ("POST", "/trunks", Some("trunk.create")),
            ("PUT", "/trunks/{name}", Some("trunk.update")),
            ("PATCH", "/trunks/{name}/general", Some("trunk.update")),
            (
                "DELETE",
                "/trunks/{name}/origination/{index}",
                Some("trunk.update"),
            ),
            ("DELETE", "/accounts/{aor}", Some("account.delete")),
            ("PUT", "/routes/order", Some("route.order")),
            ("PATCH", "/routes/{id}", Some("route.update")),
            ("DELETE", "/tokens/{id}", Some("token.delete")),
            ("POST", "/webhooks", Some("webhook.create")),
            ("POST", "/calls", Some("call.place")),
            ("POST", "/calls/{call}/hang-up", Some("call.hang_up")),
            ("POST", "/drain", Some("drain")),
            ("POST", "/import", Some("configuration.import")),
            ("POST", "/backup", Some("store.backup")),
            ("DELETE", "/session", None),
            ("GET", "/trunks", None),
        ] {
            assert_eq!(named(method, path).as_deref(), expected, "{method} {path}");
        }
        assert_eq!(action(&Method::POST, Some("/elsewhere")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_each_name_some_are_written_in_a_minute_and_the_next_says_how_many_more() {
        let refusals = Refusals::default();
        let written = (0..500).filter(|_| refusals.admit("reader").is_some());
        assert_eq!(written.count(), MOST as usize);
        assert_eq!(refusals.admit("other"), Some(0));
        tokio::time::sleep(WINDOW).await;
        assert_eq!(refusals.admit("reader"), Some(500 - u64::from(MOST)));
        assert_eq!(refusals.admit("reader"), Some(0));
    }

    #[test]
    fn names_that_are_remembered_are_bounded() {
        let refusals = Refusals::default();
        for number in 0..3 * MOST_NAMES {
            refusals.admit(&number.to_string());
        }
        assert!(refusals.0.lock().unwrap().len() <= MOST_NAMES);
    }
}
