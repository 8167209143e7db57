//! What the media plane says of a call's media when it is removed: plain data for the call record.

use std::fmt;
use std::time::Duration;

use crate::quality::{FarEnd, Mos, Quality};
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

/// A digit of a telephone (RFC 4733 section 3.2): 0–9, `*`, `#`, A–D. Its `Debug` does not show
/// it: digits may be those of a card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit(u8);

impl Digit {
    /// `None` for an event that is no digit.
    pub fn from_event_code(code: u8) -> Option<Digit> {
        DIGITS.get(usize::from(code)).copied().map(Digit)
    }

    pub fn as_char(self) -> char {
        char::from(self.0)
    }
}

/// By event code.
const DIGITS: &[u8; 16] = b"0123456789*#ABCD";

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(redacted)")
    }
}

/// One direction of one stream.
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
    /// All zero for what is not RTP.
    pub quality: Quality,
    /// An estimate of what a listener would say; `None` without packets, and for codecs that
    /// nothing is published of.
    pub mos: Option<Mos>,
    /// What the receiver reports; `None` where its RTCP was not read.
    pub far_end: Option<FarEnd>,
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
    /// A telephone event (RFC 4733) came from a side of the call.
    Digit {
        call: CallId,
        from: Side,
        digit: Digit,
    },
    /// The call's flows are gone: its ports may return to the pool.
    Removed { call: CallId, report: MediaReport },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn med_3_event_codes_0_to_15_are_digits_and_are_not_shown_by_chance() {
        let digits: String = (0..=255)
            .filter_map(Digit::from_event_code)
            .map(Digit::as_char)
            .collect();
        assert_eq!(digits, "0123456789*#ABCD");
        let event = MediaEvent::Digit {
            call: CallId(1),
            from: Side::Caller,
            digit: Digit(b'7'),
        };
        assert!(!format!("{event:?}").contains('7'));
    }
}
