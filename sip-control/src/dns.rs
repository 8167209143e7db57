//! Names to addresses, by the operating system's resolver (A and AAAA alone; RFC 3263 section 4.2).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sip_core::transport::Host;
use tokio::time::timeout;

/// The system's resolver tells no TTL; this is short enough for a peer that moves.
const KEPT: Duration = Duration::from_secs(30);
/// How long expired addresses go on after a lookup that failed.
const STALE_KEPT: Duration = Duration::from_secs(10);
/// Each call to a name that does not exist would ask again, a burst of calls all at once.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
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

/// What is known of a name.
struct Entry {
    until: Instant,
    outcome: Outcome,
    /// Held by the one who asks.
    asking: Arc<AskingLock>,
}

type Outcome = Result<Vec<IpAddr>, LookupError>;
type AskingLock = tokio::sync::Mutex<()>;

/// Resolves and remembers for half a minute. A name is asked for once at a time, a failure is
/// remembered for a moment, and where the resolver fails its last good answer goes on.
#[derive(Default)]
pub(crate) struct Resolver {
    kept: Mutex<HashMap<String, Entry>>,
}

impl Resolver {
    /// The addresses of one family, if they are known without asking.
    pub(crate) fn known(&self, host: &Host, ipv6: bool) -> Option<Vec<IpAddr>> {
        match host {
            Host::Address(address) => Some(vec![*address]),
            Host::Name(name) => {
                let addresses = self.remembered(name)?.ok()?;
                Some(of_family(&addresses, ipv6))
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
            Host::Name(name) => of_family(&self.resolve(name).await?, ipv6),
        };
        match addresses.is_empty() {
            true => Err(LookupError::NoAddress {
                name: host.to_string(),
                ipv6,
            }),
            false => Ok(addresses),
        }
    }

    async fn resolve(&self, name: &str) -> Outcome {
        if let Some(outcome) = self.remembered(name) {
            return outcome;
        }
        let asking = self.asking(name);
        let _asking = asking.lock().await;
        // Whoever asked meanwhile may have the answer.
        if let Some(outcome) = self.remembered(name) {
            return outcome;
        }
        let outcome = ask(name).await;
        self.remember(name, outcome)
    }

    /// What the last lookup found, if it is recent.
    fn remembered(&self, name: &str) -> Option<Outcome> {
        let kept = self.kept();
        let entry = kept.get(name)?;
        (entry.until > Instant::now()).then(|| entry.outcome.clone())
    }

    /// The lock under which that name is asked for.
    fn asking(&self, name: &str) -> Arc<AskingLock> {
        let mut kept = self.kept();
        if kept.len() >= MOST_KEPT && !kept.contains_key(name) {
            kept.clear();
        }
        let entry = kept.entry(name.to_owned()).or_insert_with(|| Entry {
            until: Instant::now(),
            outcome: Ok(Vec::new()),
            asking: Arc::default(),
        });
        Arc::clone(&entry.asking)
    }

    /// Keeps what was found, or else what was found before; answers what is kept.
    fn remember(&self, name: &str, found: Outcome) -> Outcome {
        let mut kept = self.kept();
        let Some(entry) = kept.get_mut(name) else {
            return found;
        };
        let now = Instant::now();
        match (&found, &entry.outcome) {
            (Ok(_), _) => (entry.until, entry.outcome) = (now + KEPT, found),
            (Err(error), Ok(addresses)) if !addresses.is_empty() => {
                tracing::warn!("{error}; its last known addresses are used");
                entry.until = now + STALE_KEPT;
            }
            (Err(_), _) => (entry.until, entry.outcome) = (now + FAILURE_KEPT, found),
        }
        entry.outcome.clone()
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask(name: &str) -> Outcome {
    let failed = |reason: String| LookupError::Failed {
        name: name.to_owned(),
        reason,
    };
    let found = timeout(LONGEST_LOOKUP, tokio::net::lookup_host((name, 0)))
        .await
        .map_err(|_| failed("no answer in time".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    Ok(found.map(|address| address.ip()).collect())
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

    /// A resolver that knew `name` once.
    fn with_expired(name: &str, address: IpAddr) -> Resolver {
        let resolver = Resolver::default();
        resolver.asking(name);
        resolver.remember(name, Ok(vec![address])).unwrap();
        resolver.kept().get_mut(name).unwrap().until = Instant::now();
        resolver
    }

    #[tokio::test]
    async fn an_expired_answer_serves_while_the_resolver_fails() {
        let (name, address) = ("nothing-here.invalid", IpAddr::from([192, 0, 2, 1]));
        let resolver = with_expired(name, address);
        let host = Host::Name(name.to_owned());
        assert_eq!(resolver.known(&host, false), None);
        assert_eq!(resolver.addresses(&host, false).await, Ok(vec![address]));
        assert_eq!(resolver.known(&host, false), Some(vec![address]));
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_a_moment_only() {
        let resolver = Resolver::default();
        let name = "nothing-here.invalid";
        let failure = resolver.resolve(name).await.unwrap_err();
        assert_eq!(resolver.remembered(name), Some(Err(failure)));
        let until = resolver.kept()[name].until;
        assert!(until <= Instant::now() + FAILURE_KEPT);
    }

    #[tokio::test]
    async fn who_asks_while_a_name_is_asked_for_shares_the_answer() {
        // Whoever asked for this one himself would get an error.
        let name = "nothing-here.invalid";
        let resolver = Resolver::default();
        let lock = resolver.asking(name);
        let first = lock.lock().await;
        let answer = async {
            tokio::task::yield_now().await;
            resolver
                .remember(name, Ok(vec![[192, 0, 2, 1].into()]))
                .unwrap();
            drop(first);
        };
        let (one, other, ()) = tokio::join!(resolver.resolve(name), resolver.resolve(name), answer);
        assert_eq!(one, Ok(vec![[192, 0, 2, 1].into()]));
        assert_eq!(one, other);
    }
}
