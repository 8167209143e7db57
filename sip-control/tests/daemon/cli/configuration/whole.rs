//! The configuration as a file, and the daemon as a whole.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};

use super::super::{ask, run};
use super::{Edited, IN_FILE, row};
use crate::support::{Authority, Daemon, Directory, Edge, free_port};

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
    let table = run(&format!("trunk list {away} --ca {}", place("ca.crt"))).done();
    assert_eq!(row(&table, "fixed")[1], "disabled");
    let error = run(&format!("trunk list {away}")).failed(3);
    assert!(error.contains("--ca"), "{error}");
    run(&format!("token list {away} --ca {}", place("ca.crt"))).failed(4);
    daemon.directory().write("token", "tk_0_0");
    run(&format!("trunk list {away} --ca {}", place("ca.crt"))).failed(4);
}

#[test]
fn a_certificate_that_is_also_a_ca_is_refused_with_what_to_do() {
    let (edge, directory, api) = (Edge::new(), Directory::new(), free_port());
    let more = format!(
        "{IN_FILE}[api]\nlisten = \"127.0.0.1:{api}\"\ncertificate = \"DIR/self.crt\"\nkey = \"DIR/self.key\"\n"
    );
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    directory.write("self.crt", &params.self_signed(&key).unwrap().pem());
    directory.write("self.key", &key.serialize_pem());
    edge.configure(&directory, &Authority::new(), &more);
    let daemon = Daemon::start(directory);
    let token = ask(
        &daemon.directory().path("control.sock"),
        "token create --role read",
    );
    daemon.directory().write("token", &token.done());
    let place = |name: &str| daemon.directory().path(name).display().to_string();
    let look = format!(
        "trunk list --url https://127.0.0.1:{api} --token-file {} --ca {}",
        place("token"),
        place("self.crt")
    );
    let error = run(&look).failed(3);
    assert!(error.contains("basicConstraints=CA:FALSE"), "{error}");
}
