//! `[api]`: where the HTTP API is reached besides the socket, and what it may hold.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use sip_core::trunk::Network;

use super::error::Fault;
use super::file::{ApiSection, File};
use super::settings::{TlsSettings, at};
use super::{certificates, value};
use crate::transport::tls::{self, CertificateFacts, ServerCertificates};

const DEFAULT_EVENT_CLIENTS: usize = 1024;
const MOST_EVENT_CLIENTS: usize = 100_000;
const DEFAULT_LADDER_MEMORY_MB: usize = 16;
const MOST_LADDER_MEMORY_MB: usize = 4096;
const DEFAULT_QUALITY_BELOW: f64 = 3.5;
/// HTTP/2 and HTTP/1.1 (RFC 7301, RFC 9113 section 3.2).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The HTTP API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// A TCP port besides the socket.
    pub listen: Option<SocketAddr>,
    /// What the port proves itself with; `None`: plain HTTP, on the loopback alone.
    pub tls: Option<Arc<ServerConfig>>,
    pub certificates: Vec<CertificateFacts>,
    /// Who may connect to the port; empty: anybody.
    pub allow: Vec<Network>,
    /// How many may listen for events at once.
    pub event_clients: usize,
    /// What the messages of calls may take in memory; 0: none are kept.
    pub ladder_memory_bytes: usize,
    /// An event tells of calls whose MOS falls below it; 0: none does.
    pub quality_below: f64,
}

pub(super) fn resolve(
    file: &File,
    settings: &TlsSettings,
    warnings: &mut Vec<String>,
) -> Result<ApiConfig, Fault> {
    let section = &file.api;
    let listen = section.listen.as_deref().map(address).transpose();
    let listen = listen.map_err(at("api.listen"))?;
    let (tls, certificates) = match (&section.certificate, &section.key) {
        (Some(certificate), Some(key)) => prove(certificate, key, settings, warnings)?,
        (Some(_), None) => return Err(missing("key", "a certificate needs its key")),
        (None, Some(_)) => return Err(missing("certificate", "a key is of no use without it")),
        (None, None) => (None, Vec::new()),
    };
    if let Some(listen) = listen
        && tls.is_none()
        && !listen.ip().is_loopback()
    {
        let why = "tokens would cross the network in the clear; only the loopback needs none";
        return Err(missing("certificate", why));
    }
    let mut allow = Vec::new();
    for (place, text) in section.allow.iter().enumerate() {
        allow.push(value::network(text).map_err(at(format!("api.allow[{place}]")))?);
    }
    Ok(ApiConfig {
        listen,
        tls,
        certificates,
        allow,
        event_clients: event_clients(section)?,
        ladder_memory_bytes: ladder_memory(section)?,
        quality_below: quality_below(section)?,
    })
}

fn missing(field: &str, why: &str) -> Fault {
    Fault::new(format!("api.{field}"), format!("missing; {why}"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address of this host; expected ADDRESS:PORT, like \"127.0.0.1:8080\"")
    })
}

type Proof = (Option<Arc<ServerConfig>>, Vec<CertificateFacts>);

fn prove(
    certificate: &str,
    key: &str,
    settings: &TlsSettings,
    warnings: &mut Vec<String>,
) -> Result<Proof, Fault> {
    let certified = certificates::certified_key(
        "api.certificate",
        Path::new(certificate),
        "api.key",
        Path::new(key),
    )?;
    let roots = settings.roots.as_deref();
    for complaint in tls::complaints(&certified.cert, roots, SystemTime::now()) {
        warnings.push(format!("api.certificate ({certificate}): {complaint}"));
    }
    let facts = CertificateFacts::of("api".to_owned(), &certified);
    let certificates = ServerCertificates::new(vec![certified]);
    let config = tls::server_config(certificates, None, settings.only_tls13, settings.key_log())
        .map_err(|error| Fault::new("api.certificate", error.to_string()))?;
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok((Some(Arc::new(config)), vec![facts]))
}

fn event_clients(section: &ApiSection) -> Result<usize, Fault> {
    match section.event_clients {
        Some(count) if !(1..=MOST_EVENT_CLIENTS).contains(&count) => Err(Fault::new(
            "api.event_clients",
            format!("is {count}; expected 1 to {MOST_EVENT_CLIENTS}"),
        )),
        configured => Ok(configured.unwrap_or(DEFAULT_EVENT_CLIENTS)),
    }
}

fn ladder_memory(section: &ApiSection) -> Result<usize, Fault> {
    match section.ladder_memory_mb {
        Some(megabytes) if megabytes > MOST_LADDER_MEMORY_MB => Err(Fault::new(
            "api.ladder_memory_mb",
            format!("is {megabytes}; expected 0 to {MOST_LADDER_MEMORY_MB}"),
        )),
        configured => Ok(configured.unwrap_or(DEFAULT_LADDER_MEMORY_MB) << 20),
    }
}

/// G.107 has MOS from 1 to 4.5; many users are dissatisfied below 3.6.
fn quality_below(section: &ApiSection) -> Result<f64, Fault> {
    match section.quality_below {
        Some(mos) if mos != 0.0 && !(1.0..=4.5).contains(&mos) => Err(Fault::new(
            "api.quality_below",
            format!("is {mos}; expected a MOS of 1.0 to 4.5, or 0 for none"),
        )),
        configured => Ok(configured.unwrap_or(DEFAULT_QUALITY_BELOW)),
    }
}
