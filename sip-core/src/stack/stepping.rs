//! A call takes a step: it is taken out of its place, and put back with its next deadline, or is over.

use media_core::session::CallId;

use super::{CallEntry, Stack};
use crate::call::Call;
use crate::call::context::Context;
use crate::transaction::ServerKey;
use crate::transport::Origin;

impl Stack {
    pub(super) fn with_server(
        &mut self,
        key: ServerKey,
        step: impl FnOnce(Call, &mut Context) -> Call,
    ) {
        if let Some((id, _)) = self.cx.servers.get(&key).copied() {
            self.with_call(id, step);
        }
    }

    /// As [`Stack::with_call`], for a message that came by `origin`.
    pub(super) fn with_call_of(
        &mut self,
        origin: &Origin,
        id: CallId,
        step: impl FnOnce(Call, &mut Context) -> Call,
    ) {
        self.call_connections.extend(origin.connection);
        self.with_call(id, step);
    }

    /// Takes a call one step on; when it is over, only its remains stay.
    pub(super) fn with_call(&mut self, id: CallId, step: impl FnOnce(Call, &mut Context) -> Call) {
        if let Some(entry) = self.calls.remove(&id) {
            let mut call = step(entry.call, &mut self.cx);
            call.tell_of_hold(&mut self.cx);
            self.put(call, entry.scheduled);
        }
    }

    /// Puts a call in its place, with its deadline.
    pub(super) fn put(&mut self, call: Call, scheduled: Option<std::time::Instant>) {
        let id = call.id();
        let deadline = call.deadline();
        if deadline != scheduled {
            if let Some(scheduled) = scheduled {
                self.deadlines.remove(&(scheduled, id));
            }
            self.deadlines
                .extend(deadline.map(|deadline| (deadline, id)));
        }
        if !call.is_over() {
            self.calls.insert(
                id,
                CallEntry {
                    call,
                    scheduled: deadline,
                },
            );
            return;
        }
        let (legs, callee) = call.into_remains();
        for leg in legs {
            // It may have gone over to another call.
            if self
                .cx
                .legs
                .get(&leg)
                .is_some_and(|(owner, _)| *owner == id)
            {
                self.cx.legs.remove(&leg);
            }
        }
        let own = self.cx.own_invites.iter();
        let own = own.filter(|(_, own)| own.call == id);
        let own: Vec<ServerKey> = own.map(|(server, _)| *server).collect();
        for server in own {
            self.cx.own_invite_is_over(server);
        }
        if let Some((leg, invite)) = callee {
            let until = self.cx.now + self.cx.config.timers.timeout();
            self.cx.remains.keep(until, leg, invite);
        }
    }
}
