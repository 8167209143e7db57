//! What the media plane says of a call's media when it is removed: plain data for the call record.

use std::time::Duration;

use crate::session::{CallId, Side};

/// How the packets of a flow travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaPath {
    /// Forwarded by the XDP program.
    Xdp,
    /// Through an AF_XDP worker.
    AfXdp,
    /// Through UDP sockets.
    Socket,
}

impl MediaPath {
    /// The name in records and on the console.
    pub fn name(self) -> &'static str {
        match self {
            MediaPath::Xdp => "xdp",
            MediaPath::AfXdp => "af_xdp",
            MediaPath::Socket => "socket",
        }
    }
}

/// One direction of one stream's RTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectionReport {
    /// The leg that the packets came from.
    pub from: Side,
    /// Place of the m-line in the session.
    pub stream: usize,
    /// The path of most of the packets.
    pub path: MediaPath,
    /// Packets sent on.
    pub packets: u64,
    /// UDP payload bytes sent on.
    pub bytes: u64,
    /// Packets dropped, by name of the reason; only reasons that occurred.
    pub dropped: Vec<(&'static str, u64)>,
}

/// All media of a call, at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaReport {
    pub directions: Vec<DirectionReport>,
}

/// What the media plane tells signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// No RTP for that long on a call that is not on hold.
    Timeout { call: CallId, silent_for: Duration },
    /// The media cannot be carried: the call is to be ended (503 while it is being set up).
    /// `reason` is for the log and the call record. [`MediaEvent::Removed`] follows the removal as usual.
    Failed { call: CallId, reason: String },
    /// The call's flows are gone: its ports may return to the pool.
    Removed { call: CallId, report: MediaReport },
}
