//! Other people's programs as peers: started in a namespace, their output kept, never left running.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sip_core::transport::Transport;

use crate::lab::Namespace;
use crate::sys;

/// A peer's process; ended when dropped.
pub struct Peer {
    child: Child,
    log: PathBuf,
}

impl Peer {
    /// Starts `command`; its output goes to the file `log`.
    pub fn start(command: Command, log: &Path) -> Result<Peer> {
        Peer::start_with_input(command, Stdio::null(), log)
    }

    /// The same, with something to read.
    pub fn start_with_input(mut command: Command, input: Stdio, log: &Path) -> Result<Peer> {
        let file = std::fs::File::create(log)?;
        sys::in_child(&mut command, sys::die_with_parent);
        let child = command
            .stdin(input)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        Ok(Peer {
            child,
            log: log.to_owned(),
        })
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until it has printed `text`.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<()> {
        let started = Instant::now();
        while !self.log().contains(text) {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "ended with {status} before it said {text:?}:\n{}",
                    self.log()
                );
            }
            ensure!(
                started.elapsed() < limit,
                "did not say {text:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(
                started.elapsed() < limit,
                "still runs after {limit:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Ends it at once: it says nothing to anybody.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) -> Result<()> {
        Ok(sys::signal(self.child.id(), libc::SIGINT)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory for a test's files, removed when dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(name: &str) -> Result<Directory> {
        let path = std::env::temp_dir().join(format!("trunkline-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Directory(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until something listens for TCP on `address`, seen from the calling thread's namespace.
pub fn wait_for_listener(address: IpAddr, port: u16, limit: Duration) -> Result<()> {
    let started = Instant::now();
    while std::net::TcpStream::connect((address, port)).is_err() {
        ensure!(
            started.elapsed() < limit,
            "nothing listens on {address}:{port}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether somebody in the namespace listens on `address`, by TCP or UDP. To try whether it is
/// free could be just what makes a peer fail, so the kernel's table is looked at.
pub fn is_bound(namespace: &Namespace, transport: Transport, address: SocketAddr) -> Result<bool> {
    let IpAddr::V4(v4) = address.ip() else {
        bail!("only IPv4 sockets are looked for");
    };
    let (table, state) = match transport {
        Transport::Udp => ("udp", "07"),
        _ => ("tcp", "0A"),
    };
    let sockets = namespace.enter(|| {
        // Of the calling thread, which alone has entered the namespace.
        std::fs::read_to_string(format!("/proc/thread-self/net/{table}"))
    })??;
    let local = format!(
        "{:08X}:{:04X}",
        u32::from_ne_bytes(v4.octets()),
        address.port()
    );
    Ok(sockets.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1) == Some(&local.as_str()) && fields.get(3) == Some(&state)
    }))
}
