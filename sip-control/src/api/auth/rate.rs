//! How much one token may ask for: a bucket of its own for each (as TRK-6 has one for each trunk).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Far more than a console or a billing system asks for; a loop that has gone mad asks for more.
const PER_SECOND: f64 = 2000.0;
const BURST: f64 = 4000.0;
/// Tokens are made by administrators; this is only for order.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Rates(Mutex<HashMap<String, Bucket>>);

struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    /// # Errors
    /// Nothing is left; in how many seconds there will be.
    pub(super) fn take(&self, name: &str) -> Result<(), u32> {
        let now = Instant::now();
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get_mut(name) else {
            if buckets.len() >= MOST {
                buckets.clear();
            }
            let left = BURST - 1.0;
            buckets.insert(name.to_owned(), Bucket { left, at: now });
            return Ok(());
        };
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * PER_SECOND).min(BURST);
        bucket.at = now;
        if bucket.left < 1.0 {
            return Err(1);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_that_asks_without_end_is_slowed_down_and_no_other() {
        let rates = Rates::default();
        let taken = (0..10_000).filter(|_| rates.take("mad").is_ok()).count();
        assert_eq!(taken, 4000);
        assert_eq!(rates.take("mad"), Err(1));
        assert_eq!(rates.take("other"), Ok(()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(rates.take("mad"), Ok(()));
    }
}
