//! Our daemon, with the XDP backend and everything on that a deployment has: log, call records.

use std::process::Command;

use anyhow::Result;

use super::contender::{Bench, Edge};
use super::process::Process;
use super::scenario::Scenario;
use crate::media::lab::{EXIT, IN, MEDIA, OUT, SINK, SOURCE};

/// Ports of each realm. They are used again after a second, as the bench makes the calls of an hour
/// in seconds.
const PORTS: &str = "10000-59999";

pub struct Trunkline(Process);

impl Trunkline {
    pub fn start(bench: &Bench<'_>, scenario: Scenario) -> Result<Trunkline> {
        Trunkline::start_with(bench, scenario, "")
    }

    /// With further sections of its configuration, TOML.
    pub fn start_with(bench: &Bench<'_>, scenario: Scenario, extra: &str) -> Result<Trunkline> {
        let directory = bench.directory();
        let config = directory.join("trunkline.toml");
        std::fs::write(&config, configuration(bench, scenario) + extra)?;
        let mut command = bench.lab.edge.command(&bench.daemon);
        command.args(["run", "--config"]).arg(&config);
        let log = directory.join("trunkline.log");
        let mut process = Process::start("trunkline", command, &bench.contender_cpus, &log)?;
        let ready = process.await_ready(|| {
            let mut status = Command::new(&bench.daemon);
            status
                .args(["status", "--json", "--socket"])
                .arg(directory.join("control.sock"));
            status.output().is_ok_and(|output| output.status.success())
        });
        ready.map_err(|error| {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            error.context(text)
        })?;
        Ok(Trunkline(process))
    }
}

impl Edge for Trunkline {
    fn processes(&self) -> Vec<&Process> {
        vec![&self.0]
    }
}

fn configuration(bench: &Bench<'_>, scenario: Scenario) -> String {
    let dir = bench.directory().display();
    let pins = bench.lab.bpffs().join("trunkline");
    let (near, cpus) = (MEDIA[0], &bench.contender_cpus);
    let (secure, listener) = match scenario {
        Scenario::Udp => ("disabled", "source-udp"),
        Scenario::TlsSrtp => ("srtp", "source-tls"),
    };
    format!(
        r#"
[media]
backend = "xdp"
port_cooldown = "1s"
pin_dir = "{pins}"
cpus = {cpus:?}
timeout = "10m"
[limits]
max_calls = 20000
[tls]
ca = "{dir}/ca.crt"
[cdr]
path = "{dir}/calls.jsonl"
[control]
socket = "{dir}/control.sock"
[[realms]]
name = "source"
media_addresses = ["{near}"]
ports = "{PORTS}"
interfaces = ["{IN}"]
[[realms]]
name = "sink"
media_addresses = ["{EXIT}"]
ports = "{PORTS}"
interfaces = ["{OUT}"]
[[listeners]]
name = "source-udp"
transport = "udp"
address = "{near}:5060"
realm = "source"
[[listeners]]
name = "source-tls"
transport = "tls"
address = "{near}:5061"
realm = "source"
certificate = "{dir}/edge.crt"
key = "{dir}/edge.key"
[[listeners]]
name = "sink-udp"
transport = "udp"
address = "{EXIT}:5060"
realm = "sink"
[[trunks]]
name = "carrier"
secure = "{secure}"
acl = ["{SOURCE}"]
realm = "source"
listener = "{listener}"
max_calls_per_second = 0
[[trunks]]
name = "pbx"
secure = "disabled"
acl = ["{SINK}"]
realm = "sink"
listener = "sink-udp"
max_calls_per_second = 0
destination = "sip:{SINK}:5060;transport=udp"
[[routes]]
from = "carrier"
to = "pbx"
"#,
        pins = pins.display(),
    )
}
