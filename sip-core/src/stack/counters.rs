//! What signalling counts.

/// Names every counter once: for the struct and for the list that metrics print.
macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counts since the start of the process.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Counters {
            /// Every counter by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Messages that could be parsed.
    messages_received,
    messages_sent,
    /// Malformed requests that were answered 400.
    malformed_answered,
    /// Malformed messages that could not be answered.
    malformed_dropped,
    /// Responses that match no transaction.
    stray_responses,
    /// ACKs that match no dialog.
    stray_acks,
    /// Responses, ACKs and CANCELs that came over UDP or TCP for what was said over TLS: dropped.
    insecure_dropped,
    /// Requests within a dialog that does not exist (481).
    unknown_dialog,
    /// INVITEs that started a call.
    calls_started,
    calls_answered,
    calls_ended,
    /// INVITEs that were refused with a code of ours.
    calls_refused,
    /// Requests of ours that were challenged and sent again with credentials.
    challenges_answered,
    /// Requests answered 401, for want of credentials that can be judged.
    auth_challenges,
    /// Of them those whose nonce was too old, or was used before.
    auth_stale,
    /// Requests whose credentials were right.
    auth_successes,
    /// Requests whose credentials were wrong.
    auth_failures,
    /// Requests whose credentials were not looked at after too many failures of their source.
    auth_throttled,
    /// REGISTERs that were taken.
    registers_accepted,
    /// REGISTERs that were refused with a code of ours.
    registers_refused,
    /// Bindings that nobody refreshed in time.
    bindings_expired,
    /// Attempts to register with a provider that failed.
    registrations_failed,
    /// MESSAGEs outside calls that were passed on, and answered.
    texts_passed,
    /// INVITEs refused for a limit of a trunk, or because too many calls are up.
    calls_over_limit,
    /// INVITEs refused at once in overload.
    calls_shed,
    /// Refused INVITEs and MESSAGEs that left neither record nor event, because there were too many.
    refusals_untold,
    /// Other refused requests that left no event, likewise.
    requests_untold,
    /// INVITEs refused because no media port was free.
    media_ports_exhausted,
    /// Calls ended because an answered INVITE was never acknowledged.
    acks_missing,
    /// Messages that could not be sent, or that the network gave back.
    transport_failures,
    /// ICMP messages that show no request of ours which still waits: too late, too short, or forged.
    unreachables_ignored,
}
