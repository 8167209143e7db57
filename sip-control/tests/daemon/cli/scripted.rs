//! Against an API that says what a daemon seldom does: pages, refusals, lost connections.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Ran, ask, run_with};
use crate::support::Directory;

/// A request as it came.
#[derive(Clone, Debug)]
struct Seen {
    /// `GET /trunks?limit=1`
    line: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// What is answered: status, entity tag, body.
struct Reply(u16, &'static str, String);

fn ok(body: Value) -> Reply {
    Reply(200, "\"v7\"", body.to_string())
}

fn problem(status: u16, slug: &str, more: Value) -> Reply {
    let mut body = json!({
        "type": format!("https://trunkline.dev/problems/{slug}"), "title": slug, "status": status,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    Reply(status, "", body.to_string())
}

#[derive(Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Answers one request after the other with what it was given, on a Unix socket and over TCP.
struct Scripted {
    directory: Directory,
    address: SocketAddr,
    script: Script,
    _runtime: tokio::runtime::Runtime,
}

impl Scripted {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Scripted {
        let directory = Directory::new();
        let script = Script {
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            seen: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(script.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = runtime.block_on(async {
            let unix = tokio::net::UnixListener::bind(directory.path("control.sock")).unwrap();
            let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = tcp.local_addr().unwrap();
            tokio::spawn(axum::serve(unix, router.clone()).into_future());
            tokio::spawn(axum::serve(tcp, router).into_future());
            address
        });
        Scripted {
            directory,
            address,
            script,
            _runtime: runtime,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path("control.sock")
    }

    fn ask(&self, words: &str) -> Ran {
        ask(&self.socket(), words)
    }

    fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

async fn answer(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().unwrap().as_str();
    let path = path.strip_prefix("/api/v1").unwrap_or("outside the API");
    script.seen.lock().unwrap().push(Seen {
        line: format!("{method} {path}"),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    });
    let reply = script.replies.lock().unwrap().pop_front();
    let Reply(status, tag, body) = reply.unwrap_or(Reply(500, "", String::new()));
    let mut response = (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response();
    if !tag.is_empty() {
        response.headers_mut().insert("etag", tag.parse().unwrap());
    }
    response
}

#[test]
fn a_change_says_which_version_it_changes_and_nothing_else_than_what_was_said() {
    let trunk = json!({"name": "pbx", "version": 7, "acl": ["192.0.2.1"], "secure": "disabled"});
    let api = Scripted::new([ok(trunk.clone()), ok(trunk)]);
    let said = api
        .ask("trunk set pbx secure=tls acl+=192.0.2.2 fallback= auth.user=x")
        .done();
    assert_eq!(said, "trunk pbx changed\n");
    assert_eq!(api.lines(), ["GET /trunks/pbx", "PATCH /trunks/pbx"]);
    let patch = &api.seen()[1];
    assert_eq!(patch.header("if-match"), "\"v7\"");
    assert_eq!(patch.header("content-type"), "application/merge-patch+json");
    assert_eq!(
        patch.body,
        json!({"secure": "tls", "acl": ["192.0.2.1", "192.0.2.2"], "fallback": null,
               "auth": {"user": "x"}})
    );
}

#[test]
fn a_script_can_change_what_it_has_seen_and_nothing_newer() {
    let api = Scripted::new([
        ok(json!({})),
        problem(412, "stale", json!({"detail": "changed"})),
    ]);
    let error = api.ask("trunk secure pbx srtp --if-version 3").failed(6);
    assert_eq!(error, "trunkline: changed\n");
    assert_eq!(api.seen()[1].header("if-match"), "\"v3\"");
    assert_eq!(api.lines()[1], "PATCH /trunks/pbx/general");
}

#[test]
fn a_refusal_names_the_field_and_what_is_expected_and_has_an_exit_code() {
    let wrong =
        json!({"detail": "\"x\" is no network", "field": "acl[0]", "expected": "a network"});
    let cases = [
        (
            400,
            "invalid_field",
            wrong,
            6,
            "acl[0]: \"x\" is no network; expected a network",
        ),
        (401, "unauthenticated", json!({}), 4, "unauthenticated"),
        (
            403,
            "forbidden",
            json!({"detail": "a has the role read; expected admin"}),
            4,
            "admin",
        ),
        (
            404,
            "not_found",
            json!({"detail": "no trunk pbx"}),
            5,
            "no trunk pbx",
        ),
        (
            409,
            "defined_in_file",
            json!({"detail": "in the file"}),
            6,
            "in the file",
        ),
        (503, "draining", json!({}), 6, "draining"),
        (503, "store_unavailable", json!({}), 1, "store_unavailable"),
    ];
    for (status, slug, more, code, words) in cases {
        let api = Scripted::new([
            problem(status, slug, more.clone()),
            problem(status, slug, more),
        ]);
        let error = api.ask("trunk create pbx acl=x").failed(code);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(
            error.starts_with("trunkline: ") && error.contains(words),
            "{error}"
        );
        let error = api.ask("trunk create pbx acl=x --json").failed(code);
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(
            (&error["status"], &error["exit"]),
            (&json!(status), &json!(code))
        );
    }
}

#[test]
fn every_page_of_a_list_is_asked_for() {
    let page = |names: &[&str], next: Value| {
        let items: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        ok(json!({ "items": items, "next": next }))
    };
    let api = Scripted::new([page(&["a", "b"], json!("c/1")), page(&["c"], json!(null))]);
    let answer = api.ask("trunk list --json").json();
    assert_eq!(answer["items"].as_array().unwrap().len(), 3);
    assert_eq!(answer["next"], Value::Null);
    assert_eq!(api.lines(), ["GET /trunks", "GET /trunks?after=c%2F1"]);
}

#[test]
fn ops_3_events_are_followed_over_lost_connections_without_missing_one() {
    let event = |number: u64| {
        format!(
            "id: {number}\nevent: call_started\ndata: {{\"seq\":{number},\"kind\":\"call_started\",\"text\":\"a\\u001b[2Jb\"}}\n\n"
        )
    };
    let stream = |text: String| Reply(200, "", text);
    let gap = "id: 9\nevent: gap\ndata: {\"from\":7,\"to\":9}\n\n";
    let api = Scripted::new([
        stream(event(5) + ": ping\n\n" + &event(6) + "id: 7\nevent: call_ended\ndata: {\"cut"),
        stream(gap.to_owned() + &event(10)),
    ]);
    let ran = api.ask("event follow --after 4 --count 3 --kind call_started,call_ended");
    assert!(ran.err.contains("coming back"), "{ran:?}");
    let out = ran.done();
    let numbers: Vec<&str> = out
        .lines()
        .map(|line| line.split_ascii_whitespace().next().unwrap())
        .collect();
    assert_eq!(numbers, ["5", "6", "events", "10"], "{out}");
    assert!(out.contains("events 7 to 9 are gone"), "{out}");
    assert!(!out.contains('\x1b'), "{out:?}");
    let seen = api.seen();
    assert!(
        seen[0]
            .line
            .starts_with("GET /events/stream?kinds=call_started%2Ccall_ended")
    );
    assert_eq!(
        (
            seen[0].header("last-event-id"),
            seen[1].header("last-event-id")
        ),
        ("4", "6")
    );
}

#[test]
fn who_follows_from_now_on_misses_nothing_either() {
    let event = "id: 9\nevent: digit\ndata: {\"seq\":9,\"kind\":\"digit\"}\n\n".to_owned();
    let api = Scripted::new([
        ok(json!({"status": "ok", "events": {"latest": 8}})),
        Reply(200, "", ": ping\n\n".to_owned()),
        Reply(200, "", event),
    ]);
    let event = api.ask("event follow --count 1 --json").json();
    assert_eq!(event["seq"], 9);
    let seen = api.seen();
    assert_eq!(
        (
            seen[1].header("last-event-id"),
            seen[2].header("last-event-id")
        ),
        ("8", "8")
    );
}

#[test]
fn health_exits_with_7_when_something_is_wrong() {
    let well = ok(json!({"status": "ok", "version": "1", "problems": []}));
    let ill = || {
        ok(json!({"status": "degraded", "version": "1", "problems": [
            {"what": "store", "detail": "disk full", "since": "2026-11-30T05:36:33Z"}]}))
    };
    let not_ready = Reply(
        503,
        "",
        json!({"ready": false, "reason": "draining"}).to_string(),
    );
    let api = Scripted::new([well, ill(), ill(), not_ready, ok(json!({"ready": true}))]);
    assert!(api.ask("health").done().starts_with("ok\n"));
    let ran = api.ask("health");
    assert!(ran.out.contains("store: disk full"), "{ran:?}");
    assert_eq!(ran.failed(7), "");
    let ran = api.ask("health --json");
    assert!(ran.out.contains("\"degraded\""), "{ran:?}");
    assert_eq!(ran.failed(7), "");
    let ran = api.ask("health --ready");
    assert_eq!(ran.out, "not ready: draining\n");
    assert_eq!(ran.code, 7);
    assert_eq!(api.ask("health --ready").done(), "ready\n");
}

#[test]
fn an_import_shows_what_changes_and_applies_it_only_when_told_to() {
    let diff = |applied: bool| {
        ok(
            json!({"applied": applied, "changes": [{"kind": "trunk", "name": "pbx",
            "change": "update", "fields": [{"field": "secure", "old": "tls", "new": "srtp"}]}]}),
        )
    };
    let api = Scripted::new([
        diff(false),
        diff(false),
        diff(false),
        diff(true),
        diff(false),
    ]);
    let file = api
        .directory
        .write("more.toml", "[[trunks]]\nname = \"pbx\"\n");
    let import = format!("import {}", file.display());
    let out = api.ask(&format!("{import} --dry-run")).done();
    assert!(
        out.contains("~ trunk pbx\n    secure = \"tls\" becomes \"srtp\"\n"),
        "{out}"
    );
    let ran = api.ask(&import);
    assert!(
        ran.out.contains("~ trunk pbx") && ran.err.contains("--yes"),
        "{ran:?}"
    );
    assert_eq!(ran.code, 2);
    let out = api.ask(&format!("{import} --replace --yes")).done();
    assert!(
        out.ends_with("1 to change, 0 to delete: applied\n"),
        "{out}"
    );
    assert_eq!(api.ask(&format!("{import} --json")).code, 2);
    let applied: Vec<(Value, Value)> = api
        .seen()
        .iter()
        .map(|seen| (seen.body["apply"].clone(), seen.body["mode"].clone()))
        .collect();
    let (merge, replace) = (json!("merge"), json!("replace"));
    let expected = [
        (false, &merge),
        (false, &merge),
        (false, &replace),
        (true, &replace),
        (false, &merge),
    ];
    assert_eq!(
        applied,
        expected.map(|(apply, mode)| (json!(apply), mode.clone()))
    );
}

#[test]
fn requests_to_act_on_calls_have_a_key_each() {
    let accepted = || Reply(202, "", json!({"call": 7}).to_string());
    let api = Scripted::new((0..6).map(|_| accepted()));
    for words in [
        "call hang-up 7",
        "call hold 7",
        "call unhold 7",
        "call transfer 7 100 --who callee --how refer",
        "call place sip:alice@x 100 --from 200",
        "call hang-up 7 --idempotency-key mine",
    ] {
        assert!(api.ask(words).done().starts_with("call 7"), "{words}");
    }
    let seen = api.seen();
    let keys: std::collections::BTreeSet<&str> = seen
        .iter()
        .map(|seen| seen.header("idempotency-key"))
        .collect();
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert_eq!(seen[5].header("idempotency-key"), "mine");
    assert_eq!(
        (&seen[1].body, &seen[2].body),
        (&json!({"on": true}), &json!({"on": false}))
    );
    assert_eq!(
        seen[3].body,
        json!({"who": "callee", "target": "100", "how": "refer"})
    );
    assert_eq!(seen[4].line, "POST /calls");
    assert_eq!(
        seen[4].body,
        json!({"first": "sip:alice@x", "to": "100", "from": "200"})
    );
}

#[test]
fn drain_waits_until_no_call_is_left() {
    let live = |calls: u64| ok(json!({"status": "ok", "calls": {"live": calls}}));
    let api = Scripted::new([ok(json!({"on": true})), live(2), live(1), live(0)]);
    let ran = api.ask("drain on --wait");
    assert!(
        ran.err.contains("2 calls are up") && ran.err.contains("1 calls are up"),
        "{ran:?}"
    );
    assert_eq!(ran.done(), "drained: no call is left\n");
    let api = Scripted::new([ok(json!({"on": true})), live(2), live(2)]);
    let error = api.ask("drain on --wait --timeout 0s --json").failed(1);
    assert!(error.contains("2 calls are still up"), "{error}");
}

#[test]
fn a_token_goes_with_a_url_and_names_complete_in_a_shell() {
    let trunks = || ok(json!({"items": [{"name": "carrier"}, {"name": "pbx"}], "next": null}));
    let api = Scripted::new([trunks(), trunks(), trunks()]);
    let token = api.directory.write("token", "tk_a_b\n");
    let words = format!(
        "trunk list --json --url http://{} --token-file {}",
        api.address,
        token.display()
    );
    super::run(&words).json();
    let url = format!("http://{}", api.address);
    let token = token.display().to_string();
    let environment = [
        ("TRUNKLINE_URL", url.as_str()),
        ("TRUNKLINE_TOKEN_FILE", token.as_str()),
    ];
    run_with("trunk list --json", &environment, "").json();
    let environment = [environment[0], environment[1], ("COMPLETE", "fish")];
    let names = run_with("-- trunkline trunk show c", &environment, "").done();
    assert_eq!(names, "carrier\n");
    let seen = api.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == "Bearer tk_a_b"),
        "{seen:?}"
    );
    assert_eq!(seen[2].line, "GET /trunks?limit=200");
}
