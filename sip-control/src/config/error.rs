//! What is wrong with a configuration, in one line: file, place, key, what is expected.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One line for the operator, e.g.
/// `/etc/trunkline/trunkline.toml:12:15: trunks[0].destination (carrier): …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    /// Line and column, from 1.
    position: Option<(usize, usize)>,
    key: String,
    problem: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.problem.replace('\n', " "))
    }
}

impl ConfigError {
    /// What it is about: `trunks[0].acl (carrier)`; empty for the text as a whole.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What is wrong, with line and column but without file and key.
    pub(crate) fn told(&self) -> String {
        let problem = self.problem.replace('\n', " ");
        match self.position {
            Some((line, column)) => format!("{problem} (line {line}, column {column})"),
            None => problem,
        }
    }

    /// The file itself could not be used.
    pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> ConfigError {
        ConfigError {
            file: file.to_owned(),
            position: None,
            key: String::new(),
            problem: format!("cannot be read: {error}"),
        }
    }

    /// The parser or serde refused it.
    pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
        let offset = error.span().map(|span| span.start);
        let mut key = offset
            .map(|offset| key_at(text, offset))
            .unwrap_or_default();
        let mut problem = told_without_secrets(&key, error.message());
        if let Some(field) = quoted_after(&problem, "missing field ") {
            let separator = if key.is_empty() { "" } else { "." };
            (key, problem) = (format!("{key}{separator}{field}"), "missing".to_owned());
        }
        ConfigError {
            file: file.to_owned(),
            position: offset.map(|offset| line_and_column(text, offset)),
            key: with_name(text, &key),
            problem,
        }
    }

    /// A value that parses, but does not make sense.
    pub(super) fn fault(file: &Path, text: &str, fault: Fault) -> ConfigError {
        ConfigError {
            file: file.to_owned(),
            position: offset_of(text, &fault.key).map(|offset| line_and_column(text, offset)),
            key: with_name(text, &fault.key),
            problem: fault.problem,
        }
    }
}

/// A value that does not make sense, before its place in the file is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Dotted, with indices: `trunks[1].destination`.
    pub(super) key: String,
    pub(super) problem: String,
}

impl Fault {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Fault {
        Fault {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

/// A message of serde about what stands at `key`, without what stands there if that may be a secret.
pub(crate) fn told_without_secrets(key: &str, message: &str) -> String {
    match holds_secrets(key) {
        true => without_value(message),
        false => message.to_owned(),
    }
}

/// Sections with passwords in them. Where one of these stands as text or number, that may be one.
fn holds_secrets(key: &str) -> bool {
    let names = key.split('.').map(|part| part.split('[').next());
    names
        .flatten()
        .any(|name| ["auth", "credentials", "accounts", "password", "secret"].contains(&name))
}

/// serde's `invalid type: string "…", expected …` without what was found.
fn without_value(message: &str) -> String {
    let found = ["invalid type: ", "invalid value: "];
    let shows_it = found.iter().any(|start| message.starts_with(start));
    match message.rsplit_once(", expected ") {
        // `struct AuthSection` says nothing to an operator.
        Some((_, expected)) if shows_it && expected.starts_with("struct ") => {
            "is no table; expected one".to_owned()
        }
        Some((_, expected)) if shows_it => format!("is something else; expected {expected}"),
        _ => message.to_owned(),
    }
}

fn quoted_after<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message
        .strip_prefix(prefix)?
        .strip_prefix('`')?
        .strip_suffix('`')
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    (
        line,
        String::from_utf8_lossy(&before[line_start..])
            .chars()
            .count()
            + 1,
    )
}

/// The dotted path of what stands at `offset`: a key of a table, or its value.
fn key_at(text: &str, offset: usize) -> String {
    // A text with a syntax error still has the part that could be parsed.
    let (table, _) = DeTable::parse_recoverable(text);
    let mut path = String::new();
    descend(table.get_ref(), offset, &mut path);
    path
}

fn descend(table: &DeTable<'_>, offset: usize, path: &mut String) {
    for (key, value) in table {
        let own = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key.get_ref());
        if descend_value(value, offset, path) || key.span().contains(&offset) {
            return;
        }
        path.truncate(own);
    }
}

/// Whether `offset` is in `value`; then `path` names the innermost part that it is in.
fn descend_value(value: &Spanned<DeValue<'_>>, offset: usize, path: &mut String) -> bool {
    let own = path.len();
    match value.get_ref() {
        DeValue::Table(table) => descend(table, offset, path),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                if descend_value(element, offset, path) {
                    return true;
                }
                path.truncate(own);
            }
        }
        _ => {}
    }
    path.len() > own || value.span().contains(&offset)
}

/// Where the value of a dotted path stands, or the deepest part of it that exists.
fn offset_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut offset = None;
    for part in key.split('.') {
        let (name, indices) = part
            .split_once('[')
            .map_or((part, ""), |(name, rest)| (name, rest));
        let Some(mut value) = table.get(name) else {
            break;
        };
        offset = Some(value.span().start);
        for index in indices
            .split('[')
            .filter_map(|index| index.trim_end_matches(']').parse::<usize>().ok())
        {
            let Some(element) = value
                .get_ref()
                .as_array()
                .and_then(|array| array.get(index))
            else {
                break;
            };
            value = element;
            offset = Some(value.span().start);
        }
        let Some(inner) = value.get_ref().as_table() else {
            break;
        };
        table = inner;
    }
    offset
}

/// `trunks[1].destination` and the `name` of that trunk: people count names, not places.
fn with_name(text: &str, key: &str) -> String {
    let name = (|| {
        let (section, rest) = key.split_once('[')?;
        let index = rest.split_once(']')?.0.parse::<usize>().ok()?;
        let (document, _) = DeTable::parse_recoverable(text);
        let entry = document
            .get_ref()
            .get(section)?
            .get_ref()
            .as_array()?
            .get(index)?;
        entry
            .get_ref()
            .as_table()?
            .get("name")?
            .get_ref()
            .as_str()
            .map(str::to_owned)
    })();
    match name {
        Some(name) => format!("{key} ({name})"),
        None => key.to_owned(),
    }
}
