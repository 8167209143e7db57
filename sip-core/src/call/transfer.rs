//! REFER (RFC 3515) and what comes of it (SIG-7), by the mode of the trunk that it comes from.
//!
//! With [`ReferMode::Local`] the new call is one of its own, which an INVITE of ours to ourselves
//! makes: it takes the routes, targets and limits of any other. When it is answered, the side that
//! remains is offered what was answered ([`super::lending`]), and if it agrees goes over to the new
//! call. Until then the old one stays as it is.

use media_core::session::{CallId, Side};

use super::context::{Context, Note};
use super::parties::Parties;
use super::{Call, Input, State};
use crate::message::{
    HeaderName, Headers, Method, NameAddr, Request, Response, Scheme, StatusCode,
};
use crate::refusal::Refusal;
use crate::sdp::DescriptionOrigin;
use crate::stack::EventKind;
use crate::transaction::ServerKey;
use crate::transport::Origin;
use crate::trunk::refer::ReferMode;

use super::leg::LegTrunk;

/// A transfer that is under way.
pub(super) struct Transfer {
    /// Who asked for it.
    transferor: Side,
    /// The INVITE of ours to ourselves.
    server: ServerKey,
    /// The call that it became.
    call: Option<CallId>,
    /// `id` of the Event header: the CSeq of the REFER, unless it is the dialog's first (RFC 3515
    /// section 2.4.6).
    event_id: Option<u32>,
    /// Who is called, for events.
    target: String,
    /// It wants to hear of the result (RFC 4488).
    notifies: bool,
    /// It was an operator who asked, in that side's name: it hears of nothing.
    by_operator: bool,
    transferor_is_gone: bool,
    /// What the new call was answered: it waits to be offered to the side that remains.
    answer: Option<Response>,
}

/// Who asked for a transfer, and is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Nobody,
    /// The side that stays behind.
    Side,
    Operator,
}

/// A new call that a REFER asks for.
pub(crate) struct NewCall {
    pub(crate) asker: CallId,
    pub(crate) server: ServerKey,
    /// Of the REFER: whose routes, and whose dialogs, count.
    pub(crate) transferor: LegTrunk,
    /// Of the side that remains: the caller of the new call.
    pub(crate) caller: LegTrunk,
    pub(crate) caller_origin: Origin,
    pub(crate) caller_address: NameAddr,
    pub(crate) caller_contact: NameAddr,
    pub(crate) refer_to: NameAddr,
    /// Referred-By (RFC 3892), as it came.
    pub(crate) referred_by: Headers,
    pub(crate) offer: Vec<u8>,
    pub(crate) description: Option<DescriptionOrigin>,
}

impl Call {
    pub(super) fn handle_refer(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        refer: Request,
    ) -> Call {
        let refusal = match self.parties.leg(side).trunk.settings.refer {
            ReferMode::Off => Refusal::TRANSFER,
            ReferMode::Pass => return self.pass_refer(cx, side, server, refer),
            ReferMode::Local => match self.transfer(cx, side, server, &refer) {
                Ok(()) => return self,
                Err(refusal) => refusal,
            },
        };
        let (code, text) = (Some(refusal.code), refusal.text.to_owned());
        self.parties
            .event(cx, EventKind::TransferRefused, side, code, text);
        self.parties.refuse(cx, side, server, &refer, &refusal);
        self
    }

    /// Accepts a REFER and asks for the new call; or says why not.
    fn transfer(
        &mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        refer: &Request,
    ) -> Result<(), Refusal> {
        let refer_to = one_target(&refer.headers).ok_or(Refusal::MALFORMED)?;
        if !self.may_transfer(side) {
            self.parties.respond_later(cx, side, server, refer);
            return Ok(());
        }
        let mut referred_by = Headers::new();
        let lines = refer.headers.iter();
        referred_by.extend(lines.filter(|field| field.name == Some(HeaderName::ReferredBy)));
        let call = self.new_call(cx, side, refer_to, referred_by)?;
        let event_id = refer.headers.cseq().ok().map(|cseq| cseq.number);
        let is_first = !std::mem::replace(&mut self.parties.leg_mut(side).was_referred, true);
        let silent = refer
            .headers
            .value(HeaderName::ReferSub)
            .is_some_and(|value| value.to_ascii_lowercase().starts_with(b"false"));
        self.parties.transfer = Some(Box::new(Transfer {
            transferor: side,
            server: call.server,
            call: None,
            target: call.refer_to.uri().to_string(),
            event_id: event_id.filter(|_| !is_first),
            notifies: !silent,
            by_operator: false,
            transferor_is_gone: false,
            answer: None,
        }));
        let leg = self.parties.leg(side);
        let mut accepted = cx.response(refer, StatusCode::ACCEPTED, &leg.key.tag);
        accepted.headers.push(HeaderName::Contact, &leg.contact);
        if silent {
            accepted.headers.push(HeaderName::ReferSub, "false");
        }
        cx.respond(server, &accepted);
        self.parties.notify(cx, StatusCode::TRYING);
        let text = format!("to {}", call.refer_to.uri());
        self.parties
            .event(cx, EventKind::TransferStarted, side, None, text);
        cx.notes.push_back(Note::NewCall(Box::new(call)));
        Ok(())
    }

