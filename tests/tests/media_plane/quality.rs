//! Quality measured: an impaired stream through the kernel and through a relay, and how fast the
//! figures of many flows are read.

use std::time::{Duration, Instant};

use media_core::quality::Quality;
use media_core::report::MediaPath;
use media_core::session::{CallId, RemoteMedia, SourceRule};
use rustix::time::{ClockId, clock_gettime};
use sip_control::media::Carried;
use trunkline_tests::lab::{EDGE, Host, LabOptions};
use trunkline_tests::privilege::require_root;

use crate::edge::{Edge, Party, address};
use crate::support::{LegSpec, local, secure, session};

/// What the network between the caller and us does to packets 0, 1, 2 …: which of them comes when,
/// in milliseconds. 20 and 21 are lost, and 40 to 46; 60 comes after 61; 80 comes twice; every
/// seventh is 9 ms late.
fn impaired() -> Vec<(usize, u64)> {
    let mut arrivals: Vec<(usize, u64)> = (0..PACKETS)
        .filter(|place| !matches!(place, 20 | 21 | 40..=46))
        .map(|place| {
            let late = if place % 7 == 0 { 9 } else { 0 };
            (place, place as u64 * PTIME_MS + late)
        })
        .collect();
    for (place, at) in &mut arrivals {
        if *place == 60 {
            *at = 61 * PTIME_MS + 3;
        }
    }
    arrivals.push((80, 80 * PTIME_MS + 5));
    arrivals.sort_by_key(|(_, at)| *at);
    arrivals
}

const PACKETS: usize = 120;
/// Faster than speech, so that the test is short; the timestamps go on by 20 ms each, so that the
/// jitter has more to measure.
const PTIME_MS: u64 = 10;

/// The same stream, forwarded in the kernel and encrypted by a worker: what both measure.
#[test]
fn med_4_kernel_and_relay_measure_the_same_impaired_stream_alike() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    // A worker sees a packet up to a batch after the program: half a millisecond, of which the
    // jitter shows a share. A machine with too much to do adds more: then there is another run.
    let jitter = (0..RUNS).map(|_| {
        let [kernel, relay] = measure(&mut edge);
        [kernel, relay].map(|quality| quality.jitter_us.unwrap())
    });
    let mut seen = Vec::new();
    for [kernel_us, relay_us] in jitter {
        assert!(
            kernel_us > 2_000,
            "packets were late by 9 ms: {kernel_us} µs"
        );
        if kernel_us.abs_diff(relay_us) < 1_000 {
            return;
        }
        seen.push([kernel_us, relay_us]);
    }
    panic!("jitter in the kernel and in the relay, µs: {seen:?}");
}

/// Runs in one of which the jitter must be the same.
const RUNS: usize = 5;

/// Sends the stream through two calls, and checks everything but the jitter.
fn measure(edge: &mut Edge) -> [Quality; 2] {
    // RTP arrives in both: what is judged is not replays, which SRTP refuses.
    let [mut plain, mut secured] = [None, secure()].map(|keys| {
        let caller = Party::new(Host::Carrier, false, None);
        edge.call(caller, Party::new(Host::Pbx, false, keys))
    });
    let streams = [&mut plain.caller, &mut secured.caller].map(|caller| {
        (0..PACKETS)
            .map(|_| caller.next_packet())
            .collect::<Vec<_>>()
    });
    let began = Instant::now();
    for (place, at_ms) in impaired() {
        let due = began + Duration::from_millis(at_ms);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        plain.caller.send_raw(&streams[0][place]);
        secured.caller.send_raw(&streams[1][place]);
    }
    // A packet that comes twice is not encrypted twice.
    let [kernel, relay] = [
        (&plain, MediaPath::Xdp, 112),
        (&secured, MediaPath::AfXdp, 111),
    ]
    .map(|(call, path, packets)| {
        let until = Instant::now() + Duration::from_secs(3);
        loop {
            let [from_caller, _] = edge.flows(call);
            if from_caller.quality.rtp >= packets || Instant::now() > until {
                assert_eq!((from_caller.path, from_caller.quality.rtp), (path, packets));
                return from_caller.quality;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let incidents = |quality: &Quality| {
        [
            quality.lost,
            quality.reordered,
            quality.duplicated,
            u64::from(quality.longest_loss),
            quality.ssrc_changes,
            quality.restarts,
        ]
    };
    assert_eq!(incidents(&relay), [9, 1, 1, 7, 0, 0], "the relay");
    assert_eq!(incidents(&kernel), incidents(&relay), "the kernel");
    edge.remove(&plain);
    edge.remove(&secured);
    [kernel, relay]
}

/// 2,500 calls of four flows each.
#[test]
fn med_4_ten_thousand_flows_are_read_in_under_50_ms() {
    const CALLS: u16 = 2_500;
    if !require_root("the namespace lab") {
        return;
    }
    let ports = 20_000..=20_000 + 2 * CALLS - 1;
    let layout_ports = ports.clone();
    let edge = Edge::start_with(LabOptions::default(), move |config| {
        let mut first_index = 0;
        for media in &mut config.layout {
            (media.port_low, media.port_high) = (*layout_ports.start(), *layout_ports.end());
            media.first_index = first_index;
            first_index += u32::from(2 * CALLS);
        }
    });
    for call in 0..CALLS {
        let leg = |host| {
            let peer = std::net::SocketAddr::new(address(host, 2, false), 4000);
            LegSpec {
                local: local(address(host, EDGE, false), ports.start() + 2 * call),
                remote: RemoteMedia {
                    rtp: peer,
                    rtcp: peer,
                },
                keys: None,
                source: SourceRule::Strict,
            }
        };
        let id = CallId(u64::from(call));
        edge.plane()
            .apply(session(id.0, &leg(Host::Carrier), &leg(Host::Pbx)));
    }
    let flows = edge.plane().flows();
    assert_eq!(flows.len(), 4 * usize::from(CALLS));
    assert!(flows.iter().any(|flow| flow.carries == Carried::Rtcp));
    assert!(flows.is_sorted_by_key(|flow| (flow.call, flow.stream, flow.from)));
    // Time of a CPU: that is how long it takes, unless others want the machine too.
    let best_ms = (0..10)
        .map(|_| {
            let began_ms = cpu_ms();
            assert_eq!(edge.plane().flows().len(), flows.len());
            cpu_ms() - began_ms
        })
        .min_by(f64::total_cmp)
        .unwrap();
    eprintln!("{} flows read in {best_ms:.1} ms", flows.len());
    assert!(best_ms < 50.0, "{best_ms} ms");
}

/// CPU time of all threads of this process, milliseconds.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
