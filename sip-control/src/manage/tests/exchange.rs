//! Export and import as TOML.

use serde_json::json;

use super::*;
use crate::manage::diff::ChangeWord;
use crate::manage::{Diff, Mode};

const TEXT: &str = r#"
[[trunks]]
name = "carrier"
acl = ["127.0.0.3"]
nat = true
destination = "sip:127.0.0.3:5070"
probe = "off"
[[trunks]]
name = "second"
auth_realm = "edge"
credentials = [{ user = "u", password = "geheim" }]
[[routes]]
from = "second"
to = "carrier"
"#;

impl Desk {
    async fn import(&mut self, text: &str, mode: Mode, apply: bool) -> Result<Diff, ManageError> {
        let (manager, text) = (Arc::clone(&self.manager), text.to_owned());
        let import = async move { manager.import(&admin(), &text, mode, apply).await };
        self.applied(import).await.0
    }
}

fn told(diff: &Diff) -> Vec<(&'static str, &str, ChangeWord)> {
    let changes = diff.changes.iter();
    changes
        .map(|it| (it.kind, it.name.as_str(), it.change))
        .collect()
}

#[tokio::test]
async fn an_import_is_looked_at_before_it_is_applied() {
    let mut desk = Desk::new().await.with_carrier().await;
    let before = desk.manager.export(true);
    let diff = desk.import(TEXT, Mode::Merge, false).await.unwrap();
    assert!(!diff.applied);
    assert_eq!(
        told(&diff)[..2],
        [
            ("trunk", "carrier", ChangeWord::Update),
            ("trunk", "second", ChangeWord::Add),
        ]
    );
    let field = &diff.changes[0].fields[0];
    assert_eq!(
        (field.field.as_str(), &field.old, &field.new),
        ("nat", &json!(null), &json!(true))
    );
    assert!(!serde_json::to_string(&diff).unwrap().contains("geheim"));
    assert_eq!(desk.manager.export(true), before, "it was only looked at");

    let applied = desk.import(TEXT, Mode::Merge, true).await.unwrap();
    assert!(applied.applied);
    assert!(desk.manager.trunk("carrier").unwrap().body.nat);
    assert_eq!(
        desk.manager.routes().len(),
        3,
        "the routes that were there stay"
    );
    let again = desk.import(TEXT, Mode::Merge, true).await.unwrap();
    assert!(again.changes.is_empty(), "{again:?}");
}

#[tokio::test]
async fn a_replacing_import_removes_what_the_text_has_not() {
    let mut desk = Desk::new().await.with_carrier().await;
    let old_route = desk.manager.routes()[1].name.clone();
    let diff = desk.import(TEXT, Mode::Replace, true).await.unwrap();
    assert!(told(&diff).contains(&("route", &old_route, ChangeWord::Remove)));
    assert_eq!(desk.manager.routes().len(), 2);
    let one =
        "[[trunks]]\nname = \"second\"\nauth_realm = \"edge\"\ncredentials = [{ user = \"u\" }]\n";
    let diff = desk.import(one, Mode::Replace, true).await.unwrap();
    let removed: Vec<&str> = diff.changes.iter().map(|it| it.name.as_str()).collect();
    assert!(
        removed.contains(&"carrier") && !removed.contains(&"second"),
        "{diff:?}"
    );
    // What stands in the file does not go away.
    let names: Vec<String> = desk
        .manager
        .trunks()
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["pbx", "second"]);
}

#[tokio::test]
async fn what_was_exported_can_be_imported_elsewhere() {
    let mut desk = Desk::new().await.with_carrier().await;
    desk.import(TEXT, Mode::Merge, true).await.unwrap();
    let with_secrets = desk.manager.export(true);
    assert!(with_secrets.contains("geheim"));
    let without = desk.manager.export(false);
    assert!(
        !without.contains("geheim") && !without.contains("has_password"),
        "{without}"
    );
    // Where the secrets are known already, the text without them changes nothing.
    let diff = desk.import(&without, Mode::Replace, true).await.unwrap();
    assert!(diff.changes.is_empty(), "{diff:?}");

    let mut other = Desk::new().await;
    other
        .import(&with_secrets, Mode::Replace, true)
        .await
        .unwrap();
    assert_eq!(other.manager.export(true), with_secrets);
    let file = format!(
        "{}\n{with_secrets}",
        FILE.split("[[trunks]]").next().unwrap()
    );
    let config = Config::parse(std::path::Path::new("exported.toml"), &file).unwrap();
    assert_eq!(config.trunks.len(), 3, "it is as good in trunkline.toml");
}

#[tokio::test]
async fn an_import_that_makes_no_sense_changes_nothing_and_says_what_and_where() {
    let mut desk = Desk::new().await.with_carrier().await;
    let before = desk.manager.export(true);
    for (text, field, problem) in [
        ("[[trunks]\n", "", "line 1"),
        (
            "[[trunks]]\nname = \"a\"\nsecure = 1\n",
            "trunks[0].secure (a)",
            "line 3",
        ),
        (
            "[[trunks]]\nname = \"a\"\nnot = 1\n",
            "trunks[0].not (a)",
            "unknown field",
        ),
        (
            "[[realms]]\nname = \"a\"\n",
            "realms[0] (a)",
            "expected one of",
        ),
        (
            "[[trunks]]\nname = \"a\"\nacl = [\"x\"]\n",
            "trunks[a].acl[0]",
            "expected an address",
        ),
        (
            "[[trunks]]\nname = \"a\"\n[[trunks]]\nname = \"A\"\n",
            "trunks[1]",
            "there twice",
        ),
    ] {
        let (found, told) = field_of(desk.import(text, Mode::Merge, true).await);
        assert_eq!(found, field, "{text}: {told}");
        assert!(told.contains(problem), "{text}: {told}");
    }
    let other_pbx = "[[trunks]]\nname = \"pbx\"\nnat = true\n";
    let refused = desk.import(other_pbx, Mode::Merge, true).await;
    assert!(
        matches!(refused, Err(ManageError::DefinedInFile(_))),
        "{refused:?}"
    );
    assert_eq!(desk.manager.export(true), before);
}
