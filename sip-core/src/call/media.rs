//! A call's media: what the legs agree, what the media plane has of it, and the ports that are ours
//! until the flows are gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use media_core::report::MediaReport;
use media_core::session::{CallId, Session, Side};
use zeroize::Zeroizing;

use super::context::Context;
use super::glare::Glare;
use crate::refusal::Refusal;
use crate::sdp::{Alternative, DescriptionOrigin, LegMedia, Negotiation};
use crate::stack::{Command, MediaCommand};
use crate::transaction::ClientKey;

pub(super) struct CallMedia {
    call: CallId,
    negotiation: Negotiation,
    /// What the callee's other places were offered, by their INVITEs.
    beside: Vec<(ClientKey, Alternative)>,
    flows: Flows,
    unsaid: Option<Unsaid>,
}

/// An answer that the caller could not be given: it had one for good already (RFC 3262 section 5), of
/// a target or fork that did not take the call in the end.
struct Unsaid {
    sdp: Zeroizing<Vec<u8>>,
    /// When the caller is to be offered that instead.
    due: Instant,
    glare: Glare,
}

/// What the media plane has of the call.
enum Flows {
    None,
    /// Shared with the media plane, which keeps it as long.
    Applied(Arc<Session>),
    /// The ports stay ours until [`CallMedia::removed`].
    Removing,
    /// The ports are given back.
    Gone,
}

impl CallMedia {
    pub(super) fn new(call: CallId, negotiation: Negotiation) -> CallMedia {
        CallMedia {
            call,
            negotiation,
            beside: Vec::new(),
            flows: Flows::None,
            unsaid: None,
        }
    }

    /// `from` made an offer: what to offer the other side.
    pub(super) fn offer(
        &mut self,
        cx: &mut Context,
        from: Side,
        sdp: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let offered = self
            .negotiation
            .offer(from, sdp, &mut *cx.ports, &mut *cx.rng);
        if let Err(refusal) = &offered
            && refusal.code == Refusal::NO_MEDIA_PORT.code
        {
            cx.counters.media_ports_exhausted += 1;
        }
        offered
    }

    /// The caller's offer, for another callee than before.
    pub(super) fn offer_anew(&mut self, cx: &mut Context, sdp: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.beside.clear();
        for (realm, media) in self.negotiation.retarget() {
            cx.ports.release(cx.now, realm, media);
        }
        self.offer(cx, Side::Caller, sdp)
    }

    /// The caller's offer for one more place of the callee, under keys of its own.
    pub(super) fn offer_beside(
        &mut self,
        cx: &mut Context,
        sdp: &[u8],
    ) -> Result<(Vec<u8>, Alternative), Refusal> {
        self.negotiation
            .offer_beside(sdp, &mut *cx.ports, &mut *cx.rng)
    }

    /// The offers are out: [`CallMedia::take_up`] says whose answer it is that counts.
    pub(super) fn wait_for_one_of(&mut self, beside: Vec<(ClientKey, Alternative)>) {
        self.beside = beside;
    }

    /// One of them was offered the same once more, in another INVITE.
    pub(super) fn asked_again(&mut self, old: ClientKey, new: ClientKey) {
        let mut beside = self.beside.iter_mut();
        if let Some((place, _)) = beside.find(|(place, _)| *place == old) {
            *place = new;
        }
    }

    /// It is that place, or the first one; what the others know of us is forgotten.
    pub(super) fn take_up(&mut self, client: ClientKey) {
        let mut others = std::mem::take(&mut self.beside).into_iter();
        if let Some((_, answering)) = others.find(|(place, _)| *place == client) {
            self.negotiation.take_up(answering);
        }
    }

    /// `from` answered: what to answer the other side. The media follows at once.
    pub(super) fn answer(
        &mut self,
        cx: &mut Context,
        from: Side,
        sdp: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let answer = self
            .negotiation
            .answer(from, sdp, &mut *cx.ports, &mut *cx.rng)?;
        self.apply(cx);
        Ok(answer)
    }

    /// Offer and answer are settled, on both legs.
    pub(super) fn confirm(&mut self, cx: &mut Context) {
        self.unsaid = None;
        self.negotiation.confirm();
        self.apply(cx);
    }

    /// The offer was refused: what was agreed before stays.
    pub(super) fn reject(&mut self, cx: &mut Context) {
        self.negotiation.reject();
        self.apply(cx);
    }

    /// What a side was last described, to be sent once more.
    pub(super) fn described(&self, side: Side) -> Option<Vec<u8>> {
        self.negotiation.described(side).map(<[u8]>::to_vec)
    }

    /// What a side last agreed to, to refresh its session with: not what it has refused since
    /// (RFC 4028 section 7.4).
    pub(super) fn settled(&self, side: Side) -> Option<Vec<u8>> {
        self.negotiation.settled(side).map(<[u8]>::to_vec)
    }

    /// What a side last said of its media, for another call.
    pub(super) fn resumed(&self, side: Side) -> Option<Vec<u8>> {
        self.negotiation.resumed(side).map(|sdp| sdp.to_vec())
    }

    pub(super) fn origin(&self, side: Side) -> Option<DescriptionOrigin> {
        self.negotiation.origin(side)
    }

    pub(super) fn continue_from(&mut self, side: Side, origin: DescriptionOrigin) {
        self.negotiation.continue_from(side, origin);
    }

