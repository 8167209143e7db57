//! Where a packet goes, and its headers rewritten for there.

use media_common::checksum::Sum;
use media_common::counters::DropReason;
use media_common::flow::NextHop;
use media_common::rtp;

use crate::classify::{self, Address};
use crate::count;
use crate::frame::Frame;
use crate::parse::{Ip, Link, Packet};
use crate::relay::{Kernel, Underway};
use crate::reshape::{NewIp, Reshape};
use crate::rewrite;
use crate::verdict::Verdict;

/// Looks up where the packet goes, counts it in its flow and rewrites it; but for what lies before
/// the UDP header if that changes its length.
#[inline(always)]
pub(crate) fn forward<
    't,
    L: Link,
    I: Ip,
    const UDP: usize,
    const DATA: usize,
    const REST: usize,
>(
    frame: &mut Frame<'_>,
    kernel: &mut impl Kernel<'t>,
    underway: &mut Underway<'t>,
    kind: rtp::Kind,
) -> Result<(Verdict, Option<Reshape<'t>>), DropReason> {
    let entry = underway.entry;
    let local = classify::local_address(underway.addresses, entry.local_address)
        .ok_or(DropReason::BadEntry)?;
    let remote = Address::from_bytes(&entry.remote_address);
    let next_hop = kernel
        .next_hop(u32::from(entry.next_hop))
        .ok_or(DropReason::BadEntry)?;
    let leaves_v4 = remote.is_v4();
    if local.is_v4() != leaves_v4 {
        return Err(DropReason::BadEntry);
    }
    if next_hop.ifindex == 0 {
        return Err(DropReason::NextHop);
    }
    let header = if leaves_v4 { 20 } else { 40 };
    if next_hop.mtu != 0 && header + underway.available > usize::from(next_hop.mtu) {
        return Err(DropReason::TooLong);
    }
    let verdict = kernel
        .depart(next_hop.ifindex)
        .ok_or(DropReason::BadEntry)?;
    underway.interface = next_hop.ifindex;
    count::sent::<L, I, DATA, REST>(frame, kernel, underway, kind);
    let reshape = if leaves_v4 == I::IS_V4 {
        readdress::<L, I, UDP>(frame, underway, [local, remote])?;
        relink::<L>(frame, next_hop)?
    } else {
        Some(translate::<L, I, UDP>(
            frame,
            underway,
            [local, remote],
            next_hop,
        )?)
    };
    Ok((verdict, reshape))
}

/// IP and UDP header, within the family.
#[inline(always)]
fn readdress<L: Link, I: Ip, const UDP: usize>(
    frame: &mut Frame<'_>,
    underway: &Underway<'_>,
    [local, remote]: [Address; 2],
) -> Result<(), DropReason> {
    let before = packet::<L, I>(frame)?.ip.address_sum();
    let after = address_sum(I::IS_V4, [local, remote]);
    write_udp::<L, I, UDP>(frame, underway, [before, after], false)?;
    let dscp = underway.entry.dscp;
    packet::<L, I>(frame)?
        .ip
        .rewrite(local, remote, after.without(before), dscp);
    Ok(())
}

/// The UDP header, and what is to be written before it: a header of the other family
/// (RFC 7915 sections 4.1 and 5.1).
#[inline(always)]
fn translate<'t, L: Link, I: Ip, const UDP: usize>(
    frame: &mut Frame<'_>,
    underway: &Underway<'_>,
    [local, remote]: [Address; 2],
    next_hop: &'t NextHop,
) -> Result<Reshape<'t>, DropReason> {
    let before = packet::<L, I>(frame)?.ip.address_sum();
    let after = address_sum(!I::IS_V4, [local, remote]);
    write_udp::<L, I, UDP>(frame, underway, [before, after], I::IS_V4)?;
    let ip = &packet::<L, I>(frame)?.ip;
    let new = NewIp {
        source: local,
        destination: remote,
        class: rewrite::with_dscp(ip.class(), underway.entry.dscp),
        hops: ip.hops().wrapping_sub(1),
        payload_length: underway.available as u16,
        is_v4: !I::IS_V4,
    };
    Ok(Reshape::to_other_family(UDP, new, next_hop))
}

#[inline(always)]
fn write_udp<L: Link, I: Ip, const UDP: usize>(
    frame: &mut Frame<'_>,
    underway: &Underway<'_>,
    address_sums: [Sum; 2],
    must_have_checksum: bool,
) -> Result<(), DropReason> {
    let entry = underway.entry;
    let ports = [entry.local_port, entry.remote_port].map(u16::from_ne_bytes);
    let mut header = packet::<L, I>(frame)?.udp;
    let length = 8 + underway.bytes;
    rewrite::udp(&mut header, ports, address_sums, must_have_checksum, || {
        frame.sum::<UDP>(length)
    })
    .ok_or(DropReason::TooLong)?;
    packet::<L, I>(frame)?.udp = header;
    Ok(())
}

/// The link header, if the next hop's tagging is the packet's.
#[inline(always)]
fn relink<'t, L: Link>(
    frame: &mut Frame<'_>,
    next_hop: &'t NextHop,
) -> Result<Option<Reshape<'t>>, DropReason> {
    let link = frame.overlay::<L, 0>().ok_or(DropReason::BadEntry)?;
    if L::TAGGED != (next_hop.vlan != 0) {
        return Ok(Some(Reshape::to_other_tagging::<L>(
            link.ethertype(),
            next_hop,
        )));
    }
    link.readdress(classify::macs(next_hop), next_hop.vlan);
    Ok(None)
}

#[inline(always)]
fn packet<'f, L: Link, I: Ip>(
    frame: &'f mut Frame<'_>,
) -> Result<&'f mut Packet<L, I>, DropReason> {
    frame
        .overlay::<Packet<L, I>, 0>()
        .ok_or(DropReason::BadEntry)
}

#[inline(always)]
fn address_sum(is_v4: bool, [local, remote]: [Address; 2]) -> Sum {
    if is_v4 {
        Sum::default().pair(local.v4()).pair(remote.v4())
    } else {
        local.sum().with(remote.sum())
    }
}
