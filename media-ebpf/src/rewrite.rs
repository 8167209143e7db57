//! New addresses, ports and hops in place, with checksums kept right.

use media_common::checksum::{Sum, UdpChecksum, sum_of, udp_checksum_kind};
use media_common::flow::DSCP_KEEP;

use crate::classify::AddressWords;
use crate::parse::{Ipv4, Ipv6, Udp};

const ECN: u8 = 0x03;

/// IPv4: addresses, TTL, DSCP, and the header's checksum by RFC 1624.
#[inline(always)]
pub(crate) fn ipv4(header: &mut Ipv4, source: AddressWords, destination: AddressWords, dscp: u8) {
    let source = [source[6], source[7]];
    let destination = [destination[6], destination[7]];
    let tos = with_dscp(header.tos, dscp);
    let ttl = header.ttl.wrapping_sub(1);
    header.checksum = sum_of(header.checksum)
        .replace(
            pair(header.version_ihl, header.tos),
            pair(header.version_ihl, tos),
        )
        .replace(
            pair(header.ttl, header.protocol),
            pair(ttl, header.protocol),
        )
        .replace(header.source[0], source[0])
        .replace(header.source[1], source[1])
        .replace(header.destination[0], destination[0])
        .replace(header.destination[1], destination[1])
        .checksum();
    header.tos = tos;
    header.ttl = ttl;
    header.source = source;
    header.destination = destination;
}

/// IPv6: addresses, hop limit, DSCP; the header has no checksum.
#[inline(always)]
pub(crate) fn ipv6(header: &mut Ipv6, source: AddressWords, destination: AddressWords, dscp: u8) {
    if dscp != DSCP_KEEP {
        // |Version| Traffic Class | ...: DSCP is the last four bits of the first byte and the
        // first two of the second, ECN the next two (RFC 2474 section 3, RFC 3168 section 5).
        let [first, second] = header.version_class;
        header.version_class = [
            first & 0xf0 | dscp >> 2 & 0x0f,
            second & 0x3f | (dscp & 0x03) << 6,
        ];
    }
    header.hop_limit = header.hop_limit.wrapping_sub(1);
    header.source = source;
    header.destination = destination;
}

/// What UDP's checksum has to become, decided before anything is rewritten.
pub enum Plan {
    /// Stays zero.
    None,
    /// Computed in full: the sum of header without checksum, and payload.
    Full(Sum),
    /// The sum that it stands for, without the addresses that it had.
    Update(Sum),
}

/// Decides it. `addresses` is the sum of the addresses as they arrived; `datagram` gives the
/// sum of all bytes of the datagram, or nothing if they are not there.
#[inline(always)]
pub fn plan(udp: &Udp, addresses: Sum, datagram: impl FnOnce() -> Option<Sum>) -> Option<Plan> {
    let pseudo = addresses.number(17).word(udp.length);
    Some(match udp_checksum_kind(udp.checksum, pseudo) {
        // The field itself is in the sum and is taken out again.
        UdpChecksum::Partial => Plan::Full(datagram()?.replace(udp.checksum, 0)),
        UdpChecksum::None => Plan::None,
        UdpChecksum::Complete => Plan::Update(sum_of(udp.checksum).word(!addresses.fold())),
    })
}

/// Sets the ports (memory order) and, by the plan, the checksum; `addresses` is the sum of
/// the new addresses.
#[inline(always)]
pub fn udp(header: &mut Udp, source: u16, destination: u16, addresses: Sum, plan: Plan) {
    let ports = |sum: Sum| {
        sum.replace(header.source, source)
            .replace(header.destination, destination)
            .with(addresses)
    };
    header.checksum = match plan {
        Plan::None => 0,
        Plan::Update(sum) => ports(sum).udp_checksum(),
        Plan::Full(sum) => ports(sum).number(17).word(header.length).udp_checksum(),
    };
    header.source = source;
    header.destination = destination;
}

#[inline(always)]
fn with_dscp(tos: u8, dscp: u8) -> u8 {
    if dscp == DSCP_KEEP {
        tos
    } else {
        dscp << 2 | tos & ECN
    }
}

#[inline(always)]
fn pair(first: u8, second: u8) -> u16 {
    u16::from_ne_bytes([first, second])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dscp_is_set_or_kept_and_ecn_is_always_kept() {
        for tos in 0..=255u8 {
            assert_eq!(with_dscp(tos, DSCP_KEEP), tos);
            for dscp in 0..64 {
                assert_eq!(with_dscp(tos, dscp), dscp << 2 | tos & 3);
                let mut header = Ipv6 {
                    version_class: [0x60 | tos >> 4, tos << 4 | 0x0a],
                    flow_label: 0x1234,
                    payload_length: 0,
                    next_header: 17,
                    hop_limit: 9,
                    source: [0; 8],
                    destination: [0; 8],
                };
                ipv6(&mut header, [1; 8], [2; 8], dscp);
                let class = header.version_class[0] << 4 | header.version_class[1] >> 4;
                assert_eq!(class, dscp << 2 | tos & 3);
                assert_eq!(
                    (header.version_class[0] >> 4, header.version_class[1] & 15),
                    (6, 10)
                );
                assert_eq!((header.flow_label, header.hop_limit), (0x1234, 8));
            }
        }
    }

    #[test]
    fn an_ipv4_checksum_stays_right() {
        let mut header = Ipv4 {
            version_ihl: 0x45,
            tos: 0x01,
            total_length: 200u16.to_be(),
            identification: 0x1234,
            fragment: 0,
            ttl: 64,
            protocol: 17,
            checksum: 0,
            source: [0x0102, 0x0304],
            destination: [0x0506, 0x0708],
        };
        header.checksum = sum(&header).checksum();
        let address = |last| [0, 0, 0, 0, 0, 0xffff, pair(192, 0), pair(2, last)];
        ipv4(&mut header, address(7), address(9), 46);
        assert_eq!(header.ttl, 63);
        assert_eq!(header.tos, 46 << 2 | 1);
        assert_eq!(header.destination, [pair(192, 0), pair(2, 9)]);
        // The sum over a header with the right checksum is all ones (RFC 791 section 3.1).
        assert_eq!(sum(&header).fold(), 0xffff);
    }

    fn sum(header: &Ipv4) -> Sum {
        Sum::default()
            .word(pair(header.version_ihl, header.tos))
            .word(header.total_length)
            .word(header.identification)
            .word(header.fragment)
            .word(pair(header.ttl, header.protocol))
            .word(header.checksum)
            .words(&header.source)
            .words(&header.destination)
    }
}
