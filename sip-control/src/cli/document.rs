//! Objects as files: TOML or JSON, from a file, standard input or an editor.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

use super::failure::{Failure, name_of};

/// What the daemon adds to an object, and nobody writes.
const READ_ONLY: [&str; 9] = [
    "origin",
    "version",
    "state",
    "bindings",
    "id",
    "position",
    "updated",
    "problem",
    "failing_since",
];
/// Before the flags that stand for secrets.
const SECRET_FLAG: &str = "has_";

/// The text of a file; `-`, or none, is standard input.
pub(super) fn text(path: &Option<PathBuf>) -> Result<String, Failure> {
    match path {
        Some(path) if path.as_os_str() != "-" => {
            fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
        }
        _ => {
            let mut text = String::new();
            io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage(format!("standard input: {error}")))?;
            Ok(text)
        }
    }
}

/// The first line of a file, as of one that holds a password or a token.
pub(super) fn first_line(path: &Path) -> Result<String, Failure> {
    let text = text(&Some(path.to_owned()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// An object in TOML or JSON.
pub(super) fn read(path: &Option<PathBuf>) -> Result<Value, Failure> {
    parse(&text(path)?).map_err(|problem| Failure::usage(format!("{}: {problem}", name_of(path))))
}

/// An object that begins with a brace is in JSON, any other in TOML.
fn parse(text: &str) -> Result<Value, String> {
    match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}")),
        false => toml::from_str(text).map_err(|error| {
            format!(
                "neither TOML nor a JSON object: {}",
                error.to_string().trim()
            )
        }),
    }
}

/// The object without what only the daemon writes.
pub(super) fn writable(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
    }
    strip(&mut value);
    value
}

/// TOML has no null, and an absent field is the default everywhere.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| !value.is_null() && !name.starts_with(SECRET_FLAG));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// As TOML, simple values before tables.
pub(super) fn as_toml(value: &Value) -> Result<String, Failure> {
    toml::to_string_pretty(&tables_last(value)).map_err(|error| Failure::Other(error.into()))
}

fn tables_last(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_table = |value: &Value| match value {
                Value::Object(_) => true,
                Value::Array(items) => items.iter().any(Value::is_object),
                _ => false,
            };
            let (tables, simple): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, value)| is_table(value));
            let ordered = simple.into_iter().chain(tables);
            Value::Object(
                ordered
                    .map(|(name, value)| (name.clone(), tables_last(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(tables_last).collect(),
        simple => simple.clone(),
    }
}

/// What `$VISUAL` or `$EDITOR` makes of an object; `None` if nothing was changed.
pub(super) fn edit(name: &str, value: &Value) -> Result<Option<Value>, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage(
            "no terminal for an editor; expected --file with a file, or - for standard input",
        ));
    }
    let before = format!(
        "# {name}. Secrets are not shown, and stay if they are not set here.\n{}",
        as_toml(value)?
    );
    let path = std::env::temp_dir().join(format!("trunkline-{}.toml", std::process::id()));
    let edited = with_editor(&path, &before);
    let _ = fs::remove_file(&path);
    let after = edited?;
    if after == before {
        return Ok(None);
    }
    parse(&after)
        .map(Some)
        .map_err(|problem| Failure::usage(format!("{name}: {problem}")))
}

fn with_editor(path: &Path, text: &str) -> Result<String, Failure> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        // Not one that somebody has put there for us.
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Failure::file(path, &error))?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "vi".to_owned());
    let mut words = editor.split_ascii_whitespace();
    let status = Command::new(words.next().unwrap_or("vi"))
        .args(words)
        .arg(path)
        .status()
        .map_err(|error| Failure::usage(format!("the editor {editor:?}: {error}")))?;
    if !status.success() {
        return Err(Failure::usage(format!("the editor {editor:?}: {status}")));
    }
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn toml_and_json_are_told_apart() {
        let expected = json!({"name": "pbx", "acl": ["192.0.2.1"]});
        assert_eq!(
            parse("name = \"pbx\"\nacl = [\"192.0.2.1\"]").unwrap(),
            expected
        );
        assert_eq!(
            parse(" {\"name\": \"pbx\", \"acl\": [\"192.0.2.1\"]}").unwrap(),
            expected
        );
        assert!(parse("{\"name\"").unwrap_err().contains("no JSON"));
        let problem = parse("name: pbx").unwrap_err();
        assert!(problem.contains("neither TOML"), "{problem}");
    }

    #[test]
    fn what_one_edits_is_what_one_may_write() {
        let trunk = json!({
            "name": "pbx", "origin": "store", "version": 3, "state": {"calls": 1},
            "auth": {"user": "x", "has_password": true}, "fallback": null, "secure": "tls",
            "origination": [{"uri": "sip:a", "weight": 1}],
        });
        let toml = as_toml(&writable(&trunk)).unwrap();
        assert_eq!(
            toml,
            "name = \"pbx\"\nsecure = \"tls\"\n\n[auth]\nuser = \"x\"\n\n[[origination]]\nuri = \"sip:a\"\nweight = 1\n"
        );
        assert_eq!(parse(&toml).unwrap(), writable(&trunk));
    }
}
