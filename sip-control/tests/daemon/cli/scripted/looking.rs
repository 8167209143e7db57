//! Lists, events, health: what is asked again, and for how long.

use serde_json::{Value, json};

use super::super::run_with;
use super::{Reply, Scripted, ok};

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
fn drain_waits_until_no_call_is_left() {
    let live = |calls: u64| ok(json!({"status": "ok", "calls": {"live": calls}}));
    let api = Scripted::new([ok(json!({"on": true})), live(2), live(1), live(0)]);
    let ran = api.ask("drain on --wait");
    assert!(
        ran.err.contains("still up: 2") && ran.err.contains("still up: 1"),
        "{ran:?}"
    );
    assert_eq!(ran.done(), "drained: no call is left\n");
    let api = Scripted::new([ok(json!({"on": true})), live(2), live(2)]);
    let error = api.ask("drain on --wait --timeout 0s --json").failed(1);
    assert!(error.contains("calls still up: 2"), "{error}");
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
    super::super::run(&words).json();
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
