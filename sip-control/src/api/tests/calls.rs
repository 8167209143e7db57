//! Calls: seen, acted on, looked up.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Edge, Role, ask, live_call};
use crate::clock::unix_ms;
use crate::store::{CallRow, JournalItem};

/// The record of a call that is over.
fn row(call: u64, to: &str) -> JournalItem {
    let start_ms = unix_ms() - 60_000 + i64::try_from(call).unwrap();
    let record = json!({
        "call": call, "from": "sip:100@a.example", "to": format!("sip:{to}@b.example"),
        "start": "2026-11-30T00:00:00.000Z", "answer": null, "status": 486, "code": null,
        "reason": "=1+1", "caller": {"call_id": format!("c{call}"), "trunk": "fixed"},
    });
    JournalItem::Call(CallRow {
        call,
        start_ms,
        answer_ms: None,
        end_ms: start_ms + 1000,
        from: "sip:100@a.example".to_owned(),
        to: format!("sip:{to}@b.example"),
        caller_trunk: Some("fixed".to_owned()),
        callee_trunk: None,
        status: 486,
        code: None,
        ended_by: "callee",
        mos_min: None,
        record: record.to_string(),
        ladder: Some(json!({"messages": [], "truncated": false}).to_string()),
        quality: None,
    })
}

async fn with_history(calls: u64) -> Edge {
    let edge = Edge::new().await;
    for call in 1..=calls {
        edge.store.journal(row(call, &format!("2{call:02}")));
    }
    assert!(edge.store.settled(std::time::Duration::from_secs(10)).await);
    edge
}

