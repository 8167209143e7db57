//! A MESSAGE outside any dialog, as it goes on, and its response, as that comes back (RFC 3428).

use super::begin::{Addressed, Way};
use super::context::Context;
use super::crossing::Crossing;
use super::headers::{pass_body_description, pass_of_method};
use crate::message::{HeaderName, Request, Response};
use crate::refusal::Refusal;
use crate::transport::Target;
use crate::trunk::{Hop, TargetUri};

impl Way {
    pub(crate) fn message(
        &self,
        cx: &mut Context,
        received: &Request,
        target: &TargetUri,
        hop: Hop,
    ) -> Result<(Request, Target), Refusal> {
        let addressed = self.addressed(cx, received, None, target, hop)?;
        let Addressed {
            mut request,
            target,
            ..
        } = addressed;
        Crossing::request(&self.caller.settings, &self.callee.settings)
            .pass(&received.headers, &mut request.headers);
        pass_of_method(&received.headers, &mut request.headers);
        pass_body_description(&received.headers, &mut request.headers);
        request.body.clone_from(&received.body);
        Ok((request, target))
    }

    /// With its phrase and the headers that cross; it has no body (section 7).
    pub(crate) fn message_response(
        &self,
        cx: &Context,
        (received, tag): (&Request, &str),
        far: &Response,
    ) -> Response {
        let mut response = cx.response(received, far.status, tag);
        response.reason.clone_from(&far.reason);
        Crossing::response(&self.callee.settings, &self.caller.settings)
            .pass(&far.headers, &mut response.headers);
        if let Some(delay) = far.headers.value(HeaderName::RetryAfter) {
            response.headers.push(HeaderName::RetryAfter, delay);
        }
        response
    }
}
