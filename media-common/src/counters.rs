//! What can happen to a packet, counted for every packet: one verdict each.

/// Names every counter once: the struct that both sides share (so that
/// `bpftool map dump` prints the names), the list for user space, and the drop reasons.
macro_rules! verdicts {
    ($($(#[$doc:meta])* $field:ident,)*; $($(#[$drop_doc:meta])* $drop_field:ident = $reason:ident,)*) => {
        /// Packets by verdict, one per CPU in the kernel.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Verdicts {
            $($(#[$doc])* pub $field: u64,)*
            $($(#[$drop_doc])* pub $drop_field: u64,)*
        }

        impl Verdicts {
            /// Adds the counters of another CPU or worker.
            pub fn add(&mut self, other: &Verdicts) {
                $(self.$field = self.$field.wrapping_add(other.$field);)*
                $(self.$drop_field = self.$drop_field.wrapping_add(other.$drop_field);)*
            }

            /// Counts one dropped packet.
            #[inline(always)]
            pub fn count_drop(&mut self, reason: DropReason) {
                match reason { $(DropReason::$reason => self.$drop_field = self.$drop_field.wrapping_add(1),)* }
            }

            /// Every counter that is not a drop, by name.
            pub fn passed(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field),)*].into_iter()
            }

            /// Every drop counter, by reason.
            pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> {
                [$((DropReason::$reason, self.$drop_field),)*].into_iter()
            }
        }

        /// Why a packet of an allocated media port was not sent on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DropReason { $($(#[$drop_doc])* $reason,)* }

        impl DropReason {
            pub const ALL: &'static [DropReason] = &[$(DropReason::$reason,)*];

            /// The name used in metrics, records and `bpftool`, e.g. `drop_wrong_source`.
            pub fn name(self) -> &'static str {
                match self { $(DropReason::$reason => stringify!($drop_field),)* }
            }
        }
    };
}

verdicts! {
    /// Sent on by redirect to another interface.
    redirect,
    /// Sent on through the interface that it came by (XDP_TX).
    transmit,
    /// Handed to the AF_XDP worker.
    xsk,
    /// Sent on by a worker or by the socket relay.
    relayed,
    /// Not IPv4, IPv6 (with at most one VLAN tag).
    pass_not_ip,
    /// IPv4 with options.
    pass_ip_options,
    /// IPv6 with extension headers.
    pass_extension_header,
    /// An IP fragment.
    pass_fragment,
    /// IP, but not UDP.
    pass_not_udp,
    /// Too short for the headers that it announces.
    pass_truncated,
    /// UDP to an address or port that is not an allocated media port.
    pass_not_media,
    ;
    /// Not from the peer's address and port, or a source that latching refuses.
    drop_wrong_source = WrongSource,
    /// Not RTP or RTCP version 2, or too short.
    drop_malformed = Malformed,
    /// An RTP payload type that was not negotiated.
    drop_payload_type = PayloadType,
    /// More packets than the flow's ceiling allows.
    drop_ceiling = Ceiling,
    /// STUN (RFC 7983): handed up, and there is nobody to answer it.
    drop_stun = Stun,
    /// DTLS (RFC 7983): handed up, and there is nobody to answer it.
    drop_dtls = Dtls,
    /// TTL or hop limit used up.
    drop_hop_limit = HopLimit,
    /// The worker has no AF_XDP socket bound at the queue.
    drop_xsk_unbound = XskUnbound,
    /// Handed to a worker that was too slow to take it: the socket's ring was full, or the
    /// kernel had no frame for it. Counted by user space from `XDP_STATISTICS`.
    drop_xsk_full = XskFull,
    /// The next hop is not resolved.
    drop_next_hop = NextHop,
    /// The flow entry names something that does not exist; must be 0 in production.
    drop_bad_entry = BadEntry,
    /// The peer's address is not known yet.
    drop_no_peer = NoPeer,
    /// The packet would not fit the outgoing frame.
    drop_too_long = TooLong,
    /// SRTP or SRTCP authentication failed.
    drop_authentication = Authentication,
    /// SRTP or SRTCP index already seen, or older than the replay window.
    drop_replay = Replay,
    /// The key's lifetime is used up (RFC 3711 section 9.2).
    drop_key_expired = KeyExpired,
    /// The transmit ring or socket buffer was full.
    drop_transmit_full = TransmitFull,
}
