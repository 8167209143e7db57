//! The call record: what remains of every call, refused ones too (OPS-2).

use std::net::SocketAddr;
use std::time::Instant;

use media_core::report::MediaReport;
use media_core::session::{CallId, Side};
use media_core::srtp::profile::Suite;

use crate::transport::Transport;
use crate::trunk::Hop;

/// One call, at its end.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    pub call: CallId,
    /// The leg of the INVITE that came in.
    pub caller: LegRecord,
    /// The leg of our INVITE; `None` if the call was refused before it.
    pub callee: Option<LegRecord>,
    /// The caller's URI, from From.
    pub from: String,
    /// The called URI: the Request-URI of the INVITE.
    pub to: String,
    /// When the INVITE came.
    pub start: Instant,
    /// When the far side answered.
    pub answer: Option<Instant>,
    pub end: Instant,
    pub ended_by: EndedBy,
    /// The final status of the caller's INVITE.
    pub status: u16,
    /// Trunkline's own code ([`crate::refusal::Refusal::code`]), if it had a say in the end.
    pub code: Option<u32>,
    /// Why it ended, in words.
    pub reason: String,
    /// Encoding name of the audio codec, e.g. `PCMU`.
    pub codec: Option<String>,
    /// `None` if no media was ever set up.
    pub media: Option<MediaReport>,
    /// Where the call was tried, in order; the last one is the callee's leg.
    pub targets: Vec<TriedTarget>,
    /// Where the first party of a call that an operator placed was tried, in order; the last one is the
    /// caller's leg. Empty unless it answered.
    pub first_party: Vec<TriedTarget>,
}

/// A target that a call was tried at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedTarget {
    /// As it is configured, or as a redirect named it.
    pub uri: String,
    /// `None` if it was not found out.
    pub hop: Option<Hop>,
    /// Call-ID of the INVITE, if one was sent.
    pub sip_call_id: Option<String>,
    /// Its final response.
    pub status: Option<u16>,
    /// In words: `answered`, `503 Service Unavailable`, `no response`, ...
    pub outcome: String,
}

impl CallRecord {
    /// The leg of that side, if it came to be.
    pub fn leg(&self, side: Side) -> Option<&LegRecord> {
        match side {
            Side::Caller => Some(&self.caller),
            Side::Callee => self.callee.as_ref(),
        }
    }

    /// As [`LiveCall::sip_call_ids`].
    pub fn sip_call_ids(&self) -> Vec<&str> {
        let tried = [&self.first_party[..], &self.targets];
        call_ids(&self.caller, tried, self.callee.as_ref())
    }
}

/// One call while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCall {
    pub call: CallId,
    pub state: CallState,
    /// Which sides are on hold, indexed by [`Side::index`]: what they send is not wanted, by the other
    /// side or by an operator.
    pub held: [bool; 2],
    /// Indexed by [`Side::index`].
    pub legs: [LegRecord; 2],
    pub from: String,
    pub to: String,
    pub start: Instant,
    pub answer: Option<Instant>,
    /// Encoding name of the audio codec, once there is an answer.
    pub codec: Option<String>,
    /// Where the call has been tried, in order; the last one is the callee's leg.
    pub targets: Vec<TriedTarget>,
    /// As [`CallRecord::first_party`].
    pub first_party: Vec<TriedTarget>,
}

/// What a call is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallState {
    /// A target is looked for, or asked and has not said anything yet.
    Locating,
    /// A target rings.
    Ringing,
    /// Both sides talk.
    Answered,
    /// They would, but a side is on hold.
    Held,
    /// It is over; a peer has still to confirm that, or media to be removed.
    Ending,
}

impl CallState {
    /// The name in the API and on the console.
    pub fn name(self) -> &'static str {
        match self {
            CallState::Locating => "locating",
            CallState::Ringing => "ringing",
            CallState::Answered => "answered",
            CallState::Held => "held",
            CallState::Ending => "ending",
        }
    }
}

impl LiveCall {
    /// The Call-ID of every dialog that the call has or has tried, each once: the caller's first,
    /// the callee's last.
    pub fn sip_call_ids(&self) -> Vec<&str> {
        let [caller, callee] = &self.legs;
        let callee = Some(callee).filter(|_| !self.targets.is_empty());
        call_ids(caller, [&self.first_party, &self.targets], callee)
    }
}

fn call_ids<'a>(
    caller: &'a LegRecord,
    tried: [&'a [TriedTarget]; 2],
    callee: Option<&'a LegRecord>,
) -> Vec<&'a str> {
    let tried = tried
        .into_iter()
        .flatten()
        .filter_map(|target| target.sip_call_id.as_deref());
    let ends = callee.map(|leg| leg.sip_call_id.as_str());
    let mut ids = vec![caller.sip_call_id.as_str()];
    for id in tried.chain(ends) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// One leg of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegRecord {
    /// Call-ID header.
    pub sip_call_id: String,
    /// Who its INVITE authenticated as, if credentials were asked for.
    pub user: Option<String>,
    /// Name of the trunk, once it is known.
    pub trunk: Option<String>,
    pub transport: Transport,
    /// The peer's signalling address, once a message came from it.
    pub remote: Option<SocketAddr>,
    /// `RTP/AVP` or `RTP/SAVP`; `None` without media.
    pub profile: Option<&'static str>,
    /// SDES suite of SRTP that we terminate or pass on.
    pub suite: Option<Suite>,
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    Caller,
    Callee,
    /// We: a refusal, a timeout, a shutdown.
    Trunkline,
}

impl EndedBy {
    /// The name in records and on the console.
    pub fn name(self) -> &'static str {
        match self {
            EndedBy::Caller => "caller",
            EndedBy::Callee => "callee",
            EndedBy::Trunkline => "trunkline",
        }
    }
}

impl From<Side> for EndedBy {
    fn from(side: Side) -> EndedBy {
        match side {
            Side::Caller => EndedBy::Caller,
            Side::Callee => EndedBy::Callee,
        }
    }
}
