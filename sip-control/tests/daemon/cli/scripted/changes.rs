//! Changes: what is sent, and what is said of a refusal.

use serde_json::{Value, json};

use super::{Reply, Scripted, ok, problem};

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
