//! An operator moves a side of a call to somebody else (OPS-3): by a new call of ours
//! ([`super::transfer`]), or by REFER to that side (RFC 3515), which then calls by itself and tells of
//! it in NOTIFY. Once it has said that it is through, both sides get BYE (RFC 5589 section 6.1); if
//! it fails, or says nothing, the call goes on as it was. A side that accepts and hangs up is listened to
//! for longer than the call lasts ([`super::referrals`]).

use std::time::Instant;

use media_core::session::Side;

use super::context::Context;
use super::leg::Leg;
use super::outcome::Failure;
use super::parties::Parties;
use super::transfer::the;
use super::{Call, Input, identity};
use crate::message::{
    HeaderName, Headers, Method, NameAddr, Params, Request, Response, Scheme, StatusCode, Uri,
};
use crate::refusal::Refusal;
use crate::stack::{ControlError, EndedBy, EventKind, TransferHow};
use crate::transaction::{ClientKey, ServerKey};
use crate::transport::Host;

/// A REFER of ours.
pub(super) struct Referred {
    /// Who was sent it.
    side: Side,
    /// Until it is answered.
    client: Option<ClientKey>,
    /// Its CSeq number, which may name it in Event (RFC 3515 section 2.4.6).
    sequence: u32,
    target: String,
    /// When nobody waits for NOTIFY any more.
    deadline: Instant,
}

impl Call {
    /// `target`: a number, or a URI.
    pub(crate) fn move_side(
        mut self,
        cx: &mut Context,
        side: Side,
        target: &str,
        how: TransferHow,
    ) -> (Call, Result<(), ControlError>) {
        let moved = self.begin_to_move(cx, side, target, how);
        (self, moved)
    }

    fn begin_to_move(
        &mut self,
        cx: &mut Context,
        side: Side,
        target: &str,
        how: TransferHow,
    ) -> Result<(), ControlError> {
        if self.is_ending() {
            return Err(ControlError::NoSuchCall);
        }
        if !self.is_answered() {
            return Err(ControlError::WrongState("the call is not answered yet"));
        }
        if self.parties.transfer.is_some() || self.parties.referred.is_some() {
            return Err(ControlError::WrongState("a transfer is under way already"));
        }
        if !self.may_transfer(side.other()) {
            return Err(ControlError::WrongState("the call is being changed"));
        }
        let leg = self.parties.leg(side);
        let refer_to = match how {
            TransferHow::Refer => target_for(cx, leg, target)?,
            TransferHow::Local => target_for(cx, self.parties.leg(side.other()), target)?,
        };
        match how {
            TransferHow::Local => self
                .transfer_for_operator(cx, side.other(), refer_to)
                .map_err(ControlError::Refused),
            TransferHow::Refer => self.refer(cx, side, &refer_to),
        }
    }

    fn refer(
        &mut self,
        cx: &mut Context,
        side: Side,
        refer_to: &NameAddr,
    ) -> Result<(), ControlError> {
        let parties = &mut self.parties;
        let owner = parties.owner(side);
        let Some((mut refer, to)) = parties.leg_mut(side).request(cx, Method::Refer) else {
            return Err(ControlError::WrongState("the side has no dialog"));
        };
        refer.headers.push(HeaderName::ReferTo, refer_to);
        let sequence = refer.headers.cseq().map_or(0, |cseq| cseq.number);
        let client = cx.request(owner, refer, to);
        let target = refer_to.uri().to_string();
        let text = format!("to {target}, by an operator: the peer was sent REFER");
        parties.event(cx, EventKind::TransferStarted, side, None, text);
        parties.referred = Some(Box::new(Referred {
            side,
            client: Some(client),
            sequence,
            target,
            deadline: cx.now + cx.config.ring_timeout + cx.config.timers.timeout(),
        }));
        Ok(())
    }

    /// Whether a response or failure is that of a REFER of ours.
    pub(super) fn is_refer(&self, client: ClientKey) -> bool {
        let referred = self.parties.referred.as_ref();
        referred.is_some_and(|referred| referred.client == Some(client))
    }

