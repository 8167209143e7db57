//! The XDP program's own words on each packet, in a build with the `trace` feature.

use std::os::fd::{AsFd, BorrowedFd};

use aya::Ebpf;
use aya_log::EbpfLogger;

pub(super) struct Trace(EbpfLogger<ToTracing>);

impl Trace {
    /// `None`, with a warning, if the embedded object was built without it.
    pub(super) fn start(ebpf: &mut Ebpf) -> Option<Trace> {
        match EbpfLogger::init_with_logger(ebpf, ToTracing) {
            Ok(logger) => Some(Trace(logger)),
            Err(error) => {
                tracing::warn!(%error, "media: the XDP program has no trace; `cargo xtask run --trace` builds one that has");
                None
            }
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(super) fn flush(&mut self) {
        self.0.flush();
    }
}

/// `aya-log` speaks to the `log` crate, the daemon logs with `tracing`.
struct ToTracing;

impl log::Log for ToTracing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        tracing::info!(target: "xdp", "{}", record.args());
    }

    fn flush(&self) {}
}
