//! `key=value` on the command line, as a merge patch (RFC 7396).

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::document;
use super::failure::Failure;
use super::fields::{Field, Shape};

/// One `key=value`, `key+=value` or `key-=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    key: String,
    how: How,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Set,
    Add,
    Remove,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Assignment, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} has no \"=\"; expected key=value"))?;
        let (key, how) = match (key.strip_suffix('+'), key.strip_suffix('-')) {
            (Some(key), _) => (key, How::Add),
            (_, Some(key)) => (key, How::Remove),
            _ => (key, How::Set),
        };
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(format!("{text:?} names no field; expected key=value"));
        }
        Ok(Assignment {
            key: key.to_owned(),
            how,
            value: value.to_owned(),
        })
    }
}

/// What changes `current` as they say.
pub(super) fn patch(
    fields: &[Field],
    assignments: &[Assignment],
    current: &Value,
) -> Result<Value, Failure> {
    let mut patch = json!({});
    for assignment in assignments {
        let value = assignment.value(fields, &patch, current)?;
        put(&mut patch, &assignment.key, value);
    }
    Ok(patch)
}

/// A new object: what they say, and nothing that is left at its default.
pub(super) fn object(fields: &[Field], assignments: &[Assignment]) -> Result<Value, Failure> {
    let mut object = patch(fields, assignments, &Value::Null)?;
    drop_nulls(&mut object);
    Ok(object)
}

impl Assignment {
    fn value(&self, fields: &[Field], patch: &Value, current: &Value) -> Result<Value, Failure> {
        let shape = fields.iter().find(|(name, _)| *name == self.key);
        let value = self.read(shape.map(|(_, shape)| *shape))?;
        if self.how == How::Set {
            return Ok(value);
        }
        let listed = at(patch, &self.key).or_else(|| at(current, &self.key));
        let mut items = match listed {
            Some(Value::Array(items)) => items.clone(),
            None | Some(Value::Null) => Vec::new(),
            Some(_) => return Err(self.wrong("is no list", "key=value")),
        };
        let Value::Array(named) = value else {
            return Err(self.wrong("is no list", "key=value"));
        };
        match self.how {
            How::Add => items.extend(named),
            How::Set | How::Remove => {
                for gone in named {
                    let before = items.len();
                    items.retain(|item| *item != gone);
                    if items.len() == before {
                        let problem = format!("does not have {gone}");
                        return Err(self.wrong(&problem, "one that is in the list"));
                    }
                }
            }
        }
        Ok(Value::Array(items))
    }

    fn read(&self, shape: Option<Shape>) -> Result<Value, Failure> {
        let text = match self.value.strip_prefix('@') {
            Some(file) => document::first_line(&PathBuf::from(file))?,
            None => self.value.clone(),
        };
        let is_list = matches!(shape, Some(Shape::List)) || self.how != How::Set;
        if text.is_empty() && !is_list {
            return Ok(Value::Null);
        }
        match shape {
            Some(Shape::Tables) => self.json(&text, "JSON"),
            _ if is_list => self.list(&text),
            Some(Shape::Number) => match text.parse::<i64>() {
                Ok(number) => Ok(number.into()),
                Err(_) => Err(self.wrong(&format!("is {text:?}"), "a number")),
            },
            Some(Shape::Flag) => match text.as_str() {
                "true" | "yes" | "on" => Ok(true.into()),
                "false" | "no" | "off" => Ok(false.into()),
                _ => Err(self.wrong(&format!("is {text:?}"), "true or false")),
            },
            // The daemon says that it knows no such field.
            None => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
            Some(_) => Ok(Value::String(text)),
        }
    }

    fn list(&self, text: &str) -> Result<Value, Failure> {
        match text {
            "" => Ok(json!([])),
            text if text.starts_with('[') && text.contains('"') => self.json(text, "a list"),
            text => Ok(text.split(',').map(str::trim).collect()),
        }
    }

    fn json(&self, text: &str, expected: &str) -> Result<Value, Failure> {
        serde_json::from_str(text)
            .map_err(|error| self.wrong(&format!("cannot be read: {error}"), expected))
    }