    /// The final response to it.
    pub(super) fn handle_refer_response(mut self, cx: &mut Context, response: &Response) -> Call {
        if response.status.is_success() {
            if let Some(referred) = &mut self.parties.referred {
                referred.client = None;
            }
            return self;
        }
        let status = response.status;
        let reason = String::from_utf8_lossy(&response.reason);
        let text = format!("REFER: {status} {reason}");
        self.parties.moving_failed(cx, text.trim_end());
        // RFC 3261 section 12.2.1.2.
        match [StatusCode::CALL_DOES_NOT_EXIST, StatusCode::REQUEST_TIMEOUT].contains(&status) {
            true => self.step(cx, Input::End(Refusal::DIALOG_LOST)),
            false => self,
        }
    }

    pub(super) fn handle_refer_failure(mut self, cx: &mut Context, failure: &Failure) -> Call {
        self.parties
            .moving_failed(cx, &format!("REFER: {}", failure.text()));
        match failure {
            Failure::TimedOut => self.step(cx, Input::End(Refusal::DIALOG_LOST)),
            Failure::TransportFailed(_) => self,
        }
    }

    /// NOTIFY of what became of a REFER of ours, if it is that; it is answered then.
    pub(super) fn takes_notify(
        &mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        notify: &Request,
    ) -> Option<Told> {
        let parties = &self.parties;
        let referred = parties.referred.as_ref()?;
        let is_first = parties.is_first_refer(side);
        if referred.side != side || !referred.is_meant(&notify.headers, is_first) {
            return None;
        }
        self.parties
            .respond(cx, side, server, notify, StatusCode::OK);
        Some(told(notify))
    }

    pub(super) fn handle_told(mut self, cx: &mut Context, told: Told) -> Call {
        match told {
            Told::NothingYet => self,
            Told::Failed(status) => {
                self.parties.moving_failed(cx, &failure(status));
                self
            }
            Told::Done => {
                let Some(referred) = self.parties.referred.take() else {
                    return self;
                };
                let (text, parties) = (referred.whereto(), &self.parties);
                let done = EventKind::TransferDone;
                parties.event(cx, EventKind::CallTransferred, referred.side, None, text);
                parties.event(cx, done, referred.side, None, "200 OK".to_owned());
                self.step(cx, Input::End(Refusal::TRANSFERRED))
            }
        }
    }

    /// A REFER of ours that was challenged has another number now.
    pub(super) fn own_refer_renumbered(&mut self, side: Side, old: u32, new: u32) {
        let referred = self.parties.referred.as_mut();
        let it = referred.filter(|refer| refer.side == side && refer.sequence == old);
        if let Some(refer) = it {
            refer.sequence = new;
        }
    }

    /// Nobody waits for NOTIFY any longer, if it is time.
    pub(super) fn stop_waiting_for_notify(&mut self, cx: &mut Context) {
        if self.parties.refer_deadline().is_some_and(|at| at <= cx.now) {
            self.parties.moving_failed(cx, NO_RESULT);
        }
    }
}

impl Referred {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether Event of a NOTIFY means this REFER; that need not be said of the first one.
    pub(super) fn is_meant(&self, headers: &Headers, is_first: bool) -> bool {
        is_about(headers, self.sequence, is_first)
    }

    /// Who has gone over, and to whom.
    pub(super) fn whereto(&self) -> String {
        format!("{} to {}", the(self.side), self.target)
    }
}

impl Parties {
    pub(super) fn refer_deadline(&self) -> Option<Instant> {
        self.referred.as_ref().map(|referred| referred.deadline)
    }

    /// Whether no REFER was sent to that side before ours.
    fn is_first_refer(&self, side: Side) -> bool {
        self.leg(side.other()).passed_refers.is_empty()
    }

