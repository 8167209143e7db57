//! What trunks, routes, accounts and webhooks have in common: where they stand, and their versions.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::api::problem::Problem;
use crate::api::request::Body;
use crate::manage::{self, Managed};

use super::audit::time;

/// An object as it is answered.
pub(super) fn view<T: Serialize>(managed: &Managed<T>) -> Map<String, Value> {
    let mut fields = match serde_json::to_value(&managed.body) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    told_of(managed, &mut fields);
    fields
}

/// Adds what answers have beside the fields of the configuration.
pub(super) fn told_of<T>(managed: &Managed<T>, fields: &mut Map<String, Value>) {
    fields.insert("origin".to_owned(), json!(managed.origin));
    fields.insert("version".to_owned(), json!(managed.version));
    fields.insert("position".to_owned(), json!(managed.position));
    fields.insert("updated".to_owned(), json!(managed.updated_ms.map(time)));
    fields.insert("problem".to_owned(), json!(managed.problem));
}

/// The body of a request as a section; `name` is what the path says of it, if it does not itself.
pub(super) fn named<T: DeserializeOwned>(
    body: Body,
    name: Option<(&str, &str)>,
) -> Result<T, Problem> {
    let Body(mut body) = body;
    if let (Value::Object(fields), Some((field, name))) = (&mut body, name) {
        fields.entry(field).or_insert_with(|| name.into());
    }
    Ok(manage::read_section(body)?)
}
