//! The small sections: `[tls]`, `[media]`, `[limits]`, `[cdr]`, `[control]`, `[dns]`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::{KeyLog, RootCertStore};
use sip_core::message::Limits as MessageLimits;

use super::certificates;
use super::error::Fault;
use super::file::{File, LimitsSection};
use super::realm::Realm;
use super::value::{self, choice, duration};
use crate::media::{Attach, Backend, MediaConfig};
use crate::ports;
use crate::transport::tls::KeyLogToFile;

/// What a message may be set to measure: on a stream it is kept until it is whole, and a datagram
/// cannot be longer.
const LARGEST_MESSAGE: MessageLimits = MessageLimits {
    message_bytes: 65_536,
    headers: 4096,
    header_bytes: 65_536,
    vias: 255,
};
/// What every call needs: below it nothing would work.
const SMALLEST_MESSAGE: MessageLimits = MessageLimits {
    message_bytes: 4096,
    headers: 32,
    header_bytes: 512,
    vias: 8,
};
/// More than a process can hold of anything.
const LARGEST_LIMIT: usize = 10_000_000;
const DEFAULT_PORT_COOLDOWN: Duration = Duration::from_secs(10);
/// Where Debian and most others keep the roots that browsers trust.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What one process may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub max_calls: usize,
    /// New calls per second, whoever makes them; `None`: any number.
    pub calls_per_second: Option<u32>,
    /// While messages wait longer than this, new calls are refused; `None`: they are not.
    pub max_queue_delay: Option<Duration>,
    /// Transactions that peers have begun.
    pub max_transactions: usize,
    /// TCP and TLS connections, accepted ones; at most half of them from addresses that no trunk's
    /// ACL has.
    pub max_connections: usize,
    /// Of one address, an IPv6 network of 64 bits counting as one.
    pub max_connections_per_address: usize,
    /// TLS handshakes under way; shared out in the same way.
    pub max_handshakes: usize,
    pub max_handshakes_per_address: usize,
    /// Of one SIP message, from whomever.
    pub message: MessageLimits,
    pub handshake_timeout: Duration,
    /// How long a peer may take to say its first word, or the rest of a message that it began.
    pub message_timeout: Duration,
    /// A connection without a byte for that long is closed.
    pub idle_timeout: Duration,
    /// How often we ping on silent connections that we opened; `None`: never.
    pub keepalive: Option<Duration>,
    pub ring_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_calls: 10_000,
            calls_per_second: None,
            // T1 of RFC 3261: then those who wait have begun to say it again, which makes it worse.
            max_queue_delay: Some(Duration::from_millis(500)),
            max_transactions: 200_000,
            max_connections: 10_000,
            max_connections_per_address: 1000,
            max_handshakes: 256,
            max_handshakes_per_address: 64,
            message: MessageLimits::DEFAULT,
            handshake_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(60),
            // Longer than the quiet middle of a long call: its BYE wants the same connection.
            idle_timeout: Duration::from_secs(2 * 3600),
            // RFC 5626 section 4.4.1: 95 to 120 s over TCP. NATs and firewalls forget sooner.
            keepalive: Some(Duration::from_secs(60)),
            ring_timeout: Duration::from_secs(180),
        }
    }
}

/// Where call records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordSink {
    Stdout,
    /// Appended to.
    File(PathBuf),
}

/// `[tls]`, and the roots that trunks without their own use.
#[derive(Debug)]
pub(super) struct TlsSettings {
    pub(super) only_tls13: bool,
    /// The bundle that the file names, or the system's; `None` if there is none.
    pub(super) roots: Option<Arc<RootCertStore>>,
    key_log: Option<Arc<KeyLogToFile>>,
}

impl TlsSettings {
    /// Where the secrets of every session go, if the operator wants them.
    pub(super) fn key_log(&self) -> Option<Arc<dyn KeyLog>> {
        let key_log = self.key_log.clone()?;
        Some(key_log)
    }
}

pub(super) fn tls(file: &File, warnings: &mut Vec<String>) -> Result<TlsSettings, Fault> {
    let only_tls13 = match &file.tls.min_version {
        None => false,
        Some(text) => {
            choice(text, &[("1.2", false), ("1.3", true)]).map_err(at("tls.min_version"))?
        }
    };
    let roots = match &file.tls.ca {
        Some(path) => Some(certificates::roots("tls.ca", Path::new(path))?),
        None => certificates::roots("tls.ca", Path::new(SYSTEM_CA)).ok(),
    };
    let key_log = match &file.tls.key_log {
        Some(path) => Some(key_log(path, warnings)?),
        None => None,
    };
    Ok(TlsSettings {
        only_tls13,
        roots,
        key_log,
    })
}

