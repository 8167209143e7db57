//! Both parties of a call that we placed have answered ([`super::placing`]): the first one is offered
//! what the second one answered, and if it agrees they talk.

use std::time::{Duration, Instant};

use media_core::session::Side;
use zeroize::Zeroizing;

use super::context::Context;
use super::glare::{Glare, retry_delay};
use super::headers::{ACCEPT, session_description};
use super::inviting::sequence;
use super::outcome::Failure;
use super::parties::Parties;
use super::placing::Stage;
use super::{Call, Input};
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::{ClientKey, ServerKey};

pub(super) struct Bridge {
    server: ServerKey,
    /// What the second party answered.
    offer: Zeroizing<Vec<u8>>,
    /// The re-INVITE that is out.
    pub(super) client: Option<ClientKey>,
    /// When that is cancelled, or else sent.
    due: Option<Instant>,
    glare: Glare,
}

impl Call {
    /// A response to our INVITE to ourselves: once the second party has answered, the first one is
    /// offered that.
    pub(super) fn second_responded(
        mut self,
        cx: &mut Context,
        server: ServerKey,
        response: Response,
    ) -> Call {
        if let Some(placed) = &mut self.parties.placed
            && matches!(placed.stage, Stage::Second(own) if own == server)
            && response.status.is_success()
        {
            placed.stage = Stage::Bridging(Box::new(Bridge {
                server,
                offer: Zeroizing::new(response.body),
                client: None,
                due: Some(cx.now),
                glare: Glare::default(),
            }));
        }
        self.go_on_with_bridge(cx)
    }

    /// Sends the first party what the second one answered; or stops waiting for it.
    pub(super) fn go_on_with_bridge(mut self, cx: &mut Context) -> Call {
        let parties = &mut self.parties;
        if parties.bridge_due().is_none_or(|due| due > cx.now) {
            return self;
        }
        let owner = parties.owner(Side::Caller);
        let request = match parties.bridge().and_then(|bridge| bridge.client) {
            Some(client) => {
                cx.cancel(client);
                None
            }
            None => parties.leg_mut(Side::Caller).request(cx, Method::Invite),
        };
        let patience = cx.config.timers.timeout();
        if let Some(bridge) = parties.bridge() {
            bridge.due = None;
            if let Some((mut invite, target)) = request {
                invite.headers.push(HeaderName::ContentType, ACCEPT);
                invite.body = bridge.offer.to_vec();
                bridge.due = Some(cx.now + patience);
                bridge.client = Some(cx.request(owner, invite, target));
            }
        }
        self
    }

    pub(super) fn is_bridge(&mut self, client: ClientKey) -> bool {
        let bridge = self.parties.bridge();
        bridge.is_some_and(|bridge| bridge.client == Some(client))
    }

    /// The first party answered our re-INVITE.
    pub(super) fn handle_bridge_response(mut self, cx: &mut Context, response: &Response) -> Call {
        let parties = &mut self.parties;
        let Some(bridge) = parties.bridge().filter(|_| response.status.is_final()) else {
            return self;
        };
        let client = bridge.client.take();
        bridge.due = None;
        if response.status.is_success() {
            return self.bridged(cx, client, response);
        }
        let leg = parties.leg_mut(Side::Caller);
        let again = match response.status {
            StatusCode::REQUEST_PENDING => {
                let delay = retry_delay(cx, leg);
                let bridge = parties.bridge();
                bridge
                    .is_some_and(|bridge| bridge.glare.may_wait(cx, delay))
                    .then_some(delay)
            }
            StatusCode::INTERVAL_TOO_SMALL if leg.timer.raise(&response.headers) => {
                Some(Duration::ZERO)
            }
            _ => None,
        };
        let refusal = match response.status {
            StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT => Refusal::DIALOG_LOST,
            _ => Refusal::NO_COMMON_CODEC,
        };
        match (again, parties.bridge()) {
            (Some(delay), Some(bridge)) => {
                bridge.due = Some(cx.now + delay);
                self.go_on_with_bridge(cx)
            }
            _ => self.step(cx, Input::End(refusal)),
        }
    }

    fn bridged(mut self, cx: &mut Context, client: Option<ClientKey>, response: &Response) -> Call {
        let parties = &mut self.parties;
        let leg = parties.leg_mut(Side::Caller);
        if let Some(dialog) = &mut leg.dialog {
            // A Contact that cannot be read changes nothing.
            let _ = dialog.refresh(&response.headers);
        }
        let uri = leg.contact.uri().clone();
        if let Some(client) = client {
            parties.acknowledge(cx, Side::Caller, client, sequence(response), None);
        }
        let answered = match session_description(&response.headers, &response.body) {
            Ok(Some(answer)) => parties.media.refreshed(cx, Side::Caller, answer),
            _ => Err(Refusal::NO_SDP),
        };
        if let Err(refusal) = answered {
            return self.step(cx, Input::End(refusal));
        }
        let placed = parties.placed.take().map(|placed| placed.stage);
        parties.media.open(cx);
        match placed {
            Some(Stage::Bridging(bridge)) => {
                let server = bridge.server;
                cx.own_invite_is_over(server);
                let request = Request::new(Method::Ack, uri);
                self.step(cx, Input::Ack { server, request })
            }
            _ => self,
        }
    }

    pub(super) fn handle_bridge_failure(mut self, cx: &mut Context, failure: &Failure) -> Call {
        if let Some(bridge) = self.parties.bridge() {
            bridge.client = None;
            bridge.due = None;
        }
        let refusal = match failure {
            Failure::TimedOut => Refusal::DIALOG_LOST,
            Failure::TransportFailed(_) => failure.refusal(),
        };
        self.step(cx, Input::End(refusal))
    }
}

impl Parties {
    /// Our INVITE to the first party with what the second one answered is out, or about to be.
    pub(super) fn is_bridging(&self) -> bool {
        let placed = self.placed.as_ref();
        placed.is_some_and(|placed| matches!(placed.stage, Stage::Bridging(_)))
    }

    pub(super) fn bridge_due(&self) -> Option<Instant> {
        match &self.placed.as_ref()?.stage {
            Stage::Bridging(bridge) => bridge.due,
            Stage::First | Stage::Second(_) => None,
        }
    }

    fn bridge(&mut self) -> Option<&mut Bridge> {
        match &mut self.placed.as_mut()?.stage {
            Stage::Bridging(bridge) => Some(bridge),
            Stage::First | Stage::Second(_) => None,
        }
    }
}
