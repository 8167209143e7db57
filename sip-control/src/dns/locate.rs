//! From a SIP URI to addresses: RFC 3263 section 4.

use std::net::SocketAddr;

use rand_core::{OsRng, RngCore, TryRngCore};
use sip_core::transport::{Host, Transport};
use sip_core::trunk::origination::by_weight;
use sip_core::trunk::{Hop, TargetUri};

use super::records::{Kind, Naptr, Record, Srv};
use super::{LookupError, Resolver};

/// Records of one name that are followed; what is beyond is no failover any more.
const MOST_RECORDS: usize = 16;

impl Resolver {
    /// Where a target is, the best address first. `transports` may be used, the preferred one
    /// first; if there are several, DNS chooses.
    ///
    /// # Errors
    /// There is no address, or nobody says so.
    pub(crate) async fn locate(
        &self,
        target: &TargetUri,
        transports: &[Transport],
    ) -> Result<Vec<Hop>, LookupError> {
        let Some(&preferred) = transports.first() else {
            return Ok(Vec::new());
        };
        let name = match &target.host {
            Host::Address(address) => {
                let address = (*address, target.port_for(preferred)).into();
                return Ok(vec![Hop {
                    transport: preferred,
                    address,
                }]);
            }
            Host::Name(name) => name,
        };
        // Section 4.2: a port leaves nothing for SRV records to say.
        if target.port.is_none() {
            let mut rng = OsRng.unwrap_err();
            let services = self.services(name, transports).await?;
            if let Some(hops) = self.served(name, services, &mut rng).await? {
                return Ok(hops);
            }
        }
        self.at(name, preferred, target.port_for(preferred)).await
    }

    /// Where a message to a host goes by that transport and one address family, at least one place;
    /// without a port, SRV records may say so.
    pub(crate) async fn places(
        &self,
        host: &Host,
        port: Option<u16>,
        transport: Transport,
        ipv6: bool,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        if let Some(port) = port {
            let addresses = self.addresses(host, ipv6).await?;
            let places = addresses.into_iter().map(|address| (address, port).into());
            return Ok(places.collect());
        }
        let target = TargetUri {
            host: host.clone(),
            port: None,
            transport: Some(transport),
        };
        let hops = self.locate(&target, &[transport]).await?;
        let places = hops.into_iter().map(|hop| hop.address);
        let places: Vec<SocketAddr> = places.filter(|place| place.is_ipv6() == ipv6).collect();
        match places.is_empty() {
            true => Err(LookupError::NoAddress {
                name: host.to_string(),
                ipv6,
            }),
            false => Ok(places),
        }
    }

    /// The names of SRV records to ask for, in order, each with its transport (section 4.1).
    async fn services(
        &self,
        name: &str,
        transports: &[Transport],
    ) -> Result<Vec<(Transport, String)>, LookupError> {
        if transports.len() > 1 {
            let records = self.records(name, Kind::Naptr).await?;
            let named = by_preference(&records, transports);
            if !named.is_empty() {
                return Ok(named);
            }
        }
        let service = |transport: &Transport| (*transport, service_name(*transport, name));
        Ok(transports.iter().map(service).collect())
    }

    /// The hosts that SRV records name, by priority and weight (RFC 2782); `None` without any
    /// record.
    async fn served(
        &self,
        name: &str,
        services: Vec<(Transport, String)>,
        rng: &mut (dyn RngCore + Send),
    ) -> Result<Option<Vec<Hop>>, LookupError> {
        let mut hops = Vec::new();
        let mut any_record = false;
        let mut failure = None;
        for (transport, service) in services {
            let records = self.records(&service, Kind::Srv).await?;
            any_record |= !records.is_empty();
            for srv in ordered(&records, rng) {
                let Some(host) = &srv.target else { continue };
                match self.at(host, transport, srv.port).await {
                    Ok(more) => hops.extend(more),
                    Err(error) => failure = Some(error),
                }
            }
        }
        match (any_record, hops.is_empty(), failure) {
            (false, ..) => Ok(None),
            (true, false, _) => Ok(Some(hops)),
            (true, true, Some(failure)) => Err(failure),
            (true, true, None) => Err(LookupError::Failed {
                name: name.to_owned(),
                reason: "its SRV records say that there is no such service".to_owned(),
            }),
        }
    }

    /// The addresses of a name, each with that port.
    async fn at(
        &self,
        name: &str,
        transport: Transport,
        port: u16,
    ) -> Result<Vec<Hop>, LookupError> {
        let records = self.records(name, Kind::Addresses).await?;
        let hops: Vec<Hop> = records
            .iter()
            .filter_map(|record| match record {
                Record::Address(address) => Some(Hop {
                    transport,
                    address: (*address, port).into(),
                }),
                _ => None,
            })
            .collect();
        match hops.is_empty() {
            true => Err(LookupError::Failed {
                name: name.to_owned(),
                reason: "it has no address".to_owned(),
            }),
            false => Ok(hops),
        }
    }
}

/// Where a domain's NAPTR records lead: those of the lowest order that has a transport of ours, by
/// preference.
fn by_preference(records: &[Record], transports: &[Transport]) -> Vec<(Transport, String)> {
    let mut usable: Vec<(&Naptr, Transport)> = records
        .iter()
        .filter_map(|record| match record {
            // Flag "s": the replacement is the name of an SRV record. SIP has no other kind.
            Record::Naptr(naptr) if naptr.flags == "s" => Some(naptr),
            _ => None,
        })
        .filter_map(|naptr| Some((naptr, transport_of(&naptr.service)?)))
        .filter(|(_, transport)| transports.contains(transport))
        .collect();
    usable.sort_by_key(|(naptr, _)| (naptr.order, naptr.preference));
    let lowest = usable.first().map(|(naptr, _)| naptr.order);
    usable
        .into_iter()
        .filter(|(naptr, _)| Some(naptr.order) == lowest)
        .take(MOST_RECORDS)
        .map(|(naptr, transport)| (transport, naptr.replacement.clone()))
        .collect()
}

/// The services of RFC 3263 section 4.1.
fn transport_of(service: &str) -> Option<Transport> {
    match service {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}

fn service_name(transport: Transport, name: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{name}"),
        Transport::Tcp => format!("_sip._tcp.{name}"),
        Transport::Tls => format!("_sips._tcp.{name}"),
    }
}

fn ordered<'a>(records: &'a [Record], rng: &mut (dyn RngCore + Send)) -> Vec<&'a Srv> {
    let mut all: Vec<&Srv> = records
        .iter()
        .filter_map(|record| match record {
            Record::Srv(srv) => Some(srv),
            _ => None,
        })
        .collect();
    all.sort_by_key(|srv| srv.priority);
    let mut ordered = Vec::with_capacity(all.len());
    for equal in all.chunk_by(|one, other| one.priority == other.priority) {
        ordered.extend(
            by_weight(equal, |srv| srv.weight.into(), rng)
                .into_iter()
                .copied(),
        );
    }
    ordered.truncate(MOST_RECORDS);
    ordered
}
