//! What the media plane has to say of calls.

use std::time::Duration;

use media_core::report::Digit;
use media_core::session::{CallId, Side};

use super::{EventKind, Stack};
use crate::refusal::Refusal;

impl Stack {
    /// MED-3.
    pub(super) fn tell_of_digit(&mut self, id: CallId, from: Side, digit: Digit) {
        let Some(entry) = self.calls.get(&id) else {
            return;
        };
        let what = match self.cx.config.show_digits {
            true => format!("digit {}", digit.as_char()),
            false => "a digit".to_owned(),
        };
        let who = match from {
            Side::Caller => "caller",
            Side::Callee => "callee",
        };
        let text = format!("{what} from the {who}");
        entry
            .call
            .tell(&mut self.cx, EventKind::Digit, from, None, text);
    }

    pub(super) fn end_silent_call(&mut self, id: CallId, silent_for: Duration) {
        // Before the answer nobody need talk; the ring timeout bounds that.
        if !self
            .calls
            .get(&id)
            .is_some_and(|entry| entry.call.is_answered())
        {
            return;
        }
        let text = format!("no media for {} s", silent_for.as_secs());
        self.end_for_media(id, EventKind::MediaTimeout, Refusal::MEDIA_TIMEOUT, text);
    }

    pub(super) fn end_failed_call(&mut self, id: CallId, reason: String) {
        // The failure may cross the end: then there is nothing to tell of.
        if !self.calls.contains_key(&id) {
            return;
        }
        self.end_for_media(id, EventKind::MediaFailed, Refusal::MEDIA_FAILED, reason);
    }

    pub(super) fn end_for_media(
        &mut self,
        id: CallId,
        kind: EventKind,
        refusal: Refusal,
        text: String,
    ) {
        self.with_call(id, |call, cx| {
            call.tell(cx, kind, Side::Caller, Some(refusal.code), text);
            call.end(cx, refusal)
        });
    }
}
