//! Reading requests: what is wrong with one is answered with the field that it is wrong with.

mod body;
mod condition;
mod page;
mod query;

pub(super) use self::body::Body;
pub(super) use self::condition::{Condition, etag};
pub(super) use self::page::{Cursor, LARGEST_LIMIT, limit};
pub(super) use self::query::{PathOf, QueryOf};

use serde_path_to_error::Error;

use super::problem::{Problem, Slug};

/// The problem with the field that serde stumbled over.
fn problem_of<E: std::error::Error>(error: &Error<E>) -> Problem {
    let path = error.path().to_string();
    // `.` is the whole; the last part of a path may be unknown.
    let path = match path.as_str() {
        "." => "",
        path => path.trim_end_matches(".?").trim_end_matches('?'),
    };
    let message = error.inner().to_string();
    let message = without_place(&message);
    let within = |name: &str| {
        let is_there = path == name || path.ends_with(&format!(".{name}"));
        match path {
            path if is_there => path.to_owned(),
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    };
    if let Some(name) = quoted_after(message, "unknown field ") {
        return Problem::field(Slug::UnknownField, within(name), message.replace('`', ""));
    }
    if let Some(name) = quoted_after(message, "missing field ") {
        return Problem::invalid(within(name), "is missing");
    }
    if let Some(name) = quoted_after(message, "duplicate field ") {
        return Problem::invalid(within(name), "is there twice; expected once");
    }
    Problem::invalid(path, message.replace('`', "\""))
}

/// The message without `at line 1 column 7`: a path says more.
fn without_place(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = message.strip_prefix(prefix)?.strip_prefix('`')?;
    rest.split_once('`').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        #[serde(default)]
        items: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        weight: u16,
    }

    fn told(body: Value) -> Value {
        let error = serde_path_to_error::deserialize::<_, Outer>(body).unwrap_err();
        serde_json::to_value(problem_of(&error).document()).unwrap()
    }

    #[test]
    fn the_field_is_named_with_its_path() {
        for (body, slug, field) in [
            (json!({"name": "a", "nane": 1}), "unknown_field", "nane"),
            (
                json!({"name": "a", "items": [{"weight": 1}, {"weight": 1, "x": 2}]}),
                "unknown_field",
                "items[1].x",
            ),
            (json!({"items": []}), "invalid_field", "name"),
            (json!({"name": 5}), "invalid_field", "name"),
            (
                json!({"name": "a", "items": [{"weight": 70000}]}),
                "invalid_field",
                "items[0].weight",
            ),
            (
                json!({"name": "a", "items": [{}]}),
                "invalid_field",
                "items[0].weight",
            ),
        ] {
            let told = told(body);
            assert!(told["type"].as_str().unwrap().ends_with(slug), "{told}");
            assert_eq!(told["field"], field, "{told}");
        }
    }

    #[test]
    fn an_unknown_field_is_answered_with_the_known_ones() {
        let told = told(json!({"name": "a", "nane": 1}));
        assert_eq!(told["expected"], "name or items");
    }
}
