//! What a target's refusal or silence means: the next one, another place, or the end of the call
//! (TRK-3).

use media_core::session::Side;

use super::State;
use super::context::Context;
use super::ending::Ending;
use super::hunting::{ASKED, Cause, Hunt, Waiting};
use super::outcome::{Failure, Outcome, hop_refusal};
use super::parties::Parties;
use crate::message::{HeaderName, Response, StatusCode};
use crate::refusal::Refusal;
use crate::stack::EventKind;
use crate::transaction::ClientKey;
use crate::transport::Host;
use crate::trunk::Hop;
use crate::trunk::failover::{self, RedirectError, Verdict};

impl Hunt {
    /// The target in hand answered or rang: it is there.
    pub(super) fn heard(&self, cx: &mut Context) {
        if let Some((target, hop)) = &self.current {
            cx.health.answered(&(self.way.callee.id, target.clone()));
            cx.health.address_answered((hop.transport, hop.address));
        }
    }

    /// The target in hand refused: what that means, and whether the call goes on elsewhere.
    pub(super) fn declined(
        mut self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: Waiting,
        (client, response): (ClientKey, Response),
    ) -> State {
        let verdict = failover::verdict(response.status);
        parties.conclude_target(Some(response.status), described(&response));
        match verdict {
            Verdict::Final => {
                self.heard(cx);
                decline(cx, parties, &waiting, &response)
            }
            Verdict::Redirect => self.redirect(cx, parties, waiting, client, &response),
            Verdict::NextAddress | Verdict::NextTarget => {
                if failover::is_targets_fault(response.status) {
                    self.remember_failure(cx, verdict == Verdict::NextAddress);
                } else {
                    self.heard(cx);
                }
                self.tell_of_failure(cx, parties, EventKind::TargetFailed, &described(&response));
                abandon(cx, parties, client);
                if verdict == Verdict::NextTarget {
                    self.plan.skip_target();
                }
                self.cause = Some(Cause::Declined(Box::new(response)));
                self.advance(cx, parties, waiting)
            }
        }
    }

    /// The target in hand said nothing, or could not be asked. An INVITE that is still out is
    /// cancelled as soon as that may be (section 9.1); should it be answered all the same, it is
    /// acknowledged and its dialog ended.
    pub(super) fn failed(
        mut self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: Waiting,
        client: ClientKey,
        failure: Failure,
    ) -> State {
        parties.conclude_target(None, failure.text().to_owned());
        self.remember_failure(cx, true);
        parties.event(
            cx,
            EventKind::PeerUnreachable,
            Side::Callee,
            Some(Refusal::ALL_TARGETS_FAILED.code),
            failure.text().to_owned(),
        );
        cx.cancel(client);
        abandon(cx, parties, client);
        self.cause = Some(Cause::Failed(failure));
        self.advance(cx, parties, waiting)
    }

    /// Follows a 302, once, and nowhere that is less secure or private; not a telephone's.
    fn redirect(
        mut self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: Waiting,
        client: ClientKey,
        response: &Response,
    ) -> State {
        self.heard(cx);
        let secure = self.way.callee.settings.requires_tls();
        // What a telephone names is called past all routes and limits, and in our name.
        let followed = match self.way.places.is_empty() {
            true => failover::redirect(&response.headers, secure),
            false => Err(RedirectError::Account),
        };
        let followed = followed.and_then(|redirect| {
            self.plan.redirect(redirect.target.clone())?;
            Ok(redirect)
        });
        abandon(cx, parties, client);
        match followed {
            Ok(redirect) => {
                let text = format!("{} to {}", described(response), redirect.target);
                self.tell_of_failure(cx, parties, EventKind::TargetFailed, &text);
                self.redirected_to = Some(redirect.uri);
                self.cause = Some(Cause::Declined(Box::new(response.clone())));
                self.advance(cx, parties, waiting)
            }
            Err(error) => self.refuse_redirect(cx, parties, &waiting, error),
        }
    }

    pub(super) fn refuse_redirect(
        self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: &Waiting,
        error: RedirectError,
    ) -> State {
        let refusal = Refusal::REDIRECT;
        let text = format!("{}: {error}", refusal.text);
        parties.event(
            cx,
            EventKind::TargetFailed,
            Side::Callee,
            Some(refusal.code),
            text.clone(),
        );
        parties.refuse(cx, Side::Caller, waiting.server, &waiting.invite, &refusal);
        let outcome = Outcome {
            reason: text,
            ..Outcome::refused(&refusal)
        };
        parties.finish(cx, outcome);
        State::Ending(Ending::default())
    }

