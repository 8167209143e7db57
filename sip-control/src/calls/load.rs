//! What each trunk carries: calls that are up, and how many begin.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use sip_core::stack::LegRecord;

use super::{Live, lock};

/// Seconds that the rate of calls is of.
const SECONDS: u64 = 10;

/// What a trunk carries now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TrunkLoad {
    /// Live calls, of either side.
    pub(crate) calls: usize,
    /// Calls that began, of the last ten seconds; refused ones that have a record too.
    pub(crate) calls_per_second: f64,
}

/// What all trunks carry, counted call by call as they come and go.
#[derive(Default)]
pub(super) struct Loads {
    /// Calls that are up, by trunk in lower case; none has 0.
    up: HashMap<String, usize>,
    starts: Starts,
}

/// Calls that began in each of the latest seconds, by trunk in lower case.
struct Starts {
    began: Instant,
    seconds: VecDeque<(u64, HashMap<String, u32>)>,
}

impl Default for Starts {
    fn default() -> Starts {
        Starts {
            began: Instant::now(),
            seconds: VecDeque::new(),
        }
    }
}

impl Starts {
    /// A call of these legs begins.
    fn count<'a>(&mut self, legs: impl IntoIterator<Item = &'a LegRecord>, now: Instant) {
        let second = self.forget_old(now);
        if self.seconds.back().is_none_or(|(last, _)| *last != second) {
            self.seconds.push_back((second, HashMap::new()));
        }
        if let Some((_, counts)) = self.seconds.back_mut() {
            for trunk in trunks(legs) {
                *counts.entry(trunk).or_default() += 1;
            }
        }
    }

    fn forget_old(&mut self, now: Instant) -> u64 {
        let second = now.saturating_duration_since(self.began).as_secs();
        while self
            .seconds
            .front()
            .is_some_and(|(first, _)| first + SECONDS <= second)
        {
            self.seconds.pop_front();
        }
        second
    }

    fn rates(&mut self, now: Instant) -> HashMap<String, f64> {
        self.forget_old(now);
        let mut rates: HashMap<String, f64> = HashMap::new();
        for (trunk, count) in self.seconds.iter().flat_map(|(_, counts)| counts) {
            *rates.entry(trunk.clone()).or_default() += f64::from(*count) / SECONDS as f64;
        }
        rates
    }
}

impl Loads {
    /// A call is up from now on.
    pub(super) fn begins(&mut self, legs: &[LegRecord], now: Instant) {
        self.starts.count(legs, now);
        for trunk in trunks(legs) {
            *self.up.entry(trunk).or_default() += 1;
        }
    }

    /// Its legs are others now.
    pub(super) fn changes(&mut self, old: &[LegRecord], new: &[LegRecord]) {
        let name = |leg: &LegRecord| leg.trunk.clone();
        if !old.iter().map(name).eq(new.iter().map(name)) {
            self.ends(old);
            for trunk in trunks(new) {
                *self.up.entry(trunk).or_default() += 1;
            }
        }
    }

    /// A call was up until now.
    pub(super) fn ends(&mut self, legs: &[LegRecord]) {
        for trunk in trunks(legs) {
            if let Entry::Occupied(mut calls) = self.up.entry(trunk) {
                *calls.get_mut() -= 1;
                if *calls.get() == 0 {
                    calls.remove();
                }
            }
        }
    }

    /// A call began and is over already.
    pub(super) fn passes<'a>(
        &mut self,
        legs: impl IntoIterator<Item = &'a LegRecord>,
        now: Instant,
    ) {
        self.starts.count(legs, now);
    }
}

impl Live {
    /// What the trunks carry, by their names in lower case; those that carry nothing are absent.
    pub(crate) fn load(&self) -> HashMap<String, TrunkLoad> {
        self.settle();
        let mut counted = lock(&self.loads);
        let load = |(trunk, calls): (&String, &usize)| {
            let load = TrunkLoad {
                calls: *calls,
                ..TrunkLoad::default()
            };
            (trunk.clone(), load)
        };
        let mut loads: HashMap<String, TrunkLoad> = counted.up.iter().map(load).collect();
        for (trunk, rate) in counted.starts.rates(Instant::now()) {
            loads.entry(trunk).or_default().calls_per_second = (rate * 10.0).round() / 10.0;
        }
        loads
    }
}

/// Each once.
fn trunks<'a>(legs: impl IntoIterator<Item = &'a LegRecord>) -> Vec<String> {
    let names = legs.into_iter().filter_map(|leg| leg.trunk.as_ref());
    let mut trunks: Vec<String> = names.map(|name| name.to_ascii_lowercase()).collect();
    trunks.dedup();
    trunks
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sip_core::transport::Transport;

    use super::*;

    fn leg(trunk: &str) -> LegRecord {
        LegRecord {
            sip_call_id: String::new(),
            user: None,
            trunk: Some(trunk.to_owned()),
            transport: Transport::Udp,
            remote: None,
            profile: None,
            suite: None,
        }
    }

    #[test]
    fn ops_1_calls_are_counted_as_they_come_go_and_move_between_trunks() {
        let mut loads = Loads::default();
        let now = Instant::now();
        let up = |loads: &Loads, trunk: &str| loads.up.get(trunk).copied();
        let (first, second) = ([leg("Carrier"), leg("pbx")], [leg("carrier"), leg("spare")]);
        loads.begins(&first, now);
        loads.begins(&second, now);
        assert_eq!(
            ["carrier", "pbx", "spare"].map(|trunk| up(&loads, trunk)),
            [Some(2), Some(1), Some(1)]
        );
        // The first target failed, and another was tried.
        loads.changes(&first, &second);
        assert_eq!(
            ["carrier", "pbx", "spare"].map(|trunk| up(&loads, trunk)),
            [Some(2), None, Some(2)]
        );
        loads.passes(&first, now);
        loads.ends(&second);
        loads.ends(&second);
        assert!(loads.up.is_empty(), "{:?}", loads.up);
        assert_eq!(loads.starts.rates(now)["carrier"], 0.3);
    }

    #[test]
    fn ops_1_the_rate_of_a_trunk_is_of_the_last_ten_seconds() {
        let mut starts = Starts::default();
        let began = starts.began;
        for second in 0..20 {
            for _ in 0..5 {
                let legs = [leg("Carrier"), leg("carrier")];
                starts.count(&legs, began + Duration::from_secs(second));
            }
        }
        let rates = starts.rates(began + Duration::from_secs(19));
        assert_eq!(rates, HashMap::from([("carrier".to_owned(), 5.0)]));
        assert!(starts.rates(began + Duration::from_secs(40)).is_empty());
        assert!(starts.seconds.is_empty());
    }
}
