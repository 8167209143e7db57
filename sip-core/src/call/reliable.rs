//! Reliable provisional responses (RFC 3262), on either leg alone.
//!
//! Toward the caller we are the one who repeats them until PRACK comes ([`Provisionals`], section
//! 3). Those of the far side we acknowledge at once ([`Parties::hear_provisional`], section 4),
//! whatever the caller can do: each leg's are its own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media_core::session::Side;

use super::bodies::Description;
use super::context::Context;
use super::parties::Parties;
use crate::message::{HeaderName, Headers, Method, RAck, RELIABLE, Request, Response};
use crate::transaction::{ServerKey, Timers};
use crate::transport::Origin;

/// What the caller says of reliable provisional responses in its INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It has not heard of them.
    None,
    /// Those that matter may be reliable.
    Supported,
    /// All must be, except 100 (section 3).
    Required,
}

/// Our provisional responses to the caller's INVITE.
pub(super) struct Provisionals {
    wish: Wish,
    /// RSeq of the next one.
    next: u32,
    awaiting: Option<Box<Unacknowledged>>,
    /// Until the one before is acknowledged, no other leaves (section 3).
    queue: VecDeque<Draft>,
    /// Our To tags of the dialogs in which the answer to the caller's offer left in a reliable response:
    /// it is final.
    answered: Vec<String>,
}

/// A response that is due.
struct Draft {
    server: ServerKey,
    response: Response,
    /// It has the answer to the caller's offer.
    answers: bool,
}

/// A response that is repeated until its PRACK comes.
struct Unacknowledged {
    draft: Draft,
    rack: RAck,
    interval: Duration,
    resend: Instant,
    give_up: Instant,
}

/// What became of an unacknowledged response when its time came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    Goes,
    /// 64*T1 without PRACK: the INVITE is to be refused (section 3).
    Ended,
}

impl Provisionals {
    /// For a caller's INVITE. `first` is the first RSeq, random from 1 to 2^31 - 1 (section 3).
    pub(super) fn to(invite: &Headers, first: u32) -> Provisionals {
        let wish = if invite.has_option_tag(HeaderName::Require, RELIABLE) {
            Wish::Required
        } else if invite.has_option_tag(HeaderName::Supported, RELIABLE) {
            Wish::Supported
        } else {
            Wish::None
        };
        Provisionals {
            wish,
            next: (first & MAX_FIRST_SEQUENCE).max(1),
            awaiting: None,
            queue: VecDeque::new(),
            answered: Vec::new(),
        }
    }

    /// An answer is out that the caller has not acknowledged: a 2xx must wait (section 3).
    pub(super) fn holds_answer(&self) -> bool {
        self.awaiting
            .as_ref()
            .is_some_and(|waiting| waiting.draft.answers)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let waiting = self.awaiting.as_ref()?;
        Some(waiting.resend.min(waiting.give_up))
    }

    /// Sends it, reliably if need be, in its turn. `matters`: it has an answer, or the far side
    /// wanted it acknowledged. `is_offer_due`: the caller made no offer.
    fn send(&mut self, cx: &mut Context, draft: Draft, matters: bool, is_offer_due: bool) {
        let is_reliable = match self.wish {
            Wish::None => false,
            // The first reliable response would have to bring an offer (RFC 3261 section
            // 13.2.1), and nobody has made one.
            Wish::Required if is_offer_due => return,
            Wish::Required => true,
            Wish::Supported => matters && !is_offer_due,
        };
        if !is_reliable {
            return cx.respond(draft.server, &draft.response);
        }
        if draft.answers {
            let tag = draft.response.headers.to_tag().ok().flatten();
            self.answered.extend(tag.map(str::to_owned));
        }
        if self.awaiting.is_none() {
            self.send_reliably(cx, draft);
        } else if self.queue.len() < MAX_QUEUE {
            self.queue.push_back(draft);
        }
    }

    fn send_reliably(&mut self, cx: &mut Context, mut draft: Draft) {
        let Ok(request) = draft.response.headers.cseq() else {
            return;
        };
        let rack = RAck {
            response: self.next,
            request,
        };
        self.next = self.next.saturating_add(1);
        let headers = &mut draft.response.headers;
        headers.push(HeaderName::Require, RELIABLE);
        headers.push(HeaderName::RSeq, rack.response.to_string());
        cx.respond(draft.server, &draft.response);
        let timers = cx.config.timers;
        self.awaiting = Some(Box::new(Unacknowledged {
            draft,
            rack,
            interval: timers.t1,
            resend: cx.now + timers.t1,
            give_up: cx.now + timers.timeout(),
        }));
    }

