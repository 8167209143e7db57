//! Three namespaces in a row, for one direction of traffic:
//!
//! ```text
//!   source namespace              edge namespace                    sink namespace
//!   out 192.0.2.10        ───     in  192.0.2.1, .2
//!                                 out 198.51.100.1          ───     in 198.51.100.10
//! ```
//!
//! Neighbours are permanent, IPv6 is off: nothing but the bench's packets is on the links.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use trunkline_tests::lab::{Namespace, run};
use trunkline_tests::sys::interface_index;

pub const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub const MEDIA: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
pub const EXIT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const SINK: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);

pub const SOURCE_MAC: [u8; 6] = [2, 0, 0, 0, 1, 10];
pub const INGRESS_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
pub const EGRESS_MAC: [u8; 6] = [2, 0, 0, 0, 2, 1];
pub const SINK_MAC: [u8; 6] = [2, 0, 0, 0, 2, 10];

/// Names of the interfaces: in every namespace packets come `in` and go `out`.
pub const IN: &str = "in";
pub const OUT: &str = "out";

const PREFIX: &str = "tlbench";

/// The namespaces; removed when dropped.
pub struct Lab {
    pub source: Namespace,
    pub edge: Namespace,
    pub sink: Namespace,
    bpffs: PathBuf,
}

impl Lab {
    /// Needs root. Removes what a run that was killed has left behind.
    pub fn new() -> Result<Lab> {
        remove_remains();
        let id = format!("{PREFIX}{}", std::process::id());
        let lab = Lab {
            source: Namespace::create(&format!("{id}-source"))?,
            edge: Namespace::create(&format!("{id}-edge"))?,
            sink: Namespace::create(&format!("{id}-sink"))?,
            bpffs: std::env::temp_dir().join(format!("{id}-bpf")),
        };
        std::fs::create_dir_all(&lab.bpffs)?;
        run(Command::new("mount")
            .args(["-t", "bpf", "bpf"])
            .arg(&lab.bpffs))?;
        for namespace in [&lab.source, &lab.edge, &lab.sink] {
            for (setting, value) in [
                ("ipv6/conf/all/disable_ipv6", "1"),
                ("ipv6/conf/default/disable_ipv6", "1"),
                ("ipv4/conf/all/rp_filter", "0"),
            ] {
                set(namespace, setting, value)?;
            }
        }
        connect(
            (&lab.source, OUT, SOURCE_MAC, &[SOURCE]),
            (&lab.edge, IN, INGRESS_MAC, &MEDIA),
        )?;
        connect(
            (&lab.edge, OUT, EGRESS_MAC, &[EXIT]),
            (&lab.sink, IN, SINK_MAC, &[SINK]),
        )?;
        for (namespace, gateway) in [(&lab.source, MEDIA[0]), (&lab.sink, EXIT)] {
            run(namespace.command("ip").args([
                "route",
                "add",
                "default",
                "via",
                &gateway.to_string(),
            ]))?;
        }
        Ok(lab)
    }

    /// A BPF file system of our own.
    pub fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    /// Lets the edge's kernel forward, or not.
    pub fn set_forwarding(&self, on: bool) -> Result<()> {
        set(&self.edge, "ipv4/ip_forward", if on { "1" } else { "0" })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("-l").arg(&self.bpffs));
        let _ = std::fs::remove_dir(&self.bpffs);
    }
}

/// The index of an interface of a namespace.
pub fn index_of(namespace: &Namespace, interface: &str) -> Result<u32> {
    namespace
        .enter(|| interface_index(interface))?
        .with_context(|| format!("no interface {interface}"))
}

/// Sets a network setting of a namespace.
fn set(namespace: &Namespace, setting: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{setting}");
    namespace
        .enter(|| std::fs::write(&path, value))?
        .with_context(|| format!("writing {path}"))
}

type End<'a> = (&'a Namespace, &'a str, [u8; 6], &'a [Ipv4Addr]);

/// A veth pair, and each end's addresses as permanent neighbours of the other.
fn connect(near: End<'_>, far: End<'_>) -> Result<()> {
    run(Command::new("ip").args([
        "link",
        "add",
        "name",
        near.1,
        "address",
        &text(near.2),
        "netns",
        near.0.name(),
        "type",
        "veth",
        "peer",
        "name",
        far.1,
        "address",
        &text(far.2),
        "netns",
        far.0.name(),
    ]))?;
    for (end, other) in [(&near, &far), (&far, &near)] {
        let ip = |arguments: &[&str]| run(end.0.command("ip").args(arguments));
        for address in end.3 {
            ip(&["address", "add", &format!("{address}/24"), "dev", end.1])?;
        }
        ip(&["link", "set", end.1, "up"])?;
        for address in other.3 {
            let (address, mac) = (address.to_string(), text(other.2));
            ip(&[
                "neighbour",
                "replace",
                &address,
                "lladdr",
                &mac,
                "dev",
                end.1,
                "nud",
                "permanent",
            ])?;
        }
    }
    Ok(())
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Namespaces and mounts of runs whose process is gone.
fn remove_remains() {
    let name = |entry: std::fs::DirEntry| entry.file_name().into_string().ok();
    let is_dead = |name: &str| {
        let rest = name.strip_prefix(PREFIX)?;
        let pid: u32 = rest.split('-').next()?.parse().ok()?;
        (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    };
    for name in entries("/run/netns").filter_map(name) {
        if is_dead(&name).is_some() {
            let _ = run(Command::new("ip").args(["netns", "delete", &name]));
        }
    }
    for name in entries(std::env::temp_dir()).filter_map(name) {
        if is_dead(&name).is_some() {
            let path = std::env::temp_dir().join(&name);
            let _ = run(Command::new("umount").arg("-l").arg(&path));
            let _ = std::fs::remove_dir(&path);
        }
    }
}

fn entries(path: impl AsRef<Path>) -> impl Iterator<Item = std::fs::DirEntry> {
    std::fs::read_dir(path).into_iter().flatten().flatten()
}
