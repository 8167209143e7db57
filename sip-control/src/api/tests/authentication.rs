//! Who may do what.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::{Edge, Peer, Role, ask};

/// Whoever started the tests runs as the daemon's user.
fn ours() -> Peer {
    Peer::Unix {
        uid: rustix::process::geteuid().as_raw(),
        pid: Some(1),
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_told_but_that_one_is_needed() {
    let edge = Edge::new().await;
    for path in [
        "/trunks",
        "/calls",
        "/health",
        "/events/stream",
        "/tokens",
        "/session",
    ] {
        let answer = edge.send(ask("GET", path)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.problem(), "unauthenticated");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    for path in ["/live", "/ready", "/openapi.json", "/docs"] {
        let answer = edge.send(ask("GET", path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_answered_late_and_the_next_one_later() {
    let edge = Edge::new().await;
    let good = edge.token(Role::Read).to_owned();
    // The secret is wrong by its last digit.
    let last = if good.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{last}", &good[..good.len() - 1]);
    let mut before = Duration::ZERO;
    for _ in 0..3 {
        let begun = Instant::now();
        let answer = edge.send(ask("GET", "/trunks").by(&wrong)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(begun.elapsed() > before, "{:?}", begun.elapsed());
        before = begun.elapsed();
    }
    assert!(before >= Duration::from_millis(400));
    // Whoever knows the token does not wait for the mistakes of others.
    let begun = Instant::now();
    let answer = edge.send(ask("GET", "/trunks").by(&good)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(begun.elapsed() < before);
}

#[tokio::test]
async fn what_is_no_token_is_refused_whatever_it_is() {
    let edge = Edge::new().await;
    let long = format!("tk_{}", "a".repeat(5000));
    for value in [
        "Basic YTpi",
        "Bearer",
        "Bearer tk_",
        "tk_a_b",
        long.as_str(),
    ] {
        let answer = edge
            .send(ask("GET", "/trunks").header("authorization", value))
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value:.20}");
    }
}

#[tokio::test]
async fn a_role_may_do_what_it_is_for_and_no_more() {
    let edge = Edge::new().await;
    let trunk = json!({"name": "a", "acl": ["192.0.2.1"]});
    let cases = [
        (Role::Read, ask("GET", "/trunks"), StatusCode::OK),
        (
            Role::Read,
            ask("POST", "/calls/7/hang-up"),
            StatusCode::FORBIDDEN,
        ),
        (
            Role::Read,
            ask("POST", "/trunks").body(&trunk),
            StatusCode::FORBIDDEN,
        ),
        (
            Role::Read,
            ask("GET", "/export?secrets=true"),
            StatusCode::FORBIDDEN,
        ),
        (Role::Read, ask("GET", "/export"), StatusCode::OK),
        (
            Role::Operate,
            ask("POST", "/calls/7/hang-up"),
            StatusCode::ACCEPTED,
        ),
        (
            Role::Operate,
            ask("POST", "/trunks").body(&trunk),
            StatusCode::FORBIDDEN,
        ),
        (Role::Operate, ask("GET", "/tokens"), StatusCode::FORBIDDEN),
        (Role::Operate, ask("GET", "/audit"), StatusCode::FORBIDDEN),
        (
            Role::Admin,
            ask("POST", "/trunks").body(&trunk),
            StatusCode::CREATED,
        ),
        (
            Role::Admin,
            ask("GET", "/export?secrets=true"),
            StatusCode::OK,
        ),
    ];
    for (role, ask, status) in cases {
        let path = ask.path.clone();
        let answer = edge.send(ask.by(edge.token(role))).await;
        assert_eq!(answer.status, status, "{role} {path}: {}", answer.text);
        if status == StatusCode::FORBIDDEN {
            assert_eq!(answer.problem(), "forbidden");
        }
    }
}

#[tokio::test]
async fn a_process_of_the_daemons_user_needs_no_token_at_the_socket_and_others_do() {
    let edge = Edge::new().await;
    let answer = edge.send(ask("GET", "/session").from(ours())).await;
    assert_eq!(answer.json()["role"], "admin");
    let other = Peer::Unix {
        uid: 12_345,
        pid: None,
    };
    let answer = edge.send(ask("GET", "/session").from(other)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = edge
        .send(
            ask("GET", "/session")
                .from(other)
                .by(edge.token(Role::Read)),
        )
        .await;
    assert_eq!(answer.json(), json!({"name": "reader", "role": "read"}));
}

#[tokio::test]
async fn a_token_is_told_once_and_opens_nothing_once_it_is_revoked() {
    let edge = Edge::new().await;
    let body = json!({"label": "billing", "role": "read"});
    let made = Edge::created(edge.admin(ask("POST", "/tokens").body(&body)).await);
    let (made, location) = (made.json(), made.header("location").to_owned());
    let token = made["token"].as_str().unwrap();
    assert_eq!(
        location,
        format!("/api/v1/tokens/{}", made["id"].as_str().unwrap())
    );
    let list = edge.get("/tokens").await;
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 4);
    let secret = token.rsplit('_').next().unwrap();
    assert!(!list.text.contains(secret) && !list.text.contains("hash"));
    assert_eq!(
        edge.send(ask("GET", "/trunks").by(token)).await.status,
        StatusCode::OK
    );
    let path = location.trim_start_matches("/api/v1").to_owned();
    assert_eq!(
        edge.admin(ask("DELETE", &path)).await.status,
        StatusCode::NO_CONTENT
    );
    let answer = edge.send(ask("GET", "/trunks").by(token)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        edge.admin(ask("DELETE", &path)).await.problem(),
        "not_found"
    );
}

/// The cookie of a session that the token began.
async fn log_in(edge: &Edge, role: Role) -> String {
    let body = json!({"token": edge.token(role)});
    let answer = edge.send(ask("POST", "/session").body(&body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let cookie = answer.header("set-cookie").to_owned();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_works_by_a_cookie_that_no_script_reads_and_no_other_page_uses() {
    let edge = Edge::new().await;
    let cookie = log_in(&edge, Role::Admin).await;
    let by_cookie = |ask: super::Ask| ask.header("cookie", &cookie).header("host", "edge");
    let answer = edge.send(by_cookie(ask("GET", "/session"))).await;
    assert_eq!(answer.json()["name"], "admin");
    let trunk = json!({"name": "a", "acl": ["192.0.2.1"]});
    let answer = edge
        .send(by_cookie(ask("POST", "/trunks").body(&trunk)))
        .await;
    assert_eq!(answer.problem(), "forbidden");
    let ours = by_cookie(ask("POST", "/trunks").body(&trunk)).header("x-trunkline", "1");
    let foreign = by_cookie(ask("POST", "/trunks").body(&trunk))
        .header("x-trunkline", "1")
        .header("origin", "https://elsewhere");
    assert_eq!(edge.send(foreign).await.problem(), "forbidden");
    assert_eq!(edge.send(ours).await.status, StatusCode::CREATED);
    let socket = by_cookie(ask("GET", "/events/socket")).header("origin", "https://elsewhere");
    assert_eq!(edge.send(socket).await.problem(), "forbidden");
}

#[tokio::test]
async fn a_session_ends_by_logging_out_and_with_its_token() {
    let edge = Edge::new().await;
    let (left, revoked) = (
        log_in(&edge, Role::Read).await,
        log_in(&edge, Role::Operate).await,
    );
    let out = ask("DELETE", "/session")
        .header("cookie", &left)
        .header("x-trunkline", "1");
    let answer = edge.send(out).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    let answer = edge
        .send(ask("GET", "/session").header("cookie", &left))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let tokens = edge.get("/tokens").await.json();
    let operator = tokens["items"].as_array().unwrap().iter();
    let operator = operator
        .clone()
        .find(|token| token["role"] == "operate")
        .unwrap();
    let path = format!("/tokens/{}", operator["id"].as_str().unwrap());
    edge.admin(ask("DELETE", &path)).await;
    let answer = edge
        .send(ask("GET", "/session").header("cookie", &revoked))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_token_begins_no_session() {
    let edge = Edge::new().await;
    let body = json!({"token": "tk_a_b"});
    let answer = edge.send(ask("POST", "/session").body(&body)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("set-cookie"), "");
}