    /// `side` answered that.
    pub(super) fn refreshed(
        &mut self,
        cx: &mut Context,
        side: Side,
        sdp: &[u8],
    ) -> Result<(), Refusal> {
        self.negotiation.refreshed(side, sdp)?;
        self.apply(cx);
        Ok(())
    }

    /// The caller was last told `told` and should know `sdp`, which stands in no message.
    pub(super) fn leave_unsaid(&mut self, now: Instant, told: Option<Vec<u8>>, sdp: Vec<u8>) {
        let is_the_same = told.is_some_and(|told| media_part(&told) == media_part(&sdp));
        self.unsaid = (!is_the_same).then(|| Unsaid {
            sdp: Zeroizing::new(sdp),
            due: now,
            glare: Glare::default(),
        });
    }

    /// When the caller is to be offered what it was not answered.
    pub(super) fn correction_due(&self) -> Option<Instant> {
        self.unsaid.as_ref().map(|unsaid| unsaid.due)
    }

    pub(super) fn correction(&self) -> Option<Vec<u8>> {
        self.unsaid.as_ref().map(|unsaid| unsaid.sdp.to_vec())
    }

    /// It cannot be offered before then.
    pub(super) fn put_off_correction(&mut self, until: Instant) {
        if let Some(unsaid) = &mut self.unsaid {
            unsaid.due = until;
        }
    }

    /// The caller answered it with 491: whether it is offered again after that delay.
    pub(super) fn correction_may_wait(&mut self, cx: &Context, delay: Duration) -> bool {
        let unsaid = self.unsaid.as_mut();
        unsaid.is_none_or(|unsaid| unsaid.glare.may_wait(cx, delay))
    }

    /// Nobody is there to whom it could be offered.
    pub(super) fn forget_correction(&mut self) {
        self.unsaid = None;
    }

    /// The caller answered it.
    pub(super) fn corrected(&mut self, cx: &mut Context, sdp: &[u8]) -> Result<(), Refusal> {
        self.unsaid = None;
        self.negotiation.corrected(Side::Caller, sdp)?;
        self.apply(cx);
        Ok(())
    }

    fn apply(&mut self, cx: &mut Context) {
        let Some(session) = self.negotiation.session() else {
            return;
        };
        match &self.flows {
            Flows::Applied(applied) if **applied == session => return,
            Flows::None | Flows::Applied(_) => {}
            Flows::Removing | Flows::Gone => return,
        }
        let session = Arc::new(session);
        cx.commands
            .push_back(Command::Media(MediaCommand::Apply(Arc::clone(&session))));
        self.flows = Flows::Applied(session);
    }

    /// The call is over: flows first, then ports. `true` if nothing has to be waited for.
    pub(super) fn remove(&mut self, cx: &mut Context) -> bool {
        if let Flows::Applied(_) = self.flows {
            cx.commands
                .push_back(Command::Media(MediaCommand::Remove(self.call)));
            self.flows = Flows::Removing;
            return false;
        }
        self.release(cx);
        true
    }

    /// The flows are gone; `None` if nobody asked for that.
    pub(super) fn removed(&mut self, cx: &mut Context, report: MediaReport) -> Option<MediaReport> {
        if !matches!(self.flows, Flows::Removing) {
            return None;
        }
        self.release(cx);
        Some(report)
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.flows, Flows::Gone)
    }

    /// No packet passes, and every description says so.
    pub(super) fn hold(&mut self, cx: &mut Context) {
        self.negotiation.hold();
        self.apply(cx);
    }

    /// No packet passes, whatever the descriptions say.
    pub(super) fn shut(&mut self, cx: &mut Context) {
        self.negotiation.shut();
        self.apply(cx);
    }

    /// Packets pass as the sides have agreed.
    pub(super) fn open(&mut self, cx: &mut Context) {
        if self.negotiation.open() {
            self.apply(cx);
        }
    }

    /// Whether what the sides told each other has been passed on as `inactive`, because of our hold.
    pub(super) fn take_said_held(&mut self) -> bool {
        self.negotiation.take_said_held()
    }

    /// What a side is to be told when a hold begins or ends.
    pub(super) fn redirected(&mut self, side: Side) -> Option<Vec<u8>> {
        self.negotiation.redirected(side).ok()
    }

    /// `side` answered that.
    pub(super) fn turned(
        &mut self,
        cx: &mut Context,
        side: Side,
        sdp: &[u8],
        was_held: bool,
    ) -> Result<(), Refusal> {
        self.negotiation.turned(side, sdp, was_held)?;
        self.apply(cx);
        Ok(())
    }

    /// Which sides are on hold, indexed by [`Side::index`].
    pub(super) fn held(&self) -> [bool; 2] {
        self.negotiation.held()
    }

    /// What was agreed for a leg, for the record; `None` before any answer.
    pub(super) fn leg(&self, side: Side) -> Option<LegMedia> {
        let has_answer = self.negotiation.has_answer();
        has_answer.then(|| self.negotiation.leg(side))
    }

    fn release(&mut self, cx: &mut Context) {
        for (realm, media) in self.negotiation.local_media() {
            cx.ports.release(cx.now, realm, media);
        }
        self.flows = Flows::Gone;
    }
}

/// Without what stands before the first m-line.
fn media_part(sdp: &[u8]) -> &[u8] {
    let start = sdp.windows(3).position(|text| text == b"\nm=");
    start.map_or(sdp, |start| &sdp[start..])
}
