//! The one table of refusals: SIP status, own code, text.

/// Why a request was refused or a call failed; goes into the response (`Reason`/`Warning`),
/// the call record and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// SIP status code.
    pub status: u16,
    /// Trunkline's own stable code.
    pub code: u32,
    /// What a voice engineer reads.
    pub text: &'static str,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $text:literal;)*) => {
        impl Refusal {
            $($(#[$doc])* pub const $name: Refusal = Refusal { status: $status, code: $code, text: $text };)*

            /// The whole table.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name,)*];
        }
    };
}

refusals! {
    /// Calls per second or concurrent calls of a trunk.
    LIMIT = 503, 32001, "call limit reached";
    /// Every target of a route failed; the status is the last target's where there is one.
    ALL_TARGETS_FAILED = 503, 32011, "all targets failed";
    NO_ROUTE = 404, 32012, "no route";
    /// No media port is free in a realm.
    NO_MEDIA_PORT = 503, 32013, "no media port free";
    ACL = 403, 32201, "source address not allowed";
    UNKNOWN_DOMAIN = 403, 32203, "unknown domain";
    SRTP_UNUSABLE = 488, 32207, "no usable SRTP offer";
    SRTP_REQUIRED = 488, 32208, "SRTP required";
    TLS_REQUIRED = 403, 32209, "TLS required";
    NO_COMMON_CODEC = 488, 32210, "no common codec";
    MEDIA_TIMEOUT = 408, 32230, "no media";
    MALFORMED = 400, 32240, "malformed message";
}
