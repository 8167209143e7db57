//! Events: by page, as a stream, over WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use super::{Connection, Edge, Peer, Role, ask};
use crate::events::Event;

/// Events of call 1, 2, 3, 1, 2, 3…
async fn publish(edge: &Edge, count: u64) -> u64 {
    let mut last = 0;
    for place in 0..count {
        let event = Event::new("call_started", format!("event {place}"));
        last = edge.hub.publish(event.of_call(place % 3 + 1));
    }
    while edge.hub.latest() < last {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    last
}

/// A stream of events that goes on.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(edge: &Edge, path: &str, headers: &[(&str, &str)]) -> Stream {
        let mut request = Request::builder()
            .header("host", "edge")
            .uri(format!("/api/v1{path}"));
        let token = format!("Bearer {}", edge.token(Role::Read));
        request = request.header("authorization", token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let peer = Peer::Tcp(([192, 0, 2, 1], 4000).into());
        request
            .extensions_mut()
            .insert(Arc::new(Connection::new(peer, false)));
        let response = edge.router.clone().oneshot(request).await.unwrap();
        Stream {
            response,
            text: String::new(),
        }
    }

    /// The next event: id, kind, data.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let prefix = format!("{name}: ");
                    let mut lines = event.lines();
                    lines
                        .find_map(|line| line.strip_prefix(&prefix))
                        .unwrap_or("")
                        .to_owned()
                };
                if !field("data").is_empty() {
                    let data = serde_json::from_str(&field("data")).unwrap();
                    return (field("id"), field("event"), data);
                }
                continue;
            }
            let frame = timeout(Duration::from_secs(20), self.response.body_mut().frame()).await;
            let frame = frame.expect("an event in time").expect("no end").unwrap();
            let data = frame.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    async fn ends(&mut self) -> bool {
        let rest = timeout(Duration::from_secs(20), self.response.body_mut().frame()).await;
        matches!(rest, Ok(None))
    }
}

