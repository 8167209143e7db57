//! What differs between two states of an object, by field: for the audit, and for whoever looks at an
//! import before it is applied. That a secret has changed is told, and nothing else of it.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::config::secret::Secret;
use crate::config::sections::HoldsSecrets;

/// What stands for a secret.
const SECRET: &str = "(secret)";

/// What an import changes, or would change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Diff {
    pub(crate) changes: Vec<ObjectDiff>,
    /// It is done; else it was only looked at.
    pub(crate) applied: bool,
}

/// What becomes of one object.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ObjectDiff {
    /// `trunk`, `account` or `route`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) change: ChangeWord,
    pub(crate) fields: Vec<FieldDiff>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeWord {
    Add,
    Update,
    Remove,
    /// It gets another place in the order of routes.
    Move,
}

/// One field; `null` where it is not set.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct FieldDiff {
    pub(crate) field: String,
    pub(crate) old: Value,
    pub(crate) new: Value,
}

/// The fields that differ, in their order; `None` is what is not there.
pub(super) fn fields<T: HoldsSecrets>(old: Option<&T>, new: Option<&T>) -> Vec<FieldDiff> {
    let mut differing = Vec::new();
    compare("", &plain(old), &plain(new), &mut differing);
    let (old, new) = (secrets(old), secrets(new));
    let mut names: Vec<&String> = old.iter().chain(&new).map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let of = |secrets: &[(String, Secret)]| {
            let secret = secrets.iter().find(|(other, _)| other == name);
            secret.map(|(_, secret)| secret.clone())
        };
        let (old, new) = (of(&old), of(&new));
        if old != new {
            let told = |secret: Option<Secret>| secret.map_or(Value::Null, |_| SECRET.into());
            differing.push(FieldDiff {
                field: name.clone(),
                old: told(old),
                new: told(new),
            });
        }
    }
    differing
}

/// The same for the audit.
pub(super) fn detail(fields: &[FieldDiff]) -> Value {
    let fields = fields.iter().map(|field| {
        let both = [("old", &field.old), ("new", &field.new)];
        let both = both.map(|(name, value)| (name.to_owned(), value.clone()));
        (field.field.clone(), Value::Object(Map::from_iter(both)))
    });
    Value::Object(fields.collect())
}

/// Without secrets.
fn plain<T: HoldsSecrets>(section: Option<&T>) -> Map<String, Value> {
    let value = section.map(|section| serde_json::to_value(section.clone().kept()));
    match value {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Map::new(),
    }
}

/// Every secret, by its field.
fn secrets<T: HoldsSecrets>(section: Option<&T>) -> Vec<(String, Secret)> {
    let Some(mut section) = section.cloned() else {
        return Vec::new();
    };
    let places = section.secrets().into_iter();
    let set = places.filter_map(|(pointer, secret)| {
        let secret = secret.clone()?;
        Some((field_of(&pointer), secret))
    });
    set.collect()
}

/// `/credentials/0/password` is `credentials[0].password`.
fn field_of(pointer: &str) -> String {
    let mut field = String::new();
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        match part.parse::<usize>() {
            Ok(index) => field.push_str(&format!("[{index}]")),
            Err(_) if field.is_empty() => field.push_str(part),
            Err(_) => field.push_str(&format!(".{part}")),
        }
    }
    field
}

fn compare(
    path: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    differing: &mut Vec<FieldDiff>,
) {
    let mut names: Vec<&String> = old.keys().collect();
    names.extend(new.keys().filter(|name| !old.contains_key(*name)));
    for name in names {
        let field = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        let (old, new) = (old.get(name), new.get(name));
        match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                compare(&field, old, new, differing);
            }
            (old, new) if old != new => differing.push(FieldDiff {
                field,
                old: old.cloned().unwrap_or_default(),
                new: new.cloned().unwrap_or_default(),
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::sections::TrunkSection;

    fn trunk(body: Value) -> TrunkSection {
        serde_json::from_value(body).unwrap()
    }

    fn told(old: Value, new: Value) -> Vec<(String, Value, Value)> {
        let fields = fields(Some(&trunk(old)), Some(&trunk(new))).into_iter();
        fields
            .map(|field| (field.field, field.old, field.new))
            .collect()
    }

    #[test]
    fn fields_that_differ_are_told_with_both_values() {
        let old = json!({"name": "a", "secure": "tls", "acl": ["10.0.0.1"], "nat": true,
            "dial_plan": {"country": "49", "national_prefix": "0"}});
        let new = json!({"name": "a", "secure": "srtp", "acl": ["10.0.0.1"], "mki": true,
            "dial_plan": {"country": "43", "national_prefix": "0"}});
        let expected = [
            ("secure", json!("tls"), json!("srtp")),
            ("dial_plan.country", json!("49"), json!("43")),
            ("nat", json!(true), json!(null)),
            ("mki", json!(null), json!(true)),
        ];
        assert_eq!(
            told(old, new),
            expected.map(|(field, old, new)| (field.to_owned(), old, new))
        );
    }

    #[test]
    fn that_a_secret_has_changed_is_told_but_not_the_secret() {
        let body = |password: &str, other: &str| {
            json!({"name": "a", "auth": {"user": "u", "password": password},
                "credentials": [{"user": "c", "password": other}]})
        };
        let differing = told(body("geheim", "same"), body("neu", "same"));
        let expected = ("auth.password".to_owned(), json!(SECRET), json!(SECRET));
        assert_eq!(differing, [expected]);
        assert!(told(body("geheim", "same"), body("geheim", "same")).is_empty());
        let added = fields(None, Some(&trunk(body("geheim", "neu"))));
        let shown = serde_json::to_string(&detail(&added)).unwrap();
        assert!(
            !shown.contains("geheim") && !shown.contains("neu"),
            "{shown}"
        );
        assert!(shown.contains("credentials[0].password"), "{shown}");
    }
}
