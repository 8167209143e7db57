//! Requests within a dialog: what is checked and answered before the call's state matters.

use media_core::session::Side;

use super::context::Context;
use super::headers::{ACCEPT, ALLOW, UnsupportedBody, session_description};
use super::{Call, Input};
use crate::message::{HeaderName, Headers, Method, Request, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::{Event, EventKind};
use crate::transaction::ServerKey;
use crate::transport::Origin;

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
                self.step(cx, Input::Bye { side, request })
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
            _ => {
                let tag = self.parties.leg(side).key.tag.clone();
                let response = general_response(cx, &request, &tag);
                cx.respond(server, &response);
                self
            }
        }
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
        if leg.trunk.settings.requires_tls() && !origin.transport.is_secure() {
            let refusal = Refusal::TLS_REQUIRED;
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
        let Some(dialog) = &mut leg.dialog else {
            // A dialog of the far side that we do not know yet: its 2xx may be lost for now, and
            // it hangs up already.
            return match request.method {
                Method::Bye => Ok(()),
                // Section 14.2: an INVITE of ours is in progress there.
                Method::Invite => refuse(cx, StatusCode::REQUEST_PENDING),
                _ => refuse(cx, StatusCode::CALL_DOES_NOT_EXIST),
            };
        };
        let from_tag = request
            .headers
            .from()
            .ok()
            .and_then(|from| from.tag().map(str::to_owned));
        if from_tag.unwrap_or_default() != *dialog.id().remote_tag {
            cx.counters.unknown_dialog += 1;
            return refuse(cx, StatusCode::CALL_DOES_NOT_EXIST);
        }
        if let Err(error) = dialog.handle_request(origin, request) {
            return refuse(cx, error.status());
        }
        leg.hear(origin);
        check_extensions(cx, request, &tag)?;
        if request.method == Method::Invite
            && let Err(unsupported) = session_description(&request.headers, &request.body)
        {
            return Err(unsupported_body(cx, request, &tag, unsupported));
        }
        Ok(())
    }
}

/// 420 for an extension that is required of us: we have none (RFC 3261 section 8.2.2.3).
/// Proxy-Require is not for us.
pub(crate) fn check_extensions(cx: &Context, request: &Request, tag: &str) -> Result<(), Response> {
    let mut unsupported = request.headers.option_tags(HeaderName::Require).peekable();
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

/// 415, with what we do take (section 21.4.13).
pub(crate) fn unsupported_body(
    cx: &Context,
    request: &Request,
    tag: &str,
    unsupported: UnsupportedBody,
) -> Response {
    let mut response = cx.response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
    describe_unsupported(&mut response.headers, unsupported);
    response
}

pub(crate) fn describe_unsupported(headers: &mut Headers, unsupported: UnsupportedBody) {
    match unsupported {
        UnsupportedBody::Type => headers.push(HeaderName::Accept, ACCEPT),
        UnsupportedBody::Encoding => headers.push(HeaderName::AcceptEncoding, "identity"),
    }
}

/// The answer to any request other than INVITE and BYE, within a dialog or outside: 200 with what
/// we can do for OPTIONS (section 11.2), 405 for methods that we know of, 501 for others.
pub(crate) fn general_response(cx: &Context, request: &Request, tag: &str) -> Response {
    let status = match request.method {
        Method::Options => StatusCode::OK,
        Method::Other(_) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    let mut response = cx.response(request, status, tag);
    response.headers.push(HeaderName::Allow, ALLOW);
    if status == StatusCode::OK {
        response.headers.push(HeaderName::Accept, ACCEPT);
        response
            .headers
            .push(HeaderName::AcceptEncoding, "identity");
        response.headers.push(HeaderName::AcceptLanguage, "en");
        response.headers.push(HeaderName::Supported, "");
    }
    response
}
