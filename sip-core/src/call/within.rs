//! Requests within a dialog: what is checked and answered before the call's state matters.

use media_core::session::Side;

use super::context::Context;
use super::headers::{ACCEPT, SUPPORTED, UnsupportedBody, allow, session_description};
use super::session_timer::{IntervalTooSmall, judge};
use super::{Call, Input};
use crate::message::{
    HeaderName, Headers, Method, RELIABLE, REPLACES, Request, Response, Scheme, StatusCode, TIMER,
};
use crate::refusal::Refusal;
use crate::stack::{Event, EventKind};
use crate::transaction::ServerKey;
use crate::transport::{ListenerId, Origin};
use crate::trunk::refer::ReferMode;

impl Call {
    /// A request that names one of the call's dialogs by Call-ID and our tag.
    pub(crate) fn handle_request(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        origin: &Origin,
        request: Request,
    ) -> Call {
        let trunk = self.parties.leg(side).trunk.id;
        cx.transactions.set_trunk(server, trunk);
        if let Err(response) = self.check(cx, side, origin, &request) {
            cx.respond(server, &response);
            return self;
        }
        match request.method {
            Method::Bye => {
                self.parties
                    .respond(cx, side, server, &request, StatusCode::OK);
                if self.transferor_left(side) {
                    return self;
                }
                self.first_party_left(side);
                self.step(cx, Input::Bye { side, request })
            }
            Method::Invite if self.crosses_update(cx, side, server, &request) => self,
            Method::Invite if side == Side::Caller && self.parties.is_bridging() => {
                // RFC 3261 section 14.2: ours is in progress there.
                let status = StatusCode::REQUEST_PENDING;
                self.parties.respond(cx, side, server, &request, status);
                self
            }
            Method::Invite => {
                cx.servers.insert(server, self.parties.owner(side));
                self.step(
                    cx,
                    Input::Invite {
                        side,
                        server,
                        request,
                    },
                )
            }
            Method::Prack => self.handle_prack(cx, side, server, request),
            Method::Update | Method::Info | Method::Message | Method::Refer | Method::Notify
                if self.is_ending() =>
            {
                let status = StatusCode::CALL_DOES_NOT_EXIST;
                self.parties.respond(cx, side, server, &request, status);
                self
            }
            Method::Refer => self.handle_refer(cx, side, server, request),
            Method::Notify => self.handle_notify(cx, side, server, request),
            Method::Update => self.handle_update(cx, side, server, request),
            Method::Info | Method::Message => {
                let method = request.method.clone();
                self.parties
                    .relay(cx, side, (server, request), method, None);
                self
            }
            _ => {
                let leg = self.parties.leg(side);
                let (tag, refer) = (&leg.key.tag, leg.trunk.settings.refer);
                let response = general_response(cx, &request, tag, refer);
                cx.respond(server, &response);
                self
            }
        }
    }

    /// RFC 3262 section 3.
    fn handle_prack(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        prack: Request,
    ) -> Call {
        if !self.parties.take_prack(cx, side, &prack) {
            let status = StatusCode::CALL_DOES_NOT_EXIST;
            self.parties.respond(cx, side, server, &prack, status);
            return self;
        }
        if prack.body.is_empty() {
            self.parties
                .respond(cx, side, server, &prack, StatusCode::OK);
        } else {
            // Whatever becomes of the offer (section 5), the response is acknowledged.
            self = self.handle_offer(cx, side, server, prack);
        }
        self.step(cx, Input::Acknowledged)
    }

    /// The response to a request that goes no further.
    fn check(
        &mut self,
        cx: &mut Context,
        side: Side,
        origin: &Origin,
        request: &Request,
    ) -> Result<(), Response> {
        let leg = self.parties.leg_mut(side);
        let tag = leg.key.tag.clone();
        let refuse = |cx: &Context, status| Err(cx.response(request, status, &tag));
        if let Some(refusal) = leg.trunk.settings.refuses_way(leg.trunk.id, origin) {
            let listener = leg.listener;
            let trunk = leg.trunk.settings.name.clone();
            cx.event(Event {
                kind: EventKind::RequestRefused,
                call: Some(self.parties.id),
                trunk: Some(trunk),
                peer: Some((origin.transport, origin.remote)),
                code: Some(refusal.code),
                text: format!("{} {}: {}", refusal.status, refusal.text, request.method),
            });
            return Err(cx.refusal_response(request, &tag, &refusal, listener));
        }
        if leg.dialog.is_none() {
            match request.method {
                // A dialog of the far side that we may not know yet: its 2xx may be lost for now,
                // and it hangs up already.
                Method::Bye => return Ok(()),
                // Section 14.2: an INVITE of ours is in progress there.
                Method::Invite => return refuse(cx, StatusCode::REQUEST_PENDING),
                _ => {}
            }
        }
        let from_tag = request.headers.from_tag().ok().flatten();
        let Some(dialog) = leg.dialog_with(from_tag.unwrap_or_default()) else {
            cx.counters.unknown_dialog += 1;
            return refuse(cx, StatusCode::CALL_DOES_NOT_EXIST);
        };
        if let Err(error) = dialog.handle_request(origin, request) {
            return refuse(cx, error.status());
        }
        leg.hear(origin);
        leg.learn(&request.headers);
        let policy = leg.trunk.settings.session;
        check_extensions(cx, request, &tag, policy.timers)?;
        if matches!(request.method, Method::Invite | Method::Update)
            && let Err(short) = judge(&policy, &request.headers)
        {
            return Err(interval_too_small(cx, request, &tag, short));
        }
        if matches!(
            request.method,
            Method::Invite | Method::Update | Method::Prack
        ) && let Err(unsupported) = session_description(&request.headers, &request.body)
        {
            return Err(unsupported_body(cx, request, &tag, unsupported));
        }
        Ok(())
    }
}

