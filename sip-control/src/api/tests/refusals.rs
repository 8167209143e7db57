//! What is refused: in the audit, but not without bound; of strangers only the number.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Ask, Edge, Role, ask};

/// The entries of the audit of that name, the latest first.
async fn audited(edge: &Edge, who: &str) -> Vec<Value> {
    assert!(edge.store.settled(Duration::from_secs(10)).await);
    let audit = edge.get("/audit?limit=1000").await.json();
    let entries = audit["items"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["who"] == who)
        .cloned()
        .collect()
}

fn told(entry: &Value) -> [&str; 3] {
    ["action", "object", "outcome"].map(|name| entry[name].as_str().unwrap())
}

async fn refused(edge: &Edge, role: Role, ask: Ask, status: StatusCode) {
    let answer = edge.send(ask.by(edge.token(role))).await;
    assert_eq!(answer.status, status, "{}", answer.text);
}

#[tokio::test]
async fn ops_1_a_change_that_is_refused_is_in_the_audit_with_who_tried_it() {
    let edge = Edge::new().await;
    let made = edge.make_trunk("carrier").await;
    let patch = |tag: &str, body: Value| {
        let patch = ask("PATCH", "/trunks/carrier/general").header("if-match", tag);
        patch.body(&body)
    };
    let tag = made.header("etag").to_owned();
    let general = json!({"secure": "tls"});
    refused(
        &edge,
        Role::Read,
        patch(&tag, general.clone()),
        StatusCode::FORBIDDEN,
    )
    .await;
    refused(
        &edge,
        Role::Operate,
        ask("DELETE", "/tokens/abc"),
        StatusCode::FORBIDDEN,
    )
    .await;
    refused(
        &edge,
        Role::Read,
        ask("GET", "/export?secrets=true"),
        StatusCode::FORBIDDEN,
    )
    .await;
    refused(
        &edge,
        Role::Admin,
        patch("\"v1234567\"", general),
        StatusCode::PRECONDITION_FAILED,
    )
    .await;
    let wrong = json!({"secure": "plain"});
    refused(
        &edge,
        Role::Admin,
        patch(&tag, wrong),
        StatusCode::BAD_REQUEST,
    )
    .await;
    // Each once, though two have a hand in it.
    refused(
        &edge,
        Role::Operate,
        ask("POST", "/calls/8/hang-up"),
        StatusCode::NOT_FOUND,
    )
    .await;
    let bad = json!({"who": "caller", "target": "nobody"});
    let transfer = ask("POST", "/calls/7/transfer").body(&bad);
    refused(&edge, Role::Operate, transfer, StatusCode::BAD_REQUEST).await;

    let reader = audited(&edge, "reader").await;
    let of_reader: Vec<_> = reader.iter().map(told).collect();
    assert_eq!(
        of_reader,
        [
            ["configuration.export", "", "forbidden"],
            ["trunk.update", "carrier", "forbidden"],
        ]
    );
    assert_eq!(
        (&reader[0]["role"], &reader[0]["from"]),
        (&json!("read"), &json!("192.0.2.1"))
    );
    let operator = audited(&edge, "operator").await;
    let of_operator: Vec<_> = operator.iter().map(told).collect();
    assert_eq!(
        of_operator,
        [
            ["call.transfer", "7", "bad_target"],
            ["call.hang_up", "8", "no_such_call"],
            ["token.delete", "abc", "forbidden"],
        ]
    );
    assert_eq!(operator[0]["detail"]["target"], "nobody");
    let admin = audited(&edge, "admin").await;
    let of_admin: Vec<_> = admin.iter().take(2).map(told).collect();
    assert_eq!(
        of_admin,
        [
            ["trunk.update", "carrier", "invalid_field"],
            ["trunk.update", "carrier", "stale"],
        ]
    );
    assert_eq!(admin[0]["detail"], json!({"field": "secure"}));
    assert_eq!(edge.get("/health").await.json()["api"]["refused"], 7);
}

