//! What every state of a call works with: both legs, and what is sent on them.

use media_core::session::{CallId, Side};

use super::bodies::{Description, pass_other_body};
use super::context::{Context, Owner};
use super::crossing::Crossing;
use super::headers::{allow, pass_body_description};
use super::holding::Hold;
use super::leg::Leg;
use super::media::CallMedia;
use super::moving::Referred;
use super::placing::Placed;
use super::record::Draft;
use super::relaying::Relay;
use super::reliable::Provisionals;
use super::transfer::Transfer;
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Origin;

/// Both legs of one call, their media, and the record that becomes of it.
pub(super) struct Parties {
    pub(super) id: CallId,
    legs: [Leg; 2],
    pub(super) media: CallMedia,
    pub(super) draft: Draft,
    /// To the caller's first INVITE.
    pub(super) provisionals: Provisionals,
    /// Requests other than INVITE and BYE that were passed on.
    pub(super) relays: Vec<Relay>,
    /// A REFER that we accepted.
    pub(super) transfer: Option<Box<Transfer>>,
    /// A REFER of ours is under way.
    pub(super) referred: Option<Box<Referred>>,
    /// What we have still to do for a call that we placed.
    pub(super) placed: Option<Box<Placed>>,
    /// An operator's.
    pub(super) hold: Hold,
}

impl Parties {
    pub(super) fn new(
        id: CallId,
        legs: [Leg; 2],
        media: CallMedia,
        draft: Draft,
        provisionals: Provisionals,
    ) -> Parties {
        Parties {
            id,
            legs,
            media,
            draft,
            provisionals,
            relays: Vec::new(),
            transfer: None,
            referred: None,
            placed: None,
            hold: Hold::default(),
        }
    }

    pub(super) fn leg(&self, side: Side) -> &Leg {
        &self.legs[side.index()]
    }

    pub(super) fn leg_mut(&mut self, side: Side) -> &mut Leg {
        &mut self.legs[side.index()]
    }

    pub(super) fn exchange_legs(&mut self) {
        self.legs.swap(0, 1);
    }

    pub(super) fn legs_mut(&mut self) -> &mut [Leg; 2] {
        &mut self.legs
    }

    pub(super) fn into_legs(self) -> [Leg; 2] {
        self.legs
    }

    pub(super) fn owner(&self, side: Side) -> Owner {
        (self.id, side)
    }

