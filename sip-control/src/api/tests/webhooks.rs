//! Webhooks, and what is told of changes of them and of tokens.

use serde_json::json;

use super::{Edge, ask};

#[tokio::test]
async fn ops_3_webhooks_show_no_secret() {
    let edge = Edge::new().await;
    let body = json!({"name": "billing", "url": "https://billing.example.com/in", "kinds": ["call_ended"], "secret": "0123456789abcdef"});
    let made = Edge::created(edge.admin(ask("POST", "/webhooks").body(&body)).await);
    assert_eq!(made.json()["has_secret"], true);
    assert_eq!(made.json()["enabled"], true);
    assert!(
        !edge
            .get("/webhooks")
            .await
            .text
            .contains("0123456789abcdef")
    );
    let patch = ask("PATCH", "/webhooks/billing").header("if-match", made.header("etag"));
    let off = edge.admin(patch.body(&json!({"enabled": false}))).await;
    assert_eq!(off.json()["enabled"], false, "{}", off.text);
    let bad = json!({"name": "b", "url": "ftp://x", "secret": "0123456789abcdef"});
    let bad = edge.admin(ask("POST", "/webhooks").body(&bad)).await;
    assert_eq!(bad.json()["field"], "url");
}

#[tokio::test]
async fn ops_3_changes_of_tokens_and_webhooks_are_told_without_their_secrets() {
    let edge = Edge::new().await;
    let before = edge.hub.latest();
    let token = ask("POST", "/tokens").body(&json!({"label": "billing", "role": "read"}));
    let token = Edge::created(edge.admin(token).await).json();
    let webhook = json!({"name": "crm", "url": "http://192.0.2.1/", "secret": "0123456789abcdef"});
    let made = Edge::created(edge.admin(ask("POST", "/webhooks").body(&webhook)).await);
    let delete = ask("DELETE", "/webhooks/crm").header("if-match", made.header("etag"));
    edge.admin(delete).await;
    let id = token["id"].as_str().unwrap();
    edge.admin(ask("DELETE", &format!("/tokens/{id}"))).await;
    edge.hub.hand_on_for_tests();
    let path = format!("/events?kinds=config_changed&after={before}");
    let events = edge.get(&path).await;
    let told: Vec<_> = events.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (
                event["data"]["action"].clone(),
                event["data"]["object"].clone(),
            )
        })
        .collect();
    let expected = [
        ("token.create", id),
        ("webhook.create", "crm"),
        ("webhook.delete", "crm"),
        ("token.delete", id),
    ];
    let expected = expected.map(|(action, object)| (json!(action), json!(object)));
    assert_eq!(told, expected);
    let secret = token["token"].as_str().unwrap().rsplit('_').next().unwrap();
    for secret in [secret, "0123456789abcdef"] {
        assert!(!events.text.contains(secret), "{}", events.text);
    }
}

#[tokio::test]
async fn ops_3_a_webhook_asks_for_kinds_that_there_are() {
    let edge = Edge::new().await;
    let body = json!({"name": "crm", "url": "http://192.0.2.1/", "secret": "0123456789abcdef",
                      "kinds": ["call_ended", "call_endet"]});
    let refused = edge.admin(ask("POST", "/webhooks").body(&body)).await;
    assert_eq!(refused.problem(), "invalid_field");
    let problem = refused.json();
    assert_eq!(problem["field"], "kinds[1]");
    let expected = problem["expected"].as_str().unwrap();
    for kind in ["call_started", "digit", "store_degraded", "events_left_out"] {
        assert!(expected.contains(kind), "{expected}");
    }
}