    /// Nobody took the call. Where there was but one target, its own word says more than ours.
    pub(super) fn give_up(
        self: Box<Self>,
        cx: &mut Context,
        parties: &mut Parties,
        waiting: &Waiting,
    ) -> State {
        let asked_one = parties.draft.targets.len() == 1;
        match self.cause {
            Some(Cause::Declined(response)) if asked_one => {
                decline(cx, parties, waiting, &response)
            }
            // Telephones that say nothing are no gateway that is out of order: RFC 3261 section
            // 21.4.18.
            Some(Cause::Failed(failure)) if !self.way.places.is_empty() => {
                let refusal = match &failure {
                    Failure::TimedOut => Refusal::NO_ANSWER,
                    Failure::TransportFailed(_) => Refusal::NOT_REGISTERED,
                };
                parties.refuse(cx, Side::Caller, waiting.server, &waiting.invite, &refusal);
                let outcome = Outcome {
                    reason: format!("{}: {}", refusal.text, failure.text()),
                    ..Outcome::refused(&refusal)
                };
                parties.finish(cx, outcome);
                State::Ending(Ending::default())
            }
            cause => {
                let refusal = Refusal::ALL_TARGETS_FAILED;
                let leg = parties.leg(Side::Caller);
                let (tag, listener) = (&leg.key.tag, leg.listener);
                let mut response = cx.refusal_response(&waiting.invite, tag, &refusal, listener);
                let text = match &cause {
                    Some(Cause::Declined(last)) => {
                        // RFC 3326: the caller reads our reason, and the last target's.
                        let reason = format!("SIP;cause={}", last.status);
                        response.headers.push(HeaderName::Reason, reason);
                        described(last)
                    }
                    Some(Cause::Failed(failure)) => failure.text().to_owned(),
                    None => "none is enabled".to_owned(),
                };
                cx.respond(waiting.server, &response);
                parties.finish(cx, Outcome::all_failed(&text));
                State::Ending(Ending::default())
            }
        }
    }

    /// Other calls avoid the target in hand for a while, and its address if that is at fault.
    fn remember_failure(&self, cx: &mut Context, and_address: bool) {
        let Some((target, hop)) = &self.current else {
            return;
        };
        let backoff = self.way.callee.settings.origination.backoff;
        let key = (self.way.callee.id, target.clone());
        cx.health.failed(key, cx.now + backoff);
        if and_address {
            let address = (hop.transport, hop.address);
            cx.health.address_failed(cx.now, address, backoff);
        }
    }

    fn tell_of_failure(&self, cx: &mut Context, parties: &Parties, kind: EventKind, what: &str) {
        if let Some((target, _)) = &self.current {
            let text = format!("{target}: {what}");
            parties.event(cx, kind, Side::Callee, None, text);
        }
    }
}

/// The far side refused for good: the caller hears why.
fn decline(
    cx: &mut Context,
    parties: &mut Parties,
    waiting: &Waiting,
    response: &Response,
) -> State {
    let refusal = hop_refusal(response.status);
    let caller = (waiting.server, &*waiting.invite);
    match &refusal {
        Some(refusal) => parties.refuse(cx, Side::Caller, caller.0, caller.1, refusal),
        None => parties.pass_response(cx, Side::Caller, caller, response, None),
    }
    parties.finish(cx, Outcome::declined(response, refusal.as_ref()));
    State::Ending(Ending::default())
}

pub(super) fn end_refused(
    cx: &mut Context,
    parties: &mut Parties,
    waiting: &Waiting,
    refusal: &Refusal,
) -> State {
    parties.refuse(cx, Side::Caller, waiting.server, &waiting.invite, refusal);
    parties.finish(cx, Outcome::refused(refusal));
    State::Ending(Ending::default())
}

/// The far leg is no longer the call's. What its INVITE still brings is dealt with by what remains
/// of it: its transaction may wait 64*T1 for a response, and 64*T1 more once that let CANCEL go.
fn abandon(cx: &mut Context, parties: &mut Parties, client: ClientKey) {
    cx.disown(client);
    let leg = parties.leg_mut(Side::Callee);
    cx.legs.remove(&leg.key);
    if let Some(sent) = leg.invite.take() {
        let until = cx.now + 2 * cx.config.timers.timeout();
        cx.remains.keep(until, leg.key.clone(), sent);
    }
}

/// Status and phrase.
fn described(response: &Response) -> String {
    let phrase = String::from_utf8_lossy(&response.reason);
    format!("{} {phrase}", response.status)
        .trim_end()
        .to_owned()
}

/// Whether that is where we listen: a call sent there would come back.
pub(crate) fn is_ours(cx: &Context, hop: &Hop) -> bool {
    cx.config.listeners.iter().any(|listener| {
        let advertised = Host::Address(hop.address.ip()) == listener.advertised_host
            && hop.address.port() == listener.advertised_port;
        listener.transport == hop.transport && (listener.address == hop.address || advertised)
    })
}

impl Parties {
    /// What came of the target in hand.
    pub(super) fn conclude_target(&mut self, status: Option<StatusCode>, outcome: String) {
        if let Some(target) = self
            .draft
            .targets
            .last_mut()
            .filter(|target| target.outcome == ASKED)
        {
            target.status = status.map(StatusCode::code);
            target.outcome = outcome;
        }
    }
}
