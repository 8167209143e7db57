//! Requests that are not as they should be.

use axum::http::StatusCode;
use serde_json::json;

use super::{Edge, Role, ask};

#[tokio::test]
async fn ops_1_a_field_that_is_wrong_is_named_and_what_is_expected_there() {
    let edge = Edge::new().await;
    let cases = [
        (
            json!({"name": "a", "securr": "tls"}),
            "unknown_field",
            "securr",
        ),
        (
            json!({"name": "a", "origination": [{"uri": "sip:h", "prio": 1}]}),
            "unknown_field",
            "origination[0].prio",
        ),
        (
            json!({"name": "a", "secure": "very"}),
            "invalid_field",
            "secure",
        ),
        (
            json!({"name": "a", "acl": ["192.0.2.0/24", "192.0.2.1/33"]}),
            "invalid_field",
            "acl[1]",
        ),
        (
            json!({"name": "a", "acl": "192.0.2.1"}),
            "invalid_field",
            "acl",
        ),
        (json!({"acl": ["192.0.2.1"]}), "invalid_field", "name"),
        (json!({"name": "a", "nat": "yes"}), "invalid_field", "nat"),
    ];
    for (body, slug, field) in cases {
        let answer = edge.admin(ask("POST", "/trunks").body(&body)).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{body}: {}",
            answer.text
        );
        assert_eq!(answer.problem(), slug, "{}", answer.text);
        assert_eq!(answer.json()["field"], field, "{}", answer.text);
    }
    let body = json!({"name": "a", "secure": "very"});
    let told = edge.admin(ask("POST", "/trunks").body(&body)).await.json();
    assert_eq!(told["expected"], "disabled, tls or srtp");
}

#[tokio::test]
async fn what_is_no_json_or_too_much_of_it_is_refused() {
    let edge = Edge::new().await;
    let with = |kind: &str, body: String| {
        let mut ask = ask("POST", "/trunks").header("content-type", kind);
        ask.body = Some(body);
        ask
    };
    let cases = [
        (with("application/json", "{".to_owned()), 400, "malformed"),
        (with("application/json", String::new()), 400, "malformed"),
        (
            with("application/json", "[1]".to_owned()),
            400,
            "invalid_field",
        ),
        (
            with("text/plain", "{}".to_owned()),
            415,
            "unsupported_media_type",
        ),
        (
            with("application/json", " ".repeat(2 << 20)),
            413,
            "too_large",
        ),
        (
            with("application/json", "[".repeat(500_000)),
            400,
            "malformed",
        ),
    ];
    for (ask, status, slug) in cases {
        let answer = edge.admin(ask).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem().as_str()),
            (status, slug)
        );
    }
}

#[tokio::test]
async fn queries_are_read_strictly() {
    let edge = Edge::new().await;
    for (path, slug, field) in [
        ("/calls?limti=5", "unknown_field", "limti"),
        ("/calls?limit=0", "invalid_field", "limit"),
        ("/calls?limit=x", "invalid_field", "limit"),
        ("/calls?after=x", "invalid_field", "after"),
        ("/history?outcome=lost", "invalid_field", "outcome"),
        ("/history?from=yesterday", "invalid_field", "from"),
        ("/events?after=-1", "invalid_field", "after"),
        ("/export?format=xml", "invalid_field", "format"),
    ] {
        let answer = edge.get(path).await;
        assert_eq!(answer.problem(), slug, "{path}");
        assert_eq!(answer.json()["field"], field, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let edge = Edge::new().await;
    for path in [
        "/nothing",
        "/trunks/nobody",
        "/routes/nowhere",
        "/accounts/sip:a@b.example",
        "/flows/7",
        "/flows/x",
        "/webhooks/w",
    ] {
        let answer = edge.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.problem(), "not_found", "{path}");
    }
    for (path, said) in [("/flows/x", "no x here"), ("/trunks/%ff", "not UTF-8")] {
        let answer = edge.get(path).await;
        assert_eq!(answer.problem(), "not_found", "{path}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(said), "{path}: {detail}");
    }
    assert_eq!(edge.get("/calls/999").await.problem(), "no_such_call");
    let answer = edge.admin(ask("DELETE", "/health")).await;
    assert_eq!(answer.problem(), "method_not_allowed");
    assert!(answer.header("allow").contains("GET"));
}

#[tokio::test]
async fn answers_are_not_kept_by_anybody() {
    let edge = Edge::new().await;
    let answer = edge.get("/trunks").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn without_a_store_nothing_is_changed_and_that_is_said() {
    let edge = Edge::with("").await;
    let socket = super::Peer::Unix { uid: 0, pid: None };
    let body = json!({"name": "a", "acl": ["192.0.2.1"]});
    let answer = edge
        .send(ask("POST", "/trunks").from(socket).body(&body))
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::CONFLICT, "no_store")
    );
    let answer = edge.send(ask("GET", "/trunks").from(socket)).await;
    assert_eq!(answer.json()["items"][0]["name"], "fixed");
    assert_eq!(edge.token(Role::Read), "");
}

#[tokio::test]
async fn the_docs_page_asks_nobody_else_for_anything() {
    let edge = Edge::new().await;
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/docs.js", "text/javascript"),
        ("/docs/docs.css", "text/css"),
    ] {
        let answer = edge.send(ask("GET", path)).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("content-type").starts_with(kind));
        assert!(
            answer
                .header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        assert!(
            !answer.text.contains("http://") && !answer.text.contains("https://"),
            "{path}"
        );
    }
}
