//! Server-Sent Events (the HTML standard, section 9.2).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use serde_json::json;

use super::{Listener, Wanted};
use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::problem::Problem;
use crate::api::request::QueryOf;
use crate::events::Item;

/// A comment comes so often, so that whoever is between does not take the silence for the end.
const PING: Duration = Duration::from_secs(15);
/// Where a browser says which event it has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Events as they happen, as Server-Sent Events
///
/// `id` is the number of an event, `event` its kind and `data` the event itself. A client that comes
/// back with `Last-Event-ID` gets what it has missed. Numbers that are gone are told by an event
/// `gap` with `{"from","to"}`; the last word to a client that is too slow is an event `stalled`. A
/// comment comes every 15 seconds.
#[utoipa::path(
    get, path = "/events/stream", tag = "events", operation_id = "stream_events",
    params(Wanted, ("Last-Event-ID" = Option<u64>, Header, description = "The number of the last event that the client has; goes before `after`.")),
    responses((status = 200, description = "Events without end.", content_type = "text/event-stream", body = String)),
)]
pub(in crate::api) async fn stream(
    _: Reader,
    State(api): State<Api>,
    headers: HeaderMap,
    QueryOf(wanted): QueryOf<Wanted>,
) -> Result<Response, Problem> {
    let last = match headers.get(LAST_EVENT_ID) {
        Some(value) => Some(number(value)?),
        None => None,
    };
    let listener = Listener::new(&api, last.or(wanted.after), wanted.filter())?;
    let ping = KeepAlive::new().interval(PING).text("ping");
    let mut response = Sse::new(events(listener)).keep_alive(ping).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy that gathers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn number(value: &HeaderValue) -> Result<u64, Problem> {
    let number = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    number
        .ok_or_else(|| Problem::invalid("Last-Event-ID", "is no number of an event; expected one"))
}

/// Until the client leaves, or is too slow.
fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some(listener), async |listener| {
        let mut listener = listener?;
        let item = listener.subscription.next().await;
        let event = match item {
            Item::Event(event) => {
                let written = Event::default().id(event.seq.to_string());
                written.event(&*event.kind).data(&event.body)
            }
            // Its id is the last number that is gone: who comes back is not told of it again.
            Item::Gap { from, to } => Event::default()
                .id(to.to_string())
                .event("gap")
                .data(json!({"from": from, "to": to}).to_string()),
            Item::Stalled => {
                let at = listener.subscription.at();
                let last = json!({"after": at}).to_string();
                let word = Event::default().event("stalled").data(last);
                return Some((Ok(word), None));
            }
        };
        Some((Ok(event), Some(listener)))
    })
}
