//! Our INVITE outside a dialog, which outlives its leg: what comes of it late is acknowledged and ended.

use super::completing::complete;
use super::context::Context;
use super::identity::Sips;
use super::places::Branch;
use crate::dialog::{Dialog, DialogError, Path};
use crate::message::{CSeq, HeaderName, Method, Request, Response};
use crate::transaction::ClientKey;
use crate::transport::{Origin, Target, Transport};

/// An INVITE of ours outside a dialog, kept for the dialogs that its responses make.
#[derive(Clone, Debug)]
pub(crate) struct SentInvite {
    pub(crate) client: ClientKey,
    /// Without its body.
    pub(crate) request: Request,
    pub(crate) target: Target,
    pub(crate) forced_transport: Option<Transport>,
    pub(crate) sips: Sips,
    /// [`crate::trunk::Trunk::may_be_behind_nat`].
    pub(crate) nat: bool,
}

impl SentInvite {
    pub(crate) fn dialog(
        &self,
        cx: &Context,
        origin: &Origin,
        response: &Response,
    ) -> Result<Dialog, DialogError> {
        let mut path = Path::to_target(&self.target, origin, self.forced_transport)
            .with_listeners(&cx.config.listeners);
        if self.nat {
            path = path.behind_nat(None, origin);
        }
        Dialog::from_response(&self.request, response, path)
    }

    /// It went to `target` as `request`, which differs from ours in where it leads, and has what
    /// crosses from the caller's besides.
    pub(super) fn goes_to(&mut self, request: &Request, target: Target) {
        self.request.uri = request.uri.clone();
        self.request.headers.remove(HeaderName::Route);
        for hop in request.headers.values(HeaderName::Route) {
            self.request.headers.push(HeaderName::Route, hop);
        }
        self.target = target;
    }

    pub(super) fn next_sequence(&mut self) -> Option<u32> {
        let next = self.request.headers.cseq().ok()?.number.saturating_add(1);
        let cseq = CSeq::new(next, Method::Invite);
        self.request.headers.set(HeaderName::CSeq, cseq);
        Some(next)
    }

    /// A 2xx that nobody waits for: of a fork after another one's, or long after we gave up. It is
    /// acknowledged and its dialog ended at once (RFC 3261 section 13.2.2.4). Not if it came by
    /// a weaker transport than the INVITE left by (SEC-2).
    pub(crate) fn decline(&self, cx: &mut Context, origin: &Origin, response: &Response) {
        let transaction = cx.places.answered(self.client);
        self.decline_in(cx, transaction, origin, response);
    }

    /// The same for an answer of one of several places that the INVITE was at.
    pub(crate) fn decline_at(
        &self,
        cx: &mut Context,
        place: &Branch,
        origin: &Origin,
        response: &Response,
    ) {
        let mut request = place.request.clone();
        if let Ok(cseq) = response.headers.cseq() {
            // It may have been sent again, with credentials.
            request.headers.set(HeaderName::CSeq, cseq);
        }
        let sent = SentInvite {
            request,
            target: place.target.clone(),
            ..self.clone()
        };
        sent.decline_in(cx, place.client, origin, response);
    }

    fn decline_in(
        &self,
        cx: &mut Context,
        transaction: ClientKey,
        origin: &Origin,
        response: &Response,
    ) {
        if self.target.transport.is_secure() && !origin.transport.is_secure() {
            cx.counters.insecure_dropped += 1;
            return;
        }
        let dialog = self.dialog(cx, origin, response);
        let (Ok(cseq), Ok(mut dialog)) = (response.headers.cseq(), dialog) else {
            return;
        };
        let target = dialog.target();
        let ack = complete(cx, dialog.ack(cseq.number), self.sips, &target);
        cx.acknowledge_in(transaction, ack, target.clone());
        let bye = complete(cx, dialog.request(Method::Bye), self.sips, &target);
        cx.request_and_forget(bye, target);
    }
}
