//! Events over WebSocket (RFC 6455): a message of JSON for each.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde_json::json;
use tokio::time::{Instant, interval_at, timeout};

use super::{Listener, Wanted};
use crate::api::Api;
use crate::api::auth::Reader;
use crate::api::problem::{Problem, Slug};
use crate::api::request::QueryOf;
use crate::events::Item;

const PING: Duration = Duration::from_secs(15);
/// For a message to be taken.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);
/// Clients have nothing to say.
const LONGEST_MESSAGE: usize = 4096;
/// What may wait to be written.
const WRITE_BUFFER: usize = 64 << 10;

/// Events as they happen, over WebSocket
///
/// One message for each event, with the same JSON as the stream has. Numbers that are gone are told
/// by `{"gap":{"from","to"}}`; a client that is too slow gets `{"stalled":{"after"}}` and is closed
/// with 1013: it comes back with `after`.
#[utoipa::path(
    get, path = "/events/socket", tag = "events", operation_id = "open_event_socket",
    params(Wanted),
    responses((status = 101, description = "The connection is a WebSocket now.")),
)]
pub(in crate::api) async fn socket(
    _: Reader,
    State(api): State<Api>,
    QueryOf(wanted): QueryOf<Wanted>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        let detail = format!("{}; expected a WebSocket handshake", rejection.body_text());
        Problem::new(Slug::Malformed, detail)
    })?;
    let listener = Listener::new(&api, wanted.after, wanted.filter())?;
    let upgrade = upgrade
        .max_message_size(LONGEST_MESSAGE)
        .max_frame_size(LONGEST_MESSAGE)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER);
    Ok(upgrade.on_upgrade(async move |socket| tell(socket, listener).await))
}

/// Until the client leaves, or is too slow.
async fn tell(mut socket: WebSocket, mut listener: Listener) {
    let mut pings = interval_at(Instant::now() + PING, PING);
    loop {
        let message = tokio::select! {
            item = listener.subscription.next() => match item {
                Item::Event(event) => Message::text(event.body.clone()),
                Item::Gap { from, to } => {
                    Message::text(json!({"gap": {"from": from, "to": to}}).to_string())
                }
                Item::Stalled => {
                    let last = json!({"stalled": {"after": listener.subscription.at()}});
                    let _ = send(&mut socket, Message::text(last.to_string())).await;
                    return close(&mut socket).await;
                }
            },
            _ = pings.tick() => Message::Ping(Vec::new().into()),
            received = socket.recv() => match received {
                // Whatever it says; pings are answered below us.
                Some(Ok(message)) if !matches!(message, Message::Close(_)) => continue,
                _ => return,
            },
        };
        if send(&mut socket, message).await.is_none() {
            return;
        }
    }
}

/// `None`: it cannot be told any more.
async fn send(socket: &mut WebSocket, message: Message) -> Option<()> {
    timeout(WRITE_PATIENCE, socket.send(message))
        .await
        .ok()?
        .ok()
}

async fn close(socket: &mut WebSocket) {
    let frame = CloseFrame {
        code: close_code::AGAIN,
        reason: "too slow: come back with the last number".into(),
    };
    let _ = send(socket, Message::Close(Some(frame))).await;
}
