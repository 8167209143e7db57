//! CPU time, all of it: of the generator, of a contender's threads, and of the softirqs in
//! whatever they interrupt.
//!
//! The kernel does not account for softirqs apart from what they interrupt
//! (`CONFIG_IRQ_TIME_ACCOUNTING` is off in most kernels), `/proc/stat` counts by ticks, and a
//! thread that is woken from another CPU is charged for the time until the interrupt arrives
//! (the scheduler skips a clock update then). So on every CPU a thread reads the clock all the
//! time while nothing more important runs: between two readings there is next to nothing, unless
//! something interrupted it. The short gaps are idle time, all the rest is not. On the
//! generator's CPU this thread is the generator itself, while it waits for its next packet.
//!
//! All of these have real-time priorities (generator, contender, idle thread, in this order), so
//! that other work on the machine is neither counted nor in the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::skb_source::Source;
use super::sys::{self, BATCH, Policy};

/// A longer gap between two readings of the clock was an interruption. A reading takes some 30 ns.
const GAP: Duration = Duration::from_nanos(400);
/// How far apart bursts of packets are: what is due in this time goes at once, as from a network
/// card that moderates its interrupts.
const QUANTUM: Duration = Duration::from_micros(20);
/// After the last packet: until everything has been dealt with.
pub const DRAIN: Duration = Duration::from_millis(30);
/// The longest that packets are sent: real-time threads are interrupted after 0.95 s.
pub const LONGEST: Duration = Duration::from_millis(800);

/// What one turn gave.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Packets that went into the source's interface.
    pub sent: u64,
    /// For how long packets were sent.
    pub time: Duration,
    /// CPU time of the generator, with the softirqs that its packets raise: ingress, forwarding
    /// in the kernel, waking the contender.
    pub generator: Duration,
    /// CPU time of everything on the contender's CPUs.
    pub contender: Duration,
}

impl Use {
    /// CPU time of everything, all CPUs together.
    pub fn busy(&self) -> Duration {
        self.generator + self.contender
    }

    /// Packets per second.
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.time.as_secs_f64()
    }
}

/// Sends at that rate for that time and counts all CPU time meanwhile. To be called on the
/// generator's thread, which has a CPU of its own; `cpus` are the others.
pub fn turn(source: &mut dyn Source, rate: f64, time: Duration, cpus: &[usize]) -> Result<Use> {
    let soakers: Vec<Soaker> = cpus.iter().map(|cpu| Soaker::start(*cpu)).collect();
    let mut used = generate(source, rate, time.min(LONGEST))?;
    for soaker in soakers {
        used.contender += soaker.stop()?;
    }
    Ok(used)
}

/// Sends, and counts the CPU time of the calling thread but for its waiting.
fn generate(source: &mut dyn Source, rate: f64, time: Duration) -> Result<Use> {
    let total = (rate * time.as_secs_f64()) as u64;
    let burst = ((rate * QUANTUM.as_secs_f64()) as u64).clamp(1, BATCH as u64);
    let cpu_before = sys::thread_cpu_time();
    let begun = Instant::now();
    let (mut last, mut idle, mut sent) = (begun, Duration::ZERO, 0);
    let mut sending_time = time;
    loop {
        let now = Instant::now();
        let gap = now - last;
        if gap < GAP {
            idle += gap;
        }
        last = now;
        let elapsed = now - begun;
        if elapsed >= time + DRAIN {
            break;
        }
        let due = ((elapsed.as_secs_f64() * rate) as u64).min(total);
        let is_time = sent + burst <= due || (sent < due && due == total);
        if is_time && elapsed < time + QUANTUM {
            let count = (due - sent).min(BATCH as u64) as usize;
            sent += source.send(count)? as u64;
            last = Instant::now();
            sending_time = sending_time.max(last - begun);
        }
    }
    Ok(Use {
        sent,
        time: sending_time,
        generator: (sys::thread_cpu_time() - cpu_before).saturating_sub(idle),
        contender: Duration::ZERO,
    })
}

/// Finds out what of a CPU is left.
struct Soaker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Duration>>,
}

impl Soaker {
    fn start(cpu: usize) -> Soaker {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let (started, is_started) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            sys::pin(&[cpu])?;
            sys::schedule(Policy::RealTime(1))?;
            started.send(()).context("nobody waits")?;
            let begun = Instant::now();
            let (mut last, mut idle) = (begun, Duration::ZERO);
            while !flag.load(Ordering::Relaxed) {
                let now = Instant::now();
                let gap = now - last;
                if gap < GAP {
                    idle += gap;
                }
                last = now;
            }
            Ok(begun.elapsed().saturating_sub(idle))
        });
        // Waiting lets it begin: it inherits the generator's CPU and priority.
        let _ = is_started.recv();
        Soaker { stop, thread }
    }

    /// CPU time of everything else there.
    fn stop(self) -> Result<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("a measuring thread panicked"))?
    }
}
