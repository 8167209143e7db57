//! What the media plane tells of itself.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use media_common::quality::{FlowCounters, FlowIncidents};
use media_core::quality::{Codec, FarEnd, Mos, Quality};
use media_core::relay::{Carries, Route, Source};
use media_core::report::{DirectionReport, MediaPath};
use media_core::session::{CallId, Side};

use super::carrier::Place;

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
        /// Media ports, and so flows: a call takes four.
        ports: u32,
        /// Kernel memory that all maps take.
        map_bytes: u64,
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
                ports,
                map_bytes,
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
                let mib = *map_bytes as f64 / f64::from(1 << 20);
                write!(
                    f,
                    ", {workers} worker(s), {ports} ports in {mib:.1} MiB of maps"
                )
            }
        }
    }
}

/// What arrives at one of our ports, of a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowStatus {
    pub call: CallId,
    /// The leg that the packets come from.
    pub from: Side,
    /// Place of the m-line in the session.
    pub stream: usize,
    /// Where the packets arrive.
    pub local: SocketAddr,
    pub place: Place,
    pub carries: Carried,
    pub coding: Codec,
    /// Where packets may come from, as it was planned.
    pub source: Source,
    /// The source that the flow has locked since.
    pub latched: Option<SocketAddr>,
    /// Where packets leave, and to whom.
    pub routes: Vec<Route>,
    /// The path of most of the packets.
    pub path: MediaPath,
    /// Packets sent on.
    pub packets: u64,
    /// UDP payload bytes sent on.
    pub bytes: u64,
    /// Packets dropped, for any reason.
    pub dropped: u64,
    /// The same by name of the reason; only reasons that occurred.
    pub drops: Vec<(&'static str, u64)>,
    /// Kernel and relays together.
    pub quality: Quality,
    pub mos: Option<Mos>,
    /// What the receiver of this direction reports in RTCP, where that was read.
    pub far_end: Option<FarEnd>,
    /// As they are in the maps.
    pub kernel: (FlowCounters, FlowIncidents),
    /// The same, of what the workers or the sockets relayed.
    pub relay: (FlowCounters, FlowIncidents),
}

/// Some of the flows, in the order of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowPage {
    /// All of each call that is told of.
    pub flows: Vec<FlowStatus>,
    /// The last call that is told of, if there are flows of further ones.
    pub next: Option<CallId>,
}

/// One direction of a live call, as far as its quality goes: little enough to be asked often, of ten
/// thousand calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSample {
    pub call: CallId,
    /// The leg that the packets come from.
    pub from: Side,
    /// Place of the m-line in the session.
    pub stream: usize,
    /// Where they arrive; `None` of a call that is over.
    pub local: Option<SocketAddr>,
    pub path: MediaPath,
    /// Packets sent on, and UDP payload bytes of them.
    pub packets: u64,
    pub bytes: u64,
    /// Packets dropped, for any reason.
    pub dropped: u64,
    pub quality: Quality,
    pub coding: Codec,
    pub mos: Option<Mos>,
    /// From us to the end that it goes to, and to the one that it comes from, and back: where RTCP
    /// tells.
    pub round_trips_us: [Option<u32>; 2],
}

impl FlowSample {
    /// Of a call that is over.
    pub fn of_report(report: &DirectionReport) -> FlowSample {
        FlowSample {
            call: CallId(0),
            from: report.from,
            stream: report.stream,
            local: None,
            path: report.path,
            packets: report.packets,
            bytes: report.bytes,
            dropped: report.dropped.iter().map(|(_, count)| count).sum(),
            quality: report.quality,
            coding: Codec::default(),
            mos: report.mos,
            round_trips_us: [None; 2],
        }
    }
}

/// The kind of packets that a flow carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Rtp,
    Rtcp,
    /// Both on one port (RFC 5761).
    RtpAndRtcp,
    /// Neither.
    Raw,
}

impl Carried {
    pub(super) fn of(carries: &Carries) -> Carried {
        match carries {
            Carries::Rtp(_) => Carried::Rtp,
            Carries::Rtcp(_) => Carried::Rtcp,
            Carries::Both { .. } => Carried::RtpAndRtcp,
            Carries::Raw(_) => Carried::Raw,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Carried::Rtp => "rtp",
            Carried::Rtcp => "rtcp",
            Carried::RtpAndRtcp => "rtp+rtcp",
            Carried::Raw => "raw",
        }
    }
}
