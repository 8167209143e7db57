//! How steadily the CPUs go while something is measured.
//!
//! A hypervisor takes a virtual CPU away for moments, or slows it to a tenth for tens of milliseconds, and
//! counts none of that as stolen. What is measured then says more of the host than of a contender. So a
//! thread of the highest priority does the same little work on each CPU again and again, and sees how
//! long it takes.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::media::sys::{self, Policy, monotonic};

/// Before the generator, which has the highest priority otherwise.
const PRIORITY: u8 = 60;
/// From one piece of work to the next.
const INTERVAL: Duration = Duration::from_millis(2);
/// Steps of a piece of work, each of which waits for the one before: about 10 µs, half a percent of the CPU.
const STEPS: u32 = 4_000;
/// Work that took so many times as long on average as it does as a rule was disturbed.
const DISTURBED: f64 = 1.2;

/// Threads that watch CPUs; they end when it is dropped.
pub struct Pace {
    cpus: Vec<Arc<Seen>>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// How long each piece of work took, nanoseconds.
#[derive(Default)]
struct Seen(Mutex<Vec<u32>>);

/// A moment to measure from: how many pieces each CPU had done.
pub struct Mark(Vec<usize>);

/// How many times as long work took on average as it does as a rule, on the CPU where that is most.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Slowdown(pub f64);

impl Default for Slowdown {
    fn default() -> Slowdown {
        Slowdown(1.0)
    }
}

impl Slowdown {
    /// Whether what was measured meanwhile is the host's rather than the contender's.
    pub fn is_disturbance(self) -> bool {
        self.0 > DISTURBED
    }
}

impl Pace {
    pub fn watch(cpus: &[usize]) -> Result<Pace> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut pace = Pace {
            cpus: Vec::new(),
            is_over: Arc::clone(&is_over),
            threads: Vec::new(),
        };
        for cpu in cpus.iter().copied() {
            let seen = Arc::new(Seen::default());
            pace.cpus.push(Arc::clone(&seen));
            let is_over = Arc::clone(&is_over);
            let (tell, told) = std::sync::mpsc::channel();
            pace.threads.push(
                std::thread::Builder::new()
                    .name(format!("pace-{cpu}"))
                    .spawn(move || {
                        let ready = sys::pin(&[cpu])
                            .and_then(|()| sys::schedule(Policy::RealTime(PRIORITY)));
                        let is_ready = ready.is_ok();
                        // Whoever asked waits for it.
                        let _ = tell.send(ready);
                        while is_ready && !is_over.load(Ordering::Relaxed) {
                            seen.look();
                            std::thread::sleep(INTERVAL);
                        }
                    })?,
            );
            told.recv()?
                .with_context(|| format!("watching the pace of CPU {cpu}"))?;
        }
        Ok(pace)
    }

    pub fn mark(&self) -> Mark {
        Mark(self.cpus.iter().map(|seen| seen.pieces().len()).collect())
    }

    pub fn since(&self, mark: &Mark) -> Slowdown {
        let slowdowns = self.cpus.iter().zip(&mark.0).map(|(seen, begun)| {
            let mut pieces = seen.pieces().get(*begun..).unwrap_or_default().to_vec();
            slowdown(&mut pieces)
        });
        Slowdown(slowdowns.fold(1.0, f64::max))
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It has nothing that could fail.
            let _ = thread.join();
        }
    }
}

impl Seen {
    /// Does the work once.
    fn look(&self) {
        let begun = monotonic();
        let mut value = black_box(1u64);
        for _ in 0..STEPS {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
        }
        black_box(value);
        let ns = (monotonic() - begun).as_nanos();
        self.pieces().push(u32::try_from(ns).unwrap_or(u32::MAX));
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The mean by the median: a CPU that is slower for all of it is not disturbed. 1 of nothing.
fn slowdown(pieces: &mut [u32]) -> f64 {
    let middle = pieces.len() / 2;
    if pieces.is_empty() {
        return 1.0;
    }
    let (_, median, _) = pieces.select_nth_unstable(middle);
    let median = f64::from((*median).max(1));
    let sum: f64 = pieces.iter().copied().map(f64::from).sum();
    sum / pieces.len() as f64 / median
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_takes_longer_for_a_while_is_a_slowdown() {
        assert_eq!(slowdown(&mut []), 1.0);
        assert_eq!(slowdown(&mut [13_000; 1000]), 1.0);
        let mut pieces = [10_000; 1000];
        pieces[500..540].fill(110_000);
        let slowed = slowdown(&mut pieces);
        assert!((slowed - 1.4).abs() < 1e-9, "{slowed}");
        assert!(Slowdown(slowed).is_disturbance());
        assert!(!Slowdown::default().is_disturbance());
    }

    #[test]
    fn a_piece_of_work_is_timed() {
        let seen = Seen::default();
        for _ in 0..10 {
            seen.look();
        }
        assert_eq!(seen.pieces().len(), 10);
        assert!(seen.pieces().iter().all(|ns| *ns > 1000));
    }
}
