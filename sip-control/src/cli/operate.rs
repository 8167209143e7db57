//! The daemon as a whole: `status`, `health`, `drain`, `backup`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::client::{Path, Request};
use super::context::{Common, Context, Watch};
use super::failure::Failure;
use super::moment::span_argument;
use super::table::{self, Look, Tone, words};
use crate::status;

/// Between two looks at the calls that are left.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    watch: Watch,
}

impl StatusArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let look = || context.client.get(Path::of(&["status"]));
        let show = |answer: &Value| {
            context
                .output
                .show(answer, |status, _| status::table(status))
        };
        context.output.watch(self.watch.watch, look, show).await
    }
}

#[derive(Args)]
pub(super) struct HealthArguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    watch: Watch,
    /// Only whether it takes new calls.
    #[arg(long)]
    ready: bool,
}

impl HealthArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        if self.ready {
            return ready(&context).await;
        }
        let look = || context.client.get(Path::of(&["health"]));
        let is_well = std::cell::Cell::new(true);
        let show = |answer: &Value| {
            is_well.set(answer["status"] == "ok");
            context.output.show(answer, health)
        };
        context.output.watch(self.watch.watch, look, show).await?;
        match is_well.get() {
            true => Ok(()),
            false => Err(Failure::Unhealthy),
        }
    }
}

async fn ready(context: &Context) -> Result<(), Failure> {
    match context.client.get(Path::of(&["ready"])).await {
        Ok(answer) => context.output.done(&answer, "ready"),
        Err(Failure::Refused(problem)) if problem.status == 503 => {
            let said = match &problem.body["reason"] {
                Value::Null => problem.words(),
                reason => words(reason),
            };
            context
                .output
                .done(&problem.body, &format!("not ready: {said}"))?;
            Err(Failure::Unhealthy)
        }
        Err(failure) => Err(failure),
    }
}

/// In a word, then what is wrong, then the figures.
fn health(health: &Value, look: Look) -> String {
    let (word, tone) = match health["status"].as_str() {
        Some("ok") => ("ok", Tone::Good),
        _ => ("DEGRADED", Tone::Bad),
    };
    let mut text = tone.paint(word, look.colour);
    if health["draining"] == true {
        text += &format!(", {}", Tone::Warning.paint("draining", look.colour));
    }
    text += "\n";
    for problem in health["problems"].as_array().into_iter().flatten() {
        let line = format!(
            "  {}: {}, since {}",
            words(&problem["what"]),
            words(&problem["detail"]),
            words(&problem["since"])
        );
        text += &format!("{}\n", tone.paint(&line, look.colour));
    }
    let mut figures = health.clone();
    if let Some(fields) = figures.as_object_mut() {
        fields.retain(|name, _| !["status", "problems", "draining"].contains(&name.as_str()));
    }
    text + &table::details(&figures, look)
}

#[derive(Args)]
pub(super) struct DrainArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// on: no new calls.   off: calls again.
    switch: Switch,
    /// Until no call is left.
    #[arg(long)]
    wait: bool,
    /// At most so long, such as 10m; then it fails, and the daemon still drains.
    #[arg(long, value_name = "TIME", value_parser = span_argument, requires = "wait")]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl DrainArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let on = self.switch == Switch::On;
        let request = Request::post(Path::of(&["drain"]), json!({ "on": on }));
        let mut answer = context.client.ask(request).await?.json()?;
        if !(on && self.wait) {
            let said = match on {
                true => "draining: no new calls, those that are up go on",
                false => "no longer draining: calls are taken again",
            };
            return context.output.done(&answer, said);
        }
        let until = self.timeout.map(|timeout| Instant::now() + timeout);
        let mut said = None;
        loop {
            let live = live_calls(&context).await?;
            if live == 0 {
                answer["live"] = 0.into();
                return context.output.done(&answer, "drained: no call is left");
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(
                    anyhow::anyhow!("calls still up: {live}; the daemon still drains").into(),
                );
            }
            if said.replace(live) != Some(live) && !context.output.json {
                eprintln!("trunkline: calls still up: {live}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn live_calls(context: &Context) -> Result<u64, Failure> {
    let health = context.client.get(Path::of(&["health"])).await?;
    let live = health["calls"]["live"].as_u64();
    live.ok_or_else(|| anyhow::anyhow!("the daemon does not say how many calls are up").into())
}

#[derive(Args)]
pub(super) struct BackupArguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// A file on the daemon's host, which the daemon writes; it may take calls meanwhile.
    path: PathBuf,
}

impl BackupArguments {
    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        let path = match context.client.is_local() {
            // Of this directory, not of the daemon's.
            true => std::path::absolute(&self.path)
                .map_err(|error| Failure::file(&self.path, &error))?,
            false => self.path,
        };
        let path = path
            .to_str()
            .ok_or_else(|| Failure::usage(format!("{}: is not UTF-8", path.display())))?;
        let request = Request::post(Path::of(&["backup"]), json!({ "path": path })).takes_long();
        let answer = context.client.ask(request).await?.json()?;
        let size = match answer["bytes"].as_u64() {
            Some(bytes) => format!(", {bytes} bytes"),
            None => String::new(),
        };
        context
            .output
            .done(&answer, &format!("the store is in {path}{size}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_says_first_what_is_wrong() {
        let answer = json!({"status": "degraded", "version": "0.1.0", "draining": true,
            "problems": [{"what": "store", "detail": "disk full", "since": "2026-11-30T05:36:33Z"}],
            "calls": {"live": 3, "limit": 10000}});
        assert_eq!(
            health(&answer, Look::default()),
            "DEGRADED, draining\n  store: disk full, since 2026-11-30T05:36:33Z\n\
             version  0.1.0\ncalls\n  live   3\n  limit  10000\n"
        );
    }
}
