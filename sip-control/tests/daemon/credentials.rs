//! Whom calls to us must authenticate as: what may be configured, and what is said of the rest.

use std::path::Path;

use sip_control::config::Config;
use sip_core::auth::Algorithm;
use sip_core::registrar::Aor;
use sip_core::trunk::{RouteTo, TrunkId};

/// One trunk by UDP; more of it, and more sections, follow.
const BASE: &str = r#"
[[realms]]
name = "office"
media_addresses = ["127.0.0.1"]
ports = "30000-30099"

[[listeners]]
name = "udp"
transport = "udp"
address = "127.0.0.1:5060"
realm = "office"

[[trunks]]
name = "pbx"
"#;

fn parse(more: &str) -> Result<Config, String> {
    Config::parse(Path::new("t.toml"), &format!("{BASE}{more}")).map_err(|error| error.to_string())
}

const ACCOUNT: &str = r#"
domains = ["pbx.example.com"]
[[accounts]]
aor = "sip:alice@PBX.example.com"
trunk = "pbx"
password = "geheim"
"#;

const MD5: &str = "939e7578ed9e3c518a452acee763bce9";

#[test]
fn trk_1_credentials_are_passwords_or_their_hashes_in_the_trunks_realm() {
    let config = parse(
        "domains = [\"PBX.example.com\"]\ncredentials = [{ user = \"a\", password = \"geheim\" }]",
    )
    .unwrap();
    let set = config.trunks[0].trunk.credentials.clone().unwrap();
    assert_eq!(set.realm(), "pbx.example.com");
    assert_eq!(set.algorithms(), [Algorithm::Sha256, Algorithm::Md5]);
    assert!(!format!("{config:?}").contains("geheim"));
    let hashed = format!(
        "auth_realm = \"r\"\n[[trunks.credentials]]\nuser = \"a\"\nha1_md5 = \"{MD5}\"\n\
         [[trunks.credentials]]\nuser = \"b\"\npassword = \"p\""
    );
    let set = parse(&hashed).unwrap().trunks[0].trunk.credentials.clone();
    let set = set.unwrap();
    assert_eq!(
        (set.realm(), set.algorithms()),
        ("r", &[Algorithm::Md5][..])
    );
}

#[test]
fn trk_1_a_trunk_may_offer_less_for_telephones_that_stumble_over_more() {
    let with = |algorithms: &str| parse(&format!("auth_algorithms = {algorithms}\n{ACCOUNT}"));
    let config = with("[\"md5\"]").unwrap();
    let set = config.trunks[0].trunk.credentials.clone().unwrap();
    assert_eq!(set.algorithms(), [Algorithm::Md5]);
    for (algorithms, message) in [
        (
            "[\"SHA-1\"]",
            "trunks[0].auth_algorithms[0] (pbx): \"SHA-1\" is no algorithm; expected \"SHA-256\" or \"MD5\"",
        ),
        (
            "[]",
            "trunks[0].auth_algorithms (pbx): is empty; expected \"SHA-256\", \"MD5\" or both",
        ),
    ] {
        let found = with(algorithms).unwrap_err();
        assert!(found.ends_with(message), "{found}");
    }
    let found = parse("auth_algorithms = [\"MD5\"]").unwrap_err();
    let message =
        "trunks[0].auth_algorithms (pbx): is only for a trunk with credentials or accounts";
    assert!(found.ends_with(message), "{found}");
}

#[test]
fn a_secret_that_is_no_string_is_not_shown_either() {
    let auth = |value: &str| format!("auth = {{ user = \"a\", password = {value} }}");
    let credential = |value: &str| {
        format!("auth_realm = \"r\"\ncredentials = [{{ user = \"a\", password = {value} }}]")
    };
    let account = |value: &str| ACCOUNT.replace("\"geheim\"", value);
    let in_all = |value: &str| [auth(value), credential(value), account(value)];
    for value in [
        "49301234",
        "49301234.5",
        "true",
        "1999-12-31",
        "[\"49301234\"]",
        "{ x = 49301234 }",
        "geheim49301234",
        "49301234geheim",
        "'geheim",
        "\"geheim49301234",
    ] {
        for more in in_all(value) {
            let found = parse(&more).unwrap_err();
            for secret in ["4930", "geheim", "true", "1999"] {
                assert!(!found.contains(secret), "{found}");
            }
        }
    }
    let found = parse(&auth("49301234")).unwrap_err();
    let message = "trunks[0].auth.password (pbx): is not a string; expected one in quotes";
    assert!(found.ends_with(message), "{found}");
    for (more, message) in [
        (
            "auth = \"a:geheim\"",
            "trunks[0].auth (pbx): is no table; expected one",
        ),
        (
            "auth_realm = \"r\"\ncredentials = [\"a:geheim\"]",
            "trunks[0].credentials[0] (pbx): is no table; expected one",
        ),
        (
            "auth_realm = \"r\"\ncredentials = \"a:geheim\"",
            "trunks[0].credentials (pbx): is something else; expected a sequence",
        ),
    ] {
        let found = parse(more).unwrap_err();
        assert!(found.ends_with(message), "{found}");
    }
}

