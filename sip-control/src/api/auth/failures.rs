//! Wrong tokens: each is answered later than the one before, by the address that it came from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// Who has made no mistake for so long begins anew.
const MEMORY: Duration = Duration::from_secs(300);
/// Mistakes of one address that are being answered; those beyond it are refused at once.
const MOST_WAITING: u32 = 16;
/// Addresses that are remembered.
const MOST_SOURCES: usize = 4096;

#[derive(Default)]
pub(super) struct Failures(Mutex<HashMap<Option<IpAddr>, Source>>);

struct Source {
    failures: u32,
    waiting: u32,
    latest: Instant,
}

impl Failures {
    /// Waits for as long as the answer to a wrong token has to.
    ///
    /// # Errors
    /// So many of that address wait that this one is not waited with; in how many seconds it may
    /// come again.
    pub(super) async fn punish(&self, source: Option<IpAddr>) -> Result<(), u32> {
        let source = source.map(one_host);
        let delay = self.begin(source)?;
        // Left again even if the client does not wait.
        let _waiting = Waiting {
            failures: self,
            source,
        };
        sleep(delay).await;
        Ok(())
    }

    fn begin(&self, source: Option<IpAddr>) -> Result<Duration, u32> {
        let now = Instant::now();
        let mut sources = self.lock();
        if sources.len() >= MOST_SOURCES && !sources.contains_key(&source) {
            make_room(&mut sources, now);
        }
        let entry = sources.entry(source).or_insert(Source {
            failures: 0,
            waiting: 0,
            latest: now,
        });
        if now.saturating_duration_since(entry.latest) > MEMORY {
            entry.failures = 0;
        }
        entry.latest = now;
        entry.failures = entry.failures.saturating_add(1);
        if entry.waiting >= MOST_WAITING {
            return Err(u32::try_from(LONGEST_DELAY.as_secs()).unwrap_or(1));
        }
        entry.waiting += 1;
        // Doubled for each; six doublings reach the longest.
        let doublings = entry.failures.saturating_sub(1).min(10);
        Ok(FIRST_DELAY
            .saturating_mul(1 << doublings)
            .min(LONGEST_DELAY))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Source>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets who is forgiven, or else who made the oldest mistake.
fn make_room(sources: &mut HashMap<Option<IpAddr>, Source>, now: Instant) {
    sources.retain(|_, source| {
        source.waiting > 0 || now.saturating_duration_since(source.latest) <= MEMORY
    });
    if sources.len() >= MOST_SOURCES {
        let oldest = sources.iter().min_by_key(|(_, source)| source.latest);
        if let Some(oldest) = oldest.map(|(source, _)| *source) {
            sources.remove(&oldest);
        }
    }
}

struct Waiting<'a> {
    failures: &'a Failures,
    source: Option<IpAddr>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(source) = self.failures.lock().get_mut(&self.source) {
            source.waiting = source.waiting.saturating_sub(1);
        }
    }
}

/// What one host may choose freely: with IPv6 any address of its /64 (RFC 4291 section 2.5.1).
fn one_host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            const NETWORK: u128 = !0 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NETWORK))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn delay(failures: &Failures, source: &str) -> Duration {
        let begun = Instant::now();
        let source = source.parse().unwrap();
        failures.punish(Some(source)).await.unwrap();
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_wrong_token_of_an_address_is_answered_later_until_it_is_forgiven() {
        let failures = Failures::default();
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(delay(&failures, "192.0.2.1").await.as_millis());
        }
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        let other = delay(&failures, "192.0.2.2").await;
        assert_eq!(other, FIRST_DELAY);
        sleep(MEMORY * 2).await;
        assert_eq!(delay(&failures, "192.0.2.1").await, FIRST_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_does_not_escape_by_another_of_its_addresses() {
        let failures = Failures::default();
        delay(&failures, "2001:db8::1").await;
        assert_eq!(delay(&failures, "2001:db8::2").await, FIRST_DELAY * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_are_not_waited_with() {
        let failures = std::sync::Arc::new(Failures::default());
        let source = Some(IpAddr::from([192, 0, 2, 1]));
        let mut tries = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let failures = std::sync::Arc::clone(&failures);
            tries.spawn(async move { failures.punish(source).await.is_ok() });
        }
        let waited = tries.join_all().await.into_iter().filter(|waited| *waited);
        assert_eq!(waited.count(), MOST_WAITING as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let failures = Failures::default();
        for host in 0..u32::try_from(MOST_SOURCES).unwrap() + 100 {
            let source = IpAddr::from(host.to_be_bytes());
            let _ = failures.begin(Some(source));
        }
        assert!(failures.lock().len() <= MOST_SOURCES);
    }
}