#[tokio::test]
async fn ops_1_what_is_looked_at_or_not_there_is_no_refused_change() {
    let edge = Edge::new().await;
    let before = audited(&edge, "admin").await.len();
    refused(
        &edge,
        Role::Operate,
        ask("GET", "/tokens"),
        StatusCode::FORBIDDEN,
    )
    .await;
    let delete = ask("DELETE", "/trunks/none").header("if-match", "*");
    refused(&edge, Role::Admin, delete, StatusCode::NOT_FOUND).await;
    refused(
        &edge,
        Role::Admin,
        ask("GET", "/calls?limit=0"),
        StatusCode::BAD_REQUEST,
    )
    .await;
    assert_eq!(audited(&edge, "admin").await.len(), before);
    assert_eq!(audited(&edge, "operator").await, [Value::Null; 0]);
}

#[tokio::test]
async fn ops_1_whoever_tries_again_and_again_fills_no_store_and_hides_nobody() {
    let edge = Edge::new().await;
    let trunk = json!({"name": "x", "destination": "sip:192.0.2.9"});
    for _ in 0..300 {
        let create = ask("POST", "/trunks").body(&trunk);
        refused(&edge, Role::Read, create, StatusCode::FORBIDDEN).await;
        let hang_up = ask("POST", "/calls/9/hang-up");
        refused(&edge, Role::Operate, hang_up, StatusCode::NOT_FOUND).await;
    }
    assert_eq!(audited(&edge, "reader").await.len(), 20);
    assert_eq!(audited(&edge, "operator").await.len(), 20);
    refused(
        &edge,
        Role::Admin,
        ask("DELETE", "/routes/r"),
        StatusCode::PRECONDITION_REQUIRED,
    )
    .await;
    let admin = audited(&edge, "admin").await;
    assert_eq!(
        told(&admin[0]),
        ["route.delete", "r", "precondition_required"]
    );
    assert_eq!(edge.get("/health").await.json()["api"]["refused"], 601);
}

#[tokio::test]
async fn ops_1_strangers_are_counted_and_not_written_down() {
    let edge = Edge::new().await;
    let before = edge.get("/health").await.json()["api"]["unauthenticated"].clone();
    assert_eq!(before, 0);
    for _ in 0..50 {
        let create = ask("POST", "/trunks").body(&json!({"name": "x"}));
        assert_eq!(edge.send(create).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        edge.get("/health").await.json()["api"]["unauthenticated"],
        50
    );
    assert!(edge.store.settled(Duration::from_secs(10)).await);
    let audit = edge.get("/audit?limit=1000").await.json();
    let mut entries = audit["items"].as_array().unwrap().iter();
    assert!(
        entries.all(|entry| entry["action"] == "token.create"),
        "{audit}"
    );
}

#[tokio::test]
async fn what_was_refused_is_written_down_without_its_secrets() {
    let edge = Edge::new().await;
    let account = json!({"aor": "sip:a@b.example", "trunk": "fixed", "password": "geheim-1", "passwort": "geheim-2"});
    refused(
        &edge,
        Role::Admin,
        ask("POST", "/accounts").body(&account),
        StatusCode::BAD_REQUEST,
    )
    .await;
    let webhook = json!({"name": "w", "url": "http://192.0.2.1/", "secret": "geheim-3"});
    refused(
        &edge,
        Role::Admin,
        ask("POST", "/webhooks").body(&webhook),
        StatusCode::BAD_REQUEST,
    )
    .await;
    let toml = "[[accounts]]\naor = \"sip:a@b\"\npassword = \"geheim-4\" oops\n";
    let import = json!({"toml": toml, "mode": "merge", "apply": true});
    refused(
        &edge,
        Role::Admin,
        ask("POST", "/import").body(&import),
        StatusCode::BAD_REQUEST,
    )
    .await;
    let admin = audited(&edge, "admin").await;
    let three: Vec<_> = admin.iter().take(3).map(|entry| told(entry)[0]).collect();
    assert_eq!(
        three,
        ["configuration.import", "webhook.create", "account.create"]
    );
    let text = format!("{admin:?}");
    assert!(!text.contains("geheim"), "{text}");
}
