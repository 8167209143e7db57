//! Why the media plane did not start. One line each, for the operator.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("media: {0}")]
    Config(String),
    #[error("media: interface {0} does not exist")]
    NoInterface(String),
    /// The process lacks a privilege that the XDP backend needs.
    #[error("media: {capability} is missing: {action} was refused")]
    MissingCapability {
        capability: &'static str,
        action: String,
    },
    /// The kernel or the driver cannot do what the XDP backend needs.
    #[error("media: this host has no {feature}: {detail}")]
    Unsupported {
        feature: &'static str,
        detail: String,
    },
    #[error("media: another daemon holds {}", .0.display())]
    AlreadyRunning(PathBuf),
    #[error("media: pins under {}: {source}", path.display())]
    Pin { path: PathBuf, source: io::Error },
    #[error("media: loading the XDP program: {0}")]
    Load(String),
    #[error("media: attaching to {interface}: {detail}")]
    Attach { interface: String, detail: String },
    #[error("media: AF_XDP socket on {interface} queue {queue}: {detail}")]
    Xsk {
        interface: String,
        queue: u32,
        detail: String,
    },
    #[error("media: map {map}: {detail}")]
    Map { map: &'static str, detail: String },
    #[error("media: the media address {address} cannot be bound: {source}")]
    Bind { address: IpAddr, source: io::Error },
    #[error("media: {action}: {source}")]
    System {
        action: &'static str,
        source: io::Error,
    },
}

impl MediaError {
    /// Whether `media.backend = auto` may go on with sockets after this error:
    /// something is missing on this host, not wrong in the configuration.
    pub fn allows_fallback(&self) -> bool {
        !matches!(
            self,
            MediaError::Config(_)
                | MediaError::NoInterface(_)
                | MediaError::AlreadyRunning(_)
                | MediaError::Bind { .. }
        )
    }
}
