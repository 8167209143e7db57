//! Trunks, routes, accounts, import, export and backup, as an editor uses them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Edge, ask};

#[tokio::test]
async fn ops_1_a_trunk_is_made_read_changed_and_removed() {
    let edge = Edge::new().await;
    let made = edge.make_trunk("carrier").await;
    assert_eq!(made.header("location"), "/api/v1/trunks/carrier");
    let tag = made.header("etag").to_owned();
    let read = edge.get("/trunks/carrier").await;
    assert_eq!(read.header("etag"), tag);
    assert_eq!(read.json()["origin"], "store");
    assert_eq!(read.json()["state"]["targets"][0]["uri"], "sip:192.0.2.9");
    let patch = ask("PATCH", "/trunks/carrier").header("if-match", &tag);
    let changed = edge
        .admin(patch.body(&json!({"max_concurrent_calls": 5})))
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    assert_eq!(changed.json()["max_concurrent_calls"], 5);
    assert_eq!(changed.json()["acl"], json!(["192.0.2.0/24"]));
    let newer = changed.header("etag").to_owned();
    assert_ne!(newer, tag);
    let delete = ask("DELETE", "/trunks/carrier").header("if-match", &newer);
    assert_eq!(edge.admin(delete).await.status, StatusCode::NO_CONTENT);
    assert_eq!(edge.get("/trunks/carrier").await.problem(), "not_found");
}

