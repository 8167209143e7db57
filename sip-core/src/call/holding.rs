//! An operator puts a call on hold, and takes it off again (OPS-3, RFC 3264 section 8.4).
//!
//! At once no packet passes. A re-INVITE tells each side, one after the other, as soon as one may be
//! sent: the call must be up, with no offer on its way. Glare (491) is tried again. What a side
//! refuses it is not told again: packets do not pass, whatever it believes.

use std::time::{Duration, Instant};

use media_core::session::Side;

use super::context::Context;
use super::parties::Parties;
use super::refreshing::Refreshing;
use super::{Call, State};
use crate::stack::{ControlError, EventKind};

/// What an operator wants, and what the sides know of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    wanted: bool,
    /// By [`Side::index`]: it was told, or would not hear of it.
    told: [bool; 2],
    /// It may have heard something else since.
    stale: [bool; 2],
    /// Not before then.
    due: Option<Instant>,
}

impl Hold {
    /// Packets do not pass because of it.
    pub(super) fn is_in_force(&self) -> bool {
        self.wanted || self.told != [false; 2] || self.stale != [false; 2]
    }

    /// Which side is to be told next, and what.
    fn next(&self) -> Option<Side> {
        let mut sides = [Side::Callee, Side::Caller].into_iter();
        sides.find(|side| {
            let side = side.index();
            self.told[side] != self.wanted || self.stale[side]
        })
    }

    /// When that may be.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.next().is_some())
    }

    /// That side knows, or does not want to.
    pub(super) fn told(&mut self, side: Side, on: bool) {
        self.told[side.index()] = on;
        self.stale[side.index()] = false;
    }

    /// It cannot be told before then.
    pub(super) fn put_off(&mut self, until: Instant) {
        self.due = Some(until);
    }
}

impl Call {
    pub(crate) fn hold(mut self, cx: &mut Context, on: bool) -> (Call, Result<(), ControlError>) {
        if let Err(error) = self.may_hold() {
            return (self, Err(error));
        }
        let parties = &mut self.parties;
        if parties.hold.wanted == on {
            return (self, Ok(()));
        }
        parties.hold.wanted = on;
        parties.hold.due = None;
        if parties.media.take_said_held() {
            parties.hold.stale = [true; 2];
        }
        match on {
            true => parties.media.hold(cx),
            false => parties.media.shut(cx),
        }
        (self.go_on_with_hold(cx), Ok(()))
    }

    fn may_hold(&self) -> Result<(), ControlError> {
        if self.is_ending() {
            return Err(ControlError::NoSuchCall);
        }
        if !self.is_answered() {
            return Err(ControlError::WrongState("the call is not answered yet"));
        }
        if self.parties.placed.is_some() {
            return Err(ControlError::WrongState(
                "the call is still being connected",
            ));
        }
        if matches!(self.state, State::Lending(_) | State::Joining(_)) {
            return Err(ControlError::WrongState("a side is going to another call"));
        }
        match self.parties.media.leg(Side::Caller) {
            Some(_) => Ok(()),
            None => Err(ControlError::NotAllowed("the call has no media")),
        }
    }

    /// Tells the next side, if one has still to be told and may be now.
    pub(super) fn go_on_with_hold(mut self, cx: &mut Context) -> Call {
        let parties = &mut self.parties;
        while let (State::Up(_), Some(side)) = (&self.state, parties.hold.next()) {
            if parties.hold.due.is_some_and(|due| due > cx.now) {
                return self;
            }
            let is_busy = parties.offers().is_some() || parties.media.correction_due().is_some();
            if is_busy {
                parties.hold.put_off(cx.now + SHORT_DELAY);
                return self;
            }
            let on = parties.hold.wanted;
            match Refreshing::turn(cx, parties, side, on) {
                Some(state) => self.state = state,
                None => parties.hold.told(side, on),
            }
        }
        if !parties.hold.is_in_force() && parties.placed.is_none() {
            parties.media.open(cx);
        }
        self
    }
}

impl Parties {
    /// A side will not be told: it refused, or cannot be reached.
    pub(super) fn hold_refused(&mut self, cx: &mut Context, side: Side, on: bool, why: &str) {
        let what = match on {
            true => "hold",
            false => "end of the hold",
        };
        let text = format!("{what}: {why}");
        self.event(cx, EventKind::ReinviteRefused, side, None, text);
        self.hold.told(side, on);
    }
}

/// Until an offer that is in the way is answered.
const SHORT_DELAY: Duration = Duration::from_millis(200);
