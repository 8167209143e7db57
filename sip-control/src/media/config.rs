//! What the media plane is told at start.

use std::path::PathBuf;
use std::time::Duration;

use media_common::flow::MediaAddress;

/// Fixed for the life of the [`MediaPlane`](super::MediaPlane).
#[derive(Clone, Debug)]
pub struct MediaConfig {
    pub backend: Backend,
    /// Names of the interfaces that media arrives at and leaves by (XDP only).
    pub interfaces: Vec<String>,
    pub attach: Attach,
    /// Where that differs for one of them.
    pub attach_of: Vec<(String, Attach)>,
    /// Our media addresses with their ports and places in the flow table, as
    /// [`media_core::ports::PortPool::flow_table_layout`] lays them out.
    pub layout: Vec<MediaAddress>,
    /// Silence after which a call that is not on hold is reported; `None` for never.
    pub timeout: Option<Duration>,
    /// Directory in a bpffs for the pins of maps and links.
    pub pin_dir: PathBuf,
    /// CPUs for the workers, in turn; empty: worker `n` runs on the `n`th CPU that the process may use.
    pub cpus: Vec<usize>,
}

/// How media packets are to travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// XDP if this host and process can, else sockets with a warning that says what is missing.
    #[default]
    Auto,
    /// XDP or an error.
    Xdp,
    /// UDP sockets, which need no privilege.
    Socket,
}

/// Where the kernel is to run the XDP program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attach {
    /// In the driver if it can, else generic.
    #[default]
    Auto,
    /// In the driver or an error.
    Native,
    /// In the network stack, after the socket buffer was made: works with any driver, slower.
    Generic,
}

impl MediaConfig {
    /// Where the program is to run on that interface.
    pub fn attach_to(&self, interface: &str) -> Attach {
        let own = self.attach_of.iter().find(|(name, _)| name == interface);
        own.map_or(self.attach, |(_, attach)| *attach)
    }

    /// The default of `media.timeout`.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
    /// The default of `media.pin_dir`.
    pub const DEFAULT_PIN_DIR: &'static str = "/sys/fs/bpf/trunkline";
}
