//! A body of the API, or of the store, becomes a section: what is wrong with it is told by field.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::model::ManageError;
use crate::config::told_without_secrets;

/// What is told of an object beside its fields. Whoever sends back what they got sends these, too.
const ONLY_TOLD: [&str; 8] = [
    "id", "origin", "version", "position", "updated", "problem", "state", "bindings",
];

/// Reads a body; an unknown field, a missing one and one of another type are told by name.
pub(crate) fn section<T: DeserializeOwned>(mut body: Value) -> Result<T, ManageError> {
    if let Value::Object(fields) = &mut body {
        for field in ONLY_TOLD {
            fields.shift_remove(field);
        }
        // RFC 7396: null is what is not there.
        fields.retain(|_, value| !value.is_null());
    } else {
        return Err(ManageError::field("", "is no object; expected one"));
    }
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        refusal(&path, &error.into_inner().to_string())
    })
}

/// serde's message in our words, with the path of what it is about.
fn refusal(path: &str, message: &str) -> ManageError {
    let beside = |field: &str| match path.rsplit_once('.') {
        Some((parent, last)) if last == field => format!("{parent}.{field}"),
        _ if path.is_empty() || path == field => field.to_owned(),
        _ => format!("{path}.{field}"),
    };
    if let Some((field, rest)) = quoted_after(message, "unknown field ") {
        let expected = rest.trim_start_matches([',', ' ']).replace('`', "");
        return ManageError::UnknownField {
            field: beside(field),
            problem: format!("is not a field; {expected}"),
        };
    }
    match quoted_after(message, "missing field ") {
        Some((field, _)) => ManageError::field(beside(field), "missing"),
        None => ManageError::field(path, told_without_secrets(path, message)),
    }
}

/// What stands in backquotes after `start`, and what follows.
fn quoted_after<'a>(message: &'a str, start: &str) -> Option<(&'a str, &'a str)> {
    message
        .strip_prefix(start)?
        .strip_prefix('`')?
        .split_once('`')
}

/// Merges a patch into an object (RFC 7396).
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (field, value) in patch {
        match value {
            Value::Null => {
                fields.shift_remove(&field);
            }
            value => merge(fields.entry(field).or_insert(Value::Null), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::sections::{AccountSection, TrunkSection};

    fn told(body: Value) -> String {
        match section::<TrunkSection>(body) {
            Ok(_) => "ok".to_owned(),
            Err(ManageError::UnknownField { field, .. }) => format!("unknown {field}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_field() {
        let cases = [
            (json!({"name": "a", "secure": "tls"}), "ok"),
            (json!({"secure": "tls"}), "name: missing"),
            (json!({"name": "a", "securr": "tls"}), "unknown securr"),
            (
                json!({"name": "a", "origination": [{"uri": "sip:h"}, {"url": "sip:h"}]}),
                "unknown origination[1].url",
            ),
            (
                json!({"name": "a", "origination": [{"weight": 1}]}),
                "origination[0].uri: missing",
            ),
            (
                json!({"name": "a", "acl": "10.0.0.1"}),
                "acl: invalid type: string \"10.0.0.1\", expected a sequence",
            ),
            (json!([1]), ": is no object; expected one"),
        ];
        for (body, expected) in cases {
            assert_eq!(told(body.clone()), expected, "{body}");
        }
    }

    #[test]
    fn what_stands_in_the_place_of_a_secret_is_never_told() {
        for body in [
            json!({"name": "a", "auth": "geheim"}),
            json!({"name": "a", "credentials": ["geheim"]}),
            json!({"name": "a", "credentials": [{"user": "u", "password": ["geheim"]}]}),
            json!({"name": "a", "auth": {"user": ["geheim"], "password": "x"}}),
        ] {
            let told = told(body);
            assert!(told != "ok" && !told.contains("geheim"), "{told}");
        }
        let account = json!({"aor": "sip:a@b.example", "trunk": "t", "password": {"is": "geheim"}});
        let told = section::<AccountSection>(account).unwrap_err().to_string();
        assert!(!told.contains("geheim"), "{told}");
    }

    #[test]
    fn what_was_got_can_be_sent_back() {
        let got = json!({
            "name": "a", "origin": "store", "version": 7, "position": 1, "problem": null,
            "state": {"calls": 3}, "auth": {"user": "u", "has_password": true},
        });
        assert_eq!(told(got), "ok");
    }

    /// The cases of RFC 7396, appendix A, that an object can meet.
    #[test]
    fn a_patch_is_merged_as_rfc_7396_says() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ];
        for (mut target, patch, expected) in cases {
            merge(&mut target, patch.clone());
            assert_eq!(target, expected, "{patch}");
        }
    }
}
