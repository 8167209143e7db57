//! The control thread: owns the calls and the backend, and is the only one that changes flows.

use std::collections::HashMap;
use std::sync::mpsc;

use media_common::counters::Verdicts;
use media_core::report::{MediaEvent, MediaReport};
use media_core::session::{CallId, Session};

use super::config::MediaConfig;
use super::error::MediaError;
use super::status::{ActiveBackend, FlowStatus, MediaDescription};

/// What the control thread is asked.
pub(super) enum Input {
    Apply(Box<Session>),
    Remove(CallId),
    Verdicts(mpsc::Sender<Verdicts>),
    Flows(mpsc::Sender<Vec<FlowStatus>>),
    Stop,
}

/// The way into the control thread.
pub(super) struct Inputs {
    sender: mpsc::Sender<Input>,
}

impl Inputs {
    /// Never blocks. After the thread's end inputs have no effect.
    pub(super) fn send(&self, input: Input) {
        let _ = self.sender.send(input);
    }

    /// Waits for the answer; `None` if the thread has ended.
    pub(super) fn ask<T>(&self, question: impl FnOnce(mpsc::Sender<T>) -> Input) -> Option<T> {
        let (answer, answered) = mpsc::channel();
        self.send(question(answer));
        answered.recv().ok()
    }
}

pub(super) struct Control {
    inputs: mpsc::Receiver<Input>,
    events: tokio::sync::mpsc::Sender<MediaEvent>,
    calls: HashMap<CallId, Session>,
}

impl Control {
    pub(super) fn start(
        _config: MediaConfig,
        events: tokio::sync::mpsc::Sender<MediaEvent>,
    ) -> Result<(Inputs, Control, MediaDescription), MediaError> {
        let (sender, inputs) = mpsc::channel();
        let description = MediaDescription {
            backend: ActiveBackend::Socket,
            fallback_reason: None,
        };
        Ok((
            Inputs { sender },
            Control {
                inputs,
                events,
                calls: HashMap::new(),
            },
            description,
        ))
    }

    pub(super) fn run(mut self) {
        while let Ok(input) = self.inputs.recv() {
            match input {
                Input::Apply(session) => {
                    self.calls.insert(session.call, *session);
                }
                Input::Remove(call) => {
                    self.calls.remove(&call);
                    let _ = self.events.blocking_send(MediaEvent::Removed {
                        call,
                        report: MediaReport::default(),
                    });
                }
                Input::Verdicts(answer) => drop(answer.send(Verdicts::default())),
                Input::Flows(answer) => drop(answer.send(Vec::new())),
                Input::Stop => return,
            }
        }
    }
}