    /// PRACK came: whether it acknowledges the response that waits for it. The next one leaves.
    fn acknowledge(&mut self, cx: &mut Context, rack: &RAck) -> bool {
        if self
            .awaiting
            .take_if(|waiting| waiting.rack == *rack)
            .is_none()
        {
            return false;
        }
        if let Some(next) = self.queue.pop_front() {
            self.send_reliably(cx, next);
        }
        true
    }

    /// The time of [`Provisionals::deadline`] may have come.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context) -> Patience {
        let Some(waiting) = &mut self.awaiting else {
            return Patience::Goes;
        };
        if waiting.give_up <= cx.now {
            self.awaiting = None;
            self.queue.clear();
            return Patience::Ended;
        }
        if waiting.resend <= cx.now {
            waiting.resend_now(cx.now, &cx.config.timers);
            cx.respond(waiting.draft.server, &waiting.draft.response);
        }
        Patience::Goes
    }
}

impl Unacknowledged {
    /// The interval doubles each time (section 3); unlike that of a final response it has no
    /// ceiling.
    fn resend_now(&mut self, now: Instant, timers: &Timers) {
        self.interval = self.interval.saturating_mul(2).min(timers.timeout());
        self.resend = now + self.interval;
    }
}

/// What a provisional response of the far side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Plain,
    /// It is acknowledged.
    Reliable,
    /// It was here before, or one before it is missing: no further processing (section 4).
    Useless,
}

impl Parties {
    /// The caller has its answer for good, in the dialog that we speak in: the 2xx brings none.
    pub(super) fn has_answered_caller(&self) -> bool {
        let tag = &self.leg(Side::Caller).key.tag;
        self.provisionals.answered.contains(tag)
    }

    /// A provisional response of the far side to our first INVITE: its early dialog is noted, and
    /// PRACK sent if it wants one.
    pub(super) fn hear_provisional(
        &mut self,
        cx: &mut Context,
        origin: &Origin,
        response: &Response,
    ) -> Heard {
        let sequence = response.headers.reliable_sequence();
        let leg = self.leg_mut(Side::Callee);
        let Some(early) = leg.early_dialog(cx, origin, response) else {
            // Without a To tag there is no dialog that PRACK could belong to.
            return Heard::Plain;
        };
        let Some(sequence) = sequence else {
            return Heard::Plain;
        };
        let is_next = early
            .latest
            .is_none_or(|latest| latest.checked_add(1) == Some(sequence));
        let Some(request) = response.headers.cseq().ok().filter(|_| is_next) else {
            return Heard::Useless;
        };
        early.latest = Some(sequence);
        let rack = RAck {
            response: sequence,
            request,
        };
        if let Some((mut prack, target)) = leg.request_early(cx, response, Method::Prack) {
            prack.headers.push(HeaderName::RAck, rack.to_string());
            // What becomes of it tells nothing: the far side repeats its response, or gives up.
            cx.request_and_forget(prack, target);
        }
        Heard::Reliable
    }

    /// Passes a provisional response of the far side on to the caller.
    pub(super) fn pass_provisional(
        &mut self,
        cx: &mut Context,
        (server, invite): (ServerKey, &Request),
        far: (&Response, Heard),
        body: Option<Description<'_>>,
        is_offer_due: bool,
    ) {
        let (far, heard) = far;
        let answers = body.is_some();
        let matters = answers || heard == Heard::Reliable;
        let response = self.passed_response(cx, Side::Caller, invite, far, body);
        let draft = Draft {
            server,
            response,
            answers,
        };
        self.provisionals.send(cx, draft, matters, is_offer_due);
    }

    /// A PRACK of the caller. `false` if it acknowledges nothing: 481 (section 3).
    pub(super) fn take_prack(&mut self, cx: &mut Context, side: Side, prack: &Request) -> bool {
        let rack = prack.headers.rack();
        side == Side::Caller && rack.is_some_and(|rack| self.provisionals.acknowledge(cx, &rack))
    }
}

/// Section 3: the first RSeq is below 2^31.
const MAX_FIRST_SEQUENCE: u32 = (1 << 31) - 1;
/// Responses that wait for the PRACK of the one before; further ones are not missed.
const MAX_QUEUE: usize = 8;
