//! A while under load on every path, with calls that come and go: nothing is lost, nothing grows.
//!
//! `cargo xtask test --soak` makes it ten minutes at half of what this machine carries together
//! with the load's own sender and receiver, which it finds out first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use trunkline_tests::lab::{Host, LabOptions};
use trunkline_tests::privilege::require_root;
use trunkline_tests::sys;

use crate::edge::{Call, Edge, Party};
use crate::support::secure;

/// Calls at a time, as many of each kind.
const CALLS: usize = 16;
const TICK: Duration = Duration::from_millis(10);
/// Packets sent at once, so that no veth queue overflows.
const BURST: usize = 48;
/// A call is replaced by a new one that often.
const CHURN: Duration = Duration::from_secs(1);
const RECEIVE_BUFFER: i32 = 4 << 20;

/// How long, and how much.
struct Plan {
    duration: Duration,
    /// Packets per second, all calls and both directions together; found out if `None`.
    rate: Option<u32>,
}

impl Plan {
    fn of_this_run() -> Plan {
        if std::env::var_os("TRUNKLINE_SOAK").is_some() {
            Plan {
                duration: Duration::from_secs(600),
                rate: None,
            }
        } else {
            Plan {
                duration: Duration::from_secs(12),
                rate: Some(2000),
            }
        }
    }
}

/// The load: its calls, the oldest first.
struct Load {
    edge: Edge,
    calls: VecDeque<Call>,
    made: usize,
    sent: u64,
    arrived: u64,
}

/// What a stretch of load has done.
struct Stretch {
    sent: u64,
    lost: u64,
    took: Duration,
}

impl Load {
    fn start() -> Load {
        let mut load = Load {
            edge: Edge::start(LabOptions::default()),
            calls: VecDeque::new(),
            made: 0,
            sent: 0,
            arrived: 0,
        };
        for _ in 0..CALLS {
            load.add_call();
        }
        load
    }

    /// Plain in one family, plain between two, one secure leg, two secure legs: in turn.
    fn add_call(&mut self) {
        let kind = self.made % 4;
        self.made += 1;
        let caller_keys = if kind >= 2 { secure() } else { None };
        let callee_keys = if kind == 3 { secure() } else { None };
        let call = self.edge.call(
            Party::new(Host::Carrier, kind == 1, caller_keys),
            Party::new(Host::Pbx, false, callee_keys),
        );
        for endpoint in [&call.caller, &call.callee] {
            sys::set_receive_buffer(&endpoint.rtp, RECEIVE_BUFFER).unwrap();
            endpoint.rtp.set_nonblocking(true).unwrap();
        }
        self.calls.push_back(call);
    }

    /// The oldest call ends, and a new one begins.
    fn churn(&mut self) {
        let oldest = self.calls.pop_front().unwrap();
        self.edge.remove(&oldest);
        self.arrived += arrived(&oldest);
        self.add_call();
    }

    fn run(&mut self, rate: u32, duration: Duration, churns: bool) -> Stretch {
        let (sent, arrived) = (self.sent, self.arrived);
        let begun = Instant::now();
        let mut next_churn = begun + CHURN;
        let mut due = 0.0;
        let mut at = begun;
        while begun.elapsed() < duration {
            let now = Instant::now();
            due += (now - at).as_secs_f64() * f64::from(rate);
            at = now;
            // The oldest is about to go: what it has sent must have arrived by then.
            let first = usize::from(churns);
            while due >= 1.0 {
                for _ in 0..BURST.min(due as usize) {
                    self.send_one(first);
                    due -= 1.0;
                }
                self.receive();
                if begun.elapsed() > duration {
                    break;
                }
            }
            self.receive();
            if churns && now >= next_churn {
                next_churn += CHURN;
                self.churn();
            }
            std::thread::sleep(TICK.saturating_sub(now.elapsed()));
        }
        let took = begun.elapsed();
        self.await_the_rest();
        let sent = self.sent - sent;
        Stretch {
            sent,
            lost: sent.saturating_sub(self.arrived - arrived),
            took,
        }
    }

