//! What became of a packet: the counter that it moves and the code that XDP returns.

use media_common::counters::{DropReason, Verdicts};

/// `XDP_DROP`.
pub const XDP_DROP: u32 = 1;
/// `XDP_PASS`.
pub const XDP_PASS: u32 = 2;
/// `XDP_TX`.
pub const XDP_TX: u32 = 3;
/// `XDP_REDIRECT`.
pub const XDP_REDIRECT: u32 = 4;

/// Why a packet is none of ours and passes to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    NotIp,
    IpOptions,
    ExtensionHeader,
    Fragment,
    NotUdp,
    Truncated,
    NotMedia,
}

/// The end of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By another interface.
    Redirect,
    /// By the interface that it came by.
    Transmit,
    /// To the AF_XDP worker.
    Worker,
    Pass(Pass),
    Drop(DropReason),
}

impl Verdict {
    /// The one place where verdicts become XDP's return codes.
    #[inline(always)]
    pub fn code(self) -> u32 {
        match self {
            Verdict::Redirect | Verdict::Worker => XDP_REDIRECT,
            Verdict::Transmit => XDP_TX,
            Verdict::Pass(_) => XDP_PASS,
            Verdict::Drop(_) => XDP_DROP,
        }
    }

    /// Counts one packet.
    #[inline(always)]
    pub fn count(self, verdicts: &mut Verdicts) {
        let counter = match self {
            Verdict::Redirect => &mut verdicts.redirect,
            Verdict::Transmit => &mut verdicts.transmit,
            Verdict::Worker => &mut verdicts.xsk,
            Verdict::Pass(Pass::NotIp) => &mut verdicts.pass_not_ip,
            Verdict::Pass(Pass::IpOptions) => &mut verdicts.pass_ip_options,
            Verdict::Pass(Pass::ExtensionHeader) => &mut verdicts.pass_extension_header,
            Verdict::Pass(Pass::Fragment) => &mut verdicts.pass_fragment,
            Verdict::Pass(Pass::NotUdp) => &mut verdicts.pass_not_udp,
            Verdict::Pass(Pass::Truncated) => &mut verdicts.pass_truncated,
            Verdict::Pass(Pass::NotMedia) => &mut verdicts.pass_not_media,
            Verdict::Drop(reason) => return verdicts.count_drop(reason),
        };
        *counter = counter.wrapping_add(1);
    }

    /// The name of the counter.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Redirect => "redirect",
            Verdict::Transmit => "transmit",
            Verdict::Worker => "xsk",
            Verdict::Pass(Pass::NotIp) => "pass_not_ip",
            Verdict::Pass(Pass::IpOptions) => "pass_ip_options",
            Verdict::Pass(Pass::ExtensionHeader) => "pass_extension_header",
            Verdict::Pass(Pass::Fragment) => "pass_fragment",
            Verdict::Pass(Pass::NotUdp) => "pass_not_udp",
            Verdict::Pass(Pass::Truncated) => "pass_truncated",
            Verdict::Pass(Pass::NotMedia) => "pass_not_media",
            Verdict::Drop(reason) => reason.name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_moves_the_counter_of_its_name_and_no_other() {
        let passes = [
            Pass::NotIp,
            Pass::IpOptions,
            Pass::ExtensionHeader,
            Pass::Fragment,
            Pass::NotUdp,
            Pass::Truncated,
            Pass::NotMedia,
        ];
        let verdicts = [Verdict::Redirect, Verdict::Transmit, Verdict::Worker]
            .into_iter()
            .chain(passes.map(Verdict::Pass))
            .chain(DropReason::ALL.iter().copied().map(Verdict::Drop));
        for verdict in verdicts {
            let mut counters = Verdicts::default();
            verdict.count(&mut counters);
            let counted: Vec<(&str, u64)> = counters
                .passed()
                .chain(
                    counters
                        .dropped()
                        .map(|(reason, count)| (reason.name(), count)),
                )
                .filter(|(_, count)| *count != 0)
                .collect();
            assert_eq!(counted, [(verdict.name(), 1)]);
        }
    }
}
