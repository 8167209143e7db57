//! The media plane: carries the packets of the calls that signalling has set up.
//!
//! Signalling hands over a whole [`Session`] each time something changes; a control
//! thread turns it into flows and installs them: in the XDP program's maps and the
//! AF_XDP workers' slots, or in the socket relay. Nothing here blocks the caller.

mod calls;
mod capability;
mod carrier;
mod config;
mod control;
mod direction;
mod ephemeral;
mod error;
mod events;
mod hops;
mod limits;
mod loader;
mod maps;
mod memory;
mod monotonic;
mod netlink;
mod next_hop;
mod object;
mod pace;
mod pins;
mod shared_hops;
mod silence;
mod slots;
mod status;
pub(crate) mod sys;
#[cfg(feature = "trace")]
mod trace;
mod udp;
mod wake;
mod xdp;
mod xsk;

use std::sync::Arc;
use std::thread::JoinHandle;

use media_common::counters::Verdicts;
use media_core::report::MediaEvent;
use media_core::session::{CallId, Session};
use tokio::sync::watch;

pub use carrier::Place;
pub use config::{Attach, Backend, MediaConfig};
pub use error::MediaError;
pub use status::{
    ActiveBackend, AttachedMode, Carried, FlowPage, FlowSample, FlowStatus, InterfaceDescription,
    MediaDescription,
};

use control::{Control, Input, Inputs, Wanted};

/// Flows that are asked for together: control does nothing else for a millisecond or two.
const FLOWS_AT_ONCE: usize = 1000;

/// The running media plane. [`MediaPlane::stop`], or dropping it, detaches the XDP
/// program, closes every socket and removes the pins.
pub struct MediaPlane {
    inputs: Inputs,
    description: MediaDescription,
    thread: Option<JoinHandle<Verdicts>>,
    ready: watch::Receiver<u64>,
}

impl MediaPlane {
    /// Loads and attaches, or opens sockets, as the configuration says. `events` gets what
    /// signalling must know; a full channel delays events, it loses none.
    pub fn start(
        config: MediaConfig,
        events: tokio::sync::mpsc::Sender<MediaEvent>,
    ) -> Result<MediaPlane, MediaError> {
        let (inputs, control, description, ready) = Control::start(&config, events)?;
        let thread = std::thread::Builder::new()
            .name("media-control".to_owned())
            .spawn(move || control.run())
            .map_err(|source| MediaError::System {
                action: "starting the control thread",
                source,
            })?;
        Ok(MediaPlane {
            inputs,
            description,
            thread: Some(thread),
            ready,
        })
    }

    /// Makes the call's media what `session` says: new, changed or unchanged.
    /// A session that cannot be carried is answered by [`MediaEvent::Failed`].
    ///
    /// Answers the session's number: once [`MediaPlane::ready`] shows it, or a later one, packets
    /// of the session pass. Peers should not be told of it before.
    pub fn apply(&self, session: impl Into<Arc<Session>>) -> u64 {
        self.inputs.apply(session.into())
    }

    /// The number of the last session that is ready. A peer that does not answer the neighbour
    /// query delays it by no more than some milliseconds.
    pub fn ready(&self) -> watch::Receiver<u64> {
        self.ready.clone()
    }

    /// Takes the call's flows away; [`MediaEvent::Removed`] follows when no packet of it is
    /// on its way any more, also for a call that has none.
    pub fn remove(&self, call: CallId) {
        self.inputs.send(Input::Remove(call));
    }

    /// Every packet since start by its fate, kernel and workers together. Waits for the
    /// control thread, usually well under a millisecond: not for the signalling loop.
    pub fn verdicts(&self) -> Verdicts {
        self.inputs.ask(Input::Verdicts).unwrap_or_default()
    }

    /// The flows of the live calls, in the order of calls. Asked for some at a time, so that
    /// sessions of new calls need not wait for all of them: what changes meanwhile may be missing.
    pub fn flows(&self) -> Vec<FlowStatus> {
        let mut flows = Vec::new();
        let mut after = None;
        loop {
            let page = self.flows_after(after, FLOWS_AT_ONCE);
            flows.extend(page.flows);
            match page.next {
                Some(next) => after = Some(next),
                None => return flows,
            }
        }
    }

    /// The flows of the calls with higher numbers than `after`, in the order of calls: `most` of
    /// them or less, but all of at least one call. Waits like [`MediaPlane::verdicts`].
    pub fn flows_after(&self, after: Option<CallId>, most: usize) -> FlowPage {
        self.ask_flows(Wanted::After { call: after, most })
    }

    /// The flows of these calls; those without media have none. Waits like
    /// [`MediaPlane::verdicts`]: ask for some hundred calls at a time.
    pub fn flows_of(&self, calls: Vec<CallId>) -> Vec<FlowStatus> {
        self.ask_flows(Wanted::Of(calls)).flows
    }

    /// The flow at an index of the flow table. Waits like [`MediaPlane::verdicts`].
    pub fn flow_at(&self, index: u32) -> Option<FlowStatus> {
        self.ask_flows(Wanted::At(index)).flows.pop()
    }

    fn ask_flows(&self, wanted: Wanted) -> FlowPage {
        self.inputs
            .ask(|answer| Input::Flows(wanted, answer))
            .unwrap_or_default()
    }

    /// How good the media of these calls is; those without media have no samples. Waits like
    /// [`MediaPlane::verdicts`]: ask for some hundred calls at a time, so that the sessions of new
    /// ones need not wait.
    pub fn samples(&self, calls: Vec<CallId>) -> Vec<FlowSample> {
        self.inputs
            .ask(|answer| Input::Samples(calls, answer))
            .unwrap_or_default()
    }

    /// How it runs.
    pub fn description(&self) -> &MediaDescription {
        &self.description
    }

    /// Removes every flow, detaches, removes the pins, and returns the last verdicts.
    pub fn stop(mut self) -> Verdicts {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Verdicts {
        let Some(thread) = self.thread.take() else {
            return Verdicts::default();
        };
        self.inputs.send(Input::Stop);
        thread.join().unwrap_or_else(|_| {
            tracing::error!("media: the control thread had panicked");
            Verdicts::default()
        })
    }
}

impl Drop for MediaPlane {
    fn drop(&mut self) {
        self.shut_down();
    }
}
