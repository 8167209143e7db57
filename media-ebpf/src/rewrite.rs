//! New addresses, ports and hops in place, with checksums kept right.

use media_common::checksum::{Sum, UdpChecksum, pseudo_header, sum_of, udp_checksum_kind};
use media_common::flow::DSCP_KEEP;

use crate::classify::Address;
use crate::parse::{Ipv4, Ipv6, Udp};

const ECN: u8 = 0x03;

/// IPv4: addresses, TTL, DSCP, and the header's checksum by RFC 1624. `change` is what the
/// addresses' sum changes by.
#[inline(always)]
pub(crate) fn ipv4(
    header: &mut Ipv4,
    source: Address,
    destination: Address,
    change: Sum,
    dscp: u8,
) {
    let tos = with_dscp(header.tos, dscp);
    let ttl = header.ttl.wrapping_sub(1);
    header.checksum = sum_of(header.checksum)
        .replace(pair(0x45, header.tos), pair(0x45, tos))
        .replace(pair(header.ttl, 0), pair(ttl, 0))
        .with(change)
        .checksum();
    header.tos = tos;
    header.ttl = ttl;
    header.source = source.v4();
    header.destination = destination.v4();
}

/// IPv6: addresses, hop limit, DSCP; the header has no checksum.
#[inline(always)]
pub(crate) fn ipv6(header: &mut Ipv6, source: Address, destination: Address, dscp: u8) {
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

/// UDP: ports (as they lie in the entry, source first), and the checksum. `before` and `after`
/// are the sums of the addresses; `datagram` gives the sum of all bytes of the datagram, or
/// nothing if they are not there. `must_have` says that zero, for none, must not leave (RFC 8200
/// section 8.1).
///
/// `None` if `datagram` gave nothing.
#[inline(always)]
pub(crate) fn udp(
    header: &mut Udp,
    ports: [u16; 2],
    [before, after]: [Sum; 2],
    must_have: bool,
    datagram: impl FnOnce() -> Option<Sum>,
) -> Option<()> {
    let (checksum, length) = (header.checksum, header.length);
    let [source, destination] = ports;
    let with_ports = |sum: Sum| {
        sum.replace(header.source, source)
            .replace(header.destination, destination)
    };
    let kind = udp_checksum_kind(checksum, pseudo_header(before, length));
    header.checksum = match kind {
        UdpChecksum::None if !must_have => 0,
        UdpChecksum::Complete => {
            with_ports(sum_of(checksum).with(after).without(before)).udp_checksum()
        }
        // The field itself is in the sum and is taken out again.
        UdpChecksum::Partial | UdpChecksum::None => {
            let sum = datagram()?.replace(checksum, 0);
            pseudo_header(with_ports(sum).with(after), length).udp_checksum()
        }
    };
    header.source = source;
    header.destination = destination;
    Some(())
}

/// The TOS or traffic class that leaves.
#[inline(always)]
pub(crate) fn with_dscp(tos: u8, dscp: u8) -> u8 {
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
    use crate::parse::Ip as _;

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
                    source: Address::default(),
                    destination: Address::default(),
                };
                ipv6(&mut header, Address(1, 1), Address(2, 2), dscp);
                let class = header.version_class[0] << 4 | header.version_class[1] >> 4;
                assert_eq!(class, dscp << 2 | tos & 3);
                assert_eq!(
                    (header.version_class[0] >> 4, header.version_class[1] & 15),
                    (6, 10)
                );
                assert_eq!(({ header.flow_label }, header.hop_limit), (0x1234, 8));
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
            source: 0x0102_0304,
            destination: 0x0506_0708,
        };
        header.checksum = sum(&header).checksum();
        let before = header.address_sum();
        let [source, destination] = [7, 9].map(|last| u32::from_ne_bytes([192, 0, 2, last]));
        let change = Sum::default()
            .pair(source)
            .pair(destination)
            .without(before);
        let [from, to] = [source, destination].map(Address::from_v4);
        ipv4(&mut header, from, to, change, 46);
        assert_eq!(header.ttl, 63);
        assert_eq!(header.tos, 46 << 2 | 1);
        assert_eq!({ header.destination }, destination);
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
            .with(header.address_sum())
    }
}
