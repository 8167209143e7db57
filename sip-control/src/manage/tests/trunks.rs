//! Trunks: validation, editors that meet, secrets, parts and targets.

use serde_json::json;

use super::*;
use crate::config::sections::HoldsSecrets;
use crate::manage::{Origin, TrunkPart};

#[tokio::test]
async fn ops_1_a_trunk_that_is_made_is_shown_and_in_effect_and_there_after_a_restart() {
    let mut desk = Desk::new().await;
    let made = desk.put_trunk(carrier(), IfMatch::New).await.unwrap();
    assert_eq!((made.origin, made.position), (Origin::Store, 1));
    assert_eq!(made.body.destination.as_deref(), Some("sip:127.0.0.3:5070"));
    let shown: Vec<String> = desk
        .manager
        .trunks()
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(shown, ["pbx", "carrier"]);
    let desk = desk.restart(FILE).await;
    let kept = desk.manager.trunk("CARRIER").unwrap();
    assert_eq!(kept, made);
    let in_effect: Vec<&str> = desk
        .started
        .trunks
        .iter()
        .map(|trunk| trunk.trunk.name.as_str())
        .collect();
    assert_eq!(in_effect, ["pbx", "carrier"]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_its_own_field_and_changes_nothing() {
    let mut desk = Desk::new().await;
    let with = |field: &str, value: Value| {
        let mut body = carrier();
        body[field] = value;
        body
    };
    let cases = [
        (
            with("secure", json!("ssl")),
            "secure",
            "expected disabled, tls or srtp",
        ),
        (
            with("secure", json!("tls")),
            "secure",
            "needs a TLS listener",
        ),
        (
            with("acl", json!(["10.0.0.0/33"])),
            "acl[0]",
            "expected an address",
        ),
        (
            with("domains", json!(["pbx.example.com"])),
            "domains[0]",
            "already a domain of trunk \"pbx\"",
        ),
        (
            with("listener", json!("wan")),
            "listener",
            "expected one of: udp",
        ),
        (
            with("auth", json!({"user": "u"})),
            "auth.password",
            "missing",
        ),
        (
            with(
                "header_rules",
                json!([{"direction": "in", "remove": "X-A"}, {"direction": "up", "remove": "X-A"}]),
            ),
            "header_rules[1].direction",
            "expected in or out",
        ),
        (with("name", json!(" ")), "name", "is no name"),
        (
            with("credentials", json!([{"user": "u"}])),
            "auth_realm",
            "missing",
        ),
    ];
    for (body, field, problem) in cases {
        let (found, told) = field_of(desk.put_trunk(body.clone(), IfMatch::New).await);
        assert_eq!(found, field, "{body}");
        assert!(told.contains(problem), "{body}: {told}");
    }
    assert_eq!(desk.manager.trunks().len(), 1);
    assert!(desk.audit().await.is_empty());
}

#[tokio::test]
async fn of_two_editors_the_second_is_told_that_it_has_changed() {
    let mut desk = Desk::new().await.with_carrier().await;
    let seen = desk.manager.trunk("carrier").unwrap();
    let condition = IfMatch::Version(seen.version);
    let mut first = carrier();
    first["nat"] = json!(true);
    let first = desk.put_trunk(first, condition).await.unwrap();
    assert_ne!(first.version, seen.version);
    let mut second = carrier();
    second["mki"] = json!(true);
    assert!(is_stale(&desk.put_trunk(second.clone(), condition).await));
    assert!(desk.manager.trunk("carrier").unwrap().body.nat);
    let condition = IfMatch::Version(first.version);
    assert!(desk.put_trunk(second, condition).await.unwrap().body.mki);
    // Made anew under the old name, it is not what the editor has seen.
    let again = desk.put_trunk(carrier(), IfMatch::New).await;
    assert!(matches!(again, Err(ManageError::Store(StoreError::Exists))));
}

#[tokio::test]
async fn what_stands_in_the_file_is_shown_and_not_changed() {
    let mut desk = Desk::new().await;
    let shown = desk.manager.trunk("pbx").unwrap();
    assert_eq!((shown.origin, shown.position), (Origin::File, 0));
    let body = json!({"name": "PBX", "nat": true});
    let refused = desk.put_trunk(body, IfMatch::Version(shown.version)).await;
    let Err(ManageError::DefinedInFile(what)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(what, "trunk pbx");
    let manager = Arc::clone(&desk.manager);
    let delete = async move { manager.delete_trunk(&admin(), "pbx", IfMatch::Any).await };
    let refused = desk.applied(delete).await.0;
    assert!(matches!(refused, Err(ManageError::DefinedInFile(_))));
    let route = desk
        .manager
        .delete_route(&admin(), "file-0", IfMatch::Any)
        .await;
    assert!(matches!(route, Err(ManageError::DefinedInFile(_))));
}

#[tokio::test]
async fn a_trunk_keeps_its_name() {
    let mut desk = Desk::new().await.with_carrier().await;
    let manager = Arc::clone(&desk.manager);
    let mut body: TrunkSection = read_section(carrier()).unwrap();
    body.name = "provider".to_owned();
    let put = async move {
        manager
            .put_trunk(&admin(), "carrier", body, IfMatch::Any)
            .await
    };
    let (field, problem) = field_of(desk.applied(put).await.0);
    assert_eq!(field, "name");
    assert!(problem.contains("a trunk keeps its name"), "{problem}");
}

#[tokio::test]
async fn a_trunk_that_something_names_is_not_deleted_and_what_names_it_is_told() {
    let mut desk = Desk::new().await.with_carrier().await;
    let route = desk.manager.routes()[1].name.clone();
    let manager = Arc::clone(&desk.manager);
    let refused = manager
        .delete_trunk(&admin(), "Carrier", IfMatch::Any)
        .await;
    let Err(ManageError::InUse(users)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(users, format!("route {route}"));
    let delete = async move {
        manager.delete_route(&admin(), &route, IfMatch::Any).await?;
        manager
            .delete_trunk(&admin(), "carrier", IfMatch::Any)
            .await
    };
    let (deleted, told) = desk.applied(delete).await;
    deleted.unwrap();
    // Its id keeps its place, without a way in or out.
    let told = told.unwrap();
    let retired = &told.trunks[1];
    assert!(retired.is_retired && retired.trunk.acl.is_empty());
    assert!(is_missing(&desk.manager.trunk("carrier")));
    let gone = desk
        .manager
        .delete_trunk(&admin(), "carrier", IfMatch::Any)
        .await;
    assert!(is_missing(&gone));
}

#[tokio::test]
async fn secrets_are_never_shown_and_stay_when_they_are_not_sent() {
    let mut desk = Desk::new().await;
    let mut body = carrier();
    body["auth_realm"] = json!("edge");
    body["auth"] = json!({"user": "us", "password": "geheim1"});
    body["credentials"] = json!([
        {"user": "a", "password": "geheim2"},
        {"user": "b", "ha1_md5": "0123456789abcdef0123456789abcdef"},
    ]);
    let made = desk.put_trunk(body, IfMatch::New).await.unwrap();
    let shown = serde_json::to_value(&made.body).unwrap();
    assert_eq!(shown["auth"], json!({"user": "us", "has_password": true}));
    assert_eq!(
        shown["credentials"][1],
        json!({"user": "b", "has_password": true})
    );
    let text = format!("{shown}{made:?}");
    assert!(!text.contains("geheim") && !text.contains("0123"), "{text}");

    // What was got is sent back, with something else in it.
    let mut edited = shown;
    edited["nat"] = json!(true);
    desk.put_trunk(edited, IfMatch::Any).await.unwrap();
    let kept = desk.manager.current();
    let kept = &kept.kept.find::<TrunkSection>("carrier").unwrap().body;
    let revealed = kept.dangerous_revealed();
    assert_eq!(revealed["auth"]["password"], "geheim1");
    assert_eq!(revealed["credentials"][0]["password"], "geheim2");
    assert_eq!(
        revealed["credentials"][1]["ha1_md5"],
        "0123456789abcdef0123456789abcdef"
    );
    assert_eq!(revealed["credentials"][1].get("has_password"), None);

    // Another user has no secret to keep.
    let manager = Arc::clone(&desk.manager);
    let patch = json!({"credentials": [{"user": "c", "has_password": true}]});
    let patched = async move {
        let part = TrunkPart::Termination;
        manager
            .patch_trunk(&admin(), "carrier", part, patch, IfMatch::Any)
            .await
    };
    let (field, problem) = field_of(desk.applied(patched).await.0);
    assert_eq!(field, "credentials[0].password");
    assert!(problem.starts_with("missing"), "{problem}");
    for entry in desk.audit().await {
        let entry = format!("{entry:?}");
        assert!(
            !entry.contains("geheim") && !entry.contains("0123"),
            "{entry}"
        );
    }
}

#[tokio::test]
async fn a_part_of_a_trunk_is_patched_and_the_rest_stays() {
    let mut desk = Desk::new().await.with_carrier().await;
    let manager = Arc::clone(&desk.manager);
    let patched = async move {
        let version = manager.trunk("carrier").unwrap().version;
        let (part, patch) = (TrunkPart::General, json!({"nat": true, "dscp": 46}));
        let condition = IfMatch::Version(version);
        manager
            .patch_trunk(&admin(), "carrier", part, patch, condition)
            .await?;
        let (part, patch) = (TrunkPart::General, json!({"dscp": null}));
        manager
            .patch_trunk(&admin(), "carrier", part, patch, IfMatch::Any)
            .await
    };
    let trunk = desk.applied(patched).await.0.unwrap().body;
    assert!(trunk.nat && trunk.dscp.is_none());
    assert_eq!(trunk.acl, ["127.0.0.3"]);
    let (part, patch) = (TrunkPart::General, json!({"natt": true}));
    let unknown = desk
        .manager
        .patch_trunk(&admin(), "carrier", part, patch, IfMatch::Any)
        .await;
    assert!(matches!(unknown, Err(ManageError::UnknownField { field, .. }) if field == "natt"));
}

#[tokio::test]
async fn trk_1_targets_are_added_one_at_a_time_also_beside_a_destination() {
    let mut desk = Desk::new().await.with_carrier().await;
    let manager = Arc::clone(&desk.manager);
    let target = |body: Value| read_section(body).unwrap();
    let second = target(json!({"uri": "sip:127.0.0.4:5070", "priority": 10, "weight": 5}));
    let add = async move {
        manager
            .add_origination(&admin(), "carrier", second, IfMatch::Any)
            .await
    };
    let ((place, trunk), told) = {
        let (outcome, told) = desk.applied(add).await;
        (outcome.unwrap(), told.unwrap())
    };
    assert_eq!(place, 1);
    assert_eq!(trunk.body.destination, None);
    let uris: Vec<&str> = trunk
        .body
        .origination
        .iter()
        .map(|it| it.uri.as_str())
        .collect();
    assert_eq!(uris, ["sip:127.0.0.3:5070", "sip:127.0.0.4:5070"]);
    assert_eq!(told.trunks[1].trunk.origination.uris[1].priority, 10);

    let manager = Arc::clone(&desk.manager);
    let edit = async move {
        let off = json!({"enabled": false});
        manager
            .patch_origination(&admin(), "carrier", 1, off, IfMatch::Any)
            .await?;
        manager
            .delete_origination(&admin(), "carrier", 0, IfMatch::Any)
            .await
    };
    let trunk = desk.applied(edit).await.0.unwrap().body;
    assert_eq!(trunk.origination.len(), 1);
    assert_eq!(trunk.origination[0].enabled, Some(false));

    // What is wrong with a target is told by the target's own field.
    let manager = Arc::clone(&desk.manager);
    let bad = target(json!({"uri": "sip:127.0.0.5", "weight": 0}));
    let refused = manager
        .add_origination(&admin(), "carrier", bad, IfMatch::Any)
        .await;
    assert_eq!(field_of(refused).0, "weight");
    let refused = manager
        .delete_origination(&admin(), "carrier", 7, IfMatch::Any)
        .await;
    assert!(is_missing(&refused));
}

#[tokio::test]
async fn every_change_is_in_the_audit_with_who_and_what() {
    let mut desk = Desk::new().await;
    desk.put_trunk(carrier(), IfMatch::New).await.unwrap();
    let mut body = carrier();
    body["nat"] = json!(true);
    desk.put_trunk(body.clone(), IfMatch::Any).await.unwrap();
    // The same again is no change.
    desk.put_trunk(body, IfMatch::Any).await.unwrap();
    let told: Vec<(String, String, Value)> = desk
        .audit()
        .await
        .into_iter()
        .map(|entry| (entry.who, entry.action, entry.detail))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    let (who, action, detail) = &told[0];
    assert_eq!((who.as_str(), action.as_str()), ("alice", "trunk.update"));
    assert_eq!(*detail, json!({"nat": {"old": null, "new": true}}));
    assert_eq!(told[1].1, "trunk.create");
}
