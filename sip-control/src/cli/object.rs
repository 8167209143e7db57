//! What all objects of the configuration have in common: they are shown, created, changed and
//! deleted, each change on the condition that nobody else has changed the object meanwhile.

use std::path::PathBuf;

use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::assign::{self, Assignment};
use super::client::{Path, Request};
use super::context::Context;
use super::document;
use super::failure::Failure;
use super::fields::Field;
use super::table;

/// A kind of object.
pub(super) struct Kind {
    /// For people: `trunk`.
    pub(super) noun: &'static str,
    /// In paths: `trunks`.
    pub(super) collection: &'static str,
    /// The field that names one; `None` if the daemon does.
    pub(super) key: Option<&'static str>,
    pub(super) fields: &'static [Field],
}

/// Guards a change against another's.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Expected {
    /// Only if the object still has this version, which `show --json` gives. Default: the one that it
    /// has when the command begins.
    #[arg(long, value_name = "VERSION")]
    pub(super) if_version: Option<i64>,
}

/// What an object is made of.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Contents {
    /// Fields and their values.
    #[arg(value_name = "KEY=VALUE")]
    pub(super) assignments: Vec<Assignment>,
    /// An object in TOML or JSON, `-` for standard input; fields on the command line go before it.
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

impl Contents {
    /// The object that they make.
    pub(super) fn object(&self, fields: &[Field]) -> Result<Value, Failure> {
        let mut object = match &self.file {
            None => Value::Object(serde_json::Map::new()),
            file => document::writable(&document::read(file)?),
        };
        let said = assign::object(fields, &self.assignments)?;
        merge(&mut object, &said);
        Ok(object)
    }
}

/// RFC 7396 without deletions.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

impl Kind {
    fn path(&self, key: &str) -> Path {
        Path::of(&[self.collection, key])
    }

    /// All of them.
    pub(super) async fn list(&self, context: &Context) -> Result<Value, Failure> {
        context
            .client
            .pages(Path::of(&[self.collection]), None)
            .await
    }

    pub(super) async fn show(
        &self,
        context: &Context,
        key: &str,
        watch: bool,
    ) -> Result<(), Failure> {
        let look = || context.client.get(self.path(key));
        let show = |object: &Value| context.output.show(object, table::details);
        context.output.watch(watch, look, show).await
    }

    pub(super) async fn create(
        &self,
        context: &Context,
        key: Option<&str>,
        contents: &Contents,
    ) -> Result<(), Failure> {
        let mut object = contents.object(self.fields)?;
        if let (Some(field), Some(key)) = (self.key, key) {
            object[field] = key.into();
        }
        let request = Request::post(Path::of(&[self.collection]), object);
        let asked = context.client.ask(request).await;
        let created = asked.map_err(|failure| self.about(failure, key))?.json()?;
        context
            .output
            .done(&created, &format!("{} created", self.called(&created, key)))
    }

    pub(super) async fn set(
        &self,
        context: &Context,
        key: &str,
        assignments: &[Assignment],
        expected: &Expected,
    ) -> Result<(), Failure> {
        let changed = change(context, self.path(key), self.fields, assignments, expected).await?;
        context.output.done(
            &changed,
            &format!("{} changed", self.called(&changed, Some(key))),
        )
    }

    /// The whole object anew: from a file, standard input or an editor.
    pub(super) async fn edit(
        &self,
        context: &Context,
        key: &str,
        file: &Option<PathBuf>,
        expected: &Expected,
    ) -> Result<(), Failure> {
        let path = self.path(key);
        let present = context.client.ask(Request::get(path.clone())).await?;
        let tag = expected.tag(&present)?;
        let present = present.json()?;
        let name = self.called(&present, Some(key));
        let object = match file {
            Some(_) => Some(document::writable(&document::read(file)?)),
            None => document::edit(&name, &document::writable(&present))?,
        };
        let Some(object) = object else {
            return context
                .output
                .done(&present, &format!("{name} stays as it was"));
        };
        let request = Request::put(path, object).if_match(tag);
        let changed = context.client.ask(request).await?.json()?;
        context.output.done(&changed, &format!("{name} changed"))
    }

