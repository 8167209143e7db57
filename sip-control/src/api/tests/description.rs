//! The description says what is there, and nothing is there that it does not say.

use axum::http::StatusCode;
use serde_json::Value;

use super::{Edge, ask};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn description(edge: &Edge) -> Value {
    let answer = edge.send(ask("GET", "/openapi.json")).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

fn operations(description: &Value) -> Vec<(&str, String, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        METHODS.into_iter().filter_map(move |method| {
            let operation = item.get(method)?;
            Some((method, path.clone(), operation))
        })
    });
    operations.collect()
}

#[tokio::test]
async fn ops_1_every_operation_is_described_and_needs_a_token_unless_it_says_otherwise() {
    let edge = Edge::new().await;
    let description = description(&edge).await;
    let operations = operations(&description);
    assert!(operations.len() > 50, "{}", operations.len());
    let mut open = Vec::new();
    for (method, path, operation) in operations {
        assert!(operation["operationId"].is_string(), "{method} {path}");
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(
            operation["responses"]["default"].is_object(),
            "{method} {path}"
        );
        let is_open = operation["security"] == serde_json::json!([{}]);
        let real = path
            .replace("{name}", "x")
            .replace("{id}", "x")
            .replace("{aor}", "x")
            .replace("{call}", "1")
            .replace("{index}", "0");
        let answer = edge.send(ask(&method.to_uppercase(), &real)).await;
        match is_open {
            true => open.push(path),
            false => assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}"),
        }
    }
    assert_eq!(open, ["/live", "/ready", "/session"]);
}

#[tokio::test]
async fn ops_1_every_name_that_the_description_refers_to_is_in_it() {
    let edge = Edge::new().await;
    let description = description(&edge).await;
    let mut missing = Vec::new();
    fn look(value: &Value, description: &Value, missing: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.trim_start_matches('#');
                    if description.pointer(pointer).is_none() {
                        missing.push(reference.clone());
                    }
                }
                fields
                    .values()
                    .for_each(|value| look(value, description, missing));
            }
            Value::Array(items) => items
                .iter()
                .for_each(|value| look(value, description, missing)),
            _ => {}
        }
    }
    look(&description, &description, &mut missing);
    assert!(missing.is_empty(), "{missing:?}");
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[tokio::test]
async fn ops_1_the_description_has_every_field_of_a_trunk_and_shows_no_secret() {
    let edge = Edge::new().await;
    let description = description(&edge).await;
    let schemas = &description["components"]["schemas"];
    for field in [
        "secure",
        "acl",
        "credentials",
        "origination",
        "codecs",
        "refer",
    ] {
        assert!(schemas["Trunk"]["properties"][field].is_object(), "{field}");
        assert!(
            schemas["TrunkView"]["properties"][field].is_object(),
            "{field}"
        );
    }
    assert!(schemas["TrunkView"]["properties"]["state"].is_object());
    assert!(schemas["GeneralView"]["properties"]["secure"].is_object());
    assert!(schemas["GeneralView"]["properties"]["acl"].is_null());
    assert!(schemas["TerminationPatch"]["properties"]["acl"].is_object());
    assert_eq!(
        schemas["Credential"]["properties"]["password"]["writeOnly"],
        true
    );
    assert!(schemas["WebhookView"]["properties"]["secret"].is_null());
    assert!(schemas["AccountView"]["properties"]["password"].is_null());
}
