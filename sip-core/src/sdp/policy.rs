//! What a trunk says of the media of a leg.

use std::net::IpAddr;

use media_core::ports::RealmId;
use media_core::session::SourceRule;
use media_core::srtp::profile::Suite;

use crate::transport::Host;
use crate::trunk::{Network, Passthrough, SecureMode, SourceMode, Trunk};

/// The media rules of one leg, fixed for the life of the call (SEC-1: live calls do not change).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegPolicy {
    /// SRTP is required; without it SRTP is refused.
    pub secure: bool,
    /// Suites accepted and offered, in our order of preference; empty: [`Suite::DEFAULT`] is
    /// accepted, and `AES_CM_128_HMAC_SHA1_80` alone is offered (SEC-6).
    pub suites: Vec<Suite>,
    /// Encoding names allowed in audio, compared case-insensitively; telephone-event passes
    /// whether it is listed or not.
    pub codecs: Vec<String>,
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
    /// Where our media addresses and ports come from.
    pub realm: RealmId,
    /// Which address family our first offer on this leg tries first.
    pub ipv6_first: bool,
}

impl LegPolicy {
    /// The rules of a trunk.
    pub fn of(trunk: &Trunk) -> LegPolicy {
        let ipv6_first = trunk
            .destination
            .as_ref()
            .is_some_and(|destination| matches!(destination.host, Host::Address(IpAddr::V6(_))));
        LegPolicy {
            secure: trunk.mode == SecureMode::Srtp,
            suites: trunk.suites.clone(),
            codecs: trunk.codecs.clone(),
            source: trunk.source,
            media_acl: trunk.media_acl.clone(),
            passthrough: trunk.passthrough,
            mki: trunk.mki,
            dscp: trunk.dscp,
            realm: trunk.realm,
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