    pub(super) async fn delete(
        &self,
        context: &Context,
        key: &str,
        expected: &Expected,
    ) -> Result<(), Failure> {
        delete(context, self.path(key), expected).await?;
        let answer = serde_json::json!({ "deleted": key });
        context
            .output
            .done(&answer, &format!("{} {key} deleted", self.noun))
    }

    /// A failure that says of which object, where the daemon's words do not.
    fn about(&self, failure: Failure, key: Option<&str>) -> Failure {
        match key {
            Some(key) => failure.about(&format!("{} {}", self.noun, table::printable(key)), key),
            None => failure,
        }
    }

    fn called(&self, object: &Value, key: Option<&str>) -> String {
        let field = self.key.unwrap_or("id");
        let name = object[field].as_str().or(key).unwrap_or_default();
        format!("{} {}", self.noun, table::printable(name))
    }
}

impl Expected {
    /// The entity tag of the version that was asked for, or of what has just been read.
    pub(super) fn tag(&self, read: &super::client::Answer) -> Result<Option<String>, Failure> {
        if let Some(version) = self.if_version {
            return Ok(Some(format!("\"v{version}\"")));
        }
        match &read.tag {
            Some(tag) => Ok(Some(tag.clone())),
            None => Ok(read.json()?["version"]
                .as_i64()
                .map(|version| format!("\"v{version}\""))),
        }
    }
}

/// Patches what is at a path, as it is now.
pub(super) async fn change(
    context: &Context,
    path: Path,
    fields: &[Field],
    assignments: &[Assignment],
    expected: &Expected,
) -> Result<Value, Failure> {
    let make = |present: &Value| assign::patch(fields, assignments, present);
    change_with(context, path, make, expected).await
}

/// Patches it with what `make` makes of it as it is now.
pub(super) async fn change_with(
    context: &Context,
    path: Path,
    make: impl FnOnce(&Value) -> Result<Value, Failure>,
    expected: &Expected,
) -> Result<Value, Failure> {
    let present = context.client.ask(Request::get(path.clone())).await?;
    let patch = make(&present.json()?)?;
    let request = Request::patch(path, patch).if_match(expected.tag(&present)?);
    context.client.ask(request).await?.json()
}

/// Deletes what is at a path, as it is now.
pub(super) async fn delete(
    context: &Context,
    path: Path,
    expected: &Expected,
) -> Result<(), Failure> {
    let tag = match expected.if_version {
        Some(version) => Some(format!("\"v{version}\"")),
        None => expected.tag(&context.client.ask(Request::get(path.clone())).await?)?,
    };
    let request = Request::new(Method::DELETE, path).if_match(tag);
    context.client.ask(request).await.map(drop)
}

/// A word for where an object is kept.
pub(super) fn origin(object: &Value) -> table::Cell {
    match object["origin"].as_str() {
        _ if object["problem"].is_string() => {
            let problem = format!("not in effect: {}", table::words(&object["problem"]));
            table::Cell::toned(problem, table::Tone::Bad)
        }
        Some("file") => table::Cell::toned("file", table::Tone::Faint),
        _ => table::words(&object["origin"]).into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fields::TRUNK;
    use super::*;

    #[test]
    fn the_command_line_goes_before_the_file() {
        let path = std::env::temp_dir().join(format!("trunkline-object-{}", std::process::id()));
        let file = "secure = \"tls\"\nversion = 4\n[auth]\nuser = \"a\"\npassword = \"b\"\n";
        std::fs::write(&path, file).unwrap();
        let contents = Contents {
            assignments: vec!["auth.user=x".parse().unwrap(), "nat=on".parse().unwrap()],
            file: Some(path.clone()),
        };
        let object = contents.object(TRUNK);
        std::fs::remove_file(&path).unwrap();
        let expected =
            json!({"secure": "tls", "auth": {"user": "x", "password": "b"}, "nat": true});
        assert_eq!(object.unwrap(), expected);
    }
}
