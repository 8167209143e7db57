//! `--console`: calls that go on, the console beside them, until somebody has seen enough.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use trunkline_tests::agent::Authority;
use trunkline_tests::crowd::{self, Lane};
use trunkline_tests::door::Door;
use trunkline_tests::edge::{Edge, EdgeOptions};
use trunkline_tests::lab::Host;
use trunkline_tests::stage::{Party, Stage};

/// Where the daemon listens inside its namespace.
const INNER_PORT: u16 = 8080;

/// Starts the daemon and the callers, says where the console is, and keeps all of it up until the
/// future is dropped.
pub(crate) async fn show(daemon: &Path, stage: Stage, json: bool) -> Result<()> {
    let authority = Arc::new(Authority::new()?);
    let stage = Arc::new(stage);
    let inside = match stage.namespaces() {
        Some(_) => INNER_PORT,
        None => free_port()?,
    };
    let edge = start(daemon, &stage, &authority, inside)?;
    // Namespaces have a loopback of their own.
    let door = match stage.namespaces() {
        Some(_) => Some(Door::open(stage.place(Host::Edge), inside).await?),
        None => None,
    };
    let address = door
        .as_ref()
        .map_or_else(|| SocketAddr::from(([127, 0, 0, 1], inside)), Door::address);
    let token = prepare(&edge, &stage)?;
    let mut lanes = JoinSet::new();
    for lane in Lane::all() {
        let (stage, authority) = (Arc::clone(&stage), Arc::clone(&authority));
        lanes.spawn(async move { lane.run(&stage, &authority).await });
    }
    say(address, &token, json);
    // Nobody of the crowd ever goes home by itself.
    lanes.join_next().await;
    drop(edge);
    Ok(())
}

fn start(daemon: &Path, stage: &Stage, authority: &Authority, port: u16) -> Result<Edge> {
    let options = EdgeOptions {
        trunk_lines: vec![(Party::CarrierPlain, "source = \"latch\"".to_owned())],
        keeps_store: true,
        extra: format!("[api]\nlisten = \"127.0.0.1:{port}\"\n"),
        ..EdgeOptions::default()
    };
    Edge::start(daemon, stage, authority, &options)
}

/// Puts the telephones' trunks into the store, and makes a token.
fn prepare(edge: &Edge, stage: &Stage) -> Result<String> {
    let sections = edge.directory().join("telephones.toml");
    std::fs::write(&sections, crowd::sections(stage))?;
    let sections = sections.to_str().context("a path that is not UTF-8")?;
    edge.ask(&["import", sections, "--yes"])?;
    let created = edge.ask(&[
        "token", "create", "--label", "demo", "--role", "admin", "--json",
    ])?;
    let created: Value = serde_json::from_str(&created)
        .with_context(|| format!("trunkline token create said {created}"))?;
    let token = created["token"].as_str();
    ensure!(
        token.is_some(),
        "trunkline token create gave no token: {created}"
    );
    Ok(token.unwrap_or_default().to_owned())
}

fn say(address: SocketAddr, token: &str, json: bool) {
    let url = format!("http://{address}");
    if json {
        let api = format!("{url}/api/v1");
        let line = json!({"url": url, "token": token, "api": api, "openapi": format!("{api}/openapi.json")});
        println!("{line}");
        return;
    }
    println!("The console: {url}");
    println!("Its token:   {token}");
    println!(
        "Four telephones are called again and again, by a carrier on TLS and SRTP and by one on UDP."
    );
    println!("Ctrl-C ends it all.");
}

/// A port of loopback that was free a moment ago.
fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