/// 420 for an extension that is required of us and that we do not have (RFC 3261 section
/// 8.2.2.3). Proxy-Require is not for us.
pub(crate) fn check_extensions(
    cx: &Context,
    request: &Request,
    tag: &str,
    has_timers: bool,
) -> Result<(), Response> {
    let required = request.headers.option_tags(HeaderName::Require);
    let mut unsupported = required
        .filter(|tag| !is_supported(tag, &request.method, has_timers))
        .peekable();
    if unsupported.peek().is_none() {
        return Ok(());
    }
    let mut response = cx.response(request, StatusCode::BAD_EXTENSION, tag);
    for extension in unsupported {
        response.headers.push(HeaderName::Unsupported, extension);
    }
    response
        .headers
        .push(HeaderName::Reason, Refusal::BAD_EXTENSION.reason_header());
    Err(response)
}

/// Reliable provisional responses are those to INVITE (RFC 3262 section 3), session timers go by
/// INVITE and UPDATE (RFC 4028 section 4).
fn is_supported(extension: &str, method: &Method, has_timers: bool) -> bool {
    let is_invite = *method == Method::Invite;
    is_invite
        && [RELIABLE, REPLACES]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
        || (is_invite || *method == Method::Update)
            && has_timers
            && extension.eq_ignore_ascii_case(TIMER)
}

/// 422, with the shortest interval that we take (RFC 4028 section 9).
pub(crate) fn interval_too_small(
    cx: &Context,
    request: &Request,
    tag: &str,
    IntervalTooSmall(min_se): IntervalTooSmall,
) -> Response {
    let mut response = cx.response(request, StatusCode::INTERVAL_TOO_SMALL, tag);
    let reason = Refusal::INTERVAL_TOO_SMALL.reason_header();
    response.headers.push(HeaderName::MinSe, min_se.to_string());
    response.headers.push(HeaderName::Reason, reason);
    response
}

/// 415, with what we do take (section 21.4.13).
pub(crate) fn unsupported_body(
    cx: &Context,
    request: &Request,
    tag: &str,
    unsupported: UnsupportedBody,
) -> Response {
    let mut response = cx.response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
    response
        .headers
        .push(HeaderName::Reason, Refusal::MEDIA_TYPE.reason_header());
    describe_unsupported(&mut response.headers, unsupported);
    response
}

pub(crate) fn describe_unsupported(headers: &mut Headers, unsupported: UnsupportedBody) {
    match unsupported {
        UnsupportedBody::Type => headers.push(HeaderName::Accept, ACCEPT),
        UnsupportedBody::Encoding => headers.push(HeaderName::AcceptEncoding, "identity"),
    }
}

/// The answer to any request other than INVITE and BYE outside dialogs. What is wrong is looked for
/// in the order of RFC 3261 section 8.2: the method, the scheme of the Request-URI, extensions.
pub(crate) fn response_outside(
    cx: &Context,
    request: &Request,
    tag: &str,
    listener: ListenerId,
    refer: ReferMode,
) -> Response {
    let general = general_response(cx, request, tag, refer);
    if general.status != StatusCode::OK {
        general
    } else if request.uri.scheme() == Scheme::Other {
        cx.refusal_response(request, tag, &Refusal::URI_SCHEME, listener)
    } else {
        check_extensions(cx, request, tag, true)
            .err()
            .unwrap_or(general)
    }
}

/// The answer to any request that has no other, within a dialog or outside: 200 with what we can do
/// for OPTIONS (section 11.2), 405 with Allow for methods that we know of (section 8.2.1), 501 for
/// others (section 21.5.2, RFC 4475 section 3.1.1.2). `refer` is the setting of whoever asks.
pub(crate) fn general_response(
    cx: &Context,
    request: &Request,
    tag: &str,
    refer: ReferMode,
) -> Response {
    let status = match request.method {
        Method::Options => StatusCode::OK,
        Method::Other(_) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    let mut response = cx.response(request, status, tag);
    response.headers.push(HeaderName::Allow, allow(refer));
    if status == StatusCode::OK {
        response.headers.push(HeaderName::Accept, ACCEPT);
        response
            .headers
            .push(HeaderName::AcceptEncoding, "identity");
        response.headers.push(HeaderName::AcceptLanguage, "en");
        response.headers.push(HeaderName::Supported, SUPPORTED);
    }
    response
}
