//! What operating costs: reads of the HTTP API while many calls are up, and how soon the console is
//! there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};
use trunkline_tests::api::Api;
use trunkline_tests::door::Door;

use super::contender::Bench;
use super::histogram::Histogram;
use super::scenario::Scenario;
use super::trunkline::Trunkline;
use crate::media::report::{Aim, Section, rounded, short};

const CALLS: usize = 10_000;
const QUICK_CALLS: usize = 2_000;
const RATE: f64 = 500.0;
/// Of each resource, by each of [`CLIENTS`].
const READS: usize = 250;
const QUICK_READS: usize = 50;
/// At once, each on a connection of its own.
const CLIENTS: usize = 4;
/// Until the daemon has sampled the calls' flows a few times.
const SETTLED: Duration = Duration::from_secs(12);

/// The slowest hundredth of reads, ms.
const AIM_MS: f64 = 20.0;
/// All that a browser loads before it shows something, compressed.
const AIM_BUNDLE_BYTES: f64 = 250_000.0;
const AIM_PAINT_MS: f64 = 1000.0;

/// Where the daemon listens inside its namespace.
const INNER_PORT: u16 = 8080;

/// Where `cargo xtask` has put the console, built.
const WEB: &str = "TRUNKLINE_WEB_DIR";

/// What the console asks for, by name; `{call}` is a call that is up.
const RESOURCES: [(&str, &str); 11] = [
    ("calls", "/calls?limit=100"),
    ("calls_search", "/calls?limit=100&search=carrier"),
    ("call", "/calls/{call}"),
    ("ladder", "/calls/{call}/ladder"),
    ("trunks", "/trunks"),
    ("routes", "/routes"),
    ("history", "/history?limit=100"),
    ("events", "/events?limit=100"),
    ("health", "/health"),
    ("status", "/status"),
    ("flows", "/flows?limit=100"),
];

/// `reads`: how long each takes with all calls up, over connections that stay.
pub fn reads(bench: &Bench<'_>) -> Result<Section> {
    let (count, reads) = match bench.is_quick {
        true => (QUICK_CALLS, QUICK_READS),
        false => (CALLS, READS),
    };
    let directory = bench.directory();
    let extra = format!(
        "[api]\nlisten = \"127.0.0.1:{INNER_PORT}\"\n[store]\npath = \"{}/store.db\"\n",
        directory.display()
    );
    let _edge = Trunkline::start_with(bench, Scenario::Udp, &extra)?;
    let mut generator = bench.generator(Scenario::Udp)?;
    let established = bench.alone(|| generator.establish(count, RATE))?;
    ensure!(
        established == count as u64,
        "{established} of {count} calls were established"
    );
    std::thread::sleep(SETTLED);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let socket = directory.join("control.sock");
    let (mut values, mut lines) = (Map::new(), Vec::new());
    values.insert("api_calls_up".to_owned(), rounded(count as f64));
    let mut slowest: f64 = 0.0;
    for (name, path) in RESOURCES {
        let taken = runtime
            .block_on(measure(&socket, path, reads))
            .with_context(|| format!("reading {path}"))?;
        let [median, p99] = [0.5, 0.99].map(|share| taken.quantile_us(share) / 1000.0);
        slowest = slowest.max(p99);
        values.insert(format!("api_{name}_ms_median"), rounded(median));
        values.insert(format!("api_{name}_ms_p99"), rounded(p99));
        lines.push(format!(
            "{path}: {} ms, p99 {} ms",
            short(median),
            short(p99)
        ));
    }
    values.insert("api_read_ms_p99".to_owned(), rounded(slowest));
    Ok(Section {
        key: "reads",
        values: Value::Object(values),
        lines,
        aims: vec![Aim::at_most("api_read_ms_p99", AIM_MS, slowest)],
    })
}

