//! The problems that there are, and since when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::clock::rfc3339;

/// A count of losses is a problem until it has not risen for so long.
const CALM_AFTER: Duration = Duration::from_secs(600);

/// One problem, as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = HealthProblem)]
pub(crate) struct Problem {
    /// `store`, `webhook crm`, `certificate listener public-tls`.
    pub(crate) what: String,
    pub(crate) detail: String,
    pub(crate) since: String,
}

/// Problems by group and name.
#[derive(Debug, Default)]
pub(super) struct Board(BTreeMap<(&'static str, String), (String, SystemTime)>);

impl Board {
    /// Says that something is a problem, or is none any more.
    pub(super) fn set(&mut self, what: &'static str, detail: Option<String>) {
        let found = detail.map(|detail| (what.to_owned(), detail));
        self.replace(what, found.into_iter().collect());
    }

    /// Makes the problems of a group be these: those that stay keep their time.
    pub(super) fn replace(&mut self, group: &'static str, found: Vec<(String, String)>) {
        let now = SystemTime::now();
        let mut before = std::mem::take(&mut self.0);
        for (what, detail) in found {
            let key = (group, what);
            let since = before.get(&key).map_or(now, |(_, since)| *since);
            self.0.insert(key, (detail, since));
        }
        before.retain(|(of, _), _| *of != group);
        self.0.append(&mut before);
    }

    /// Replaces a group and answers it.
    pub(super) fn with_since(
        &mut self,
        group: &'static str,
        found: Vec<(String, String)>,
    ) -> Vec<Problem> {
        self.replace(group, found);
        self.told(|of| of == group)
    }

    /// All but those of [`Board::with_since`].
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.told(|of| of != "signalling")
    }

    fn told(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Problem> {
        let wanted = self.0.iter().filter(|((of, _), _)| is_wanted(of));
        let told = wanted.map(|((_, what), (detail, since))| Problem {
            what: what.clone(),
            detail: detail.clone(),
            since: rfc3339(*since),
        });
        told.collect()
    }
}

/// A count that should not rise.
#[derive(Debug, Default)]
pub(super) struct Rising {
    value: u64,
    rose: Option<Instant>,
}

impl Rising {
    /// Whether it has risen lately.
    pub(super) fn observe(&mut self, value: u64, now: Instant) -> bool {
        if value > self.value {
            (self.value, self.rose) = (value, Some(now));
        }
        self.rose
            .is_some_and(|rose| now.saturating_duration_since(rose) < CALM_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_time_while_it_lasts_and_goes_with_its_cause() {
        let mut board = Board::default();
        board.replace("webhook", vec![("webhook a".to_owned(), "1".to_owned())]);
        board.set("store", Some("full".to_owned()));
        let since = board.problems()[1].since.clone();
        std::thread::sleep(Duration::from_millis(3));
        board.replace("webhook", vec![("webhook a".to_owned(), "2".to_owned())]);
        let problems = board.problems();
        assert_eq!(
            (problems[1].detail.as_str(), &problems[1].since),
            ("2", &since)
        );
        board.replace("webhook", Vec::new());
        board.set("store", None);
        assert_eq!(board.problems(), []);
    }

    #[test]
    fn losses_are_a_problem_until_they_have_ended_for_a_while() {
        let (mut rising, start) = (Rising::default(), Instant::now());
        assert!(!rising.observe(0, start));
        assert!(rising.observe(3, start));
        assert!(rising.observe(3, start + Duration::from_secs(599)));
        assert!(!rising.observe(3, start + CALM_AFTER));
    }
}