#[tokio::test]
async fn ops_3_events_are_read_page_by_page_and_none_is_missing() {
    let edge = Edge::new().await;
    let last = publish(&edge, 25).await;
    let first = last - 24;
    let mut seen = Vec::new();
    let mut path = format!("/events?limit=10&after={}", first - 1);
    loop {
        let page = edge.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|event| event["seq"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/events?limit=10&after={next}");
    }
    assert_eq!(seen, (first..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn ops_3_events_of_one_call_are_found_whether_they_are_stored_yet_or_not() {
    let edge = Edge::new().await;
    publish(&edge, 9).await;
    for _ in 0..2 {
        let page = edge.get("/events?call=2").await.json();
        let texts: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["text"])
            .collect();
        assert_eq!(texts, ["event 1", "event 4", "event 7"]);
        edge.store.settled(Duration::from_secs(10)).await;
    }
    let none = edge.get("/events?kinds=call_ended,digit").await.json();
    assert_eq!(none["items"], json!([]));
    let timeline = edge.get("/events?call=2&limit=2").await.json();
    assert_eq!(timeline["items"].as_array().unwrap().len(), 2);
    let after = timeline["next"].as_str().unwrap();
    let rest = edge
        .get(&format!("/events?call=2&after={after}"))
        .await
        .json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn ops_3_a_number_that_was_never_written_is_told_as_a_gap() {
    let edge = Edge::new().await;
    let last = publish(&edge, 3).await;
    let page = edge.get("/events?after=0").await.json();
    let first = edge.hub.first();
    if first > 1 {
        assert_eq!(
            page["items"][0],
            json!({"gap": {"from": 1, "to": first - 1}})
        );
    }
    // A client that has seen more than there is: the store was replaced.
    let mut stream = Stream::open(&edge, "/events/stream", &[("last-event-id", "999999")]).await;
    let (_, kind, data) = stream.next().await;
    assert_eq!(
        (kind.as_str(), data),
        ("gap", json!({"from": last + 1, "to": 999_999}))
    );
}

#[tokio::test]
async fn ops_3_a_stream_goes_on_where_the_client_was() {
    let edge = Edge::new().await;
    let last = publish(&edge, 5).await;
    let since = (last - 2).to_string();
    let mut stream = Stream::open(
        &edge,
        "/events/stream?after=0",
        &[("last-event-id", &since)],
    )
    .await;
    assert_eq!(
        stream.response.headers()["content-type"],
        "text/event-stream"
    );
    for seq in [last - 1, last] {
        let (id, kind, data) = stream.next().await;
        assert_eq!((id, kind.as_str()), (seq.to_string(), "call_started"));
        assert_eq!(data["seq"], seq);
    }
    publish(&edge, 1).await;
    assert_eq!(stream.next().await.0, (last + 1).to_string());
}

#[tokio::test]
async fn ops_3_a_stream_has_only_what_was_asked_for() {
    let edge = Edge::new().await;
    let last = publish(&edge, 6).await;
    let path = format!(
        "/events/stream?after={}&call=3&kinds=call_started",
        last - 6
    );
    let mut stream = Stream::open(&edge, &path, &[]).await;
    assert_eq!(stream.next().await.2["text"], "event 2");
    assert_eq!(stream.next().await.2["text"], "event 5");
}

#[tokio::test]
async fn ops_3_no_more_listen_than_may() {
    let edge = Edge::new().await;
    let first = Stream::open(&edge, "/events/stream", &[]).await;
    let second = Stream::open(&edge, "/events/stream", &[]).await;
    assert_eq!(
        (
            first.response.status().as_u16(),
            second.response.status().as_u16()
        ),
        (200, 200)
    );
    let third = Stream::open(&edge, "/events/stream", &[]).await;
    assert_eq!(third.response.status().as_u16(), 429);
    drop(first);
    let third = Stream::open(&edge, "/events/stream", &[]).await;
    assert_eq!(third.response.status().as_u16(), 200);
}

#[tokio::test]
async fn ops_3_a_client_that_stalls_gets_a_last_word_and_costs_nothing() {
    let edge = Edge::new().await;
    let mut stalled = Stream::open(&edge, "/events/stream", &[]).await;
    publish(&edge, 1).await;
    let (first, ..) = stalled.next().await;
    // It has all that there is: who never had catches up from the store instead.
    let more = timeout(
        Duration::from_millis(200),
        stalled.response.body_mut().frame(),
    )
    .await;
    assert!(more.is_err(), "nothing more has happened");
    // It reads nothing, while more happens than memory has room for.
    let last = publish_much(&edge).await;
    let (_, kind, data) = loop {
        let told = stalled.next().await;
        if told.1 != "call_started" {
            break told;
        }
        assert!(told.0.parse::<u64>().unwrap() < last, "it was never told");
    };
    assert_eq!(kind, "stalled");
    assert!(data["after"].as_u64().unwrap() >= first.parse().unwrap());
    assert!(stalled.ends().await);
    let again = data["after"].to_string();
    let mut again = Stream::open(&edge, "/events/stream", &[("last-event-id", &again)]).await;
    let mut seen = data["after"].as_u64().unwrap();
    while seen < last {
        let (id, kind, _) = again.next().await;
        assert_eq!(kind, "call_started");
        assert_eq!(id, (seen + 1).to_string());
        seen += 1;
    }
}

/// More than memory keeps; all of it is in the store.
async fn publish_much(edge: &Edge) -> u64 {
    let mut last = 0;
    for _ in 0..12 {
        last = publish(edge, 1000).await;
    }
    assert!(edge.store.settled(Duration::from_secs(20)).await);
    last
}

#[tokio::test]
async fn what_is_no_handshake_opens_no_socket() {
    let edge = Edge::new().await;
    let answer = edge.admin(ask("GET", "/events/socket")).await;
    assert_eq!(answer.problem(), "malformed");
}
