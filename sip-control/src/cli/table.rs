//! Tables for people: aligned, no wider than the terminal.
//!
//! What peers say of themselves stands in them, so nothing of a cell reaches the terminal as a
//! control character.

use serde_json::Value;

/// How a cell looks where there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Tone::Plain => None,
            Tone::Good => Some("\x1b[32m"),
            Tone::Warning => Some("\x1b[33m"),
            Tone::Bad => Some("\x1b[31m"),
            Tone::Faint => Some("\x1b[2m"),
        }
    }

    /// The text in this tone.
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        match self.code() {
            Some(code) if colour => format!("{code}{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn toned(text: impl Into<String>, tone: Tone) -> Cell {
        Cell {
            text: printable(&text.into()),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::toned(text, Tone::Plain)
    }
}

/// A heading, and what of an item stands under it.
pub(super) struct Column {
    pub(super) heading: &'static str,
    pub(super) cell: fn(&Value) -> Cell,
    /// Numbers stand to the right.
    pub(super) right: bool,
}

impl Column {
    pub(super) const fn left(heading: &'static str, cell: fn(&Value) -> Cell) -> Column {
        Column {
            heading,
            cell,
            right: false,
        }
    }

    pub(super) const fn right(heading: &'static str, cell: fn(&Value) -> Cell) -> Column {
        Column {
            heading,
            cell,
            right: true,
        }
    }
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// Columns of the terminal; `None`: no terminal, as wide as it has to be.
    pub(super) width: Option<usize>,
    pub(super) colour: bool,
}

/// No column gives way below this.
const NARROWEST: usize = 8;
const GAP: usize = 2;

/// Lines with a heading; the widest columns give way where the terminal is narrower.
pub(super) fn table(columns: &[Column], items: &[Value], look: Look) -> String {
    let rows: Vec<Vec<Cell>> = items
        .iter()
        .map(|item| columns.iter().map(|column| (column.cell)(item)).collect())
        .collect();
    let mut widths: Vec<usize> = columns
        .iter()
        .map(|column| length(column.heading))
        .collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(&cell.text));
        }
    }
    if let Some(width) = look.width {
        fit(&mut widths, columns, width);
    }
    let headings: Vec<Cell> = columns
        .iter()
        .map(|column| Cell::toned(column.heading, Tone::Faint))
        .collect();
    let mut text = String::new();
    for row in std::iter::once(&headings).chain(&rows) {
        line(row, columns, &widths, look.colour, &mut text);
    }
    text
}

/// Takes from the widest column, again and again, until all fit or nothing can be taken.
fn fit(widths: &mut [usize], columns: &[Column], width: usize) {
    loop {
        let whole: usize = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let widest = (0..widths.len())
            .filter(|place| widths[*place] > NARROWEST.max(length(columns[*place].heading)))
            .max_by_key(|place| widths[*place]);
        match widest {
            Some(place) if whole > width => widths[place] -= 1,
            _ => return,
        }
    }
}

fn line(row: &[Cell], columns: &[Column], widths: &[usize], colour: bool, text: &mut String) {
    let mut gap = 0;
    for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
        let shown = shorten(&cell.text, *width);
        let room = width - length(&shown);
        let before = if column.right { room } else { 0 };
        if !shown.is_empty() {
            text.extend(std::iter::repeat_n(' ', gap + before));
            text.push_str(&cell.tone.paint(&shown, colour));
            gap = 0;
        } else {
            gap += before;
        }
        gap += room - before + GAP;
    }
    text.push('\n');
}

/// Names and values, one to a line, groups indented.
pub(super) fn details(value: &Value, look: Look) -> String {
    let mut text = String::new();
    group(value, 0, look, &mut text);
    text
}

fn group(value: &Value, indent: usize, look: Look, text: &mut String) {
    let Some(fields) = value.as_object() else {
        return;
    };
    let simple = |value: &Value| !is_group(value);
    let names = fields.iter().filter(|(_, value)| simple(value));
    let width = names.map(|(name, _)| length(name)).max().unwrap_or(0);
    for (name, value) in fields {
        let margin = " ".repeat(indent);
        let name = printable(name);
        if simple(value) {
            let space = " ".repeat(width.saturating_sub(length(&name)) + GAP);
            let name = Tone::Faint.paint(&name, look.colour);
            text.push_str(&format!("{margin}{name}{space}{}\n", words(value)));
            continue;
        }
        text.push_str(&format!(
            "{margin}{}\n",
            Tone::Faint.paint(&name, look.colour)
        ));
        for (place, item) in items(value).enumerate() {
            if place > 0 {
                text.push('\n');
            }
            group(item, indent + GAP, look, text);
        }
    }
}

