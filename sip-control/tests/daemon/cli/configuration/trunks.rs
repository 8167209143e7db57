//! Trunks, their targets and their credentials.

use serde_json::{Value, json};

use super::{Edited, row};

#[test]
fn ops_1_a_trunk_is_created_changed_and_deleted_by_verbs() {
    let edge = Edited::start();
    let said = edge
        .ask("trunk create carrier acl=127.0.0.2,127.0.0.3 max_concurrent_calls=20")
        .done();
    assert_eq!(said, "trunk carrier created\n");
    let table = edge.both("trunk list");
    assert_eq!(row(&table, "carrier")[1], "disabled");
    assert_eq!(row(&table, "fixed").last(), Some(&"file"));
    assert!(
        edge.both("trunk show carrier")
            .contains("127.0.0.2, 127.0.0.3")
    );

    edge.ask("trunk set carrier acl-=127.0.0.3 nat=on max_concurrent_calls= source=latch")
        .done();
    let trunk = edge.json("trunk show carrier");
    assert_eq!(trunk["acl"], json!(["127.0.0.2"]));
    assert_eq!(
        (&trunk["nat"], &trunk["source"]),
        (&json!(true), &json!("latch"))
    );
    assert_eq!(trunk["max_concurrent_calls"], Value::Null);

    let said = edge.ask("trunk secure carrier tls").done();
    assert!(said.contains("secure is tls"), "{said}");
    assert_eq!(row(&edge.ask("trunk list").done(), "carrier")[1], "tls");
    assert!(edge.both("trunk general show carrier").contains("tls"));
    edge.ask("trunk general set carrier refer=local").done();
    edge.ask("trunk termination set carrier domains+=carrier.example")
        .done();
    assert!(
        edge.both("trunk termination show carrier")
            .contains("carrier.example")
    );

    let toml = "secure = \"disabled\"\nacl = [\"127.0.0.4\"]\nname = \"carrier\"\n";
    edge.tell("trunk edit carrier --file -", toml).done();
    let trunk = edge.json("trunk show carrier");
    assert_eq!(
        (&trunk["acl"], &trunk["refer"]),
        (&json!(["127.0.0.4"]), &Value::Null)
    );

    assert_eq!(
        edge.ask("trunk delete carrier").done(),
        "trunk carrier deleted\n"
    );
    let error = edge.ask("trunk show carrier").failed(5);
    assert!(error.starts_with("trunkline: "), "{error}");
}

#[test]
fn ops_1_targets_are_added_one_at_a_time() {
    let edge = Edited::start();
    edge.ask("trunk create pbx acl=127.0.0.2 probe=off").done();
    let none = edge.both("trunk origination list pbx");
    assert!(
        none.contains("trunkline trunk origination add pbx"),
        "{none}"
    );
    edge.ask("trunk origination add pbx sip:127.0.0.3:5070 --priority 10")
        .done();
    edge.ask("trunk origination add pbx sip:127.0.0.4:5070 --priority 20 --weight 5 --disabled")
        .done();
    let table = edge.both("trunk origination list pbx");
    assert_eq!(
        row(&table, "0")[1..5],
        ["sip:127.0.0.3:5070", "10", "1", "in_service"]
    );
    assert_eq!(
        row(&table, "1")[1..5],
        ["sip:127.0.0.4:5070", "20", "5", "disabled"]
    );
    edge.ask("trunk origination set pbx sip:127.0.0.4:5070 enabled=true weight=7")
        .done();
    edge.ask("trunk origination set pbx 0 priority=30").done();
    let table = edge.ask("trunk origination list pbx").done();
    assert_eq!(row(&table, "1")[3..5], ["7", "in_service"]);
    assert_eq!(row(&table, "0")[2], "30");
    assert_eq!(
        row(&edge.ask("trunk list").done(), "pbx")[3..6],
        ["2", "of", "2"]
    );
    edge.ask("trunk origination remove pbx 0").done();
    assert!(
        !edge
            .ask("trunk origination list pbx")
            .done()
            .contains("127.0.0.3")
    );
    edge.ask("trunk origination remove pbx sip:nowhere")
        .failed(5);
    let error = edge
        .ask("trunk origination add pbx sctp:127.0.0.3")
        .failed(6);
    assert!(
        error.contains("uri") && error.contains("expected"),
        "{error}"
    );
}

#[test]
fn credentials_go_in_and_never_come_out() {
    let edge = Edited::start();
    edge.ask("trunk create pbx domains=pbx.example").done();
    edge.tell(
        "trunk credential add pbx alice --password-file -",
        "geheim\n",
    )
    .done();
    edge.tell(
        "trunk credential add pbx bob --password-file -",
        "auch geheim\n",
    )
    .done();
    let table = edge.both("trunk credential list pbx");
    assert_eq!(row(&table, "alice")[1], "password");
    edge.ask("trunk credential remove pbx bob").done();
    edge.ask("trunk credential remove pbx bob").failed(5);
    edge.ask("trunk set pbx refer=local").done();
    for words in [
        "trunk show pbx --json",
        "export",
        "audit --json",
        "trunk list --json",
    ] {
        assert!(!edge.ask(words).done().contains("geheim"), "{words}");
    }
    assert!(
        edge.ask("export --secrets")
            .done()
            .contains("password = \"geheim\"")
    );
    // A trunk without a domain has no realm of its own.
    edge.ask("trunk create other acl=127.0.0.7").done();
    let add = "trunk credential add other dave --password-file -";
    let error = edge.tell(add, "geheim\n").failed(6);
    assert!(error.contains("auth_realm"), "{error}");
    edge.tell(&format!("{add} --realm edge"), "geheim\n").done();
    assert!(edge.both("trunk credential list other").contains("dave"));
    edge.ask("trunk credential remove other dave").done();
    let missing = edge.ask("trunk credential add pbx carol").failed(2);
    assert!(missing.contains("--password-file"), "{missing}");
}