    /// The next packet, of the next call but the `first` ones, and each direction in turn.
    fn send_one(&mut self, first: usize) {
        let calls = self.calls.len() - first;
        let turn = self.sent as usize;
        let call = &mut self.calls[first + turn / 2 % calls];
        if turn.is_multiple_of(2) {
            call.caller.send();
        } else {
            call.callee.send();
        }
        self.sent += 1;
    }

    fn receive(&mut self) {
        self.arrived += self.calls.iter().map(arrived).sum::<u64>();
    }

    /// Until nothing has come for half a second.
    fn await_the_rest(&mut self) {
        let mut last = Instant::now();
        while last.elapsed() < Duration::from_millis(500) {
            let before = self.arrived;
            self.receive();
            if self.arrived > before {
                last = Instant::now();
            }
            std::thread::sleep(TICK);
        }
    }

    /// Packets per second that pass with under 0.1 % lost, doubling from a low rate.
    fn capacity(&mut self) -> u32 {
        let mut rate = 4000;
        let mut good = rate / 2;
        loop {
            let stretch = self.run(rate, Duration::from_secs(3), false);
            let achieved = stretch.sent as f64 / stretch.took.as_secs_f64();
            println!(
                "{rate}/s offered: {achieved:.0}/s sent, {} of {} lost",
                stretch.lost, stretch.sent
            );
            let is_lossy = stretch.lost * 1000 > stretch.sent;
            if is_lossy || achieved < f64::from(rate) * 0.9 {
                return good;
            }
            good = rate;
            rate += rate / 2;
        }
    }
}

/// Packets that have come to both ends of a call.
fn arrived(call: &Call) -> u64 {
    let mut buffer = [0; 2048];
    [&call.caller.rtp, &call.callee.rtp]
        .into_iter()
        .map(|socket| std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count() as u64)
        .sum()
}

/// Memory of this process, in which the media plane runs, and of its maps in the kernel, bytes.
#[derive(Clone, Copy, Debug)]
struct Memory {
    resident: u64,
    maps: u64,
}

impl Memory {
    fn now() -> Memory {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let maps = std::fs::read_dir("/proc/self/fdinfo")
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
            .filter(|info| info.contains("map_id:"))
            .filter_map(|info| field(&info, "memlock:"))
            .sum();
        Memory {
            resident: field(&status, "VmRSS:").unwrap() * 1024,
            maps,
        }
    }
}

/// The number after a name.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[test]
fn under_load_nothing_is_lost_and_nothing_grows() {
    if !require_root("the namespace lab") {
        return;
    }
    let plan = Plan::of_this_run();
    let mut load = Load::start();
    let rate = plan.rate.unwrap_or_else(|| load.capacity() / 2);
    // The start: every buffer and table that grows once has grown.
    let warm = load.run(rate, plan.duration / 10, true);
    let before = Memory::now();
    let drops_before: u64 = load.edge.verdicts().dropped().map(|(_, n)| n).sum();
    let stretch = load.run(rate, plan.duration, true);
    let after = Memory::now();
    let verdicts = load.edge.verdicts();
    let drops = verdicts.dropped().map(|(_, n)| n).sum::<u64>() - drops_before;
    println!(
        "{rate}/s for {:.0?}: {} packets, {} lost ({} in the {:.0?} before), {drops} drops counted, \
         {} calls; {} forwarded by the kernel, {} by workers; {before:?} before, {after:?} after",
        stretch.took,
        stretch.sent,
        stretch.lost,
        warm.lost,
        warm.took,
        load.made,
        verdicts.redirect,
        verdicts.relayed,
    );
    assert!(
        stretch.sent as f64 >= 0.9 * f64::from(rate) * stretch.took.as_secs_f64(),
        "the load was not what it should be: {} packets",
        stretch.sent
    );
    assert_eq!(stretch.lost, 0);
    assert!(verdicts.redirect > stretch.sent / 3 && verdicts.relayed > stretch.sent / 3);
    assert!(before.maps > 0);
    assert_eq!(after.maps, before.maps, "maps have a fixed size");
    let growth = after.resident.saturating_sub(before.resident);
    assert!(growth < 2 << 20, "{growth} bytes: {before:?}, {after:?}");
}
