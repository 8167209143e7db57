//! The AF_XDP workers under conditions: blocked interfaces, floods, a CPU that others have,
//! several queues, nothing to do.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use media_common::counters::Verdicts;
use sip_control::media::ActiveBackend;
use trunkline_tests::lab::{Host, LabOptions, run};
use trunkline_tests::privilege::require_root;

use crate::edge::{CALLEE_SSRC, CALLER_SSRC, Call, Edge, Party};
use crate::support::secure;

/// What a socket's receive ring holds, and then some.
const MORE_THAN_A_RING: u32 = 6000;

fn secure_call(edge: &mut Edge, callee: Host) -> Call {
    edge.call(
        Party::new(Host::Carrier, false, secure()),
        Party::new(callee, false, None),
    )
}

/// Sends `count` packets from the caller; how many arrive.
fn one_way(call: &mut Call, count: u16) -> u16 {
    let mut arrived = 0;
    for _ in 0..count {
        call.caller.send();
        arrived += u16::from(call.callee.receive(CALLER_SSRC).is_some());
    }
    arrived
}

/// Packets with a fate, of those that the program has handed to a worker.
fn accounted(verdicts: &Verdicts) -> u64 {
    let dropped: u64 = verdicts.dropped().map(|(_, count)| count).sum();
    verdicts.relayed + dropped
}

