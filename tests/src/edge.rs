//! The daemon under test: its configuration, its process, what it reports.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sip_core::transport::Transport;

use crate::agent::{Authority, uri_host};
use crate::lab::Host;
use crate::stage::{Party, Stage};
use crate::sys;

/// How long the daemon may take to be ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a test changes of the standard configuration.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    /// `media.backend`; by default what the stage has.
    pub backend: Option<&'static str>,
    /// Settings for a party's trunk, TOML lines.
    pub trunk_lines: Vec<(Party, String)>,
    /// Transport of the destinations of plain trunks.
    pub plain_transport: Transport,
    /// Media ports of each realm.
    pub ports: u16,
    /// `media.port_cooldown`, e.g. `"1s"`.
    pub port_cooldown: &'static str,
    /// Further settings of `[media]`, TOML lines.
    pub media_lines: &'static str,
    /// Further settings of `[tls]`, TOML lines.
    pub tls_lines: String,
    /// `secure` of the trunks of secure parties.
    pub secure: &'static str,
    /// With `[store]`, a file in the edge's directory.
    pub keeps_store: bool,
    /// Sections to add at the end, TOML.
    pub extra: String,
}

impl Default for EdgeOptions {
    fn default() -> EdgeOptions {
        EdgeOptions {
            backend: None,
            trunk_lines: Vec::new(),
            plain_transport: Transport::Udp,
            ports: 200,
            port_cooldown: "1s",
            media_lines: "",
            tls_lines: String::new(),
            secure: "srtp",
            keeps_store: false,
            extra: String::new(),
        }
    }
}

/// A running daemon; stopped when dropped.
pub struct Edge {
    daemon: PathBuf,
    child: Child,
    directory: PathBuf,
}

/// The daemon of this build: `TRUNKLINE_DAEMON`, else beside the running test.
pub fn daemon_path() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TRUNKLINE_DAEMON") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let found = test
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join("trunkline"))
        .find(|path| path.is_file());
    found.context("no daemon beside this test: cargo xtask test builds it")
}

