//! One leg of a call: our dialog with one peer, and the trunk whose rules it follows.

use std::net::SocketAddr;
use std::sync::Arc;

use super::context::{Context, LegKey};
use super::headers::ALLOW;
use super::identity::Sips;
use crate::dialog::{Dialog, DialogError, Path};
use crate::message::{HeaderName, Method, NameAddr, Request, Response, Scheme, Uri};
use crate::transaction::ClientKey;
use crate::transport::{ConnectionId, ListenerId, Origin, Target, Transport};
use crate::trunk::{Trunk, TrunkId};

/// A trunk as it was when the call began: live calls do not change (SEC-1).
#[derive(Clone, Debug)]
pub(crate) struct LegTrunk {
    pub(crate) id: TrunkId,
    pub(crate) settings: Arc<Trunk>,
}

impl LegTrunk {
    /// SEC-2: whatever URIs say, a trunk with TLS is signalled over TLS.
    pub(crate) fn forced_transport(&self) -> Option<Transport> {
        self.settings.requires_tls().then_some(Transport::Tls)
    }
}

/// One leg.
pub(crate) struct Leg {
    pub(super) trunk: LegTrunk,
    pub(super) listener: ListenerId,
    pub(super) key: LegKey,
    pub(super) contact: NameAddr,
    pub(super) sips: Sips,
    pub(super) transport: Transport,
    /// Where the latest message of the peer came from.
    pub(super) remote: Option<SocketAddr>,
    /// The caller's from its INVITE on, the callee's from its 2xx on.
    pub(super) dialog: Option<Dialog>,
    /// Our INVITE that makes the dialog: the callee's.
    pub(super) invite: Option<SentInvite>,
}

/// An INVITE of ours outside a dialog, kept for the dialogs that its responses make.
#[derive(Clone, Debug)]
pub(crate) struct SentInvite {
    pub(crate) client: ClientKey,
    /// Without its body.
    pub(crate) request: Request,
    pub(crate) target: Target,
    pub(crate) forced_transport: Option<Transport>,
    pub(crate) sips: Sips,
}

impl SentInvite {
    pub(crate) fn dialog(
        &self,
        cx: &Context,
        origin: &Origin,
        response: &Response,
    ) -> Result<Dialog, DialogError> {
        let path = Path::to_target(&self.target, origin, self.forced_transport)
            .with_listeners(&cx.config.listeners);
        Dialog::from_response(&self.request, response, path)
    }

    /// A 2xx that nobody waits for: of a fork after another one's, or long after we gave up. It is
    /// acknowledged and its dialog ended at once (RFC 3261 section 13.2.2.4). Not if it came by
    /// a weaker transport than the INVITE left by (SEC-2).
    pub(crate) fn decline(&self, cx: &mut Context, origin: &Origin, response: &Response) {
        if self.target.transport.is_secure() && !origin.transport.is_secure() {
            cx.counters.insecure_dropped += 1;
            return;
        }
        let dialog = self.dialog(cx, origin, response);
        let (Ok(cseq), Ok(mut dialog)) = (response.headers.cseq(), dialog) else {
            return;
        };
        let ack = complete(cx, dialog.ack(cseq.number), self.sips);
        cx.acknowledge(self.client, ack, dialog.target());
        let bye = complete(cx, dialog.request(Method::Bye), self.sips);
        cx.request_and_forget(bye, dialog.target());
    }
}

impl Leg {
    /// A message of the peer came.
    pub(super) fn hear(&mut self, origin: &Origin) {
        self.remote = Some(origin.remote);
        self.transport = origin.transport;
    }

    /// The next request within the dialog, and where it goes; `None` without a dialog.
    pub(super) fn request(&mut self, cx: &Context, method: Method) -> Option<(Request, Target)> {
        let dialog = self.dialog.as_mut()?;
        let request = dialog.request(method);
        let target = dialog.target();
        Some((self.complete(cx, request), target))
    }

    /// The ACK to a 2xx that our INVITE with that CSeq number got.
    pub(super) fn ack(&self, cx: &Context, invite: u32) -> Option<(Request, Target)> {
        let dialog = self.dialog.as_ref()?;
        Some((self.complete(cx, dialog.ack(invite)), dialog.target()))
    }

    pub(super) fn forget_connection(&mut self, closed: ConnectionId) {
        if let Some(dialog) = &mut self.dialog {
            dialog.path_mut().forget_connection(closed);
        }
    }

    fn complete(&self, cx: &Context, request: Request) -> Request {
        complete(cx, request, self.sips)
    }
}

/// A request within a dialog with what every one of ours carries.
fn complete(cx: &Context, mut request: Request, sips: Sips) -> Request {
    request.uri = hop_by_hop(request.uri, sips);
    if request.method == Method::Invite {
        request.headers.push(HeaderName::Allow, ALLOW);
    }
    request
        .headers
        .push(HeaderName::UserAgent, cx.config.user_agent.as_str());
    request
}

/// SEC-5: a peer's `sips:` Contact becomes `sip:` over TLS, unless its trunk passes `sips:`.
fn hop_by_hop(uri: Uri, sips: Sips) -> Uri {
    if sips == Sips::Pass || uri.scheme() != Scheme::Sips {
        return uri;
    }
    uri.with_sips(false)
        .with_param("transport", Some(Transport::Tls.uri_token()))
}