/// The verdicts once every packet that was handed to a worker has a fate. Control asks for
/// the kernel's losses each second.
fn settled(edge: &Edge) -> Verdicts {
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    loop {
        let verdicts = edge.verdicts();
        if accounted(&verdicts) >= verdicts.xsk || begun.elapsed() > Duration::from_secs(10) {
            assert_eq!(accounted(&verdicts), verdicts.xsk, "{verdicts:?}");
            return verdicts;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The far end of the pbx's link takes packets in a kernel thread of its own from here on,
/// which gets no time while a [`Hog`] has that CPU.
fn receive_on(edge: &Edge, cpu: usize) {
    let threads = || -> Vec<String> {
        let pgrep = Command::new("pgrep").arg("^napi/uplink-").output().unwrap();
        let pids = String::from_utf8(pgrep.stdout).unwrap();
        pids.lines().map(str::to_owned).collect()
    };
    let others = threads();
    let pbx = edge.lab.namespace(Host::Pbx).name();
    let threaded = "echo 1 > /sys/class/net/uplink/threaded";
    // `ip netns exec` mounts the /sys of the namespace.
    run(Command::new("ip").args(["netns", "exec", pbx, "sh", "-c", threaded])).unwrap();
    let ours: Vec<_> = threads()
        .into_iter()
        .filter(|thread| !others.contains(thread))
        .collect();
    assert!(!ours.is_empty(), "the link has a thread");
    for thread in ours {
        run(Command::new("taskset").args(["-p", "-c", &cpu.to_string(), &thread])).unwrap();
    }
}

#[test]
fn an_interface_that_takes_nothing_does_not_stop_the_flows_of_another() {
    if !require_root("the namespace lab") || !has_two_cpus() {
        return;
    }
    let mut edge = Edge::start_with(LabOptions::default(), |config| config.cpus = vec![0]);
    receive_on(&edge, 1);
    let mut blocked = secure_call(&mut edge, Host::Pbx);
    let mut other = secure_call(&mut edge, Host::Carrier);
    assert_eq!(one_way(&mut blocked, 3), 3);
    let before = edge.verdicts();
    let hog = Hog::on(1);
    // Quickly: the kernel leaves one part in twenty of each second to others. The link holds
    // 256 packets, and the socket's frames 2048.
    for _ in 0..6 {
        for _ in 0..500 {
            blocked.caller.send();
        }
        assert_eq!(one_way(&mut other, 2), 2, "the other call goes on");
    }
    let verdicts = settled(&edge);
    drop(hog);
    let full = verdicts.drop_transmit_full - before.drop_transmit_full;
    let relayed = verdicts.relayed - before.relayed;
    assert!(full > 100, "{verdicts:?}");
    assert_eq!(relayed + full, 6 * 502 - verdicts.drop_xsk_full);

    // What waited goes out with the next.
    blocked.caller.send();
    std::thread::sleep(Duration::from_millis(200));
    blocked.callee.drain();
    assert_eq!(one_way(&mut blocked, 100), 100, "the blocked one recovers");
}

#[test]
fn a_flood_that_is_refused_leaves_the_fill_ring_full() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut call = secure_call(&mut edge, Host::Pbx);
    assert_eq!(one_way(&mut call, 3), 3, "{:?}", edge.verdicts());
    let mut tampered = call.caller.next_packet();
    tampered[40] ^= 1;
    for _ in 0..3 * MORE_THAN_A_RING {
        call.caller.send_raw(&tampered);
    }
    let verdicts = settled(&edge);
    assert_eq!(verdicts.relayed, 3);
    assert!(
        verdicts.drop_authentication > u64::from(MORE_THAN_A_RING),
        "{verdicts:?}"
    );
    assert_eq!(one_way(&mut call, 100), 100, "{:?}", edge.verdicts());
}

/// One CPU cannot both work and be taken away.
fn has_two_cpus() -> bool {
    std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() >= 2)
}

/// A program that leaves a CPU to nobody of lower priority; ended when dropped.
struct Hog(Child);

impl Hog {
    fn on(cpu: usize) -> Hog {
        let mut command = Command::new("chrt");
        let spin = "while :; do :; done";
        command.args([
            "-f",
            "50",
            "taskset",
            "-c",
            &cpu.to_string(),
            "sh",
            "-c",
            spin,
        ]);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        Hog(child)
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_a_worker_has_no_time_for_is_counted_and_it_recovers() {
    if !require_root("the namespace lab") || !has_two_cpus() {
        return;
    }
    let mut edge = Edge::start_with(LabOptions::default(), |config| config.cpus = vec![1]);
    let mut call = secure_call(&mut edge, Host::Pbx);
    assert_eq!(one_way(&mut call, 3), 3, "{:?}", edge.verdicts());
    // The kernel leaves one part in twenty of each second to the worker: where others want the
    // sender's CPU, it may be too slow for a ring to fill.
    let mut verdicts = edge.verdicts();
    for _ in 0..10 {
        let packets: Vec<_> = (0..MORE_THAN_A_RING)
            .map(|_| call.caller.next_packet())
            .collect();
        let hog = Hog::on(1);
        packets
            .iter()
            .for_each(|packet| call.caller.send_raw(packet));
        drop(hog);
        verdicts = settled(&edge);
        if verdicts.drop_xsk_full > 0 {
            break;
        }
    }
    assert!(verdicts.drop_xsk_full > 0, "{verdicts:?}");
    std::thread::sleep(Duration::from_millis(200));
    call.callee.drain();
    assert_eq!(one_way(&mut call, 100), 100, "{:?}", edge.verdicts());
}

/// CPU time of the process's threads of that name so far, by thread.
fn cpu_time(name: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let comm = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if !comm.starts_with(name) {
            continue;
        }
        let statistics = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let on_cpu_ns = statistics.split(' ').next().and_then(|ns| ns.parse().ok());
        times.push(Duration::from_nanos(on_cpu_ns.unwrap_or(0)));
    }
    times
}

#[test]
fn a_plane_with_silent_calls_takes_no_cpu() {
    if !require_root("the namespace lab") {
        return;
    }
    let mut edge = Edge::start(LabOptions::default());
    let mut calls: Vec<_> = (0..5).map(|_| secure_call(&mut edge, Host::Pbx)).collect();
    for call in &mut calls {
        assert_eq!(one_way(call, 3), 3, "{:?}", edge.verdicts());
    }
    std::thread::sleep(Duration::from_millis(100));
    let total = || cpu_time("media-").iter().sum::<Duration>();
    let (before, begun) = (total(), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let (used, passed) = (total() - before, begun.elapsed());
    assert!(used * 100 < passed, "{used:?} in {passed:?}");
}

#[test]
fn packets_that_gather_are_not_kept_for_long() {
    if !require_root("the namespace lab") {
        return;
    }
    const BURSTS: usize = 1000;
    const BURST: usize = 4;
    let mut edge = Edge::start(LabOptions::default());
    let Call {
        mut caller,
        mut callee,
        ..
    } = secure_call(&mut edge, Host::Pbx);
    // Ahead of whatever else the machine does: this is about us.
    let own = std::process::id().to_string();
    run(Command::new("chrt").args(["-a", "-f", "-p", "10", &own])).unwrap();
    let begun = Instant::now();
    let sent_us: Arc<Vec<AtomicU64>> =
        Arc::new((0..BURSTS * BURST).map(|_| AtomicU64::new(0)).collect());
    let times = Arc::clone(&sent_us);
    let sender = std::thread::spawn(move || {
        for burst in times.chunks(BURST) {
            for time in burst {
                time.store(begun.elapsed().as_micros() as u64, Ordering::Relaxed);
                caller.send();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    let mut delays_us: Vec<_> = std::iter::from_fn(|| {
        let sequence = callee.receive(CALLER_SSRC)?;
        let now_us = begun.elapsed().as_micros() as u64;
        Some(now_us - sent_us[usize::from(sequence)].load(Ordering::Relaxed))
    })
    .take(BURSTS * BURST)
    .collect();
    sender.join().unwrap();
    assert!(delays_us.len() > BURSTS * BURST / 2, "most arrive");
    // A busy machine delays the end points as well: what counts is a time when it did not.
    let median = |delays: &mut [u64]| {
        delays.sort();
        delays[delays.len() / 2]
    };
    let best = delays_us.chunks_exact_mut(100).map(median).min().unwrap();
    assert!(best < 1000, "{best} microseconds");
}

#[test]
fn every_queue_has_a_worker_and_calls_go_through_all_of_them() {
    if !require_root("the namespace lab") {
        return;
    }
    let options = LabOptions {
        queues: 2,
        ..LabOptions::default()
    };
    let mut edge = Edge::start(options);
    let ActiveBackend::Xdp {
        workers,
        interfaces,
        ..
    } = &edge.plane().description().backend
    else {
        panic!("XDP was demanded");
    };
    assert_eq!(*workers, 2);
    assert!(interfaces.iter().all(|interface| interface.queues == 2));
    let idle = cpu_time("media-");
    for _ in 0..16 {
        let mut call = secure_call(&mut edge, Host::Pbx);
        for _ in 0..10 {
            call.caller.send();
            call.callee.send();
            assert!(call.callee.receive(CALLER_SSRC).is_some());
            assert!(call.caller.receive(CALLEE_SSRC).is_some());
        }
        edge.remove(&call);
    }
    assert_eq!(edge.verdicts().relayed, 16 * 20);
    // Which queue a flow comes by is the sender's to say; of 32 flows each has some.
    let used = cpu_time("media-");
    let worked = used.iter().zip(&idle).filter(|(used, idle)| used > idle);
    assert!(worked.count() >= 2, "{idle:?} then {used:?}");
}
