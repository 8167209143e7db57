//! Names to addresses: A and AAAA for hosts that peers name, NAPTR and SRV before that for targets
//! (RFC 3263).

mod locate;
mod records;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sip_core::transport::Host;
use tokio::time::timeout;

use self::records::{Client, Found, Kind, Record};

/// How long expired records go on after a lookup that failed.
const STALE_KEPT: Duration = Duration::from_secs(10);
/// Each call to a name that does not exist would ask again, a burst of calls all at once.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// A name that takes longer would cost the transaction its retransmissions.
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);
/// More names than trunks have is a sign of names made up by peers.
const MOST_KEPT: usize = 4096;

/// Why a name has no address that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("{name} cannot be resolved: {reason}")]
    Failed { name: String, reason: String },
    #[error("{name} has no {} address", if *.ipv6 { "IPv6" } else { "IPv4" })]
    NoAddress { name: String, ipv6: bool },
}

/// What is known of a name.
struct Entry {
    until: Instant,
    outcome: Outcome,
    /// Held by the one who asks.
    asking: Arc<AskingLock>,
}

type Question = (String, Kind);
type Outcome = Result<Vec<Record>, LookupError>;
type AskingLock = tokio::sync::Mutex<()>;

/// Resolves, and remembers as long as the records hold. A name is asked for once at a time, a
/// failure is remembered for a moment, and where nobody answers the last good answer goes on.
pub(crate) struct Resolver {
    client: Client,
    kept: Mutex<HashMap<Question, Entry>>,
}

impl Resolver {
    /// Asks those name servers; without any, the system's. Must be called within a runtime.
    pub(crate) fn new(servers: &[SocketAddr]) -> Resolver {
        Resolver {
            client: Client::new(servers),
            kept: Mutex::default(),
        }
    }

    /// The addresses of one family, if they are known without asking.
    pub(crate) fn known(&self, host: &Host, ipv6: bool) -> Option<Vec<IpAddr>> {
        match host {
            Host::Address(address) => Some(vec![*address]),
            Host::Name(name) => {
                let question = (name.clone(), Kind::Addresses);
                let records = self.remembered(&question)?.ok()?;
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
        if let Some(outcome) = self.remembered(&question) {
            return outcome;
        }
        let asking = self.asking(&question);
        let _asking = asking.lock().await;
        // Whoever asked meanwhile may have the answer.
        if let Some(outcome) = self.remembered(&question) {
            return outcome;
        }
        let found = timeout(LONGEST_LOOKUP, self.client.ask(name, kind))
            .await
            .unwrap_or_else(|_| Err("no answer in time".to_owned()));
        self.remember(&question, found)
    }

    /// What the last lookup found, if it still holds.
    fn remembered(&self, question: &Question) -> Option<Outcome> {
        let kept = self.kept();
        let entry = kept.get(question)?;
        (entry.until > Instant::now()).then(|| entry.outcome.clone())
    }

    /// The lock under which that is asked.
    fn asking(&self, question: &Question) -> Arc<AskingLock> {
        let mut kept = self.kept();
        if kept.len() >= MOST_KEPT && !kept.contains_key(question) {
            kept.clear();
        }
        let entry = kept.entry(question.clone()).or_insert_with(|| Entry {
            until: Instant::now(),
            outcome: Ok(Vec::new()),
            asking: Arc::default(),
        });
        Arc::clone(&entry.asking)
    }

    /// Keeps what was found, or else what was found before; answers what is kept.
    fn remember(&self, question: &Question, found: Result<Found, String>) -> Outcome {
        let now = Instant::now();
        let (outcome, until) = match found {
            Ok((records, until)) => (Ok(records), until),
            Err(reason) => {
                let name = question.0.clone();
                (
                    Err(LookupError::Failed { name, reason }),
                    now + FAILURE_KEPT,
                )
            }
        };
        let mut kept = self.kept();
        let Some(entry) = kept.get_mut(question) else {
            return outcome;
        };
        match (&outcome, &entry.outcome) {
            (Err(error), Ok(records)) if !records.is_empty() => {
                tracing::warn!("{error}; what was last known is used");
                entry.until = now + STALE_KEPT;
            }
            _ => (entry.until, entry.outcome) = (until, outcome),
        }
        entry.outcome.clone()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Question, Entry>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
