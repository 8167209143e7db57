//! The UDP checksum of a packet that arrived.

use super::checksum::{fold, sum};
use super::emit::address_sum;
use super::parse::{PROTOCOL_UDP, UdpFrame};

/// Whether the datagram of `frame`, which `arrived` was read from, is as it was sent (RFC 768).
///
/// A worker writes headers anew, with a checksum that is right: it must not vouch for a packet
/// that was damaged on its way. True as well for a packet without a checksum and for one that a
/// virtual interface has left half done, where the field holds the pseudo-header's sum alone.
pub fn has_valid_checksum(frame: &[u8], arrived: &UdpFrame) -> bool {
    let Some(datagram) = frame.get(arrived.udp_at..arrived.payload.end) else {
        return false;
    };
    let pseudo = address_sum(arrived.source.ip())
        + address_sum(arrived.destination.ip())
        + u64::from(PROTOCOL_UDP)
        + datagram.len() as u64;
    let field = arrived.udp_checksum(frame);
    field == 0 || field == fold(pseudo) || fold(pseudo + sum(datagram)) == 0xffff
}
