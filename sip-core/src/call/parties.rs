//! What every state of a call works with: both legs, their media, and the record.

use std::time::Instant;

use media_core::report::MediaReport;
use media_core::session::{CallId, Session, Side};

use super::context::{Context, Owner};
use super::headers::{ALLOW, pass_body_description, pass_through};
use super::leg::Leg;
use super::outcome::Outcome;
use crate::message::{HeaderName, Headers, Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::sdp::Negotiation;
use crate::stack::{CallRecord, Command, Event, EventKind, LegRecord, LiveCall, MediaCommand};
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Origin;

/// Both legs of one call.
#[derive(Debug)]
pub(super) struct Parties {
    pub(super) id: CallId,
    legs: [Leg; 2],
    negotiation: Negotiation,
    media: Media,
    /// From and Request-URI of the INVITE that came.
    from: String,
    to: String,
    start: Instant,
    answer: Option<Instant>,
    end: Option<(Instant, Outcome)>,
}

/// What the media plane has of the call.
#[derive(Debug)]
enum Media {
    None,
    Applied(Session),
    /// Ports stay ours until the flows are gone.
    Removing,
    /// Ports are given back; the record is written.
    Gone,
}

/// A body to send on: the SDP that negotiation made of it, and the headers that described it.
pub(super) struct Description<'a> {
    pub(super) sdp: Vec<u8>,
    pub(super) described_by: &'a Headers,
}

impl Parties {
    pub(super) fn new(
        id: CallId,
        legs: [Leg; 2],
        negotiation: Negotiation,
        (from, to): (String, String),
        start: Instant,
    ) -> Parties {
        Parties {
            id,
            legs,
            negotiation,
            media: Media::None,
            from,
            to,
            start,
            answer: None,
            end: None,
        }
    }

    pub(super) fn leg(&self, side: Side) -> &Leg {
        &self.legs[side.index()]
    }

    pub(super) fn leg_mut(&mut self, side: Side) -> &mut Leg {
        &mut self.legs[side.index()]
    }

    pub(super) fn legs_mut(&mut self) -> &mut [Leg; 2] {
        &mut self.legs
    }

    pub(super) fn into_legs(self) -> [Leg; 2] {
        self.legs
    }

    /// The caller's URI.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// The called URI.
    pub(super) fn to(&self) -> &str {
        &self.to
    }

    pub(super) fn owner(&self, side: Side) -> Owner {
        (self.id, side)
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
        &self,
        cx: &mut Context,
        side: Side,
        (server, request): (ServerKey, &Request),
        far: &Response,
        body: Option<Description<'_>>,
    ) {
        let leg = self.leg(side);
        let mut response = cx.response(request, far.status, &leg.key.tag);
        response.reason.clone_from(&far.reason);
        if far.status.is_provisional() || far.status.is_success() {
            response.headers.push(HeaderName::Contact, &leg.contact);
            response.headers.push(HeaderName::Allow, ALLOW);
        }
        pass_through(&far.headers, &mut response.headers);
        if let Some(delay) = far
            .headers
            .value(HeaderName::RetryAfter)
            .filter(|_| far.status.is_final())
        {
            response.headers.push(HeaderName::RetryAfter, delay);
        }
        if let Some(body) = body {
            body.attach(&mut response.headers, &mut response.body);
        }
        cx.respond(server, &response);
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
        let owner = self.owner(side);
        let (mut bye, target) = self.leg_mut(side).request(cx, Method::Bye)?;
        if let Some(refusal) = because {
            bye.headers
                .push(HeaderName::Reason, refusal.reason_header());
        }
        if let Some(passing) = passing {
            pass_through(&passing.headers, &mut bye.headers);
            pass_body_description(&passing.headers, &mut bye.headers);
            bye.body.clone_from(&passing.body);
        }
        Some(cx.request(owner, bye, target))
    }

    /// A 2xx of a fork that came after another one's: acknowledged and ended at once
    /// (RFC 3261 section 13.2.2.4). Retransmissions are not meant here.
    pub(super) fn refuse_fork(&self, cx: &mut Context, origin: &Origin, response: &Response) {
        let leg = self.leg(Side::Callee);
        let confirmed = leg
            .dialog
            .as_ref()
            .map(|dialog| dialog.id().remote_tag.to_string());
        let tag = response
            .headers
            .to()
            .ok()
            .and_then(|to| to.tag().map(str::to_owned));
        if !response.status.is_success() || tag.unwrap_or_default() == confirmed.unwrap_or_default()
        {
            return;
        }
        if let Some(sent) = &leg.invite {
            sent.decline(cx, origin, response);
        }
    }

    // Media.

    pub(super) fn offer(
        &mut self,
        cx: &mut Context,
        from: Side,
        sdp: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let offered = self
            .negotiation
            .offer(from, sdp, &mut *cx.ports, &mut *cx.rng);
        if let Err(refusal) = &offered
            && refusal.code == Refusal::NO_MEDIA_PORT.code
        {
            cx.counters.media_ports_exhausted += 1;
        }
        offered
    }

