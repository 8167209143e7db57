//! Descriptions that are made of others: what is shown of an object, and what may be patched of it,
//! are its fields with a difference.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// The fields of an object, by name.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn of<T: PartialSchema>() -> Fields {
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        match schema.get("properties") {
            Some(Value::Object(fields)) => Fields(fields.clone()),
            _ => Fields(Map::new()),
        }
    }

    pub(super) fn only(mut self, is_wanted: impl Fn(&str) -> bool) -> Fields {
        self.0.retain(|name, _| is_wanted(name));
        self
    }

    pub(super) fn with(mut self, more: Value) -> Fields {
        if let Value::Object(more) = more {
            self.0.extend(more);
        }
        self
    }

    /// As answers have them: without what is never told.
    pub(super) fn shown(mut self, required: &[&str]) -> RefOr<Schema> {
        self.0.retain(|_, field| field["writeOnly"] != true);
        read(json!({"type": "object", "properties": self.0, "required": required}))
    }

    /// As requests have them: no others, and each may be missing.
    pub(super) fn patch(mut self) -> RefOr<Schema> {
        self.0.retain(|_, field| field["readOnly"] != true);
        read(json!({"type": "object", "properties": self.0, "additionalProperties": false}))
    }
}

/// A description that is written as JSON.
pub(super) fn read(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).unwrap_or_default()
}

/// What objects of the configuration have in answers besides their fields.
pub(super) fn managed() -> Value {
    json!({
        "origin": {"type": "string", "enum": ["file", "store"], "readOnly": true,
                   "description": "Where it stands: what is in trunkline.toml is changed there."},
        "version": {"type": "integer", "format": "int64", "readOnly": true,
                    "description": "That of the ETag."},
        "position": {"type": "integer", "minimum": 0,
                     "description": "Its place among all of its kind."},
        "updated": {"type": ["string", "null"], "readOnly": true, "description": "RFC 3339, UTC."},
        "problem": {"type": ["string", "null"], "readOnly": true,
                    "description": "Why it is not in effect."},
    })
}
