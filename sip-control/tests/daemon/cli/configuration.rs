//! Everything that is configured while a real daemon runs (OPS-1): each verb for people and for
//! scripts, and what is refused.

use serde_json::{Value, json};

use super::{Ran, ask, run_with};
use crate::support::{Authority, Daemon, Directory, Edge, free_port};

/// In the file, so that there is something that only the file changes.
const IN_FILE: &str = "[[trunks]]\nname = \"fixed\"\nacl = [\"127.0.0.9\"]\n\
    [[routes]]\nfrom = \"fixed\"\nreject = 603\n\
    [store]\npath = \"DIR/store.db\"\n";

struct Edited {
    daemon: Daemon,
    api: u16,
}

impl Edited {
    fn start() -> Edited {
        let (edge, directory, api) = (Edge::new(), Directory::new(), free_port());
        let more = format!("{IN_FILE}[api]\nlisten = \"127.0.0.1:{api}\"\n");
        edge.configure(&directory, &Authority::new(), &more);
        let daemon = Daemon::start(directory);
        Edited { daemon, api }
    }

    fn ask(&self, words: &str) -> Ran {
        ask(&self.daemon.directory().path("control.sock"), words)
    }

    /// With something on standard input.
    fn tell(&self, words: &str, input: &str) -> Ran {
        let socket = self.daemon.directory().path("control.sock");
        run_with(
            &format!("{words} --socket {}", socket.display()),
            &[],
            input,
        )
    }

    /// What people see; that scripts get JSON of the same is checked along.
    #[track_caller]
    fn both(&self, words: &str) -> String {
        let shown = self.ask(words).done();
        self.ask(&format!("{words} --json")).json();
        shown
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        self.ask(&format!("{words} --json")).json()
    }
}

/// The row of a table that begins with a word.
#[track_caller]
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let rows = table
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let found = rows.into_iter().find(|row| row.first() == Some(&first));
    found.unwrap_or_else(|| panic!("no {first} in\n{table}"))
}

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
    let missing = edge.ask("trunk credential add pbx carol").failed(2);
    assert!(missing.contains("--password-file"), "{missing}");
}

