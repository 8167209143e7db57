//! What a message may measure before we refuse to look further.

/// Limits on one message. Each is refused with its own [`super::ParseErrorKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of start line, headers and body together.
    pub message_bytes: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of one header line with its continuation lines, and of the start line.
    pub header_bytes: usize,
    /// Via elements, those that share a line counted one by one.
    pub vias: usize,
}

impl Limits {
    /// 64 KiB a message, 256 headers, 8 KiB a header, 70 Vias: as many as a request with the usual
    /// Max-Forwards can gather (RFC 3261 section 8.1.1.6).
    pub const DEFAULT: Limits = Limits {
        message_bytes: 64 * 1024,
        headers: 256,
        header_bytes: 8 * 1024,
        vias: 70,
    };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}
