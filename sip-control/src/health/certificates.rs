//! Certificates that expire: told at 30, 14, 7 and 1 days, and when they have.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::clock::rfc3339;
use crate::events::{Event, kind};
use crate::transport::tls::CertificateFacts;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days that are left when it is told, the most first; 0: it has expired.
const TOLD_AT: [u64; 5] = [30, 14, 7, 1, 0];
/// From there on it is a problem of the daemon's health.
const PROBLEM_DAYS: u64 = 14;

/// Watches certificates.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    pub(super) certificates: Vec<CertificateFacts>,
    /// What was told last of each, by who uses it and until when it is valid.
    told: HashMap<(String, SystemTime), u64>,
}

impl Expiry {
    /// What is to be told now: of each certificate the latest threshold that was passed, once. A clock
    /// that is set to and fro tells nothing twice.
    pub(super) fn look(&mut self) -> Vec<Event> {
        self.look_at(SystemTime::now())
    }

    fn look_at(&mut self, now: SystemTime) -> Vec<Event> {
        let mut events = Vec::new();
        for facts in &self.certificates {
            let Some(not_after) = facts.not_after else {
                continue;
            };
            let Some(threshold) = threshold(not_after, now) else {
                continue;
            };
            let key = (facts.used_by.clone(), not_after);
            let is_told = self.told.get(&key).is_some_and(|told| *told <= threshold);
            if !is_told {
                self.told.insert(key, threshold);
                events.push(event(facts, not_after, now));
            }
        }
        let used = &self.certificates;
        self.told.retain(|(used_by, not_after), _| {
            used.iter()
                .any(|facts| facts.used_by == *used_by && facts.not_after == Some(*not_after))
        });
        events
    }

    pub(super) fn problems(&self) -> Vec<(String, String)> {
        let now = SystemTime::now();
        let expiring = self.certificates.iter().filter_map(|facts| {
            let not_after = facts.not_after?;
            threshold(not_after, now).filter(|days| *days <= PROBLEM_DAYS)?;
            Some((
                format!("certificate {}", facts.used_by),
                text(not_after, now),
            ))
        });
        expiring.collect()
    }
}

/// The least of the thresholds that has been passed.
fn threshold(not_after: SystemTime, now: SystemTime) -> Option<u64> {
    let Ok(left) = not_after.duration_since(now) else {
        return Some(0);
    };
    let passed = TOLD_AT
        .into_iter()
        .filter(|days| *days > 0 && left <= DAY.saturating_mul(u32::try_from(*days).unwrap_or(0)));
    passed.min()
}

fn text(not_after: SystemTime, now: SystemTime) -> String {
    let until = rfc3339(not_after);
    match not_after.duration_since(now) {
        Ok(left) => format!(
            "expires in {} days, at {until}",
            left.as_secs() / DAY.as_secs()
        ),
        Err(_) => format!("has expired at {until}"),
    }
}

fn event(facts: &CertificateFacts, not_after: SystemTime, now: SystemTime) -> Event {
    let left = not_after.duration_since(now).unwrap_or_default();
    let words = format!(
        "the certificate of {} {}",
        facts.used_by,
        text(not_after, now)
    );
    Event::new(kind::CERTIFICATE_EXPIRING, words)
        .with("used_by", facts.used_by.as_str())
        .with("names", facts.names.clone())
        .with("not_after", rfc3339(not_after))
        .with("days_left", left.as_secs() / DAY.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(not_after: SystemTime) -> CertificateFacts {
        CertificateFacts {
            used_by: "listener public-tls".to_owned(),
            names: vec!["sip.example.com".to_owned()],
            key: "ECDSA P-256".to_owned(),
            not_after: Some(not_after),
        }
    }

    #[test]
    fn ops_3_an_expiry_is_told_at_each_threshold_and_once() {
        let end = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let mut expiry = Expiry {
            certificates: vec![facts(end)],
            ..Expiry::default()
        };
        let mut told = Vec::new();
        // A look at each hour of the last forty days and two more.
        for hours in (0..=42 * 24).rev() {
            let now = end + DAY * 2 - Duration::from_secs(3600) * hours;
            told.extend(expiry.look_at(now).into_iter().map(|event| {
                event
                    .data
                    .get("days_left")
                    .and_then(serde_json::Value::as_u64)
                    .unwrap()
            }));
        }
        assert_eq!(told, [30, 14, 7, 1, 0]);
    }

    #[test]
    fn ops_3_a_clock_that_jumps_tells_nothing_twice_and_a_new_certificate_begins_anew() {
        let end = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let mut expiry = Expiry {
            certificates: vec![facts(end)],
            ..Expiry::default()
        };
        assert_eq!(expiry.look_at(end - DAY * 5).len(), 1);
        for days in [20, 5, 400, 6] {
            assert_eq!(
                expiry.look_at(end - DAY * days).len(),
                0,
                "{days} days before"
            );
        }
        expiry.certificates = vec![facts(end + DAY)];
        assert_eq!(expiry.look_at(end - DAY * 5).len(), 1);
    }
}