    fn wrong(&self, problem: &str, expected: &str) -> Failure {
        Failure::usage(format!("{}: {problem}; expected {expected}", self.key))
    }
}

/// What stands at a dotted key.
fn at<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.')
        .try_fold(value, |value, name| value.get(name))
}

fn put(object: &mut Value, key: &str, value: Value) {
    let mut place = object;
    for name in key.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name];
    }
    *place = value;
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::{ACCOUNT, ROUTE, TRUNK};
    use super::*;

    fn all(texts: &[&str]) -> Vec<Assignment> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn problem(fields: &[Field], text: &str) -> String {
        match patch(fields, &all(&[text]), &json!({})) {
            Err(Failure::Usage(problem)) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_have_the_type_of_their_field() {
        let assignments = all(&[
            "secure=srtp",
            "max_concurrent_calls=20",
            "nat=yes",
            "acl=192.0.2.0/24, [2001:db8::]:5060",
            "codecs=[\"PCMA\", \"G722\"]",
            "probe=30",
            "register.aor=sip:a@b",
            "dial_plan=",
            "fallback=",
            "domains=",
        ]);
        assert_eq!(
            patch(TRUNK, &assignments, &json!({})).unwrap(),
            json!({
                "secure": "srtp", "max_concurrent_calls": 20, "nat": true,
                "acl": ["192.0.2.0/24", "[2001:db8::]:5060"], "codecs": ["PCMA", "G722"],
                "probe": "30", "register": {"aor": "sip:a@b"}, "dial_plan": null,
                "fallback": null, "domains": [],
            })
        );
        assert_eq!(
            object(ROUTE, &all(&["to=pbx", "prefix=+49", "strip=1", "reject="])).unwrap(),
            json!({"to": "pbx", "prefix": "+49", "strip": 1})
        );
    }

    #[test]
    fn lists_grow_and_shrink_from_what_they_are() {
        let current = json!({"acl": ["192.0.2.1", "192.0.2.2"]});
        let assignments = all(&["acl+=192.0.2.3", "acl-=192.0.2.1", "domains+=a.example"]);
        assert_eq!(
            patch(TRUNK, &assignments, &current).unwrap(),
            json!({"acl": ["192.0.2.2", "192.0.2.3"], "domains": ["a.example"]})
        );
        assert_eq!(
            problem(TRUNK, "acl-=192.0.2.9"),
            "acl: does not have \"192.0.2.9\"; expected one that is in the list"
        );
    }

    #[test]
    fn a_wrong_value_is_said_with_its_field_and_what_is_expected() {
        assert_eq!(
            problem(TRUNK, "dscp=many"),
            "dscp: is \"many\"; expected a number"
        );
        assert_eq!(
            problem(TRUNK, "nat=maybe"),
            "nat: is \"maybe\"; expected true or false"
        );
        assert!(problem(TRUNK, "origination=sip:a").starts_with("origination: cannot be read"));
        let parse = |text: &str| text.parse::<Assignment>().unwrap_err();
        assert!(parse("secure").contains("has no \"=\""));
        assert!(parse("=x").contains("names no field"));
        assert!(parse("auth.=x").contains("names no field"));
    }

    #[test]
    fn what_is_not_known_here_goes_to_the_daemon_as_it_is() {
        let assignments = all(&["nonsense=7", "other=words"]);
        assert_eq!(
            patch(TRUNK, &assignments, &json!({})).unwrap(),
            json!({"nonsense": 7, "other": "words"})
        );
    }

    #[test]
    fn a_secret_comes_from_a_file_without_its_newline() {
        let path = std::env::temp_dir().join(format!("trunkline-secret-{}", std::process::id()));
        std::fs::write(&path, "p=a s\n").unwrap();
        let assignments = all(&[&format!("password=@{}", path.display())]);
        let object = object(ACCOUNT, &assignments);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(object.unwrap(), json!({"password": "p=a s"}));
        assert!(problem(ACCOUNT, "password=@/nowhere/at/all").contains("/nowhere/at/all"));
    }
}
