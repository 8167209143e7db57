//! REFER that goes on to the far side ([`ReferMode::Pass`]), and the NOTIFYs that come back.

use media_core::session::Side;

use super::Call;
use super::context::Context;
use super::moving::{Told, told};
use super::parties::Parties;
use super::transfer::the;
use crate::message::{HeaderName, Headers, Method, Params, Request, StatusCode};
use crate::stack::EventKind;
use crate::transaction::ServerKey;
use crate::trunk::refer::ReferMode;

/// A REFER that was passed on, by its CSeq number on either leg: that names its subscription there
/// (RFC 3515 section 2.4.6).
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedRefer {
    /// As its sender knows it.
    theirs: u32,
    /// As we sent it.
    ours: u32,
    /// It is the first one of its dialog, which need not be named.
    is_first: bool,
}

impl Call {
    pub(super) fn pass_refer(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        refer: Request,
    ) -> Call {
        let theirs = refer.headers.cseq().map_or(0, |cseq| cseq.number);
        let parties = &mut self.parties;
        let ours = parties.relay(cx, side, (server, refer), Method::Refer, None);
        let leg = parties.leg_mut(side);
        let is_first = !std::mem::replace(&mut leg.was_referred, true);
        if let Some(ours) = ours {
            if leg.passed_refers.len() >= MOST_REFERS {
                // The first one may still be meant by a NOTIFY that names none.
                leg.passed_refers.remove(1);
            }
            leg.passed_refers.push(PassedRefer {
                theirs,
                ours,
                is_first,
            });
        }
        self
    }

    /// A REFER that was passed on for that side was challenged, and has another number now.
    pub(crate) fn refer_renumbered(&mut self, side: Side, old: u32, new: u32) {
        self.own_refer_renumbered(side.other(), old, new);
        let refers = &mut self.parties.leg_mut(side).passed_refers;
        if let Some(refer) = refers.iter_mut().find(|refer| refer.ours == old) {
            refer.ours = new;
        }
    }

    /// What comes of a REFER that was passed on; 481 if none was (RFC 6665 section 4.1.3).
    pub(super) fn handle_notify(
        mut self,
        cx: &mut Context,
        side: Side,
        server: ServerKey,
        mut notify: Request,
    ) -> Call {
        if let Some(told) = self.takes_notify(cx, side, server, &notify) {
            return self.handle_told(cx, told);
        }
        match self.parties.event_of_refer(side.other(), &notify.headers) {
            Some(Named::AsItCame) => {}
            Some(Named::Anew(event)) => notify.headers.set(HeaderName::Event, event),
            None => {
                let status = StatusCode::CALL_DOES_NOT_EXIST;
                self.parties.respond(cx, side, server, &notify, status);
                return self;
            }
        }
        if told(&notify) == Told::Done {
            let text = format!("{}, by a call of its own", the(side));
            let kind = EventKind::CallTransferred;
            self.parties.event(cx, kind, side, None, text);
        }
        self.parties
            .relay(cx, side, (server, notify), Method::Notify, None);
        self
    }
}

/// What Event is to say to who sent the REFER.
enum Named {
    AsItCame,
    Anew(String),
}

impl Parties {
    /// `None` if no REFER of `referrer`'s is meant.
    fn event_of_refer(&self, referrer: Side, headers: &Headers) -> Option<Named> {
        let leg = self.leg(referrer);
        if leg.trunk.settings.refer != ReferMode::Pass {
            return None;
        }
        let first = leg.passed_refers.first()?;
        let event = std::str::from_utf8(headers.value(HeaderName::Event)?).ok()?;
        let end = event.find(';').unwrap_or(event.len());
        let params = Params::parse(&event[end..])?;
        if !event[..end].trim().eq_ignore_ascii_case("refer") {
            return None;
        }
        let refer = match params.get("id") {
            Some(id) => {
                let id: u32 = id.parse().ok()?;
                leg.passed_refers.iter().find(|refer| refer.ours == id)?
            }
            None if first.is_first => return Some(Named::AsItCame),
            None => first,
        };
        let params = params.with("id", Some(&refer.theirs.to_string()));
        Some(Named::Anew(format!("{}{params}", &event[..end])))
    }
}

/// Of one dialog that are remembered; nobody waits for the results of more.
const MOST_REFERS: usize = 32;