    /// What of a request of that side's peer crosses to the other side's.
    pub(super) fn request_from(&self, side: Side) -> Crossing<'_> {
        let trunk = |side| &*self.leg(side).trunk.settings;
        Crossing::request(trunk(side), trunk(side.other()))
    }

    /// What of a response does.
    pub(super) fn response_from(&self, side: Side) -> Crossing<'_> {
        let trunk = |side| &*self.leg(side).trunk.settings;
        Crossing::response(trunk(side), trunk(side.other()))
    }

    // Responses.

    /// Answers without a body: 200 to BYE, errors.
    pub(super) fn respond(
        &self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        request: &Request,
        status: StatusCode,
    ) {
        let response = cx.response(request, status, &self.leg(side).key.tag);
        cx.respond(server, &response);
    }

    /// 200 to a request that refreshes the dialog and goes no further.
    pub(super) fn accept(
        &mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        request: &Request,
    ) {
        let leg = self.leg_mut(side);
        let mut response = cx.response(request, StatusCode::OK, &leg.key.tag);
        response.headers.push(HeaderName::Contact, &leg.contact);
        let allowed = allow(leg.trunk.settings.refer);
        response.headers.push(HeaderName::Allow, allowed);
        leg.timer
            .answer(cx.now, &request.headers, &mut response.headers);
        cx.respond(server, &response);
    }

    /// Refuses with a code of ours.
    pub(super) fn refuse(
        &self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        request: &Request,
        refusal: &Refusal,
    ) {
        let leg = self.leg(side);
        let response = cx.refusal_response(request, &leg.key.tag, refusal, leg.listener);
        cx.respond(server, &response);
    }

    /// 500 to an INVITE while another one of the same side is being answered (RFC 3261
    /// section 14.2).
    pub(super) fn respond_later(
        &self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        request: &Request,
    ) {
        let status = StatusCode::SERVER_INTERNAL_ERROR;
        let mut response = cx.response(request, status, &self.leg(side).key.tag);
        response
            .headers
            .push(HeaderName::RetryAfter, cx.short_delay());
        cx.respond(server, &response);
    }

    /// Passes a response of the far side on to `side`, with its phrase and the headers that cross.
    pub(super) fn pass_response(
        &mut self,
        cx: &mut Context,
        side: Side,
        (server, request): (ServerKey, &Request),
        far: &Response,
        body: Option<Description<'_>>,
    ) {
        let response = self.passed_response(cx, side, request, far, body);
        cx.respond(server, &response);
    }

    /// What [`Parties::pass_response`] sends.
    pub(super) fn passed_response(
        &mut self,
        cx: &Context,
        side: Side,
        request: &Request,
        far: &Response,
        body: Option<Description<'_>>,
    ) -> Response {
        let leg = self.leg_mut(side);
        let mut response = cx.response(request, far.status, &leg.key.tag);
        response.reason.clone_from(&far.reason);
        let refreshes = matches!(
            request.method,
            Method::Invite | Method::Update | Method::Refer
        );
        if refreshes && (far.status.is_provisional() || far.status.is_success()) {
            response.headers.push(HeaderName::Contact, &leg.contact);
            let allowed = allow(leg.trunk.settings.refer);
            response.headers.push(HeaderName::Allow, allowed);
        }
        if request.method != Method::Refer && refreshes && far.status.is_success() {
            leg.timer
                .answer(cx.now, &request.headers, &mut response.headers);
        }
        self.response_from(side.other())
            .pass(&far.headers, &mut response.headers);
        if let Some(delay) = far
            .headers
            .value(HeaderName::RetryAfter)
            .filter(|_| far.status.is_final())
        {
            response.headers.push(HeaderName::RetryAfter, delay);
        }
        match body {
            Some(body) => body.attach(&mut response.headers, &mut response.body),
            None => pass_other_body(
                (&far.headers, &far.body),
                &mut response.headers,
                &mut response.body,
            ),
        }
        response
    }

    // Requests.

    /// Sends the ACK to the 2xx `answer` of `invite`, with the answer to its offer if it made one.
    pub(super) fn acknowledge(
        &self,
        cx: &mut Context,
        side: Side,
        invite: ClientKey,
        sequence: u32,
        body: Option<Description<'_>>,
    ) {
        if let Some((mut ack, target)) = self.leg(side).ack(cx, sequence) {
            if let Some(body) = body {
                body.attach(&mut ack.headers, &mut ack.body);
            }
            cx.acknowledge(invite, ack, target);
        }
    }

    /// Sends BYE; `None` if the leg has no dialog. `because` may say why, `passing` is the BYE of
    /// the other side.
    pub(super) fn hang_up(
        &mut self,
        cx: &mut Context,
        side: Side,
        because: Option<&Refusal>,
        passing: Option<&Request>,
    ) -> Option<ClientKey> {
        self.leg(side).dialog.as_ref()?;
        let owner = self.owner(side);
        let (mut bye, target) = self.leg_mut(side).request(cx, Method::Bye)?;
        if let Some(refusal) = because {
            bye.headers
                .push(HeaderName::Reason, refusal.reason_header());
        }
        if let Some(passing) = passing {
            self.request_from(side.other())
                .pass(&passing.headers, &mut bye.headers);
            pass_body_description(&passing.headers, &mut bye.headers);
            bye.body.clone_from(&passing.body);
        }
        Some(cx.request(owner, bye, target))
    }

    /// A 2xx of a fork that came after another one's: acknowledged and ended at once
    /// (RFC 3261 section 13.2.2.4). Retransmissions are not meant here.
    pub(super) fn refuse_fork(&self, cx: &mut Context, origin: &Origin, response: &Response) {
        self.refuse_fork_of(cx, Side::Callee, origin, response);
    }

    /// The same of any side whose leg an INVITE of ours has made.
    pub(super) fn refuse_fork_of(
        &self,
        cx: &mut Context,
        side: Side,
        origin: &Origin,
        response: &Response,
    ) {
        let leg = self.leg(side);
        let confirmed = leg.dialog.as_ref().map(|dialog| &*dialog.id().remote_tag);
        let tag = response.headers.to_tag().ok().flatten();
        let is_answer = response
            .headers
            .cseq()
            .is_ok_and(|cseq| cseq.method == Method::Invite);
        if !is_answer
            || !response.status.is_success()
            || tag.unwrap_or_default() == confirmed.unwrap_or_default()
        {
            return;
        }
        if let Some(sent) = &leg.invite {
            sent.decline(cx, origin, response);
        }
    }
}
