//! What is answered is what the description says: no field is missing, of another type, or unknown.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{CALL, Edge, ask, live_call};

/// What of a value is not as the description has it, by its path.
pub(in crate::api) fn misfits(description: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(description, schema, value, "", &mut found);
    found
}

fn look(description: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return match description.pointer(pointer) {
            Some(schema) => look(description, schema, value, path, found),
            None => found.push(format!("{path}: {reference} is not there")),
        };
    }
    if schema["allOf"].is_array() {
        return look(
            description,
            &joined(description, schema),
            value,
            path,
            found,
        );
    }
    for choice in ["oneOf", "anyOf"] {
        let mut choices = schema[choice].as_array().into_iter().flatten().peekable();
        let fits = |one: &Value| misfits(description, one, value).is_empty();
        if choices.peek().is_some() && !choices.any(fits) {
            found.push(format!("{path}: {value} is none of {choice}"));
        }
    }
    let types = match &schema["type"] {
        Value::Null => return,
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    if !types.iter().any(|name| is_of(name, value)) {
        return found.push(format!("{path}: {value} is no {types:?}"));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        found.push(format!("{path}: {value} is none of {known:?}"));
    }
    match value {
        Value::Object(fields) => look_at_fields(description, schema, fields, path, found),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                let path = format!("{path}[{place}]");
                look(description, &schema["items"], item, &path, found);
            }
        }
        _ => {}
    }
}

/// All of `allOf` as one: each part describes some of the fields.
fn joined(description: &Value, schema: &Value) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let part = match part["$ref"].as_str() {
            Some(reference) => description
                .pointer(reference.trim_start_matches('#'))
                .unwrap(),
            None => part,
        };
        let of_part = part["properties"].as_object().cloned();
        properties.extend(of_part.unwrap_or_default());
        required.extend(part["required"].as_array().into_iter().flatten().cloned());
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn look_at_fields(
    description: &Value,
    schema: &Value,
    fields: &Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    for name in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            found.push(format!("{path}: {name} is missing"));
        }
    }
    let known = schema["properties"].as_object();
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match (
            known.and_then(|known| known.get(name)),
            &schema["additionalProperties"],
        ) {
            (Some(schema), _) => look(description, schema, value, &path, found),
            (None, more @ Value::Object(_)) => look(description, more, value, &path, found),
            // Nothing is said of its fields.
            (None, Value::Null) if known.is_none() => {}
            (None, _) => found.push(format!("{path} is not described")),
        }
    }
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}

#[tokio::test]
async fn ops_1_what_is_answered_is_what_the_description_says() {
    let edge = Edge::new().await;
    edge.make_trunk("carrier").await;
    let webhook = json!({"name": "crm", "url": "http://192.0.2.1/", "secret": "0123456789abcdef"});
    Edge::created(edge.admin(ask("POST", "/webhooks").body(&webhook)).await);
    let account = json!({"aor": "sip:a@b.example", "trunk": "fixed", "password": "x"});
    let account = edge.admin(ask("POST", "/accounts").body(&account)).await;
    assert!(account.status.is_success() || account.status == StatusCode::BAD_REQUEST);
    edge.store.settled(std::time::Duration::from_secs(10)).await;
    edge.live.changed(live_call(CALL));
    let description = edge.get("/openapi.json").await.json();
    let mut looked_at = Vec::new();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let response = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let real = path
            .replace("{name}", "carrier")
            .replace("/webhooks/carrier", "/webhooks/crm")
            .replace("{id}", "file-0")
            .replace("{index}", "0")
            .replace("{call}", &CALL.to_string());
        if response.is_null() || real.contains('{') {
            continue;
        }
        let answer = edge.get(&real).await;
        if answer.status == StatusCode::OK {
            let wrong = misfits(&description, response, &answer.json());
            found.extend(wrong.into_iter().map(|wrong| format!("{path} {wrong}")));
            looked_at.push(path.as_str());
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    for path in [
        "/health",
        "/status",
        "/flows",
        "/calls",
        "/calls/{call}",
        "/trunks",
        "/audit",
        "/tokens",
    ] {
        assert!(looked_at.contains(&path), "{path}: {looked_at:?}");
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let description = json!({"components": {"schemas": {"Leg": {
        "type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}},
    }}}});
    let schema = json!({"type": "object", "properties": {
        "leg": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Leg"}]},
        "drops": {"type": "object", "additionalProperties": {"type": "integer"}},
        "side": {"type": ["string", "null"], "enum": ["caller", "callee", null]},
    }});
    let wrong = |value: Value| misfits(&description, &schema, &value).len();
    assert_eq!(
        wrong(json!({"leg": {"id": 4}, "drops": {"a": 1}, "side": null})),
        0
    );
    assert_eq!(wrong(json!({"leg": null})), 0);
    for value in [
        json!([]),
        json!({"leg": {}}),
        json!({"leg": {"id": "4"}}),
        json!({"leg": {"id": 4, "more": 1}}),
        json!({"drops": {"a": "1"}}),
        json!({"side": "both"}),
        json!({"other": 1}),
    ] {
        assert_eq!(wrong(value.clone()), 1, "{value}");
    }
}
