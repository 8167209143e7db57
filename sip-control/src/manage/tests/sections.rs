//! Accounts and routes.

use serde_json::json;

use super::*;
use crate::config::sections::HoldsSecrets;

fn alice() -> Value {
    json!({"aor": "sip:alice@PBX.example.com", "trunk": "pbx", "password": "geheim"})
}

#[tokio::test]
async fn ops_1_an_account_is_made_found_and_kept_from_going_while_a_route_leads_to_it() {
    let mut desk = Desk::new().await;
    let made = desk.put_account(alice(), IfMatch::New).await.unwrap();
    assert_eq!(made.name, "sip:alice@pbx.example.com");
    for name in ["sip:alice@pbx.example.com", "alice@PBX.EXAMPLE.COM"] {
        assert_eq!(desk.manager.account(name).unwrap().name, made.name);
    }
    let route = json!({"prefix": "100", "to": "sip:alice@pbx.example.com"});
    let route = desk.create_route(route, None).await.unwrap();
    let refused = desk
        .manager
        .delete_account(&admin(), "alice@pbx.example.com", IfMatch::Any)
        .await;
    assert!(matches!(refused, Err(ManageError::InUse(users)) if users.contains(&route.name)));
    let manager = Arc::clone(&desk.manager);
    let delete = async move {
        let route = &route.name;
        manager.delete_route(&admin(), route, IfMatch::Any).await?;
        let account = "alice@pbx.example.com";
        manager
            .delete_account(&admin(), account, IfMatch::Any)
            .await
    };
    let (deleted, told) = desk.applied(delete).await;
    deleted.unwrap();
    assert!(told.unwrap().trunks[0].trunk.accounts.is_empty());
}

#[tokio::test]
async fn an_account_without_a_secret_keeps_the_one_it_has() {
    let mut desk = Desk::new().await;
    desk.put_account(alice(), IfMatch::New).await.unwrap();
    let manager = Arc::clone(&desk.manager);
    let patch = json!({"user": "al"});
    let patched = async move {
        manager
            .patch_account(&admin(), "alice@pbx.example.com", patch, IfMatch::Any)
            .await
    };
    let shown = desk.applied(patched).await.0.unwrap();
    assert_eq!(shown.body.has_password, Some(true));
    assert!(shown.body.password.is_none());
    let current = desk.manager.current();
    let kept = current.kept.find::<AccountSection>("alice@pbx.example.com");
    assert_eq!(
        kept.unwrap().body.dangerous_revealed()["password"],
        "geheim"
    );
}

#[tokio::test]
async fn an_account_that_makes_no_sense_is_refused_by_its_own_field() {
    let mut desk = Desk::new().await;
    desk.put_account(alice(), IfMatch::New).await.unwrap();
    let cases = [
        (
            json!({"aor": "alice", "trunk": "pbx", "password": "x"}),
            "aor",
            "expected sip:USER@DOMAIN",
        ),
        (
            json!({"aor": "sip:b@pbx.example.com", "trunk": "nobody", "password": "x"}),
            "trunk",
            "expected one of: pbx",
        ),
        (
            json!({"aor": "sip:b@other.example", "trunk": "pbx", "password": "x"}),
            "aor",
            "is not a domain of trunk",
        ),
        (
            json!({"aor": "sip:b@pbx.example.com", "trunk": "pbx"}),
            "password",
            "missing",
        ),
        (
            json!({"aor": "sip:b@pbx.example.com", "trunk": "pbx", "user": "alice", "password": "x"}),
            "user",
            "is there already",
        ),
    ];
    for (body, field, problem) in cases {
        let (found, told) = field_of(desk.put_account(body.clone(), IfMatch::New).await);
        assert_eq!(found, field, "{body}");
        assert!(told.contains(problem), "{body}: {told}");
    }
}

#[tokio::test]
async fn what_another_object_needs_is_not_taken_away_and_that_object_is_named() {
    let mut desk = Desk::new().await;
    let mut body = carrier();
    body["domains"] = json!(["carrier.example"]);
    desk.put_trunk(body.clone(), IfMatch::New).await.unwrap();
    let bob = json!({"aor": "sip:bob@carrier.example", "trunk": "carrier", "password": "x"});
    desk.put_account(bob, IfMatch::New).await.unwrap();
    body["domains"] = json!(["other.example"]);
    let refused = desk.put_trunk(body, IfMatch::Any).await;
    let Err(ManageError::Conflict(told)) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        told.starts_with("account sip:bob@carrier.example: aor: "),
        "{told}"
    );
}

#[tokio::test]
async fn trk_7_routes_have_an_order_that_is_changed_as_a_whole() {
    let mut desk = Desk::new().await.with_carrier().await;
    let first = json!({"from": "carrier", "to": "pbx"});
    let first = desk.create_route(first, Some(1)).await.unwrap();
    assert_eq!(first.position, 1);
    let ids = |desk: &Desk| -> Vec<String> {
        let routes = desk.manager.routes().into_iter();
        routes.map(|route| route.name).collect()
    };
    let before = ids(&desk);
    assert_eq!(before[..2], ["file-0".to_owned(), first.name.clone()]);

    let (manager, seen) = (Arc::clone(&desk.manager), desk.manager.routes_version());
    let order: Vec<String> = [0, 2, 1].map(|place: usize| before[place].clone()).to_vec();
    let wanted = order.clone();
    let reorder = async move {
        let condition = IfMatch::Version(seen);
        manager.reorder_routes(&admin(), wanted, condition).await
    };
    let (reordered, told) = desk.applied(reorder).await;
    reordered.unwrap();
    assert_eq!(ids(&desk), order);
    let told = told.unwrap();
    let from: Vec<Option<u16>> = told
        .routes
        .iter()
        .map(|route| route.from.map(|id| id.0))
        .collect();
    assert_eq!(from, [Some(0), Some(0), Some(1)]);

    let refused = desk
        .manager
        .reorder_routes(&admin(), before.clone(), IfMatch::Version(seen))
        .await;
    assert!(is_stale(&refused));
    for (ids, problem) in [
        (
            vec![before[1].clone()],
            "each of the 2 routes of the store once",
        ),
        (
            vec![before[1].clone(); 2],
            "each of the 2 routes of the store once",
        ),
        (vec!["r0".to_owned()], "there is no route \"r0\""),
        (
            vec![before[1].clone(), "file-0".to_owned(), before[2].clone()],
            "\"file-0\" keeps its place",
        ),
    ] {
        let refused = desk
            .manager
            .reorder_routes(&admin(), ids, IfMatch::Any)
            .await;
        let (field, told) = field_of(refused);
        assert_eq!(field, "ids");
        assert!(told.contains(problem), "{told}");
    }
    let desk = desk.restart(FILE).await;
    assert_eq!(ids(&desk), order);
}

#[tokio::test]
async fn a_route_that_makes_no_sense_is_refused_by_its_own_field() {
    let mut desk = Desk::new().await;
    for (body, field) in [
        (json!({"to": "nobody"}), "to"),
        (json!({}), "to"),
        (json!({"to": "pbx", "pattern": "("}), "pattern"),
        (json!({"reject": 200}), "reject"),
    ] {
        let refused = desk.create_route(body.clone(), None).await;
        assert_eq!(field_of(refused).0, field, "{body}");
    }
    let body = json!({"from": "pbx", "reject": 480});
    let (field, problem) = field_of(desk.create_route(body, Some(0)).await);
    assert_eq!(field, "position");
    assert!(problem.contains("come first"), "{problem}");
}
