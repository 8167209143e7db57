//! Where the socket of a running daemon usually is.

/// Where the socket is usually put.
pub const DEFAULT_SOCKET: &str = "/run/trunkline/control.sock";