#[tokio::test]
async fn ops_2_the_history_is_read_page_by_page_and_no_call_comes_twice() {
    let edge = with_history(25).await;
    let mut seen = Vec::new();
    let mut path = "/history?limit=10".to_owned();
    loop {
        let page = edge.get(&path).await.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|call| call["call"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/history?limit=10&after={next}");
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn ops_2_the_history_is_searched() {
    let edge = with_history(5).await;
    for (query, count) in [
        ("search=203", 1),
        ("search=c2", 1),
        ("trunk=fixed", 5),
        ("trunk=other", 0),
        ("outcome=failed", 5),
        ("outcome=answered", 0),
        ("to=1000", 0),
        ("from=2020-01-01", 5),
        ("search=", 5),
    ] {
        let page = edge.get(&format!("/history?{query}")).await.json();
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    let first = &edge.get("/history?limit=1").await.json()["items"][0];
    assert_eq!(
        (&first["has_ladder"], &first["outcome"]),
        (&json!(true), &json!("failed"))
    );
}

#[tokio::test]
async fn ops_2_the_history_is_a_table_for_spreadsheets_without_formulas() {
    let edge = with_history(3).await;
    let csv = edge.get("/history.csv?search=202").await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.header("content-disposition").contains("attachment"));
    let lines: Vec<_> = csv.text.split("\r\n").collect();
    assert!(lines[0].starts_with("call,start,"));
    assert!(
        lines[1].starts_with("2,2026-11-30T00:00:00.000Z,"),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains(",'=1+1,"), "{}", lines[1]);
    assert_eq!(lines.len(), 3);
    let all = edge.get("/history.csv").await;
    assert_eq!(all.text.matches("\r\n").count(), 4);
}

#[tokio::test]
async fn ops_2_a_call_that_is_over_is_found_by_its_number() {
    let edge = with_history(2).await;
    let call = edge.get("/calls/2").await.json();
    assert_eq!(call["state"], "ended");
    assert_eq!(call["status"], 486);
    assert_eq!(call["ladder"]["truncated"], false);
    assert_eq!(call["timeline"], json!([]));
    assert_eq!(
        edge.get("/calls/2/ladder").await.json()["messages"],
        json!([])
    );
    assert_eq!(
        edge.get("/calls/2/quality").await.json()["directions"],
        json!([])
    );
    assert_eq!(edge.get("/calls/3/ladder").await.problem(), "no_such_call");
    assert_eq!(edge.get("/calls").await.json()["items"], json!([]));
}

#[tokio::test]
async fn ops_3_calls_are_acted_on() {
    let edge = Edge::new().await;
    let operator = edge.token(Role::Operate).to_owned();
    let moved = |target: &str| json!({"who": "caller", "target": target});
    for (call, action, body, status, slug) in [
        (7, "hang-up", json!(null), 202, ""),
        (8, "hang-up", json!(null), 404, "no_such_call"),
        (7, "transfer", moved("+43123"), 202, ""),
        (7, "transfer", moved("nonsense"), 400, "bad_target"),
        (7, "hold", json!({"on": true}), 409, "wrong_state"),
        (7, "hold", json!({}), 400, "invalid_field"),
        (
            7,
            "transfer",
            json!({"who": "both", "target": "1"}),
            400,
            "invalid_field",
        ),
    ] {
        let asked = ask("POST", &format!("/calls/{call}/{action}")).by(&operator);
        let answer = edge.send(asked.body(&body)).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{action} {body}: {}",
            answer.text
        );
        match slug {
            "" => assert_eq!(answer.json(), json!({"call": call})),
            slug => assert_eq!(answer.problem(), slug),
        }
    }
}

#[tokio::test]
async fn ops_3_a_call_is_placed_once_however_often_it_is_asked_for() {
    let edge = Edge::new().await;
    let body = json!({"first": "sip:alice@b.example", "to": "+43123"});
    let place = |key: &str, body: &serde_json::Value| {
        let asked = ask("POST", "/calls").header("idempotency-key", key);
        asked.by(edge.token(Role::Operate)).body(body)
    };
    let first = edge.send(place("k1", &body)).await;
    assert_eq!(
        (first.status, first.json()),
        (StatusCode::ACCEPTED, json!({"call": 101}))
    );
    let (one, two) = tokio::join!(edge.send(place("k1", &body)), edge.send(place("k1", &body)));
    assert_eq!(
        (one.json(), two.json()),
        (json!({"call": 101}), json!({"call": 101}))
    );
    assert_eq!(
        edge.send(place("k2", &body)).await.json(),
        json!({"call": 102})
    );
    let other = json!({"first": "sip:bob@b.example", "to": "+43123"});
    assert_eq!(edge.send(place("k1", &other)).await.problem(), "conflict");
    assert_eq!(
        edge.send(place("", &body)).await.json()["field"],
        "Idempotency-Key"
    );
    let long = "k".repeat(300);
    assert_eq!(
        edge.send(place(&long, &body)).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn ops_3_what_has_failed_may_be_asked_again_with_the_same_key() {
    let edge = Edge::new().await;
    let hang_up = |call: u64| {
        let asked = ask("POST", &format!("/calls/{call}/hang-up")).by(edge.token(Role::Operate));
        asked.header("idempotency-key", "k")
    };
    assert_eq!(edge.send(hang_up(8)).await.problem(), "no_such_call");
    assert_eq!(edge.send(hang_up(7)).await.status, StatusCode::ACCEPTED);
    assert_eq!(edge.send(hang_up(7)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn ops_3_an_answer_is_known_after_a_restart() {
    let edge = Edge::new().await;
    let row = crate::store::AnswerRow {
        key: "operator\nk".to_owned(),
        time_ms: unix_ms(),
        fingerprint: "of another request".to_owned(),
        status: 202,
        body: "{\"call\":5}".to_owned(),
    };
    edge.store.journal(JournalItem::Answer(row));
    assert!(edge.store.settled(std::time::Duration::from_secs(10)).await);
    let asked = ask("POST", "/calls/7/hang-up").by(edge.token(Role::Operate));
    let answer = edge.send(asked.header("idempotency-key", "k")).await;
    assert_eq!(answer.problem(), "conflict");
}

#[tokio::test]
async fn a_drain_makes_the_daemon_not_ready_and_can_be_ended() {
    let edge = Edge::new().await;
    let drain = |on: bool| ask("POST", "/drain").body(&json!({"on": on}));
    assert_eq!(edge.admin(drain(true)).await.json(), json!({"on": true}));
    let ready = edge.send(ask("GET", "/ready")).await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["ready"], false);
    for path in ["/health", "/status"] {
        let told = edge.get(path).await.json();
        assert_eq!(told["draining"], true, "{path}");
        let since = told["draining_since"].as_str().unwrap();
        assert!(since.starts_with("20") && since.ends_with('Z'), "{since}");
    }
    edge.admin(drain(false)).await;
    for path in ["/health", "/status"] {
        let told = edge.get(path).await.json();
        assert_eq!(told["draining"], false, "{path}");
        assert_eq!(told["draining_since"], Value::Null, "{path}");
    }
    assert_eq!(
        edge.send(ask("GET", "/ready")).await.json(),
        json!({"ready": true})
    );
}

#[tokio::test]
async fn ops_1_status_tells_the_latest_hundred_calls_and_how_many_more_there_are() {
    let edge = Edge::new().await;
    for number in 1..=250 {
        edge.live.changed(live_call(number));
    }
    let status = edge.get("/status").await.json();
    let calls = status["calls"].as_array().unwrap().iter();
    let calls: Vec<u64> = calls.map(|call| call["call"].as_u64().unwrap()).collect();
    assert_eq!(calls, (151..=250).collect::<Vec<u64>>());
    assert_eq!(status["more_calls"], 150);
    let health = edge.get("/health").await.json();
    assert_eq!(health["calls"]["live"], 250);
    let trunk = edge.get("/trunks/fixed").await.json();
    assert_eq!(trunk["state"]["calls"], 250);
}

#[tokio::test]
async fn status_and_flows_are_what_the_command_line_prints() {
    let edge = Edge::new().await;
    let status = edge.get("/status").await.json();
    let names: Vec<_> = status
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let known = [
        "version",
        "backend",
        "attach_mode",
        "fallback_reason",
        "draining",
        "draining_since",
        "verdicts",
        "targets",
        "registrations",
        "calls",
        "more_calls",
        "counters",
        "certificates",
    ];
    assert_eq!(names, known);
    assert_eq!(status["targets"][0]["state"], "in_service");
    let none = json!({"items": [], "next": null});
    assert_eq!(edge.get("/flows").await.json(), none);
    assert_eq!(edge.get("/live").await.json(), json!({"ready": true}));
    assert_eq!(edge.live.count(), 0);
}