impl Edge {
    /// Starts the daemon on the edge host, with a trunk for each [`Party`], and waits until it is ready.
    pub fn start(
        daemon: &Path,
        stage: &Stage,
        authority: &Authority,
        options: &EdgeOptions,
    ) -> Result<Edge> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "trunkline-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory)?;
        write_configuration(&directory, stage, authority, options)?;
        let mut edge = Edge {
            daemon: daemon.to_owned(),
            child: spawn(daemon, stage, &directory)?,
            directory,
        };
        edge.wait_until_ready()?;
        Ok(edge)
    }

    /// Stops the daemon and starts it again, with the same files.
    pub fn restart(&mut self, stage: &Stage) -> Result<()> {
        self.stop()?;
        self.child = spawn(&self.daemon, stage, &self.directory)?;
        self.wait_until_ready()
    }

    /// What `trunkline status --json` says.
    pub fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.ask(&["status", "--json"])?)?)
    }

    /// What a verb of the command line prints, e.g. `["token", "list", "--json"]`.
    pub fn ask(&self, verb: &[&str]) -> Result<String> {
        let output = Command::new(&self.daemon)
            .args(verb)
            .arg("--socket")
            .arg(self.control_socket())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("running trunkline {}", verb.join(" ")))?;
        ensure!(
            output.status.success(),
            "trunkline {}: {}",
            verb.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The call records written so far.
    pub fn records(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.directory.join("calls.jsonl")).unwrap_or_default();
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("a call record is not JSON: {line}"))
            })
            .collect()
    }

    /// Waits until `count` call records are written.
    pub fn wait_for_records(&self, count: usize) -> Result<Vec<Value>> {
        let started = Instant::now();
        loop {
            let records = self.records()?;
            if records.len() >= count {
                return Ok(records);
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{} of {count} call records after {PATIENCE:?}",
                records.len()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("trunkline.log")).unwrap_or_default()
    }

    /// Waits until the daemon's log says that.
    pub fn wait_for_log(&self, text: &str) -> Result<()> {
        let started = Instant::now();
        while !self.log().contains(text) {
            ensure!(
                started.elapsed() < PATIENCE,
                "the log does not say {text:?} after {PATIENCE:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub fn control_socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// The files of this run: configuration, certificates, log, call records.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks the daemon to stop and waits for it; an error if it does not end well.
    pub fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            sys::signal(self.child.id(), libc::SIGTERM)?;
        }
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(
                    status.success(),
                    "the daemon ended with {status}:\n{}",
                    self.log()
                );
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the daemon does not stop:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the daemon as a crash would: nothing of it is cleaned up.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while self.status().is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the daemon ended with {status}:\n{}", self.log());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the daemon is not ready:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn spawn(daemon: &Path, stage: &Stage, directory: &Path) -> Result<Child> {
    let mut command = match stage.namespaces() {
        Some(lab) => lab.namespace(Host::Edge).command(daemon),
        None => Command::new(daemon),
    };
    sys::in_child(&mut command, sys::die_with_parent);
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("trunkline.log"))?;
    command
        .args(["run", "--config"])
        .arg(directory.join("trunkline.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {}", daemon.display()))
}

/// Certificates and `trunkline.toml`.
fn write_configuration(
    directory: &Path,
    stage: &Stage,
    authority: &Authority,
    options: &EdgeOptions,
) -> Result<()> {
    let mut addresses = [Host::Carrier, Host::Pbx]
        .map(|side| stage.edge_address(side))
        .to_vec();
    if has_v6_carrier(stage) {
        addresses.push(stage.edge_v6_address());
    }
    authority
        .issue(&["edge.example.com"], &addresses)?
        .write(directory, "edge")?;
    std::fs::write(directory.join("ca.crt"), authority.certificate())?;
    let text = configuration(directory, stage, options);
    std::fs::write(directory.join("trunkline.toml"), text)?;
    Ok(())
}

fn configuration(directory: &Path, stage: &Stage, options: &EdgeOptions) -> String {
    let dir = directory.display();
    let default_backend = if stage.namespaces().is_some() {
        "xdp"
    } else {
        "socket"
    };
    let backend = options.backend.unwrap_or(default_backend);
    let mut text = format!(
        "[media]\nbackend = \"{backend}\"\nport_cooldown = \"{}\"\n{}",
        options.port_cooldown, options.media_lines
    );
    if let Some(bpffs) = stage.bpffs() {
        text += &format!("pin_dir = \"{}/trunkline\"\n", bpffs.display());
    }
    text += &format!(
        "[tls]\nca = \"{dir}/ca.crt\"\n{}[cdr]\npath = \"{dir}/calls.jsonl\"\n[control]\nsocket = \"{dir}/control.sock\"\n",
        options.tls_lines
    );
    if options.keeps_store {
        text += &format!("[store]\npath = \"{dir}/store.db\"\n");
    }
    for (realm, side, first) in [
        ("carrier", Host::Carrier, 30_000),
        ("pbx", Host::Pbx, 40_000),
    ] {
        let ports = format!("{first}-{}", first + options.ports - 1);
        text += &realm_section(realm, side, &ports, stage, directory);
    }
    for party in stage.parties() {
        let (name, address) = (party.trunk(), stage.address(party));
        let side = if party.side() == Host::Pbx {
            "pbx"
        } else {
            "carrier"
        };
        let (mode, token) = if party.is_secure() {
            (options.secure, "tls")
        } else {
            ("disabled", options.plain_transport.uri_token())
        };
        let listener = match party {
            Party::CarrierSecureV6 => V6_LISTENER.to_owned(),
            _ => format!("{side}-{token}"),
        };
        text += &format!(
            "[[trunks]]\nname = \"{name}\"\nsecure = \"{mode}\"\nacl = [\"{address}\"]\nrealm = \"{side}\"\n\
             listener = \"{listener}\"\nprobe = \"off\"\ndestination = \"sip:{}:{};transport={token}\"\n",
            uri_host(address),
            stage.sip_port(party)
        );
        // Peers of the lab call as fast as they can.
        text += "max_calls_per_second = 0\n";
        for (_, lines) in options.trunk_lines.iter().filter(|(of, _)| *of == party) {
            text += &format!("{lines}\n");
        }
    }
    for party in stage.parties() {
        text += &format!(
            "[[routes]]\nprefix = \"{}\"\nto = \"{}\"\n",
            party.number(),
            party.trunk()
        );
    }
    text + &options.extra
}

/// The listener of the carrier on IPv6.
const V6_LISTENER: &str = "carrier-v6-tls";

fn has_v6_carrier(stage: &Stage) -> bool {
    stage.parties().contains(&Party::CarrierSecureV6)
}

fn realm_section(realm: &str, side: Host, ports: &str, stage: &Stage, directory: &Path) -> String {
    let (address, dir) = (stage.edge_address(side), directory.display());
    let interfaces = stage
        .edge_interface(side)
        .map_or_else(String::new, |name| format!("interfaces = [\"{name}\"]\n"));
    let mut media_addresses = vec![address];
    if side == Host::Carrier && has_v6_carrier(stage) {
        media_addresses.push(stage.edge_v6_address());
    }
    let media_addresses: Vec<String> = media_addresses
        .iter()
        .map(|address| format!("\"{address}\""))
        .collect();
    let media_addresses = media_addresses.join(", ");
    let mut text = format!(
        "[[realms]]\nname = \"{realm}\"\nmedia_addresses = [{media_addresses}]\nports = \"{ports}\"\n{interfaces}"
    );
    for transport in ["udp", "tcp", "tls"] {
        let port = if transport == "tls" { 5061 } else { 5060 };
        text += &format!(
            "[[listeners]]\nname = \"{realm}-{transport}\"\ntransport = \"{transport}\"\naddress = \"{}:{port}\"\nrealm = \"{realm}\"\n",
            uri_host(address)
        );
        if transport == "tls" {
            text += &format!("certificate = \"{dir}/edge.crt\"\nkey = \"{dir}/edge.key\"\n");
        }
    }
    if side == Host::Carrier && has_v6_carrier(stage) {
        text += &format!(
            "[[listeners]]\nname = \"{V6_LISTENER}\"\ntransport = \"tls\"\naddress = \"{}\"\nrealm = \"{realm}\"\n\
             certificate = \"{dir}/edge.crt\"\nkey = \"{dir}/edge.key\"\n",
            stage.edge_listener(Party::CarrierSecureV6)
        );
    }
    text
}
