//! What an operator wants to see as it happens.

use std::net::SocketAddr;

use media_core::session::CallId;

use crate::transport::Transport;

/// One thing that happened; the driver adds the wall-clock time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: EventKind,
    pub call: Option<CallId>,
    /// Name of the trunk, if it is known.
    pub trunk: Option<String>,
    /// The peer that it is about.
    pub peer: Option<(Transport, SocketAddr)>,
    /// Trunkline's own code, see [`crate::refusal::Refusal`].
    pub code: Option<u32>,
    /// In words.
    pub text: String,
}

/// What an [`Event`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A call came in and goes out.
    CallStarted,
    /// Whoever is called has said that it rings, or something else on the way to an answer: the text
    /// says what. Once for each target that is tried.
    CallRinging,
    CallAnswered,
    /// A side is on hold now, or both are: the text says who holds.
    CallHeld,
    /// No side is on hold any more.
    CallResumed,
    /// A side has gone over to another call, whoever made that ([`EventKind::TransferDone`] is told
    /// beside it if it was we): the text says where to.
    CallTransferred,
    CallEnded,
    /// A call was refused: by us, with the code.
    CallRefused,
    /// A MESSAGE outside any call was not passed on, with the code.
    MessageRefused,
    /// A re-INVITE was refused; the call goes on.
    ReinviteRefused,
    /// A request within a call was refused for its transport; the call goes on.
    RequestRefused,
    /// A REFER was accepted: the new call is being made.
    TransferStarted,
    /// The side that remains has gone over to the new call.
    TransferDone,
    /// The new call did not come about; the old one stays.
    TransferFailed,
    /// A REFER was refused.
    TransferRefused,
    /// Credentials were wrong: whose, and how many times in a row from that source.
    AuthenticationFailed,
    /// A phone has registered at a new place.
    Registered,
    /// A binding is gone: removed, or not refreshed in time.
    Unregistered,
    /// A REGISTER was refused: by us, with the code.
    RegistrationRefused,
    /// We are registered with a provider, or are not any more because we want it so.
    OurRegistration,
    /// We are not registered with a provider, or will soon not be; tried again later.
    OurRegistrationFailed,
    /// New calls are refused because a trunk, or the process, has as many as it may have: told for the
    /// first one, and again after ten seconds without.
    LimitReached,
    /// Requests were refused because there are too many at once; told now and then while it lasts.
    Overloaded,
    /// A TLS handshake failed: with code 32222 because the peer speaks no version that we accept.
    TlsFailed,
    /// A peer connected to the name of one trunk and calls another one.
    ServerNameMismatch,
    /// A message that could not be parsed.
    Malformed,
    /// A message could not be sent, or the peer did not answer.
    PeerUnreachable,
    /// A target of a call failed, or sent the call elsewhere; the call goes on.
    TargetFailed,
    /// A target does not answer probes any more: calls go elsewhere.
    TargetOutOfService,
    /// A target answers probes again.
    TargetInService,
    /// No media for the trunk's limit: the call is ended.
    MediaTimeout,
    /// The media plane could not carry a call's media: the call is ended.
    MediaFailed,
    /// A side pressed a digit (RFC 4733). The text says which only if
    /// [`crate::stack::StackConfig::show_digits`] is set.
    Digit,
}

impl EventKind {
    /// Every kind, in order.
    pub const ALL: [EventKind; 33] = [
        EventKind::CallStarted,
        EventKind::CallRinging,
        EventKind::CallAnswered,
        EventKind::CallHeld,
        EventKind::CallResumed,
        EventKind::CallTransferred,
        EventKind::CallEnded,
        EventKind::CallRefused,
        EventKind::MessageRefused,
        EventKind::ReinviteRefused,
        EventKind::RequestRefused,
        EventKind::TransferStarted,
        EventKind::TransferDone,
        EventKind::TransferFailed,
        EventKind::TransferRefused,
        EventKind::AuthenticationFailed,
        EventKind::Registered,
        EventKind::Unregistered,
        EventKind::RegistrationRefused,
        EventKind::OurRegistration,
        EventKind::OurRegistrationFailed,
        EventKind::LimitReached,
        EventKind::Overloaded,
        EventKind::TlsFailed,
        EventKind::ServerNameMismatch,
        EventKind::Malformed,
        EventKind::PeerUnreachable,
        EventKind::TargetFailed,
        EventKind::TargetOutOfService,
        EventKind::TargetInService,
        EventKind::MediaTimeout,
        EventKind::MediaFailed,
        EventKind::Digit,
    ];

    /// The name in logs and streams of events.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::CallStarted => "call_started",
            EventKind::CallRinging => "call_ringing",
            EventKind::CallAnswered => "call_answered",
            EventKind::CallHeld => "call_held",
            EventKind::CallResumed => "call_resumed",
            EventKind::CallTransferred => "call_transferred",
            EventKind::CallEnded => "call_ended",
            EventKind::CallRefused => "call_refused",
            EventKind::MessageRefused => "message_refused",
            EventKind::ReinviteRefused => "reinvite_refused",
            EventKind::RequestRefused => "request_refused",
            EventKind::TransferStarted => "transfer_started",
            EventKind::TransferDone => "transfer_done",
            EventKind::TransferFailed => "transfer_failed",
            EventKind::TransferRefused => "transfer_refused",
            EventKind::AuthenticationFailed => "authentication_failed",
            EventKind::Registered => "registered",
            EventKind::Unregistered => "unregistered",
            EventKind::RegistrationRefused => "registration_refused",
            EventKind::OurRegistration => "our_registration",
            EventKind::OurRegistrationFailed => "our_registration_failed",
            EventKind::LimitReached => "limit_reached",
            EventKind::Overloaded => "overloaded",
            EventKind::TlsFailed => "tls_failed",
            EventKind::ServerNameMismatch => "server_name_mismatch",
            EventKind::Malformed => "malformed",
            EventKind::PeerUnreachable => "peer_unreachable",
            EventKind::TargetFailed => "target_failed",
            EventKind::TargetOutOfService => "target_out_of_service",
            EventKind::TargetInService => "target_in_service",
            EventKind::MediaTimeout => "media_timeout",
            EventKind::MediaFailed => "media_failed",
            EventKind::Digit => "digit",
        }
    }
}

// A kind that is added is in the list, in its place.
const _: () = {
    assert!(EventKind::ALL.len() == EventKind::Digit as usize + 1);
    let mut place = 0;
    while place < EventKind::ALL.len() {
        assert!(EventKind::ALL[place] as usize == place);
        place += 1;
    }
};
