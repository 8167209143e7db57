//! Trunks: who may send us calls, how they are secured, where calls to them go.

pub mod acl;
pub mod failover;
mod headers;
pub mod health;
mod limits;
pub(crate) mod network;
mod number;
pub mod origination;
mod reach;
pub mod refer;
pub mod routing;
pub mod session;

pub use self::failover::Hop;
pub use self::headers::{
    BadHeaderKey, HeaderKey, HeaderPolicy, HeaderRule, RuleAction, RuleDirection, RuleMessages,
};
pub use self::limits::CallLimits;
pub(crate) use self::limits::TrunkLoads;
pub use self::network::{Allowed, BadNetwork, Network};
pub use self::number::{DialPlan, Digits};
pub use self::origination::{EarlyDialogs, Origination, OriginationUri, Probing, TargetUri};
pub use self::routing::{NumberMatch, Numbers, Route, RouteTo};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use media_core::ports::RealmId;
use media_core::srtp::profile::Suite;

use crate::auth::CredentialSet;
use crate::auth::client::Password;
use crate::registrar::Account;
use crate::registration::RegistrationSettings;
use crate::transport::{Host, ListenerId, Transport};

/// A trunk, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrunkId(pub u16);

/// SEC-1: exactly three modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SecureMode {
    /// UDP or TCP, RTP.
    #[default]
    Disabled,
    /// TLS, RTP.
    Tls,
    /// TLS, SRTP.
    Srtp,
}

/// MED-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SourceMode {
    #[default]
    Strict,
    Latch,
}

/// MED-1: whether SRTP may pass through under the peers' own shared keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Passthrough {
    Prefer,
    #[default]
    Never,
}

/// A place that a call goes to, when all is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub host: Host,
    pub port: u16,
    pub transport: Transport,
}

/// Where the peers of a realm reach its media, if that is not where it arrives: we stand behind a
/// 1:1 NAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdvertisedMedia {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
}

impl AdvertisedMedia {
    /// What one of our addresses is called.
    pub fn name_of(&self, local: IpAddr) -> IpAddr {
        match local {
            IpAddr::V4(_) => self.ipv4.map_or(local, IpAddr::V4),
            IpAddr::V6(_) => self.ipv6.map_or(local, IpAddr::V6),
        }
    }
}

/// Everything signalling needs to know of a trunk.
#[derive(Clone, Debug)]
pub struct Trunk {
    pub name: String,
    /// Hosts of the Request-URI that name this trunk; empty: found by source address.
    pub domains: Vec<String>,
    pub mode: SecureMode,
    /// TRK-6.
    pub limits: CallLimits,
    /// Who may send to us; empty: nobody, unless there are credentials.
    pub acl: Vec<Allowed>,
    /// Whom calls to us must authenticate as, in addition to the ACL if there is one (TRK-1).
    pub credentials: Option<Arc<CredentialSet>>,
    /// What we register with the peer (SIG-5).
    pub register: Option<RegistrationSettings>,
    /// Who may register with us, and be called (SIG-4); their logins are among the credentials.
    pub accounts: Vec<Account>,
    /// What the peer knows us by if it challenges our requests (SIG-5).
    pub auth: Option<Password>,
    /// Where calls to the trunk go.
    pub origination: Origination,
    /// The listener that requests to the trunk leave from, where it fits the target.
    pub listener: ListenerId,
    pub realm: RealmId,
    /// What the realm's media addresses are called in SDP (TRK-8).
    pub advertised_media: AdvertisedMedia,
    /// SDES suites that are accepted and offered, in our order of preference; empty:
    /// [`Suite::DEFAULT`] is accepted, and `AES_CM_128_HMAC_SHA1_80` alone is offered (SEC-6).
    pub suites: Vec<Suite>,
    pub source: SourceMode,
    /// With [`SourceMode::Latch`]: where media may come from; empty: anywhere.
    pub media_acl: Vec<Network>,
    pub passthrough: Passthrough,
    /// `sips:` stays as it is instead of becoming `sip:` with TLS (SEC-5).
    pub pass_sips: bool,
    /// How its peers dial: their numbers become E.164 before routes are looked at (TRK-7); `None`:
    /// they stay.
    pub dial_plan: Option<DialPlan>,
    /// Peers may be behind NAT: over UDP, requests within a dialog go to where theirs come from if
    /// their Contact is an address of their own network (SIG-3).
    pub nat: bool,
    /// Who calls must have proven by its certificate to be of this trunk (SEC-4).
    pub needs_certificate: bool,
    /// We can prove ourselves to its peers by a certificate: they are asked to send their requests
    /// by the TLS connections that we opened, instead of opening some to us (RFC 5923, SIG-3).
    pub asks_for_alias: bool,
    /// Who connected to the name of another trunk (SNI) may not call this one; else it is only
    /// told (TRK-2).
    pub refuse_other_server_names: bool,
    /// With [`SecureMode::Tls`]: SRTP is offered and accepted within RTP/AVP, and plain RTP is spoken
    /// with a peer that does not want it (RFC 8643, SEC-9).
    pub opportunistic: bool,
    /// Send an MKI in our crypto line.
    pub mki: bool,
    /// SIG-6.
    pub headers: HeaderPolicy,
    pub dscp: Option<u8>,
    /// Packets per second that a flow from the trunk may have (MED-5); `Some(0)`: any number;
    /// `None`: four times the usual rate of the call's packet time, and at least 200.
    pub max_packet_rate: Option<u32>,
    /// Encoding names allowed in audio, upper case, in any order; `TELEPHONE-EVENT` among them.
    /// Shared with the calls of the trunk.
    pub codecs: Arc<[String]>,
    /// Video may be relayed (SIG-8), with whatever codecs.
    pub video: bool,
    /// T.38 may be relayed (SIG-8), unless a leg of the call is SRTP.
    pub t38: bool,
    /// Session timers (SIG-2).
    pub session: session::SessionPolicy,
    /// What becomes of a REFER of the trunk's (SIG-7).
    pub refer: refer::ReferMode,
}

impl Trunk {
    /// With a name, G.711 and telephone events, and everything else as it is where nothing is said:
    /// nobody may send to us, and nothing goes anywhere.
    pub fn new(name: &str, listener: ListenerId, realm: RealmId) -> Trunk {
        Trunk {
            name: name.to_owned(),
            listener,
            realm,
            domains: Vec::new(),
            mode: SecureMode::default(),
            limits: CallLimits::default(),
            acl: Vec::new(),
            credentials: None,
            register: None,
            accounts: Vec::new(),
            auth: None,
            origination: Origination::default(),
            advertised_media: AdvertisedMedia::default(),
            suites: Vec::new(),
            source: SourceMode::default(),
            media_acl: Vec::new(),
            passthrough: Passthrough::default(),
            pass_sips: false,
            dial_plan: None,
            nat: false,
            needs_certificate: false,
            asks_for_alias: false,
            refuse_other_server_names: false,
            opportunistic: false,
            mki: false,
            headers: HeaderPolicy::default(),
            dscp: None,
            max_packet_rate: None,
            codecs: ["PCMU", "PCMA", "TELEPHONE-EVENT"]
                .map(str::to_owned)
                .into(),
            video: false,
            t38: false,
            session: session::SessionPolicy::default(),
            refer: refer::ReferMode::default(),
        }
    }
}
