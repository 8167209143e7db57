//! Where calls to a trunk go: its origination URIs, and the order in which a call tries them
//! (TRK-1, TRK-3).

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use rand_core::RngCore;

use super::health::Standing;
use crate::transport::{Host, Transport};

/// The most URIs that a trunk may have.
pub const MOST_URIS: usize = 10;

/// How calls to a trunk leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origination {
    /// At most [`MOST_URIS`]; none: the trunk only sends us calls.
    pub uris: Vec<OriginationUri>,
    /// Disaster recovery: tried when every URI has failed.
    pub fallback: Option<TargetUri>,
    /// How long a target may say nothing at all before the next one is tried.
    pub no_response: Duration,
    /// How long a target that failed is tried last.
    pub backoff: Duration,
    /// `None`: targets are not asked whether they are there.
    pub probing: Option<Probing>,
    pub early_dialogs: EarlyDialogs,
}

impl Default for Origination {
    fn default() -> Origination {
        Origination {
            uris: Vec::new(),
            fallback: None,
            no_response: Duration::from_secs(4),
            backoff: Duration::from_secs(30),
            probing: None,
            early_dialogs: EarlyDialogs::default(),
        }
    }
}

/// One of the places that calls to a trunk may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginationUri {
    pub uri: TargetUri,
    /// The lowest is tried first.
    pub priority: u16,
    /// The share of calls among URIs of the same priority.
    pub weight: NonZeroU16,
    /// Calls go there, and it is probed.
    pub enabled: bool,
}

/// A SIP URI without a user, as far as it says where to send (RFC 3263 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetUri {
    pub host: Host,
    /// `None`: of the SRV record, else the transport's default.
    pub port: Option<u16>,
    /// TLS on a secure trunk; `None`: what NAPTR or SRV records say, else the first that the trunk
    /// may use.
    pub transport: Option<Transport>,
}

/// TRK-5: OPTIONS to each origination URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probing {
    pub interval: Duration,
    /// So many failures in a row take a URI out of service; one success puts it back.
    pub failures: u32,
}

/// What the caller sees of a far side that forks the INVITE (RFC 3261 section 12.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum EarlyDialogs {
    /// One early dialog: of later forks only what says something new.
    #[default]
    Collapse,
    /// Each fork's as one of its own.
    Pass,
}

impl Origination {
    /// One URI, and every setting its default.
    pub fn to(uri: TargetUri) -> Origination {
        Origination {
            uris: vec![OriginationUri {
                uri,
                priority: 0,
                weight: NonZeroU16::MIN,
                enabled: true,
            }],
            ..Origination::default()
        }
    }

    /// Whether calls can go to the trunk.
    pub fn has_targets(&self) -> bool {
        self.fallback.is_some() || self.uris.iter().any(|uri| uri.enabled)
    }

    /// The first URI, enabled or not.
    pub fn first(&self) -> Option<&TargetUri> {
        self.uris.first().map(|uri| &uri.uri)
    }

