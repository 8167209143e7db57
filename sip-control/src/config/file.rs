//! The shape of `trunkline.toml`, before it means anything: what serde reads.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::secret::Secret;

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) realms: Vec<RealmSection>,
    #[serde(default)]
    pub(super) listeners: Vec<ListenerSection>,
    #[serde(default)]
    pub(super) tls: TlsSection,
    #[serde(default)]
    pub(super) media: MediaSection,
    #[serde(default)]
    pub(super) limits: LimitsSection,
    #[serde(default)]
    pub(super) cdr: CdrSection,
    #[serde(default)]
    pub(super) control: ControlSection,
    #[serde(default)]
    pub(super) api: ApiSection,
    #[serde(default)]
    pub(super) dns: DnsSection,
    #[serde(default)]
    pub(super) store: StoreSection,
    #[serde(default)]
    pub(super) trunks: Vec<TrunkSection>,
    #[serde(default)]
    pub(super) accounts: Vec<AccountSection>,
    #[serde(default)]
    pub(super) routes: Vec<RouteSection>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct RealmSection {
    pub(super) name: String,
    pub(super) media_addresses: Vec<String>,
    #[serde(default)]
    pub(super) advertised_media_addresses: Vec<String>,
    pub(super) ports: String,
    #[serde(default)]
    pub(super) interfaces: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerSection {
    pub(super) name: String,
    pub(super) transport: String,
    pub(super) address: String,
    pub(super) realm: String,
    pub(super) advertised: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) certificates: Vec<CertificateSection>,
    pub(super) client_ca: Option<String>,
    pub(super) client_auth: Option<String>,
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateSection {
    pub(super) certificate: String,
    pub(super) key: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsSection {
    pub(super) ca: Option<String>,
    pub(super) min_version: Option<String>,
    pub(super) key_log: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct MediaSection {
    pub(super) backend: Option<String>,
    pub(super) attach: Option<String>,
    #[serde(default)]
    pub(super) xdp_mode: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) interfaces: Vec<String>,
    #[serde(default)]
    pub(super) cpus: Vec<usize>,
    pub(super) timeout: Option<String>,
    pub(super) port_cooldown: Option<String>,
    pub(super) pin_dir: Option<String>,
    #[serde(default)]
    pub(super) log_digits: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsSection {
    pub(super) max_calls: Option<usize>,
    pub(super) calls_per_second: Option<u32>,
    pub(super) max_queue_delay: Option<String>,
    pub(super) max_transactions: Option<usize>,
    pub(super) max_connections: Option<usize>,
    pub(super) max_connections_per_address: Option<usize>,
    pub(super) max_handshakes: Option<usize>,
    pub(super) max_handshakes_per_address: Option<usize>,
    pub(super) max_message_bytes: Option<usize>,
    pub(super) max_headers: Option<usize>,
    pub(super) max_header_bytes: Option<usize>,
    pub(super) max_vias: Option<usize>,
    pub(super) handshake_timeout: Option<String>,
    pub(super) message_timeout: Option<String>,
    pub(super) idle_timeout: Option<String>,
    pub(super) keepalive: Option<String>,
    pub(super) ring_timeout: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct CdrSection {
    pub(super) path: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlSection {
    pub(super) socket: Option<String>,
}

/// The HTTP API; the socket of `[control]` has it without any of this.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiSection {
    pub(super) listen: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) allow: Vec<String>,
    pub(super) event_clients: Option<usize>,
    pub(super) ladder_memory_mb: Option<usize>,
    pub(super) quality_below: Option<f64>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsSection {
    #[serde(default)]
    pub(super) servers: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreSection {
    pub(super) path: Option<String>,
    pub(super) keep_calls: Option<String>,
    pub(super) keep_events: Option<String>,
    pub(super) keep_audit: Option<String>,
    pub(super) max_mb: Option<u64>,
    pub(super) backup_dir: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct TrunkSection {
    pub(super) name: String,
    pub(super) secure: Option<String>,
    #[serde(default)]
    pub(super) domains: Vec<String>,
    #[serde(default)]
    pub(super) acl: Vec<String>,
    #[serde(default)]
    pub(super) credentials: Vec<CredentialSection>,
    pub(super) auth_realm: Option<String>,
    pub(super) auth_algorithms: Option<Vec<String>>,
    pub(super) auth: Option<AuthSection>,
    pub(super) register: Option<RegisterSection>,
    pub(super) max_calls_per_second: Option<u32>,
    pub(super) max_concurrent_calls: Option<u32>,
    pub(super) max_call_seconds: Option<u64>,
    pub(super) destination: Option<String>,
    #[serde(default)]
    pub(super) origination: Vec<OriginationSection>,
    pub(super) fallback: Option<String>,
    pub(super) no_response: Option<String>,
    pub(super) backoff: Option<String>,
    pub(super) probe: Option<String>,
    pub(super) probe_failures: Option<u32>,
    pub(super) early_dialogs: Option<String>,
    pub(super) listener: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) suites: Option<Vec<String>>,
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) media_acl: Vec<String>,
    pub(super) srtp_passthrough: Option<String>,
    pub(super) sips: Option<String>,
    pub(super) dial_plan: Option<DialPlanSection>,
    #[serde(default)]
    pub(super) nat: bool,
    #[serde(default)]
    pub(super) opportunistic: bool,
    #[serde(default)]
    pub(super) mki: bool,
    pub(super) headers: Option<Vec<String>>,
    #[serde(default)]
    pub(super) trusted: bool,
    #[serde(default)]
    pub(super) header_rules: Vec<HeaderRuleSection>,
    pub(super) dscp: Option<u64>,
    pub(super) max_packet_rate: Option<u32>,
    pub(super) codecs: Option<Vec<String>>,
    #[serde(default)]
    pub(super) video: bool,
    #[serde(default)]
    pub(super) t38: bool,
    pub(super) session_timer: Option<String>,
    pub(super) session_expires: Option<String>,
    pub(super) min_se: Option<String>,
    pub(super) refer: Option<String>,
    pub(super) verify: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) server_name: Option<String>,
    #[serde(default)]
    pub(super) pins: Vec<String>,
    pub(super) client_certificate: Option<String>,
    pub(super) client_key: Option<String>,
    #[serde(default)]
    pub(super) client_names: Vec<String>,
    pub(super) server_name_mismatch: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct OriginationSection {
    pub(super) uri: String,
    pub(super) priority: Option<i64>,
    pub(super) weight: Option<i64>,
    pub(super) enabled: Option<bool>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialSection {
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) ha1_md5: Option<Secret>,
    pub(super) ha1_sha256: Option<Secret>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthSection {
    pub(super) user: String,
    pub(super) password: Secret,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterSection {
    pub(super) aor: String,
    pub(super) expires: Option<String>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountSection {
    pub(super) aor: String,
    pub(super) trunk: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) ha1_md5: Option<Secret>,
    pub(super) ha1_sha256: Option<Secret>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteSection {
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) prefix: String,
    pub(super) pattern: Option<String>,
    #[serde(default)]
    pub(super) caller_prefix: String,
    pub(super) caller_pattern: Option<String>,
    pub(super) to: Option<String>,
    pub(super) reject: Option<u16>,
    #[serde(default)]
    pub(super) strip: usize,
    #[serde(default)]
    pub(super) prepend: String,
    #[serde(default)]
    pub(super) caller_strip: usize,
    #[serde(default)]
    pub(super) caller_prepend: String,
}

/// A rule for headers: one of `add`, `remove`, `replace`, which name the header.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderRuleSection {
    pub(super) direction: String,
    pub(super) messages: Option<String>,
    pub(super) add: Option<String>,
    pub(super) remove: Option<String>,
    pub(super) replace: Option<String>,
    pub(super) value: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) with: Option<String>,
}

/// How the peers of a trunk dial.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct DialPlanSection {
    pub(super) country: String,
    #[serde(default)]
    pub(super) national_prefix: String,
    #[serde(default)]
    pub(super) international_prefix: String,
}