#[tokio::test]
async fn ops_1_of_two_editors_the_second_is_told_and_nothing_is_lost() {
    let edge = Edge::new().await;
    let tag = edge.make_trunk("carrier").await.header("etag").to_owned();
    let change = |field: &str| {
        let patch = ask("PATCH", "/trunks/carrier").header("if-match", &tag);
        patch.body(&json!({field: 5}))
    };
    assert_eq!(
        edge.admin(change("max_concurrent_calls")).await.status,
        StatusCode::OK
    );
    let second = edge.admin(change("max_calls_per_second")).await;
    assert_eq!(second.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(second.problem(), "stale");
    let now = edge.get("/trunks/carrier").await.json();
    assert_eq!(
        (&now["max_concurrent_calls"], &now["max_calls_per_second"]),
        (&json!(5), &Value::Null)
    );
}

#[tokio::test]
async fn ops_1_a_change_without_a_version_is_refused_wherever_something_is_changed() {
    let edge = Edge::new().await;
    edge.make_trunk("carrier").await;
    for (method, path) in [
        ("PUT", "/trunks/carrier"),
        ("PATCH", "/trunks/carrier"),
        ("DELETE", "/trunks/carrier"),
        ("PATCH", "/trunks/carrier/general"),
        ("PATCH", "/trunks/carrier/termination"),
        ("PUT", "/trunks/carrier/origination/0"),
        ("DELETE", "/trunks/carrier/origination/0"),
        ("PUT", "/routes/order"),
        ("DELETE", "/routes/r1"),
        ("PUT", "/accounts/sip:a@b.example"),
        ("DELETE", "/webhooks/w"),
    ] {
        let answer = edge.admin(ask(method, path).body(&json!({}))).await;
        assert_eq!(
            answer.status,
            StatusCode::PRECONDITION_REQUIRED,
            "{method} {path}"
        );
        assert_eq!(answer.problem(), "precondition_required");
    }
}

#[tokio::test]
async fn ops_1_what_was_read_can_be_sent_back_and_passwords_stay() {
    let edge = Edge::new().await;
    let body = json!({
        "name": "carrier", "domains": ["carrier.example.com"],
        "credentials": [{"user": "alice", "password": "geheim"}],
    });
    let made = Edge::created(edge.admin(ask("POST", "/trunks").body(&body)).await);
    assert!(!made.text.contains("geheim"));
    let mut read = edge.get("/trunks/carrier").await.json();
    assert_eq!(
        read["credentials"][0],
        json!({"user": "alice", "has_password": true})
    );
    read["max_concurrent_calls"] = json!(3);
    let put = ask("PUT", "/trunks/carrier").header("if-match", made.header("etag"));
    let put = edge.admin(put.body(&read)).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    let export = edge.get("/export?secrets=true").await;
    assert!(export.text.contains("geheim"));
    assert!(!edge.get("/export").await.text.contains("geheim"));
    assert!(!edge.get("/audit").await.text.contains("geheim"));
}

#[tokio::test]
async fn ops_1_what_stands_in_the_file_is_shown_and_not_changed() {
    let edge = Edge::new().await;
    let fixed = edge.get("/trunks/fixed").await;
    assert_eq!(fixed.json()["origin"], "file");
    assert_eq!(fixed.json()["state"]["targets"][0]["state"], "in_service");
    assert_eq!(fixed.json()["state"]["registration"]["registered"], true);
    let patch = ask("PATCH", "/trunks/fixed").header("if-match", fixed.header("etag"));
    let answer = edge.admin(patch.body(&json!({"nat": true}))).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (StatusCode::CONFLICT, "defined_in_file")
    );
    let again = json!({"name": "FIXED", "acl": ["192.0.2.1"]});
    let answer = edge.admin(ask("POST", "/trunks").body(&again)).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn ops_1_general_and_termination_are_edited_by_themselves() {
    let edge = Edge::new().await;
    edge.make_trunk("carrier").await;
    let general = edge.get("/trunks/carrier/general").await;
    assert!(general.json().get("acl").is_none());
    let patch = ask("PATCH", "/trunks/carrier/general").header("if-match", general.header("etag"));
    let changed = edge
        .admin(patch.body(&json!({"codecs": ["PCMU"], "nat": true})))
        .await;
    assert_eq!(changed.json()["nat"], true, "{}", changed.text);
    let termination = ask("PATCH", "/trunks/carrier/termination");
    let termination = termination.header("if-match", changed.header("etag"));
    let answer = edge.admin(termination.body(&json!({"nat": false}))).await;
    assert_eq!(answer.problem(), "unknown_field");
    assert_eq!(answer.json()["field"], "nat");
}

#[tokio::test]
async fn ops_1_targets_are_added_one_at_a_time() {
    let edge = Edge::new().await;
    let trunk = json!({"name": "carrier", "acl": ["192.0.2.1"]});
    Edge::created(edge.admin(ask("POST", "/trunks").body(&trunk)).await);
    for (place, host) in ["192.0.2.8", "192.0.2.9"].into_iter().enumerate() {
        let target = json!({"uri": format!("sip:{host}"), "priority": place, "weight": 10});
        let add = ask("POST", "/trunks/carrier/origination").body(&target);
        let added = Edge::created(edge.admin(add).await);
        let path = format!("/api/v1/trunks/carrier/origination/{place}");
        assert_eq!(added.header("location"), path);
    }
    let list = edge.get("/trunks/carrier/origination").await;
    assert_eq!(list.json()["items"][1]["uri"], "sip:192.0.2.9");
    assert_eq!(list.json()["items"][1]["enabled"], true);
    let off = ask("PATCH", "/trunks/carrier/origination/1").header("if-match", list.header("etag"));
    let off = edge.admin(off.body(&json!({"enabled": false}))).await;
    assert_eq!(off.json()["enabled"], false, "{}", off.text);
    let bad = ask("PATCH", "/trunks/carrier/origination/1").header("if-match", off.header("etag"));
    let bad = edge.admin(bad.body(&json!({"weight": 0}))).await;
    assert_eq!(
        (bad.problem().as_str(), &bad.json()["field"]),
        ("invalid_field", &json!("weight"))
    );
    let remove =
        ask("DELETE", "/trunks/carrier/origination/0").header("if-match", off.header("etag"));
    assert_eq!(edge.admin(remove).await.status, StatusCode::NO_CONTENT);
    let list = edge.get("/trunks/carrier/origination").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let gone = edge.get("/trunks/carrier/origination/5").await;
    assert_eq!(gone.problem(), "not_found");
}

#[tokio::test]
async fn ops_1_routes_are_made_and_ordered() {
    let edge = Edge::new().await;
    edge.make_trunk("carrier").await;
    let mut ids = Vec::new();
    for prefix in ["1", "2"] {
        let body = json!({"prefix": prefix, "to": "carrier"});
        let made = Edge::created(edge.admin(ask("POST", "/routes").body(&body)).await);
        ids.push(made.json()["id"].as_str().unwrap().to_owned());
    }
    let list = edge.get("/routes").await;
    let order = |list: &Value| {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|route| route["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(order(&list.json()), ["file-0", &ids[0], &ids[1]]);
    let tag = list.header("etag").to_owned();
    let reorder = |tag: &str| {
        let ask = ask("PUT", "/routes/order").header("if-match", tag);
        ask.body(&json!({"ids": [&ids[1], &ids[0]]}))
    };
    let ordered = edge.admin(reorder(&tag)).await;
    assert_eq!(ordered.status, StatusCode::OK, "{}", ordered.text);
    assert_eq!(order(&ordered.json()), ["file-0", &ids[1], &ids[0]]);
    assert_eq!(edge.admin(reorder(&tag)).await.problem(), "stale");
    let route = edge.get(&format!("/routes/{}", ids[0])).await;
    let patch = ask("PATCH", &format!("/routes/{}", ids[0]));
    let patch = patch.header("if-match", route.header("etag"));
    let moved = edge
        .admin(patch.body(&json!({"position": 1, "strip": 1})))
        .await;
    assert_eq!(
        (&moved.json()["position"], &moved.json()["strip"]),
        (&json!(1), &json!(1))
    );
    let delete = ask("DELETE", "/trunks/carrier").header("if-match", "*");
    assert_eq!(edge.admin(delete).await.problem(), "in_use");
}

#[tokio::test]
async fn ops_1_accounts_are_found_by_their_address() {
    let edge = Edge::new().await;
    let trunk = json!({"name": "phones", "domains": ["phones.example.com"]});
    Edge::created(edge.admin(ask("POST", "/trunks").body(&trunk)).await);
    let body =
        json!({"aor": "sip:alice@phones.example.com", "trunk": "phones", "password": "geheim"});
    let made = Edge::created(edge.admin(ask("POST", "/accounts").body(&body)).await);
    assert!(!made.text.contains("geheim"));
    assert_eq!(made.json()["bindings"], 0);
    let path = made
        .header("location")
        .trim_start_matches("/api/v1")
        .to_owned();
    for path in [
        path.as_str(),
        "/accounts/alice@phones.example.com",
        "/accounts/sip%3Aalice%40phones.example.com",
    ] {
        assert_eq!(edge.get(path).await.json()["has_password"], true, "{path}");
    }
    let twice = edge.admin(ask("POST", "/accounts").body(&body)).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let delete = ask("DELETE", &path).header("if-match", made.header("etag"));
    assert_eq!(edge.admin(delete).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn ops_1_an_import_is_looked_at_before_it_is_applied() {
    let edge = Edge::new().await;
    let toml = "[[trunks]]\nname = \"carrier\"\nacl = [\"192.0.2.1\"]\ndestination = \"sip:192.0.2.1\"\n[[routes]]\nprefix = \"7\"\nto = \"carrier\"\n";
    let import = |apply: bool| {
        let body = json!({"toml": toml, "mode": "merge", "apply": apply});
        ask("POST", "/import").body(&body)
    };
    let looked = edge.admin(import(false)).await;
    assert_eq!(looked.json()["applied"], false, "{}", looked.text);
    assert_eq!(looked.json()["changes"][0]["name"], "carrier");
    assert_eq!(edge.get("/trunks/carrier").await.problem(), "not_found");
    assert_eq!(edge.admin(import(true)).await.json()["applied"], true);
    assert_eq!(edge.get("/trunks/carrier").await.json()["origin"], "store");
    let again = edge.admin(import(true)).await.json();
    assert_eq!(again["changes"], json!([]));
    let bad = json!({"toml": "[[trunks]]\nnam = \"x\"\n", "mode": "merge"});
    assert_eq!(
        edge.admin(ask("POST", "/import").body(&bad)).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn every_change_is_in_the_audit_with_who_made_it() {
    let edge = Edge::new().await;
    edge.make_trunk("carrier").await;
    edge.admin(ask("POST", "/calls/7/hang-up")).await;
    edge.admin(ask("POST", "/calls/8/hang-up")).await;
    edge.store.settled(std::time::Duration::from_secs(10)).await;
    let audit = edge.get("/audit?limit=3").await.json();
    let told: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (text("who"), text("action"), text("object"), text("outcome"))
        })
        .collect();
    let entry = |action: &str, object: &str, outcome: &str| {
        (
            "admin".to_owned(),
            action.to_owned(),
            object.to_owned(),
            outcome.to_owned(),
        )
    };
    assert!(
        told.contains(&entry("trunk.create", "carrier", "ok")),
        "{told:?}"
    );
    assert!(told.contains(&entry("call.hang_up", "7", "ok")), "{told:?}");
    assert!(
        told.contains(&entry("call.hang_up", "8", "no_such_call")),
        "{told:?}"
    );
    let next = audit["next"].as_str().unwrap();
    let rest = edge.get(&format!("/audit?after={next}")).await.json();
    assert!(
        rest["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["action"] == "token.create")
    );
}

#[tokio::test]
async fn a_backup_is_written_into_its_directory() {
    let edge = Edge::new().await;
    edge.make_trunk("carrier").await;
    let done = edge
        .admin(ask("POST", "/backup").body(&json!({"path": "copy.db"})))
        .await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let bytes = std::fs::metadata(edge.directory.join("copy.db"))
        .unwrap()
        .len();
    assert_eq!(done.json()["bytes"], bytes);
    let out = edge
        .admin(ask("POST", "/backup").body(&json!({"path": "/tmp/copy.db"})))
        .await;
    assert_eq!(out.json()["field"], "path");
}
