//! What the bench says at the end: ratios first, aims met or missed, and the same as JSON.

use serde_json::{Map, Value, json};

/// An aim: a figure and its bound.
pub struct Aim {
    pub name: &'static str,
    /// In words.
    pub target: String,
    pub value: f64,
    pub is_met: bool,
}

impl Aim {
    pub fn at_most(name: &'static str, bound: f64, value: f64) -> Aim {
        Aim {
            name,
            target: format!("<= {}", short(bound)),
            value,
            is_met: value <= bound,
        }
    }

    pub fn at_least(name: &'static str, bound: f64, value: f64) -> Aim {
        Aim {
            name,
            target: format!(">= {}", short(bound)),
            value,
            is_met: value >= bound,
        }
    }
}

/// One item's outcome.
pub struct Section {
    /// The JSON key.
    pub key: &'static str,
    /// What the JSON has under the key.
    pub values: Value,
    /// For people: ratios first.
    pub lines: Vec<String>,
    pub aims: Vec<Aim>,
}

/// Everything, in the order of measuring.
#[derive(Default)]
pub struct Report {
    pub sections: Vec<Section>,
}

impl Report {
    pub fn json(&self, versions: Value) -> Value {
        let mut all = Map::new();
        for section in &self.sections {
            all.insert(section.key.to_owned(), section.values.clone());
        }
        all.insert("aims".to_owned(), self.aims().map(aim_json).collect());
        all.insert("versions".to_owned(), versions);
        Value::Object(all)
    }

    /// The values of all sections beside each other.
    pub fn flat_json(&self, versions: Value) -> Value {
        let mut all = Map::new();
        for section in &self.sections {
            all.extend(section.values.as_object().cloned().unwrap_or_default());
        }
        all.insert("aims".to_owned(), self.aims().map(aim_json).collect());
        all.insert("versions".to_owned(), versions);
        Value::Object(all)
    }

    pub fn text(&self, versions: &Value) -> String {
        let mut text = String::new();
        for section in &self.sections {
            text.push_str(&format!("{}\n", section.key));
            for line in &section.lines {
                text.push_str(&format!("  {line}\n"));
            }
        }
        text.push_str("aims\n");
        for aim in self.aims() {
            text.push_str(&format!(
                "  {}  {}: {} (aim {})\n",
                if aim.is_met { "met   " } else { "MISSED" },
                aim.name,
                short(aim.value),
                aim.target
            ));
        }
        text.push_str("versions\n");
        for (name, value) in versions.as_object().into_iter().flatten() {
            text.push_str(&format!(
                "  {name}: {}\n",
                value.as_str().unwrap_or_default()
            ));
        }
        text
    }

    fn aims(&self) -> impl Iterator<Item = &Aim> {
        self.sections.iter().flat_map(|section| &section.aims)
    }
}

fn aim_json(aim: &Aim) -> Value {
    json!({
        "name": aim.name,
        "target": aim.target,
        "value": rounded(aim.value),
        "met": aim.is_met,
    })
}

/// Four significant digits, as a number for JSON.
pub fn rounded(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    let digits = (3 - value.abs().max(1e-9).log10().floor() as i32).clamp(0, 9);
    let scale = 10_f64.powi(digits);
    json!((value * scale).round() / scale)
}

/// For people.
pub fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        assert_eq!(rounded(1234.56), json!(1235.0));
        assert_eq!(rounded(0.123_456), json!(0.1235));
        assert_eq!(rounded(f64::NAN), Value::Null);
    }

    #[test]
    fn sections_are_named_or_beside_each_other() {
        let section = |key, value| Section {
            key,
            values: value,
            lines: Vec::new(),
            aims: Vec::new(),
        };
        let report = Report {
            sections: vec![section("a", json!({"x": 1})), section("b", json!({"y": 2}))],
        };
        assert_eq!(
            report.json(json!({})),
            json!({"a": {"x": 1}, "b": {"y": 2}, "aims": [], "versions": {}})
        );
        assert_eq!(
            report.flat_json(json!({})),
            json!({"x": 1, "y": 2, "aims": [], "versions": {}})
        );
    }

    #[test]
    fn an_aim_that_was_not_measured_is_missed() {
        assert!(!Aim::at_most("a", 2.0, f64::NAN).is_met);
        assert!(!Aim::at_least("a", 2.0, f64::NAN).is_met);
    }
}