/// Each of several clients reads the resource again and again.
async fn measure(socket: &Path, path: &str, reads: usize) -> Result<Histogram> {
    let mut first = Api::over_socket(socket).await?;
    let path = match path.contains("{call}") {
        true => path.replace("{call}", &any_call(&mut first).await?),
        false => path.to_owned(),
    };
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut api = Api::over_socket(socket).await?;
        let path = path.clone();
        clients.push(async move {
            let mut taken = Vec::with_capacity(reads);
            for _ in 0..reads {
                let begun = Instant::now();
                // What a client makes of it is not the daemon's time, and would be the others'
                // here: they share a thread.
                let answer = api.get(&path).await?;
                taken.push(begun.elapsed());
                ensure!(answer.status == StatusCode::OK, "{path}: {}", answer.status);
            }
            Ok::<_, anyhow::Error>(taken)
        });
    }
    let mut histogram = Histogram::default();
    let mut tasks = tokio::task::JoinSet::new();
    for client in clients {
        tasks.spawn(client);
    }
    while let Some(client) = tasks.join_next().await {
        for taken in client?? {
            histogram.add(taken);
        }
    }
    Ok(histogram)
}

/// The number of a call that is up.
async fn any_call(api: &mut Api) -> Result<String> {
    let page = api.get_json("/calls?limit=1").await?;
    let call = page["items"][0]["call"].as_u64();
    Ok(call
        .with_context(|| format!("no call is up: {page}"))?
        .to_string())
}

/// `bundle`: what a browser loads, compressed.
pub fn bundle(_: &Bench<'_>) -> Result<Section> {
    let directory = PathBuf::from(
        std::env::var_os(WEB)
            .with_context(|| format!("{WEB} is not set: cargo xtask bench api sets it"))?,
    );
    let mut compressed = 0;
    let mut files = Vec::new();
    gather(&directory, &mut files)?;
    for file in &files {
        if file.extension().is_some_and(|extension| extension == "br") {
            compressed += std::fs::metadata(file)?.len();
        }
    }
    ensure!(
        compressed > 0,
        "no compressed file in {}",
        directory.display()
    );
    let compressed = compressed as f64;
    let mut values = Map::new();
    values.insert("console_bundle_bytes".to_owned(), rounded(compressed));
    Ok(Section {
        key: "bundle",
        values: Value::Object(values),
        lines: vec![format!(
            "the console: {} bytes compressed",
            short(compressed)
        )],
        aims: vec![Aim::at_most(
            "console_bundle_bytes",
            AIM_BUNDLE_BYTES,
            compressed,
        )],
    })
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => gather(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

/// `first_paint`: how soon a browser shows something, signed in, with the calls of [`reads`] up.
pub fn first_paint(bench: &Bench<'_>) -> Result<Section> {
    let directory = bench.directory();
    let extra = format!(
        "[api]\nlisten = \"127.0.0.1:{INNER_PORT}\"\n[store]\npath = \"{}/paint.db\"\n",
        directory.display()
    );
    let _edge = Trunkline::start_with(bench, Scenario::Udp, &extra)?;
    let mut generator = bench.generator(Scenario::Udp)?;
    bench.alone(|| generator.establish(QUICK_CALLS, RATE))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let door = runtime.block_on(Door::open(bench.lab.edge.place(), INNER_PORT))?;
    let token = runtime.block_on(make_token(&directory.join("control.sock")))?;
    let output = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/tests/first-paint.mjs"))
        .env("TRUNKLINE_URL", format!("http://{}", door.address()))
        .env("TRUNKLINE_TOKEN", token)
        .env("TRUNKLINE_SHOTS", directory)
        .output()
        .context("running node")?;
    ensure!(
        output.status.success(),
        "first-paint.mjs: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value =
        serde_json::from_slice(&output.stdout).context("what first-paint.mjs said")?;
    let paint = said["first_contentful_paint_ms"]
        .as_f64()
        .with_context(|| format!("no first paint in {said}"))?;
    let mut values = Map::new();
    values.insert("console_first_paint_ms".to_owned(), rounded(paint));
    Ok(Section {
        key: "first_paint",
        values: Value::Object(values),
        lines: vec![format!("the console's first paint: {} ms", short(paint))],
        aims: vec![Aim::at_most("console_first_paint_ms", AIM_PAINT_MS, paint)],
    })
}

async fn make_token(socket: &Path) -> Result<String> {
    let mut api = Api::over_socket(socket).await?;
    let wanted = json!({"label": "bench", "role": "admin"});
    let created = api
        .send(Method::POST, "/tokens", Some(&wanted), None)
        .await?
        .json()?;
    let token = created["token"].as_str();
    Ok(token
        .with_context(|| format!("no token: {created}"))?
        .to_owned())
}
