//! What the media plane tells of itself.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use media_core::report::MediaPath;
use media_core::session::{CallId, Side};

/// How the media plane runs, settled at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    pub backend: ActiveBackend,
    /// Why sockets are used although `auto` would have preferred XDP.
    pub fallback_reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActiveBackend {
    Xdp {
        interfaces: Vec<InterfaceDescription>,
        /// AF_XDP workers, one thread each.
        workers: usize,
        /// Where maps and links are pinned; `None` without a bpffs.
        pins: Option<PathBuf>,
    },
    Socket,
}

/// An interface that the XDP program is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceDescription {
    pub name: String,
    pub mode: AttachedMode,
    /// Receive queues with an AF_XDP socket.
    pub queues: u32,
    /// Whether every AF_XDP socket of the interface works without copying.
    pub zero_copy: bool,
}

/// Where the kernel runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachedMode {
    Native,
    Generic,
}

impl AttachedMode {
    pub fn name(self) -> &'static str {
        match self {
            AttachedMode::Native => "native",
            AttachedMode::Generic => "generic",
        }
    }
}

impl MediaDescription {
    /// `xdp` or `socket`.
    pub fn backend_name(&self) -> &'static str {
        match self.backend {
            ActiveBackend::Xdp { .. } => "xdp",
            ActiveBackend::Socket => "socket",
        }
    }

    /// `native`, `generic`, or `mixed` if interfaces differ; `None` without XDP.
    pub fn attach_mode(&self) -> Option<&'static str> {
        let ActiveBackend::Xdp { interfaces, .. } = &self.backend else {
            return None;
        };
        let mut modes = interfaces.iter().map(|interface| interface.mode);
        let first = modes.next()?;
        Some(if modes.all(|mode| mode == first) {
            first.name()
        } else {
            "mixed"
        })
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.backend {
            ActiveBackend::Socket => f.write_str("sockets"),
            ActiveBackend::Xdp {
                interfaces,
                workers,
                ..
            } => {
                write!(f, "XDP on")?;
                for (place, interface) in interfaces.iter().enumerate() {
                    let separator = if place == 0 { "" } else { "," };
                    let copying = if interface.zero_copy {
                        "zero-copy"
                    } else {
                        "copying"
                    };
                    let InterfaceDescription {
                        name, mode, queues, ..
                    } = interface;
                    write!(
                        f,
                        "{separator} {name} ({}, {queues} queue(s), {copying} AF_XDP)",
                        mode.name()
                    )?;
                }
                write!(f, ", {workers} worker(s)")
            }
        }
    }
}

/// One direction of one stream of a live call: the RTP that arrives at one of our ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStatus {
    pub call: CallId,
    /// The leg that the packets come from.
    pub from: Side,
    /// Place of the m-line in the session.
    pub stream: usize,
    /// Where the packets arrive.
    pub local: SocketAddr,
    /// The path of most of the packets.
    pub path: MediaPath,
    /// Packets sent on.
    pub packets: u64,
    /// UDP payload bytes sent on.
    pub bytes: u64,
    /// Packets dropped, for any reason.
    pub dropped: u64,
}
