//! What the daemon itself counts; signalling and media have counters of their own.

use std::sync::atomic::{AtomicU64, Ordering};

/// One count that many tasks add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Names every counter once: for the struct and for the list that status prints.
macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// Counts since the start of the process.
        #[derive(Debug, Default)]
        pub struct TransportCounters {
            $($(#[$doc])* pub $field: Counter,)*
        }

        impl TransportCounters {
            /// Every counter by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field.value()),)*].into_iter()
            }
        }
    };
}

counters! {
    connections_accepted,
    /// Closed at once because too many were open.
    connections_refused,
    connections_dialled,
    connections_failed,
    /// Times that a connection which a peer opened was found instead of dialling (RFC 5923).
    connections_reused,
    /// TLS handshakes that peers began with us and that failed, for any reason.
    handshakes_failed,
    /// Those of them that wanted a version that we do not speak.
    tls_version_refused,
    /// Streams closed because message boundaries were lost or a message was too long.
    framing_lost,
    /// Connections closed because the peer did not take what we sent.
    slow_readers,
    /// Connections closed because no whole message came in time.
    slow_senders,
    /// Connections closed because the peer did not answer pings any more.
    pings_unanswered,
    /// Messages whose connection broke and that were sent by another one.
    messages_sent_again,
    /// Messages not sent because too much waited for their connection already.
    messages_refused,
    /// Datagrams that the socket did not take.
    datagrams_not_sent,
}
