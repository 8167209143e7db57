//! A store that is not there, that loses what it had, or that a file no longer fits.

use serde_json::json;

use super::*;
use crate::store::Kind;

#[tokio::test]
async fn without_a_store_nothing_can_be_changed_and_everything_seen() {
    let directory = Directory::new();
    let path = directory.path("trunkline.toml");
    let config = Config::parse(&path, FILE).unwrap();
    let mut desk = Desk::of(config, Vec::new(), Store::none(), directory);
    let refused = desk.put_trunk(carrier(), IfMatch::New).await;
    assert!(
        matches!(refused, Err(ManageError::Store(StoreError::NoStore))),
        "{refused:?}"
    );
    let token = desk.manager.create_token(&admin(), "a", Role::Read).await;
    assert!(matches!(
        token,
        Err(ManageError::Store(StoreError::NoStore))
    ));
    assert_eq!(desk.manager.trunks().len(), 1);
    // It stays so.
    let refused = desk.put_trunk(carrier(), IfMatch::New).await;
    assert!(matches!(
        refused,
        Err(ManageError::Store(StoreError::NoStore))
    ));
}

/// The realm that the trunk of the store is in has gone from the file.
#[tokio::test]
async fn what_no_longer_fits_the_file_is_left_out_and_told_and_the_rest_works() {
    let two = format!(
        "{FILE}\n[[realms]]\nname = \"wan\"\nmedia_addresses = [\"127.0.0.9\"]\nports = \"22000-22999\"\n\
         [[listeners]]\nname = \"wan\"\ntransport = \"udp\"\naddress = \"127.0.0.9:5060\"\nrealm = \"wan\"\n"
    );
    let mut desk = Desk::with(&two).await;
    let mut body = carrier();
    body["realm"] = json!("wan");
    desk.put_trunk(body, IfMatch::New).await.unwrap();
    let route = json!({"from": "pbx", "to": "carrier"});
    desk.create_route(route, None).await.unwrap();
    desk.put_trunk(
        json!({"name": "second", "acl": ["127.0.0.5"]}),
        IfMatch::New,
    )
    .await
    .unwrap();

    let mut desk = desk.restart(FILE).await;
    let in_effect: Vec<&str> = desk
        .started
        .trunks
        .iter()
        .map(|trunk| trunk.trunk.name.as_str())
        .collect();
    assert_eq!(in_effect, ["pbx", "second"]);
    let problem = desk.manager.trunk("carrier").unwrap().problem.unwrap();
    assert!(
        problem.starts_with("realm: unknown realm \"wan\""),
        "{problem}"
    );
    let problem = desk.manager.routes()[1].problem.clone().unwrap();
    assert!(
        problem.starts_with("to: unknown trunk \"carrier\""),
        "{problem}"
    );

    // Others can be changed meanwhile; and once it fits, everything is in effect again.
    let body = json!({"name": "second", "acl": ["127.0.0.6"]});
    desk.put_trunk(body, IfMatch::Any).await.unwrap();
    let fitting = desk.put_trunk(carrier(), IfMatch::Any).await.unwrap();
    assert_eq!(fitting.problem, None);
    assert_eq!(desk.manager.routes()[1].problem, None);
}

#[tokio::test]
async fn a_store_that_has_lost_what_it_had_gets_it_again() {
    let mut desk = Desk::new().await.with_carrier().await;
    let before = desk.manager.export(true);
    // Somebody has emptied it.
    let names: Vec<(Kind, String)> = desk
        .store
        .read(|reader| {
            let mut names = Vec::new();
            for kind in Kind::ALL {
                let entries = reader.entries(kind)?.into_iter();
                names.extend(entries.map(|entry| (kind, entry.name)));
            }
            Ok(names)
        })
        .await
        .unwrap();
    let gone = names
        .into_iter()
        .map(|(kind, name)| crate::store::Change::Delete {
            kind,
            name,
            expected: crate::store::Expected::Any,
        });
    let audit = AuditEntry {
        time_ms: 0,
        who: String::new(),
        role: String::new(),
        from: String::new(),
        action: String::new(),
        object: String::new(),
        detail: Value::Null,
        outcome: String::new(),
    };
    desk.store.change(gone.collect(), audit).await.unwrap();

    let version = desk.manager.trunk("carrier").unwrap().version;
    let mut body = carrier();
    body["nat"] = json!(true);
    let refused = desk
        .put_trunk(body.clone(), IfMatch::Version(version))
        .await;
    assert!(is_missing(&refused), "{refused:?}");
    assert_eq!(desk.manager.export(true), before, "what is in effect stays");
    // The next change finds it restored.
    desk.put_trunk(body, IfMatch::Any).await.unwrap();
    assert!(
        desk.audit()
            .await
            .iter()
            .any(|entry| entry.action == "store.restore")
    );
    let desk = desk.restart(FILE).await;
    assert!(desk.manager.trunk("carrier").unwrap().body.nat);
    assert_eq!(desk.manager.routes().len(), 2);
}
