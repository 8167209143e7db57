//! The flows of a daemon, for people.

use std::fmt::Write;

use serde_json::Value;

/// Columns: heading, width, whether it stands to the right.
const COLUMNS: [(&str, usize, bool); 12] = [
    ("FLOW", 6, true),
    ("CALL", 6, true),
    ("FROM", 6, false),
    ("CARRIES", 8, false),
    ("PATH", 6, false),
    ("LOCAL", 21, false),
    ("SOURCE", 21, false),
    ("REMOTE", 21, false),
    ("PACKETS", 9, true),
    ("LOST", 6, true),
    ("JITTER", 7, true),
    ("MOS", 4, true),
];

/// What `trunkline flows` prints.
pub fn table(answer: &Value) -> String {
    let mut text = String::new();
    line(
        &COLUMNS.map(|(heading, ..)| heading.to_owned()),
        "DROPS",
        &mut text,
    );
    for flow in answer["items"].as_array().into_iter().flatten() {
        let cells = [
            "flow",
            "call",
            "from",
            "carries",
            "path",
            "local",
            "source",
            "remote",
            "packets",
            "lost",
            "jitter_ms",
            "mos",
        ];
        line(
            &cells.map(|name| cell(&flow[name])),
            &drops(flow),
            &mut text,
        );
    }
    text
}

/// What `trunkline flow` prints: every field, groups indented.
pub fn details(flow: &Value) -> String {
    let mut text = String::new();
    fields(flow, "", &mut text);
    text
}

fn line(cells: &[String; COLUMNS.len()], last: &str, text: &mut String) {
    for ((_, width, is_right), cell) in COLUMNS.iter().zip(cells) {
        let _ = match is_right {
            true => write!(text, "{cell:>width$} "),
            false => write!(text, "{cell:<width$} "),
        };
    }
    let _ = writeln!(text, "{last}");
}

/// `drop_ceiling 3, drop_replay 1`.
fn drops(flow: &Value) -> String {
    let drops = flow["drops"].as_object().into_iter().flatten();
    let said: Vec<String> = drops
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    if said.is_empty() {
        "-".to_owned()
    } else {
        said.join(", ")
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.2}", number.as_f64().unwrap_or_default())
        }
        other => other.to_string(),
    }
}

fn fields(value: &Value, indent: &str, text: &mut String) {
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Object(group) if group.is_empty() => {
                let _ = writeln!(text, "{indent}{name:<20} -");
            }
            Value::Object(_) => {
                let _ = writeln!(text, "{indent}{name}");
                fields(value, &format!("{indent}  "), text);
            }
            Value::Array(items) => {
                for item in items {
                    let _ = writeln!(text, "{indent}{name}");
                    fields(item, &format!("{indent}  "), text);
                }
            }
            value => {
                let _ = writeln!(text, "{indent}{name:<20} {}", cell(value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whoever meets a reason or a map must find it on the page.
    #[test]
    fn the_page_on_inspecting_has_every_verdict_and_every_map() {
        use media_common::counters::{DropReason, Verdicts};
        use media_common::maps;

        let page = include_str!("../../docs/inspecting.md");
        let reasons = DropReason::ALL.iter().map(|reason| reason.name());
        let passed = Verdicts::default()
            .passed()
            .map(|(name, _)| name)
            .collect::<Vec<_>>();
        let known_maps = [
            maps::MEDIA_ADDRESSES,
            maps::FLOWS,
            maps::INCIDENTS,
            maps::NEXT_HOPS,
            maps::DEVICES,
            maps::QUEUES,
            maps::XSKS,
            maps::VERDICTS,
            maps::EVENTS,
        ];
        for name in reasons.chain(passed).chain(known_maps) {
            let row = format!("\n| `{name}` | ");
            assert!(page.contains(&row), "{name} has no row");
        }
        assert!(page.contains(&format!("/trunkline/v{}\n", media_common::ABI_VERSION)));
    }

    fn flow() -> Value {
        json!({
            "flow": 7, "call": 3, "from": "caller", "carries": "rtp", "path": "xdp",
            "local": "192.0.2.1:30000", "source": null, "remote": "198.51.100.7:5004",
            "packets": 500, "lost": 3, "jitter_ms": 0.125, "mos": 4.41,
            "drops": {"drop_ceiling": 2, "drop_replay": 1},
            "kernel": {"counters": {"packets": 500}},
            "next_hops": [{"next_hop": 2, "vlan": 0}],
        })
    }

    #[test]
    fn people_see_a_line_for_each_flow() {
        let text = table(&json!({ "items": [flow()] }));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        let words: Vec<&str> = lines[1].split_ascii_whitespace().collect();
        assert_eq!(
            words,
            [
                "7",
                "3",
                "caller",
                "rtp",
                "xdp",
                "192.0.2.1:30000",
                "-",
                "198.51.100.7:5004",
                "500",
                "3",
                "0.12",
                "4.41",
                "drop_ceiling",
                "2,",
                "drop_replay",
                "1"
            ]
        );
        assert_eq!(
            lines[0].find("DROPS"),
            lines[1].find("drop_ceiling"),
            "{text}"
        );
    }

    #[test]
    fn details_show_groups_indented() {
        let text = details(&flow());
        assert!(
            text.contains("kernel\n  counters\n    packets              500\n"),
            "{text}"
        );
        assert!(
            text.contains("next_hops\n  next_hop             2\n"),
            "{text}"
        );
    }
}