#[test]
fn ops_1_routes_are_added_moved_and_deleted() {
    let edge = Edited::start();
    edge.ask("trunk create a acl=127.0.0.2").done();
    edge.ask("trunk create b destination=sip:127.0.0.3 acl=127.0.0.3")
        .done();
    let add = |words: &str| {
        edge.json(&format!("route add {words}"))["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = add("from=a to=b");
    let second = add("from=a to=b prefix=+49 strip=3 prepend=0");
    let third = add(&format!("reject=486 --before {second}"));
    let order = || {
        let routes = edge.json("route list");
        let ids = routes["items"].as_array().unwrap().iter();
        ids.map(|route| route["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(order(), ["file-0", &first, &third, &second]);
    edge.ask(&format!("route move {second} --first")).done();
    edge.ask(&format!("route move {first} --after {third}"))
        .done();
    assert_eq!(order(), ["file-0", &second, &third, &first]);
    edge.ask(&format!("route move {second} --last")).done();
    assert_eq!(order(), ["file-0", &third, &first, &second]);
    let table = edge.both("route list");
    assert!(
        table.contains("refused with 486") && table.contains("without 3, with 0"),
        "{table}"
    );
    edge.ask(&format!("route set {second} prefix=+43")).done();
    assert!(edge.both(&format!("route show {second}")).contains("+43"));
    edge.tell(
        &format!("route edit {second} --file -"),
        "{\"from\": \"b\", \"to\": \"a\"}",
    )
    .failed(6);
    edge.tell(
        &format!("route edit {second} --file -"),
        "from = \"b\"\nto = \"b\"\n",
    )
    .done();
    edge.ask(&format!("route delete {third}")).done();
    assert_eq!(order(), ["file-0", &first, &second]);
    edge.ask("route move file-0 --last").failed(5);
    let error = edge.ask("trunk delete b").failed(6);
    assert!(error.contains("route"), "{error}");
}

#[test]
fn ops_1_accounts_webhooks_and_tokens_have_verbs() {
    let edge = Edited::start();
    edge.ask("trunk create office domains=office.example acl=127.0.0.0/8")
        .done();
    let aor = "sip:alice@office.example";
    edge.tell(
        &format!("account create {aor} trunk=office password=@-"),
        "geheim",
    )
    .done();
    assert_eq!(row(&edge.both("account list"), aor)[1], "office");
    edge.ask(&format!("account set {aor} user=al")).done();
    assert!(edge.both(&format!("account show {aor}")).contains("al"));
    edge.tell(
        &format!("account edit {aor} --file -"),
        &format!("aor = \"{aor}\"\ntrunk = \"office\""),
    )
    .done();
    assert!(edge.both("registration list").contains("no phone"));
    edge.ask(&format!("account delete {aor}")).done();

    edge.tell(
        "webhook create alerts url=http://127.0.0.1:9/x kinds=call_ended secret=@-",
        "0123456789abcdef",
    )
    .done();
    assert_eq!(row(&edge.both("webhook list"), "alerts")[2], "call_ended");
    edge.ask("webhook set alerts enabled=false kinds+=call_started")
        .done();
    assert!(
        edge.both("webhook show alerts")
            .contains("call_ended, call_started")
    );
    edge.ask("webhook delete alerts").done();

    let token = edge.ask("token create --label laptop --role read").done();
    assert!(
        token.starts_with("tk_") && token.lines().count() == 1,
        "{token}"
    );
    let file = edge.daemon.directory().write("token", &token);
    let away = format!(
        "--url http://127.0.0.1:{} --token-file {}",
        edge.api,
        file.display()
    );
    super::run(&format!("trunk list {away}")).done();
    let error = super::run(&format!("trunk create x {away}")).failed(4);
    assert!(error.contains("admin"), "{error}");
    let table = edge.both("token list");
    let id = table.lines().find(|line| line.contains("laptop")).unwrap();
    let id = id.split_ascii_whitespace().next().unwrap();
    edge.ask(&format!("token revoke {id}")).done();
    super::run(&format!("trunk list {away}")).failed(4);
    super::run(&format!("trunk list --url http://127.0.0.1:{}", edge.api)).failed(4);
}

#[test]
fn ops_1_configuration_goes_out_and_comes_in_as_a_file() {
    let edge = Edited::start();
    edge.ask("trunk create pbx acl=127.0.0.2 secure=disabled")
        .done();
    let file = edge.daemon.directory().path("edge.toml");
    edge.ask(&format!("export --output {}", file.display()))
        .done();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("name = \"pbx\"") && text.contains("fixed"),
        "{text}"
    );
    edge.ask(&format!("export --output {}", file.display()))
        .failed(2);
    assert_eq!(
        edge.ask(&format!("import {}", file.display())).done(),
        "nothing to change\n"
    );

    let changed = text.replace("127.0.0.2", "127.0.0.5")
        + "\n[[trunks]]\nname = \"new\"\nacl = [\"127.0.0.6\"]\n";
    let shown = edge.tell("import - --dry-run", &changed).done();
    assert!(
        shown.contains("~ trunk pbx\n    acl = ") && shown.contains("+ trunk new\n"),
        "{shown}"
    );
    edge.ask("trunk show new").failed(5);
    let shown = edge.tell("import - --yes", &changed).done();
    assert!(shown.ends_with(": applied\n"), "{shown}");
    assert_eq!(edge.json("trunk show pbx")["acl"], json!(["127.0.0.5"]));
    let shown = edge
        .tell(
            "import - --replace --yes --json",
            "[[trunks]]\nname = \"new\"\nacl = [\"127.0.0.6\"]\n",
        )
        .json();
    assert_eq!(shown["changes"][0]["change"], "remove", "{shown}");
    edge.ask("trunk show pbx").failed(5);
    let error = edge
        .tell(
            "import - --yes",
            "[[trunks]]\nname = \"x\"\nsecure = \"plain\"\n",
        )
        .failed(6);
    assert!(
        error.contains("secure") && error.contains("expected"),
        "{error}"
    );
}

#[test]
fn what_is_refused_says_where_and_why() {
    let edge = Edited::start();
    edge.ask("trunk create pbx acl=127.0.0.2").done();
    for (words, code, expected) in [
        ("trunk create pbx acl=127.0.0.3", 6, "pbx"),
        ("trunk create fixed acl=127.0.0.3", 6, "fixed"),
        ("trunk set fixed acl=127.0.0.3", 6, "trunkline.toml"),
        ("trunk delete fixed", 6, "trunkline.toml"),
        ("trunk set pbx nonsense=1", 6, "nonsense"),
        ("trunk set pbx secure=plain", 6, "secure"),
        ("trunk set pbx acl+=10.0.0.0/33", 6, "acl[1]"),
        ("trunk set pbx dscp=64", 6, "dscp"),
        ("trunk set pbx nat=on --if-version 99", 6, "changed"),
        ("trunk set none nat=on", 5, "no "),
        ("route add to=none", 6, "none"),
        ("route show none", 5, "no "),
        ("account create sip:a@b trunk=pbx", 6, "aor"),
        ("token revoke none", 5, "no "),
        ("call show 4711", 5, "4711"),
        ("call hang-up 4711", 5, "call"),
        ("flow 4711", 5, "4711"),
        ("api GET /nonsense", 5, "nonsense"),
        ("token create --label  --role admin", 2, "--label"),
    ] {
        let error = edge.ask(words).failed(code);
        assert!(error.contains(expected), "{words}: {error}");
        assert!(code == 2 || error.lines().count() == 1, "{words}: {error}");
    }
}

#[test]
fn ops_1_the_daemon_as_a_whole_is_looked_at_saved_and_drained() {
    let edge = Edited::start();
    assert!(edge.both("health").starts_with("ok\n"));
    assert_eq!(edge.both("health --ready"), "ready\n");
    assert!(edge.both("status").contains("media by socket"));
    assert!(edge.both("cert list").contains("edge.example.com"));
    assert!(edge.both("flows").contains("PACKETS"));
    assert!(edge.both("call list").contains("no calls"));
    edge.ask("trunk create pbx acl=127.0.0.2").done();
    let audit = edge.both("audit");
    assert!(
        audit.contains("trunk.create") && audit.contains("pbx"),
        "{audit}"
    );
    assert!(edge.both("event list").contains("config_changed"));

    let to = edge.daemon.directory().path("copy.db");
    let said = edge.ask(&format!("backup {}", to.display())).done();
    assert!(said.contains("copy.db"), "{said}");
    assert!(std::fs::read(&to).unwrap().starts_with(b"SQLite format 3"));

    assert_eq!(
        edge.ask("drain on --wait").done(),
        "drained: no call is left\n"
    );
    assert_eq!(edge.ask("health --ready").code, 7);
    edge.both("drain off");
    edge.ask("health --ready").done();
    let openapi: Value = serde_json::from_str(&edge.ask("api GET /openapi.json").done()).unwrap();
    assert!(openapi["paths"].as_object().unwrap().len() > 20);
}

#[test]
fn a_daemon_is_asked_over_tls_and_its_certificate_is_checked() {
    let (edge, directory, api) = (Edge::new(), Directory::new(), free_port());
    let more = format!(
        "{IN_FILE}[api]\nlisten = \"127.0.0.1:{api}\"\ncertificate = \"DIR/edge.crt\"\nkey = \"DIR/edge.key\"\n"
    );
    edge.configure(&directory, &Authority::new(), &more);
    let daemon = Daemon::start(directory);
    let place = |name: &str| daemon.directory().path(name).display().to_string();
    let token = ask(
        &daemon.directory().path("control.sock"),
        "token create --role operate",
    )
    .done();
    daemon.directory().write("token", &token);
    let away = format!(
        "--url https://127.0.0.1:{api} --token-file {}",
        place("token")
    );
    let table = super::run(&format!("trunk list {away} --ca {}", place("ca.crt"))).done();
    assert_eq!(row(&table, "fixed")[1], "disabled");
    let error = super::run(&format!("trunk list {away}")).failed(3);
    assert!(error.contains("--ca"), "{error}");
    super::run(&format!("token list {away} --ca {}", place("ca.crt"))).failed(4);
    daemon.directory().write("token", "tk_0_0");
    super::run(&format!("trunk list {away} --ca {}", place("ca.crt"))).failed(4);
}
