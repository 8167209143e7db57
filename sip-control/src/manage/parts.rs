//! A trunk in the parts that the console shows, and patches (RFC 7396) of either.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::model::ManageError;
use super::read;
use crate::config::sections::TrunkSection;

/// Which fields of a trunk are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrunkPart {
    Whole,
    /// How its calls are: everything that is not in another part.
    General,
    /// Who may send us calls.
    Termination,
}

/// Who may send us calls, and how they prove themselves.
const TERMINATION: [&str; 8] = [
    "domains",
    "acl",
    "credentials",
    "auth_realm",
    "auth_algorithms",
    "client_names",
    "server_name_mismatch",
    "dial_plan",
];
/// Where calls go: target by target.
const ORIGINATION: [&str; 2] = ["destination", "origination"];
const NAME: &str = "name";

impl TrunkPart {
    pub(crate) fn has(self, field: &str) -> bool {
        let is_elsewhere =
            field == NAME || TERMINATION.contains(&field) || ORIGINATION.contains(&field);
        match self {
            TrunkPart::Whole => true,
            TrunkPart::General => !is_elsewhere,
            TrunkPart::Termination => TERMINATION.contains(&field),
        }
    }

    fn word(self) -> &'static str {
        match self {
            TrunkPart::Whole => "the trunk",
            TrunkPart::General => "the general settings",
            TrunkPart::Termination => "termination",
        }
    }

    /// The fields of that part that are set.
    pub(crate) fn view(self, trunk: &TrunkSection) -> Map<String, Value> {
        let mut fields = match serde_json::to_value(trunk) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        fields.retain(|field, _| self.has(field));
        fields
    }

    /// That a patch names nothing else. What is no field at all is told when it is read.
    pub(super) fn check(self, patch: &Value) -> Result<(), ManageError> {
        let Value::Object(fields) = patch else {
            return Err(ManageError::field("", "is no object; expected one"));
        };
        match fields.keys().find(|field| !self.has(field)) {
            Some(field) => Err(ManageError::UnknownField {
                field: field.clone(),
                problem: format!("is not a field of {}", self.word()),
            }),
            None => Ok(()),
        }
    }
}

/// `shown` with the patch in it.
pub(super) fn patched<T: Serialize + DeserializeOwned>(
    shown: &T,
    patch: Value,
) -> Result<T, ManageError> {
    if !patch.is_object() {
        return Err(ManageError::field("", "is no object; expected one"));
    }
    let mut value = serde_json::to_value(shown).unwrap_or_default();
    read::merge(&mut value, patch);
    read::section(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_part_has_its_own_fields_and_no_others() {
        let trunk: TrunkSection = serde_json::from_value(json!({
            "name": "a", "secure": "tls", "acl": ["10.0.0.1"], "codecs": ["PCMU"],
            "destination": "sip:h", "domains": ["a.example"],
        }))
        .unwrap();
        let fields = |part: TrunkPart| {
            let view = part.view(&trunk);
            view.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(fields(TrunkPart::General), ["secure", "codecs"]);
        assert_eq!(fields(TrunkPart::Termination), ["domains", "acl"]);
        assert_eq!(fields(TrunkPart::Whole).len(), 6);
    }

    #[test]
    fn a_patch_of_a_part_that_names_another_is_refused_by_the_field() {
        let refused = TrunkPart::Termination.check(&json!({"acl": [], "secure": "tls"}));
        let Err(ManageError::UnknownField { field, problem }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (field.as_str(), problem.as_str()),
            ("secure", "is not a field of termination")
        );
        assert!(
            TrunkPart::General
                .check(&json!({"secure": "tls", "nat": null}))
                .is_ok()
        );
        assert!(TrunkPart::General.check(&json!({"name": "b"})).is_err());
    }
}
