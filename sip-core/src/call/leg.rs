//! One leg of a call: our dialog with one peer, and the trunk whose rules it follows.

use std::net::SocketAddr;
use std::sync::Arc;

use super::bodies::Description;
use super::completing::complete;
use super::context::{Context, LegKey, Owner};
use super::headers::allow;
use super::identity::Sips;
use super::referring::PassedRefer;
use super::sent_invite::SentInvite;
use super::session_timer::SessionTimer;
use crate::dialog::Dialog;
use crate::message::{HeaderName, Headers, Method, NameAddr, RELIABLE, Request, Response};
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
    /// Of other early dialogs that the caller was told of.
    pub(super) other_keys: Vec<LegKey>,
    pub(super) contact: NameAddr,
    pub(super) sips: Sips,
    pub(super) transport: Transport,
    /// Where the latest message of the peer came from.
    pub(super) remote: Option<SocketAddr>,
    /// The caller's from its INVITE on, the callee's from its 2xx on.
    pub(super) dialog: Option<Dialog>,
    /// What our INVITE was answered with before the 2xx, a dialog for each To tag (RFC 3261
    /// section 12.1.2): the latest heard of is last.
    early: Vec<EarlyDialog>,
    /// The peer has answered our offer in a reliable provisional response: for good.
    pub(super) has_answered: bool,
    /// The peer takes UPDATE (RFC 3311 section 4).
    pub(super) allows_update: bool,
    pub(super) timer: SessionTimer,
    /// A REFER of the peer was accepted in the dialog.
    pub(super) was_referred: bool,
    /// Those of the peer that went on to the other side, oldest first.
    pub(super) passed_refers: Vec<PassedRefer>,
    /// Our INVITE that makes the dialog: the callee's.
    pub(super) invite: Option<Box<SentInvite>>,
}

/// A dialog that a provisional response made.
pub(super) struct EarlyDialog {
    dialog: Dialog,
    /// RSeq of the latest reliable response in it (RFC 3262 section 4).
    pub(super) latest: Option<u32>,
}

/// How a leg of a call begins.
pub(super) struct NewLeg {
    pub(super) trunk: LegTrunk,
    pub(super) listener: ListenerId,
    pub(super) key: LegKey,
    pub(super) contact: NameAddr,
    pub(super) sips: Sips,
    pub(super) transport: Transport,
    pub(super) remote: Option<SocketAddr>,
    pub(super) dialog: Option<Dialog>,
}

impl From<NewLeg> for Leg {
    fn from(new: NewLeg) -> Leg {
        Leg {
            timer: SessionTimer::new(new.trunk.settings.session),
            trunk: new.trunk,
            listener: new.listener,
            key: new.key,
            other_keys: Vec::new(),
            contact: new.contact,
            sips: new.sips,
            transport: new.transport,
            remote: new.remote,
            dialog: new.dialog,
            early: Vec::new(),
            has_answered: false,
            allows_update: false,
            was_referred: false,
            passed_refers: Vec::new(),
            invite: None,
        }
    }
}

impl Leg {
    /// A message of the peer came.
    pub(super) fn hear(&mut self, origin: &Origin) {
        self.remote = Some(origin.remote);
        self.transport = origin.transport;
    }

    /// The same leg without what makes it one: for the record of a call that has no peer there, not
    /// yet or not any more.
    pub(super) fn husk(&self) -> Leg {
        Leg::from(NewLeg {
            trunk: self.trunk.clone(),
            listener: self.listener,
            key: self.key.clone(),
            contact: self.contact.clone(),
            sips: self.sips,
            transport: self.transport,
            remote: self.remote,
            dialog: None,
        })
    }

    /// For another call.
    pub(super) fn hand_over(&mut self) -> Leg {
        let husk = self.husk();
        std::mem::replace(self, husk)
    }

    /// Ends its dialog; it belongs to no call any more.
    pub(crate) fn abandon(mut self, cx: &mut Context) {
        for key in std::iter::once(&self.key).chain(&self.other_keys) {
            cx.legs.remove(key);
        }
        if let Some((bye, target)) = self.request(cx, Method::Bye) {
            cx.request_and_forget(bye, target);
        }
    }

    /// What the peer says that it can do.
    pub(super) fn learn(&mut self, headers: &Headers) {
        if headers.contains(HeaderName::Allow) {
            self.allows_update = headers
                .list(HeaderName::Allow)
                .any(|method| method == Method::Update.as_str().as_bytes());
        }
    }

    /// The dialog; before the 2xx to our INVITE the early one that was heard of last.
    pub(super) fn dialog_now(&mut self) -> Option<&mut Dialog> {
        let early = self.early.last_mut().map(|early| &mut early.dialog);
        self.dialog.as_mut().or(early)
    }