/// What servers of webhooks are verified by: the system's roots, and those of `tls.ca`.
pub(super) fn webhook_roots(file: &File) -> RootCertStore {
    let paths = [Some(SYSTEM_CA), file.tls.ca.as_deref()];
    let mut all = RootCertStore::empty();
    for path in paths.into_iter().flatten() {
        // One that cannot be read has been told of, or is not there on this host.
        if let Ok(roots) = certificates::roots("tls.ca", Path::new(path)) {
            all.extend(roots.roots.iter().cloned());
        }
    }
    all
}

fn key_log(path: &str, warnings: &mut Vec<String>) -> Result<Arc<KeyLogToFile>, Fault> {
    let file = KeyLogToFile::open(Path::new(path))
        .map_err(|error| Fault::new("tls.key_log", format!("{path} cannot be written: {error}")))?;
    warnings.push(format!(
        "tls.key_log: the secrets of EVERY TLS session are written to {path}: whoever reads it reads all signalling and all SRTP keys"
    ));
    Ok(Arc::new(file))
}

pub(super) fn media(file: &File, realms: &[Realm]) -> Result<MediaConfig, Fault> {
    let section = &file.media;
    let backends = [
        ("auto", Backend::Auto),
        ("xdp", Backend::Xdp),
        ("socket", Backend::Socket),
    ];
    let backend =
        optional(&section.backend, |text| choice(text, &backends)).map_err(at("media.backend"))?;
    let attaches = [
        ("auto", Attach::Auto),
        ("native", Attach::Native),
        ("generic", Attach::Generic),
    ];
    let attach =
        optional(&section.attach, |text| choice(text, &attaches)).map_err(at("media.attach"))?;
    let timeout = optional(&section.timeout, duration).map_err(at("media.timeout"))?;
    let mut interfaces: Vec<String> = Vec::new();
    for name in section
        .interfaces
        .iter()
        .chain(file.realms.iter().flat_map(|realm| &realm.interfaces))
    {
        if !interfaces.contains(name) {
            interfaces.push(name.clone());
        }
    }
    let backend = backend.unwrap_or_default();
    if backend == Backend::Xdp && interfaces.is_empty() {
        let problem = "missing; backend \"xdp\" needs the interfaces that media arrives at";
        return Err(Fault::new("media.interfaces", problem));
    }
    let mut attach_of = Vec::new();
    for (name, mode) in &section.xdp_mode {
        let key = format!("media.xdp_mode.{name}");
        if !interfaces.contains(name) {
            let problem = "is not one of the media interfaces";
            return Err(Fault::new(key, problem));
        }
        let mode = choice(mode, &attaches).map_err(at(key))?;
        attach_of.push((name.clone(), mode));
    }
    let layout = ports::pool(realms, port_cooldown(file)?)
        .map_err(|error| Fault::new("realms", error.to_string()))?
        .flow_table_layout();
    Ok(MediaConfig {
        backend,
        interfaces,
        attach: attach.unwrap_or_default(),
        attach_of,
        layout,
        // Zero switches the timeout off.
        timeout: Some(timeout.unwrap_or(MediaConfig::DEFAULT_TIMEOUT))
            .filter(|timeout| !timeout.is_zero()),
        pin_dir: section
            .pin_dir
            .as_deref()
            .unwrap_or(MediaConfig::DEFAULT_PIN_DIR)
            .into(),
        cpus: section.cpus.clone(),
    })
}

pub(super) fn port_cooldown(file: &File) -> Result<Duration, Fault> {
    let configured =
        optional(&file.media.port_cooldown, duration).map_err(at("media.port_cooldown"))?;
    Ok(configured.unwrap_or(DEFAULT_PORT_COOLDOWN))
}

