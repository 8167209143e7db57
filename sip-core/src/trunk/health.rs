//! What is remembered of targets: which failed lately (TRK-4), which do not answer probes (TRK-5).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{TargetUri, TrunkId};
use crate::transport::Transport;

/// How a target stands when a call chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    InService,
    /// A call or a probe failed there lately: tried last.
    Failing,
    /// It does not answer probes: not tried, unless nothing else is left.
    OutOfService,
}

impl Standing {
    /// The name in status and on the console.
    pub fn name(self) -> &'static str {
        match self {
            Standing::InService => "in_service",
            Standing::Failing => "failing",
            Standing::OutOfService => "out_of_service",
        }
    }
}

/// A URI of a trunk; two trunks may name the same, and find it differently.
pub(crate) type TargetKey = (TrunkId, TargetUri);

/// Targets and addresses that failed.
#[derive(Debug, Default)]
pub(crate) struct Health {
    targets: HashMap<TargetKey, Record>,
    /// Addresses of targets, until when they are tried last.
    addresses: HashMap<(Transport, SocketAddr), Instant>,
}

/// What is known of one target.
#[derive(Debug, Default)]
struct Record {
    failing_until: Option<Instant>,
    /// Probes in a row without success.
    failed_probes: u32,
    out_of_service: bool,
}

/// What a probe changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    WentOut,
    CameBack,
}

impl Health {
    pub(crate) fn standing(&self, now: Instant, target: &TargetKey) -> Standing {
        match self.targets.get(target) {
            Some(record) if record.out_of_service => Standing::OutOfService,
            Some(record) if record.failing_until.is_some_and(|until| until > now) => {
                Standing::Failing
            }
            _ => Standing::InService,
        }
    }

    /// Probes in a row that failed.
    pub(crate) fn failed_probes(&self, target: &TargetKey) -> u32 {
        self.targets
            .get(target)
            .map_or(0, |record| record.failed_probes)
    }

    /// A call found a target failing.
    pub(crate) fn failed(&mut self, target: TargetKey, until: Instant) {
        self.targets.entry(target).or_default().failing_until = Some(until);
    }

    /// A target answered a call.
    pub(crate) fn answered(&mut self, target: &TargetKey) {
        if let Some(record) = self.targets.get_mut(target) {
            record.failing_until = None;
        }
    }

    /// Nothing is to be had at an address.
    pub(crate) fn address_failed(
        &mut self,
        now: Instant,
        address: (Transport, SocketAddr),
        backoff: Duration,
    ) {
        if self.addresses.len() >= MOST_ADDRESSES {
            self.addresses.retain(|_, until| *until > now);
        }
        if self.addresses.len() < MOST_ADDRESSES {
            self.addresses.insert(address, now + backoff);
        }
    }

    pub(crate) fn address_answered(&mut self, address: (Transport, SocketAddr)) {
        self.addresses.remove(&address);
    }

    /// Whether an address failed lately.
    pub(crate) fn is_bad(&self, now: Instant, address: (Transport, SocketAddr)) -> bool {
        self.addresses
            .get(&address)
            .is_some_and(|until| *until > now)
    }

    /// A probe was answered, or not; so many failures in a row take the target out of service.
    pub(crate) fn probed(&mut self, target: TargetKey, success: bool, failures: u32) -> Change {
        let record = self.targets.entry(target).or_default();
        let was_out = record.out_of_service;
        if success {
            *record = Record::default();
        } else {
            record.failed_probes = record.failed_probes.saturating_add(1);
            record.out_of_service = record.failed_probes >= failures;
        }
        match (was_out, record.out_of_service) {
            (false, true) => Change::WentOut,
            (true, false) => Change::CameBack,
            _ => Change::None,
        }
    }

    /// Forgets every target that is not `kept`, and of the others what only `probed` ones have.
    pub(crate) fn retain(
        &mut self,
        kept: impl Fn(&TargetKey) -> bool,
        probed: impl Fn(&TargetKey) -> bool,
    ) {
        self.targets.retain(|target, record| {
            if !probed(target) {
                (record.failed_probes, record.out_of_service) = (0, false);
            }
            kept(target)
        });
    }
}

/// Addresses that are remembered; names that a peer makes up (302) must not fill the memory.
const MOST_ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Host;

    fn target() -> TargetKey {
        let host = Host::Name("a.example".to_owned());
        let uri = TargetUri {
            host,
            port: None,
            transport: None,
        };
        (TrunkId(0), uri)
    }

    #[test]
    fn trk_5_so_many_failures_take_a_target_out_and_one_success_puts_it_back() {
        let (mut health, now) = (Health::default(), Instant::now());
        for _ in 0..2 {
            assert_eq!(health.probed(target(), false, 3), Change::None);
            assert_eq!(health.standing(now, &target()), Standing::InService);
        }
        assert_eq!(health.probed(target(), false, 3), Change::WentOut);
        assert_eq!(health.standing(now, &target()), Standing::OutOfService);
        assert_eq!(health.probed(target(), false, 3), Change::None);
        assert_eq!(health.failed_probes(&target()), 4);
        assert_eq!(health.probed(target(), true, 3), Change::CameBack);
        assert_eq!(health.standing(now, &target()), Standing::InService);
        assert_eq!(health.probed(target(), false, 3), Change::None);
    }

    #[test]
    fn trk_4_a_failure_is_remembered_for_a_while_only() {
        let (mut health, now) = (Health::default(), Instant::now());
        let later = now + Duration::from_secs(30);
        health.failed(target(), later);
        assert_eq!(health.standing(now, &target()), Standing::Failing);
        assert_eq!(health.standing(later, &target()), Standing::InService);
        health.failed(target(), later);
        health.answered(&target());
        assert_eq!(health.standing(now, &target()), Standing::InService);
        let address = (Transport::Udp, "192.0.2.1:5060".parse().unwrap());
        health.address_failed(now, address, Duration::from_secs(30));
        assert!(health.is_bad(now, address));
        assert!(!health.is_bad(later, address));
        health.address_answered(address);
        assert!(!health.is_bad(now, address));
    }

    #[test]
    fn a_target_that_is_probed_no_more_is_in_service() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.probed(target(), false, 1);
        health.retain(|_| true, |_| false);
        assert_eq!(health.standing(now, &target()), Standing::InService);
    }
}
