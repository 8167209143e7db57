//! SIPp as caller and as callee, by the scenarios in `scenarios/`, or as its own "uac".
//!
//! A scenario says what is to be heard as well as what is said: SIPp's exit status tells whether
//! every call went that way.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sip_core::transport::Transport;

use crate::lab::Namespace;
use crate::peer::{self, Directory, Peer};

/// How long a scenario may take if a test says nothing else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Where a SIPp stands.
#[derive(Clone, Copy)]
pub struct Post<'n> {
    pub namespace: &'n Namespace,
    pub address: SocketAddr,
    pub transport: Transport,
}

/// A running SIPp; ended when dropped.
pub struct Sipp {
    peer: Peer,
    scenario: String,
    directory: PathBuf,
    name: String,
}

impl Sipp {
    /// Takes calls from now on; a single one, unless the arguments say how many (`-m`).
    pub fn callee(
        post: Post<'_>,
        files: &Directory,
        scenario: &str,
        arguments: &[&str],
    ) -> Result<Sipp> {
        let mut sipp = Sipp::start(post, files, scenario, arguments)?;
        let started = Instant::now();
        // It says nothing when it is ready.
        while !peer::is_bound(post.namespace, post.transport, post.address)? {
            ensure!(
                sipp.peer.is_running()? && started.elapsed() < PATIENCE,
                "SIPp does not listen on {}:\n{}",
                post.address,
                sipp.told()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(sipp)
    }

    /// Calls `number` at `target`; once, unless the arguments say how often (`-m`).
    pub fn caller(
        post: Post<'_>,
        files: &Directory,
        scenario: &str,
        (number, target): (&str, SocketAddr),
        arguments: &[&str],
    ) -> Result<Sipp> {
        let target = target.to_string();
        let all = [&["-s", number], arguments, &[&target]].concat();
        Sipp::start(post, files, scenario, &all)
    }

    fn start(
        post: Post<'_>,
        files: &Directory,
        scenario: &str,
        arguments: &[&str],
    ) -> Result<Sipp> {
        let Post {
            address, transport, ..
        } = post;
        let name = format!("{scenario}-{}-{}", address.ip(), address.port());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mode = if transport == Transport::Udp {
            "u1"
        } else {
            "t1"
        };
        let mut command = post.namespace.command("sipp");
        command
            .current_dir(files.path())
            .args(["-t", mode, "-i", &ip, "-mi", &ip, "-p", &port])
            .args(["-bind_local", "-nostdin", "-trace_err", "-error_file"])
            .arg(format!("{name}.errors"))
            .args(["-trace_msg", "-message_file"])
            .arg(format!("{name}.messages"));
        match scenario {
            // SIPp's own; its "uas" waits for 4 s after its last call.
            "uac" => command.args(["-sn", scenario]),
            ours => command.arg("-sf").arg(path_of(ours)),
        };
        if !arguments.contains(&"-m") {
            command.args(["-m", "1"]);
        }
        command.args(arguments);
        let peer = Peer::start(command, &files.path().join(format!("{name}.log")))?;
        Ok(Sipp {
            peer,
            scenario: scenario.to_owned(),
            directory: files.path().to_owned(),
            name,
        })
    }

    /// Waits for its end: every call must have gone as the scenario says.
    pub fn finish(&mut self, limit: Duration) -> Result<()> {
        let status = self
            .peer
            .wait(limit)
            .with_context(|| self.told())
            .with_context(|| format!("SIPp, {}", self.scenario))?;
        ensure!(
            status.success(),
            "SIPp, {}: {status}\n{}",
            self.scenario,
            self.told()
        );
        Ok(())
    }

    pub fn is_running(&mut self) -> Result<bool> {
        self.peer.is_running()
    }

    /// Ends it as a power cut would.
    pub fn kill(self) -> Result<()> {
        self.peer.kill()
    }

    /// Every message that it sent and received so far.
    pub fn messages(&self) -> String {
        self.file("messages")
    }

    /// What was not as the scenario says, and the messages that led there.
    fn told(&self) -> String {
        let messages = self.messages();
        let tail = messages.len().saturating_sub(20_000);
        let tail = messages.get(tail..).unwrap_or(&messages);
        format!("{}\n{tail}", self.file("errors"))
    }

    fn file(&self, kind: &str) -> String {
        let path = self.directory.join(format!("{}.{kind}", self.name));
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }
}

fn path_of(scenario: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    directory.join(format!("{scenario}.xml"))
}
