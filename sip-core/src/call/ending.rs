//! The call is over; what is left is to let each peer know, and to hear that it does.

use media_core::session::Side;

use super::context::Context;
use super::inviting::{confirm_far_dialog, sequence};
use super::parties::Parties;
use super::{Input, State};
use crate::message::{Response, StatusCode};
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Origin;

/// Empty: nothing is left.
#[derive(Default)]
pub(super) struct Ending {
    legs: [LegEnd; 2],
}

/// What a leg still waits for.
#[derive(Default)]
struct LegEnd {
    /// An INVITE of ours that has no final response; it is cancelled, or BYE was sent.
    invite: Option<ClientKey>,
    /// A 2xx of ours that has no ACK: BYE is due when that comes, or comes no more.
    unacknowledged: Option<ServerKey>,
    /// A BYE of ours that has no final response.
    bye: Option<ClientKey>,
}

impl Ending {
    pub(super) fn with_bye(mut self, side: Side, bye: Option<ClientKey>) -> Ending {
        self.legs[side.index()].bye = bye;
        self
    }

    pub(super) fn with_invite(mut self, side: Side, invite: ClientKey) -> Ending {
        self.legs[side.index()].invite = Some(invite);
        self
    }

    pub(super) fn with_ack_awaited(mut self, side: Side, server: ServerKey) -> Ending {
        self.legs[side.index()].unacknowledged = Some(server);
        self
    }

    pub(super) fn wait_for_bye(&mut self, side: Side, bye: Option<ClientKey>) {
        let leg = &mut self.legs[side.index()];
        leg.bye = leg.bye.or(bye);
    }

    pub(super) fn wait_for_invite(&mut self, side: Side, invite: ClientKey) {
        self.legs[side.index()].invite = Some(invite);
    }

    pub(super) fn wait_for_no_ack(&mut self, side: Side) {
        self.legs[side.index()].unacknowledged = None;
    }

    pub(super) fn is_done(&self) -> bool {
        self.legs
            .iter()
            .all(|leg| leg.invite.is_none() && leg.unacknowledged.is_none() && leg.bye.is_none())
    }

    pub(super) fn handle(mut self, cx: &mut Context, parties: &mut Parties, input: Input) -> State {
        match input {
            Input::Response {
                side,
                client,
                origin,
                response,
            } => {
                self.handle_response(cx, parties, (side, client), &origin, &response);
            }
            Input::Failed { side, client, .. } => self.settled(side, client),
            Input::Ack { server, .. } | Input::ServerGone { server } => {
                self.acknowledged(cx, parties, server);
            }
            // A BYE that crossed ours: that leg waits for nothing of the peer's any more.
            Input::Bye { side, .. } => self.legs[side.index()].unacknowledged = None,
            Input::Invite {
                side,
                server,
                request,
            } => {
                parties.respond(cx, side, server, &request, StatusCode::CALL_DOES_NOT_EXIST);
            }
            Input::Cancel { .. }
            | Input::ResponseLost { .. }
            | Input::Acknowledged
            | Input::Unacknowledged
            | Input::Refresh { .. }
            | Input::Resolved { .. }
            | Input::Deadline
            | Input::End(_) => {}
        }
        State::Ending(self)
    }

    fn handle_response(
        &mut self,
        cx: &mut Context,
        parties: &mut Parties,
        (side, client): (Side, ClientKey),
        origin: &Origin,
        response: &Response,
    ) {
        if response.status.is_provisional() {
            return;
        }
        let leg = &mut self.legs[side.index()];
        if leg.invite != Some(client) {
            if leg.bye != Some(client) && side == Side::Callee {
                parties.refuse_fork(cx, origin, response);
            }
            self.settled(side, client);
            return;
        }
        leg.invite = None;
        if response.status.is_success() {
            let is_first = parties.leg(side).dialog.is_none();
            if is_first && !confirm_far_dialog(cx, parties, origin, response) {
                return;
            }
            // It crossed our CANCEL: acknowledged, and then ended.
            parties.acknowledge(cx, side, client, sequence(response), None);
            if is_first {
                leg.bye = parties.hang_up(cx, side, None, None);
            }
        }
    }

    fn settled(&mut self, side: Side, client: ClientKey) {
        let leg = &mut self.legs[side.index()];
        for waiting in [&mut leg.invite, &mut leg.bye] {
            waiting.take_if(|key| *key == client);
        }
    }

    fn acknowledged(&mut self, cx: &mut Context, parties: &mut Parties, server: ServerKey) {
        for side in [Side::Caller, Side::Callee] {
            let leg = &mut self.legs[side.index()];
            if leg.unacknowledged.take_if(|key| *key == server).is_some() {
                leg.bye = parties.hang_up(cx, side, None, None);
            }
        }
    }
}
