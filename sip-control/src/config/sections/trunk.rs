//! `[[trunks]]`: who may call, how they are secured, where calls to them go.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::{AuthSection, CredentialSection, RegisterSection};
use super::is_default;

/// A trunk as it is written. What is absent has its default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Trunk)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrunkSection {
    /// Unique over all trunks, in any case; never changed.
    pub(crate) name: String,
    /// `disabled` (SIP and RTP; the default), `tls` (SIP over TLS, RTP) or `srtp` (SIP over TLS, SRTP).
    /// Nothing ever falls back to a weaker mode.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) secure: Option<String>,
    /// Calls whose Request-URI has one of these hosts are this trunk's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) domains: Vec<String>,
    /// Who may send calls: networks or addresses, with source ports if those are fixed, as
    /// `198.51.100.0/24:5060`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) acl: Vec<String>,
    /// Whom calls must authenticate as, in addition to `acl` if there is one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) credentials: Vec<CredentialSection>,
    /// The realm of the challenges; default: the first domain.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) auth_realm: Option<String>,
    /// What is offered at most: `SHA-256`, `MD5`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) auth_algorithms: Option<Vec<String>>,
    /// What the peer knows us by: its 401 and 407 are answered.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) auth: Option<AuthSection>,
    /// Registers with the peer, so that it finds us.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) register: Option<RegisterSection>,
    /// 0: any number; default 30.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) max_calls_per_second: Option<u32>,
    /// 0: any number, the default.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) max_concurrent_calls: Option<u32>,
    /// From the answer on; 0: any; default 86400.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) max_call_seconds: Option<u64>,
    /// Where calls to the trunk go: `sip:HOST[:PORT][;transport=udp|tcp|tls]`. Instead of `origination`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) destination: Option<String>,
    /// Where calls to the trunk go: up to ten targets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) origination: Vec<OriginationSection>,
    /// Called when every other target has failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) fallback: Option<String>,
    /// A target that says nothing for so long has failed: `500ms` to `32s`; default `4s`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) no_response: Option<String>,
    /// What failed is tried after all others for so long, up to `1h`; default `30s`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) backoff: Option<String>,
    /// OPTIONS to each target: `off`, or every `10s` to `3600s`; default `30s`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) probe: Option<String>,
    /// So many failures in a row take a target out of service: 1-100; default 3.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) probe_failures: Option<u32>,
    /// `collapse` (default): the caller sees one early dialog. `pass`: each.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) early_dialogs: Option<String>,
    /// Where requests leave from; default: the first listener that fits the first target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) listener: Option<String>,
    /// The network that it belongs to; default: that of the listener.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) realm: Option<String>,
    /// SRTP suites that are accepted and offered, the preferred one first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) suites: Option<Vec<String>>,
    /// Where media may come from: `strict` (default; as the SDP says) or `latch`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) source: Option<String>,
    /// With `latch`: from these networks alone.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) media_acl: Vec<String>,
    /// `never` (default) or `prefer`: SRTP is passed on under the peers' own keys.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) srtp_passthrough: Option<String>,
    /// `tls` (default): `sips:` becomes `sip:` over TLS. `pass`: it stays.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) sips: Option<String>,
    /// How its peers dial; both numbers of a call from the trunk become E.164.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) dial_plan: Option<DialPlanSection>,
    /// Peers may be behind NAT.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) nat: bool,
    /// For `tls`: SRTP where the peer wants it (RFC 8643).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) opportunistic: bool,
    /// Sends an MKI in our crypto line.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) mki: bool,
    /// Headers that cross besides `X-*` and `User-to-User`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) headers: Option<Vec<String>>,
    /// Its peers are within our trust domain (RFC 3325).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) trusted: bool,
    /// Rules, in order, for headers that cross.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) header_rules: Vec<HeaderRuleSection>,
    /// Of media that we send: 0-63; default: as it came.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) dscp: Option<u64>,
    /// Packets per second that may come to one media port; 0: any number.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) max_packet_rate: Option<u32>,
    /// Default: `PCMU`, `PCMA`, `TELEPHONE-EVENT`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) codecs: Option<Vec<String>>,
    /// Video lines are relayed, if both trunks of a call say so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) video: bool,
    /// Fax lines are relayed, if both trunks of a call say so; not for `srtp`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) t38: bool,
    /// `on` (default) or `strip` (RFC 4028).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) session_timer: Option<String>,
    /// The interval that we ask for; default `1800s`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) session_expires: Option<String>,
    /// The shortest interval that we take; default `90s`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) min_se: Option<String>,
    /// What becomes of a REFER of the trunk: `off` (default), `pass` or `local`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) refer: Option<String>,
    /// How the peer's certificate is checked: `strict`, `wildcard` (default), `pin` or `off`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) verify: Option<String>,
    /// A PEM file with the trunk's own roots.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) ca: Option<String>,
    /// The name that the peer's certificate must have; default: the host of the first target.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) server_name: Option<String>,
    /// For `pin`: `sha256/BASE64` of the peer's public keys.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) pins: Vec<String>,
    /// A PEM file: what we show when the peer asks for a certificate.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) client_certificate: Option<String>,
    /// The PEM file of its key.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) client_key: Option<String>,
    /// Calls are taken only from peers with a certificate for one of these names.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) client_names: Vec<String>,
    /// A peer that connected to the domain of another trunk: `log` (default) or `refuse`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) server_name_mismatch: Option<String>,
}

/// One target of calls to a trunk (TRK-1).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = Origination)]
#[serde(deny_unknown_fields)]
pub(crate) struct OriginationSection {
    /// `sip:HOST[:PORT][;transport=udp|tcp|tls]`
    pub(crate) uri: String,
    /// 0-65535, the lowest first; default 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) priority: Option<i64>,
    /// 1-65535, at random by it within a priority; default 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) weight: Option<i64>,
    /// Default: true.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) enabled: Option<bool>,
}

/// A rule for headers: one of `add`, `remove`, `replace`, which name the header.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = HeaderRule)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeaderRuleSection {
    /// `in`: in messages from the trunk's peers; `out`: to them.
    pub(crate) direction: String,
    /// `all` (default), `requests` or `responses`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) messages: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) add: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) remove: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) replace: Option<String>,
    /// What `add` adds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) value: Option<String>,
    /// What `replace` looks for: a regular expression.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) pattern: Option<String>,
    /// What `replace` puts in its place; groups are `$1` and on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) with: Option<String>,
}

/// How the peers of a trunk dial.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[schema(as = DialPlan)]
#[serde(deny_unknown_fields)]
pub(crate) struct DialPlanSection {
    /// A country code, as `49`.
    pub(crate) country: String,
    /// What gives way to `+` and the country, as `0`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) national_prefix: String,
    /// What gives way to `+`, as `00`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) international_prefix: String,
}
