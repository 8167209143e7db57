//! The pool of media ports.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use media_core::ports::{BadRealms, MediaPorts, NoPorts, PortPool, PortUsage, RealmId, RealmPorts};
use media_core::session::LocalMedia;
use proptest::prelude::*;
use rand_core::RngCore;

const COOLDOWN: Duration = Duration::from_secs(30);
const REALM: RealmId = RealmId(0);

/// splitmix64: small, and good enough to choose ports.
struct Random(u64);

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        out.fill_with(|| self.next_u32() as u8);
    }
}

fn realm(ipv4: Option<&str>, ipv6: Option<&str>, port_low: u16, port_high: u16) -> RealmPorts {
    RealmPorts {
        ipv4: ipv4.map(|address| address.parse().unwrap()),
        ipv6: ipv6.map(|address| address.parse().unwrap()),
        port_low,
        port_high,
    }
}

fn pool(realms: &[RealmPorts]) -> PortPool<Random> {
    PortPool::new(realms, COOLDOWN, Random(1)).unwrap()
}

fn small() -> PortPool<Random> {
    pool(&[realm(Some("192.0.2.1"), None, 10_000, 10_019)])
}

#[test]
fn every_pair_of_the_range_is_given_out_once_and_then_none() {
    let mut pool = small();
    let mut given = HashSet::new();
    for _ in 0..10 {
        let media = pool.allocate(REALM, false).unwrap();
        assert_eq!(media.address, "192.0.2.1".parse::<IpAddr>().unwrap());
        assert!(media.rtp_port.is_multiple_of(2) && (10_000..10_019).contains(&media.rtp_port));
        assert_eq!(media.rtcp_port, media.rtp_port + 1);
        assert!(given.insert(media.rtp_port));
    }
    assert_eq!(pool.allocate(REALM, false), Err(NoPorts::Exhausted));
    assert_eq!(
        pool.usage(REALM, false),
        PortUsage {
            free: 0,
            in_use: 10,
            cooling: 0
        }
    );
}

#[test]
fn ports_come_in_no_order() {
    let mut pool = pool(&[realm(Some("192.0.2.1"), None, 10_000, 60_000)]);
    let ports: Vec<u16> = (0..100)
        .map(|_| pool.allocate(REALM, false).unwrap().rtp_port)
        .collect();
    let ascending = ports.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(
        (25..75).contains(&ascending),
        "{ascending} of 99 steps go up"
    );
    let upper_half = ports.iter().filter(|port| **port > 35_000).count();
    assert!(
        (25..75).contains(&upper_half),
        "{upper_half} of 100 lie in the upper half"
    );
}

#[test]
fn a_pair_rests_before_it_is_used_again() {
    let mut pool = small();
    let start = Instant::now();
    let all: Vec<LocalMedia> = (0..10)
        .map(|_| pool.allocate(REALM, false).unwrap())
        .collect();
    pool.release(start, REALM, all[3]);
    assert_eq!(
        pool.usage(REALM, false),
        PortUsage {
            free: 0,
            in_use: 9,
            cooling: 1
        }
    );
    assert_eq!(pool.allocate(REALM, false), Err(NoPorts::Exhausted));
    pool.tick(start + COOLDOWN - Duration::from_nanos(1));
    assert_eq!(pool.allocate(REALM, false), Err(NoPorts::Exhausted));
    pool.tick(start + COOLDOWN);
    assert_eq!(pool.allocate(REALM, false), Ok(all[3]));
    // A release frees what has rested meanwhile.
    pool.release(start, REALM, all[4]);
    pool.release(start + COOLDOWN, REALM, all[5]);
    assert_eq!(pool.allocate(REALM, false), Ok(all[4]));
}

#[test]
fn what_was_not_given_out_cannot_be_given_back() {
    let mut pool = small();
    let now = Instant::now();
    let media = pool.allocate(REALM, false).unwrap();
    let wrong = [
        LocalMedia {
            address: "192.0.2.2".parse().unwrap(),
            ..media
        },
        LocalMedia {
            rtp_port: media.rtp_port + 1,
            ..media
        },
        LocalMedia {
            rtp_port: 9_998,
            ..media
        },
        LocalMedia {
            rtp_port: 10_020,
            ..media
        },
        LocalMedia {
            rtp_port: 65_534,
            ..media
        },
        LocalMedia {
            address: "2001:db8::1".parse().unwrap(),
            ..media
        },
    ];
    for media in wrong {
        pool.release(now, REALM, media);
        pool.release(now, RealmId(7), media);
    }
    assert_eq!(
        pool.usage(REALM, false),
        PortUsage {
            free: 9,
            in_use: 1,
            cooling: 0
        }
    );
    pool.release(now, REALM, media);
    pool.release(now, REALM, media);
    assert_eq!(
        pool.usage(REALM, false),
        PortUsage {
            free: 9,
            in_use: 0,
            cooling: 1
        }
    );
}

