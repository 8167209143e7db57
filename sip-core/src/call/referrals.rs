//! Sides that accepted a REFER of ours ([`super::moving`]), hung up, and have still to tell what came of
//! it.
//!
//! BYE ends the session, but not the subscription that the REFER made in the same dialog (RFC 3515
//! section 2.4.4): the two have lives of their own (RFC 5057 section 4). A telephone that hangs up as
//! soon as it has accepted sends NOTIFY all the same, when whom it calls has answered or not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

use media_core::session::CallId;

use super::context::{Context, LegKey};
use super::leg::{Leg, LegTrunk};
use super::moving::{Referred, Told, told};
use crate::message::{Request, StatusCode};
use crate::refusal::Refusal;
use crate::stack::{Event, EventKind};
use crate::transaction::ServerKey;
use crate::transport::{Origin, Transport};

/// By the legs that are over. An operator asks for each, so that they are few.
#[derive(Default)]
pub(crate) struct Referrals(HashMap<LegKey, Referral>);

struct Referral {
    call: CallId,
    trunk: LegTrunk,
    peer: Option<(Transport, SocketAddr)>,
    /// Of the side that hung up.
    remote_tag: String,
    /// NOTIFY need not say which REFER it means.
    is_first: bool,
    referred: Box<Referred>,
}

impl Referrals {
    /// The side of that leg has hung up.
    pub(super) fn keep(
        &mut self,
        call: CallId,
        (leg, is_first): (&Leg, bool),
        referred: Box<Referred>,
    ) {
        let remote_tag = leg.dialog.as_ref().map(|dialog| &dialog.id().remote_tag);
        let referral = Referral {
            call,
            trunk: leg.trunk.clone(),
            peer: leg.remote.map(|remote| (leg.transport, remote)),
            remote_tag: remote_tag.map(ToString::to_string).unwrap_or_default(),
            is_first,
            referred,
        };
        self.0.insert(leg.key.clone(), referral);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.0.values().map(|left| left.referred.deadline()).min()
    }
}

impl Context {
    /// NOTIFY in the dialog of such a side, if it is that; it is answered then, and told.
    pub(crate) fn takes_late_notify(
        &mut self,
        leg: &LegKey,
        server: ServerKey,
        origin: &Origin,
        notify: &Request,
    ) -> bool {
        let from = notify.headers.from();
        let from_tag = from.as_ref().ok().and_then(|from| from.tag());
        let Some(referral) = self.referrals.0.get(leg).filter(|left| {
            from_tag == Some(left.remote_tag.as_str())
                && left.referred.is_meant(&notify.headers, left.is_first)
        }) else {
            return false;
        };
        let LegTrunk { id, settings } = &referral.trunk;
        if let Some(refusal) = settings.refuses_way(*id, origin) {
            let response = self.refusal_response(notify, &leg.tag, &refusal, origin.listener);
            self.respond(server, &response);
            return true;
        }
        let response = self.response(notify, StatusCode::OK, &leg.tag);
        self.respond(server, &response);
        let told = told(notify);
        if told != Told::NothingYet
            && let Some(referral) = self.referrals.0.remove(leg)
        {
            referral.conclude(self, told);
        }
        true
    }

    /// Those that have told nothing by `now` will not; `None`: nobody listens any longer.
    pub(crate) fn give_up_referrals(&mut self, now: Option<Instant>) {
        let is_late = |left: &Referral| now.is_none_or(|now| left.referred.deadline() <= now);
        let late: Vec<Referral> = self
            .referrals
            .0
            .extract_if(|_, left| is_late(left))
            .map(|(_, left)| left)
            .collect();
        for referral in late {
            referral.conclude(self, Told::Failed(None));
        }
    }
}

impl Referral {
    fn conclude(self, cx: &mut Context, told: Told) {
        let mut tell = |kind, code, text| {
            cx.event(Event {
                kind,
                call: Some(self.call),
                trunk: Some(self.trunk.settings.name.clone()),
                peer: self.peer,
                code,
                text,
            });
        };
        match told {
            Told::NothingYet => {}
            Told::Done => {
                tell(EventKind::CallTransferred, None, self.referred.whereto());
                tell(EventKind::TransferDone, None, "200 OK".to_owned());
            }
            Told::Failed(status) => {
                let text = format!("it hung up, and then: {}", super::moving::failure(status));
                let code = Some(Refusal::TRANSFER.code);
                tell(EventKind::TransferFailed, code, text);
            }
        }
    }
}