pub(super) fn limits(file: &File) -> Result<Limits, Fault> {
    let section = &file.limits;
    let default = Limits::default();
    let count = |name: &str, configured: Option<usize>, default: usize| match configured {
        Some(count) if !(1..=LARGEST_LIMIT).contains(&count) => Err(Fault::new(
            format!("limits.{name}"),
            format!("is {count}; expected 1 to {LARGEST_LIMIT}"),
        )),
        other => Ok(other.unwrap_or(default)),
    };
    let time = |name: &str, configured: &Option<String>, default: Duration| match optional(
        configured, duration,
    ) {
        Ok(Some(time)) if time.is_zero() => Err(Fault::new(
            format!("limits.{name}"),
            "is 0; expected a time",
        )),
        Ok(time) => Ok(time.unwrap_or(default)),
        Err(problem) => Err(Fault::new(format!("limits.{name}"), problem)),
    };
    Ok(Limits {
        max_calls: count("max_calls", section.max_calls, default.max_calls)?,
        // Zero switches either off.
        calls_per_second: section.calls_per_second.filter(|rate| *rate > 0),
        max_queue_delay: optional(&section.max_queue_delay, duration)
            .map_err(at("limits.max_queue_delay"))?
            .or(default.max_queue_delay)
            .filter(|delay| !delay.is_zero()),
        max_transactions: count(
            "max_transactions",
            section.max_transactions,
            default.max_transactions,
        )?,
        max_connections: count(
            "max_connections",
            section.max_connections,
            default.max_connections,
        )?,
        max_connections_per_address: count(
            "max_connections_per_address",
            section.max_connections_per_address,
            default.max_connections_per_address,
        )?,
        max_handshakes: count(
            "max_handshakes",
            section.max_handshakes,
            default.max_handshakes,
        )?,
        max_handshakes_per_address: count(
            "max_handshakes_per_address",
            section.max_handshakes_per_address,
            default.max_handshakes_per_address,
        )?,
        message: message_limits(section)?,
        handshake_timeout: time(
            "handshake_timeout",
            &section.handshake_timeout,
            default.handshake_timeout,
        )?,
        message_timeout: time(
            "message_timeout",
            &section.message_timeout,
            default.message_timeout,
        )?,
        idle_timeout: time("idle_timeout", &section.idle_timeout, default.idle_timeout)?,
        // Zero switches them off.
        keepalive: match optional(&section.keepalive, duration).map_err(at("limits.keepalive"))? {
            Some(every) => Some(every).filter(|every| !every.is_zero()),
            None => default.keepalive,
        },
        ring_timeout: time("ring_timeout", &section.ring_timeout, default.ring_timeout)?,
    })
}

fn message_limits(section: &LimitsSection) -> Result<MessageLimits, Fault> {
    let (least, most, default) = (SMALLEST_MESSAGE, LARGEST_MESSAGE, MessageLimits::DEFAULT);
    let bounded = |name: &str, configured: Option<usize>, of: fn(&MessageLimits) -> usize| {
        let range = of(&least)..=of(&most);
        match configured {
            Some(limit) if !range.contains(&limit) => Err(Fault::new(
                format!("limits.{name}"),
                format!("is {limit}; expected {} to {}", range.start(), range.end()),
            )),
            other => Ok(other.unwrap_or(of(&default))),
        }
    };
    Ok(MessageLimits {
        message_bytes: bounded("max_message_bytes", section.max_message_bytes, |limits| {
            limits.message_bytes
        })?,
        headers: bounded("max_headers", section.max_headers, |limits| limits.headers)?,
        header_bytes: bounded("max_header_bytes", section.max_header_bytes, |limits| {
            limits.header_bytes
        })?,
        vias: bounded("max_vias", section.max_vias, |limits| limits.vias)?,
    })
}

pub(super) fn records(file: &File) -> Option<RecordSink> {
    file.cdr.path.as_deref().map(|path| match path {
        "-" => RecordSink::Stdout,
        path => RecordSink::File(path.into()),
    })
}

pub(super) fn control_socket(file: &File) -> Option<PathBuf> {
    file.control.socket.as_ref().map(PathBuf::from)
}

pub(super) fn name_servers(file: &File) -> Result<Vec<SocketAddr>, Fault> {
    let servers = file.dns.servers.iter().enumerate();
    servers
        .map(|(place, text)| value::name_server(text).map_err(at(format!("dns.servers[{place}]"))))
        .collect()
}

/// Puts a problem at its key.
pub(super) fn at(key: impl Into<String>) -> impl FnOnce(String) -> Fault {
    let key = key.into();
    move |problem| Fault::new(key, problem)
}

/// Reads a value if it is there.
pub(super) fn optional<T>(
    text: &Option<String>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    text.as_deref().map(read).transpose()
}
