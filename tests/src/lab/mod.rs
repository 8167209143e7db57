//! Three hosts on one machine: carrier – edge – pbx; and a fourth, a stranger, on request.
//!
//! ```text
//!   carrier namespace            edge namespace               pbx namespace
//!   uplink 192.0.2.2, .3   ───   to-carrier 192.0.2.1
//!          2001:db8:c::2, ::3            2001:db8:c::1
//!                                to-pbx 198.51.100.1    ───   uplink 198.51.100.2, .3
//!                                    2001:db8:b::1                   2001:db8:b::2, ::3
//!
//!   stranger namespace           to-stranger 203.0.113.1
//!   uplink 203.0.113.2, .3 ───       2001:db8:a::1
//!          2001:db8:a::2, ::3
//! ```
//!
//! Everything is removed when the [`Lab`] is dropped, also after a failure.

mod namespace;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

pub use namespace::Namespace;

use crate::sys;

/// A side of the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Carrier,
    Edge,
    Pbx,
    /// On a network of its own, which is no trunk's.
    Stranger,
}

/// The edge's interfaces.
pub const EDGE_INTERFACES: [&str; 2] = ["to-carrier", "to-pbx"];
/// The edge's interface towards the stranger.
pub const STRANGER_INTERFACE: &str = "to-stranger";
/// The only interface of the carrier, of the pbx and of the stranger.
pub const UPLINK: &str = "uplink";

/// Host part of the edge's own addresses.
pub const EDGE: u8 = 1;

/// The IPv4 address with host part `host` on a side's network.
pub fn ipv4(side: Host, host: u8) -> IpAddr {
    match side {
        Host::Pbx => Ipv4Addr::new(198, 51, 100, host).into(),
        Host::Stranger => Ipv4Addr::new(203, 0, 113, host).into(),
        Host::Carrier | Host::Edge => Ipv4Addr::new(192, 0, 2, host).into(),
    }
}

/// The IPv6 address with host part `host` on a side's network.
pub fn ipv6(side: Host, host: u8) -> IpAddr {
    let network = match side {
        Host::Stranger => 0xa,
        Host::Pbx => 0xb,
        Host::Carrier | Host::Edge => 0xc,
    };
    Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, u16::from(host)).into()
}

/// The edge's interface towards a side.
pub fn edge_interface(side: Host) -> &'static str {
    match side {
        Host::Carrier | Host::Edge => EDGE_INTERFACES[0],
        Host::Pbx => EDGE_INTERFACES[1],
        Host::Stranger => STRANGER_INTERFACE,
    }
}

/// How the lab's links are made.
#[derive(Clone, Copy, Debug)]
pub struct LabOptions {
    /// Leave checksums to the (absent) hardware, as veth does by default: packets then
    /// arrive with partial checksums.
    pub tx_offload: bool,
    /// Queues of every interface, each way.
    pub queues: u32,
    /// Whether there is a stranger.
    pub stranger: bool,
}

impl LabOptions {
    /// With or without tx offload, else as by default.
    pub fn offload(tx_offload: bool) -> LabOptions {
        LabOptions {
            tx_offload,
            ..LabOptions::default()
        }
    }
}

impl Default for LabOptions {
    fn default() -> Self {
        LabOptions {
            tx_offload: true,
            queues: 1,
            stranger: false,
        }
    }
}

/// The namespaces, their links, and a private BPF file system.
pub struct Lab {
    carrier: Namespace,
    edge: Namespace,
    pbx: Namespace,
    stranger: Option<Namespace>,
    bpffs: PathBuf,
    // Programs that pass everything at the peers of the edge's interfaces.
    _pass_links: Vec<OwnedFd>,
}

impl Lab {
    /// Builds the lab; needs root.
    pub fn new(options: LabOptions) -> Result<Lab> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        ensure!(sys::is_root(), "network namespaces need root");
        let id = format!(
            "tl{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let mut lab = Lab {
            carrier: Namespace::create(&format!("{id}-carrier"))?,
            edge: Namespace::create(&format!("{id}-edge"))?,
            pbx: Namespace::create(&format!("{id}-pbx"))?,
            stranger: None,
            bpffs: std::env::temp_dir().join(format!("{id}-bpf")),
            _pass_links: Vec::new(),
        };
        lab.mount_bpffs()?;
        for side in [Host::Carrier, Host::Pbx] {
            lab.link(side, options)?;
        }
        if options.stranger {
            lab.stranger = Some(Namespace::create(&format!("{id}-stranger"))?);
            lab.link(Host::Stranger, options)?;
        }
        Ok(lab)
    }

    /// # Panics
    /// If it is the stranger's and the lab was made without.
    pub fn namespace(&self, host: Host) -> &Namespace {
        match host {
            Host::Carrier => &self.carrier,
            Host::Edge => &self.edge,
            Host::Pbx => &self.pbx,
            Host::Stranger => self
                .stranger
                .as_ref()
                .expect("the lab was made with a stranger"),
        }
    }

    /// A BPF file system of our own: the directory for the daemon's pins.
    pub fn bpffs(&self) -> &Path {
        &self.bpffs
    }

    fn mount_bpffs(&self) -> Result<()> {
        std::fs::create_dir_all(&self.bpffs)?;
        run(Command::new("mount")
            .args(["-t", "bpf", "bpf"])
            .arg(&self.bpffs))
    }

    /// One veth pair between the edge and `side`, with addresses, up, and a program at the far end.
    fn link(&mut self, side: Host, options: LabOptions) -> Result<()> {
        let near = edge_interface(side);
        let queues = options.queues.to_string();
        let (far, edge) = (self.namespace(side), &self.edge);
        let numbers = ["numtxqueues", &queues, "numrxqueues", &queues];
        run(Command::new("ip")
            .args(["link", "add", "name", near, "netns", edge.name()])
            .args(numbers)
            .args(["type", "veth", "peer", "name", UPLINK])
            .args(["netns", far.name()])
            .args(numbers))?;
        edge.configure(near, &[(ipv4(side, EDGE), 24), (ipv6(side, EDGE), 64)])?;
        far.configure(
            UPLINK,
            &[
                (ipv4(side, 2), 24),
                (ipv4(side, 3), 24),
                (ipv6(side, 2), 64),
                (ipv6(side, 3), 64),
            ],
        )?;
        let gateways = [("0.0.0.0/0", ipv4(side, EDGE)), ("::/0", ipv6(side, EDGE))];
        for (network, gateway) in gateways {
            run(far
                .command("ip")
                .args(["route", "add", network, "via", &gateway.to_string()]))?;
        }
        if !options.tx_offload {
            run(far.command("ethtool").args(["-K", UPLINK, "tx", "off"]))?;
            run(edge.command("ethtool").args(["-K", near, "tx", "off"]))?;
        }
        let link = far
            .enter(|| sys::attach_xdp_pass(UPLINK))?
            .context("attaching a program to the far end of a veth")?;
        self._pass_links.push(link);
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A lazy unmount cannot fail on a pin that is still open; the namespaces drop after this.
        let _ = run(Command::new("umount").arg("-l").arg(&self.bpffs));
        let _ = std::fs::remove_dir(&self.bpffs);
    }
}

/// Runs a command to its end; its standard error is part of the error.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