/// Whether it has lines of its own.
fn is_group(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => items.iter().any(Value::is_object),
        _ => false,
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

/// A value in a line.
pub(super) fn words(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(decimal) if number.is_f64() => format!("{decimal:.2}"),
            _ => number.to_string(),
        },
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(_) => "-".to_owned(),
    }
}

/// Without control characters: they would be the terminal's to obey. Nor those that turn the
/// direction of writing, by which a name could pass for another.
pub(super) fn printable(text: &str) -> String {
    let is_harmful = |char: char| {
        char.is_control()
            || matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_harmful) {
        return text.to_owned();
    }
    text.chars()
        .map(|char| if is_harmful(char) { '\u{fffd}' } else { char })
        .collect()
}

/// The same of a text of several lines, which it keeps.
pub(super) fn printable_lines(text: &str) -> String {
    text.lines()
        .map(|line| printable(line) + "\n")
        .collect::<String>()
}

/// At most that many characters, the last one an ellipsis where some are missing.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

pub(super) fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::left("NAME", |item| words(&item["name"]).into()),
        Column::right("CALLS", |item| words(&item["calls"]).into()),
        Column::left("STATE", |item| {
            Cell::toned(words(&item["state"]), Tone::Good)
        }),
    ];

    fn items() -> Vec<Value> {
        vec![
            json!({"name": "carrier", "calls": 7, "state": "in_service"}),
            json!({"name": "a-pbx-with-a-very-long-name", "calls": 1234, "state": "down"}),
        ]
    }

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        assert_eq!(
            table(&COLUMNS, &items(), Look::default()),
            "NAME                         CALLS  STATE\n\
             carrier                          7  in_service\n\
             a-pbx-with-a-very-long-name   1234  down\n"
        );
    }

    #[test]
    fn a_narrow_terminal_shortens_the_widest_column() {
        let look = Look {
            width: Some(30),
            colour: false,
        };
        let text = table(&COLUMNS, &items(), look);
        assert!(text.lines().all(|line| length(line) <= 30), "{text}");
        assert!(text.contains("a-pbx-with…   1234  down"), "{text}");
        let look = Look {
            width: Some(3),
            colour: false,
        };
        assert!(table(&COLUMNS, &items(), look).contains("1234"));
    }

    #[test]
    fn colours_change_no_column() {
        let look = Look {
            width: None,
            colour: true,
        };
        let text = table(&COLUMNS, &items(), look);
        assert!(text.contains("7  \x1b[32min_service\x1b[0m\n"), "{text}");
        let bare = text
            .replace("\x1b[0m", "")
            .replace("\x1b[32m", "")
            .replace("\x1b[2m", "");
        assert_eq!(bare, table(&COLUMNS, &items(), Look::default()));
    }

    #[test]
    fn what_a_peer_says_cannot_command_the_terminal() {
        let nasty = json!({"name": "\x1b]0;owned\x07\r\n\u{202e}x", "calls": 1, "state": "up"});
        let text = table(&COLUMNS, &[nasty], Look::default());
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(['\x1b', '\x07', '\r', '\u{202e}']), "{text}");
        assert_eq!(printable_lines("a\x1bb\r\nc"), "a\u{fffd}b\nc\n");
    }

    #[test]
    fn details_show_groups_indented_and_lists_in_a_line() {
        let value = json!({
            "name": "pbx", "acl": ["192.0.2.0/24", "2001:db8::/32"], "nat": true, "fallback": null,
            "dial_plan": {"country": "49"},
            "origination": [{"uri": "sip:a", "priority": 1}, {"uri": "sip:b", "priority": 2}],
        });
        assert_eq!(
            details(&value, Look::default()),
            "name      pbx\n\
             acl       192.0.2.0/24, 2001:db8::/32\n\
             nat       yes\n\
             fallback  -\n\
             dial_plan\n  country  49\n\
             origination\n  uri       sip:a\n  priority  1\n\n  uri       sip:b\n  priority  2\n"
        );
    }
}
