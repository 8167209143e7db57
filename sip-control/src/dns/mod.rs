//! Names to addresses: A and AAAA for hosts that peers name with a port, SRV before that for those
//! without, and NAPTR before that for targets (RFC 3263).

mod locate;
mod memory;
mod records;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip_core::transport::Host;
use tokio::time::timeout;

use self::memory::{Memory, Outcome, Question};
use self::records::{Client, Kind, Record};

/// How long a lookup is waited for where something is known that has expired (RFC 8767 section 5,
/// which has 1.8 s for one). A call makes up to four, and has 4 s for all of them.
const STALE_PATIENCE: Duration = Duration::from_millis(250);
/// A name that takes longer would cost the transaction its retransmissions.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);

/// Why a name has no address that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("{name} cannot be resolved: {reason}")]
    Failed { name: String, reason: String },
    #[error("{name} has no {} address", if *.ipv6 { "IPv6" } else { "IPv4" })]
    NoAddress { name: String, ipv6: bool },
}

/// Resolves, and remembers as long as the records hold. A name is asked for once at a time, a
/// failure is remembered for a moment, and where nobody answers the last answer goes on.
pub(crate) struct Resolver {
    client: Client,
    memory: Memory,
}

impl Resolver {
    /// Asks those name servers; without any, the system's. Must be called within a runtime.
    pub(crate) fn new(servers: &[SocketAddr]) -> Resolver {
        Resolver {
            client: Client::new(servers),
            memory: Memory::default(),
        }
    }

    /// The addresses of one family, if they are known without asking.
    pub(crate) fn known(&self, host: &Host, ipv6: bool) -> Option<Vec<IpAddr>> {
        match host {
            Host::Address(address) => Some(vec![*address]),
            Host::Name(name) => {
                let question = (name.clone(), Kind::Addresses);
                let records = self.memory.remembered(&question)?.ok()?;
                Some(of_family(&records, ipv6))
            }
        }
    }

    /// The addresses of one family, at least one; an address literal is taken as it is.
    pub(crate) async fn addresses(
        &self,
        host: &Host,
        ipv6: bool,
    ) -> Result<Vec<IpAddr>, LookupError> {
        let addresses = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => of_family(&self.records(name, Kind::Addresses).await?, ipv6),
        };
        match addresses.is_empty() {
            true => Err(LookupError::NoAddress {
                name: host.to_string(),
                ipv6,
            }),
            false => Ok(addresses),
        }
    }

    /// The records of a name, none if there are none.
    async fn records(&self, name: &str, kind: Kind) -> Outcome {
        let question = (name.to_owned(), kind);
        if let Some(outcome) = self.memory.remembered(&question) {
            return outcome;
        }
        let asking = self.memory.asking(&question);
        let _asking = asking.lock().await;
        // Whoever asked meanwhile may have the answer.
        if let Some(outcome) = self.memory.remembered(&question) {
            return outcome;
        }
        let known = self.memory.last_known(&question);
        let lookup = look_up(self.client.clone(), self.memory.clone(), question.clone());
        let Some(known) = known else {
            return lookup.await;
        };
        // It goes on when it is not waited for any more.
        match timeout(STALE_PATIENCE, tokio::spawn(lookup)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Ok(known),
            Err(_) => {
                self.memory.go_on(&question);
                Ok(known)
            }
        }
    }
}

/// Asks, and keeps what was found.
async fn look_up(client: Client, memory: Memory, question: Question) -> Outcome {
    let (name, kind) = &question;
    let found = timeout(LONGEST_LOOKUP, client.ask(name, *kind))
        .await
        .unwrap_or_else(|_| Err("no answer in time".to_owned()));
    memory.remember(&question, found)
}

fn of_family(records: &[Record], ipv6: bool) -> Vec<IpAddr> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Address(address) if address.is_ipv6() == ipv6 => Some(*address),
            _ => None,
        })
        .collect()
}
