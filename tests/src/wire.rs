//! What passes an interface, recorded by tshark and read with its filters: somebody else's eyes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::Namespace;
use crate::peer::{Directory, Peer};

const PATIENCE: Duration = Duration::from_secs(15);

/// A recording that goes on until it is finished.
pub struct Recording {
    peer: Peer,
    path: PathBuf,
}

/// What was recorded.
pub struct Wire {
    path: PathBuf,
    keys: Option<PathBuf>,
}

impl Recording {
    /// Records everything at `interface` from now on.
    pub fn start(
        namespace: &Namespace,
        interface: &str,
        files: &Directory,
        name: &str,
    ) -> Result<Recording> {
        let path = files.path().join(format!("{name}.pcapng"));
        let mut command = namespace.command("dumpcap");
        command.args(["-q", "-i", interface, "-w"]).arg(&path);
        let log = files.path().join(format!("{name}.log"));
        let mut peer = Peer::start(command, &log).context("starting dumpcap, of tshark")?;
        // It says so when the interface is open; what comes next is recorded.
        peer.wait_for("File: ", PATIENCE)?;
        Ok(Recording { peer, path })
    }

    /// Ends the recording. `keys`: a file of TLS secrets (`SSLKEYLOGFILE`), to read what is in TLS.
    pub fn finish(mut self, keys: Option<&Path>) -> Result<Wire> {
        // What has just arrived is on its way through its buffers.
        std::thread::sleep(Duration::from_millis(300));
        self.peer.interrupt()?;
        self.peer.wait(PATIENCE)?;
        Ok(Wire {
            path: self.path.clone(),
            keys: keys.map(Path::to_owned),
        })
    }
}

impl Wire {
    /// How many packets a display filter lets through.
    pub fn count(&self, filter: &str) -> Result<usize> {
        Ok(self.fields(filter, &["frame.number"])?.len())
    }

    /// For each packet that a display filter lets through, the values of some fields, all of them
    /// where there are several.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Result<Vec<Vec<Vec<String>>>> {
        /// Between values of a field; no header, line of SDP or number has it.
        const AGGREGATOR: char = '\u{1}';
        let mut command = Command::new("tshark");
        command.args(["-n", "-Q"]);
        if let Some(keys) = &self.keys {
            command.arg("-o");
            command.arg(format!("tls.keylog_file:{}", keys.display()));
        }
        command.arg("-r").arg(&self.path);
        command.args(["-Y", filter, "-T", "fields", "-E", "separator=/t"]);
        command.args(["-E", "occurrence=a", "-E"]);
        command.arg(format!("aggregator={AGGREGATOR}"));
        for field in fields {
            command.args(["-e", field]);
        }
        let output = command.output().context("starting tshark")?;
        ensure!(
            output.status.success(),
            "tshark, {filter}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let values = |field: &str| -> Vec<String> {
            let all = field.split(AGGREGATOR).filter(|value| !value.is_empty());
            all.map(str::to_owned).collect()
        };
        let packets = text
            .lines()
            .map(|line| line.split('\t').map(values).collect());
        Ok(packets.collect())
    }
}
