//! What an operator does to calls (OPS-3): hang up, transfer, hold, place one; and to the process:
//! drain it.

use std::time::Instant;

use media_core::session::{CallId, Side};

use super::{LiveCall, Stack};
use crate::call::Call;
use crate::call::context::Context;
use crate::refusal::Refusal;

/// Why what an operator wants of a call is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is over, or never was.
    #[error("no such call")]
    NoSuchCall,
    /// Not now: the text says what the call is doing.
    #[error("{0}")]
    WrongState(&'static str),
    /// Never with this call: the text says why.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// Nobody can be called there: the text says what is wrong with it.
    #[error("{0}")]
    BadTarget(String),
    /// A new call would be refused so.
    #[error("{} {}", .0.code, .0.text)]
    Refused(Refusal),
}

/// Who makes the new call of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferHow {
    /// The side that is moved: it is sent REFER (RFC 3515), and calls by itself.
    Refer,
    /// We, as if the side that stays behind had sent us REFER and its trunk had `refer = "local"`:
    /// by its routes and limits. The side that is moved only notices a re-INVITE.
    Local,
}

/// A call that an operator wants between two parties (RFC 3725): the first one is rung, and once it
/// has answered, the second one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number that the second party sees; empty: that of the first one.
    pub from: String,
    /// Number or SIP URI of the second party.
    pub to: String,
    /// Whose telephone rings first: a number, routed like one that is called from `trunk`, or the
    /// address-of-record of an account.
    pub first: String,
    /// Name of the trunk whose routes lead to a number; `None`: that of the account.
    pub trunk: Option<String>,
}

impl Stack {
    /// Ends a call: BYE to sides that talk, CANCEL and a refusal where nobody has answered.
    ///
    /// A call that is ending already ends, and has one record.
    ///
    /// # Errors
    /// [`ControlError::NoSuchCall`].
    pub fn hang_up(&mut self, now: Instant, call: CallId) -> Result<(), ControlError> {
        self.cx.now = now;
        if !self.calls.contains_key(&call) {
            return Err(ControlError::NoSuchCall);
        }
        self.with_call(call, |call, cx| call.give_up_own(cx, Refusal::OPERATOR));
        self.drive();
        Ok(())
    }

    /// Moves `side` of a call that is up to somebody else; the other side is left behind, and hung
    /// up when that is done. What comes of it is told by events; if nothing does, the call stays.
    ///
    /// `target` is a number, or a `sip:`, `sips:` or `tel:` URI.
    ///
    /// # Errors
    /// [`ControlError::NoSuchCall`], [`ControlError::WrongState`], [`ControlError::BadTarget`].
    pub fn transfer(
        &mut self,
        now: Instant,
        call: CallId,
        side: Side,
        target: &str,
        how: TransferHow,
    ) -> Result<(), ControlError> {
        self.act(now, call, |call, cx| call.move_side(cx, side, target, how))
    }

    /// Puts both sides of a call on hold, or takes them off it (RFC 3264 section 8.4). At once no
    /// packet passes any more, and a re-INVITE says so to each side, as soon as one may be sent;
    /// after the end of the hold packets pass when both sides have been told. A call that is held
    /// already stays so.
    ///
    /// # Errors
    /// [`ControlError::NoSuchCall`], [`ControlError::WrongState`] before the answer and after the
    /// end, [`ControlError::NotAllowed`] without media.
    pub fn hold(&mut self, now: Instant, call: CallId, on: bool) -> Result<(), ControlError> {
        self.act(now, call, |call, cx| call.hold(cx, on))
    }

    /// Calls two parties and connects them. From here on it is a call like any other, of which the
    /// first party is the caller.
    ///
    /// # Errors
    /// [`ControlError::BadTarget`], [`ControlError::Refused`].
    pub fn place(&mut self, now: Instant, place: &Place) -> Result<CallId, ControlError> {
        self.cx.now = now;
        let call = self.place_call(place);
        self.drive();
        call
    }

    /// One of [`Stack::live_calls`].
    pub fn live_call(&self, call: CallId) -> Option<LiveCall> {
        self.calls.get(&call).map(|entry| entry.call.describe())
    }

    /// While set, new calls and MESSAGEs outside calls get 503 with Retry-After, and so do OPTIONS
    /// outside dialogs: they are to be answered as an INVITE would be (RFC 3261 section 11.2), and
    /// whoever probes us by them sends its calls elsewhere. Calls that are up go on, and can be
    /// transferred; telephones can register.
    pub fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
    }

    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Takes a call one step on, and hands out what came of it.
    fn act(
        &mut self,
        now: Instant,
        call: CallId,
        step: impl FnOnce(Call, &mut Context) -> (Call, Result<(), ControlError>),
    ) -> Result<(), ControlError> {
        self.cx.now = now;
        let mut done = Err(ControlError::NoSuchCall);
        self.with_call(call, |call, cx| {
            let (call, result) = step(call, cx);
            done = result;
            call
        });
        self.drive();
        done
    }
}
