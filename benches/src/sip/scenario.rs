//! What kind of calls.

/// How the caller reaches the edge; the callee is always reached by UDP, with RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// UDP and RTP.
    Udp,
    /// TLS over connections that stay, and SRTP with keys in the SDP.
    TlsSrtp,
}

impl Scenario {
    pub const ALL: [Scenario; 2] = [Scenario::Udp, Scenario::TlsSrtp];

    /// In keys of the JSON.
    pub fn key(self) -> &'static str {
        match self {
            Scenario::Udp => "udp",
            Scenario::TlsSrtp => "tls_srtp",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Scenario::Udp => "UDP+RTP -> UDP+RTP",
            Scenario::TlsSrtp => "TLS+SRTP -> UDP+RTP",
        }
    }
}