#[test]
fn realms_have_their_families_and_their_ranges() {
    let mut pool = pool(&[
        realm(Some("192.0.2.1"), Some("2001:db8::1"), 10_000, 10_003),
        realm(Some("192.0.2.1"), None, 10_004, 10_007),
    ]);
    let of = |pool: &mut PortPool<Random>, realm, ipv6| pool.allocate(RealmId(realm), ipv6);
    assert!(of(&mut pool, 0, true).unwrap().address.is_ipv6());
    for _ in 0..2 {
        assert!((10_004..10_007).contains(&of(&mut pool, 1, false).unwrap().rtp_port));
    }
    assert_eq!(of(&mut pool, 1, false), Err(NoPorts::Exhausted));
    assert!(
        of(&mut pool, 0, false).is_ok(),
        "the ranges do not share a supply"
    );
    assert_eq!(of(&mut pool, 1, true), Err(NoPorts::NoAddress));
    assert_eq!(of(&mut pool, 2, false), Err(NoPorts::NoAddress));
}

#[test]
fn the_flow_table_has_a_place_for_every_port() {
    let pool = pool(&[
        realm(Some("192.0.2.1"), Some("2001:db8::1"), 10_000, 10_003),
        realm(Some("192.0.2.1"), None, 10_004, 10_010),
    ]);
    let layout = pool.flow_table_layout();
    let rows: Vec<_> = layout
        .iter()
        .map(|row| {
            (
                row.address[15],
                row.first_index,
                row.port_low,
                row.port_high,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (1, 0, 10_000, 10_003),
            (1, 4, 10_000, 10_003),
            (1, 8, 10_004, 10_010)
        ]
    );
    assert_eq!(
        layout[0].address,
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]
    );
    assert_eq!(layout[1].address[..4], [0x20, 0x01, 0x0d, 0xb8]);
}

#[test]
fn ranges_at_the_edges_hold_what_fits() {
    for (low, high, pairs) in [
        (10_000, 10_001, 1),
        (10_001, 10_003, 1),
        (10_001, 10_004, 1),
        (65_534, 65_535, 1),
        (0, 3, 1),
        (1, 65_535, 32_767),
    ] {
        let mut pool = pool(&[realm(Some("192.0.2.1"), None, low, high)]);
        let given = std::iter::from_fn(|| pool.allocate(REALM, false).ok())
            .inspect(|media| {
                assert!(
                    media.rtp_port >= low.max(2) && media.rtcp_port <= high,
                    "{media:?} of {low}-{high}"
                );
            })
            .count();
        assert_eq!(given, pairs, "{low}-{high}");
    }
}

#[test]
fn unusable_realms_are_refused() {
    let v4 = |low, high| realm(Some("192.0.2.1"), None, low, high);
    let no_pair = |low, high| {
        Some(BadRealms::NoPair {
            realm: 0,
            low,
            high,
        })
    };
    let overlap = Some(BadRealms::Overlap {
        first: 0,
        second: 1,
        address: "192.0.2.1".parse().unwrap(),
    });
    let many: Vec<_> = (0..17)
        .map(|n| v4(10_000 + 2 * n, 10_001 + 2 * n))
        .collect();
    let cases = [
        (
            vec![realm(None, None, 1, 9)],
            Some(BadRealms::NoAddress { realm: 0 }),
        ),
        (vec![v4(10_000, 10_000)], no_pair(10_000, 10_000)),
        (vec![v4(10_001, 10_002)], no_pair(10_001, 10_002)),
        (vec![v4(10_002, 10_000)], no_pair(10_002, 10_000)),
        (vec![v4(0, 1)], no_pair(0, 1)),
        (vec![v4(65_535, 65_535)], no_pair(65_535, 65_535)),
        (vec![v4(10_000, 10_010), v4(10_010, 10_020)], overlap),
        (vec![v4(10_000, 10_009), v4(10_010, 10_020)], None),
        (many, Some(BadRealms::TooMany(17))),
    ];
    for (realms, expected) in cases {
        assert_eq!(
            PortPool::new(&realms, COOLDOWN, Random(1)).err(),
            expected,
            "{realms:?}"
        );
    }
}

proptest! {
    /// Whatever is given out is in use by no one else and has rested.
    #[test]
    fn no_pair_is_given_out_twice_or_too_soon(steps in proptest::collection::vec((0_u8..3, any::<prop::sample::Index>(), 0_u64..20), 1..300)) {
        let mut pool = small();
        let mut now = Instant::now();
        let mut held: Vec<LocalMedia> = Vec::new();
        let mut rested: std::collections::HashMap<u16, Instant> = Default::default();
        for (step, which, seconds) in steps {
            now += Duration::from_secs(seconds);
            match step {
                0 => pool.tick(now),
                1 if !held.is_empty() => {
                    let media = held.swap_remove(which.index(held.len()));
                    pool.release(now, REALM, media);
                    rested.insert(media.rtp_port, now + COOLDOWN);
                }
                _ => {
                    if let Ok(media) = pool.allocate(REALM, false) {
                        prop_assert!(!held.contains(&media));
                        prop_assert!(rested.get(&media.rtp_port).is_none_or(|free| *free <= now));
                        held.push(media);
                    }
                }
            }
            prop_assert_eq!(pool.usage(REALM, false).in_use, held.len());
        }
    }
}
