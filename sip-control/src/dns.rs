//! Names to addresses, by the operating system's resolver (A and AAAA alone; RFC 3263 section 4.2).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sip_core::transport::Host;
use tokio::time::timeout;

/// The system's resolver tells no TTL; this is short enough for a peer that moves.
const KEPT: Duration = Duration::from_secs(30);
/// A name that takes longer would cost the transaction its retransmissions.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);
/// More names than trunks have is a sign of names made up by peers.
const MOST_KEPT: usize = 1024;

/// Why a name has no address that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("{name} cannot be resolved: {reason}")]
    Failed { name: String, reason: String },
    #[error("{name} has no {} address", if *.ipv6 { "IPv6" } else { "IPv4" })]
    NoAddress { name: String, ipv6: bool },
}

struct Entry {
    until: Instant,
    addresses: Vec<IpAddr>,
}

/// Resolves and remembers for half a minute; failures are not remembered.
#[derive(Default)]
pub(crate) struct Resolver {
    kept: Mutex<HashMap<String, Entry>>,
}

impl Resolver {
    /// The addresses of one family, if they are known without asking.
    pub(crate) fn known(&self, host: &Host, ipv6: bool) -> Option<Vec<IpAddr>> {
        let name = match host {
            Host::Address(address) => return Some(vec![*address]),
            Host::Name(name) => name,
        };
        let kept = self.kept();
        let entry = kept
            .get(name)
            .filter(|entry| entry.until > Instant::now())?;
        Some(of_family(&entry.addresses, ipv6))
    }

    /// The addresses of one family, at least one; an address literal is taken as it is.
    pub(crate) async fn addresses(
        &self,
        host: &Host,
        ipv6: bool,
    ) -> Result<Vec<IpAddr>, LookupError> {
        let addresses = match (self.known(host, ipv6), host) {
            (Some(known), _) => known,
            (None, Host::Name(name)) => of_family(&self.ask(name).await?, ipv6),
            (None, Host::Address(address)) => vec![*address],
        };
        match addresses.is_empty() {
            true => Err(LookupError::NoAddress {
                name: host.to_string(),
                ipv6,
            }),
            false => Ok(addresses),
        }
    }

    async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let failed = |reason: String| LookupError::Failed {
            name: name.to_owned(),
            reason,
        };
        let found = timeout(LONGEST_LOOKUP, tokio::net::lookup_host((name, 0)))
            .await
            .map_err(|_| failed("no answer in time".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        let mut kept = self.kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        let entry = Entry {
            until: Instant::now() + KEPT,
            addresses: addresses.clone(),
        };
        kept.insert(name.to_owned(), entry);
        Ok(addresses)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_family(addresses: &[IpAddr], ipv6: bool) -> Vec<IpAddr> {
    addresses
        .iter()
        .copied()
        .filter(|address| address.is_ipv6() == ipv6)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_resolver() {
        let host = Host::Address([192, 0, 2, 1].into());
        assert_eq!(
            Resolver::default().known(&host, false),
            Some(vec![[192, 0, 2, 1].into()])
        );
    }

    #[tokio::test]
    async fn a_name_is_asked_for_once() {
        let resolver = Resolver::default();
        let host = Host::Name("localhost".to_owned());
        assert_eq!(resolver.known(&host, false), None);
        let loopback: IpAddr = [127, 0, 0, 1].into();
        assert!(
            resolver
                .addresses(&host, false)
                .await
                .unwrap()
                .contains(&loopback)
        );
        assert!(resolver.known(&host, false).unwrap().contains(&loopback));
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_is_an_error_that_names_it() {
        let host = Host::Name("nothing-here.invalid".to_owned());
        let error = Resolver::default()
            .addresses(&host, false)
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("nothing-here.invalid cannot be resolved: "),
            "{error}"
        );
    }
}