    /// Whether a transfer can begin now that `transferor` asks for.
    pub(super) fn may_transfer(&self, transferor: Side) -> bool {
        let parties = &self.parties;
        let is_busy = parties.transfer.is_some() || parties.referred.is_some();
        let is_described = parties.media.resumed(transferor.other()).is_some();
        !is_busy && is_described && matches!(self.state, State::Up(_))
    }

    /// The call that a transfer makes: the side that remains is its caller.
    fn new_call(
        &self,
        cx: &mut Context,
        transferor: Side,
        refer_to: NameAddr,
        referred_by: Headers,
    ) -> Result<NewCall, Refusal> {
        let far = transferor.other();
        let leg = self.parties.leg(far);
        let remote = leg.remote.ok_or(Refusal::TRANSFER)?;
        let dialog = leg.dialog.as_ref().ok_or(Refusal::TRANSFER)?;
        let offer = self.parties.media.resumed(far).ok_or(Refusal::TRANSFER)?;
        Ok(NewCall {
            asker: self.parties.id,
            server: cx.transactions.reserve_server_key(),
            transferor: self.parties.leg(transferor).trunk.clone(),
            caller: leg.trunk.clone(),
            caller_origin: Origin {
                transport: leg.transport,
                listener: leg.listener,
                local: cx.listener(leg.listener).address,
                remote,
                connection: None,
                tls: None,
            },
            caller_address: dialog.remote().clone(),
            caller_contact: NameAddr::new(dialog.remote_target().clone()),
            refer_to,
            referred_by,
            offer,
            description: self.parties.media.origin(far),
        })
    }

    /// An operator wants what a REFER of that side's would ask for (OPS-3).
    pub(super) fn transfer_for_operator(
        &mut self,
        cx: &mut Context,
        transferor: Side,
        refer_to: NameAddr,
    ) -> Result<(), Refusal> {
        let call = self.new_call(cx, transferor, refer_to, Headers::new())?;
        let target = call.refer_to.uri().to_string();
        let text = format!("to {target}, by an operator");
        self.parties.transfer = Some(Box::new(Transfer {
            transferor,
            server: call.server,
            call: None,
            target,
            event_id: None,
            notifies: false,
            by_operator: true,
            transferor_is_gone: false,
            answer: None,
        }));
        self.parties.event(
            cx,
            EventKind::TransferStarted,
            transferor.other(),
            None,
            text,
        );
        cx.notes.push_back(Note::NewCall(Box::new(call)));
        Ok(())
    }

    /// The call that the transfer asked for, or the status that refused it.
    pub(crate) fn transfer_began(
        mut self,
        cx: &mut Context,
        made: Result<CallId, StatusCode>,
    ) -> Call {
        match made {
            Ok(call) => {
                if let Some(transfer) = &mut self.parties.transfer {
                    transfer.call = Some(call);
                }
                self
            }
            Err(status) => self.transfer_failed(cx, status),
        }
    }

    /// A response to our INVITE to ourselves.
    pub(crate) fn handle_own_response(
        mut self,
        cx: &mut Context,
        server: ServerKey,
        response: Response,
    ) -> Call {
        if self.parties.placed.is_some() {
            return self.second_responded(cx, server, response);
        }
        let Some(transfer) = &mut self.parties.transfer else {
            return self;
        };
        if transfer.server != server || response.status.is_provisional() {
            return self;
        }
        if !response.status.is_success() {
            return self.transfer_failed(cx, response.status);
        }
        transfer.answer = Some(response);
        self.go_on_with_transfer(cx)
    }

    /// Offers what the new call was answered to the side that remains, as soon as that may be.
    pub(super) fn go_on_with_transfer(mut self, cx: &mut Context) -> Call {
        if !matches!(self.state, State::Up(_)) || self.parties.offers().is_some() {
            return self;
        }
        let Some(transfer) = &mut self.parties.transfer else {
            return self;
        };
        let far = transfer.transferor.other();
        if let (Some(answer), Some(call)) = (transfer.answer.take(), transfer.call) {
            let parties = &mut self.parties;
            self.state = super::lending::Lending::start(cx, parties, far, answer.body, call);
        }
        self
    }

