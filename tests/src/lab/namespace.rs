//! One network namespace.

use std::fs::File;
use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};

use super::run;
use crate::agent::Place;
use crate::sys;

/// A named network namespace that is deleted when dropped.
pub struct Namespace {
    name: String,
    file: Arc<File>,
}

impl Namespace {
    /// Makes the namespace, with loopback up.
    pub fn create(name: &str) -> Result<Namespace> {
        run(Command::new("ip").args(["netns", "add", name]))?;
        let file = File::open(format!("/run/netns/{name}")).context("opening the namespace")?;
        let namespace = Namespace {
            name: name.to_owned(),
            file: Arc::new(file),
        };
        run(namespace.command("ip").args(["link", "set", "lo", "up"]))?;
        Ok(namespace)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs in the namespace, sees the machine's file systems, and ends with us.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let file = Arc::clone(&self.file);
        sys::in_child(&mut command, move || sys::enter_network_namespace(&file));
        command
    }

    /// The namespace as the place of an agent's sockets.
    pub fn place(&self) -> Place {
        Place::inside(Arc::clone(&self.file))
    }

    /// Runs `inside` on a thread of its own in the namespace: sockets made there stay there.
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                sys::enter_network_namespace(&self.file).context("entering the namespace")?;
                Ok(inside())
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Gives an interface its addresses (with prefix lengths) and brings it up.
    pub(super) fn configure(&self, interface: &str, addresses: &[(IpAddr, u8)]) -> Result<()> {
        for (address, prefix) in addresses {
            let mut command = self.command("ip");
            command.args([
                "address",
                "add",
                &format!("{address}/{prefix}"),
                "dev",
                interface,
            ]);
            if address.is_ipv6() {
                // Duplicate detection would keep the address unusable for a second.
                command.arg("nodad");
            }
            run(&mut command)?;
        }
        run(self.command("ip").args(["link", "set", interface, "up"]))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = run(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}
