//! An operator puts a call on hold, and takes it off again (OPS-3, RFC 3264 section 8.4).
//!
//! At once no packet passes. A re-INVITE tells each side, one after the other, as soon as one may be
//! sent: the call must be up, with no offer on its way. Glare (491) is tried again, and is a refusal when
//! it goes on and on ([`super::glare`]). A side that refuses the hold is not told again, neither of it nor of its end: packets do not pass, whatever it believes.
//! A side that refuses the end of the hold goes on in the session that it has (RFC 3261 section 14.1),
//! and sends nothing: so the call stays held, the other side is told so if it has been told otherwise, and
//! the operator may try again.

use std::time::{Duration, Instant};

use media_core::session::Side;

use super::context::Context;
use super::glare::Glare;
use super::parties::Parties;
use super::refreshing::Refreshing;
use super::{Call, State};
use crate::stack::{ControlError, EventKind};

/// What a side takes its session to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Open,
    Held,
    /// As it was: it would not hear of the hold.
    Refused,
}

/// What an operator wants, and what the sides know of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    wanted: bool,
    /// By [`Side::index`].
    told: [Told; 2],
    /// It may have heard something else since.
    stale: [bool; 2],
    /// Not before then.
    due: Option<Instant>,
    /// Of the side that is being told.
    pub(super) glare: Glare,
}

impl Hold {
    /// Packets do not pass because of it.
    pub(super) fn is_in_force(&self) -> bool {
        self.wanted || self.told.contains(&Told::Held) || self.stale != [false; 2]
    }

    /// Which side is to be told next, and what.
    fn next(&self) -> Option<Side> {
        let mut sides = [Side::Callee, Side::Caller].into_iter();
        sides.find(|side| {
            let side = side.index();
            let is_otherwise = match self.told[side] {
                Told::Open => self.wanted,
                Told::Held => !self.wanted,
                Told::Refused => false,
            };
            is_otherwise || self.stale[side]
        })
    }

    /// When that may be.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.next().is_some())
    }

    /// That side knows.
    pub(super) fn told(&mut self, side: Side, on: bool) {
        self.knows(side, if on { Told::Held } else { Told::Open });
    }

    fn knows(&mut self, side: Side, told: Told) {
        self.told[side.index()] = told;
        self.stale[side.index()] = false;
        self.glare = Glare::default();
    }

    /// An operator wants it so; whoever refused the hold before is told of another one.
    fn want(&mut self, on: bool) {
        self.wanted = on;
        self.due = None;
        self.glare = Glare::default();
        for told in self.told.iter_mut().filter(|_| on) {
            if *told == Told::Refused {
                *told = Told::Open;
            }
        }
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
        parties.hold.want(on);
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
    /// A side refused to be told: its session stays as it was.
    pub(super) fn hold_refused(&mut self, cx: &mut Context, side: Side, on: bool, why: &str) {
        self.tell_of_refused_hold(cx, side, on, why);
        match on {
            true => self.hold.knows(side, Told::Refused),
            false => self.stay_held(cx, side),
        }
    }

    /// A side could not be told; what it has heard nobody knows.
    pub(super) fn hold_lost(&mut self, cx: &mut Context, side: Side, on: bool, why: &str) {
        self.tell_of_refused_hold(cx, side, on, why);
        match on {
            true => self.hold.knows(side, Told::Held),
            false => self.stay_held(cx, side),
        }
    }

    fn stay_held(&mut self, cx: &mut Context, side: Side) {
        self.hold.knows(side, Told::Held);
        if !self.hold.wanted {
            self.hold.want(true);
            self.media.hold(cx);
        }
    }

    fn tell_of_refused_hold(&self, cx: &mut Context, side: Side, on: bool, why: &str) {
        let text = match on {
            true => format!("hold: {why}"),
            false => format!("end of the hold: {why}; the call stays on hold"),
        };
        self.event(cx, EventKind::ReinviteRefused, side, None, text);
    }
}

/// Until an offer that is in the way is answered.
const SHORT_DELAY: Duration = Duration::from_millis(200);
