//! Routes, accounts, webhooks and tokens.

use super::super::run;
use super::{Edited, row};

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
    run(&format!("trunk list {away}")).done();
    let error = run(&format!("trunk create x {away}")).failed(4);
    assert!(error.contains("admin"), "{error}");
    let table = edge.both("token list");
    let id = table.lines().find(|line| line.contains("laptop")).unwrap();
    let id = id.split_ascii_whitespace().next().unwrap();
    edge.ask(&format!("token revoke {id}")).done();
    run(&format!("trunk list {away}")).failed(4);
    run(&format!("trunk list --url http://127.0.0.1:{}", edge.api)).failed(4);
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
