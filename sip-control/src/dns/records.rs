//! Questions to DNS and what it says, with how long that holds.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

/// For each try; a call waits four seconds for a target.
const TIMEOUT: Duration = Duration::from_millis(1500);
const ATTEMPTS: usize = 2;
/// RFC 2308 section 5 has hours; a record that was just added had better be seen soon.
const LONGEST_NEGATIVE: Duration = Duration::from_secs(30);
/// Without SOA, a negative answer says nothing of how long it holds.
const NEGATIVE: Duration = Duration::from_secs(1);
/// RFC 2181 section 8 allows 68 years.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A and AAAA.
    Addresses,
    Srv,
    Naptr,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    Srv(Srv),
    Naptr(Naptr),
}

/// RFC 2782.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// `None`: `.`, there decidedly is no such service.
    pub(super) target: Option<String>,
}

/// RFC 3403 section 4, as far as SIP uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    /// Lower case.
    pub(super) flags: String,
    /// Upper case.
    pub(super) service: String,
    pub(super) replacement: String,
}

/// Records, none if there are none, and until when that is true.
pub(super) type Found = (Vec<Record>, Instant);

/// Asks name servers.
#[derive(Clone)]
pub(super) struct Client(Option<TokioResolver>);

impl Client {
    /// Those servers, or if there are none the system's, and the system's file of hosts.
    pub(super) fn new(servers: &[SocketAddr]) -> Client {
        let built = match servers {
            [] => match TokioResolver::builder_tokio() {
                Ok(mut builder) => {
                    set(builder.options_mut());
                    builder.build()
                }
                Err(error) => {
                    tracing::warn!("no name servers are known: {error}");
                    build(Vec::new())
                }
            },
            servers => build(servers.iter().map(|server| name_server(*server)).collect()),
        };
        let built = built.inspect_err(|error| tracing::error!("names cannot be resolved: {error}"));
        Client(built.ok())
    }

    /// # Errors
    /// Why nobody answered.
    pub(super) async fn ask(&self, name: &str, kind: Kind) -> Result<Found, String> {
        let name = qualified(name);
        match kind {
            Kind::Srv => self.ask_for(&name, RecordType::SRV).await,
            Kind::Naptr => self.ask_for(&name, RecordType::NAPTR).await,
            Kind::Addresses => {
                let both = tokio::join!(
                    self.ask_for(&name, RecordType::A),
                    self.ask_for(&name, RecordType::AAAA)
                );
                match both {
                    (Ok((mut records, until)), Ok((more, also_until))) => {
                        records.extend(more);
                        Ok((records, until.min(also_until)))
                    }
                    // One family is better than none.
                    (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.0.is_empty() => Ok(found),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                }
            }
        }
    }

    async fn ask_for(&self, name: &str, record_type: RecordType) -> Result<Found, String> {
        let Some(resolver) = &self.0 else {
            return Err("there is no resolver".to_owned());
        };
        match resolver.lookup(name, record_type).await {
            Ok(lookup) => Ok(read(&lookup, record_type)),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let holds = none.negative_ttl.map_or(NEGATIVE, |seconds| {
                    Duration::from_secs(seconds.into()).min(LONGEST_NEGATIVE)
                });
                Ok((Vec::new(), Instant::now() + holds))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn build(servers: Vec<NameServerConfig>) -> Result<TokioResolver, NetError> {
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    set(builder.options_mut());
    builder.build()
}

/// We remember answers ourselves, and for longer than they hold if nobody answers any more.
fn set(options: &mut ResolverOpts) {
    options.timeout = TIMEOUT;
    options.attempts = ATTEMPTS;
    options.cache_size = 0;
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    for connection in &mut config.connections {
        let ConnectionConfig { port, .. } = connection;
        *port = server.port();
    }
    config
}

/// A name with a dot in it needs no search list, which would make four questions of one.
fn qualified(name: &str) -> String {
    match name.contains('.') && !name.ends_with('.') {
        true => format!("{name}."),
        false => name.to_owned(),
    }
}

fn read(lookup: &Lookup, record_type: RecordType) -> Found {
    let now = Instant::now();
    let until = lookup.valid_until().min(now + LONGEST);
    let records = lookup
        .answers()
        .iter()
        .filter(|record| record.record_type() == record_type)
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(Record::Address(IpAddr::V4(address.0))),
            RData::AAAA(address) => Some(Record::Address(IpAddr::V6(address.0))),
            RData::SRV(srv) => Some(Record::Srv(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: (!srv.target.is_root()).then(|| bare(&srv.target.to_ascii())),
            })),
            RData::NAPTR(naptr) => Some(Record::Naptr(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).to_ascii_lowercase(),
                service: String::from_utf8_lossy(&naptr.services).to_ascii_uppercase(),
                replacement: bare(&naptr.replacement.to_ascii()),
            })),
            _ => None,
        });
    (records.collect(), until)
}

/// Lower case, without the dot of the root.
fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
