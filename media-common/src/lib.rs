//! The ABI between the XDP program and user space, version [`ABI_VERSION`].
//!
//! Everything here is `repr(C)` with explicit padding, integers instead of
//! enums, and network byte order where a value is compared with or written to
//! a packet. The crate has no dependencies and no allocation.
//!
//! # What happens to a packet
//!
//! The XDP program and `media_core::relay` decide in this order, so that they
//! agree on the verdict when more than one would fit:
//!
//! 1. Frame, else `pass_*` (of [`counters::Verdicts`]): Ethernet, at most one VLAN tag,
//!    IPv4 without options or IPv6 without extension headers, not a fragment, UDP, every
//!    announced length within the frame.
//! 2. Flow: [`flow::MediaAddressList::index_of`] the destination, else
//!    `pass_not_media`; an entry of [`flow::ACTION_NONE`] is `pass_not_media` too.
//! 3. Source: [`flow::FlowEntry::accepts_source`], else `drop_wrong_source`.
//! 4. Payload: [`rtp::check`], else `drop_malformed` or `drop_payload_type`; STUN and DTLS
//!    (RFC 7983) go to the worker in step 7, whatever the flow's action, and it names them.
//!    An IPv6 packet without a UDP checksum (RFC 8200 section 8.1) is `drop_malformed`.
//! 5. TTL or hop limit of 0 or 1: `drop_hop_limit`.
//! 6. [`quality::FlowCounters::admit`], else `drop_ceiling`.
//! 7. [`flow::ACTION_WORKER`]: to the worker, else `drop_xsk_unbound`. What its socket then
//!    has no room for is `drop_xsk_full`, besides `xsk`.
//! 8. [`flow::ACTION_FORWARD`]: the local address and the next hop are looked up and
//!    must exist and the former be of the remote address's family, else `drop_bad_entry`; an
//!    unresolved next hop is `drop_next_hop`; an IP packet that leaves longer than
//!    [`flow::NextHop::mtu`] is `drop_too_long`.
//! 9. Counted in the flow ([`quality::FlowCounters::observe`]), rewritten, for the other family
//!    if the remote address is of it (RFC 7915), and sent: `transmit` by the interface that it
//!    came by, `redirect` by another.
#![cfg_attr(not(test), no_std)]

pub mod checksum;
pub mod counters;
pub mod event;
pub mod flow;
pub mod maps;
pub mod quality;
pub mod rtp;

/// Changes when any layout or meaning in this crate changes; names the directory of the pins.
pub const ABI_VERSION: u32 = 2;