    /// The call ends with a REFER of ours still under way, if one is. Who has accepted it and hangs up
    /// may still tell what comes of it.
    pub(super) fn moving_left(&mut self, cx: &mut Context, ended_by: EndedBy) {
        let Some(referred) = self.referred.take() else {
            return;
        };
        let side = referred.side;
        if referred.client.is_none() && ended_by == side.into() {
            let leg = (self.leg(side), self.is_first_refer(side));
            return cx.referrals.keep(self.id, leg, referred);
        }
        self.referred = Some(referred);
        self.moving_failed(cx, "the call ended before a result was told");
    }

    /// A REFER of ours has come to nothing; no matter if there is none.
    pub(super) fn moving_failed(&mut self, cx: &mut Context, why: &str) {
        if let Some(referred) = self.referred.take() {
            let code = Some(Refusal::TRANSFER.code);
            let kind = EventKind::TransferFailed;
            self.event(cx, kind, referred.side, code, why.to_owned());
        }
    }
}

/// What a NOTIFY says of a REFER (RFC 3515 section 2.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    NothingYet,
    Done,
    /// With that status; `None`: the subscription ended without any.
    Failed(Option<StatusCode>),
}

pub(super) fn told(notify: &Request) -> Told {
    let state = notify.headers.value(HeaderName::SubscriptionState);
    let is_over = state.is_some_and(|state| {
        let state = state.split(|byte| *byte == b';').next().unwrap_or_default();
        state.trim_ascii().eq_ignore_ascii_case(b"terminated")
    });
    match status_in(&notify.body) {
        Some(status) if status.is_success() => Told::Done,
        Some(status) if status.is_final() => Told::Failed(Some(status)),
        _ if is_over => Told::Failed(None),
        _ => Told::NothingYet,
    }
}

/// Why a REFER failed, by [`Told::Failed`].
pub(super) fn failure(status: Option<StatusCode>) -> String {
    status.map_or(NO_RESULT.to_owned(), |status| {
        let text = format!("{status} {}", status.reason());
        text.trim_end().to_owned()
    })
}

/// Of the status line that a `message/sipfrag` begins with (RFC 3420).
fn status_in(sipfrag: &[u8]) -> Option<StatusCode> {
    let line = sipfrag.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let mut words = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    let is_sip = words.next()?.eq_ignore_ascii_case(b"SIP/2.0");
    let code = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    is_sip.then(|| StatusCode::new(code)).flatten()
}

/// Whether Event names the REFER with that CSeq number, or none, as it may for the first one of a
/// dialog.
fn is_about(headers: &Headers, sequence: u32, is_first: bool) -> bool {
    let event = headers.value(HeaderName::Event);
    let Some(event) = event.and_then(|event| std::str::from_utf8(event).ok()) else {
        return false;
    };
    let end = event.find(';').unwrap_or(event.len());
    let is_refer = event[..end].trim().eq_ignore_ascii_case("refer");
    let params = Params::parse(&event[end..]);
    let id = params.as_ref().and_then(|params| params.get("id"));
    is_refer && id.map_or(is_first, |id| id.parse() == Ok(sequence))
}

/// Whom an operator means, as the peer of `leg` can call it: a number at our domain.
fn target_for(cx: &Context, leg: &Leg, target: &str) -> Result<NameAddr, ControlError> {
    if let Some(uri) = identity::target_uri(target)? {
        return Ok(NameAddr::new(match uri.scheme() {
            // SEC-5.
            Scheme::Sips => uri.with_sips(false).with_param("transport", Some("tls")),
            _ => uri,
        }));
    }
    let listener = cx.listener(leg.listener);
    let contact = identity::contact(Some(target), listener, leg.sips);
    let uri = match leg.trunk.settings.domains.first() {
        Some(domain) => {
            let uri = Uri::sip(Some(target), &Host::Name(domain.clone()), None);
            match leg.transport.is_secure() {
                true => uri.with_param("transport", Some(leg.transport.uri_token())),
                false => uri,
            }
        }
        None => contact.uri().clone(),
    };
    Ok(NameAddr::new(uri))
}

const NO_RESULT: &str = "no result was told";
