//! What a trunk says of the media of a leg.

use std::net::IpAddr;
use std::sync::Arc;

use media_core::ports::RealmId;
use media_core::session::SourceRule;
use media_core::srtp::profile::Suite;

use crate::transport::Host;
use crate::trunk::{AdvertisedMedia, Network, Passthrough, SecureMode, SourceMode, Trunk};

/// The media rules of one leg, fixed for the life of the call (SEC-1: live calls do not change).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegPolicy {
    /// SRTP is required; without it SRTP is refused.
    pub secure: bool,
    /// Without `secure`: SRTP is offered and accepted within RTP/AVP (RFC 8643, SEC-9), and plain RTP
    /// is spoken with a peer that does not want it.
    pub opportunistic: bool,
    /// Suites accepted and offered, in our order of preference; empty: [`Suite::DEFAULT`] is
    /// accepted, and `AES_CM_128_HMAC_SHA1_80` alone is offered (SEC-6).
    pub suites: Vec<Suite>,
    /// Encoding names allowed in audio, compared case-insensitively; telephone-event passes
    /// whether it is listed or not.
    pub codecs: Arc<[String]>,
    /// Video may be relayed, if the other leg's trunk allows it too.
    pub video: bool,
    /// T.38 may be relayed, if the other leg's trunk allows it too and neither leg is `secure`.
    pub t38: bool,
    /// Where media may come from (MED-2).
    pub source: SourceMode,
    /// With [`SourceMode::Latch`]: the networks that media may come from; empty: anywhere.
    pub media_acl: Vec<Network>,
    /// SRTP may pass through under the peers' own keys (MED-1).
    pub passthrough: Passthrough,
    /// Our crypto line carries an MKI (SEC-7).
    pub mki: bool,
    /// DSCP (0–63) of what we send.
    pub dscp: Option<u8>,
    /// Packets per second from the peer at each port; `Some(0)`: any number; `None`: what
    /// `LegPolicy::packet_rate` makes of the packet time.
    pub max_packet_rate: Option<u32>,
    /// Where our media addresses and ports come from.
    pub realm: RealmId,
    /// What those addresses are called in SDP (TRK-8).
    pub advertised: AdvertisedMedia,
    /// Which address family our first offer on this leg tries first.
    pub ipv6_first: bool,
}

/// Packets per second that every flow may have: bursts after a pause of the network, several
/// packets of a digit at once, RTCP.
pub const SMALLEST_CEILING: u32 = 200;
/// RFC 3551 section 4.2.
const USUAL_PTIME_MS: u32 = 20;

impl LegPolicy {
    /// The rules of a trunk.
    pub fn of(trunk: &Trunk) -> LegPolicy {
        let ipv6_first = trunk
            .origination
            .first()
            .is_some_and(|target| matches!(target.host, Host::Address(IpAddr::V6(_))));
        LegPolicy {
            secure: trunk.mode == SecureMode::Srtp,
            // Keys in the clear protect nothing: without TLS there are none (RFC 4568 section 7).
            opportunistic: trunk.opportunistic && trunk.mode == SecureMode::Tls,
            suites: trunk.suites.clone(),
            codecs: Arc::clone(&trunk.codecs),
            video: trunk.video,
            t38: trunk.t38,
            source: trunk.source,
            media_acl: trunk.media_acl.clone(),
            passthrough: trunk.passthrough,
            mki: trunk.mki,
            dscp: trunk.dscp,
            max_packet_rate: trunk.max_packet_rate,
            realm: trunk.realm,
            advertised: trunk.advertised_media,
            ipv6_first,
        }
    }

    /// Whether a peer may use that suite.
    pub(super) fn accepts(&self, suite: Suite) -> bool {
        match self.suites.as_slice() {
            [] => Suite::DEFAULT.contains(&suite),
            suites => suites.contains(&suite),
        }
    }

    /// The suites of our own offers.
    pub(super) fn offered_suites(&self) -> Vec<Suite> {
        match self.suites.as_slice() {
            [] => vec![Suite::AesCm128HmacSha1_80],
            suites => suites.to_vec(),
        }
    }

    /// The ceiling of a flow (MED-5), packets per second; 0 for none: the trunk's own, or four
    /// times what the shortest packet time of both descriptions makes, and at least
    /// [`SMALLEST_CEILING`].
    pub(super) fn packet_rate(&self, ptimes_ms: [Option<u32>; 2]) -> u32 {
        let ptime_ms = ptimes_ms.into_iter().flatten().min();
        let usual = 1000 / ptime_ms.unwrap_or(USUAL_PTIME_MS).max(1);
        self.max_packet_rate
            .unwrap_or((4 * usual).max(SMALLEST_CEILING))
    }

    /// The source rule that the media plane enforces.
    pub(super) fn source_rule(&self) -> SourceRule {
        match self.source {
            SourceMode::Strict => SourceRule::Strict,
            SourceMode::Latch => SourceRule::Latch {
                allowed: self
                    .media_acl
                    .iter()
                    .map(|network| (network.address, network.prefix))
                    .collect(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn med_5_the_ceiling_is_four_times_the_usual_rate_and_never_below_200() {
        let policy = |max_packet_rate| LegPolicy {
            max_packet_rate,
            secure: false,
            opportunistic: false,
            suites: Vec::new(),
            codecs: Arc::default(),
            video: false,
            t38: false,
            source: SourceMode::Strict,
            media_acl: Vec::new(),
            passthrough: Passthrough::Never,
            mki: false,
            dscp: None,
            realm: RealmId(0),
            advertised: AdvertisedMedia::default(),
            ipv6_first: false,
        };
        for (configured, ptimes_ms, expected) in [
            (None, [None, None], 200),
            (None, [Some(10), Some(20)], 400),
            (None, [Some(60), None], 200),
            (None, [Some(5000), Some(1)], 4000),
            (Some(75), [Some(10), None], 75),
            (Some(0), [None, None], 0),
        ] {
            assert_eq!(policy(configured).packet_rate(ptimes_ms), expected);
        }
    }
}
