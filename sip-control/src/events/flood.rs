//! A bound on events that strangers can cause: a flood of them fills neither the store nor the
//! screens of those who watch. What is left out is counted, and told.

use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);

/// Most events of a kind in each second; `None`: as many as calls cause. Whatever is bounded here,
/// anybody can send.
fn per_second(kind: &str) -> Option<u32> {
    match kind {
        "malformed"
        | "authentication_failed"
        | "server_name_mismatch"
        | "tls_failed"
        | "registration_refused"
        | "message_refused"
        | "request_refused"
        | "reinvite_refused"
        | "transfer_refused" => Some(20),
        // Refusals of strangers are bounded by signalling; what is told above that are a trunk's own.
        "call_refused" | "peer_unreachable" | "target_failed" => Some(200),
        // Those of all calls: who acts on them must have them.
        "digit" => Some(1000),
        _ => None,
    }
}

/// Counts events by kind.
#[derive(Debug, Default)]
pub(super) struct Floods(Vec<Flood>);

#[derive(Debug)]
struct Flood {
    kind: &'static str,
    began: Instant,
    admitted: u32,
    left_out: u64,
}

impl Floods {
    /// Whether an event of that kind is told.
    pub(super) fn admit(&mut self, kind: &'static str, now: Instant) -> bool {
        let Some(most) = per_second(kind) else {
            return true;
        };
        let place = self.0.iter().position(|flood| flood.kind == kind);
        let place = place.unwrap_or_else(|| {
            self.0.push(Flood {
                kind,
                began: now,
                admitted: 0,
                left_out: 0,
            });
            self.0.len() - 1
        });
        let flood = &mut self.0[place];
        if now.saturating_duration_since(flood.began) >= WINDOW {
            (flood.began, flood.admitted) = (now, 0);
        }
        if flood.admitted == most {
            flood.left_out += 1;
            return false;
        }
        flood.admitted += 1;
        true
    }

    /// What was left out in windows that are over, by kind; told once.
    pub(super) fn take_left_out(&mut self, now: Instant) -> Vec<(&'static str, u64)> {
        let over = |flood: &&mut Flood| {
            flood.left_out > 0 && now.saturating_duration_since(flood.began) >= WINDOW
        };
        let over = self.0.iter_mut().filter(over);
        over.map(|flood| (flood.kind, std::mem::take(&mut flood.left_out)))
            .collect()
    }

    /// Whether [`Floods::take_left_out`] will have something.
    pub(super) fn are_waiting(&self) -> bool {
        self.0.iter().any(|flood| flood.left_out > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_cut_and_counted_and_others_pass() {
        let (mut floods, start) = (Floods::default(), Instant::now());
        let admitted = (0..1000)
            .filter(|_| floods.admit("malformed", start))
            .count();
        assert_eq!(admitted, 20);
        assert!((0..1000).all(|_| floods.admit("call_started", start)));
        assert!(floods.admit("call_refused", start));
        assert!(
            floods.take_left_out(start).is_empty(),
            "the second is not over"
        );
        assert_eq!(floods.take_left_out(start + WINDOW), [("malformed", 980)]);
        assert!(!floods.are_waiting());
        assert!(floods.admit("malformed", start + WINDOW));
    }
}