    /// The answer for the side that offered; the media follows it at once.
    pub(super) fn answer(
        &mut self,
        cx: &mut Context,
        from: Side,
        sdp: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let answer = self
            .negotiation
            .answer(from, sdp, &mut *cx.ports, &mut *cx.rng)?;
        self.apply_media(cx);
        Ok(answer)
    }

    /// Offer and answer are settled.
    pub(super) fn confirm_media(&mut self, cx: &mut Context) {
        self.negotiation.confirm();
        self.apply_media(cx);
    }

    /// The offer was refused: what was agreed before stays.
    pub(super) fn reject_media(&mut self, cx: &mut Context) {
        self.negotiation.reject();
        self.apply_media(cx);
    }

    fn apply_media(&mut self, cx: &mut Context) {
        let Some(session) = self.negotiation.session() else {
            return;
        };
        match &self.media {
            Media::Applied(applied) if *applied == session => return,
            Media::None | Media::Applied(_) => {}
            Media::Removing | Media::Gone => return,
        }
        cx.commands
            .push_back(Command::Media(MediaCommand::Apply(session.clone())));
        self.media = Media::Applied(session);
    }

    // Beginning and end.

    pub(super) fn answered(&mut self, cx: &mut Context) {
        self.answer = Some(cx.now);
        cx.counters.calls_answered += 1;
        self.event(
            cx,
            EventKind::CallAnswered,
            Side::Callee,
            None,
            "answered".to_owned(),
        );
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// The call is over: its media goes, and its record is written when that is gone. What else is
    /// due on the legs is the state's business.
    pub(super) fn finish(&mut self, cx: &mut Context, outcome: Outcome) {
        if matches!(self.media, Media::Removing | Media::Gone) {
            return;
        }
        cx.counters.calls_ended += 1;
        let side = if outcome.ended_by.name() == "callee" {
            Side::Callee
        } else {
            Side::Caller
        };
        self.event(
            cx,
            EventKind::CallEnded,
            side,
            outcome.code,
            format!("{} {}", outcome.status, outcome.reason),
        );
        self.end = Some((cx.now, outcome));
        if let Media::Applied(_) = self.media {
            cx.commands
                .push_back(Command::Media(MediaCommand::Remove(self.id)));
            self.media = Media::Removing;
        } else {
            self.close(cx, None);
        }
    }

    /// The flows are gone.
    pub(super) fn media_removed(&mut self, cx: &mut Context, report: MediaReport) {
        if let Media::Removing = self.media {
            self.close(cx, Some(report));
        }
    }

    /// Nothing is left but what the legs still wait for.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.media, Media::Gone)
    }

    fn close(&mut self, cx: &mut Context, report: Option<MediaReport>) {
        for (realm, media) in self.negotiation.local_media() {
            cx.ports.release(cx.now, realm, media);
        }
        self.media = Media::Gone;
        if let Some((end, outcome)) = self.end.take() {
            let record = self.record(end, outcome, report);
            cx.commands.push_back(Command::Record(Box::new(record)));
        }
    }

    fn record(&self, end: Instant, outcome: Outcome, media: Option<MediaReport>) -> CallRecord {
        let codec = [Side::Caller, Side::Callee]
            .into_iter()
            .find_map(|side| self.negotiation.leg(side).codec);
        CallRecord {
            call: self.id,
            caller: self.leg_record(Side::Caller),
            callee: Some(self.leg_record(Side::Callee)),
            from: self.from.clone(),
            to: self.to.clone(),
            start: self.start,
            answer: self.answer,
            end,
            ended_by: outcome.ended_by,
            status: outcome.status,
            code: outcome.code,
            reason: outcome.reason,
            codec,
            media,
        }
    }

    pub(super) fn describe(&self) -> LiveCall {
        LiveCall {
            call: self.id,
            legs: [Side::Caller, Side::Callee].map(|side| self.leg_record(side)),
            from: self.from.clone(),
            to: self.to.clone(),
            start: self.start,
            answer: self.answer,
        }
    }

    fn leg_record(&self, side: Side) -> LegRecord {
        let leg = self.leg(side);
        let agreed = self
            .negotiation
            .session()
            .map(|_| self.negotiation.leg(side));
        LegRecord {
            sip_call_id: leg.key.call_id.clone(),
            trunk: Some(leg.trunk.settings.name.clone()),
            transport: leg.transport,
            remote: leg.remote,
            profile: agreed.as_ref().map(|media| media.profile),
            suite: agreed.and_then(|media| media.suite),
        }
    }

    pub(super) fn event(
        &self,
        cx: &mut Context,
        kind: EventKind,
        side: Side,
        code: Option<u32>,
        text: String,
    ) {
        let leg = self.leg(side);
        cx.event(Event {
            kind,
            call: Some(self.id),
            trunk: Some(leg.trunk.settings.name.clone()),
            peer: leg.remote.map(|remote| (leg.transport, remote)),
            code,
            text,
        });
    }
}

impl Description<'_> {
    pub(super) fn attach(self, headers: &mut Headers, body: &mut Vec<u8>) {
        if self.described_by.contains(HeaderName::ContentType) {
            pass_body_description(self.described_by, headers);
        } else {
            headers.push(HeaderName::ContentType, super::headers::ACCEPT);
        }
        *body = self.sdp;
    }
}
