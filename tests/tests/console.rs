//! The console in a real browser, served by a real daemon with a real call up (OPS-1, OPS-3). What is
//! clicked stands in `web/tests/console.mjs` and `day.mjs`; screenshots are left in `TRUNKLINE_SHOTS`, else in
//! `<target>/tmp/console`.
#![allow(clippy::unwrap_used)] // All of it is a test: to fail is what it is for.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use media_core::srtp::profile::Suite;
use tokio::sync::oneshot;
use trunkline_tests::agent::Authority;
use trunkline_tests::call::{Live, Script};
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::privilege::REQUIRE;
use trunkline_tests::stage::{Party, Stage};

const CALLER: Party = Party::CarrierSecure;
const CALLEE: Party = Party::PbxPlain;
/// Ten minutes of speech: more than the browser takes.
const PACKETS: u32 = 50 * 600;
/// What the browser says when it is about to press the button.
const HANGS_UP: &str = "hanging up";
/// Of the token that the browser signs in with.
const LABEL: &str = "console-test";
const CHROMIUM: &str = "/usr/bin/chromium";

/// Where the browser's script is, if it can be run. As root, with everything required, it must be.
fn script_directory() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/tests");
    let missing = if !directory.join("node_modules/playwright-core").is_dir() {
        "the browser's driver: `npm ci` in web/tests"
    } else if !Path::new(CHROMIUM).is_file() {
        CHROMIUM
    } else {
        return Some(directory);
    };
    assert!(
        std::env::var_os(REQUIRE).is_none(),
        "the console's test needs {missing}, and {REQUIRE} is set"
    );
    println!("skipped: the console's test needs {missing}");
    None
}

/// Files of this test alone, removed at its end.
struct Files(PathBuf);

impl Files {
    fn new() -> Files {
        let path = std::env::temp_dir().join(format!("trunkline-console-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Files(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A token of the role `admin`, made as an operator makes the first one.
fn token(edge: &Edge, label: &str) -> Result<String> {
    let output = Command::new(daemon_path()?)
        .args([
            "token", "create", "--label", label, "--role", "admin", "--json", "--socket",
        ])
        .arg(edge.control_socket())
        .output()?;
    ensure!(
        output.status.success(),
        "trunkline token create: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let made: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let token = made["token"].as_str().context("no token was printed")?;
    Ok(token.to_owned())
}

/// The browser's script; ended when dropped.
struct Browser(Child);

impl Browser {
    fn start(
        directory: &Path,
        script: &str,
        port: u16,
        environment: &[(&str, &str)],
    ) -> Result<Browser> {
        let shots = std::env::var_os("TRUNKLINE_SHOTS").map_or_else(
            || Path::new(env!("CARGO_TARGET_TMPDIR")).join("console"),
            PathBuf::from,
        );
        let child = Command::new("node")
            .arg(script)
            .current_dir(directory)
            .env("TRUNKLINE_URL", format!("http://127.0.0.1:{port}/"))
            .envs(environment.iter().copied())
            .env("TRUNKLINE_SHOTS", shots)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting node")?;
        Ok(Browser(child))
    }

    /// Reads what it says to the end; `hangs_up` is told when it is about to.
    fn follow(mut self, hangs_up: oneshot::Sender<()>) -> Result<()> {
        let output = self.0.stdout.take().context("no output")?;
        let mut said = String::new();
        let mut hangs_up = Some(hangs_up);
        for line in BufReader::new(output).lines() {
            let line = line?;
            if line.contains(HANGS_UP)
                && let Some(hangs_up) = hangs_up.take()
            {
                let _ = hangs_up.send(());
            }
            said += &line;
            said.push('\n');
        }
        print!("{said}");
        let status = self.0.wait()?;
        match status.success() {
            true => Ok(()),
            false => bail!("the console's test ended with {status}"),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Both sides talk until the browser is about to hang up; then both are told of it.
async fn talk_until_hung_up(call: &mut Live, hangs_up: oneshot::Receiver<()>) -> Result<()> {
    let (caller, callee) = (call.caller.media(), call.callee.media());
    tokio::select! {
        sent = async { tokio::try_join!(caller.send(PACKETS), callee.send(PACKETS)) } => {
            sent?;
            bail!("the browser did not hang up");
        }
        said = hangs_up => said.context("the browser ended before it hung up")?,
    }
    tokio::try_join!(call.caller.await_hang_up(), call.callee.await_hang_up())
        .context("neither side is to be left in a call that is over")?;
    Ok(())
}

/// A daemon with the API at a port.
fn start_edge(stage: &Stage, authority: &Authority, files: &Files, port: u16) -> Edge {
    let options = EdgeOptions {
        backend: Some("socket"),
        extra: format!(
            "[store]\npath = \"{}/store.db\"\n[api]\nlisten = \"127.0.0.1:{port}\"\n",
            files.0.display()
        ),
        ..EdgeOptions::default()
    };
    Edge::start(&daemon_path().unwrap(), stage, authority, &options).unwrap()
}

/// What is clicked, and what is waited for, stands in `web/tests/day.mjs`.
#[test]
fn ops_1_a_console_that_is_open_for_a_day_holds_no_more_than_in_the_morning() {
    let Some(directory) = script_directory() else {
        return;
    };
    let (stage, files, port) = (Stage::loopback(), Files::new(), free_port());
    let edge = start_edge(&stage, &Authority::new().unwrap(), &files, port);
    let (first, other) = (token(&edge, LABEL).unwrap(), token(&edge, "other").unwrap());
    let environment = [
        ("TRUNKLINE_TOKEN", first.as_str()),
        ("TRUNKLINE_OTHER_TOKEN", other.as_str()),
    ];
    let browser = Browser::start(&directory, "day.mjs", port, &environment).unwrap();
    let (nobody_hangs_up, _) = oneshot::channel();
    let watched = browser.follow(nobody_hangs_up);
    watched.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    assert!(!edge.log().contains("panicked"), "{}", edge.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ops_1_an_operator_makes_a_trunk_and_hangs_up_a_call_in_the_console() {
    let Some(directory) = script_directory() else {
        return;
    };
    let (stage, files, port) = (Stage::loopback(), Files::new(), free_port());
    let authority = Authority::new().unwrap();
    let edge = start_edge(&stage, &authority, &files, port);
    let token = token(&edge, LABEL).unwrap();
    let script = Script {
        caller: CALLER,
        callee: CALLEE,
        packets: PACKETS,
        hold: false,
        caller_hangs_up: true,
        suite: Suite::AesCm128HmacSha1_80,
    };
    let mut call = Live::set_up(&stage, &authority, script, 1).await.unwrap();

    let environment = [
        ("TRUNKLINE_TOKEN", token.as_str()),
        ("TRUNKLINE_CALL_FROM", CALLER.number()),
        ("TRUNKLINE_CALL_TO", CALLEE.number()),
    ];
    let browser = Browser::start(&directory, "console.mjs", port, &environment).unwrap();
    let (tell, hangs_up) = oneshot::channel();
    let browser = tokio::task::spawn_blocking(move || browser.follow(tell));
    let talked = talk_until_hung_up(&mut call, hangs_up).await;
    // What the browser has to say of a failure says more.
    let clicked = browser.await.unwrap();
    clicked.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));
    talked.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", edge.log()));

    let record = edge.wait_for_records(1).unwrap().remove(0);
    assert_eq!(record["status"], 200, "{record:#}");
    assert_eq!(record["ended_by"], "trunkline", "{record:#}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!edge.log().contains("panicked"), "{}", edge.log());
}
