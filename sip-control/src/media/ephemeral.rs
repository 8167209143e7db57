//! Ports that the host gives to its own sockets, and that are media ports as well.
//!
//! The XDP program sees a packet before any socket does: what comes to a media port that a
//! call has is the call's, and the host's own socket at that port never gets it.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use media_common::flow::{MediaAddressList, ip_from_mapped};

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// Says so, in one line, if a range of media ports has ports that the host gives away.
pub(super) fn warn_of_overlap(layout: &MediaAddressList) {
    let (Ok(range), Ok(reserved)) = (
        std::fs::read_to_string(RANGE),
        std::fs::read_to_string(RESERVED),
    ) else {
        return;
    };
    if let Some((address, media)) = overlap(layout, &range, &reserved) {
        let (low, high) = (media.start(), media.end());
        tracing::warn!(
            "media: ports {low}-{high} of {address} overlap net.ipv4.ip_local_port_range: this \
             host's own UDP at those ports would be lost; use other ports, or put them into \
             net.ipv4.ip_local_reserved_ports"
        );
    }
}

/// The first range that overlaps.
fn overlap(
    layout: &MediaAddressList,
    range: &str,
    reserved: &str,
) -> Option<(IpAddr, RangeInclusive<u16>)> {
    let mut ends = range.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(low)), Some(Ok(high))) = (ends.next(), ends.next()) else {
        return None;
    };
    let reserved: Vec<_> = reserved.trim().split(',').filter_map(ports).collect();
    let is_given_away = |port: u16| {
        (low..=high).contains(&port) && !reserved.iter().any(|range| range.contains(&port))
    };
    layout
        .addresses
        .iter()
        .take_while(|media| media.address != [0; 16])
        .map(|media| {
            (
                ip_from_mapped(media.address),
                media.port_low..=media.port_high,
            )
        })
        .find(|(_, media)| media.clone().any(is_given_away))
}

/// `30000` or `30000-39999`.
fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Some(low.parse().ok()?..=high.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use media_common::flow::{MediaAddress, ip_to_mapped};

    use super::*;

    #[test]
    fn an_overlap_is_found_unless_the_ports_are_reserved() {
        let mut layout = MediaAddressList::default();
        layout.addresses[0] = MediaAddress {
            address: ip_to_mapped(IpAddr::from([192, 0, 2, 1])),
            first_index: 0,
            port_low: 30_000,
            port_high: 39_999,
        };
        for (range, reserved, overlaps) in [
            ("32768\t60999\n", "\n", true),
            ("40000\t60999\n", "\n", false),
            ("1024 30000", "", true),
            ("32768\t60999\n", "8080,30000-39999\n", false),
            ("32768\t60999\n", "32768-39998\n", true),
            ("39999 39999", "39999", false),
            ("nonsense", "", false),
        ] {
            assert_eq!(
                overlap(&layout, range, reserved).is_some(),
                overlaps,
                "{range:?} without {reserved:?}"
            );
        }
    }
}