#[test]
fn trk_1_mistakes_in_credentials_are_told_by_key_and_without_the_secret() {
    let with_user = |credential: &str| {
        format!("auth_realm = \"r\"\ncredentials = [{{ user = \"a\", {credential} }}]")
    };
    let twice = "auth_realm = \"r\"\n\
        credentials = [{ user = \"a\", password = \"x\" }, { user = \"a\", password = \"y\" }]";
    for (more, message) in [
        (
            "credentials = [{ user = \"a\", password = \"x\" }]".to_owned(),
            "trunks[0].auth_realm (pbx): missing; credentials need it, as the trunk has no domain",
        ),
        (
            "auth_realm = \"r\"".to_owned(),
            "trunks[0].auth_realm (pbx): is only for a trunk with credentials or accounts",
        ),
        (
            with_user("ha1_md5 = \"geheim\""),
            "trunks[0].credentials[0].ha1_md5 (pbx): is not MD5 of user:realm:password; \
             expected 32 hexadecimal digits",
        ),
        (
            with_user("password = \"\""),
            "trunks[0].credentials[0].password (pbx): is empty; expected a password",
        ),
        (
            with_user(&format!("password = \"geheim\", ha1_md5 = \"{MD5}\"")),
            "trunks[0].credentials[0].password (pbx): and an HA1 are both there; expected either",
        ),
        (
            "auth_realm = \"r\"\ncredentials = [{ user = \"a\" }]".to_owned(),
            "trunks[0].credentials[0].password (pbx): missing; expected password, or ha1_sha256 or \
             ha1_md5 or both",
        ),
        (
            "auth_realm = \"r\"\ncredentials = [{ user = \"a:b\", password = \"x\" }]".to_owned(),
            "trunks[0].credentials[0].user (pbx): \"a:b\" is no user name; expected a text without \
             colons and quotes",
        ),
        (
            twice.to_owned(),
            "trunks[0].credentials (pbx): user \"a\" is there twice; expected a name of its own for \
             each",
        ),
        (
            "auth_realm = \"a\\\"b\"\ncredentials = [{ user = \"a\", password = \"x\" }]"
                .to_owned(),
            "trunks[0].auth_realm (pbx): \"a\\\"b\" is no realm; expected a text without quotes and \
             backslashes",
        ),
    ] {
        let found = parse(&more).unwrap_err();
        assert!(found.ends_with(message), "{more}\n{found}");
        assert!(!found.contains("geheim"), "{found}");
    }
}

#[test]
fn sig_4_accounts_are_users_of_their_trunk_and_calls_may_go_to_it() {
    let config = parse(&format!("{ACCOUNT}[[routes]]\nto = \"pbx\"\n")).unwrap();
    let trunk = &config.trunks[0].trunk;
    assert_eq!(trunk.accounts[0].aor.as_str(), "alice@pbx.example.com");
    assert_eq!(trunk.accounts[0].user, "alice");
    assert_eq!(
        trunk.credentials.as_ref().unwrap().realm(),
        "pbx.example.com"
    );
    assert!(!format!("{config:?}").contains("geheim"));
    for (what, replacement, message) in [
        (
            "trunk = \"pbx\"",
            "trunk = \"other\"",
            "accounts[0].trunk: unknown trunk \"other\"; expected one of: pbx",
        ),
        (
            "sip:alice@PBX.example.com",
            "alice",
            "accounts[0].aor: \"alice\" is not an address-of-record; expected sip:USER@DOMAIN",
        ),
        (
            "alice@PBX.example.com",
            "alice@elsewhere.example",
            "accounts[0].aor: \"elsewhere.example\" is not a domain of trunk \"pbx\"; expected one \
             of: pbx.example.com",
        ),
        (
            "password = \"geheim\"",
            "",
            "accounts[0].password: missing; expected password, or ha1_sha256 or ha1_md5 or both",
        ),
    ] {
        let found = parse(&ACCOUNT.replace(what, replacement)).unwrap_err();
        assert!(found.ends_with(message), "{found}");
    }
    let (_, account) = ACCOUNT.split_once("[[accounts]]").unwrap();
    let twice = parse(&format!("{ACCOUNT}[[accounts]]{account}")).unwrap_err();
    let message =
        "accounts[1].aor: \"sip:alice@PBX.example.com\" is used twice; expected one of its own";
    assert!(twice.ends_with(message), "{twice}");
    // A call to the trunk for alice would ring at the one as well as at the other.
    let two = ACCOUNT.replace(
        "[\"pbx.example.com\"]",
        "[\"pbx.example.com\", \"b.example\"]",
    );
    let other = account.replace("PBX.example.com", "b.example");
    let found = parse(&format!("{two}[[accounts]]{other}")).unwrap_err();
    let message = "accounts[1].aor: \"sip:alice@b.example\" has the user of \
                   \"sip:alice@PBX.example.com\" on the same trunk; expected another user or trunk";
    assert!(found.ends_with(message), "{found}");
    assert!(
        parse(&format!(
            "{two}[[accounts]]{}",
            other.replace("alice", "bob")
        ))
        .is_ok()
    );
}