    /// The next request within the dialog, which may be an early one, and where it goes; `None`
    /// without a dialog.
    pub(super) fn request(&mut self, cx: &Context, method: Method) -> Option<(Request, Target)> {
        let dialog = self.dialog_now()?;
        let refreshes = matches!(method, Method::Invite | Method::Update);
        let request = dialog.request(method);
        let target = dialog.target();
        let mut request = complete(cx, request, self.sips, &target);
        if refreshes {
            let allowed = allow(self.trunk.settings.refer);
            request.headers.push(HeaderName::Allow, allowed);
            self.timer.ask(&mut request.headers);
        }
        Some((request, target))
    }

    /// The same within the early dialog that `response` belongs to.
    pub(super) fn request_early(
        &mut self,
        cx: &Context,
        response: &Response,
        method: Method,
    ) -> Option<(Request, Target)> {
        let at = self.early_position(&remote_tag(&response.headers)?)?;
        let dialog = &mut self.early[at].dialog;
        let request = dialog.request(method);
        let target = dialog.target();
        Some((complete(cx, request, self.sips, &target), target))
    }

    /// Sends our INVITE once more, as a request of its own with what crosses from the caller's.
    pub(super) fn invite_again(
        &mut self,
        cx: &mut Context,
        owner: Owner,
        crossing: &Headers,
        offer: Option<Description<'_>>,
    ) -> Option<ClientKey> {
        let sent = self.invite.as_mut()?;
        sent.next_sequence()?;
        let mut invite = sent.request.clone();
        invite.headers.extend(crossing.iter());
        if let Some(offer) = offer {
            invite.headers.push(HeaderName::Supported, RELIABLE);
            offer.attach(&mut invite.headers, &mut invite.body);
        }
        self.timer.ask(&mut invite.headers);
        sent.client = cx.request(owner, invite, sent.target.clone());
        self.early.clear();
        Some(sent.client)
    }

    /// The early dialog that a provisional response belongs to, or makes. `None` if it can make
    /// none: it has no To tag, or there are too many.
    pub(super) fn early_dialog(
        &mut self,
        cx: &Context,
        origin: &Origin,
        response: &Response,
    ) -> Option<&mut EarlyDialog> {
        let tag = remote_tag(&response.headers)?;
        let early = match self.early_position(&tag) {
            Some(at) => self.early.remove(at),
            None if self.early.len() >= MAX_EARLY_DIALOGS => return None,
            None => EarlyDialog {
                dialog: self.invite.as_ref()?.dialog(cx, origin, response).ok()?,
                latest: None,
            },
        };
        // One, as a rule: a vector's first growth would make room for four.
        self.early.reserve_exact(1);
        self.early.push(early);
        self.early.last_mut()
    }

    /// The 2xx to our INVITE makes the dialog, from the early one with its tag if there is one
    /// (RFC 3261 section 13.2.2.4): requests may have been sent in that already.
    pub(super) fn confirm(&mut self, cx: &Context, origin: &Origin, response: &Response) -> bool {
        let early = remote_tag(&response.headers).and_then(|tag| self.early_position(&tag));
        self.dialog = match early {
            Some(at) => {
                let mut dialog = self.early.swap_remove(at).dialog;
                dialog.confirm_by(response).is_ok().then_some(dialog)
            }
            None => self
                .invite
                .as_ref()
                .and_then(|sent| sent.dialog(cx, origin, response).ok()),
        };
        self.early = Vec::new();
        self.dialog.is_some()
    }

    /// The dialog, early or not, that a request of the peer with that From tag is within.
    pub(super) fn dialog_with(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        let is_that = |dialog: &&mut Dialog| &*dialog.id().remote_tag == remote_tag;
        if self.dialog.is_some() {
            return self.dialog.as_mut().filter(is_that);
        }
        let mut early = self.early.iter_mut().map(|early| &mut early.dialog);
        early.find(is_that)
    }

    fn early_position(&self, remote_tag: &str) -> Option<usize> {
        self.early
            .iter()
            .position(|early| &*early.dialog.id().remote_tag == remote_tag)
    }

    /// The CSeq number after the latest that we used with the peer of that tag, or in our INVITE;
    /// what follows counts on from it.
    pub(super) fn next_sequence(&mut self, remote_tag: Option<&str>) -> Option<u32> {
        match remote_tag {
            Some(tag) => Some(self.dialog_with(tag)?.next_sequence()),
            None => self.invite.as_mut()?.next_sequence(),
        }
    }

    /// The ACK to a 2xx that our INVITE with that CSeq number got.
    pub(super) fn ack(&self, cx: &Context, invite: u32) -> Option<(Request, Target)> {
        let dialog = self.dialog.as_ref()?;
        let target = dialog.target();
        Some((complete(cx, dialog.ack(invite), self.sips, &target), target))
    }

    pub(super) fn forget_connection(&mut self, closed: ConnectionId) {
        let early = self.early.iter_mut().map(|early| &mut early.dialog);
        for dialog in early.chain(&mut self.dialog) {
            dialog.path_mut().forget_connection(closed);
        }
    }
}

/// The tag that the peer put in To of a response.
fn remote_tag(headers: &Headers) -> Option<String> {
    headers.to_tag().ok()?.map(str::to_owned)
}

/// Forks of one INVITE whose early dialogs are remembered.
const MAX_EARLY_DIALOGS: usize = 16;
