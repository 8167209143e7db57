//! Call records as comma-separated values (RFC 4180).

use serde_json::Value;

use crate::store::KeptCall;

/// Headings, and where each is in the record.
const COLUMNS: [(&str, &str); 18] = [
    ("call", "/call"),
    ("start", "/start"),
    ("answer", "/answer"),
    ("end", "/end"),
    ("duration_s", "/duration_s"),
    ("from", "/from"),
    ("to", "/to"),
    ("caller_trunk", "/caller/trunk"),
    ("callee_trunk", "/callee/trunk"),
    ("status", "/status"),
    ("code", "/code"),
    ("reason", "/reason"),
    ("ended_by", "/ended_by"),
    ("codec", "/codec"),
    ("caller_transport", "/caller/transport"),
    ("callee_transport", "/callee/transport"),
    ("caller_profile", "/caller/profile"),
    ("callee_profile", "/callee/profile"),
];

pub(super) fn heading() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    format!("{},mos_min\r\n", names.join(","))
}

pub(super) fn line(call: &KeptCall) -> String {
    let record: Value = serde_json::from_str(&call.row.record).unwrap_or_default();
    let mut line = String::new();
    for (_, place) in COLUMNS {
        line.push_str(&field(record.pointer(place)));
        line.push(',');
    }
    if let Some(mos) = call.row.mos_min {
        line.push_str(&mos.to_string());
    }
    line.push_str("\r\n");
    line
}

/// Quoted where it must be. A peer chooses what it is called: what a spreadsheet would take for a
/// formula is told to be text.
fn field(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{text}")
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_quoted_where_it_must_be_and_never_a_formula() {
        let field = |value: Value| field(Some(&value));
        assert_eq!(field(json!("sip:a@b")), "sip:a@b");
        assert_eq!(field(json!("a \"b\", c")), "\"a \"\"b\"\", c\"");
        assert_eq!(
            field(json!("=HYPERLINK(\"x\")")),
            "\"'=HYPERLINK(\"\"x\"\")\""
        );
        assert_eq!(field(json!(486)), "486");
        assert_eq!(field(json!(null)), "");
    }
}