    /// The URIs in the order in which a call tries them: the lowest priority first, by weight at
    /// random within one; those that failed lately after all others. Those out of service are
    /// left out, unless all are.
    pub fn order(
        &self,
        standing: impl Fn(&TargetUri) -> Standing,
        rng: &mut dyn RngCore,
    ) -> Vec<TargetUri> {
        let mut enabled: Vec<(&OriginationUri, Standing)> = self
            .uris
            .iter()
            .filter(|uri| uri.enabled)
            .map(|uri| (uri, standing(&uri.uri)))
            .collect();
        if enabled
            .iter()
            .any(|(_, standing)| *standing != Standing::OutOfService)
        {
            enabled.retain(|(_, standing)| *standing != Standing::OutOfService);
        }
        let of = |(uri, standing): &(&OriginationUri, Standing)| {
            (*standing == Standing::Failing, uri.priority)
        };
        enabled.sort_by_key(of);
        enabled
            .chunk_by(|one, other| of(one) == of(other))
            .flat_map(|equal| {
                by_weight(equal, |(uri, _)| u32::from(uri.weight.get()), rng)
                    .into_iter()
                    .map(|(uri, _)| uri.uri.clone())
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

/// All of `items` in random order, where each place is filled with a probability of weight over the
/// weights still left (as RFC 2782 does for SRV records). Those without weight come last.
pub fn by_weight<'a, T>(
    items: &'a [T],
    weight: impl Fn(&T) -> u32,
    rng: &mut dyn RngCore,
) -> Vec<&'a T> {
    let mut left: Vec<(&T, u64)> = items
        .iter()
        .map(|item| (item, u64::from(weight(item))))
        .collect();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total: u64 = left.iter().map(|(_, weight)| weight).sum();
        let place = match total {
            0 => 0,
            total => {
                let mut point = rng.next_u64() % total;
                let covers = |(_, weight): &(&T, u64)| {
                    let covered = point < *weight;
                    point = point.saturating_sub(*weight);
                    covered
                };
                left.iter().position(covers).unwrap_or_default()
            }
        };
        ordered.push(left.remove(place).0);
    }
    ordered
}

impl TargetUri {
    /// The port that an address of the host has for that transport.
    pub fn port_for(&self, transport: Transport) -> u16 {
        self.port.unwrap_or(transport.default_port())
    }
}

/// As it is configured, e.g. `sip:sip.carrier.example;transport=tls`.
impl fmt::Display for TargetUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}", self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        if let Some(transport) = self.transport {
            write!(f, ";transport={}", transport.uri_token())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Counts up, so that the draws of a test are spread evenly.
    struct Spread(u64);

    impl RngCore for Spread {
        fn next_u32(&mut self) -> u32 {
            (self.next_u64() >> 32) as u32
        }

        fn next_u64(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 31)
        }

        fn fill_bytes(&mut self, out: &mut [u8]) {
            out.fill_with(|| self.next_u64() as u8);
        }
    }

    fn named(name: &str) -> TargetUri {
        TargetUri {
            host: Host::Name(name.to_owned()),
            port: None,
            transport: None,
        }
    }

    /// Name, priority, weight, enabled.
    fn origination(uris: &[(&str, u16, u16, bool)]) -> Origination {
        let uris = uris.iter().map(|&(name, priority, weight, enabled)| {
            let weight = NonZeroU16::new(weight).unwrap();
            OriginationUri {
                uri: named(name),
                priority,
                weight,
                enabled,
            }
        });
        Origination {
            uris: uris.collect(),
            ..Origination::default()
        }
    }

    fn names(order: &[TargetUri]) -> String {
        let names: Vec<String> = order.iter().map(|uri| uri.host.to_string()).collect();
        names.join(" ")
    }

    #[test]
    fn trk_3_the_lowest_priority_is_first_and_what_is_disabled_is_left_out() {
        let origination = origination(&[
            ("c", 30, 1, true),
            ("a", 0, 65_535, true),
            ("off", 0, 1, false),
            ("d", 65_535, 65_535, true),
            ("b", 20, 1, true),
        ]);
        let order = origination.order(|_| Standing::InService, &mut Spread(1));
        assert_eq!(names(&order), "a b c d");
    }

    #[test]
    fn trk_3_within_a_priority_each_is_first_as_often_as_its_weight_says() {
        let origination = origination(&[
            ("a", 1, 60, true),
            ("b", 1, 30, true),
            ("c", 1, 10, true),
            ("last", 2, 65_535, true),
        ]);
        let mut rng = Spread(2);
        let mut first: HashMap<String, u32> = HashMap::new();
        for _ in 0..10_000 {
            let order = origination.order(|_| Standing::InService, &mut rng);
            assert_eq!(order.len(), 4);
            assert_eq!(order[3], named("last"));
            *first.entry(order[0].host.to_string()).or_default() += 1;
        }
        for (name, expected) in [("a", 6_000), ("b", 3_000), ("c", 1_000)] {
            let count = first[name];
            assert!(
                count.abs_diff(expected) < 250,
                "{name} was first {count} times"
            );
        }
    }

    #[test]
    fn trk_3_a_target_that_failed_lately_is_tried_last() {
        let origination = origination(&[("a", 0, 1, true), ("b", 1, 1, true), ("c", 2, 1, true)]);
        let standing = |uri: &TargetUri| match uri == &named("a") {
            true => Standing::Failing,
            false => Standing::InService,
        };
        let order = origination.order(standing, &mut Spread(3));
        assert_eq!(names(&order), "b c a");
    }

    #[test]
    fn trk_5_targets_out_of_service_are_left_out_unless_all_are() {
        let origination = origination(&[("a", 0, 1, true), ("b", 1, 1, true)]);
        let standing = |uri: &TargetUri| match uri == &named("a") {
            true => Standing::OutOfService,
            false => Standing::Failing,
        };
        let order = origination.order(standing, &mut Spread(4));
        assert_eq!(names(&order), "b");
        let order = origination.order(|_| Standing::OutOfService, &mut Spread(4));
        assert_eq!(names(&order), "a b");
    }

    #[test]
    fn trk_4_records_without_weight_come_after_those_that_have_one() {
        let items = [("zero", 0), ("some", 7)];
        for seed in 0..50 {
            let order = by_weight(&items, |(_, weight)| *weight, &mut Spread(seed));
            assert_eq!(order, [&items[1], &items[0]]);
        }
    }

    #[test]
    fn a_target_is_written_as_it_is_configured() {
        let uri = TargetUri {
            host: Host::Address("2001:db8::1".parse().unwrap()),
            port: Some(5070),
            transport: Some(Transport::Tls),
        };
        assert_eq!(uri.to_string(), "sip:[2001:db8::1]:5070;transport=tls");
        assert_eq!(named("a.example").to_string(), "sip:a.example");
    }
}
