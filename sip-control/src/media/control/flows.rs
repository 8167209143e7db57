//! What control tells of the flows that run: never those of all calls at once, since sessions of new
//! calls wait meanwhile.

use std::ops::Bound::{Excluded, Unbounded};

use media_core::session::CallId;

use super::Control;
use crate::media::status::{FlowPage, FlowStatus};

/// Which flows are asked for.
pub(in crate::media) enum Wanted {
    /// Of these calls.
    Of(Vec<CallId>),
    /// At that index of the flow table.
    At(u32),
    /// Of the calls after that one.
    After {
        call: Option<CallId>,
        /// Flows; see [`crate::media::MediaPlane::flows_after`].
        most: usize,
    },
}

impl Control {
    pub(super) fn flows(&mut self, wanted: Wanted) -> FlowPage {
        match wanted {
            Wanted::Of(calls) => FlowPage {
                flows: self.flows_of(&calls),
                next: None,
            },
            Wanted::At(index) => FlowPage {
                flows: self.flow_at(index).into_iter().collect(),
                next: None,
            },
            Wanted::After { call, most } => self.flows_after(call, most),
        }
    }

    fn flows_of(&mut self, calls: &[CallId]) -> Vec<FlowStatus> {
        let mut flows = Vec::new();
        for call in calls.iter().filter_map(|id| self.calls.get(id)) {
            call.statuses(&mut *self.carrier, &mut flows);
        }
        flows
    }

    fn flow_at(&mut self, index: u32) -> Option<FlowStatus> {
        let local = self.slots.local_of(index)?;
        let call = *self.owners.get(&local)?;
        let flows = self.flows_of(&[call]);
        flows.into_iter().find(|flow| flow.local == local)
    }

    fn flows_after(&mut self, after: Option<CallId>, most: usize) -> FlowPage {
        let mut page = FlowPage::default();
        let mut told = None;
        let from = after.map_or(Unbounded, Excluded);
        for (id, call) in self.calls.range((from, Unbounded)) {
            let more = call.locals().count();
            if !page.flows.is_empty() && more > 0 && page.flows.len() + more > most {
                page.next = told;
                break;
            }
            call.statuses(&mut *self.carrier, &mut page.flows);
            told = Some(*id);
        }
        page
    }
}
