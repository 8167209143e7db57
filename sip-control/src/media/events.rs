//! What the XDP program reports through its ring buffer: digits for signalling, the rest as debug
//! lines of a bounded rate.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media_common::event::{
    Event, KIND_DIGIT, KIND_FIRST_PACKET, KIND_SOURCE_MISMATCH, KIND_SSRC_CHANGE,
};

use super::loader::Loaded;
use super::maps::KernelMaps;
use super::slots::{FlowReports, Slots};

/// Lines per [`WINDOW`]; the rest is counted and said in one.
const LINES: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);

pub(super) struct KernelEvents {
    reports: FlowReports,
    slots: Arc<Slots>,
    window_began: Instant,
    lines: u32,
    suppressed: u64,
    #[cfg(feature = "trace")]
    trace: Option<super::trace::Trace>,
}

impl KernelEvents {
    #[cfg_attr(
        not(feature = "trace"),
        expect(unused_variables, reason = "only the trace reads the object")
    )]
    pub(super) fn new(
        loaded: &mut Loaded,
        reports: FlowReports,
        slots: Arc<Slots>,
    ) -> KernelEvents {
        KernelEvents {
            reports,
            slots,
            window_began: Instant::now(),
            lines: 0,
            suppressed: 0,
            #[cfg(feature = "trace")]
            trace: super::trace::Trace::start(loaded.ebpf()),
        }
    }

    /// The trace's descriptor, in a build with the trace.
    pub(super) fn trace_fd(&self) -> Option<BorrowedFd<'_>> {
        #[cfg(feature = "trace")]
        return self.trace.as_ref().map(super::trace::Trace::fd);
        #[cfg(not(feature = "trace"))]
        None
    }

    /// Reads all that is there.
    pub(super) fn read(&mut self, maps: &mut KernelMaps) {
        while let Some(event) = maps.next_event() {
            if event.kind == KIND_DIGIT {
                self.report_digit(&event);
                continue;
            }
            if self.may_log() {
                log(&event);
            }
        }
        #[cfg(feature = "trace")]
        if let Some(trace) = &mut self.trace {
            trace.flush();
        }
    }

    /// Which digit it was is in no line of the log.
    fn report_digit(&self, event: &Event) {
        let code = u8::try_from(event.detail).ok();
        if let (Some(local), Some(code)) = (self.slots.local_of(event.flow), code) {
            self.reports.digit(local, code);
        }
    }

    fn may_log(&mut self) -> bool {
        if self.window_began.elapsed() >= WINDOW {
            if self.suppressed > 0 {
                tracing::debug!(
                    events = self.suppressed,
                    "media: more events of the XDP program than are logged"
                );
            }
            (self.window_began, self.lines, self.suppressed) = (Instant::now(), 0, 0);
        }
        if self.lines == LINES {
            self.suppressed += 1;
            return false;
        }
        self.lines += 1;
        true
    }
}

fn log(event: &Event) {
    let ip = IpAddr::V6(Ipv6Addr::from(event.source_address)).to_canonical();
    let source = SocketAddr::new(ip, u16::from_be_bytes(event.source_port));
    let ssrc = u32::from_be_bytes(event.ssrc);
    let what = match event.kind {
        KIND_FIRST_PACKET => "the first packet of a flow was forwarded",
        KIND_SSRC_CHANGE => "another source speaks in a flow",
        KIND_SOURCE_MISMATCH => "a packet came from elsewhere than the peer",
        _ => "an event of a kind that this version does not know",
    };
    tracing::debug!(flow = event.flow, %source, payload_type = event.payload_type, ssrc, "media: {what}");
}
