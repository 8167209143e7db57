//! Tokens and webhooks.

use serde_json::json;

use super::*;
use crate::manage::WebhookSection;

#[tokio::test]
async fn a_token_opens_what_its_role_says_until_it_is_revoked() {
    let desk = Desk::new().await;
    let made = desk
        .manager
        .create_token(&admin(), "dashboard", Role::Read)
        .await
        .unwrap();
    let token = made.token.expose().to_owned();
    assert!(
        token.starts_with(&format!("tk_{}_", made.view.id)),
        "{token}"
    );
    // 256 bits.
    assert_eq!(token.rsplit('_').next().map(str::len), Some(64));
    assert_eq!(desk.manager.tokens()[0].last_used_ms, None);
    let known = desk.manager.authenticate(&token).unwrap();
    assert_eq!(
        (known.label.as_str(), known.role),
        ("dashboard", Role::Read)
    );
    assert!(desk.manager.tokens()[0].last_used_ms.is_some());
    assert!(Role::Read < Role::Operate && Role::Operate < Role::Admin);

    let mut wrong = token.clone();
    let last = if wrong.ends_with('0') { '1' } else { '0' };
    wrong.pop();
    wrong.push(last);
    let other_id = token.replacen(&made.view.id, "0000000000", 1);
    for bad in [
        wrong.as_str(),
        &other_id,
        "",
        "tk_",
        "tk__",
        "tk_a",
        &token[..token.len() - 1],
    ] {
        assert!(desk.manager.authenticate(bad).is_none(), "{bad}");
    }

    let desk = desk.restart(FILE).await;
    assert!(desk.manager.authenticate(&token).is_some());
    let id = made.view.id.clone();
    desk.manager.revoke_token(&admin(), &id).await.unwrap();
    assert!(desk.manager.authenticate(&token).is_none());
    assert!(is_missing(&desk.manager.revoke_token(&admin(), &id).await));
}

#[tokio::test]
async fn the_secret_of_a_token_is_in_no_record() {
    let desk = Desk::new().await;
    let made = desk
        .manager
        .create_token(&admin(), "ci", Role::Admin)
        .await
        .unwrap();
    let secret = made.token.expose().rsplit('_').next().unwrap().to_owned();
    let debug = format!("{made:?}{:?}", desk.manager.tokens());
    assert!(!debug.contains(&secret), "{debug}");
    let audit = format!("{:?}", desk.audit().await);
    assert!(
        audit.contains("token.create") && audit.contains("\"ci\""),
        "{audit}"
    );
    assert!(
        !audit.contains(&secret) && !audit.contains("hash"),
        "{audit}"
    );
    let entries = desk
        .store
        .read(|reader| reader.entries(crate::store::Kind::Token))
        .await
        .unwrap();
    assert!(!format!("{entries:?}").contains(&secret));
}

#[tokio::test]
async fn a_token_needs_a_label() {
    let desk = Desk::new().await;
    for label in ["", "  ", "a\nb", &"x".repeat(65)] {
        let refused = desk.manager.create_token(&admin(), label, Role::Read).await;
        assert_eq!(field_of(refused).0, "label");
    }
}

#[tokio::test]
async fn a_webhook_is_checked_its_secret_kept_and_whoever_sends_is_told() {
    let desk = Desk::new().await;
    let body = json!({
        "name": "crm", "url": "https://crm.example/hook", "kinds": ["call_ended"],
        "secret": "0123456789abcdef",
    });
    let webhook = |body: Value| read_section::<WebhookSection>(body).unwrap();
    let mut watch = desk.manager.watch_webhooks();
    let put = |body: Value, condition| {
        let (manager, body) = (Arc::clone(&desk.manager), webhook(body));
        async move { manager.put_webhook(&admin(), "crm", body, condition).await }
    };
    let made = put(body.clone(), IfMatch::New).await.unwrap();
    assert_eq!(
        (made.body.has_secret, made.body.secret.is_none()),
        (Some(true), true)
    );
    assert!(watch.has_changed().unwrap());
    let told = watch.borrow_and_update().clone();
    assert_eq!(
        told[0].secret.as_ref().unwrap().expose(),
        "0123456789abcdef"
    );

    let manager = Arc::clone(&desk.manager);
    let off = json!({"enabled": false});
    manager
        .patch_webhook(&admin(), "crm", off, IfMatch::Version(made.version))
        .await
        .unwrap();
    let told = watch.borrow_and_update().clone();
    assert_eq!(told[0].enabled, Some(false));
    assert_eq!(
        told[0].secret.as_ref().unwrap().expose(),
        "0123456789abcdef"
    );

    for (field, value) in [
        ("url", json!("ftp://crm.example")),
        ("url", json!("https://")),
        ("url", json!("https://user:pw@crm.example/")),
        ("kinds[0]", json!(["Call Ended"])),
        ("secret", json!("short")),
        ("name", json!("other")),
    ] {
        let mut bad = body.clone();
        bad[field.trim_end_matches("[0]")] = value;
        assert_eq!(field_of(put(bad, IfMatch::Any).await).0, field);
    }
    manager
        .delete_webhook(&admin(), "crm", IfMatch::Any)
        .await
        .unwrap();
    assert!(watch.borrow_and_update().is_empty());
}
