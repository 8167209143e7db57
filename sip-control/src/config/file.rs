//! The shape of `trunkline.toml`, before it means anything: what serde reads.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::sections::{AccountSection, RouteSection, TrunkSection};

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