#[test]
fn sig_5_our_password_is_for_no_trunk_where_telephones_are() {
    let (trunk, account) = ACCOUNT.split_once("[[accounts]]").unwrap();
    let auth = "[trunks.auth]\nuser = \"a\"\npassword = \"geheim\"\n";
    let found = parse(&format!("{trunk}{auth}[[accounts]]{account}")).unwrap_err();
    let message = "accounts[0].trunk: trunk \"pbx\" has auth, which would be shown to telephones; \
                   expected a trunk without";
    assert!(found.ends_with(message), "{found}");
}

#[test]
fn sig_5_what_we_are_known_by_and_what_we_register() {
    let good = "destination = \"sip:192.0.2.1\"\nauth = { user = \"a\", password = \"geheim\" }\n\
        register = { aor = \"sip:+49@provider.example\", expires = \"10m\" }";
    let config = parse(good).unwrap();
    let trunk = &config.trunks[0].trunk;
    assert_eq!(trunk.auth.as_ref().unwrap().user(), "a");
    let register = trunk.register.as_ref().unwrap();
    assert_eq!(register.aor.as_str(), "sip:+49@provider.example");
    assert_eq!(register.expires.as_secs(), 600);
    assert!(!format!("{config:?}").contains("geheim"));
    for (what, replacement, message) in [
        (
            "password = \"geheim\"",
            "password = \"\"",
            "trunks[0].auth.password (pbx): is empty; expected a password",
        ),
        (
            "sip:+49@provider.example",
            "provider.example",
            "trunks[0].register.aor (pbx): \"provider.example\" is not an address-of-record; expected \
             sip:USER@HOST",
        ),
        (
            "10m",
            "10s",
            "trunks[0].register.expires (pbx): expected \"60s\" to \"24h\"",
        ),
        (
            "destination = \"sip:192.0.2.1\"",
            "",
            "trunks[0].register (pbx): needs a destination, the registrar; expected the trunk to have \
             one",
        ),
    ] {
        let found = parse(&good.replace(what, replacement)).unwrap_err();
        assert!(found.ends_with(message), "{found}");
    }
}

#[test]
fn the_store_has_an_absolute_path() {
    assert_eq!(parse("").unwrap().store.path, None);
    let config = parse("[store]\npath = \"/var/lib/trunkline/store.db\"").unwrap();
    assert_eq!(
        config.store.path.unwrap(),
        Path::new("/var/lib/trunkline/store.db")
    );
    let found = parse("[store]\npath = \"store.db\"").unwrap_err();
    let message = "store.path: \"store.db\" is not an absolute path; expected one";
    assert!(found.ends_with(message), "{found}");
}

#[test]
fn trk_7_a_route_may_lead_to_an_account() {
    let route = format!("{ACCOUNT}[[routes]]\nto = \"sip:alice@PBX.example.com\"\n");
    let config = parse(&route).unwrap();
    let alice = Aor::new("alice", "pbx.example.com");
    assert_eq!(config.routes[0].to, RouteTo::Account(TrunkId(0), alice));
    let found = parse(&route.replace("to = \"sip:alice@", "to = \"sip:bob@")).unwrap_err();
    let message = "routes[0].to: there is no account \"sip:bob@PBX.example.com\"; expected the aor \
         of one of [[accounts]]";
    assert!(found.ends_with(message), "{found}");
}
