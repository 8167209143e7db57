//! Lists that are only looked at: `registration`, `cert`, `audit`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::Path;
use super::context::{Common, Watch};
use super::failure::Failure;
use super::table::{Cell, Column, Tone, table, words};

#[derive(Args)]
pub(super) struct RegistrationArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: RegistrationVerb,
}

#[derive(Subcommand)]
enum RegistrationVerb {
    /// List where phones are registered with us, and we with providers.
    List {
        #[command(flatten)]
        watch: Watch,
    },
}

impl RegistrationArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let RegistrationVerb::List { watch } = self.verb;
        let look = || context.client.get(Path::of(&["registrations"]));
        let show = |answer: &Value| {
            context.output.show(answer, |answer, look| {
                let (places, providers) = (places(answer), rows(&answer["providers"]));
                let mut text = match places.is_empty() {
                    true => "no phone is registered with us\n".to_owned(),
                    false => table(&PLACES, &places, look),
                };
                if !providers.is_empty() {
                    text += &format!("\n{}", table(&PROVIDERS, &providers, look));
                }
                text
            })
        };
        context.output.watch(watch.watch, look, show).await
    }
}

fn rows(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A row for each place of each account.
fn places(answer: &Value) -> Vec<Value> {
    let accounts = answer["accounts"].as_array().into_iter().flatten();
    let places = accounts.flat_map(|account| {
        let bindings = account["bindings"].as_array().into_iter().flatten();
        bindings.map(|binding| {
            let mut row = binding.clone();
            row["aor"] = account["aor"].clone();
            row
        })
    });
    places.collect()
}

const PLACES: [Column; 5] = [
    Column::left("ACCOUNT", |place| words(&place["aor"]).into()),
    Column::left("CONTACT", |place| words(&place["contact"]).into()),
    Column::left("SOURCE", |place| words(&place["source"]).into()),
    Column::left("LISTENER", |place| words(&place["listener"]).into()),
    Column::right("EXPIRES", |place| within(&place["expires_s"])),
];

const PROVIDERS: [Column; 5] = [
    Column::left("TRUNK", |provider| words(&provider["trunk"]).into()),
    Column::left("AOR", |provider| words(&provider["aor"]).into()),
    Column::left("REGISTERED", |provider| {
        match provider["registered"] == true {
            true => Cell::toned("yes", Tone::Good),
            false => Cell::toned("no", Tone::Bad),
        }
    }),
    Column::right("EXPIRES", |provider| within(&provider["expires_s"])),
    Column::left("PROBLEM", |provider| words(&provider["problem"]).into()),
];

fn within(seconds: &Value) -> Cell {
    match seconds.as_u64() {
        None => "-".into(),
        Some(seconds) => format!("{seconds} s").into(),
    }
}

#[derive(Args)]
pub(super) struct CertArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: CertVerb,
}

#[derive(Subcommand)]
enum CertVerb {
    /// List certificates that the daemon shows, and until when they are valid.
    List {
        #[command(flatten)]
        watch: Watch,
    },
}

impl CertArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let CertVerb::List { watch } = self.verb;
        let look = || context.client.pages(Path::of(&["certificates"]), None);
        let none = "no certificates: no listener speaks TLS";
        let show = |answer: &Value| context.output.list(answer, &CERTIFICATES, none);
        context.output.watch(watch.watch, look, show).await
    }
}

const CERTIFICATES: [Column; 5] = [
    Column::left("USED BY", |certificate| {
        words(&certificate["used_by"]).into()
    }),
    Column::left("NAMES", |certificate| words(&certificate["names"]).into()),
    Column::left("KEY", |certificate| words(&certificate["key"]).into()),
    Column::left("UNTIL", |certificate| {
        words(&certificate["not_after"]).into()
    }),
    Column::right("DAYS LEFT", |certificate| {
        let days = words(&certificate["days_left"]);
        match certificate["days_left"].as_u64() {
            Some(0..7) => Cell::toned(days, Tone::Bad),
            Some(7..30) => Cell::toned(days, Tone::Warning),
            _ => days.into(),
        }
    }),
];

#[derive(Args)]
pub(super) struct AuditArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// At most so many, the newest first; 0: all.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl AuditArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let limit = Some(self.limit).filter(|limit| *limit > 0);
        let page = limit.map_or(1000, |limit| limit.min(1000)).to_string();
        let path = Path::of(&["audit"]).with("limit", Some(&page));
        let answer = context.client.pages(path, limit).await?;
        context
            .output
            .list(&answer, &AUDIT, "nothing was changed yet")
    }
}

const AUDIT: [Column; 8] = [
    Column::left("TIME", |entry| words(&entry["time"]).into()),
    Column::left("WHO", |entry| words(&entry["who"]).into()),
    Column::left("ROLE", |entry| words(&entry["role"]).into()),
    Column::left("FROM", |entry| words(&entry["from"]).into()),
    Column::left("ACTION", |entry| words(&entry["action"]).into()),
    Column::left("OBJECT", |entry| words(&entry["object"]).into()),
    Column::left("OUTCOME", |entry| match entry["outcome"].as_str() {
        None | Some("ok" | "done" | "success") => words(&entry["outcome"]).into(),
        Some(outcome) => Cell::toned(outcome, Tone::Bad),
    }),
    Column::left("DETAIL", |entry| match &entry["detail"] {
        Value::Object(fields) if fields.is_empty() => "-".into(),
        detail @ Value::Object(_) => detail.to_string().into(),
        other => words(other).into(),
    }),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::table::Look;

    #[test]
    fn each_place_of_a_phone_has_a_line() {
        let answer = json!({"accounts": [{"aor": "sip:alice@x", "bindings": [
            {"contact": "sip:a@192.0.2.1", "source": "192.0.2.1:5060", "expires_s": 60, "listener": "udp"},
            {"contact": "sip:a@192.0.2.2", "source": "192.0.2.2:5060", "expires_s": 90, "listener": "udp"},
        ]}, {"aor": "sip:bob@x", "bindings": []}], "providers": []});
        let text = table(&PLACES, &places(&answer), Look::default());
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!(text.matches("sip:alice@x").count(), 2);
        assert!(text.contains("60 s"));
    }
}
