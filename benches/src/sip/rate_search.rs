//! The highest rate of calls, searched by trials.

use std::time::Duration;

use anyhow::Result;

use super::contender::{Bench, Edge, Who};
use super::generator::Generator;
use super::load::{Load, Outcome};
use super::scenario::Scenario;

/// From the ACK to the BYE. Calls are short: it is their number that counts.
pub const TALK: Duration = Duration::from_millis(50);
/// Under 0.01 % of calls may fail.
const TOLERATED: f64 = 1e-4;
/// Calls must end as fast as they begin; less means a queue that grows.
const KEPT_UP: f64 = 0.98;
/// A rate is too much when so many trials of it failed that the host did not disturb ...
const UNDISTURBED_TRIALS: usize = 2;
/// ... or so many whatever the host did.
const TRIALS: usize = 4;
/// Until a rate is too much, each is so much more than the one before.
const GROWTH: f64 = 1.5;
/// What a fresh contender gets before its first trial.
const WARM_UP: Load = Load {
    rate: 200.0,
    time: Duration::from_millis(500),
    talk: TALK,
};

/// How to search.
#[derive(Clone, Copy)]
pub struct Search {
    pub first: f64,
    /// How long calls are begun in a trial.
    pub time: Duration,
    /// When what is known to work and what is not are that close together.
    pub precision: f64,
}

/// The best trial.
#[derive(Default)]
pub struct Found {
    pub rate: f64,
    pub outcome: Outcome,
}

impl Search {
    pub fn by(bench: &Bench<'_>, first: f64) -> Search {
        let (time, precision) = match bench.is_quick {
            true => (Duration::from_millis(1200), 1.12),
            false => (Duration::from_secs(3), 1.05),
        };
        Search {
            first,
            time,
            precision,
        }
    }

    /// Of a contender, which is started anew after each trial that failed.
    pub fn run(&self, bench: &Bench<'_>, who: Who, scenario: Scenario) -> Result<Found> {
        let mut edge: Option<Box<dyn Edge>> = None;
        let found = self.search(|rate| {
            if edge.is_none() {
                edge = Some(bench.start(who, scenario)?);
                let mut generator = bench.generator(scenario)?;
                bench.run(&mut generator, &WARM_UP)?;
            }
            let outcome = self.trial(bench, bench.generator(scenario)?, rate)?;
            if !passes(&outcome) {
                edge = None;
            }
            Ok(outcome)
        })?;
        Ok(found)
    }

    /// Of the generator itself.
    pub fn run_back_to_back(&self, bench: &Bench<'_>) -> Result<Found> {
        self.search(|rate| self.trial(bench, bench.back_to_back()?, rate))
    }

    fn trial(&self, bench: &Bench<'_>, mut generator: Generator, rate: f64) -> Result<Outcome> {
        let load = Load {
            rate,
            time: self.time,
            talk: TALK,
        };
        let outcome = bench.run(&mut generator, &load)?;
        eprintln!(
            "[bench]   {rate:.0} calls/s: {} of {} whole, {:.1} % kept up, generator {:.0} % busy, slowed {:.2} times{}{}",
            outcome.completed,
            outcome.offered,
            100.0 * outcome.kept_up,
            100.0 * outcome.busy,
            outcome.slowdown.0,
            if outcome.refused.is_empty() {
                String::new()
            } else {
                format!(", refused {:?}", outcome.refused)
            },
            match (outcome.sent_again, outcome.faults) {
                (0, 0) => String::new(),
                (again, faults) => format!(", {again} sent again, {faults} faults"),
            }
        );
        Ok(outcome)
    }

    fn search(&self, mut trial: impl FnMut(f64) -> Result<Outcome>) -> Result<Found> {
        let mut found = Found::default();
        let (mut rate, mut too_much) = (self.first, f64::INFINITY);
        while too_much > found.rate * self.precision && rate >= 1.0 {
            match passing(rate, &mut trial)? {
                Some(outcome) => found = Found { rate, outcome },
                None => too_much = rate,
            }
            rate = match too_much.is_finite() {
                true if found.rate == 0.0 => too_much / 2.0,
                true => (found.rate + too_much) / 2.0,
                false => rate * GROWTH,
            };
        }
        Ok(found)
    }
}

/// The first trial of that rate that passes, if one does.
fn passing(rate: f64, trial: &mut impl FnMut(f64) -> Result<Outcome>) -> Result<Option<Outcome>> {
    let mut undisturbed = 0;
    for _ in 0..TRIALS {
        let outcome = trial(rate)?;
        if passes(&outcome) {
            return Ok(Some(outcome));
        }
        undisturbed += usize::from(!outcome.slowdown.is_disturbance());
        if undisturbed == UNDISTURBED_TRIALS {
            break;
        }
    }
    Ok(None)
}

fn passes(outcome: &Outcome) -> bool {
    let failed = outcome.failed() as f64;
    failed < TOLERATED * outcome.offered as f64 && outcome.kept_up >= KEPT_UP
}

#[cfg(test)]
mod tests {
    use super::super::pace::Slowdown;
    use super::*;

    fn outcome(offered: u64, completed: u64, kept_up: f64) -> Outcome {
        Outcome {
            offered,
            completed,
            kept_up,
            ..Outcome::default()
        }
    }

    #[test]
    fn a_trial_passes_if_next_to_nothing_fails_and_no_queue_grows() {
        assert!(passes(&outcome(5000, 5000, 1.0)));
        assert!(!passes(&outcome(5000, 4999, 1.0)));
        assert!(passes(&outcome(20_000, 19_999, 1.0)));
        assert!(!passes(&outcome(5000, 5000, 0.97)));
    }

    #[test]
    fn the_search_ends_near_the_limit_from_either_side() {
        for first in [100.0, 900.0, 5000.0] {
            let search = Search {
                first,
                time: Duration::from_secs(1),
                precision: 1.05,
            };
            let found = search
                .search(|rate| Ok(outcome(100, 100, if rate < 1000.0 { 1.0 } else { 0.5 })))
                .unwrap();
            assert!(found.rate > 940.0 && found.rate < 1000.0, "{}", found.rate);
        }
    }

    #[test]
    fn a_trial_that_the_host_disturbs_does_not_end_the_search() {
        let search = Search {
            first: 500.0,
            time: Duration::from_secs(1),
            precision: 1.05,
        };
        let mut trials = 0;
        let mut limit = |is_told: bool| {
            let found = search.search(|rate| {
                trials += 1;
                // Two of three.
                let is_disturbed = trials % 3 != 0;
                let is_carried = rate < 1000.0 && !is_disturbed;
                Ok(Outcome {
                    slowdown: Slowdown(if is_disturbed && is_told { 1.5 } else { 1.0 }),
                    ..outcome(100, 100, if is_carried { 1.0 } else { 0.5 })
                })
            });
            found.unwrap().rate
        };
        let found = limit(true);
        assert!(found > 940.0 && found < 1000.0, "{found}");
        let blamed = limit(false);
        assert!(blamed < 940.0, "{blamed}");
    }

    #[test]
    fn a_search_ends_on_a_host_that_disturbs_all_of_it() {
        let search = Search {
            first: 500.0,
            time: Duration::from_secs(1),
            precision: 1.05,
        };
        let mut trials = 0;
        let found = search.search(|rate| {
            trials += 1;
            Ok(Outcome {
                slowdown: Slowdown(2.0),
                ..outcome(100, 100, if rate < 100.0 { 1.0 } else { 0.5 })
            })
        });
        assert!(found.unwrap().rate > 90.0);
        assert!(trials < 100, "{trials}");
    }
}