    /// The new call did not come about: the old one stays, if both are still there.
    fn transfer_failed(mut self, cx: &mut Context, status: StatusCode) -> Call {
        let transferor_is_gone = self
            .parties
            .transfer
            .as_ref()
            .is_some_and(|transfer| transfer.transferor_is_gone);
        self.conclude_transfer(cx, status);
        if transferor_is_gone {
            return self.step(cx, Input::End(Refusal::TRANSFER.with_status(status.code())));
        }
        self
    }

    /// The side that remains did not agree to what the new call was answered.
    pub(crate) fn loan_refused(self, cx: &mut Context, status: StatusCode) -> Call {
        self.transfer_failed(cx, status)
    }

    /// Whoever asked for the transfer hears what became of it.
    pub(super) fn conclude_transfer(&mut self, cx: &mut Context, status: StatusCode) -> Asker {
        self.parties.notify(cx, status);
        let Some(transfer) = self.parties.transfer.take() else {
            return Asker::Nobody;
        };
        if status.is_success() {
            let far = transfer.transferor.other();
            let text = format!("{} to {}", the(far), transfer.target);
            self.parties
                .event(cx, EventKind::CallTransferred, far, None, text);
        }
        let (kind, code) = match status.is_success() {
            true => (EventKind::TransferDone, None),
            false => (EventKind::TransferFailed, Some(Refusal::TRANSFER.code)),
        };
        let text = format!("{status} {}", status.reason());
        self.parties
            .event(cx, kind, transfer.transferor, code, text);
        match *transfer {
            Transfer {
                by_operator: true, ..
            } => Asker::Operator,
            Transfer {
                transferor_is_gone: true,
                ..
            } => Asker::Nobody,
            _ => Asker::Side,
        }
    }

    /// The one who asked for the transfer hangs up before it is done: it goes on without.
    pub(super) fn transferor_left(&mut self, side: Side) -> bool {
        match &mut self.parties.transfer {
            Some(transfer) if transfer.transferor == side => {
                transfer.transferor_is_gone = true;
                self.parties.leg_mut(side).dialog = None;
                true
            }
            _ => false,
        }
    }
}

impl Parties {
    /// NOTIFY with the status line of the new call (RFC 3515 section 2.4.5).
    fn notify(&mut self, cx: &mut Context, status: StatusCode) {
        let Some(transfer) = self.transfer.as_ref().filter(|transfer| transfer.notifies) else {
            return;
        };
        let (side, event_id) = (transfer.transferor, transfer.event_id);
        let Some((mut notify, target)) = self.leg_mut(side).request(cx, Method::Notify) else {
            return;
        };
        let event = match event_id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".to_owned(),
        };
        let state = match status.is_final() {
            true => "terminated;reason=noresource",
            false => "active;expires=180",
        };
        let headers = &mut notify.headers;
        headers.push(HeaderName::Event, event);
        headers.push(HeaderName::SubscriptionState, state);
        headers.push(HeaderName::ContentType, "message/sipfrag;version=2.0");
        notify.body = format!("SIP/2.0 {status} {}\r\n", status.reason()).into_bytes();
        // Whether it arrives changes nothing.
        cx.request_and_forget(notify, target);
    }

    /// The call is over: what it asked for is not wanted any more.
    pub(super) fn abandon_transfer(&mut self, cx: &mut Context) {
        self.notify(cx, StatusCode::REQUEST_TERMINATED);
        if let Some(call) = self.transfer.take().and_then(|transfer| transfer.call) {
            cx.notes.push_back(Note::Abandoned { call });
        }
    }
}

/// A side in words.
pub(super) fn the(side: Side) -> &'static str {
    match side {
        Side::Caller => "the caller",
        Side::Callee => "the callee",
    }
}

/// The one URI that Refer-To names (RFC 3515 section 2.4.1), if it can be called.
fn one_target(headers: &Headers) -> Option<NameAddr> {
    let mut values = headers.values(HeaderName::ReferTo);
    let address = NameAddr::parse(values.next()?)?;
    let uri = address.uri();
    let is_call = uri
        .param("method")
        .is_none_or(|method| method.eq_ignore_ascii_case("INVITE"));
    let can_be_called = uri.scheme() != Scheme::Other && uri.wanted_headers().is_some();
    (values.next().is_none() && is_call && can_be_called).then_some(address)
}
